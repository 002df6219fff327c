"""The lines of the issuance log: one public JSON object for every certificate that was ever signed.

The log never decides whether a certificate is up to date. It is the memory of what cannot be read back: certificates
that were replaced or lost.
"""

import hashlib
import io
import json
import re
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from operator import attrgetter

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
        check: the digest of the other fields that the line was written with; empty where it has none.
        revokes: the serial number of the certificate that it replaced, where that is revoked because of it; else empty,
            and then the line does not have it.
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
    check: str = field(default="", compare=False)
    revokes: str = ""

    @property
    def serial_number(self) -> int | None:
        """The serial number; None where somebody wrote something else in its place."""
        with suppress(ValueError):
            return int(self.serial, 16)
        return None

    @property
    def is_edited(self) -> bool:
        """Whether the line says something else than it was written with. Finds slips: whoever forges can count, too."""
        return self.check != "" and self.check != _digest(self)


def format_log_entry(entry: LogEntry) -> str:
    """The entry as one line with its line end, and with the digest of what it says."""
    values = asdict(entry) | {"check": _digest(entry)}
    if not entry.revokes:
        del values["revokes"]
    return _ENCODE(values) + "\n"


def _digest(entry: LogEntry) -> str:
    """Of the fields by their names, so that a later version may add others. `revokes` is empty where there is none."""
    values = dict(zip(_CHECKED, _checked(entry), strict=True))
    return hashlib.sha256(_ENCODE(values).encode("ascii")).hexdigest()[:_CHECK_DIGITS]


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


def parse_log(text: str) -> ParsedLog:
    """Reads one log file. No line keeps another from being read."""
    entries: list[LogEntry] = []
    damaged: dict[int, str] = {}
    # Read as a file is: a file of nothing but line ends would be a list of many gigabytes.
    for number, line in enumerate(io.StringIO(text, newline="\n"), start=1):
        content = line.rstrip("\n")
        entry = parse_log_line(content) if content else None
        if entry is not None:
            entries.append(entry)
        elif content.strip() and line.endswith("\n"):
            damaged[number] = content
    return ParsedLog(
        entries=tuple(entries),
        damaged=tuple(damaged),
        conflict=any(line.startswith(_CONFLICT_MARKERS) for line in damaged.values()),
    )


def parse_log_line(line: str) -> LogEntry | None:
    """One line's entry; None where it is none. Fields of a later version are passed over."""
    # A line of a hundred thousand brackets exhausts the parser's stack.
    with suppress(ValueError, TypeError, KeyError, OverflowError, RecursionError):
        values = json.loads(line)
        entry = LogEntry(
            **{name: values[name] for name in _REQUIRED if name != "reasons"},
            reasons=tuple(values["reasons"]),
            **{name: values[name] for name in _OPTIONAL if name in values},
        )
        if _is_well_formed(entry):
            return entry
    return None


def _is_well_formed(entry: LogEntry) -> bool:
    """Whether every field is of its type and every time is one in UTC; raises ValueError or OverflowError else."""
    texts = (getattr(entry, name) for name in _FIELDS if name != "reasons")
    if not all(isinstance(value, str) and len(value) <= _LONGEST_FIELD for value in (*texts, *entry.reasons)):
        return False
    if not _SERIAL.fullmatch(entry.serial) or not (entry.revokes == "" or _SERIAL.fullmatch(entry.revokes)):
        return False
    times = [datetime.fromisoformat(time) for time in (entry.not_before, entry.not_after, entry.issued_at)]
    return all(time.tzinfo is not None and time.astimezone(UTC) for time in times)


_SERIAL = re.compile("[0-9a-f]{1,40}")
"""20 octets, the most that RFC 5280 §4.1.2.2 allows."""

_LONGEST_FIELD = 4096
_CHECK_DIGITS = 16

_FIELDS = tuple(each.name for each in fields(LogEntry))
_OPTIONAL = ("check", "revokes")
_CHECKED = tuple(name for name in _FIELDS if name != "check")
_checked = attrgetter(*_CHECKED)
# Made once: a log has tens of thousands of lines.
_ENCODE = json.JSONEncoder(separators=(", ", ": ")).encode
_REQUIRED = tuple(name for name in _FIELDS if name not in _OPTIONAL)
_CONFLICT_MARKERS = ("<<<<<<<", "|||||||", "=======", ">>>>>>>")
"""What git writes between the lines of two branches (git-merge, "How conflicts are presented")."""
