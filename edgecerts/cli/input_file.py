"""Reading a file that the command line names."""

from pathlib import Path

from edgecerts.errors import StorageError


def read_input(path: Path, *, limit: int, what: str, hint: str) -> bytes:
    """The content of a file, and one byte more than the limit where it is longer.

    Args:
        limit: how many bytes it may have; its parser says so where it has more.
        what: what the file is, for messages.
        hint: what to do where there is no such file.

    Raises:
        StorageError: it is not there, is no plain file, or cannot be read.
    """
    try:
        if path.exists() and not path.is_file():
            kind = "a folder" if path.is_dir() else "not a plain file"
            raise StorageError(f"{path} is {kind}, and {what} is a file", hint="name the file itself")
        with path.open("rb") as file:
            return file.read(limit + 1)
    except FileNotFoundError:
        raise StorageError(f"there is no {path}", hint=hint) from None
    except OSError as error:
        raise StorageError(f"{path} cannot be read: {error.strerror}") from None
