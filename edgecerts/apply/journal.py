"""The journal: what a transaction has committed to and may not have published yet.

It exists only between the commit and the end of a publication. Its name appearing is the commit: whoever finds it
finishes what it lists, and whoever finds none throws away what is staged. It has the log's lines as well: were they
written before the commit, a line of an authority that nobody ever saw would keep the next run from making one.
"""

import contextlib
import hashlib
import json
import re
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edgecerts.apply.file_system import Sync
from edgecerts.apply.output_folder import OutputFolder
from edgecerts.desired.graph import JOURNAL, LOCAL_FOLDER, LOG_FOLDER, PRIVATE_KEY_MODE, STAGING_FOLDER
from edgecerts.errors import StorageError

FORMAT_VERSION = 1

_NAME = JOURNAL.rpartition("/")[2]
_UNFINISHED = "journal.new"
_FOLDER = re.compile(r"ca|(?:brokers|clients)/[A-Za-z0-9][A-Za-z0-9._-]*")
_STAGED = re.compile(re.escape(STAGING_FOLDER) + r"/[0-9a-f]{16}/[0-9]+")
_LOG = re.compile(re.escape(LOG_FOLDER) + r"/[0-9]{4}\.jsonl")


@dataclass(frozen=True, kw_only=True, slots=True)
class JournalUnit:
    """One identity's folder, staged as a whole.

    Attributes:
        folder: where it belongs, relative to the output folder.
        staged: where it waits. After the exchange it is the folder that was replaced which lies there.
        files: the SHA-256 of each file that was made anew, by name: what tells the new folder from the old.
    """

    folder: str
    staged: str
    files: Mapping[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Journal:
    """What was committed.

    Attributes:
        log: the path of the log's file.
        lines: what it has to have before anything is published, each without its line end.
    """

    log: str
    lines: tuple[str, ...]
    units: tuple[JournalUnit, ...]


def digest(content: bytes) -> str:
    """The SHA-256 of a file's content, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def write_journal(folder: OutputFolder, journal: Journal) -> None:
    """Commits: when this returns, the journal will be found after any crash.

    Raises:
        OSError: it may or may not be found.
    """
    system = folder.system
    units = [{"folder": unit.folder, "staged": unit.staged, "files": dict(unit.files)} for unit in journal.units]
    document = {"format_version": FORMAT_VERSION, "log": journal.log, "lines": journal.lines, "units": units}
    with folder.folder(LOCAL_FOLDER) as local:
        with contextlib.suppress(FileNotFoundError):
            system.unlink(_UNFINISHED, local)
        descriptor = system.create(_UNFINISHED, local, PRIVATE_KEY_MODE)
        try:
            folder.hand_over(descriptor)
            system.write(descriptor, json.dumps(document).encode("utf-8"))
            system.sync(descriptor, Sync.JOURNAL)
        finally:
            system.close(descriptor)
        system.rename(_UNFINISHED, local, _NAME, local)
        system.sync(local, Sync.COMMIT)


def read_journal(folder: OutputFolder) -> Journal | None:
    """The journal of an interrupted run, or None.

    Raises:
        StorageError: there is one, and it cannot be read.
        OSError: it cannot be looked at.
    """
    with folder.existing(LOCAL_FOLDER) as local:
        if local is None or folder.system.look(_NAME, local) is None:
            return None
        descriptor = folder.system.open_file(_NAME, local)
        try:
            is_file = stat.S_ISREG(folder.system.status(descriptor).st_mode)
            content = folder.system.read(descriptor) if is_file else b""
        finally:
            folder.system.close(descriptor)
    try:
        return _parse(content)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise StorageError(
            f"{JOURNAL}, which an interrupted apply left, cannot be read",
            hint=f"nothing was changed; what it was about is in {LOCAL_FOLDER}: copy that folder, then look at each"
            " identity, and remove the journal",
        ) from error


def remove_journal(folder: OutputFolder) -> None:
    """Ends the transaction. That it comes back after a crash does no harm: there is nothing left to finish."""
    with folder.folder(LOCAL_FOLDER) as local:
        for name in (_NAME, _UNFINISHED):
            with contextlib.suppress(FileNotFoundError):
                folder.system.unlink(name, local)


def _parse(content: bytes) -> Journal:
    document = json.loads(content)
    if document["format_version"] != FORMAT_VERSION:
        raise ValueError(document["format_version"])
    units = tuple(
        JournalUnit(
            folder=_matching(_FOLDER, unit["folder"]),
            staged=_matching(_STAGED, unit["staged"]),
            files=_digests(unit["files"]),
        )
        for unit in document["units"]
    )
    return Journal(log=_matching(_LOG, document["log"]), lines=_lines(document["lines"]), units=units)


def _digests(files: Mapping[str, str]) -> dict[str, str]:
    if not files:
        raise ValueError(files)
    return {_name(name): str(value) for name, value in files.items()}


def _lines(lines: Sequence[str]) -> tuple[str, ...]:
    if not all(isinstance(line, str) and line and "\n" not in line for line in lines):
        raise ValueError(lines)
    return tuple(lines)


def _matching(pattern: re.Pattern[str], path: str) -> str:
    """A path of the only kind that stands here: whoever wrote the journal, it leads nowhere else."""
    if not pattern.fullmatch(path) or ".." in path.split("/"):
        raise ValueError(path)
    return path


def _name(text: str) -> str:
    if not text or text in (".", "..") or "/" in text or "\0" in text:
        raise ValueError(text)
    return text
