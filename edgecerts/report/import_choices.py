"""What a person should decide before an import is kept: another authority, and what does not say what it is."""

import shlex
from collections.abc import Iterator

from edgecerts.adoption.declared_revocations import DeclaredRevocations
from edgecerts.adoption.findings import FindingCode
from edgecerts.adoption.key_findings import name_some
from edgecerts.adoption.model import AdoptedEntry, Adoption
from edgecerts.adoption.roles import serves_all
from edgecerts.manifest.model import EndEntityKind
from edgecerts.report.change_lines import hint_lines
from edgecerts.report.printable import printable
from edgecerts.report.style import Style, plural

_INDENT = "  "
_MOST_REVOKED = 100


def rival_lines(adoption: Adoption, style: Style) -> Iterator[str]:
    """That another authority would have been as good a choice, for the first lines of a report."""
    for other in adoption.rivals:
        digest = other.facts.spki_sha256[:16]
        name = other.common_name or "an authority without a common name"
        key = "its key is here" if other.key is not None else "its key is not here"
        text = f"Another authority issued {len(other.issued)} here, and {key}: {name}. --ca {digest} takes that one."
        yield from style.wrap(printable(text), hanging=_INDENT)


def uncertain_lines(adoption: Adoption, style: Style) -> Iterator[str]:
    """Which entries do not say whether they are a broker's or a client's: once for all of them."""
    unsure = [entry for entry in adoption.entries if _is_uncertain(entry)]
    if not unsure:
        return
    count = len(unsure)
    what = "1 certificate does" if count == 1 else f"{count:,} certificates do"
    taken = [
        f"taken for a {kind}'s: {name_some(_name(entry) for entry in entries)}"
        for kind in EndEntityKind
        if (entries := [entry for entry in unsure if entry.kind is kind])
    ]
    text = f"uncertain-role: {what} not say whether a broker or a client has it; {'; '.join(taken)}"
    if any(serves_all(entry.certificate.facts) for entry in unsure):
        text += "; new ones may serve as both, as the old ones do"
    first, *rest = style.wrap(printable(text), indent=_INDENT, hanging=_INDENT * 2)
    yield f"!{first[1:]}"
    yield from rest
    flags = " ".join(f"--{entry.kind} {shlex.quote(_name(entry))}" for entry in unsure[:2])
    yield from hint_lines(
        f"say what they are, one by one or by a pattern: edgecerts import {shlex.quote(adoption.source)} {flags}", style
    )
    yield ""


def undeclared_lines(found: DeclaredRevocations) -> Iterator[str]:
    """For a comment in the manifest: what the authority has revoked, and what is not declared all the same."""
    revoked = found.undeclared
    if not revoked:
        return
    why = found.obstacle or "their serial numbers cannot stand in a list, or are those of certificates in use, too"
    yield f"The authority has revoked {plural(len(revoked), 'certificate')} that `revoked` does not name: {why}."
    for entry in revoked[:_MOST_REVOKED]:
        reason = f", {entry.serial.reason}" if entry.serial.reason is not None else ""
        day = f", {entry.serial.at:%Y-%m-%d}" if entry.serial.at is not None else ""
        whose = f" ({name_some(entry.subjects)})" if entry.subjects else ""
        yield f"- serial {entry.serial.serial_number:x}{reason}{day}{whose}; {name_some(entry.said_by)}"
    if len(revoked) > _MOST_REVOKED:
        yield f"- and {len(revoked) - _MOST_REVOKED:,} more, in the same files"


def _is_uncertain(entry: AdoptedEntry) -> bool:
    return any(finding.code is FindingCode.UNCERTAIN_ROLE for finding in entry.findings)


def _name(entry: AdoptedEntry) -> str:
    return entry.declared.common_name or entry.name
