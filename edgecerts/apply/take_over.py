"""Bringing an adoption under management: copies in our layout, then the manifest. The source is not touched.

The manifest comes last: as long as it is not there, the import was not done, and doing it again finishes it.
"""

import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from edgecerts.adoption.material import FoundKey
from edgecerts.adoption.model import Adoption
from edgecerts.adoption.requests import kept_requests
from edgecerts.apply.file_system import FileSystem
from edgecerts.apply.interrupts import interrupts_held
from edgecerts.apply.lock import locked
from edgecerts.apply.new_file import check_new, write_new
from edgecerts.apply.output_folder import OutputFolder, open_output
from edgecerts.apply.recovery import recover
from edgecerts.apply.replaced import stamp_of
from edgecerts.apply.repository_guard import check_keys_ignored, check_local_folder
from edgecerts.apply.staging import Draft, DraftFile
from edgecerts.apply.transaction import Transaction
from edgecerts.desired.folder_files import merge_section
from edgecerts.desired.graph import JOURNAL, LOCAL_FOLDER, LOG_FOLDER, PRIVATE_KEY_MODE, PUBLIC_MODE, Graph, Identity
from edgecerts.errors import EdgecertsError, InvalidKeyError, StorageError
from edgecerts.observed.folder_reader import FolderReader, NotReadableError
from edgecerts.pki.certificates import encode_certificates
from edgecerts.pki.private_keys import encode_private_key, is_encrypted, load_private_key, spki_sha256

_MANIFEST_HINT = "-f names another file; or move it away"
_OUTPUT_HINT = "--output names another folder; or move away what is in it"
_BESIDE_HINT = "move it away, or write the manifest to another folder with -f"


@dataclass(frozen=True, kw_only=True, slots=True)
class TakeOver:
    """What is written, and where to.

    Attributes:
        graph: of the manifest that is written.
        text: the manifest.
        job: who runs this.
    """

    adoption: Adoption
    graph: Graph
    manifest: Path
    text: str
    output: Path
    now: datetime
    job: str
    system: FileSystem = field(default_factory=FileSystem)


def check_free(manifest: Path) -> None:
    """Looks whether a manifest can be written, before anything else is done.

    Raises:
        StorageError: something has its name.
    """
    check_new(manifest, None, hint=_MANIFEST_HINT)


def take_over(given: TakeOver, *, dry_run: bool) -> tuple[str, ...]:
    """Writes everything.

    Args:
        dry_run: look only whether it could be written.

    Returns:
        the paths of all files below the output folder, in the graph's order.

    Raises:
        InvalidKeyError: a key that was found does not work.
        StorageError: something is in the way, or cannot be written. Then there is no manifest, and what is there is
            whole; the same import again goes on from there.
    """
    check_free(given.manifest)
    beside = {given.manifest.parent / path: content for path, content in _files_beside(given.adoption)}
    for path, content in beside.items():
        check_new(path, content, hint=_BESIDE_HINT)
    keys = _keys(given)
    wanted = dict(_public_files(given)) | dict.fromkeys(keys)
    if not os.path.lexists(given.output / JOURNAL):
        _find_missing(given.output, wanted, keys)
    if not dry_run:
        _write(given, wanted, keys, beside)
    return tuple(artifact.path for artifact in given.graph.artifacts() if artifact.path in wanted)


def _write(
    given: TakeOver, wanted: Mapping[str, bytes | None], keys: Mapping[str, FoundKey], beside: Mapping[Path, bytes]
) -> None:
    with (
        open_output(given.output, given.system) as folder,
        locked(folder, holder=f"process {os.getpid()}, {given.job}", timeout=0) as was_killed,
    ):
        _check_safe(folder, given.output)
        with interrupts_held():
            recover(folder, was_killed=was_killed, stamp=stamp_of(given.now))
        missing = _find_missing(given.output, wanted, keys)
        _write_output(folder, given, wanted, keys, missing)
    for path, content in beside.items():
        if check_new(path, content, hint=_BESIDE_HINT):
            write_new(path, content, hint=_BESIDE_HINT)
    write_new(given.manifest, given.text.encode("utf-8"), hint=_MANIFEST_HINT)


def _files_beside(adoption: Adoption) -> Iterator[tuple[str, bytes]]:
    """What lies next to the manifest: requests, and certificates of other authorities."""
    yield from kept_requests(adoption)
    for other in adoption.trusted:
        yield other.file, encode_certificates(other.certificate.facts.certificate)


def _keys(given: TakeOver) -> dict[str, FoundKey]:
    """The private keys by the path of their copies."""
    found = {entry.address: entry.key for entry in given.adoption.entries}
    if given.adoption.authority is not None:
        found["ca"] = given.adoption.authority.found.key
    by_path = {identity.private_key.path: found.get(identity.address) for identity in given.graph.identities}
    return {path: key for path, key in by_path.items() if key is not None}


def _public_files(given: TakeOver) -> Iterator[tuple[str, bytes]]:
    """Everything but the keys, as (path, content)."""
    adoption = given.adoption
    assert adoption.authority is not None  # noqa: S101 (without one there is no manifest)
    root = adoption.authority.found.facts.certificate
    trusted = [other.certificate.facts.certificate for other in adoption.trusted if other.active]
    certificates = {entry.address: entry.certificate.facts.certificate for entry in adoption.entries} | {"ca": root}
    for text in given.graph.folder_files:
        yield text.path, merge_section("", text.content).encode("utf-8")
    for identity in given.graph.identities:
        yield identity.certificate.path, encode_certificates(certificates[identity.address])
        if identity.trust is not None:
            yield identity.trust.path, encode_certificates(root, *trusted)


