"""Folders of brokers and clients that the manifest does not have (any more)."""

import functools
from collections.abc import Mapping, Set

from edgecerts.desired.graph import Graph
from edgecerts.observed.files import observe
from edgecerts.observed.folder_reader import FolderReader, NotReadableError, OpenFolder, read_folder
from edgecerts.observed.inventory import Leftover
from edgecerts.pki.certificate_facts import parse_certificates

_OUR_NAMES: Mapping[str, tuple[str, ...]] = {
    "brokers": ("server.key", "server.pem", "ca.pem"),
    "clients": ("client.key", "client.pem", "ca.pem"),
}


def scan_leftovers(reader: FolderReader, graph: Graph) -> tuple[tuple[Leftover, ...], tuple[str, ...]]:
    """Looks for folders that have the place and file names of ours, and belong to nothing in the graph.

    Returns:
        these folders, and the paths of folders that cannot be read.
    """
    managed = {identity.folder for identity in graph.identities}
    leftovers: list[Leftover] = []
    unreadable: list[str] = []
    for parent in _OUR_NAMES:
        try:
            with reader.open_folder(parent) as folder:
                if folder is not None:
                    _scan_parent(folder, parent, managed, leftovers, unreadable)
        except NotReadableError:
            unreadable.append(parent)
    return tuple(leftovers), tuple(unreadable)


def _scan_parent(
    folder: OpenFolder, parent: str, managed: Set[str], leftovers: list[Leftover], unreadable: list[str]
) -> None:
    for name in folder.names():
        path = f"{parent}/{name}"
        if path in managed:
            continue
        try:
            leftover = read_folder(folder, name, functools.partial(_read_leftover, path=path))
        except NotReadableError:
            unreadable.append(path)
            continue
        if leftover is not None:
            leftovers.append(leftover)


def _read_leftover(folder: OpenFolder | None, *, path: str) -> Leftover | None:
    parent, _, name = path.partition("/")
    our_names = _OUR_NAMES[parent]
    present = set(folder.names()) if folder is not None else set()
    paths = tuple(f"{path}/{our_name}" for our_name in our_names if our_name in present)
    if not paths:
        return None
    return Leftover(
        address=f"{parent.removesuffix('s')}/{name}",
        paths=paths,
        certificate=observe(folder, our_names[1], parse_certificates),
    )
