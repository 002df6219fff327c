"""A manifest with its graph and its place: what plan and apply work with."""

from dataclasses import dataclass
from pathlib import Path

from edgecerts.cli.manifest_file import read_manifest
from edgecerts.desired import build_graph
from edgecerts.desired.graph import Graph
from edgecerts.manifest.model import Manifest


@dataclass(frozen=True, kw_only=True, slots=True)
class Project:
    """One manifest, opened.

    Attributes:
        folder: the manifest's folder.
        output: the output folder.
    """

    manifest: Manifest
    graph: Graph
    folder: Path
    output: Path


def open_project(path: Path, output: Path | None) -> Project:
    """Reads a manifest and builds its graph.

    Args:
        path: the manifest.
        output: the output folder as given on the command line, or None.

    Raises:
        StorageError, ManifestError: as for `read_manifest`.
    """
    manifest = read_manifest(path)
    return Project(
        manifest=manifest,
        graph=build_graph(manifest),
        folder=path.parent,
        output=output if output is not None else path.parent / manifest.output,
    )
