"""A manifest with its graph and its place: what plan and apply work with."""

import os
from dataclasses import dataclass
from pathlib import Path

from edgecerts.cli.manifest_file import read_manifest
from edgecerts.desired import build_graph
from edgecerts.desired.graph import Graph
from edgecerts.errors import StorageError
from edgecerts.manifest.model import PrivateKeySource

_ROOT = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Project:
    """One manifest, opened.

    Attributes:
        folder: the manifest's folder.
        output: the output folder.
        owners: the users that folders of keys may belong to: this one, root, and the one who owns the manifest and so
            says what is in them.
    """

    graph: Graph
    folder: Path
    output: Path
    owners: frozenset[int]


def open_project(path: Path, output: Path | None) -> Project:
    """Reads a manifest and builds its graph.

    Args:
        path: the manifest.
        output: the output folder as given on the command line, or None.

    Raises:
        StorageError, ManifestError: as for `read_manifest`; or the authority's key is kept in the output folder.
    """
    manifest = read_manifest(path)
    project = Project(
        graph=build_graph(manifest),
        folder=path.parent,
        output=output if output is not None else path.parent / manifest.output,
        owners=frozenset({_ROOT, os.geteuid(), _owner_of(path)}),
    )
    _check_key_file(project, manifest.authorities[0].private_key)
    return project


def _check_key_file(project: Project, source: PrivateKeySource | None) -> None:
    """The manifest's own check knows neither `--output` nor symbolic links."""
    if source is None or source.file is None:
        return
    file = Path(os.path.realpath(project.folder / source.file))
    if file.is_relative_to(os.path.realpath(project.output)):
        raise StorageError(
            f"{source.file}, the authority's private key, lies in the output folder {project.output}",
            hint="keep it elsewhere, or remove `private_key` if it is ca/ca.key in there",
        )


def _owner_of(path: Path) -> int:
    try:
        return path.stat().st_uid
    except OSError as error:
        raise StorageError(f"{path} cannot be read: {error.strerror}") from None
