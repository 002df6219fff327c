"""Opening the manifest and the files beside it that it names."""

import contextlib
import gc
import os
from collections.abc import Iterator
from pathlib import Path

from edgecerts.cli.half_done import HINT, find_half_done
from edgecerts.cli.input_file import read_input
from edgecerts.errors import StorageError
from edgecerts.manifest import MAX_MANIFEST_BYTES, parse_manifest
from edgecerts.manifest.files_beside import FileKind
from edgecerts.manifest.model import Manifest


def read_manifest(path: Path) -> Manifest:
    """Reads and checks a manifest with its inventories.

    Raises:
        StorageError: the file cannot be read.
        ManifestError: what is in it or in a file beside it cannot be used, or that file cannot be read.
    """
    hint = "edgecerts init writes one to start from; -f names another"
    output = find_half_done(path)
    if output is not None:
        hint = f"{output} is here without it: {HINT}"
    data = read_input(path, limit=MAX_MANIFEST_BYTES, what="a manifest", hint=hint)
    with _no_collection():
        return parse_manifest(data, source=str(path), read_beside=lambda name, kind: _read_beside(path, name, kind))


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


def _read_beside(manifest: Path, name: str, kind: FileKind) -> bytes:
    """A file that the manifest names. Messages repeat what it holds, so it is not read from elsewhere."""
    folder = Path(os.path.realpath(manifest.parent))
    file = manifest.parent / name
    if not Path(os.path.realpath(file)).is_relative_to(folder):
        hint = f"{kind.what} comes with the manifest; put the file itself there"
        raise StorageError(f"{name} is a symbolic link that leads out of the manifest's folder", hint=hint)
    return read_input(file, limit=kind.limit, what=kind.what, hint=kind.hint)
