"""From an output folder to an inventory of facts."""

import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from edgecerts.desired.graph import (
    JOURNAL,
    CertificateArtifact,
    Graph,
    PrivateKeyArtifact,
    TextArtifact,
    TrustArtifact,
)
from edgecerts.errors import InvalidCertificateError, InvalidKeyError
from edgecerts.observed.folder_reader import FolderReader, FoundFile, NotReadableError
from edgecerts.observed.inventory import Inventory, Leftover, Observed, State
from edgecerts.observed.log_scan import FoundLog, scan_log
from edgecerts.pki.certificate_facts import CertificateFacts, parse_certificates
from edgecerts.pki.private_keys import KeyFacts, is_encrypted, read_key_facts

T = TypeVar("T")

_OUR_NAMES: Mapping[str, tuple[str, ...]] = {
    "brokers": ("server.key", "server.pem", "ca.pem"),
    "clients": ("client.key", "client.pem", "ca.pem"),
}


def scan(graph: Graph, output: Path, *, manifest_folder: Path) -> Inventory:
    """Reads every file of the graph.

    Args:
        graph: what should exist.
        output: the output folder; it need not exist.
        manifest_folder: what the paths of `ca.also_trust` are relative to.

    Returns:
        a value for each artifact. Nothing that lies in the folder makes this raise.

    Raises:
        StorageError: the output folder itself is something else than a folder that this user may read.
    """
    reader = FolderReader(output)
    reader.check_root()
    # Every identity has a copy of the same ca.pem.
    parse_copies = functools.cache(parse_certificates)
    keys: dict[str, Observed[KeyFacts]] = {}
    certificates: dict[str, Observed[tuple[CertificateFacts, ...]]] = {}
    texts: dict[str, Observed[str]] = {}
    for artifact in graph.artifacts():
        if isinstance(artifact, PrivateKeyArtifact):
            keys[artifact.path] = _observe_key(reader, artifact.path)
        elif isinstance(artifact, CertificateArtifact):
            certificates[artifact.path] = _observe(reader, artifact.path, parse_certificates)
        elif isinstance(artifact, TrustArtifact):
            certificates[artifact.path] = _observe(reader, artifact.path, parse_copies)
        elif isinstance(artifact, TextArtifact):
            texts[artifact.path] = _observe(reader, artifact.path, _decode)
    log = scan_log(reader)
    leftovers, unreadable_parents = _scan_leftovers(reader, graph)
    return Inventory(
        private_keys=keys,
        certificates=certificates,
        texts=texts,
        also_trusted=_scan_also_trusted(graph, manifest_folder),
        log=log.entries,
        log_files=log.files,
        unreadable=(*log.unreadable, *unreadable_parents),
        leftovers=leftovers,
        damaged_log=log.damaged,
        interrupted=_has_journal(reader),
    )


def _has_journal(reader: FolderReader) -> bool:
    try:
        return reader.read(JOURNAL) is not None
    except NotReadableError:
        # Another user's, perhaps: it is there.
        return True


def scan_history(output: Path, path: str) -> tuple[FoundLog, Observed[tuple[CertificateFacts, ...]]]:
    """Reads the log and one certificate file, and nothing else: what a fleet has beside it does not matter.

    Args:
        output: the output folder; it need not exist.
        path: the certificate's, relative to it.

    Raises:
        StorageError: the output folder itself is something else than a folder that this user may read.
    """
    reader = FolderReader(output)
    reader.check_root()
    return scan_log(reader), _observe(reader, path, parse_certificates)


def _observe(reader: FolderReader, path: str, parse: Callable[[bytes], T]) -> Observed[T]:
    try:
        found = reader.read(path)
        if found is None:
            return Observed(state=State.ABSENT)
        return _present(found, parse(found.data))
    except NotReadableError as error:
        return Observed(state=State.UNREADABLE, problem=error.problem)
    except (InvalidCertificateError, UnicodeDecodeError) as error:
        problem = error.message if isinstance(error, InvalidCertificateError) else "it is not UTF-8 text"
        return Observed(state=State.UNREADABLE, problem=problem, damaged=True)


def _observe_key(reader: FolderReader, path: str) -> Observed[KeyFacts]:
    """Looks at a private key file. An encrypted key is never opened, so damage inside it is not seen here."""
    try:
        found = reader.read(path)
        if found is None:
            return Observed(state=State.ABSENT)
        if is_encrypted(found.data):
            return Observed(
                state=State.LOCKED,
                mode=found.mode,
                folder_mode=found.folder_mode,
                problem="it is encrypted",
                encrypted=True,
            )
        return _present(found, read_key_facts(found.data))
    except NotReadableError as error:
        return Observed(state=State.LOCKED if error.denied else State.UNREADABLE, problem=error.problem)
    except InvalidKeyError as error:
        return Observed(state=State.UNREADABLE, problem=error.message, damaged=True)


def _present(found: FoundFile, value: T) -> Observed[T]:
    return Observed(state=State.PRESENT, value=value, mode=found.mode, folder_mode=found.folder_mode)


def _decode(data: bytes) -> str:
    return data.decode("utf-8")


def _scan_also_trusted(graph: Graph, manifest_folder: Path) -> dict[str, Observed[tuple[CertificateFacts, ...]]]:
    """The files of `ca.also_trust`. They are the user's own and may lie anywhere."""
    paths = {entry.ca for identity in graph.end_entities if identity.trust for entry in identity.trust.also_trust}
    found = {}
    for path in sorted(paths):
        place = manifest_folder / path
        found[path] = _observe(FolderReader(place.parent), place.name, parse_certificates)
    return found


def _scan_leftovers(reader: FolderReader, graph: Graph) -> tuple[tuple[Leftover, ...], tuple[str, ...]]:
    """Folders of brokers and clients that the manifest does not have (any more), and what cannot be read."""
    managed = {identity.folder for identity in graph.identities}
    leftovers: list[Leftover] = []
    unreadable: list[str] = []
    for parent, our_names in _OUR_NAMES.items():
        try:
            folders = [f"{parent}/{name}" for name in reader.names(parent)]
        except NotReadableError:
            unreadable.append(parent)
            continue
        for folder in folders:
            if folder in managed:
                continue
            try:
                leftover = _scan_leftover(reader, folder, our_names)
            except NotReadableError:
                unreadable.append(folder)
                continue
            if leftover is not None:
                leftovers.append(leftover)
    return tuple(leftovers), tuple(unreadable)


def _scan_leftover(reader: FolderReader, folder: str, our_names: tuple[str, ...]) -> Leftover | None:
    present = set(reader.names(folder))
    paths = tuple(f"{folder}/{our_name}" for our_name in our_names if our_name in present)
    if not paths:
        return None
    parent, _, name = folder.partition("/")
    return Leftover(
        address=f"{parent.removesuffix('s')}/{name}",
        paths=paths,
        certificate=_observe(reader, f"{folder}/{our_names[1]}", parse_certificates),
    )
