"""The private keys and passwords that a plan needs, all of them at hand before the first write."""

from collections.abc import Mapping
from dataclasses import dataclass

from edgecerts.apply.secrets import Secret, SecretSources
from edgecerts.desired.graph import Graph, Identity
from edgecerts.errors import EdgecertsError, InvalidKeyError, WrongPasswordError
from edgecerts.observed.folder_reader import FolderReader, NotReadableError
from edgecerts.observed.inventory import Inventory
from edgecerts.pki.private_keys import PrivateKey, load_private_key, spki_sha256
from edgecerts.plan.model import KeySource, NeedKind, Plan


@dataclass(frozen=True, kw_only=True)
class KeyRing:
    """What was fetched and opened.

    Attributes:
        passwords: by the private key's address; for new keys those that will encrypt them.
        opened: existing private keys by their address.
    """

    passwords: Mapping[str, Secret]
    opened: Mapping[str, PrivateKey]


def gather_keys(
    plan: Plan, graph: Graph, inventory: Inventory, *, reader: FolderReader, sources: SecretSources
) -> KeyRing:
    """Fetches every password of the plan's needs and opens every existing key that it names.

    Raises:
        SecretError: a password source gives nothing usable.
        WrongPasswordError: a password does not open its key.
        InvalidKeyError: a key is damaged, or is not the one of its certificate.
    """
    identities = {identity.private_key.address: identity for identity in graph.identities}
    certified_again = {
        change.address.identity
        for change in plan.pending
        if change.issuance is not None and change.issuance.key is KeySource.KEY_FILE
    }
    passwords, opened = {}, {}
    for need in plan.needs:
        if need.source is not None:
            encrypted = inventory.private_keys[need.path].encrypted and need.path not in plan.new_keys
            passwords[str(need.address)] = sources.fetch(need.source, need.address, new=not encrypted)
    for need in plan.needs:
        if need.kind is NeedKind.KEY:
            identity = identities[need.address]
            encrypted = inventory.private_keys[need.path].encrypted
            key = _open_key(identity, reader, passwords.get(str(need.address)) if encrypted else None)
            if identity.address not in certified_again:
                _check_pair(identity, inventory, key)
            opened[str(need.address)] = key
    return KeyRing(passwords=passwords, opened=opened)


def _open_key(identity: Identity, reader: FolderReader, password: Secret | None) -> PrivateKey:
    path = identity.private_key.path
    try:
        found = reader.read(path)
    except NotReadableError as error:
        raise InvalidKeyError(f"{path} cannot be opened: {error.problem}") from error
    if found is None:
        raise InvalidKeyError(f"{path} is gone")
    try:
        return load_private_key(found.data, password.reveal() if password is not None else None)
    except WrongPasswordError as error:
        raise WrongPasswordError(f"{path}: {error.message}", hint=_source_hint(identity)) from error
    except EdgecertsError as error:
        raise InvalidKeyError(f"{path}: {error.message}") from error


def _check_pair(identity: Identity, inventory: Inventory, key: PrivateKey) -> None:
    """A pair that planning may not have been able to compare."""
    certificate = inventory.certificates[identity.certificate.path]
    if certificate.value and spki_sha256(key.public_key()) != certificate.value[0].spki_sha256:
        raise InvalidKeyError(
            f"{identity.private_key.path} is not the key of {identity.certificate.path}",
            hint="bring back the two that belong together; nothing was written",
        )


def _source_hint(identity: Identity) -> str | None:
    source = identity.private_key.password
    return f"the password came from {source}" if source else None
