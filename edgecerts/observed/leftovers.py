"""Folders of brokers and clients that the manifest does not have (any more)."""

import functools
from collections.abc import Mapping, Set

from edgecerts.desired.graph import Graph
from edgecerts.observed.files import observe, observe_key
from edgecerts.observed.folder_reader import FolderReader, NotReadableError, OpenFolder, read_folder
from edgecerts.observed.hard_links import OwnFiles
from edgecerts.observed.inventory import Leftover
from edgecerts.pki.certificate_facts import parse_certificates

_OUR_NAMES: Mapping[str, tuple[str, ...]] = {
    "brokers": ("server.key", "server.pem", "ca.pem"),
    "clients": ("client.key", "client.pem", "ca.pem"),
}


def scan_leftovers(reader: FolderReader, graph: Graph) -> tuple[tuple[Leftover, ...], dict[str, str]]:
    """Looks for folders that have the place and file names of ours, and belong to nothing in the graph.

    Returns:
        these folders, and by path why a folder cannot be read.
    """
    managed = {identity.folder for identity in graph.identities}
    leftovers: list[Leftover] = []
    unreadable: dict[str, str] = {}
    own = OwnFiles(reader)
    for parent in _OUR_NAMES:
        try:
            with reader.open_folder(parent) as folder:
                if folder is not None:
                    _scan_parent(folder, parent, managed, own, leftovers, unreadable)
        except NotReadableError as error:
            unreadable[parent] = error.problem
    return tuple(leftovers), unreadable


def _scan_parent(
    folder: OpenFolder,
    parent: str,
    managed: Set[str],
    own: OwnFiles,
    leftovers: list[Leftover],
    unreadable: dict[str, str],
) -> None:
    for name in folder.names():
        path = f"{parent}/{name}"
        if path in managed:
            continue
        try:
            leftover = read_folder(folder, name, functools.partial(_read_leftover, path=path, own=own))
        except NotReadableError as error:
            unreadable[path] = error.problem
            continue
        if leftover is not None:
            leftovers.append(leftover)


def _read_leftover(folder: OpenFolder | None, *, path: str, own: OwnFiles) -> Leftover | None:
    parent, _, name = path.partition("/")
    our_names = _OUR_NAMES[parent]
    present = set(folder.names()) if folder is not None else set()
    paths = tuple(f"{path}/{our_name}" for our_name in our_names if our_name in present)
    if not paths:
        return None
    return Leftover(
        address=f"{parent.removesuffix('s')}/{name}",
        paths=paths,
        private_key=observe_key(folder, our_names[0], own),
        certificate=observe(folder, our_names[1], parse_certificates),
    )
