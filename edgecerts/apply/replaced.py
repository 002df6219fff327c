"""Private keys that were replaced or pruned: set aside for thirty days, then removed.

What is removed is unlinked, no more. A file system or a disk may keep its blocks.
"""

import contextlib
import re
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from edgecerts.apply.file_system import Sync
from edgecerts.apply.output_folder import OutputFolder, reporting
from edgecerts.desired.graph import PRIVATE_KEY_MODE, REPLACED_FOLDER

KEPT_FOR = timedelta(days=30)

_STAMP = "%Y%m%dT%H%M%SZ"
_NAME = re.compile(r"(\d{8}T\d{6}Z)-[0-9a-f]{8}-")


def stamp_of(now: datetime) -> str:
    """The run's moment as the names of what is set aside begin with it."""
    return f"{now:{_STAMP}}"


def set_aside(folder: OutputFolder, path: str, *, belonged: str, stamp: str, syncs: bool = True) -> str:
    """Moves a file or folder to where it is kept, and makes the private keys in it as private as they should be.

    Args:
        path: what is moved, relative to the output folder.
        belonged: the path that it had while it was in use.
        syncs: it is on the disk when this returns.

    Returns:
        where it is kept.

    Raises:
        StorageError: it is still where it was.
    """
    system, kept = folder.system, f"{stamp}-{secrets.token_hex(4)}-{belonged.replace('/', '-')}"
    with folder.open_for(path) as (home, name), reporting(REPLACED_FOLDER), folder.folder(REPLACED_FOLDER) as replaced:
        system.rename(name, home, kept, replaced)
        _close_to_others(folder, kept, replaced)
        if syncs:
            system.sync(replaced, Sync.SET_ASIDE)
            system.sync(home, Sync.SET_ASIDE)
    return f"{REPLACED_FOLDER}/{kept}"


def remove_old(folder: OutputFolder, now: datetime) -> None:
    """Removes what was set aside more than thirty days ago. What cannot be removed stays, and is no error."""
    with contextlib.suppress(OSError), folder.existing(REPLACED_FOLDER) as replaced:
        for name in _older_than(folder.system.names(replaced) if replaced is not None else (), now - KEPT_FOR):
            with contextlib.suppress(OSError):
                folder.remove_tree(name, replaced or 0)


def _older_than(names: list[str] | tuple[()], moment: datetime) -> Iterator[str]:
    for name in names:
        stamp = _NAME.match(name)
        with contextlib.suppress(ValueError):
            if stamp and datetime.strptime(stamp[1], _STAMP).replace(tzinfo=UTC) < moment:
                yield name


def _close_to_others(folder: OutputFolder, name: str, parent: int) -> None:
    """A copy of the local folder may not be as private as the folder itself."""
    system = folder.system
    with contextlib.suppress(OSError):
        if name.endswith(".key"):
            descriptor = system.open_file(name, parent)
            try:
                system.chmod(descriptor, PRIVATE_KEY_MODE)
            finally:
                system.close(descriptor)
            return
        descriptor = system.open_folder(name, parent)
        try:
            folder.make_private(descriptor)
            for inner in system.names(descriptor):
                if inner.endswith(".key"):
                    _close_to_others(folder, inner, descriptor)
        finally:
            system.close(descriptor)
