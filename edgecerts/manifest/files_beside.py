"""The files beside the manifest that it names. Whoever parses a manifest is given a function that reads them."""

from collections.abc import Callable
from dataclasses import dataclass

from edgecerts.errors import StorageError
from edgecerts.manifest.text import MAX_MANIFEST_BYTES


@dataclass(frozen=True, kw_only=True, slots=True)
class FileKind:
    """What a file beside the manifest is for.

    Attributes:
        what: the kind, for messages.
        limit: how many bytes it may have.
        hint: where such a file is named.
    """

    what: str
    limit: int
    hint: str


INVENTORY = FileKind(what="an inventory", limit=64 * 1024 * 1024, hint="`csv` names a file beside the manifest")
"""At most about a million rows."""

REVOKED = FileKind(
    what="a list of what is revoked",
    limit=MAX_MANIFEST_BYTES,
    hint="`revoked_from` names a file relative to the manifest",
)

ReadBeside = Callable[[str, FileKind], bytes]
"""Gives the content of a file by its path relative to the manifest, or raises a `StorageError`."""


def no_files_beside(path: str, _kind: FileKind) -> bytes:
    """What reads no file beside the manifest.

    Raises:
        StorageError: always.
    """
    raise StorageError(f"{path} is not read here", hint="type its entries in the manifest")
