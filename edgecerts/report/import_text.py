"""What an import found, as text for people: who is taken over, what is wrong with it, and what is left out."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from edgecerts.adoption.findings import Finding, FindingCode, Outcome
from edgecerts.adoption.key_findings import name_some
from edgecerts.adoption.material import FoundCertificate, FoundKey, LeftOut, LeftOutCode
from edgecerts.adoption.model import AdoptedEntry, Adoption
from edgecerts.report.change_lines import MAX_IDENTITIES, hint_lines
from edgecerts.report.import_choices import rival_lines, uncertain_lines
from edgecerts.report.printable import printable
from edgecerts.report.style import Colour, Style, plural

_TEXT, _HANGING = "      ", "        "
_INDENT, _BESIDE = "  ", "    "

_LEAVES = frozenset(
    {
        *(LeftOutCode.INTERMEDIATE, LeftOutCode.OF_OTHER_AUTHORITY, LeftOutCode.NO_ISSUER, LeftOutCode.NO_HOST),
        *(LeftOutCode.NAME_NOT_DECLARABLE, LeftOutCode.NAME_OF_CA, LeftOutCode.SELF_SIGNED, LeftOutCode.REVOKED),
    }
)
_OUTCOMES = {
    Outcome.UPDATED: ("~", Colour.YELLOW, "apply makes a new certificate for the same key"),
    Outcome.REKEYED: ("-/+", Colour.YELLOW, "apply makes a new key and certificate"),
    Outcome.BLOCKED: ("x", Colour.RED, "apply would make a new certificate, and cannot yet"),
    Outcome.WAITING: ("w", Colour.CYAN, "waits for its host, which has to make a new key"),
    Outcome.MENDED: ("m", Colour.CYAN, "mended in the copy"),
    Outcome.STAYS: ("!", Colour.CYAN, "stays"),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Written:
    """Where an import wrote.

    Attributes:
        manifest, output: as the user knows them.
        files: how many are below the output folder.
        beside: the files next to the manifest.
        flags: what every later command needs to find them, with a space before it.
        dry_run: nothing was written.
        withheld: why nothing is written without a word from the user, or None.
        withheld_hint: what that word is.
    """

    manifest: str
    output: str
    files: int
    beside: tuple[str, ...]
    flags: str
    dry_run: bool
    withheld: str | None = None
    withheld_hint: str | None = None


def render_import_text(adoption: Adoption, written: Written | None, *, style: Style) -> str:
    """The whole report.

    Args:
        written: None where there was nothing to take over.
        style: width and colour.
    """
    lines = [*style.bold(_headline(adoption)), *rival_lines(adoption, style), ""]
    if adoption.authority is not None:
        lines += _identity(
            "ca",
            adoption.authority.declared.common_name,
            adoption.authority.found.certificate,
            adoption.authority.found.key,
            adoption.authority.findings,
            style,
        )
        for entry in adoption.entries[:MAX_IDENTITIES]:
            lines += _entry(entry, style)
        if len(adoption.entries) > MAX_IDENTITIES:
            lines += [f"... and {len(adoption.entries) - MAX_IDENTITIES:,} more; --format json has them all", ""]
    lines += uncertain_lines(adoption, style)
    lines += _trusted(adoption, style)
    lines += _left_out(adoption.left_out, style)
    lines += _end(adoption, written, style)
    return "".join(f"{line}\n" for line in lines)


def _headline(adoption: Adoption) -> str:
    if adoption.authority is None:
        return f"No authority that can be taken over was found in {adoption.source} ({plural(adoption.files, 'file')})."
    if not adoption.entries and _passed_over(adoption):
        count = plural(_passed_over(adoption), "certificate")
        return f"Nothing but an authority can be taken over from {adoption.source}: not one of {count}; see below."
    found = ", ".join(("1 authority", plural(len(adoption.brokers), "broker"), plural(len(adoption.clients), "client")))
    return f"Found in {adoption.source}: {found} ({plural(adoption.files, 'file')} read)."


def _passed_over(adoption: Adoption) -> int:
    """How many certificates of brokers and clients are left out."""
    return sum(entry.code in _LEAVES for entry in adoption.left_out)


def _entry(entry: AdoptedEntry, style: Style) -> Iterator[str]:
    name = entry.declared.common_name or entry.name
    yield from _identity(
        entry.address, name if name != entry.name else None, entry.certificate, entry.key, entry.findings, style
    )


def _identity(
    address: str,
    common_name: str | None,
    certificate: FoundCertificate,
    key: FoundKey | None,
    findings: Sequence[Finding],
    style: Style,
) -> Iterator[str]:
    heading = style.paint(printable(address), Colour.BOLD)
    yield heading + (printable(f" ({common_name})") if common_name else "")
    facts = certificate.facts
    what = f"{facts.key_type}, until {facts.not_after:%Y-%m-%d}, from {_files(certificate)}"
    yield from style.wrap(printable(f"certificate  {what}"), indent=_INDENT, hanging=_BESIDE + _TEXT + "     ")
    if key is not None:
        opened = f"encrypted, opened by {key.opened_by.source}" if key.opened_by is not None else "not encrypted"
        what = f"{opened}, from {name_some(place.path for place in key.places)}"
        yield from style.wrap(printable(f"private key  {what}"), indent=_INDENT, hanging=_BESIDE + _TEXT + "     ")
    for finding in findings:
        # Said once for all, below.
        if finding.code is not FindingCode.UNCERTAIN_ROLE:
            yield from _finding(finding, style)
    yield ""


def _finding(finding: Finding, style: Style) -> Iterator[str]:
    symbol, colour, _ = _OUTCOMES[finding.outcome]
    refused = f"; refused by {finding.refused_by}" if finding.refused_by else ""
    text = f"{finding.code}: {finding.message}{refused}"
    first, *rest = style.wrap(printable(text), indent=_TEXT, hanging=_HANGING)
    yield style.paint(f"{symbol:>5}", colour) + first[len(_TEXT) - 1 :]
    yield from rest
    yield from hint_lines(finding.hint, style)


def _trusted(adoption: Adoption, style: Style) -> Iterator[str]:
    for other in adoption.trusted:
        name = other.file
        how = "is in every ca.pem" if other.active else "is not trusted, unless you remove a # in the manifest"
        yield from style.wrap(printable(f"Another authority, kept in {name}, {how}: {other.reason}."), hanging=_INDENT)
    if adoption.trusted:
        yield ""


def _left_out(left_out: Sequence[LeftOut], style: Style) -> Iterator[str]:
    if not left_out:
        return
    yield style.paint("Not taken over", Colour.BOLD)
    for entry in left_out[:MAX_IDENTITIES]:
        text = f"{name_some(entry.files)}: {entry.message} ({entry.code})"
        yield from style.wrap(printable(text), indent=_INDENT, hanging=_TEXT)
        yield from hint_lines(entry.hint, style)
    if len(left_out) > MAX_IDENTITIES:
        yield f"  ... and {len(left_out) - MAX_IDENTITIES:,} more; --format json has them all"
    yield ""


def _end(adoption: Adoption, written: Written | None, style: Style) -> Iterator[str]:
    used = [outcome for outcome in Outcome if any(finding.outcome is outcome for finding in adoption.findings)]
    for outcome in used:
        symbol, colour, words = _OUTCOMES[outcome]
        yield f"{style.paint(f'{symbol:>3}', colour)} {words}"
    if used:
        yield ""
    if written is None:
        hint = (
            "name the folder that has the authority's own certificate; every device has a copy of it, often as ca.pem"
        )
        yield from hint_lines(hint, style)
        return
    if written.withheld is not None:
        yield from style.bold(f"Nothing is written: {written.withheld}.")
        yield from hint_lines(written.withheld_hint, style)
        return
    verb = "Would write" if written.dry_run else "Wrote"
    beside = "".join(f" and {path}" for path in written.beside[:2])
    beside += f" and {len(written.beside) - 2} more" if len(written.beside) > 2 else ""
    files = f"{verb} {written.manifest}{beside}, and {plural(written.files, 'file')} in {written.output}."
    yield from style.bold(f"{files} Nothing in {adoption.source} was changed.")
    if not written.dry_run:
        yield from style.wrap(printable(f"Read {written.manifest}, then run: edgecerts plan{written.flags}"))


def _files(certificate: FoundCertificate) -> str:
    return name_some(place.path for place in certificate.places)
