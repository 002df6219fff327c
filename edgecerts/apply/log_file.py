"""Writing to the issuance log: lines are added, and on the disk before anybody sees the certificates."""

import contextlib
from collections.abc import Sequence

from edgecerts.apply.file_system import Sync
from edgecerts.apply.output_folder import OutputFolder
from edgecerts.desired.graph import PUBLIC_MODE
from edgecerts.observed.hard_links import check_own_file
from edgecerts.observed.log_tail import find_tail_repair


def append_lines(folder: OutputFolder, path: str, lines: bytes) -> int:
    """Adds whole lines to a file of the log. What a crash left behind the last line end is mended first.

    Returns:
        where they begin.

    Raises:
        StorageError: it is not a plain file.
        OSError: the lines may not have reached the disk.
    """
    system = folder.system
    with folder.open_for(path) as (parent, name):
        is_new = system.look(name, parent) is None
        descriptor = system.open_to_append(name, parent, PUBLIC_MODE)
        with contextlib.ExitStack() as stack:
            stack.callback(system.close, descriptor)
            status = system.status(descriptor)
            check_own_file(status, path)
            size = status.st_size
            repair = find_tail_repair(size, lambda offset, count: system.read(descriptor, offset)[:count])
            if repair.keep < size:
                system.truncate(descriptor, repair.keep)
                # A cut that reached the disk after the new lines could leave the end of the old piece behind them.
                system.sync(descriptor, Sync.LOG)
            if is_new:
                system.chmod(descriptor, PUBLIC_MODE)
                folder.hand_over(descriptor)
            system.write(descriptor, repair.before + lines)
            system.sync(descriptor, Sync.LOG)
        if is_new:
            system.sync(parent, Sync.LOG_FILE)
    return repair.keep + len(repair.before)


def check_log(folder: OutputFolder, path: str) -> None:
    """Looks whether lines can be added, before anything depends on it.

    Raises:
        StorageError: it is not a plain file, or has another name.
        OSError: it cannot be written to.
    """
    with folder.existing(path.rpartition("/")[0]) as parent:
        name = path.rpartition("/")[2]
        if parent is None or folder.system.look(name, parent) is None:
            return
        descriptor = folder.system.open_to_append(name, parent, PUBLIC_MODE)
        try:
            check_own_file(folder.system.status(descriptor), path)
        finally:
            folder.system.close(descriptor)


def take_back_lines(folder: OutputFolder, path: str, begin: int) -> None:
    """Removes the last lines of a file of the log: those of certificates that nobody has seen and nobody will.

    Args:
        begin: where they begin.

    Raises:
        StorageError: it is not a plain file.
        OSError: they may still be there.
    """
    system = folder.system
    with folder.open_for(path) as (parent, name):
        descriptor = system.open_to_append(name, parent, PUBLIC_MODE)
        try:
            check_own_file(system.status(descriptor), path)
            system.truncate(descriptor, begin)
            system.sync(descriptor, Sync.LOG)
        finally:
            system.close(descriptor)


def append_missing(folder: OutputFolder, path: str, lines: Sequence[str]) -> None:
    """Adds those lines that a file of the log does not have, and says on disk that it has them all.

    Args:
        lines: without their line ends.

    Raises:
        StorageError: it is not a plain file.
        OSError: the lines may not have reached the disk.
    """
    if not lines:
        return
    system, known = folder.system, frozenset[bytes]()
    with folder.open_for(path) as (parent, name):
        if system.look(name, parent) is not None:
            descriptor = system.open_file(name, parent)
            try:
                known = frozenset(system.read(descriptor).split(b"\n"))
            finally:
                system.close(descriptor)
    wanted = (line.encode("utf-8") for line in lines)
    append_lines(folder, path, b"".join(line + b"\n" for line in wanted if line not in known))
