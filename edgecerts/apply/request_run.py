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
from edgecerts.apply.host_files import PUBLIC_FOLDER_MODE, HostKeys, check_request_place, check_writable, staged_request
from edgecerts.apply.lock import LOCK
from edgecerts.apply.output_folder import OutputFolder, open_output, reporting
from edgecerts.apply.replaced import stamp_of
from edgecerts.apply.repository_guard import check_ignored
from edgecerts.apply.secrets import Secret, SecretSources
from edgecerts.desired.graph import LOCAL_FOLDER, PRIVATE_FOLDER_MODE, PRIVATE_KEY_MODE, Identity
from edgecerts.desired.host import HostPlaces, Place
from edgecerts.errors import EdgecertsError, InvalidKeyError, StorageError, WrongPasswordError
from edgecerts.manifest.model import PasswordSource
from edgecerts.observed.host import HostFiles, KeyFile, scan_host
from edgecerts.pki.certificate_requests import build_request
from edgecerts.pki.private_keys import (
    KeyFacts,
    PrivateKey,
    describe_key,
    encode_new_key,
    generate_private_key,
    load_private_key,
)
from edgecerts.requests.certificates import find_certificate
from edgecerts.requests.decide import choose_key, decide
from edgecerts.requests.model import Decision, KeyStep, RequestReport, RequestStep


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
    check_request_place(run.places.request)
    look = _look(run, rekey=run.rekey)
    if look.decision.does_nothing:
        return _report(run, look, None)
    if look.decision.request is RequestStep.WRITTEN:
        check_writable(run.places.request)
    password = _fetch(run, new=True) if look.decision.makes_key else None
    made = _generate(run, password) if look.decision.makes_key else None
    _check_repository(run, look.decision, encrypted=password is not None)
    with _held(run) as folder:
        if scan_host(run.places) != look.files:
            raise StorageError(
                "the files of this host changed while edgecerts was at work", hint="run the same command again"
            )
        with _staged_request(run, look, made[0] if made is not None else look.opened) as publish:
            replaced = _write_key(run, look, made, HostKeys(run.places, folder, run.system))
            publish()
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
        return describe_key(self.opened) if self.opened is not None else None


def _look(run: RequestRun, *, rekey: bool) -> _Look:
    files = scan_host(run.places)
    chosen = choose_key(run.places, files, rekey=rekey)
    try:
        opened = _open(run, chosen[0], chosen[1].value) if chosen is not None else None
    except InvalidKeyError:
        if not rekey:
            raise
        # It makes way for another key, whatever keeps it from being opened. What opened nothing closes nothing, either.
        opened = None
        run.sources.forget(run.identity.private_key.address)
    facts = describe_key(opened) if opened is not None else None
    in_use = _open_quietly(run, files) if opened is not None and not rekey else None
    decision = decide(run.identity, run.places, files, facts, rekey=rekey, in_use=in_use)
    return _Look(files=files, opened=opened, decision=decision)


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
        raise WrongPasswordError(
            f"{place}: {error.message}",
            hint=f"the password came from {_source(run)}; where the right one is lost, have another key made: --rekey",
        ) from error
    except EdgecertsError as error:
        raise InvalidKeyError(
            f"{place}: {error.message}", hint="bring it back from a backup; or have another key made: --rekey"
        ) from error


def _open_quietly(run: RequestRun, files: HostFiles) -> KeyFacts | None:
    """The key in use beside one that waits. It is only compared with, and no password is asked for to that end."""
    found, waiting = files.key.value, files.next_key.value
    if found is None or waiting is None or (found.encrypted and not waiting.encrypted):
        return None
    try:
        password = _fetch(run, new=False) if found.encrypted else None
        return describe_key(load_private_key(found.data, password.reveal() if password is not None else None))
    except EdgecertsError:
        return None


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
    try:
        return key, encode_new_key(key, password.reveal() if password is not None else None)
    except InvalidKeyError as error:
        raise InvalidKeyError(f"the new key for {run.identity.address}: {error.message}") from error


def _check_repository(run: RequestRun, decision: Decision, *, encrypted: bool) -> None:
    """No private key that is not encrypted is written where git would take it in, under any of its names."""
    if not decision.makes_key or encrypted:
        return
    places = run.places
    wanted = (places.key, places.next_key, places.new_key, places.replaced_key(stamp_of(run.now)))
    check_ignored([Path(str(place)) for place in wanted])


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


def _write_key(run: RequestRun, look: _Look, made: tuple[PrivateKey, bytes] | None, keys: HostKeys) -> str | None:
    """Does what is to be done about the key. Returns where the one went that was in use or waited."""
    places, stamp, decision, waiting = run.places, stamp_of(run.now), look.decision, look.files.next_key.value
    kept = None
    with reporting(str(places.key)):
        keys.tidy()
        if decision.key is KeyStep.PUT_IN_PLACE:
            assert waiting is not None  # noqa: S101 (only what was read is put in place)
            kept = keys.put_in_place(stamp, waiting.file)
        if made is not None:
            if decision.sets_next_aside:
                kept = keys.set_aside(places.next_key.name, stamp)
            place = places.key if decision.key is KeyStep.MADE else places.next_key
            keys.create(place.name, made[1])
    return str(places.key.beside(kept)) if kept is not None else None


@contextlib.contextmanager
def _staged_request(run: RequestRun, look: _Look, key: PrivateKey | None) -> Iterator[Callable[[], None]]:
    """What gives the new request its name, when its key has one; nothing, where there is no new request."""
    if look.decision.request is RequestStep.KEPT:
        yield lambda: None
        return
    assert key is not None  # noqa: S101 (what is not made was opened)
    place, system = run.places.request, run.system
    content = build_request(run.identity.certificate.spec, key)
    with (
        _opened(place.root, system, mode=PUBLIC_FOLDER_MODE) as root,
        reporting(str(place)),
        staged_request(place, content, folder=root, system=system) as publish,
    ):
        yield publish


def _opened(
    path: Path, system: FileSystem, *, mode: int = PRIVATE_FOLDER_MODE
) -> contextlib.AbstractContextManager[OutputFolder]:
    """A folder of a host, which may be somebody's clone."""
    return open_output(path, system, name=f"the folder {path}", mode=mode, gives=True)


def _report(run: RequestRun, look: _Look, replaced: str | None) -> RequestReport:
    facts, files, places = look.facts, look.files, run.places
    assert facts is not None  # noqa: S101 (a key is there by now)
    waits = _is_waiting(files)
    found = files.next_key.value if waits else files.key.value
    certificate, strange = find_certificate(files, facts.spki_sha256), look.decision.strange
    if certificate is not None and strange != places.certificates[0]:
        strange = None
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
        strange=str(strange) if strange is not None else None,
    )


def _is_waiting(files: HostFiles) -> bool:
    return files.next_key.value is not None
