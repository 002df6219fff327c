"""From an output folder to an inventory of facts."""

import contextlib
import functools
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from posixpath import dirname
from typing import TypeVar

from edgecerts.desired.graph import (
    JOURNAL,
    LIST_COPY,
    LOCAL_FOLDER,
    LOG_FOLDER,
    PUBLISHED_LIST,
    REVOCATION_LIST,
    Graph,
    Identity,
    IdentityKind,
)
from edgecerts.observed.file_systems import keeps_modes
from edgecerts.observed.files import observe, observe_key, observe_text
from edgecerts.observed.folder_reader import FileId, FolderReader, NotReadableError, OpenFolder, read_folder
from edgecerts.observed.hard_links import OwnFiles
from edgecerts.observed.inventory import FolderFacts, Inventory, Observed, State
from edgecerts.observed.leftovers import scan_leftovers
from edgecerts.observed.log_scan import scan_log
from edgecerts.observed.requests import scan_requests
from edgecerts.observed.seen import SeenFiles
from edgecerts.pki.certificate_facts import CertificateFacts, parse_certificates
from edgecerts.pki.private_keys import KeyFacts
from edgecerts.pki.revocation_lists import RevocationListFacts, parse_revocation_lists

T = TypeVar("T")
Certificates = Observed[tuple[CertificateFacts, ...]]
Lists = Observed[tuple[RevocationListFacts, ...]]


def scan(graph: Graph, output: Path, *, manifest_folder: Path, seen: SeenFiles | None = None) -> Inventory:
    """Reads every file of the graph.

    Args:
        graph: what should exist.
        output: the output folder; it need not exist.
        manifest_folder: what the paths of `ca.also_trust` and of requests are relative to.
        seen: what the same run read before; None reads everything.

    Returns:
        a value for each artifact. Nothing that lies in the folder makes this raise.

    Raises:
        StorageError: the output folder itself is something else than a folder that this user may read.
    """
    reader = FolderReader(output)
    reader.check_root()
    folders, keeps = _scan_common_folders(reader, graph)
    places: set[FileId] = set()
    keys: dict[str, Observed[KeyFacts]] = {}
    certificates: dict[str, Certificates] = {}
    lists: dict[str, Lists] = {}
    for files in _scan_identities(reader, graph, seen):
        keys |= files.private_keys
        certificates |= files.certificates
        lists |= files.revocation_lists
        folders += files.folders
        places |= {files.place} if files.place is not None else set()
    with reader.open_folder() as root:
        texts = {artifact.path: observe_text(root, artifact.path) for artifact in graph.folder_files}
    log = scan_log(reader, _by_digest(certificates))
    leftovers, unreadable_parents = scan_leftovers(reader, graph, places)
    return Inventory(
        private_keys=keys if keeps else {path: _without_modes(found) for path, found in keys.items()},
        certificates=certificates,
        texts=texts,
        also_trusted=_scan_beside(_also_trusted(graph), manifest_folder, parse_certificates),
        log=log.entries,
        log_files=log.files,
        unreadable={**log.unreadable, **unreadable_parents},
        leftovers=leftovers,
        requests=scan_requests(graph, manifest_folder),
        revocation_lists=lists,
        also_revoked=_scan_beside(_also_revoked(graph), manifest_folder, parse_revocation_lists),
        damaged_log=log.damaged,
        interrupted=_has_journal(reader),
        folders=tuple(folders),
        keeps_modes=keeps,
    )


def _by_digest(
    certificates: Mapping[str, Observed[tuple[CertificateFacts, ...]]],
) -> dict[str, CertificateFacts]:
    return {facts.sha256: facts for found in certificates.values() for facts in found.value or ()}


def _has_journal(reader: FolderReader) -> bool:
    try:
        return reader.read(JOURNAL) is not None
    except NotReadableError:
        # Another user's, perhaps: it is there.
        return True


@dataclass(frozen=True, kw_only=True, slots=True)
class _IdentityFiles:
    """The files of one identity, all from the same folder.

    Attributes:
        place: which folder that is; None where there is none, or none that can be opened.
    """

    private_keys: Mapping[str, Observed[KeyFacts]]
    certificates: Mapping[str, Certificates]
    revocation_lists: Mapping[str, Lists]
    folders: tuple[FolderFacts, ...] = ()
    place: FileId | None = None


def _scan_common_folders(reader: FolderReader, graph: Graph) -> tuple[list[FolderFacts], bool]:
    """The folders that belong to no single identity, and whether permissions are kept in them."""
    facts: list[FolderFacts] = []
    keeps = True
    parents = dict.fromkeys(dirname(identity.folder) for identity in graph.identities)
    for path in dict.fromkeys(("", *parents, LOG_FOLDER, LOCAL_FOLDER)):
        # What is no folder of ours is found where something is read from it.
        with contextlib.suppress(NotReadableError), reader.open_folder(path) as folder:
            facts += _facts(path, folder)
            keeps = keeps_modes(folder) if path == LOCAL_FOLDER else keeps
    return facts, keeps


