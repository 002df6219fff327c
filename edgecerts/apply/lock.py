"""One writer at a time: a kernel lock, which is gone when its process is."""

import contextlib
import stat
import time
from collections.abc import Iterator

from edgecerts.apply.output_folder import OutputFolder, reporting
from edgecerts.desired.graph import LOCAL_FOLDER, PRIVATE_KEY_MODE
from edgecerts.errors import StorageError
from edgecerts.observed.hard_links import check_own_file

LOCK = f"{LOCAL_FOLDER}/lock"

_PAUSE = 0.05
_UNNAMED = 1.0
_LONGEST = 300


@contextlib.contextmanager
def locked(folder: OutputFolder, *, holder: str, timeout: float) -> Iterator[bool]:
    """Holds the output folder's lock. The file stays; only the lock on it comes and goes.

    Gives whether the last holder was killed: its name is still there.

    Args:
        holder: who this is, for those who find the folder locked.
        timeout: how many seconds to wait for the lock.

    Raises:
        StorageError: another process holds it, or it cannot be had here.
    """
    system = folder.system
    with contextlib.ExitStack() as stack:
        with reporting(LOCK), folder.open_for(LOCK) as (local, name):
            descriptor = system.open_lock(name, local, PRIVATE_KEY_MODE)
            stack.callback(system.close, descriptor)
            status = system.status(descriptor)
            check_own_file(status, LOCK)
            if stat.S_IMODE(status.st_mode) != PRIVATE_KEY_MODE:
                system.chmod(descriptor, PRIVATE_KEY_MODE)
            folder.hand_over(descriptor)
        _wait(folder, descriptor, timeout)
        with reporting(LOCK):
            folder.sync_top()
            was_killed = bool(system.read(descriptor))
        _leave_name(folder, descriptor, holder)
        stack.callback(_leave_name, folder, descriptor, "")
        yield was_killed


def _wait(folder: OutputFolder, descriptor: int, timeout: float) -> None:
    begun = time.monotonic()
    while True:
        try:
            return folder.system.lock(descriptor)
        except BlockingIOError:
            waited, holder = time.monotonic() - begun, _read_name(folder, descriptor)
            # Who took the lock a moment ago is about to write its name, and who took the name back is about to let go.
            if waited >= timeout + (0 if holder else _UNNAMED):
                raise _held(holder, timeout) from None
        except OSError as error:
            raise StorageError(
                f"the output folder's file system has no locks: {error.strerror}",
                hint="move the output folder to a local file system",
            ) from error
        time.sleep(_PAUSE)


def _read_name(folder: OutputFolder, descriptor: int) -> str:
    """The holder as it named itself. It is a text that anybody who may write here could have left."""
    text = folder.system.read(descriptor)[:_LONGEST].decode("utf-8", errors="replace")
    return "".join(character for character in text if character.isprintable())


def _held(holder: str, timeout: float) -> StorageError:
    waited = f", also after {timeout:g} seconds" if timeout else ""
    return StorageError(
        f"another edgecerts apply is at work in this folder{waited}" + (f": {holder}" if holder else ""),
        hint="try again when it has ended, or wait for it with --lock-timeout",
    )


def _leave_name(folder: OutputFolder, descriptor: int, holder: str) -> None:
    """The name serves a message and shows that a run was killed; a full disk is no reason to stop."""
    with contextlib.suppress(OSError):
        folder.system.truncate(descriptor, 0)
        folder.system.write(descriptor, holder.encode("utf-8"))
