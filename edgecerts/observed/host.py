"""What lies on the host of one identity: its private key, the next one, its request and its certificates."""

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field

from edgecerts.desired.host import HostPlaces, Place
from edgecerts.errors import InvalidCertificateError, InvalidKeyError
from edgecerts.observed.folder_reader import FileId, FolderReader, NotReadableError
from edgecerts.observed.inventory import Observed, State
from edgecerts.observed.requests import observe_request
from edgecerts.pki.certificate_facts import parse_certificates
from edgecerts.pki.certificate_requests import RequestFacts
from edgecerts.pki.key_recognition import holds_private_key, is_der_key, is_key_file
from edgecerts.pki.private_keys import is_encrypted

_ROOT = 0
_AS_ROOT = "run it as the user whose key it is, or as root, with sudo"
_A_FILE = "name the private key's own file: --key"
_NO_KEY = "name the private key with --key; if it should be in this place, move away what is there"
_FROM_DER = "openssl pkey -inform DER -in FILE -out NEW converts it; or have another key made beside it: --rekey"


@dataclass(frozen=True, kw_only=True, slots=True)
class KeyFile:
    """A private key file that was read and not opened.

    Attributes:
        mode: its permission bits.
        encrypted: it needs a password.
        file: what it is, whatever its name.
    """

    data: bytes = field(repr=False)
    mode: int
    encrypted: bool
    file: FileId


@dataclass(frozen=True, kw_only=True, slots=True)
class HostFiles:
    """The files of one identity on its host.

    Attributes:
        unfinished: a run that was killed left a key that it had not given its name yet, or not only that; or a next key
            that it had begun to set aside.
        sharing: who else may exchange keys in their folder, in words; None where nobody may.
        certified: by the place of each certificate the SHA-256 of its public key; places where nothing is are left out.
    """

    key: Observed[KeyFile]
    next_key: Observed[KeyFile]
    unfinished: bool
    sharing: str | None
    request: Observed[RequestFacts]
    certified: Mapping[Place, Observed[str]]


def scan_host(places: HostPlaces) -> HostFiles:
    """Reads the files of one identity. Nothing that lies there makes this raise."""
    found = {place: _read_certified_key(place) for place in places.certificates}
    return HostFiles(
        key=_read_key_file(places.key),
        next_key=_read_key_file(places.next_key),
        unfinished=_read_key_file(places.new_key).state is not State.ABSENT or _has_two_names(places),
        sharing=_find_sharing(places.key),
        request=observe_request(FolderReader(places.request.root), places.request.path),
        certified={place: key for place, key in found.items() if key.state is not State.ABSENT},
    )


def _find_sharing(place: Place) -> str | None:
    """Who else may write to the folder of a key.

    Root writes to folders of brokers and of people, whose own the keys are; others' are no business of anybody else.
    """
    try:
        with FolderReader(place.root).open_folder(place.folder) as folder:
            if folder is None:
                return None
            if folder.status.st_uid not in (_ROOT, os.geteuid()) and os.geteuid() != _ROOT:
                return "another user"
            return "its group" if folder.mode & stat.S_IWGRP else None
    except NotReadableError:
        return None


def _has_two_names(places: HostPlaces) -> bool:
    """Whether the next key has the name of a replaced one, too."""
    try:
        with FolderReader(places.key.root).open_folder(places.key.folder) as folder:
            found = folder.look(places.next_key.name) if folder is not None else None
            if folder is None or found is None or found.st_nlink == 1:
                return False
            others = (folder.look(name) for name in folder.names() if name.startswith(places.replaced_prefix))
            return any(other is not None and os.path.samestat(found, other) for other in others)
    except NotReadableError:
        return False


def _read_key_file(place: Place) -> Observed[KeyFile]:
    """A private key, which is damaged where it was meant for one; what else is there is unreadable as one."""
    try:
        found = FolderReader(place.root).read(place.path)
    except NotReadableError as error:
        denied = isinstance(error.__cause__, PermissionError)
        return Observed(state=State.UNREADABLE, problem=error.problem, hint=_AS_ROOT if denied else _A_FILE)
    if found is None:
        return Observed(state=State.ABSENT)
    try:
        key = KeyFile(data=found.data, mode=found.mode, encrypted=is_encrypted(found.data), file=found.file)
        return Observed(state=State.PRESENT, value=key)
    except InvalidKeyError as error:
        if is_der_key(found.data):
            problem, hint = "it is a private key in DER, and has to be one in PEM", _FROM_DER
            return Observed(state=State.UNREADABLE, problem=problem, hint=hint, damaged=True)
        if is_key_file(found.data):
            return Observed(state=State.UNREADABLE, problem=error.message, damaged=True)
        return Observed(state=State.UNREADABLE, problem=_describe_other(found.data, error), hint=_NO_KEY)


def _describe_other(data: bytes, error: InvalidKeyError) -> str:
    """What a file is that is no private key of ours."""
    if holds_private_key(data):
        return f"it is not a private key alone: {error.message.rpartition('not a private key: ')[2]}"
    return f"it is no private key: {error.message.rpartition('not a private key: ')[2]}"


def _read_certified_key(place: Place) -> Observed[str]:
    """The key of a certificate. Programs take the first of a file for their own, and no authority's is a host's."""
    try:
        found = FolderReader(place.root).read(place.path)
        if found is None:
            return Observed(state=State.ABSENT)
        facts = parse_certificates(found.data)[0]
        if facts.is_ca:
            return Observed(state=State.UNREADABLE, problem="it is an authority's certificate", damaged=True)
        return Observed(state=State.PRESENT, value=facts.spki_sha256)
    except NotReadableError as error:
        return Observed(state=State.UNREADABLE, problem=error.problem)
    except InvalidCertificateError as error:
        return Observed(state=State.UNREADABLE, problem=error.message, damaged=True)
