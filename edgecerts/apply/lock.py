"""One writer at a time: a kernel lock, which is gone when its process is."""

import contextlib
import fcntl
from collections.abc import Iterator

from edgecerts.apply.output_folder import OutputFolder
from edgecerts.errors import StorageError


@contextlib.contextmanager
def locked(folder: OutputFolder) -> Iterator[None]:
    """Holds the output folder's lock. The file stays; only the lock on it comes and goes.

    Raises:
        StorageError: another process holds it, or it cannot be had here.
    """
    with folder.open_lock() as descriptor:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StorageError(
                "another edgecerts apply is at work in this folder", hint="wait until it has ended, then try again"
            ) from None
        except OSError as error:
            raise StorageError(f"the output folder's file system has no locks: {error.strerror}") from error
        yield
