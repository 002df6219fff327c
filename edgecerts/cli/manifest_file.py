"""Opening the manifest."""

from pathlib import Path

from edgecerts.cli.half_done import HINT, find_half_done
from edgecerts.cli.input_file import read_input
from edgecerts.manifest import MAX_MANIFEST_BYTES, parse_manifest
from edgecerts.manifest.model import Manifest


def read_manifest(path: Path) -> Manifest:
    """Reads and checks a manifest.

    Raises:
        StorageError: the file cannot be read.
        ManifestError: what is in it cannot be used.
    """
    hint = "edgecerts init writes one to start from; -f names another"
    output = find_half_done(path)
    if output is not None:
        hint = f"{output} is here without it: {HINT}"
    data = read_input(path, limit=MAX_MANIFEST_BYTES, what="a manifest", hint=hint)

    def read_beside(name: str) -> bytes:
        return read_input(
            path.parent / name,
            limit=MAX_MANIFEST_BYTES,
            what="a list of what is revoked",
            hint="`revoked_from` names a file relative to the manifest",
        )

    return parse_manifest(data, source=str(path), read_beside=read_beside)
