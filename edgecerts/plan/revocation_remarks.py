"""What there is to say about single entries of a revocation list: refused ones, lost ones, and those without effect."""

from collections.abc import Iterable, Iterator, Sequence

from edgecerts.desired.graph import RevocationListArtifact
from edgecerts.manifest.model import Revocation
from edgecerts.plan.listed_entries import WantedEntries, describe
from edgecerts.plan.model import HazardCode, NoticeCode, Remark
from edgecerts.plan.revocations import Revocations

_MOST_NAMED = 10

ABOUT_REVOCATION = frozenset(
    {
        NoticeCode.CRL_ENDS,
        NoticeCode.CRL_UNMANAGED,
        NoticeCode.CRL_OF_ANOTHER_ENDS,
        NoticeCode.CRL_OF_ANOTHER_UNUSABLE,
        NoticeCode.CRL_LEFT_OUT,
        NoticeCode.REVOKED_NOT_IN_LOG,
        NoticeCode.REVOKES_NOTHING,
        NoticeCode.REVOKES_AUTHORITY,
    }
)
"""Notices that stand before all others: whoever revokes somebody reads no further than has to be."""


def refuse_entries(
    artifact: RevocationListArtifact, revocations: Revocations, wanted: WantedEntries
) -> Iterator[Remark]:
    """The hazards: what would be let in again, and what nobody knows."""
    if wanted.unrevoked:
        named = [describe(entry.serial_number, entry.reason, revocations) for entry in wanted.unrevoked]
        yield Remark(
            code=HazardCode.UNREVOKED.value,
            address=str(artifact.address),
            message="revoked, and not any more by anything that is declared, so that it could connect again:"
            f" {_some(named)}",
            hint="bring back its entry in `revoked`, or its line of the log; or, to let it in again:"
            f" --allow {HazardCode.UNREVOKED}",
        )
    if revocations.unknown:
        yield Remark(
            code=HazardCode.UNKNOWN_SERIAL.value,
            address=str(artifact.address),
            message=f"nothing here has the serial number {_some(_places(revocations.unknown))}",
            hint="look it up in issued/, or, where it is right, write `unknown: true` beside it",
        )
    if wanted.unlistable:
        named = [describe(entry.serial_number, entry.reason, revocations) for entry in wanted.unlistable]
        yield Remark(
            code=HazardCode.UNLISTABLE_SERIAL.value,
            address=str(artifact.address),
            message="revoked, and gets in all the same, because no list can name a serial number of 160 bits or more:"
            f" {_some(named)}",
            hint="remove its user at every broker, or replace the authority; where that is done:"
            f" --allow {HazardCode.UNLISTABLE_SERIAL}",
        )


def remark_on_entries(
    artifact: RevocationListArtifact, revocations: Revocations, wanted: WantedEntries
) -> Iterator[Remark]:
    """The notices."""
    if wanted.lost:
        named = [f"{entry.serial_number:x}" for entry in wanted.lost]
        yield _notice(
            NoticeCode.REVOKED_NOT_IN_LOG,
            artifact,
            "the list has entries that the log does not know, or not as they were written, and keeps them:"
            f" {_some(named)}",
            "if lines of the log were lost or edited, bring them back: git log -p issued",
        )
    if revocations.silent:
        yield _notice(
            NoticeCode.REVOKES_NOTHING,
            artifact,
            f"nothing here was ever issued to {_some(_places(revocations.silent))}",
            "look for a slip: an address is written as plans write it",
        )
    if revocations.authority:
        yield _notice(
            NoticeCode.REVOKES_AUTHORITY,
            artifact,
            f"the authority's own certificate is not put into its list: {_some(_places(revocations.authority))}",
            "remove the entry; an authority that is in other hands is replaced, see docs/revocation.md",
        )


def note_left_out(
    artifact: RevocationListArtifact, added: Sequence[str], *, is_signed: bool, copies: Sequence[str]
) -> Iterator[Remark]:
    """A run that is restricted to others, and leaves a list as it is although somebody is revoked.

    Args:
        added: the entries that the list would get.
        is_signed: whether the list is signed in this run.
        copies: the brokers that do not get it.
    """
    if not added or (is_signed and not copies):
        return
    what = f"{_some(copies)} {'does' if len(copies) == 1 else 'do'} not get the list with"
    yield _notice(
        NoticeCode.CRL_LEFT_OUT,
        artifact,
        f"by --target, {what if is_signed else 'the list is left as it is, without'} {_some(added)}",
        f"edgecerts apply --target {artifact.address}",
    )


def tell_let_in(let_in: Sequence[str]) -> str:
    """Who gets in until a list is signed, in words; `let_in` has an item for each of their certificates."""
    names = tuple(dict.fromkeys(let_in))
    certificates = f" with {len(let_in):,} certificates" if len(let_in) > len(names) else ""
    return f"{_some(names)} still get{'s' if len(names) == 1 else ''} in{certificates} until the list is signed"


def _places(entries: Iterable[Revocation]) -> list[str]:
    """Each entry with its line, so that it is found in a list of thousands."""
    named = []
    for entry in entries:
        place = f"line {entry.mark.line}" + (f" of {entry.mark.file}" if entry.mark.file else "")
        named.append(f"{entry.name or f'{entry.serial or 0:x}'} ({place})")
    return named


def _some(named: Sequence[str]) -> str:
    rest = len(named) - _MOST_NAMED
    return ", ".join(named[:_MOST_NAMED]) + (f" and {rest:,} more" if rest > 0 else "")


def _notice(code: NoticeCode, artifact: RevocationListArtifact, message: str, hint: str) -> Remark:
    return Remark(code=code.value, address=str(artifact.address), message=message, hint=hint)
