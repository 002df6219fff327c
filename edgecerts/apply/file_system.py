"""The calls to the operating system that the writer makes: all of them, so that a test can stand between.

Names are single path components below the descriptor of an open folder. No symbolic link is followed.
"""

import contextlib
import ctypes
import enum
import errno
import fcntl
import os
from pathlib import Path

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_APPEND = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_LOCK = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_RENAME_EXCHANGE = 2
_CHUNK = 1 << 20


@enum.unique
class Sync(enum.StrEnum):
    """Every sync that the protocol needs, by what has to be on the disk before it goes on."""

    EARLIER = "what a run that was killed had done"
    PLACE = "the name of a folder that was made on the way, or of a key that goes elsewhere"
    STAGED_FILE = "the content of a staged file, or of a key that goes elsewhere"
    STAGED_FOLDER = "the names in a staged folder"
    STAGING = "the names of what is staged"
    LOG = "the lines of the log"
    LOG_FILE = "the name of a new file of the log"
    JOURNAL = "the content of the journal"
    COMMIT = "the name of the journal"
    PUBLISHED = "the names of what was published"
    KEPT = "people's own files in the new folder"
    SET_ASIDE = "the names of what was set aside"
    PRUNED = "that a key was set aside, before its certificate goes"
    PERMISSIONS = "permissions that were narrowed"


class FileSystem:
    """Each method is one call, raises OSError, and leaves deciding to others."""

    def open_root(self, path: Path) -> int:
        """A descriptor of the output folder, which may itself be a symbolic link, or of one above it."""
        return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def make_root(self, path: Path, mode: int) -> None:
        """Makes the output folder or one above it, which has these permission bits whatever the umask."""
        path.mkdir(exist_ok=True)
        # What took its place meanwhile, and leads elsewhere, is nothing of ours.
        descriptor = os.open(path, _FOLDER)
        try:
            os.fchmod(descriptor, mode)
        finally:
            os.close(descriptor)

    def open_folder(self, name: str, parent: int) -> int:
        return os.open(name, _FOLDER, dir_fd=parent)

    def make_folder(self, name: str, parent: int, mode: int) -> None:
        """Makes a folder, with its permission bits less what the umask takes away."""
        os.mkdir(name, mode, dir_fd=parent)

    def create(self, name: str, folder: int, mode: int) -> int:
        """A new file, which nobody else can open wider than `mode` for an instant."""
        return os.open(name, _NEW, mode, dir_fd=folder)

    def open_file(self, name: str, folder: int) -> int:
        return os.open(name, _READ, dir_fd=folder)

    def open_to_append(self, name: str, folder: int, mode: int) -> int:
        return os.open(name, _APPEND, mode, dir_fd=folder)

    def open_lock(self, name: str, folder: int, mode: int) -> int:
        return os.open(name, _LOCK, mode, dir_fd=folder)

    def close(self, descriptor: int) -> None:
        """Never fails: what matters was synced, and the descriptor is gone in any case."""
        with contextlib.suppress(OSError):
            os.close(descriptor)

    def read(self, descriptor: int, offset: int = 0) -> bytes:
        """All that a file holds from an offset on."""
        parts = []
        while part := os.pread(descriptor, _CHUNK, offset):
            parts.append(part)
            offset += len(part)
        return b"".join(parts)

    def write(self, descriptor: int, content: bytes) -> None:
        view = memoryview(content)
        while view:
            view = view[os.write(descriptor, view) :]

    def truncate(self, descriptor: int, size: int) -> None:
        os.ftruncate(descriptor, size)

    def chmod(self, descriptor: int, mode: int) -> None:
        os.fchmod(descriptor, mode)

    def chown(self, descriptor: int, uid: int, gid: int) -> None:
        os.fchown(descriptor, uid, gid)

    def sync(self, descriptor: int, purpose: Sync) -> None:
        """Returns when a file's content, or a folder's names, are on the disk."""
        del purpose
        os.fsync(descriptor)

    def sync_all(self, descriptor: int, purpose: Sync) -> None:
        """Returns when everything that was ever done to the file system of an open folder is on the disk."""
        del purpose
        library = ctypes.CDLL(None, use_errno=True)
        if not hasattr(library, "syncfs"):
            os.sync()
        elif library.syncfs(descriptor) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))

    def status(self, descriptor: int) -> os.stat_result:
        return os.fstat(descriptor)

    def look(self, name: str, folder: int) -> os.stat_result | None:
        """What has this name, or None where nothing has."""
        try:
            return os.stat(name, dir_fd=folder, follow_symlinks=False)
        except FileNotFoundError:
            return None

    def names(self, folder: int) -> list[str]:
        return sorted(os.listdir(folder))

    def rename(self, name: str, folder: int, new_name: str, new_folder: int) -> None:
        """Gives a file or folder another name; a file replaces the one that has it, a folder only an empty one."""
        os.rename(name, new_name, src_dir_fd=folder, dst_dir_fd=new_folder)

    def exchange(self, name: str, folder: int, other_name: str, other_folder: int) -> None:
        """Swaps two names in one step (Linux, renameat2(2)). ENOSYS or EINVAL say that there is no such step here."""
        library = ctypes.CDLL(None, use_errno=True)
        try:
            call = library.renameat2
        except AttributeError:
            raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS)) from None
        if call(folder, os.fsencode(name), other_folder, os.fsencode(other_name), _RENAME_EXCHANGE) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))

    def link(self, name: str, folder: int, new_name: str, new_folder: int) -> None:
        """Gives a file a second name, unless something has it."""
        os.link(name, new_name, src_dir_fd=folder, dst_dir_fd=new_folder, follow_symlinks=False)

    def unlink(self, name: str, folder: int) -> None:
        os.unlink(name, dir_fd=folder)

    def remove_folder(self, name: str, parent: int) -> None:
        os.rmdir(name, dir_fd=parent)

    def lock(self, descriptor: int) -> None:
        """Takes the kernel's lock on a file, or raises BlockingIOError."""
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
