"""Opening the manifest."""

from pathlib import Path

from edgecerts.errors import StorageError
from edgecerts.manifest import MAX_MANIFEST_BYTES, parse_manifest
from edgecerts.manifest.model import Manifest


def read_manifest(path: Path) -> Manifest:
    """Reads and checks a manifest.

    Raises:
        StorageError: the file cannot be read.
        ManifestError: what is in it cannot be used.
    """
    try:
        if path.exists() and not path.is_file():
            kind = "a folder" if path.is_dir() else "not a plain file"
            raise StorageError(f"{path} is {kind}, and a manifest is a file", hint="name the file itself with -f")
        with path.open("rb") as file:
            data = file.read(MAX_MANIFEST_BYTES + 1)
    except FileNotFoundError:
        raise StorageError(
            f"there is no {path}", hint="edgecerts init writes one to start from; -f names another"
        ) from None
    except OSError as error:
        raise StorageError(f"{path} cannot be read: {error.strerror}") from None
    return parse_manifest(data, source=str(path))
