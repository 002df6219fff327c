"""Opening the manifest and the inventories beside it."""

import contextlib
import gc
import os
from collections.abc import Iterator
from pathlib import Path

from edgecerts.cli.input_file import read_input
from edgecerts.errors import StorageError
from edgecerts.manifest import MAX_MANIFEST_BYTES, parse_manifest
from edgecerts.manifest.inventories import MAX_INVENTORY_BYTES
from edgecerts.manifest.model import Manifest


def read_manifest(path: Path) -> Manifest:
    """Reads and checks a manifest with its inventories.

    Raises:
        StorageError: the file cannot be read.
        ManifestError: what is in it or in an inventory cannot be used, or an inventory cannot be read.
    """
    hint = "edgecerts init writes one to start from; -f names another"
    data = read_input(path, limit=MAX_MANIFEST_BYTES, what="a manifest", hint=hint)
    with _no_collection():
        return parse_manifest(data, source=str(path), read_inventory=lambda name: _read_inventory(path.parent, name))


@contextlib.contextmanager
def _no_collection() -> Iterator[None]:
    """What is read stays, and nothing in it is a cycle: looking for garbage takes as long as reading 100,000 rows."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _read_inventory(folder: Path, name: str) -> bytes:
    """An inventory of the manifest in this folder. Messages repeat what it holds, so it is not read from elsewhere."""
    file = Path(os.path.realpath(folder / name))
    if not file.is_relative_to(os.path.realpath(folder)):
        hint = "an inventory comes with the manifest; put the file itself there"
        raise StorageError(f"{name} is a symbolic link that leads out of the manifest's folder", hint=hint)
    hint = "`csv` names a file beside the manifest"
    return read_input(folder / name, limit=MAX_INVENTORY_BYTES, what="an inventory", hint=hint)
