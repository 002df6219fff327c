"""One `request` from look to report: what is there, what is to be done, the key, then the request for it."""

import contextlib
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from edgecerts.apply.core_dumps import forbid_core_dumps
from edgecerts.apply.file_system import FileSystem
from edgecerts.apply.host_files import HostKeys, open_root, write_request
from edgecerts.apply.lock import LOCK
from edgecerts.apply.output_folder import OutputFolder, reporting
from edgecerts.apply.replaced import stamp_of
from edgecerts.apply.repository_guard import explain_exposure
from edgecerts.apply.secrets import Secret, SecretSources
from edgecerts.desired.graph import LOCAL_FOLDER, PRIVATE_KEY_MODE, Identity
from edgecerts.desired.host import HostPlaces, Place
from edgecerts.errors import EdgecertsError, InvalidKeyError, StorageError, WrongPasswordError
from edgecerts.manifest.model import PasswordSource
from edgecerts.observed.host import HostFiles, KeyFile, scan_host
from edgecerts.pki.certificate_requests import build_request
from edgecerts.pki.private_keys import (
    KeyFacts,
    PrivateKey,
    describe_public_key,
    encode_private_key,
    generate_private_key,
    load_private_key,
)
from edgecerts.requests.decide import choose_key, decide, find_certificate
from edgecerts.requests.model import Decision, KeyStep, RequestReport, RequestStep

_PUBLIC_FOLDER_MODE = 0o755


@dataclass(frozen=True, kw_only=True)
class RequestRun:
    """What one `request` works with.

    Attributes:
        identity: one that has a request.
        manifest: the manifest's name, for the reader.
        output: the output folder; it need not exist.
        now: the run's one moment, in UTC.
        sources: where passwords come from.
        rekey: a new private key is asked for.
        on_need: is called with the source of a password before that is opened.
        system: what makes the writer's calls.
    """

    identity: Identity
    manifest: str
    places: HostPlaces
    output: Path
    now: datetime
    sources: SecretSources
    rekey: bool
    on_need: Callable[[PasswordSource], None]
    system: FileSystem = field(default_factory=FileSystem)


def run_request(run: RequestRun) -> RequestReport:
    """Makes the private key that is missing and the request that is not as declared.

    Where there is nothing to do, no file is touched.

    Raises:
        SecretError, InvalidKeyError, StorageError: nothing was lost; the next run goes on from where this one ended.
    """
    forbid_core_dumps()
    look = _look(run, rekey=run.rekey)
    if look.decision.does_nothing:
        return _report(run, look, None)
    password = _fetch(run, new=True) if look.decision.makes_key else None
    made = _generate(run, password) if look.decision.makes_key else None
    _check_repository(run, look.decision, encrypted=password is not None)
    with _held(run) as folder:
        if scan_host(run.places) != look.files:
            raise StorageError(
                "the files of this host changed while edgecerts was at work", hint="run the same command again"
            )
        replaced = _write_key(run, look.decision, made, HostKeys(run.places, folder, run.system))
        if look.decision.request is RequestStep.WRITTEN:
            key = made[0] if made is not None else look.opened
            assert key is not None  # noqa: S101 (what is not made was opened)
            _write_request(run, key)
        after = _look(run, rekey=False)
        if not after.decision.does_nothing:
            raise StorageError("what was written is not as it should be when it is read again", hint="run it again")
    return _report(run, _Look(files=after.files, opened=after.opened, decision=look.decision), replaced)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Look:
    """What was found, and what is to be done about it.

    Attributes:
        opened: the private key that this depends on.
    """

    files: HostFiles
    opened: PrivateKey | None
    decision: Decision

    @property
    def facts(self) -> KeyFacts | None:
        return _facts(self.opened) if self.opened is not None else None


def _look(run: RequestRun, *, rekey: bool) -> _Look:
    files = scan_host(run.places)
    chosen = choose_key(run.places, files, rekey=rekey)
    opened = _open(run, chosen[0], chosen[1].value) if chosen is not None else None
    facts = _facts(opened) if opened is not None else None
    decision = decide(run.identity, run.places, files, facts, rekey=rekey)
    return _Look(files=files, opened=opened, decision=decision)


def _facts(key: PrivateKey) -> KeyFacts:
    return describe_public_key(key.public_key())


def _open(run: RequestRun, place: Place, found: KeyFile | None) -> PrivateKey:
    assert found is not None  # noqa: S101 (only what was read is chosen)
    password = None
    if found.encrypted:
        if _source(run) is None:
            raise InvalidKeyError(
                f"{place} is encrypted, and the manifest names no password for it",
                hint=f"write password: {{env: NAME}} for {run.identity.address}, or another source",
            )
        password = _fetch(run, new=False)
    try:
        return load_private_key(found.data, password.reveal() if password is not None else None, validate=True)
    except WrongPasswordError as error:
        raise WrongPasswordError(f"{place}: {error.message}", hint=f"the password came from {_source(run)}") from error
    except EdgecertsError as error:
        raise InvalidKeyError(
            f"{place}: {error.message}", hint="bring it back from a backup; or have another key made: --rekey"
        ) from error


def _source(run: RequestRun) -> PasswordSource | None:
    return run.identity.request.password if run.identity.request is not None else None


def _fetch(run: RequestRun, *, new: bool) -> Secret | None:
    source = _source(run)
    if source is None:
        return None
    run.on_need(source)
    return run.sources.fetch(source, run.identity.private_key.address, new=new)


