"""One writer at a time: a kernel lock, which is gone when its process is."""

import contextlib
import fcntl
import os
from collections.abc import Iterator

from edgecerts.apply.output_folder import OutputFolder, make_private_folder
from edgecerts.desired.graph import LOCAL_FOLDER, PRIVATE_KEY_MODE
from edgecerts.errors import StorageError


@contextlib.contextmanager
def locked(folder: OutputFolder) -> Iterator[None]:
    """Holds the output folder's lock. The file stays; only the lock on it comes and goes.

    Raises:
        StorageError: another process holds it, or the file system has no locks.
    """
    root = folder.open()
    try:
        make_private_folder(LOCAL_FOLDER, root)
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            descriptor = os.open(f"{LOCAL_FOLDER}/lock", flags, PRIVATE_KEY_MODE, dir_fd=root)
            os.fchmod(descriptor, PRIVATE_KEY_MODE)
        except OSError as error:
            raise StorageError(f"{LOCAL_FOLDER}/lock cannot be opened: {error.strerror}") from error
    finally:
        os.close(root)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StorageError(
                "another edgecerts apply is at work in this folder", hint="wait until it has ended, then try again"
            ) from None
        except OSError as error:
            raise StorageError(f"the output folder's file system has no locks: {error.strerror}") from error
        yield
    finally:
        os.close(descriptor)
