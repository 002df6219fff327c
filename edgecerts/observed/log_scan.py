"""From the folder of the issuance log to what stands in it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from edgecerts.desired.graph import LOG_FOLDER
from edgecerts.observed.folder_reader import MAX_LOG_BYTES, FolderReader, NotReadableError
from edgecerts.observed.hard_links import HARD_LINK
from edgecerts.observed.inventory import DamagedLog
from edgecerts.observed.issuance_log import LogEntry, parse_log
from edgecerts.pki.certificate_facts import CertificateFacts

_NOTHING: Mapping[str, CertificateFacts] = {}


@dataclass(frozen=True, kw_only=True, slots=True)
class FoundLog:
    """The log as it was found.

    Attributes:
        entries: every readable line, in the order of the files.
        files: those that have anything in them, readable or not.
        damaged: those with lines that are no entries.
        unreadable: files, or the whole folder, that cannot be read, and why.
    """

    entries: tuple[LogEntry, ...] = ()
    files: tuple[str, ...] = ()
    damaged: tuple[DamagedLog, ...] = ()
    unreadable: Mapping[str, str] = field(default_factory=dict)


def scan_log(reader: FolderReader, known: Mapping[str, CertificateFacts] = _NOTHING) -> FoundLog:
    """Reads every file of the log. Nothing that lies there makes this raise.

    Args:
        known: the certificates that are here, by digest: what an entry has in common with one is kept once.
    """
    entries: list[LogEntry] = []
    files: list[str] = []
    damaged: list[DamagedLog] = []
    unreadable: dict[str, str] = {}
    try:
        names = reader.names(LOG_FOLDER)
    except NotReadableError as error:
        return FoundLog(unreadable={LOG_FOLDER: error.problem})
    for path in (f"{LOG_FOLDER}/{name}" for name in names if name.endswith(".jsonl")):
        try:
            found = reader.read(path, limit=MAX_LOG_BYTES)
        except NotReadableError as error:
            unreadable[path] = error.problem
            continue
        if found is not None and found.links > 1:
            # It is added to where it lies, and so would be whatever else it is.
            unreadable[path] = HARD_LINK
        elif found is not None and found.data:
            files.append(path)
            parsed = parse_log(found.data, known)
            entries.extend(parsed.entries)
            if parsed.damaged:
                damaged.append(DamagedLog(path=path, lines=parsed.damaged, conflict=parsed.conflict))
    return FoundLog(entries=tuple(entries), files=tuple(files), damaged=tuple(damaged), unreadable=unreadable)
