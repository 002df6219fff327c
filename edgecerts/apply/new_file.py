"""Writing a public file that is not there yet: whole or not at all, and never over anything."""

import contextlib
import os
import secrets
from pathlib import Path

from edgecerts.desired.graph import PUBLIC_MODE
from edgecerts.errors import StorageError


def check_new(path: Path, content: bytes | None, *, hint: str) -> bool:
    """Whether a file is still to be written: not where it holds this very content already.

    Args:
        content: what it will hold; None where nothing may have its name.
        hint: what to do where something else has its name.

    Raises:
        StorageError: something else has its name.
    """
    if not os.path.lexists(path):
        return True
    with contextlib.suppress(OSError):
        if content is not None and path.is_file() and not path.is_symlink() and path.read_bytes() == content:
            return False
    raise StorageError(f"{path} exists already, and was left as it is", hint=hint)


def write_new(path: Path, content: bytes, *, hint: str) -> None:
    """Writes a file, and the folders above it.

    Raises:
        StorageError: something has its name by now, or it cannot be written.
    """
    staged = path.parent / f".edgecerts-new-{secrets.token_hex(8)}"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with staged.open("xb") as file:
                file.write(content)
                file.flush()
                os.fchmod(file.fileno(), PUBLIC_MODE)
                os.fsync(file.fileno())
            _give_name(staged, path)
        finally:
            with contextlib.suppress(OSError):
                staged.unlink()
        _sync(path.parent)
    except FileExistsError:
        raise StorageError(f"{path} exists already, and was left as it is", hint=hint) from None
    except OSError as error:
        raise StorageError(f"{path} cannot be written: {error.strerror}") from None


def _give_name(staged: Path, path: Path) -> None:
    try:
        os.link(staged, path)
    except FileExistsError:
        raise
    except OSError:
        # A file system without links has no step that spares what is there; the look is as close to it as can be.
        if os.path.lexists(path):
            raise FileExistsError(path) from None
        staged.rename(path)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
