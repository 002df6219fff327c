"""`edgecerts status`."""

from collections.abc import Sequence
from pathlib import Path

from edgecerts.cli.choices import parse_duration, parse_time
from edgecerts.cli.clock import current_time
from edgecerts.cli.console import Console
from edgecerts.cli.project import open_project
from edgecerts.desired.build import certificate_path
from edgecerts.errors import ExitCode, UsageError
from edgecerts.observed import scan
from edgecerts.observed.history_scan import scan_history
from edgecerts.observed.inventory import State
from edgecerts.observed.repository import find_tracked
from edgecerts.plan import make_plan
from edgecerts.plan.options import suggest_address
from edgecerts.report.history_json import render_history_json
from edgecerts.report.history_text import render_history_text
from edgecerts.report.status_json import render_status_json
from edgecerts.report.status_text import render_status_text
from edgecerts.report.style import Style
from edgecerts.status.build import build_status
from edgecerts.status.history import build_history, find_identities
from edgecerts.status.model import IdentityState
from edgecerts.status.tracked import PRIVATE_FILES


def show_status(
    path: Path, output: Path | None, *, form: str, at: str | None, within: str | None, fail_on: Sequence[str]
) -> ExitCode:
    """Prints how everything is that should exist.

    Returns:
        3 where there is a finding, else 0.

    Raises:
        StorageError, ManifestError: the manifest cannot be read or used.
        UsageError: a flag cannot be used.
    """
    now = parse_time(at) if at is not None else current_time()
    soon = parse_duration(within, flag="--within") if within is not None else None
    states = frozenset(IdentityState(str(state)) for state in fail_on)
    project = open_project(path, output)
    inventory = scan(project.graph, project.output, manifest_folder=project.folder)
    plan = make_plan(project.graph, inventory, now=now, manifest=str(path), owners=project.owners)
    tracked = find_tracked(project.output, PRIVATE_FILES)
    status = build_status(project.graph, inventory, plan, now=now, within=soon, fail_on=states, tracked=tracked)
    console = Console()
    if form == "json":
        console.result(render_status_json(status))
    else:
        style = Style(colour=console.has_colour, width=console.width)
        console.result(render_status_text(status, style=style, output=str(project.output)))
    return status.exit_code


def show_history(path: Path, output: Path | None, address: str, *, form: str, at: str | None) -> ExitCode:
    """Prints what was issued to an identity, by the log.

    Returns:
        0.

    Raises:
        StorageError, ManifestError: the manifest or the output folder cannot be read or used.
        UsageError: the time cannot be used, or nothing has this address or ever had it.
    """
    now = parse_time(at) if at is not None else current_time()
    project = open_project(path, output)
    declared = {identity.address for identity in project.graph.identities}
    # What is no identity's address has no file; the log is read for what was meant.
    place, authority = certificate_path(address), project.graph.authorities[0].certificate.path
    found = scan_history(project.output, place or authority, authority=authority)
    known = declared | find_identities(found.log)
    if place is None or (address not in known and found.certificate.state is State.ABSENT):
        raise UsageError(
            f"--history: there is no identity '{address}' in the manifest, nor in the log",
            hint=suggest_address(address, known),
        )
    history = build_history(address, found, path=place, manifest=str(path), declared=address in declared, now=now)
    console = Console()
    if form == "json":
        console.result(render_history_json(history))
    else:
        style = Style(colour=console.has_colour, width=console.width)
        console.result(render_history_text(history, style=style, output=str(project.output)))
    return ExitCode.DONE
