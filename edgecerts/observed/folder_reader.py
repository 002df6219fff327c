"""Reading below one folder without ever leaving it through a symbolic link.

A folder is opened once and everything is read through its descriptor: another folder that takes its place meanwhile
cannot be mixed with it.
"""

import contextlib
import errno
import functools
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from edgecerts.errors import StorageError

T = TypeVar("T")

FileId = tuple[int, int]
"""Device and inode: what a file or folder is, whatever its names."""

MAX_FILE_BYTES = 16 * 1024 * 1024
"""No key, certificate or text of ours comes near this size; a log of 100,000 certificates is a few times larger."""

MAX_LOG_BYTES = 1024 * 1024 * 1024

_CHUNK = 64 * 1024

_MOST_LOOKS = 5

_ROOT = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_FOLDER = _ROOT | os.O_NOFOLLOW
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


class NotReadableError(Exception):
    """A file that exists, or may exist, and cannot be read.

    Attributes:
        denied: this user lacks the permission for the file itself.
    """

    def __init__(self, problem: str, *, denied: bool = False) -> None:
        super().__init__(problem)
        self.problem = problem
        self.denied = denied


@dataclass(frozen=True, kw_only=True, slots=True)
class FoundFile:
    """A file's content with the permission bits of itself and of its folder.

    Attributes:
        status: what the system said of it when it was opened.
    """

    data: bytes
    folder_mode: int
    status: os.stat_result

    @property
    def mode(self) -> int:
        return _mode(self.status.st_mode)

    @property
    def file(self) -> FileId:
        """What it is, whatever its names."""
        return self.status.st_dev, self.status.st_ino

    @property
    def links(self) -> int:
        """How many names it has."""
        return self.status.st_nlink

    def is_same_file(self, status: os.stat_result) -> bool:
        """Whether another name is one of this very file's."""
        return os.path.samestat(self.status, status)


class OpenFolder:
    """A folder that is held open: all that is read from it is read from this very folder, whatever has its name by now.

    Attributes:
        status: what the system says of it.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.status = os.fstat(descriptor)

    @property
    def id(self) -> FileId:
        """What it is, whatever its name."""
        return self.status.st_dev, self.status.st_ino

    @property
    def mode(self) -> int:
        """Its permission bits."""
        return _mode(self.status.st_mode)

    def read(self, name: str, *, limit: int = MAX_FILE_BYTES) -> FoundFile | None:
        """Reads one file.

        Args:
            name: without `/`.
            limit: how many bytes it may have.

        Returns:
            None where there is no such file.

        Raises:
            NotReadableError: something is there and is not a plain, readable file.
        """
        try:
            descriptor = os.open(name, _FILE, dir_fd=self._descriptor)
        except FileNotFoundError:
            return None
        except PermissionError as error:
            raise NotReadableError("this user may not read it", denied=True) from error
        except OSError as error:
            raise NotReadableError(_file_problem(error)) from error
        try:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode):
                raise NotReadableError(f"it is not a plain file but {_kind(found.st_mode)}")
            data = _read_all(descriptor, found.st_size, limit)
        finally:
            os.close(descriptor)
        return FoundFile(data=data, folder_mode=self.mode, status=found)

    def status_of(self, name: str) -> os.stat_result | None:
        """What the system says of a file in it that can be opened; None where it cannot."""
        try:
            descriptor = os.open(name, _FILE, dir_fd=self._descriptor)
        except OSError:
            return None
        try:
            return os.fstat(descriptor)
        finally:
            os.close(descriptor)

    def names(self) -> list[str]:
        """The sorted names in it.

        Raises:
            NotReadableError: they cannot be listed.
        """
        try:
            return sorted(os.listdir(self._descriptor))
        except OSError as error:
            raise NotReadableError(str(error.strerror)) from error

    @contextlib.contextmanager
    def open_folder(self, name: str) -> Iterator["OpenFolder | None"]:
        """Holds a folder in it open; None where there is none of that name.

        Raises:
            NotReadableError: something is there and is not a readable folder.
        """
        descriptor = self._descend(name)
        if descriptor is None:
            yield None
            return
        try:
            yield OpenFolder(descriptor)
        finally:
            os.close(descriptor)

    def has(self, name: str, folder: "OpenFolder | None") -> bool:
        """Whether a name still is what was opened by it: that folder, or nothing where there was nothing."""
        found = self.look(name)
        if found is None or folder is None:
            return found is None and folder is None
        return os.path.samestat(found, folder.status)

    def look(self, name: str) -> os.stat_result | None:
        """What the system says of something in it, a symbolic link itself included; None where nothing can be seen."""
        try:
            return os.stat(name, dir_fd=self._descriptor, follow_symlinks=False)
        except OSError:
            return None

    def _descend(self, name: str) -> int | None:
        try:
            return os.open(name, _FOLDER, dir_fd=self._descriptor)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise NotReadableError(f"the folder {name} {_folder_problem(error)}") from error


class FolderReader:
    """Reads files below a root folder, which itself may be a symbolic link."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def check_root(self) -> None:
        """Looks at the root once, so that its problem is not told again for each file.

        Raises:
            StorageError: it is there, and is not a folder that can be read.
        """
        try:
            with self.open_folder() as folder:
                there = folder is not None
                if folder is not None:
                    folder.names()
        except NotReadableError as error:
            raise StorageError(f"the output folder {self._root} cannot be read: {error.problem}") from error
        if not there and self._root.is_symlink():
            raise StorageError(f"the output folder {self._root} is a symbolic link to nowhere")

    @contextlib.contextmanager
    def open_folder(self, path: str = "") -> Iterator[OpenFolder | None]:
        """Holds a folder open, one step at a time from the root.

        Args:
            path: relative to the root, with `/`; empty for the root.

        Returns:
            None where it does not exist.

        Raises:
            NotReadableError: something is there and is not a readable folder.
        """
        descriptor = self._enter()
        if descriptor is None:
            yield None
            return
        with contextlib.ExitStack() as stack:
            stack.callback(os.close, descriptor)
            folder: OpenFolder | None = OpenFolder(descriptor)
            for step in path.split("/") if path else ():
                folder = stack.enter_context(folder.open_folder(step)) if folder is not None else None
            yield folder

    def read(self, path: str, *, limit: int = MAX_FILE_BYTES) -> FoundFile | None:
        """Reads one file by its path.

        Args:
            path: relative to the root, with `/`.
            limit: how many bytes it may have.

        Returns:
            None where there is no such file.

        Raises:
            NotReadableError: something is there and is not a plain, readable file.
        """
        place, _, name = path.rpartition("/")
        with self.open_folder(place) as folder:
            return folder.read(name, limit=limit) if folder is not None else None

    def names(self, path: str) -> list[str]:
        """The sorted names in a folder; none where it does not exist.

        Raises:
            NotReadableError: something is there and is not a readable folder.
        """
        with self.open_folder(path) as folder:
            return folder.names() if folder is not None else []

    def _enter(self) -> int | None:
        try:
            return os.open(self._root, _ROOT)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise NotReadableError(str(error.strerror)) from error


