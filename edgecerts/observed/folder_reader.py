"""Reading below one folder without ever leaving it through a symbolic link."""

import errno
import os
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from edgecerts.errors import StorageError

MAX_FILE_BYTES = 16 * 1024 * 1024
"""No key, certificate or text of ours comes near this size; a log of 100,000 certificates is a few times larger."""

MAX_LOG_BYTES = 1024 * 1024 * 1024

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
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
    """A file's content with the permission bits of itself and of its folder."""

    data: bytes
    mode: int
    folder_mode: int


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
            descriptor = self._open_folder("")
            if descriptor is not None:
                os.listdir(descriptor)
                os.close(descriptor)
        except NotReadableError as error:
            raise StorageError(error.problem) from error
        except OSError as error:
            raise StorageError(f"the output folder {self._root} cannot be read: {error.strerror}") from error
        if descriptor is None and self._root.is_symlink():
            raise StorageError(f"the output folder {self._root} is a symbolic link to nowhere")

    def read(self, path: str, *, limit: int = MAX_FILE_BYTES) -> FoundFile | None:
        """Reads one file.

        Args:
            path: relative to the root, with `/`.
            limit: how many bytes it may have.

        Returns:
            None where there is no such file.

        Raises:
            NotReadableError: something is there and is not a plain, readable file.
        """
        folder, _, name = path.rpartition("/")
        descriptor = self._open_folder(folder)
        if descriptor is None:
            return None
        try:
            return _read_file(descriptor, name, limit)
        finally:
            os.close(descriptor)

    def names(self, folder: str) -> list[str]:
        """The sorted names in a folder; none where it does not exist.

        Raises:
            NotReadableError: something is there and is not a readable folder.
        """
        descriptor = self._open_folder(folder)
        if descriptor is None:
            return []
        try:
            return sorted(os.listdir(descriptor))
        finally:
            os.close(descriptor)

    def _open_folder(self, path: str) -> int | None:
        """A descriptor of a folder below the root, opened one step at a time; None where it does not exist."""
        try:
            descriptor = os.open(self._root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise NotReadableError(f"the output folder {self._root} cannot be read: {error.strerror}") from error
        for step in path.split("/") if path else ():
            try:
                inner = os.open(step, _FOLDER, dir_fd=descriptor)
            except FileNotFoundError:
                return None
            except OSError as error:
                raise NotReadableError(f"the folder {step} {_folder_problem(error)}") from error
            finally:
                os.close(descriptor)
            descriptor = inner
        return descriptor


def _read_file(folder: int, name: str, limit: int) -> FoundFile | None:
    try:
        descriptor = os.open(name, _FILE, dir_fd=folder)
    except FileNotFoundError:
        return None
    except PermissionError as error:
        raise NotReadableError("this user may not read it", denied=True) from error
    except OSError as error:
        link = error.errno == errno.ELOOP
        raise NotReadableError("it is a symbolic link" if link else str(error.strerror)) from error
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise NotReadableError("it is not a plain file")
    with os.fdopen(descriptor, "rb") as file:
        try:
            data = file.read(limit + 1)
        except OSError as error:
            raise NotReadableError(str(error.strerror)) from error
        if len(data) > limit:
            raise NotReadableError(f"it has more than {limit} bytes")
        folder_mode = 0
        with suppress(OSError):
            folder_mode = stat.S_IMODE(os.fstat(folder).st_mode)
        return FoundFile(data=data, mode=stat.S_IMODE(status.st_mode), folder_mode=folder_mode)


def _folder_problem(error: OSError) -> str:
    if error.errno in (errno.ELOOP, errno.ENOTDIR):
        return "is a symbolic link or not a folder"
    return f"cannot be read: {error.strerror}"
