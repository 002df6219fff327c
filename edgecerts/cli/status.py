"""`edgecerts status`."""

from pathlib import Path

from edgecerts.cli.choices import parse_duration, parse_time
from edgecerts.cli.clock import current_time
from edgecerts.cli.console import Console
from edgecerts.cli.project import open_project
from edgecerts.errors import ExitCode
from edgecerts.observed import scan
from edgecerts.observed.repository import find_tracked
from edgecerts.plan import make_plan
from edgecerts.report.status_json import render_status_json
from edgecerts.report.status_text import render_status_text
from edgecerts.report.style import Style
from edgecerts.status.build import build_status
from edgecerts.status.tracked import PRIVATE_FILES


def show_status(path: Path, output: Path | None, *, form: str, at: str | None, within: str | None) -> ExitCode:
    """Prints how everything is that should exist.

    Returns:
        3 where there is a finding, else 0.

    Raises:
        StorageError, ManifestError: the manifest cannot be read or used.
        UsageError: a flag cannot be used.
    """
    now = parse_time(at) if at is not None else current_time()
    soon = parse_duration(within, flag="--within") if within is not None else None
    project = open_project(path, output)
    inventory = scan(project.graph, project.output, manifest_folder=project.folder)
    plan = make_plan(project.graph, inventory, now=now, manifest=str(path), owners=project.owners)
    tracked = find_tracked(project.output, PRIVATE_FILES)
    status = build_status(project.graph, inventory, plan, now=now, within=soon, tracked=tracked)
    console = Console()
    if form == "json":
        console.result(render_status_json(status))
    else:
        style = Style(colour=console.has_colour, width=console.width)
        console.result(render_status_text(status, style=style, output=str(project.output)))
    return status.exit_code
