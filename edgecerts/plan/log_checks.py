"""The issuance log held against itself and against the certificates that are here. It never steers what is done."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from itertools import chain

from edgecerts.desired.graph import LOG_ADDRESS, LOG_FOLDER, identity_of
from edgecerts.observed.hard_links import COPY_IT, HARD_LINK
from edgecerts.observed.inventory import DamagedLog, Inventory
from edgecerts.observed.issuance_log import LogEntry
from edgecerts.pki.certificate_facts import CertificateFacts
from edgecerts.plan.model import Change, LogRecord, NoticeCode, Remark, rfc3339

_MOST_NAMED = 10
_LOOK_INTO_HISTORY = f"look for the line as it was, and bring it back: git log -p {LOG_FOLDER}"

_Place = tuple[str, CertificateFacts]
"""A certificate that is here, and where."""


def check_log(inventory: Inventory, changes: Iterable[Change], now: datetime) -> Iterator[Remark]:
    """What is wrong with the log.

    Args:
        inventory: what is there.
        changes: those of the log.
        now: certificates that have ended contradict nobody any more.
    """
    unreadable = {path: why for path, why in inventory.unreadable.items() if path.partition("/")[0] == LOG_FOLDER}
    yield from check_readable(unreadable, inventory.damaged_log)
    here = _certificates_here(inventory)
    yield from _other_than_the_certificate(inventory.log, here)
    yield from _other_than_written(inventory.log, here)
    records = (record for change in changes for record in change.records)
    yield from _shared_serials(inventory.log, here, records, now)


def check_readable(unreadable: Mapping[str, str], damaged: Iterable[DamagedLog]) -> Iterator[Remark]:
    """What of the log cannot be read.

    Args:
        unreadable: its files, or its folder, and why.
        damaged: files with lines that are no entries.
    """
    for path, problem in unreadable.items():
        mended = COPY_IT if problem == HARD_LINK else "make it a plain file that this user may read and write"
        yield _remark(
            NoticeCode.LOG_UNREADABLE,
            f"{path} cannot be used, and nothing is signed without a line in it: {problem}",
            hint=mended,
        )
    yield from map(_damaged, damaged)


def _damaged(damaged: DamagedLog) -> Remark:
    noun = "line" if len(damaged.lines) == 1 else "lines"
    message = f"{damaged.path}: {noun} {_ranges(damaged.lines)} {'is no entry' if noun == 'line' else 'are no entries'}"
    hint = f"{_LOOK_INTO_HISTORY}; or remove what never was an entry"
    if damaged.conflict:
        message += ", among them what a merge left"
        hint = (
            "keep all lines of both sides, in any order, and remove only the markers of the merge; look for any other"
            f" line as it was: git log -p {LOG_FOLDER}"
        )
    return _remark(NoticeCode.LOG_DAMAGED, message, hint=hint)


def _ranges(numbers: Iterable[int]) -> str:
    """`3, 5-7`: line numbers in ascending order, without naming each of many."""
    ranges: list[list[int]] = []
    for number in numbers:
        if ranges and number == ranges[-1][1] + 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    named = [f"{first}" if first == last else f"{first}-{last}" for first, last in ranges[:_MOST_NAMED]]
    return ", ".join(named) + (" and others" if len(ranges) > _MOST_NAMED else "")


def _certificates_here(inventory: Inventory) -> Mapping[str, _Place]:
    """Every certificate that can be read, by its digest; of those that lie in several places the first."""
    left = ((leftover.certificate_path, leftover.certificate) for leftover in inventory.leftovers)
    here: dict[str, _Place] = {}
    for path, found in chain(inventory.certificates.items(), left):
        for facts in found.value or ():
            here.setdefault(facts.sha256, (path, facts))
    return here


def _other_than_the_certificate(log: Iterable[LogEntry], here: Mapping[str, _Place]) -> Iterator[Remark]:
    """Lines that are for a certificate which is here, by its digest, and say something else about it."""
    said = set()
    for entry in log:
        if entry.sha256 not in here:
            continue
        path, facts = here[entry.sha256]
        wrong = tuple(_differences(entry, facts))
        if wrong and (entry.sha256, wrong) not in said:
            said.add((entry.sha256, wrong))
            yield _remark(
                NoticeCode.LOG_CONTRADICTION,
                f"a line for {path}, serial {facts.serial}, names another {', '.join(wrong)} than the certificate",
                hint=_LOOK_INTO_HISTORY,
            )


def _other_than_written(log: Iterable[LogEntry], here: Mapping[str, _Place]) -> Iterator[Remark]:
    """Lines that do not say what they were written with, as far as no certificate that is here has shown that."""
    edited = [entry for entry in log if entry.is_edited]
    named = [
        f"{identity_of(entry.address)}, serial {entry.serial}"
        for entry in edited
        if entry.sha256 not in here or not any(_differences(entry, here[entry.sha256][1]))
    ]
    if named:
        more = f"; and {len(named) - _MOST_NAMED:,} more" if len(named) > _MOST_NAMED else ""
        yield _remark(
            NoticeCode.LOG_CONTRADICTION,
            f"{'a line was' if len(named) == 1 else 'lines were'} edited, and cannot be counted on:"
            f" {'; '.join(named[:_MOST_NAMED])}{more}",
            hint=_LOOK_INTO_HISTORY,
        )


def _differences(entry: LogEntry, facts: CertificateFacts) -> Iterator[str]:
    if entry.serial != facts.serial and entry.serial_number != facts.serial_number:
        yield "serial"
    if entry.spki_sha256 != facts.spki_sha256:
        yield "spki_sha256"
    if entry.subject != facts.subject_text:
        yield "subject"
    for name, moment in (("not_before", facts.not_before), ("not_after", facts.not_after)):
        written: str = getattr(entry, name)
        if written != rfc3339(moment) and datetime.fromisoformat(written) != moment:
            yield name


def _shared_serials(
    log: Iterable[LogEntry], here: Mapping[str, _Place], records: Iterable[LogRecord], now: datetime
) -> Iterator[Remark]:
    """Different certificates of one issuer with one serial number: whoever revokes one of them revokes all."""
    issued: dict[tuple[str, int], dict[str, tuple[str, datetime]]] = {}
    for entry in log:
        place = here.get(entry.sha256)
        number = place[1].serial_number if place else entry.serial_number
        if number is not None:
            ends = place[1].not_after if place else datetime.fromisoformat(entry.not_after)
            issued.setdefault((entry.issuer_key, number), {})[entry.sha256] = place[0] if place else entry.address, ends
    for record in records:
        same = issued.setdefault((record.issuer_key, record.facts.serial_number), {})
        same[record.facts.sha256] = record.path, record.facts.not_after
    for (_, number), same in issued.items():
        if len(same) > 1 and any(ends > now for _, ends in same.values()):
            named = [f"{place} (sha256:{digest[:12]}...)" for digest, (place, _) in same.items()]
            more = f" and {len(named) - _MOST_NAMED} more" if len(named) > _MOST_NAMED else ""
            yield _remark(
                NoticeCode.LOG_CONTRADICTION,
                f"different certificates of one issuer have the serial {number:040x}:"
                f" {', '.join(named[:_MOST_NAMED])}{more}",
                hint="whoever revokes one of them revokes all: find out who else signs with this authority's key",
            )


def _remark(code: NoticeCode, message: str, *, hint: str) -> Remark:
    return Remark(code=code.value, address=str(LOG_ADDRESS), message=message, hint=hint)
