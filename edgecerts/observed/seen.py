"""What was read before in the same run, and need not be read again where nothing has touched the file since.

An `apply` reads the folder three times: to plan, with the lock held to see that nothing changed, and at the end to see
what it wrote. Between two of them nearly all of a fleet stays as it is.
"""

import os
from datetime import datetime, timedelta
from typing import Any

from edgecerts.observed.folder_reader import FileId, FoundFile, OpenFolder
from edgecerts.observed.inventory import Observed

_SETTLED = timedelta(seconds=10)
"""How old the last change of a file is at least: some file systems tell two changes apart only after seconds."""

_Stamp = tuple[int, ...]


class SeenFiles:
    """Files as they were found, with what changes whenever anything about them does."""

    def __init__(self, begin: datetime) -> None:
        """Begins with none.

        Args:
            begin: when the run began. What was touched later, or shortly before, is always read.
        """
        self._before = int((begin - _SETTLED).timestamp() * 1_000_000_000)
        self._files: dict[tuple[FileId, str], tuple[_Stamp, Observed[Any]]] = {}

    def recall(self, folder: OpenFolder, name: str) -> Observed[Any] | None:
        """A file as it was found before, or None where it has to be read."""
        known = self._files.get((folder.id, name))
        if known is None:
            return None
        # It is opened for that: what a network file system says without may be as old as what we know.
        status = folder.status_of(name)
        return known[1] if status is not None and _stamp(status, folder) == known[0] else None

    def keep(self, folder: OpenFolder, name: str, found: FoundFile, observed: Observed[Any]) -> None:
        """Remembers a file that was read. One with other names is asked about those each time."""
        if found.links == 1 and found.status.st_ctime_ns < self._before:
            self._files[folder.id, name] = _stamp(found.status, folder), observed


def _stamp(status: os.stat_result, folder: OpenFolder) -> _Stamp:
    times = status.st_mtime_ns, status.st_ctime_ns
    return status.st_dev, status.st_ino, status.st_size, status.st_mode, status.st_nlink, *times, folder.mode