def _name(path: str) -> str:
    return path.rpartition("/")[2]


def _facts(path: str, folder: OpenFolder | None) -> tuple[FolderFacts, ...]:
    return (FolderFacts(path=path, mode=folder.mode, owner=folder.status.st_uid),) if folder is not None else ()


def _without_modes(found: Observed[KeyFacts]) -> Observed[KeyFacts]:
    return replace(found, mode=None, folder_mode=None)


def _scan_identities(reader: FolderReader, graph: Graph, seen: SeenFiles | None) -> Iterator[_IdentityFiles]:
    """Each identity's files, from one folder that is opened once."""
    parsers = _Parsers()
    own = OwnFiles(reader)
    for parent, group in itertools.groupby(graph.identities, key=lambda identity: identity.folder.rpartition("/")[0]):
        identities = tuple(group)
        try:
            with reader.open_folder(parent) as folder:
                for identity in identities:
                    yield _scan_identity(folder, identity, parsers, own, seen)
        except NotReadableError as error:
            yield from (_unreadable(identity, error) for identity in identities)


class _Parsers:
    """Parsers of copies, which many identities have of the same file, so that it is parsed and kept once."""

    def __init__(self) -> None:
        self.certificates = functools.cache(parse_certificates)
        self.lists = functools.cache(parse_revocation_lists)
        self._copies: dict[tuple[int, int | None, int | None], Certificates] = {}

    def alike(self, found: Certificates) -> Certificates:
        """The same object for files with the same content and permissions."""
        if found.value is None:
            return found
        # What is kept here stays, so its number is nobody else's.
        return self._copies.setdefault((id(found.value), found.mode, found.folder_mode), found)


def _scan_identity(
    parent: OpenFolder | None, identity: Identity, parsers: _Parsers, own: OwnFiles, seen: SeenFiles | None
) -> _IdentityFiles:
    def read(folder: OpenFolder | None) -> _IdentityFiles:
        certificate, trust = identity.certificate.path, identity.trust.path if identity.trust else None
        certificates = {certificate: observe(folder, _name(certificate), parse_certificates, seen)}
        if trust is not None:
            certificates[trust] = parsers.alike(observe(folder, _name(trust), parsers.certificates, seen))
        key = identity.private_key.path
        return _IdentityFiles(
            private_keys={key: observe_key(folder, _name(key), own, seen)},
            certificates=certificates,
            revocation_lists={path: observe(folder, _name(path), parsers.lists, seen) for path in list_paths(identity)},
            folders=_facts(identity.folder, folder),
            place=folder.id if folder is not None else None,
        )

    if parent is None:
        return read(None)
    try:
        return read_folder(parent, _name(identity.folder), read)
    except NotReadableError as error:
        return _unreadable(identity, error)


def list_paths(identity: Identity) -> tuple[str, ...]:
    """Where an identity's revocation lists would lie, whether or not there are any."""
    if identity.kind is IdentityKind.CA:
        return REVOCATION_LIST, PUBLISHED_LIST
    return (f"{identity.folder}/{LIST_COPY}",) if identity.kind is IdentityKind.BROKER else ()


def _unreadable(identity: Identity, error: NotReadableError) -> _IdentityFiles:
    """What an identity's files are where their folder cannot be opened."""
    public = [identity.certificate.path] + ([identity.trust.path] if identity.trust else [])
    return _IdentityFiles(
        private_keys={identity.private_key.path: Observed(state=State.UNREADABLE, problem=error.problem)},
        certificates={path: Observed(state=State.UNREADABLE, problem=error.problem) for path in public},
        revocation_lists={
            path: Observed(state=State.UNREADABLE, problem=error.problem) for path in list_paths(identity)
        },
    )


def _also_trusted(graph: Graph) -> Iterator[str]:
    for identity in graph.end_entities:
        yield from (entry.ca for entry in identity.trust.also_trust) if identity.trust else ()


def _also_revoked(graph: Graph) -> Iterator[str]:
    for identity in graph.end_entities:
        entries = identity.list_copy.also_trust if identity.list_copy else ()
        yield from (entry.crl for entry in entries if entry.crl is not None)


def _scan_beside(paths: Iterable[str], manifest_folder: Path, parse: Callable[[bytes], T]) -> dict[str, Observed[T]]:
    """The files of `ca.also_trust`. They are the user's own and may lie anywhere."""
    found: dict[str, Observed[T]] = {}
    for path in sorted(set(paths)):
        place = manifest_folder / path
        try:
            with FolderReader(place.parent).open_folder() as folder:
                found[path] = observe(folder, place.name, parse)
        except NotReadableError as error:
            found[path] = Observed(state=State.UNREADABLE, problem=error.problem)
    return found
