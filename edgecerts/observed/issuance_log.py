"""The lines of the issuance log: one public JSON object for every certificate that was ever signed.

The log never decides whether a certificate is up to date. It is the memory of what cannot be read back: certificates
that were replaced or lost.
"""

import functools
import hashlib
import json
import operator
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from typing import TypeVar

from edgecerts.pki.certificate_facts import CertificateFacts

_Value = TypeVar("_Value")

RECORD_ACTION = "record"
"""The action of a line for a certificate that was found, and that edgecerts did not issue or lost the line of."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LogEntry:
    """One issued certificate. All times are RFC 3339 in UTC, all digests and numbers lower-case hexadecimal.

    Attributes:
        address: the certificate's address when it was issued.
        issuer_key: SHA-256 of the issuer's subjectPublicKeyInfo.
        spki_sha256: SHA-256 of the certificate's subjectPublicKeyInfo.
        sha256: SHA-256 of the certificate.
        action: the plan's word for it, or `record`.
        reasons: the plan's reason codes.
        issued_at: when it was signed; of one that was recorded, when it begins.
        issued_by: a CI job's address, or a user at a host: who signed it, or who recorded it.
        version: the version of edgecerts.
        revokes: the serial number of the certificate that it replaced, where that is revoked because of it; else empty,
            and then the line does not have it.
        is_edited: the line says something else than it was written with. That finds slips: whoever forges a line can
            forge its digest, too.
    """

    serial: str
    address: str
    issuer_key: str
    subject: str
    not_before: str
    not_after: str
    spki_sha256: str
    sha256: str
    action: str
    reasons: tuple[str, ...]
    issued_at: str
    issued_by: str
    version: str
    revokes: str = ""
    is_edited: bool = field(default=False, compare=False)

    @property
    def serial_number(self) -> int | None:
        """The serial number; None where somebody wrote something else in its place."""
        with suppress(ValueError):
            return int(self.serial, 16)
        return None


def format_log_entry(entry: LogEntry) -> str:
    """The entry as one line with its line end, and with the digest of what it says at the end."""
    text = _text_of(entry)
    return f'{text[:-1]}{_CHECK}{_digest(text)}"}}\n'


def _text_of(entry: LogEntry) -> str:
    """What the digest of a line is of: its fields as one JSON object, with `revokes` where it has that."""
    return json.dumps({name: getattr(entry, name) for name in (_FIELDS if entry.revokes else _REQUIRED)})


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("ascii")).hexdigest()[:_CHECK_DIGITS]


_NOTHING: Mapping[str, CertificateFacts] = {}


@dataclass(frozen=True, kw_only=True, slots=True)
class ParsedLog:
    """What one log file says.

    Attributes:
        entries: in the order of the lines.
        damaged: the numbers, from 1, of lines that are no entries. What a crash left behind the last line end is none:
            it is mended with the next line.
        conflict: among them are the markers of a merge.
    """

    entries: tuple[LogEntry, ...]
    damaged: tuple[int, ...] = ()
    conflict: bool = False


def parse_log(content: bytes, known: Mapping[str, CertificateFacts] = _NOTHING) -> ParsedLog:
    """Reads one log file. No line keeps another from being read.

    Args:
        known: certificates by digest: what an entry has in common with its certificate is the same object.
    """
    entries: list[LogEntry] = []
    damaged: dict[int, str] = {}
    for number, line, is_whole in _lines(content):
        entry = parse_log_line(line, known) if line else None
        if entry is not None:
            entries.append(entry)
        elif line.strip() and is_whole:
            damaged[number] = line
    return ParsedLog(
        entries=tuple(entries),
        damaged=tuple(damaged),
        conflict=any(line.startswith(_CONFLICT_MARKERS) for line in damaged.values()),
    )


def _lines(content: bytes) -> Iterator[tuple[int, str, bool]]:
    """Each line's number, its text, and whether it has an end.

    One at a time, because a file of nothing but line ends would be a list of many gigabytes, and the text of all of
    them as large as the file.
    """
    number, at = 1, 0
    while (end := content.find(b"\n", at)) >= 0:
        yield number, content[at:end].decode("utf-8", errors="replace"), True
        number, at = number + 1, end + 1
    if at < len(content):
        yield number, content[at:].decode("utf-8", errors="replace"), False


def parse_log_line(line: str, known: Mapping[str, CertificateFacts] = _NOTHING) -> LogEntry | None:
    """One line's entry; None where it is none. Fields of a later version are passed over."""
    # A line of a hundred thousand brackets exhausts the parser's stack.
    with suppress(ValueError, TypeError, KeyError, OverflowError, RecursionError):
        values = json.loads(line)
        check = {**values}.get("check")
        for name in _COMMON:
            if len(values[name]) <= _LONGEST_SHARED:
                values[name] = _shared(values[name])
        facts = known.get(values["sha256"])
        if facts is not None:
            same = {"sha256": facts.sha256, "spki_sha256": facts.spki_sha256, "subject": facts.subject_text}
            values |= {name: text for name, text in same.items() if values[name] == text}
        reasons = tuple(values["reasons"])
        if sum(map(len, reasons)) <= _LONGEST_SHARED:
            reasons = _shared(reasons)
        required = {name: values[name] for name in _REQUIRED if name != "reasons"}
        entry = LogEntry(**required, reasons=reasons, revokes=values.get("revokes", ""))
        if _is_well_formed(entry):
            return entry if check is None or _is_genuine(line, entry, check) else replace(entry, is_edited=True)
    return None


