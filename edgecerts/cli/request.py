"""`edgecerts request`."""

import itertools
import os
from dataclasses import dataclass
from pathlib import Path

from edgecerts.apply.request_run import RequestRun, run_request
from edgecerts.cli.clock import current_time
from edgecerts.cli.console import Console
from edgecerts.cli.project import Project, open_project
from edgecerts.cli.secret_sources import secret_sources
from edgecerts.desired.graph import Identity
from edgecerts.desired.host import HostPlaces, build_places
from edgecerts.errors import ExitCode, UsageError
from edgecerts.manifest.model import PasswordSource
from edgecerts.plan.options import suggest_address
from edgecerts.report.request_json import render_request_json
from edgecerts.report.request_text import render_request_text
from edgecerts.report.style import Style


@dataclass(frozen=True, kw_only=True, slots=True)
class Locations:
    """Where the command line says that the host's files are; None for the usual places."""

    key: Path | None
    request: Path | None
    certificate: Path | None


def request(
    address: str, path: Path, output: Path | None, where: Locations, *, rekey: bool, as_json: bool, notice: str | None
) -> ExitCode:
    """Makes the private key and the request of an identity on its host, and prints what was done.

    Raises:
        StorageError, ManifestError: the manifest or a file cannot be used.
        UsageError: there is no such address, its private key is not made on its host, or two of its files would be one.
        SecretError, InvalidKeyError: the private key cannot be used.
    """
    project = open_project(path, output)
    identity = _find(project, address)
    places = build_places(
        identity,
        folder=project.folder,
        output=project.output,
        key=where.key,
        request=where.request,
        certificate=where.certificate,
    )
    _check_apart(places)
    console = Console()
    if notice is not None:
        console.tell(f"{notice}\n")
    named: set[PasswordSource] = set()

    def name_need(source: PasswordSource) -> None:
        if source not in named:
            named.add(source)
            console.tell(f"needs the password for {identity.private_key.address}, from {source}\n")

    report = run_request(
        RequestRun(
            identity=identity,
            manifest=str(path),
            places=places,
            output=project.output,
            now=current_time(),
            sources=secret_sources(project, console, command=f"edgecerts request {identity.address}"),
            rekey=rekey,
            on_need=name_need,
        )
    )
    if as_json:
        console.result(render_request_json(report))
    else:
        console.result(render_request_text(report, style=Style(colour=console.has_colour, width=console.width)))
    return ExitCode.DONE


def _find(project: Project, address: str) -> Identity:
    found = {identity.address: identity for identity in project.graph.end_entities}
    identity = found.get(address)
    if identity is None and address.partition("/")[0] in {authority.address for authority in project.graph.authorities}:
        raise UsageError(
            "the authority has no request: it signs its own certificate, where it is",
            hint="name a broker or client, as broker/NAME or client/NAME",
        )
    if identity is None:
        raise UsageError(
            f"there is no broker or client '{address}' in the manifest",
            hint=suggest_address(address, found, kinds="broker/NAME or client/NAME"),
        )
    if identity.request is None:
        raise UsageError(
            f"the private key of {address} is not made on its host: `key_held` is {identity.private_key.held}",
            hint=f"write `key_held: csr` for {address}, or have its key brought from where the authority is",
        )
    return identity


def _check_apart(places: HostPlaces) -> None:
    """No file takes the place of another, nor of one that is written on the way there."""
    kinds = {
        "private key": (places.key, places.next_key, places.new_key),
        "request": (places.request, places.request.staged),
        "certificate": places.certificates,
    }
    for (one, its), (other, others) in itertools.combinations(kinds.items(), 2):
        for place, second in itertools.product(its, others):
            if _is_same(str(place), str(second)):
                raise UsageError(
                    f"the {one} and the {other} would be the same file: {place}",
                    hint="name another place for one of them: --key, --out or --certificate",
                )


def _is_same(path: str, other: str) -> bool:
    """Whether two paths lead to one file, also where it is not there yet, and where a disk takes two names for one."""
    if os.path.realpath(path) == os.path.realpath(other):
        return True
    try:
        return Path(path).samefile(other)
    except (OSError, ValueError):
        return False
