"""The only writer of files: below one folder, private from the first byte, each file whole or not at all.

A file is written under another name on the same file system, synced, and renamed into place. No symbolic link below
the output folder is followed.
"""

import contextlib
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path

from edgecerts.desired.graph import (
    LOCAL_FOLDER,
    PRIVATE_FOLDER_MODE,
    PRIVATE_KEY_MODE,
    REPLACED_FOLDER,
    STAGING_FOLDER,
)
from edgecerts.errors import StorageError
from edgecerts.observed.hard_links import check_own_file

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_APPEND = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC


class OutputFolder:
    """Writes below one folder, which is made when it is first needed."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def open(self) -> int:
        """A descriptor of the output folder, made if it is not there.

        Raises:
            StorageError: it cannot be made or opened.
        """
        try:
            if not self._root.is_dir():
                self._root.mkdir(parents=True, exist_ok=True)
                self._root.chmod(PRIVATE_FOLDER_MODE)
            return os.open(self._root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise StorageError(f"the output folder {self._root} cannot be used: {error.strerror}") from error

    @contextlib.contextmanager
    def open_lock(self) -> Iterator[int]:
        """A descriptor of the file that the lock is taken on.

        Raises:
            StorageError: it cannot be opened, or is no file of its own.
        """
        path = f"{LOCAL_FOLDER}/lock"
        with contextlib.ExitStack() as stack:
            with self._reporting(path):
                folder, name = stack.enter_context(self._folder(path))
                flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
                descriptor = os.open(name, flags, PRIVATE_KEY_MODE, dir_fd=folder)
                stack.callback(os.close, descriptor)
                check_own_file(os.fstat(descriptor), path)
                os.fchmod(descriptor, PRIVATE_KEY_MODE)
            yield descriptor

    def create(self, path: str, content: bytes, *, mode: int) -> None:
        """Writes a file that is not there yet.

        Args:
            path: relative to the output folder, with `/`; folders are made as needed.
            content: all of it.
            mode: its permission bits, whatever the umask.

        Raises:
            StorageError: something has that name by now, which is left as it is, or the file cannot be written.
        """
        with self._reporting(path), self._staged(path, content, mode) as (staged, staging, folder, name):
            if _exists(name, folder):
                raise StorageError(f"{path} appeared while edgecerts was at work; it was left as it is")
            _publish_new(staged, name, staging, folder)
            os.fsync(folder)

    def replace(self, path: str, content: bytes, *, mode: int) -> None:
        """Writes a file whether or not it is there, in one step. For files that can be made again.

        Raises:
            StorageError: as for `create`, but for a file of that name.
        """
        with self._reporting(path), self._staged(path, content, mode) as (staged, staging, folder, name):
            os.rename(staged, name, src_dir_fd=staging, dst_dir_fd=folder)
            os.fsync(folder)

    def chmod(self, path: str, mode: int) -> None:
        """Narrows a private key's permissions and those of its folder.

        Raises:
            StorageError: it is not a plain file, or this user may not.
        """
        with self._reporting(path), self._folder(path) as (folder, name):
            make_private(folder)
            descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, dir_fd=folder)
            try:
                os.fchmod(descriptor, mode)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    def set_aside(self, path: str, stamp: str) -> str | None:
        """Moves a private key that is replaced or pruned to the local folder, where it is kept for a while.

        Args:
            path: the key's.
            stamp: tells it from others of the same path.

        Returns:
            where it is kept; None where there was no key to move.
        """
        kept = f"{REPLACED_FOLDER}/{stamp}-{secrets.token_hex(4)}-{path.replace('/', '-')}"
        with (
            self._reporting(path),
            self._folder(path) as (folder, name),
            self._folder(kept) as (keep, new_name),
        ):
            if not _exists(name, folder):
                return None
            os.rename(name, new_name, src_dir_fd=folder, dst_dir_fd=keep)
            with contextlib.suppress(OSError):
                # A copy of this folder may not be as private as this one. A link has no mode of its own.
                descriptor = os.open(new_name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, dir_fd=keep)
                os.fchmod(descriptor, PRIVATE_KEY_MODE)
                os.close(descriptor)
            os.fsync(keep)
            os.fsync(folder)
            return kept

    def put_back(self, kept: str, path: str) -> None:
        """Undoes `set_aside`, in place of whatever has the key's name by now.

        Raises:
            StorageError: it could not be moved back, and is still where it was kept.
        """
        with self._reporting(path), self._folder(path) as (folder, name), self._folder(kept) as (keep, kept_name):
            os.rename(kept_name, name, src_dir_fd=keep, dst_dir_fd=folder)
            os.fsync(folder)
            os.fsync(keep)

    def delete(self, path: str) -> None:
        """Removes a public file, then its folder if nothing is left in it.

        Raises:
            StorageError: this user may not.
        """
        with self._reporting(path), self._folder(path) as (folder, name):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name, dir_fd=folder)
            os.fsync(folder)
        parent = path.rpartition("/")[0]
        with self._reporting(path), self._folder(parent) as (folder, name), contextlib.suppress(OSError):
            os.rmdir(name, dir_fd=folder)

    def append(self, path: str, line: str, *, mode: int) -> None:
        """Adds one line to a file and syncs it before it returns. A torn last line is ended first.

        Raises:
            StorageError: the line may not have reached the disk.
        """
        with self._reporting(path), self._folder(path) as (folder, name):
            descriptor = os.open(name, _APPEND, mode, dir_fd=folder)
            try:
                check_own_file(os.fstat(descriptor), path)
                size = os.fstat(descriptor).st_size
                torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
                _write_all(descriptor, (("\n" if torn else "") + line).encode("utf-8"))
                if size == 0:
                    os.fchmod(descriptor, mode)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            os.fsync(folder)

    def discard_staged(self) -> None:
        """Removes what an interrupted run left unfinished. Only the holder of the lock may call this."""
        with self._reporting(STAGING_FOLDER), self._folder(f"{STAGING_FOLDER}/x") as (staging, _):
            for name in os.listdir(staging):
                os.unlink(name, dir_fd=staging)

    @contextlib.contextmanager
    def _staged(self, path: str, content: bytes, mode: int) -> Iterator[tuple[str, int, int, str]]:
        """A finished file in the staging folder, and the folder and name that it is for."""
        staged = secrets.token_hex(8)
        with self._folder(f"{STAGING_FOLDER}/{staged}") as (staging, _), self._folder(path) as (folder, name):
            if mode == PRIVATE_KEY_MODE:
                make_private(folder)
            descriptor = os.open(staged, _NEW_FILE, PRIVATE_KEY_MODE, dir_fd=staging)
            try:
                try:
                    _write_all(descriptor, content)
                    os.fchmod(descriptor, mode)
                    os.fsync(descriptor)
                finally:
                    os.close(descriptor)
                yield staged, staging, folder, name
            finally:
                with contextlib.suppress(OSError):
                    os.unlink(staged, dir_fd=staging)

    @contextlib.contextmanager
    def _folder(self, path: str) -> Iterator[tuple[int, str]]:
        """A descriptor of the folder that a path lies in, made step by step, and the path's last part."""
        *steps, name = path.split("/")
        descriptor = self.open()
        try:
            for step in steps:
                make_private_folder(step, descriptor)
                inner = os.open(step, _FOLDER, dir_fd=descriptor)
                os.close(descriptor)
                descriptor = inner
                if steps[0] == LOCAL_FOLDER:
                    # Whoever may write here could exchange a key before it gets its name.
                    make_private(descriptor)
            yield descriptor, name
        finally:
            os.close(descriptor)

    @contextlib.contextmanager
    def _reporting(self, path: str) -> Iterator[None]:
        """Turns the system's errors into ours, with the file's name."""
        try:
            yield
        except OSError as error:
            raise StorageError(f"{path} cannot be written: {error.strerror}") from error


def _publish_new(staged: str, name: str, staging: int, folder: int) -> None:
    """Gives a finished file its name, unless something has that name by now."""
    try:
        os.link(staged, name, src_dir_fd=staging, dst_dir_fd=folder, follow_symlinks=False)
    except FileExistsError:
        raise
    except OSError:
        # A file system without hard links: what was looked for a moment ago is not there.
        os.rename(staged, name, src_dir_fd=staging, dst_dir_fd=folder)


def make_private_folder(name: str, parent: int) -> None:
    """Makes a folder if it is not there, with its permission bits whatever the umask, and syncs its parent."""
    try:
        os.mkdir(name, PRIVATE_FOLDER_MODE, dir_fd=parent)
    except FileExistsError:
        return
    os.chmod(name, PRIVATE_FOLDER_MODE, dir_fd=parent)
    os.fsync(parent)


def make_private(folder: int) -> None:
    """A private key's folder is as private as the key, also one that somebody made before."""
    if stat.S_IMODE(os.fstat(folder).st_mode) & ~PRIVATE_FOLDER_MODE:
        os.fchmod(folder, PRIVATE_FOLDER_MODE)


def _exists(name: str, folder: int) -> bool:
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _write_all(descriptor: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]
