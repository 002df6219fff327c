"""Opening the manifest and turning it into what the commands work with."""

from dataclasses import dataclass
from pathlib import Path

from edgecerts.desired.graph import Graph
from edgecerts.errors import StorageError
from edgecerts.manifest import MAX_MANIFEST_BYTES, parse_manifest
from edgecerts.manifest.model import Manifest


@dataclass(frozen=True, kw_only=True, slots=True)
class Project:
    """A manifest with its graph and its place.

    Attributes:
        folder: the manifest's folder.
        output: the output folder.
    """

    manifest: Manifest
    graph: Graph
    folder: Path
    output: Path


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


def open_project(path: Path, output: Path | None) -> Project:
    """Reads a manifest and builds its graph.

    Args:
        path: the manifest.
        output: the output folder as given on the command line, or None.

    Raises:
        StorageError, ManifestError: as for `read_manifest`.
    """
    from edgecerts.desired import build_graph

    manifest = read_manifest(path)
    return Project(
        manifest=manifest,
        graph=build_graph(manifest),
        folder=path.parent,
        output=output if output is not None else path.parent / manifest.output,
    )