def _find_missing(output: Path, wanted: Mapping[str, bytes | None], keys: Mapping[str, FoundKey]) -> frozenset[str]:
    """The files that are still to be written. What an interrupted import of the same has written is there already.

    Raises:
        StorageError: the folder holds anything else.
    """
    there = set()
    reader = FolderReader(output)
    try:
        for path in _files_below(reader, ""):
            content = wanted.get(path)
            found = reader.read(path) if path in wanted else None
            same = found is not None and (
                found.data == content if content is not None else _is_key(found.data, keys[path])
            )
            if not same:
                raise StorageError(f"the output folder {output} is not empty: it holds {path}", hint=_OUTPUT_HINT)
            there.add(path)
    except NotReadableError as error:
        raise StorageError(f"the output folder {output} cannot be used: {error.problem}", hint=_OUTPUT_HINT) from None
    return frozenset(wanted.keys() - there)


def _files_below(reader: FolderReader, path: str) -> Iterator[str]:
    for name in reader.names(path):
        inner = f"{path}/{name}" if path else name
        if inner == LOCAL_FOLDER:
            continue
        with reader.open_folder(path) as folder:
            status = folder.look(name) if folder is not None else None
        if status is not None and stat.S_ISDIR(status.st_mode):
            yield from _files_below(reader, inner)
        else:
            yield inner


def _is_key(data: bytes, key: FoundKey) -> bool:
    """Whether a file holds this key as it would be written."""
    password = key.opened_by.password.reveal() if key.opened_by is not None else None
    try:
        opened = load_private_key(data, password) if is_encrypted(data) == (password is not None) else None
    except InvalidKeyError:
        return False
    return opened is not None and spki_sha256(opened.public_key()) == key.facts.spki_sha256


def _check_safe(folder: OutputFolder, output: Path) -> None:
    """Before anything that an interrupted run left is finished: nobody else can have left it."""
    check_local_folder(output)
    with folder.existing("") as root:
        mode = folder.system.status(root or 0).st_mode
    if mode & stat.S_IWOTH:
        raise StorageError(
            f"everybody may write to the output folder {output}, and could exchange the keys in it",
            hint=f"chmod o-w {output}",
        )


def _write_output(
    folder: OutputFolder,
    given: TakeOver,
    wanted: Mapping[str, bytes | None],
    keys: Mapping[str, FoundKey],
    missing: frozenset[str],
) -> None:
    texts = [text for text in given.graph.folder_files if text.path in missing]
    _commit(folder, given, (_draft("", [text.path], wanted, keys) for text in texts))
    # Git is asked after the folder has its own .gitignore, and before the first key is written.
    plain = [path for path, key in keys.items() if key.opened_by is None and path in missing]
    for problem in check_keys_ignored(given.output, plain).values():
        raise problem
    paths = ((identity, [path for path in _paths(identity) if path in missing]) for identity in given.graph.identities)
    _commit(folder, given, (_draft(identity.folder, files, wanted, keys) for identity, files in paths if files))


def _paths(identity: Identity) -> list[str]:
    return [artifact.path for artifact in identity.artifacts()]


def _draft(folder: str, paths: list[str], wanted: Mapping[str, bytes | None], keys: Mapping[str, FoundKey]) -> Draft:
    files = []
    for path in paths:
        content, mode = wanted[path], PUBLIC_MODE
        if content is None:
            content, mode = _encode_key(path, keys[path]), PRIVATE_KEY_MODE
        files.append(DraftFile(name=path.rpartition("/")[2], content=content, mode=mode, is_new=True))
    return Draft(identity=folder or paths[0], folder=folder, files=tuple(files))


def _encode_key(path: str, key: FoundKey) -> bytes:
    """A key as PKCS#8, encrypted where it was. It is checked first: what does not work must not be relied on."""
    password = key.opened_by.password.reveal() if key.opened_by is not None else None
    pem = encode_private_key(key.private_key, password)
    try:
        opened = load_private_key(pem, password, validate=True)
    except EdgecertsError:
        opened = None
    if opened is None or opened.public_key() != key.private_key.public_key():
        raise InvalidKeyError(
            f"the private key for {path} is damaged: its numbers do not fit together",
            hint=f"look at {', '.join(place.path for place in key.places)}; nothing was written",
        )
    return pem


def _commit(folder: OutputFolder, given: TakeOver, drafts: Iterator[Draft]) -> None:
    """Publishes all of the drafts, or none."""
    transaction = Transaction(folder, log=f"{LOG_FOLDER}/{given.now:%Y}.jsonl", stamp=stamp_of(given.now))
    try:
        for draft in drafts:
            transaction.stage(draft)
        with interrupts_held():
            transaction.commit()
    finally:
        transaction.discard()
    for error in transaction.failures.values():
        raise error
    if not transaction.is_finished:
        raise StorageError("what was begun could not be brought to an end", hint="run the same import again")