def read_folder(parent: OpenFolder, name: str, read: Callable[[OpenFolder | None], T]) -> T:
    """Reads what belongs together in a folder, so that files of two folders that were exchanged are never mixed.

    Where another folder has the name by the end, it is read again; after a few times the last look stands, which is one
    folder's as well.

    Args:
        parent: where the folder is.
        name: its name.
        read: reads from the folder that is held open; None where there is none.

    Raises:
        NotReadableError: something is there and is not a readable folder.
    """
    for _ in range(_MOST_LOOKS):
        with parent.open_folder(name) as folder:
            found = read(folder)
            if parent.has(name, folder):
                break
    return found


def _read_all(descriptor: int, size: int, limit: int) -> bytes:
    """All of a plain file that has not more bytes than the limit; its size is what one read will probably give."""
    parts: list[bytes] = []
    left, wanted = limit + 1, min(size, limit) + 1
    try:
        while left > 0:
            part = os.read(descriptor, min(wanted, left))
            parts.append(part)
            left -= len(part)
            # A plain file gives less than was asked for at its end, and only there (POSIX, read).
            if len(part) < wanted:
                break
            wanted = _CHUNK
    except OSError as error:
        raise NotReadableError(str(error.strerror)) from error
    if left <= 0:
        raise NotReadableError(f"it has more than {limit} bytes")
    return parts[0] if len(parts) == 1 else b"".join(parts)


@functools.lru_cache(maxsize=256)
def _mode(st_mode: int) -> int:
    """The permission bits: one number for all files that have the same, and not one for each file."""
    return stat.S_IMODE(st_mode)


def _file_problem(error: OSError) -> str:
    if error.errno == errno.ELOOP:
        return "it is a symbolic link"
    # A socket cannot be opened at all, nor can a device without a driver.
    return "it is not a plain file" if error.errno == errno.ENXIO else str(error.strerror)


def _kind(mode: int) -> str:
    if stat.S_ISDIR(mode):
        return "a folder"
    return "a named pipe" if stat.S_ISFIFO(mode) else "a device"


def _folder_problem(error: OSError) -> str:
    if error.errno in (errno.ELOOP, errno.ENOTDIR):
        return "is a symbolic link or not a folder"
    return f"cannot be read: {error.strerror}"
