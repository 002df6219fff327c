"""`edgecerts import`."""

import getpass
import os
import re
import shlex
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgecerts.adoption.adopt import build_adoption
from edgecerts.adoption.key_findings import name_some
from edgecerts.adoption.material import FoundKey, LockedKey, Material, OpenedBy
from edgecerts.adoption.model import Adoption
from edgecerts.adoption.promise import keep_promises
from edgecerts.adoption.read_material import read_material
from edgecerts.adoption.requests import kept_requests
from edgecerts.adoption.source_files import read_source
from edgecerts.adoption.told_roles import ToldRoles
from edgecerts.adoption.unlock import open_key, unlock
from edgecerts.adoption.unopened import Unopened
from edgecerts.apply.core_dumps import forbid_core_dumps
from edgecerts.apply.job import describe_job
from edgecerts.apply.secrets import Secret, SecretSources
from edgecerts.apply.take_over import TakeOver, check_free, take_over
from edgecerts.cli.clock import current_time
from edgecerts.cli.console import Console
from edgecerts.desired import build_graph
from edgecerts.desired.graph import Address
from edgecerts.errors import ExitCode, SecretError, UsageError
from edgecerts.manifest import parse_manifest
from edgecerts.manifest.model import PasswordSource
from edgecerts.manifest.output import DEFAULT_OUTPUT
from edgecerts.report.import_json import render_import_json
from edgecerts.report.import_text import Written, render_import_text
from edgecerts.report.manifest_text import SCHEMA_NAME, render_manifest
from edgecerts.report.style import Style

_TRIES = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class Places:
    """Where an import reads and writes.

    Attributes:
        named_output: the output folder relative to the manifest; None where the manifest cannot name it.
    """

    source: Path
    manifest: Path
    output: Path
    named_output: str | None

    @property
    def flags(self) -> str:
        """What every later command needs to find them, with a space before it."""
        named = ["-f", str(self.manifest)] if self.manifest != Path("pki.yaml") else []
        named += ["--output", str(self.output)] if self.named_output is None else []
        return f" {shlex.join(named)}" if named else ""


def import_folder(
    source: Path,
    manifest: Path,
    output: Path | None,
    *,
    passwords: Sequence[str],
    authority: str | None,
    told: ToldRoles,
    without_locked_keys: bool,
    dry_run: bool,
    as_json: bool,
    notice: str | None,
) -> ExitCode:
    """Takes over a folder of keys and certificates, and prints what was found.

    Args:
        without_locked_keys: write also where a key that was not found may be one that could not be opened.
        notice: what is to be said before anything is written, or None.

    Returns:
        1 where the folder holds no authority that can be taken over, or nothing is written because of locked keys;
        else 0.

    Raises:
        UsageError: a flag cannot be used.
        SecretError: a password that was named cannot be had.
        StorageError: the source cannot be read, or something is in the way. Nothing was written then.
    """
    places = _find_places(source, manifest, output)
    check_free(places.manifest)
    forbid_core_dumps()
    console, now = Console(), current_time()
    if notice is not None and not dry_run:
        console.tell(f"{notice}\n")
    references = [_parse_reference(text, places.manifest.parent) for text in passwords]
    material = read_material(read_source(source))
    material = unlock(material, _fetch(references, places, console) if material.locked else ())
    if console.can_ask:
        material = _ask(material, console)
    again = shlex.join(("edgecerts", "import", str(source), *(f"--password={text}" for text in passwords)))
    adoption = build_adoption(material, source=str(source), now=now, wanted=authority, told=told, again=again)
    written = None
    if adoption.authority is not None:
        given = _prepare(adoption, places)
        adoption = given.adoption
        withheld = None if without_locked_keys else _find_withheld(adoption)
        written = _write(given, places, withheld=withheld, dry_run=dry_run)
    if as_json:
        console.result(render_import_json(adoption, written))
    else:
        style = Style(colour=console.has_colour, width=console.width)
        console.result(render_import_text(adoption, written, style=style))
    if written is not None and written.withheld is not None and not dry_run:
        console.error(f"nothing was written: {written.withheld}", hint=written.withheld_hint)
        return ExitCode.ERROR
    return ExitCode.DONE if written is not None else ExitCode.ERROR


def _prepare(adoption: Adoption, places: Places) -> TakeOver:
    """What is written. The manifest's comments promise what the plan of its own graph does."""
    has_schema = (places.manifest.parent / SCHEMA_NAME).is_file()
    text = render_manifest(adoption, output=places.named_output, has_schema=has_schema)
    graph = build_graph(parse_manifest(text.encode("utf-8"), source=str(places.manifest)))
    adoption = keep_promises(adoption, graph, flags=places.flags)
    return TakeOver(
        adoption=adoption,
        graph=graph,
        manifest=places.manifest,
        text=render_manifest(adoption, output=places.named_output, has_schema=has_schema),
        output=places.output,
        now=adoption.created_at,
        job=describe_job(os.environ),
    )


