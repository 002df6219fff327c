"""An adoption as the text of a manifest, with comments on what is wrong. The same adoption gives the same text."""

from collections.abc import Iterable, Iterator
from pathlib import PurePath

from edgecerts.adoption.declared_revocations import DeclaredRevocations
from edgecerts.adoption.findings import Finding, Outcome
from edgecerts.adoption.key_findings import name_some
from edgecerts.adoption.model import AdoptedEntry, Adoption, Declared
from edgecerts.manifest.model import KeyHeld, PasswordSource
from edgecerts.manifest.output import DEFAULT_OUTPUT
from edgecerts.report.import_choices import undeclared_lines
from edgecerts.report.printable import printable
from edgecerts.report.style import Style
from edgecerts.report.yaml_scalar import yaml_scalar

SCHEMA_NAME = "pki.schema.json"
"""What an editor is told to look for beside the manifest."""

_WIDTH = 110
_STEP = "  "

_OUTCOMES = {
    Outcome.UPDATED: "apply: new certificate, same key",
    Outcome.REKEYED: "apply: new key and certificate",
    Outcome.BLOCKED: "apply: cannot make a new certificate yet",
    Outcome.WAITING: "waits for its host",
    Outcome.MENDED: "mended in the copy",
    Outcome.STAYS: "stays",
}


def render_manifest(adoption: Adoption, *, output: str | None, has_schema: bool = False) -> str:
    """The manifest's text.

    Args:
        adoption: with an authority.
        output: the output folder relative to the manifest, with `/`; None where the manifest cannot name it.
        has_schema: `pki.schema.json` lies beside it, where editors can find it.
    """
    return "".join(f"{line}\n" for line in _lines(adoption, output, has_schema=has_schema))


def _lines(adoption: Adoption, output: str | None, *, has_schema: bool) -> Iterator[str]:
    if has_schema:
        yield f"# yaml-language-server: $schema={SCHEMA_NAME}"
        yield "#"
    yield from _comment(f"Made by `edgecerts import` from what lies in {PurePath(adoption.source).name or 'a folder'}.")
    yield from _comment("`edgecerts plan` says what is still to be done, and why; `edgecerts apply` does it.")
    yield ""
    yield "version: 1"
    if output is None:
        yield from _comment("The files are where --output says; every command needs that option.")
    elif output != DEFAULT_OUTPUT:
        yield f"output: {yaml_scalar(output)}"
    defaults = list(_settings(adoption.defaults))
    if defaults:
        yield ""
        yield "defaults:"
        yield from _indented(defaults)
    yield ""
    yield from _authority(adoption)
    for title, entries in (("brokers", adoption.brokers), ("clients", adoption.clients)):
        if entries:
            yield ""
            yield f"{title}:"
            for entry in entries:
                yield from _indented(_entry(entry))
    yield from _revoked(adoption.revoked)


def _revoked(found: DeclaredRevocations) -> Iterator[str]:
    if found.entries:
        yield ""
        yield from _comment("Whom the authority has revoked. `edgecerts apply` signs a list of them for your brokers.")
        yield "revoked:"
        for entry in found.entries:
            serial, note = yaml_scalar(f"{entry.serial_number:x}"), yaml_scalar(printable(entry.note))
            yield f"{_STEP}- {{serial: {serial}, reason: {entry.reason}, unknown: true, note: {note}}}"
    lines = list(undeclared_lines(found))
    if lines:
        yield ""
    for text in lines:
        yield from _comment(text.removeprefix("- "), bullet="- " if text.startswith("- ") else "")


def _authority(adoption: Adoption) -> Iterator[str]:
    authority = adoption.authority
    assert authority is not None  # noqa: S101 (without one there is no manifest)
    places = (*authority.found.certificate.places, *(authority.found.key.places if authority.found.key else ()))
    yield from _comment(f"Found in {name_some(place.path for place in places)}.")
    yield from _findings(authority.findings)
    yield "ca:"
    yield from _indented(_settings(authority.declared))
    suggested = [other for other in adoption.trusted if not other.active]
    for other in suggested:
        yield from _indented(_comment(f"Remove the # if devices have to go on trusting this: {other.reason}."))
        yield f"{_STEP}# also_trust: [{{ca: {yaml_scalar(other.file)}}}]"


def _entry(entry: AdoptedEntry) -> Iterator[str]:
    places = (*entry.certificate.places, *(entry.key.places if entry.key is not None else ()))
    yield from _comment(f"Found in {name_some(place.path for place in places)}.")
    yield from _findings(entry.findings)
    yield f"{yaml_scalar(entry.name)}:"
    yield from _indented(_settings(entry.declared))


def _settings(declared: Declared) -> Iterator[str]:
    """What a mapping says, in the order in which people expect it."""
    if declared.common_name is not None:
        yield f"common_name: {yaml_scalar(declared.common_name)}"
    if declared.subject:
        yield "subject:"
        yield from _indented(f"{field}: {yaml_scalar(value)}" for field, value in declared.subject.items())
    if declared.alt_names:
        yield "alt_names:"
        yield from _indented(f"- {yaml_scalar(name)}" for name in declared.alt_names)
    if declared.ip_as_dns:
        yield "ip_as_dns: true"
    if declared.usages:
        yield f"usages: [{', '.join(declared.usages)}]"
    if declared.shared_common_name:
        yield "shared_common_name: true"
    if declared.key_type is not None:
        yield f"key_type: {declared.key_type}"
    if declared.lifetime is not None:
        yield f"{declared.lifetime[0]}: {declared.lifetime[1]}"
    if declared.renew_before is not None:
        yield f"renew_before: {declared.renew_before}"
    if declared.key_held not in (None, KeyHeld.HERE):
        yield f"key_held: {declared.key_held}"
    if declared.fingerprint is not None:
        yield f"fingerprint: sha256:{declared.fingerprint}"
    if declared.password is not None:
        yield f"password: {_password(declared.password)}"
    if declared.also_trust:
        yield "also_trust:"
        yield from _indented(f"- ca: {yaml_scalar(file)}" for file in declared.also_trust)


def _password(source: PasswordSource) -> str:
    if source.env is not None:
        return f"{{env: {yaml_scalar(source.env)}}}"
    if source.file is not None:
        return f"{{file: {yaml_scalar(source.file)}}}"
    return "{prompt: true}"


def _findings(findings: Iterable[Finding]) -> Iterator[str]:
    for finding in findings:
        refused = f"; refused by {finding.refused_by}" if finding.refused_by else ""
        yield from _comment(f"{finding.message}{refused} ({_OUTCOMES[finding.outcome]})", bullet="- ")


def _comment(text: str, *, bullet: str = "") -> Iterator[str]:
    yield from Style(width=_WIDTH).wrap(printable(text), indent=f"# {bullet}", hanging="# " + " " * len(bullet))


def _indented(lines: Iterable[str]) -> Iterator[str]:
    return (f"{_STEP}{line}" for line in lines)