def _is_genuine(line: str, entry: LogEntry, check: object) -> bool:
    """Whether a line says what it was written with: to the letter, also in fields of a later version, or in a sense."""
    text, _, rest = line.rpartition(_CHECK)
    if rest == f'{check}"}}' and text.isascii() and check == _digest(text + "}"):
        return True
    return check == _digest(_text_of(entry))


def _is_well_formed(entry: LogEntry) -> bool:
    """Whether every field is of its type and every time is one in UTC; raises ValueError or OverflowError else."""
    texts = (*_TEXTS(entry), *entry.reasons)
    if set(map(type, texts)) != {str} or max(map(len, texts)) > _LONGEST_FIELD:
        return False
    if not _SERIAL.fullmatch(entry.serial) or not (entry.revokes == "" or _SERIAL.fullmatch(entry.revokes)):
        return False
    return all(map(_is_time, (entry.not_before, entry.not_after, entry.issued_at)))


@functools.lru_cache(maxsize=4096)
def _shared(value: _Value) -> _Value:
    """The same object for equal values: a fleet's lines would be twice as large without."""
    return value


@functools.lru_cache(maxsize=4096)
def _is_time(text: str) -> bool:
    """Whether a text is a time in UTC; raises ValueError or OverflowError else. A fleet's lines have few of them."""
    time = datetime.fromisoformat(text)
    return time.tzinfo is not None and bool(time.astimezone(UTC))


_SERIAL = re.compile("[0-9a-f]{1,40}")
"""20 octets, the most that RFC 5280 §4.1.2.2 allows."""

_LONGEST_FIELD = 4096
_CHECK_DIGITS = 16

_COMMON = ("issuer_key", "not_before", "not_after", "action", "issued_at", "issued_by", "version")
"""What many lines have in common."""

_LONGEST_SHARED = 200

_CHECK = ', "check": "'
_FIELDS = tuple(each.name for each in fields(LogEntry) if each.name != "is_edited")
_REQUIRED = tuple(name for name in _FIELDS if name != "revokes")
_TEXTS = operator.attrgetter(*(name for name in _FIELDS if name != "reasons"))
LINES = tuple((*names, "check") for names in (_REQUIRED, _FIELDS))
"""What a line has, in order: most lines, and those of certificates whose predecessor is revoked."""

_CONFLICT_MARKERS = ("<<<<<<<", "|||||||", "=======", ">>>>>>>")
"""What git writes between the lines of two branches (git-merge, "How conflicts are presented")."""