def _find_withheld(adoption: Adoption) -> str | None:
    """Why the manifest might say of a key that it is elsewhere while it lies in the folder, or None."""
    if not adoption.unopened.any or not adoption.keyless:
        return None
    return f"the private key of {name_some(adoption.keyless)} was not found, and may be {adoption.unopened}"


def _write(given: TakeOver, places: Places, *, withheld: str | None, dry_run: bool) -> Written:
    adoption = given.adoption
    beside = [path for path, _ in kept_requests(adoption)] + [other.file for other in adoption.trusted]
    for path in beside:
        _check_outside(places.source, places.manifest.parent / path, flag="-f")
    files = take_over(given, dry_run=dry_run or withheld is not None)
    return Written(
        manifest=str(places.manifest),
        output=str(places.output),
        files=len(files),
        beside=tuple(str(places.manifest.parent / path) for path in beside),
        flags=places.flags,
        dry_run=dry_run or withheld is not None,
        withheld=withheld,
        withheld_hint=_open_them(adoption.unopened) if withheld is not None else None,
    )


def _open_them(unopened: Unopened) -> str:
    how = ["name its password: --password env:NAME"] if unopened.locked else []
    how += ["let this user read it"] if unopened.unread else []
    return f"{', and '.join(how)}; or do without: --without-locked-keys"


def _find_places(source: Path, manifest: Path, output: Path | None) -> Places:
    folder = manifest.parent
    written = output if output is not None else folder / DEFAULT_OUTPUT
    for path, flag in ((manifest, "-f"), (written, "--output")):
        _check_outside(source, path, flag=flag)
    relative = os.path.relpath(os.path.realpath(written), os.path.realpath(folder))
    named = None if relative.startswith("..") or relative == "." else Path(relative).as_posix()
    return Places(source=source, manifest=manifest, output=written, named_output=named)


def _check_outside(source: Path, path: Path, *, flag: str) -> None:
    """Links count: a folder beside the manifest may lead into the source."""
    if Path(os.path.realpath(path)).is_relative_to(os.path.realpath(source)):
        raise UsageError(
            f"{path} would lie in {source}, and nothing is ever written there",
            hint=f"run edgecerts import in another folder, or name another place with {flag}",
        )


def _parse_reference(text: str, folder: Path) -> PasswordSource:
    """A password's reference as the manifest will have it: paths are relative to the manifest."""
    kind, _, value = text.partition(":")
    if kind == "env" and re.fullmatch("[A-Za-z_][A-Za-z0-9_]*", value):
        return PasswordSource(env=value)
    if kind == "file" and value:
        # By real paths, because the manifest's folder may be a symbolic link.
        real = os.path.relpath(os.path.realpath(value), os.path.realpath(folder))
        return PasswordSource(file=value if Path(value).is_absolute() else Path(real).as_posix())
    # What stands there may be a password.
    raise UsageError("--password is no reference to a password", hint="write env:NAME or file:PATH, never the password")


def _fetch(references: Iterable[PasswordSource], places: Places, console: Console) -> list[OpenedBy]:
    folder = os.path.realpath(places.manifest.parent)
    sources = SecretSources(folder=Path(folder), environ=os.environ)
    owner = Address(identity=f"the keys in {places.source}")
    found = []
    for reference in references:
        console.tell(f"needs {reference}\n")
        try:
            password = sources.fetch(_from_here(reference, folder), owner, new=False)
            found.append(OpenedBy(source=reference, password=password))
        except SecretError as error:
            raise SecretError(error.message, hint="set it for this command, or leave out the --password") from None
    return found


def _from_here(reference: PasswordSource, folder: str) -> PasswordSource:
    """The manifest's folder need not be there yet, and then `..` does not lead out of it."""
    if reference.file is None:
        return reference
    return PasswordSource(file=os.path.normpath(Path(folder, reference.file)))


def _ask(material: Material, console: Console) -> Material:
    """Asks for the password of each key that is still locked; one that opens others opens them, too."""
    for key in material.locked:
        if key in material.locked:
            opened_by = _ask_for(key, console)
            material = unlock(material, (opened_by,)) if opened_by is not None else material
    return material


def _ask_for(key: LockedKey, console: Console) -> OpenedBy | None:
    path = key.places[0].path
    for answer in _answers(f"Password for {path} (empty: leave it out): "):
        opened_by = OpenedBy(source=PasswordSource(prompt=True), password=Secret(answer.encode("utf-8")))
        found: FoundKey | None = open_key(key, (opened_by,))
        if found is not None:
            return opened_by
        console.tell("that does not open it\n")
    return None


def _answers(question: str) -> Iterator[str]:
    for _ in range(_TRIES):
        answer = getpass.getpass(question)
        if not answer:
            return
        yield answer