def _generate(run: RequestRun, password: Secret | None) -> tuple[PrivateKey, bytes]:
    """A new key, and its file's content."""
    key = generate_private_key(run.identity.private_key.key_type)
    revealed = password.reveal() if password is not None else None
    pem = encode_private_key(key, revealed)
    # What cannot be opened again must not be the only copy of a key.
    if load_private_key(pem, revealed).public_key() != key.public_key():
        raise InvalidKeyError("the new key does not read back as it was made")
    return key, pem


def _check_repository(run: RequestRun, decision: Decision, *, encrypted: bool) -> None:
    """No private key that is not encrypted is written where git would take it in, under any of its names."""
    if not decision.makes_key or encrypted:
        return
    places = run.places
    folder = next(parent for parent in Path(str(places.key)).absolute().parents if parent.is_dir())
    wanted = (places.key, places.next_key, places.new_key, places.replaced_key(stamp_of(run.now)))
    paths = {os.path.relpath(Path(str(place)).absolute(), folder): place for place in wanted}
    for path, why in explain_exposure(folder, paths).items():
        raise StorageError(
            f"{paths[path]} would not be encrypted, and git would take it in; {why}",
            hint="write *.key at the end of the repository's .gitignore; or declare `password`",
        )


@contextlib.contextmanager
def _held(run: RequestRun) -> Iterator[int]:
    """The descriptor of the keys' folder, which is made where it is not there, with nobody else at work in it."""
    place = run.places.key
    with _undisturbed_by_apply(run), _opened(place.root, run.system) as root, contextlib.ExitStack() as stack:
        with reporting(str(place)):
            folder = stack.enter_context(root.folder(place.folder))
            if run.system.status(folder).st_mode & stat.S_IWOTH:
                raise StorageError(
                    f"everybody on this host may write to the folder of {place}", hint="chmod o-w; or choose --key"
                )
            _lock(folder, run.system, str(place))
        yield folder


@contextlib.contextmanager
def _opened(path: Path, system: FileSystem) -> Iterator[OutputFolder]:
    """A folder that is walked by descriptors, so that no symbolic link below it is followed."""
    descriptor = open_root(path, system)
    try:
        yield OutputFolder(descriptor, system)
    finally:
        system.close(descriptor)


def _lock(descriptor: int, system: FileSystem, what: str) -> None:
    try:
        system.lock(descriptor)
    except BlockingIOError:
        raise StorageError(f"another edgecerts is at work at {what}", hint="try again when it has ended") from None
    except OSError:
        # Some network file systems lock no folders. Without a lock a second run fails, and loses nothing either.
        return


@contextlib.contextmanager
def _undisturbed_by_apply(run: RequestRun) -> Iterator[None]:
    """`apply` exchanges whole folders. Where it has ever been at work, its lock is held, too, and left as it is."""
    if not os.path.lexists(run.output / LOCAL_FOLDER):
        yield
        return
    with _opened(run.output, run.system) as root, contextlib.ExitStack() as stack:
        with reporting(LOCK), root.open_for(LOCK) as (local, name):
            descriptor = run.system.open_lock(name, local, PRIVATE_KEY_MODE)
            stack.callback(run.system.close, descriptor)
            _lock(descriptor, run.system, str(run.output))
        yield


def _write_key(
    run: RequestRun, decision: Decision, made: tuple[PrivateKey, bytes] | None, keys: HostKeys
) -> str | None:
    """Does what is to be done about the key. Returns where the one went that was in use or waited."""
    places, stamp = run.places, stamp_of(run.now)
    kept = None
    with reporting(str(places.key)):
        keys.tidy()
        if decision.key is KeyStep.PUT_IN_PLACE:
            kept = keys.put_in_place(stamp)
        if made is not None:
            if decision.sets_next_aside:
                kept = keys.set_aside(places.next_key.name, stamp)
            place = places.key if decision.key is KeyStep.MADE else places.next_key
            keys.create(place.name, made[1])
    return str(places.key.beside(kept)) if kept is not None else None


def _write_request(run: RequestRun, key: PrivateKey) -> None:
    place, system = run.places.request, run.system
    content = build_request(run.identity.certificate.spec, key)
    with _opened(place.root, system) as root, reporting(str(place)):
        _make_public_folders(root, place.folder, system)
        with root.folder(place.folder) as folder:
            write_request(place.name, content, folder=folder, system=system)


def _make_public_folders(root: OutputFolder, path: str, system: FileSystem) -> None:
    """The folders of a request, which holds nothing secret."""
    made = ""
    for name in path.split("/") if path else ():
        with root.folder(made) as parent, contextlib.suppress(FileExistsError):
            system.make_folder(name, parent, _PUBLIC_FOLDER_MODE)
        made = f"{made}/{name}".removeprefix("/")


def _report(run: RequestRun, look: _Look, replaced: str | None) -> RequestReport:
    facts, files, places = look.facts, look.files, run.places
    assert facts is not None  # noqa: S101 (a key is there by now)
    waits = _is_waiting(files)
    found = files.next_key.value if waits else files.key.value
    certificate = find_certificate(files, facts.spki_sha256)
    return RequestReport(
        created_at=run.now,
        manifest=run.manifest,
        address=run.identity.address,
        decision=look.decision,
        key_path=str(places.next_key if waits else places.key),
        key_type=facts.key_type,
        spki_sha256=facts.spki_sha256,
        encrypted=found is not None and found.encrypted,
        replaced=replaced,
        request_path=str(places.request),
        certificate=str(certificate) if certificate is not None else None,
    )


def _is_waiting(files: HostFiles) -> bool:
    return files.next_key.value is not None
