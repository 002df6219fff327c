"""Folders of brokers and clients that the manifest does not have (any more)."""

import functools
import os
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Set

from edgecerts.desired.graph import LIST_COPY, Graph
from edgecerts.observed.files import observe, observe_key
from edgecerts.observed.folder_reader import FileId, FolderReader, NotReadableError, OpenFolder, read_folder
from edgecerts.observed.hard_links import OwnFiles
from edgecerts.observed.inventory import Leftover
from edgecerts.pki.certificate_facts import parse_certificates

_OUR_NAMES: Mapping[str, tuple[str, ...]] = {
    "brokers": ("server.key", "server.pem", "ca.pem", LIST_COPY),
    "clients": ("client.key", "client.pem", "ca.pem"),
}


def scan_leftovers(
    reader: FolderReader, graph: Graph, managed: Set[FileId]
) -> tuple[tuple[Leftover, ...], dict[str, str]]:
    """Looks for folders that have the place and file names of ours, and belong to nothing in the graph.

    Args:
        reader: reads the output folder.
        graph: what should exist.
        managed: the folders of the graph that were read, whatever names they were found by.

    Returns:
        these folders, and by path why a folder cannot be read.
    """
    leftovers: list[Leftover] = []
    unreadable: dict[str, str] = {}
    own = OwnFiles(reader)
    ours: defaultdict[str, set[str]] = defaultdict(set)
    for identity in graph.identities:
        place, _, name = identity.folder.rpartition("/")
        ours[place].add(name)
    for parent in _OUR_NAMES:
        names = frozenset(ours[parent])
        try:
            with reader.open_folder(parent) as folder:
                if folder is not None:
                    others = _other_names(folder, names, managed)
                    _scan_parent(folder, parent, others, own, leftovers, unreadable)
        except NotReadableError as error:
            unreadable[parent] = error.problem
    return tuple(leftovers), unreadable


def _other_names(folder: OpenFolder, ours: Set[str], managed: Set[FileId]) -> Iterator[str]:
    """The names in a folder that are no entry's, nor another spelling of one.

    Some file systems take `MyEACM` and `myeacm`, or two ways to write an accented letter, for the same name, and list
    it as it was first written. That folder is the entry's, and deleting it would delete what is in use.
    """
    by_folded: dict[str, str] = {}
    for name in folder.names():
        found = folder.look(name) if name not in ours else None
        if found is not None and not by_folded:
            by_folded = {_fold(name): name for name in ours}
        if found is None or (found.st_dev, found.st_ino) in managed:
            continue
        # Its folder may have been exchanged since it was read.
        same = folder.look(by_folded.get(_fold(name), name))
        if same is not None and _fold(name) in by_folded and os.path.samestat(found, same):
            continue
        yield name


def _fold(name: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def _scan_parent(
    folder: OpenFolder,
    parent: str,
    names: Iterable[str],
    own: OwnFiles,
    leftovers: list[Leftover],
    unreadable: dict[str, str],
) -> None:
    for name in names:
        path = f"{parent}/{name}"
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
    # Asked for by name, and not looked for in a list, where it may be spelt in another way.
    present = [name for name in our_names if folder is not None and folder.look(name) is not None]
    paths = tuple(f"{path}/{our_name}" for our_name in present)
    if not paths:
        return None
    return Leftover(
        address=f"{parent.removesuffix('s')}/{name}",
        paths=paths,
        private_key=observe_key(folder, our_names[0], own),
        certificate=observe(folder, our_names[1], parse_certificates),
    )
