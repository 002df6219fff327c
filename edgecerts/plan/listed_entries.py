"""What a new revocation list has to say, and how the one that is here differs from that."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from edgecerts.pki.revocation_lists import EARLIEST, RevocationListFacts, RevokedEntry
from edgecerts.pki.revocation_reasons import RevocationReason, can_be_listed
from edgecerts.plan.declared_revocations import Revoked
from edgecerts.plan.listing import ListedEntry
from edgecerts.plan.model import Change, HazardCode, Reason, ReasonCode
from edgecerts.plan.options import PlanOptions
from edgecerts.plan.revocations import Revocations


@dataclass(frozen=True, kw_only=True, slots=True)
class WantedEntries:
    """What a list has to say.

    Attributes:
        entries: all of them, in the order of their serial numbers.
        unrevoked: entries of older lists that nothing revokes any more, although their certificates have not ended.
        lost: entries of older lists that the log does not know; they stay.
        dropped: those of `unrevoked` that are left out, because that was allowed.
        unlistable: what is revoked and has not ended, and no list can name: it gets in until somebody else stops it.
        ended: serial numbers of certificates that have ended; whether they have an entry makes no list anew.
    """

    entries: tuple[ListedEntry, ...]
    unrevoked: tuple[RevokedEntry, ...]
    lost: tuple[RevokedEntry, ...]
    dropped: frozenset[int]
    unlistable: tuple[RevokedEntry, ...]
    ended: frozenset[int]


def find_wanted(
    revocations: Revocations,
    *,
    unknown_allowed: bool,
    unrevoked_allowed: bool,
    replaced: Sequence[Change],
    now: datetime,
) -> WantedEntries:
    """What a list that is signed now has to say.

    Args:
        revocations: what is revoked.
        unknown_allowed: also serial numbers that nothing here has.
        unrevoked_allowed: whether what nothing revokes any more is left out.
        replaced: changes that revoke the certificate whose place they take.
        now: in UTC.
    """
    wanted = dict(revocations.certificates)
    for declared in revocations.unknown if unknown_allowed else ():
        if declared.serial is not None:
            wanted[declared.serial] = Revoked(serial_number=declared.serial, reason=declared.reason)
    listed = revocations.listed
    edited = frozenset(_find_edited(revocations, listed))
    entries: dict[int, ListedEntry] = {}
    ended: set[int] = set()
    unrevoked: list[RevokedEntry] = []
    lost = [listed[number] for number in wanted if number in edited]
    for number, revoked in wanted.items():
        has_ended = revoked.has_ended(now) and number not in edited
        if has_ended:
            ended.add(number)
        if not has_ended or (number in listed and _stays(revocations, number)):
            entries[number] = ListedEntry(entry=_entry(revoked, listed, now))
    for number, entry in listed.items():
        if number in wanted:
            continue
        known = revocations.known.get(number) if number not in edited else None
        if known is not None and known.not_after < now:
            ended.add(number)
            if _stays(revocations, number):
                entries[number] = ListedEntry(entry=_until(entry, now))
            continue
        (lost if known is None else unrevoked).append(entry)
        if known is None or not unrevoked_allowed:
            entries[number] = ListedEntry(entry=_until(entry, now))
    for number, pending in _pending_entries(replaced, now):
        entries.setdefault(number, pending)
    listable = _listable(entries)
    return WantedEntries(
        entries=tuple(entries[number] for number in sorted(listable)),
        unrevoked=tuple(unrevoked),
        lost=tuple(lost),
        dropped=frozenset(entry.serial_number for entry in unrevoked) if unrevoked_allowed else frozenset(),
        unlistable=tuple(entries[number].entry for number in sorted(entries.keys() - listable - ended)),
        ended=frozenset(ended),
    )


def find_refused(revocations: Revocations, options: PlanOptions) -> frozenset[int]:
    """Serial numbers of certificates that cannot connect although they have not ended, or will not."""
    listed = () if HazardCode.UNREVOKED in options.allow else revocations.listed
    return _listable((*revocations.certificates, *listed))


def _listable(numbers: Collection[int]) -> frozenset[int]:
    """Those that a list can name: nearly always all of them, and then none is looked at alone."""
    if not numbers or (can_be_listed(min(numbers)) and can_be_listed(max(numbers))):
        return frozenset(numbers)
    return frozenset(filter(can_be_listed, numbers))


@dataclass(frozen=True, kw_only=True, slots=True)
class ChangedEntries:
    """How the entries of a list differ from those that it should have.

    Attributes:
        added, removed: the entries, as `describe` names them.
        identities: those whose certificates get an entry, or lose it.
        let_in: whose certificates get in until the list is signed, one for each that it does not have yet.
    """

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    identities: frozenset[str] = frozenset()
    let_in: tuple[str, ...] = ()


def find_changed(found: RevocationListFacts | None, wanted: WantedEntries, revocations: Revocations) -> ChangedEntries:
    """How the entries of a list differ from those that it should have.

    Args:
        found: the list that is here, or None.
    """
    there = {entry.serial_number: entry.reason for entry in found.entries} if found is not None else {}
    # What lies in the list's place may be anything; brokers have what the lists say that can be read.
    refused = there if found is not None else revocations.listed
    replaced = {listed.entry.serial_number: listed.replaced_by for listed in wanted.entries}
    after = {
        listed.entry.serial_number: listed.entry.reason
        for listed in wanted.entries
        if listed.entry.serial_number not in wanted.ended
    }
    added = {number: reason for number, reason in after.items() if there.get(number) is not reason}
    removed = {number: reason for number, reason in there.items() if number in wanted.dropped or number in added}
    known = (revocations.known.get(number) for number in {*added, *removed})
    places = (replaced.get(number) for number in added)
    return ChangedEntries(
        added=tuple(describe(number, added[number], revocations) for number in sorted(added)),
        removed=tuple(describe(number, removed[number], revocations) for number in sorted(removed)),
        identities=frozenset(
            {place.identity for place in places if place}
            | {certificate.identity for certificate in known if certificate}
        ),
        let_in=tuple(_owner(number, revocations) for number in sorted(added) if number not in refused),
    )


def check_entries(changed: ChangedEntries) -> tuple[Reason, ...]:
    """Why a list is signed again because of its entries; none where they are the same."""
    if not changed.added and not changed.removed:
        return ()
    return (Reason(code=ReasonCode.REVOCATIONS_CHANGED, field="revoked", before=changed.removed, after=changed.added),)


def describe(serial_number: int, reason: RevocationReason, revocations: Revocations) -> str:
    """An entry for people and programs: whose certificate it is, as far as that is known, its number as `revoked` takes
    it, and why.
    """
    known, revoked = revocations.known.get(serial_number), revocations.certificates.get(serial_number)
    same = f", same key as {revoked.same_key_as}" if revoked is not None and revoked.same_key_as else ""
    return f"{known.identity if known else 'unknown'} {serial_number:x} {reason}{same}"


def _owner(serial_number: int, revocations: Revocations) -> str:
    known = revocations.known.get(serial_number)
    return known.identity if known is not None else f"serial number {serial_number:x}"


def _entry(revoked: Revoked, listed: Mapping[int, RevokedEntry], now: datetime) -> RevokedEntry:
    """An entry keeps the moment that an older list gave it."""
    before = listed.get(revoked.serial_number)
    at = before.at if before is not None else revoked.at or now
    # Whatever somebody wrote into the log, a list can be signed.
    at = min(max(at, EARLIEST), now).replace(microsecond=0)
    return RevokedEntry(serial_number=revoked.serial_number, reason=revoked.reason, at=at)


def _until(entry: RevokedEntry, now: datetime) -> RevokedEntry:
    """An entry that an older list has. A clock that was wrong then may have revoked it later than now."""
    return entry if entry.at <= now else replace(entry, at=now.replace(microsecond=0))


def _stays(revocations: Revocations, number: int) -> bool:
    """Whether the entry of a certificate that has ended has not yet stood on a list made after that.

    RFC 5280 §3.3: it must not be removed before. A list says that it is an hour older than it is, so what looks older
    than the end may be younger, and then the entry stays for one list more.
    """
    known = revocations.known.get(number)
    newest = max((facts.this_update for facts in revocations.previous), default=None)
    return known is not None and newest is not None and newest <= known.not_after


def _find_edited(revocations: Revocations, listed: Mapping[int, RevokedEntry]) -> Iterator[int]:
    """Entries of older lists whose lines of the log were changed; an entry that stays does no harm.

    That a certificate had ended before it was revoked shows it, too: what has ended gets no entry.
    """
    for number, entry in listed.items():
        known = revocations.known.get(number)
        if known is not None and (known.is_edited or entry.at > known.not_after):
            yield number


def _pending_entries(replaced: Sequence[Change], now: datetime) -> Iterator[tuple[int, ListedEntry]]:
    for change in replaced:
        if change.issuance is not None and change.issuance.revokes is not None:
            number = int(change.issuance.revokes, 16)
            entry = RevokedEntry(
                serial_number=number, reason=RevocationReason.SUPERSEDED, at=now.replace(microsecond=0)
            )
            yield number, ListedEntry(entry=entry, replaced_by=change.address)
