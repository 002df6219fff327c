"""Writing a plan to the file that is reviewed."""

import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path

from edgecerts.desired.graph import PUBLIC_MODE
from edgecerts.errors import StorageError

_MARK = b'"format_version"'
_MARK_WITHIN = 100
"""Every JSON document of ours has this key first; other tools may have written it with other spaces."""


def write_plan_file(path: Path, text: str) -> None:
    """Writes a plan file in one step, so that it is never half there. It is public.

    An older plan is replaced, and nothing else is: not the manifest, a key or a folder whose name was typed by mistake.

    Raises:
        StorageError: something else has that name, or it cannot be written.
    """
    staged = path.parent / f".edgecerts-plan-{secrets.token_hex(8)}"
    try:
        _check_replaceable(path)
        try:
            with staged.open("xb") as file:
                file.write(text.encode("utf-8"))
                file.flush()
                os.fchmod(file.fileno(), PUBLIC_MODE)
                os.fsync(file.fileno())
            staged.replace(path)
        finally:
            with suppress(OSError):
                staged.unlink()
    except OSError as error:
        raise StorageError(f"{path} cannot be written: {error.strerror}") from None


def _check_replaceable(path: Path) -> None:
    try:
        status = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISREG(status.st_mode):
        kind = "a folder" if stat.S_ISDIR(status.st_mode) else "not a plain file"
        raise StorageError(f"{path} is {kind}, and was left as it is", hint="--out names the file to write")
    with path.open("rb") as file:
        found = file.read(_MARK_WITHIN)
    if found and not (found.lstrip().startswith(b"{") and _MARK in found):
        raise StorageError(f"{path} holds something else than a plan, and was left as it is", hint="name another file")
