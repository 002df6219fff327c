"""Hard links: a file of ours that has another name as well, and may be somebody else's there."""

import os
import stat

from edgecerts.desired.graph import STAGING_FOLDER
from edgecerts.errors import StorageError
from edgecerts.observed.folder_reader import FolderReader, FoundFile, NotReadableError, OpenFolder

HARD_LINK = "it has another name: a hard link"
COPY_IT = "copy it to a new file and rename that into its place, so that it is a file of its own"

_MOST_LOOKS = 3
_DEEPEST = 3
"""Folders below the staging folder: one of a run, one of an identity, and what it holds."""


def check_own_file(status: os.stat_result, path: str) -> None:
    """Checks a file that is written to where it lies, before anything is.

    Args:
        status: of the file that is open.
        path: its name, for the message.

    Raises:
        StorageError: it is not a plain file, or has another name: what is written would be in that file, too.
    """
    if not stat.S_ISREG(status.st_mode):
        raise StorageError(f"{path} is not a plain file")
    if status.st_nlink > 1:
        raise StorageError(f"{path} was not written to: {HARD_LINK}", hint=COPY_IT)


class OwnFiles:
    """Reads private keys, and tells whether a key's file is our own.

    While `apply` is at work, it may give a key a second name for a moment, in its staging folder. That name does not
    count.
    """

    def __init__(self, reader: FolderReader) -> None:
        self._reader = reader

    def read(self, folder: OpenFolder, name: str) -> tuple[FoundFile | None, bool]:
        """Reads a file.

        Returns:
            the file, or None where there is none; and whether it has another name than this one.

        Raises:
            NotReadableError: something is there and is not a plain, readable file.
        """
        found = None
        # The other name may come or go between the look at the file and the one at the staging folder.
        for _ in range(_MOST_LOOKS):
            found = folder.read(name)
            if found is None or found.links <= 1 or found.links - self._staged(found) <= 1:
                return found, False
        return found, True

    def _staged(self, found: FoundFile) -> int:
        """How many names the file has below the staging folder."""
        try:
            with self._reader.open_folder(STAGING_FOLDER) as staging:
                return _count_names(staging, found, _DEEPEST) if staging is not None else 0
        except NotReadableError:
            return 0


def _count_names(folder: OpenFolder, found: FoundFile, deepest: int) -> int:
    count = 0
    for name in folder.names():
        status = folder.look(name)
        if status is None:
            continue
        if stat.S_ISDIR(status.st_mode) and deepest > 0:
            with folder.open_folder(name) as inner:
                count += _count_names(inner, found, deepest - 1) if inner is not None else 0
        elif found.is_same_file(status):
            count += 1
    return count
