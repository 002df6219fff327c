"""The private keys and passwords that a plan needs, all of them at hand before the first write."""

from collections.abc import Mapping
from dataclasses import dataclass

from edgecerts.apply.secrets import Secret, SecretSources
from edgecerts.desired.graph import Graph, Identity
from edgecerts.errors import EdgecertsError, InvalidKeyError, WrongPasswordError
from edgecerts.observed.folder_reader import FolderReader, NotReadableError
from edgecerts.observed.inventory import Inventory
from edgecerts.pki.private_keys import PrivateKey, load_private_key, spki_sha256
from edgecerts.plan.model import Change, Plan


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
    """Fetches every password of the plan's needs and opens every existing key that signs or is certified.

    Raises:
        SecretError: a password source gives nothing usable.
        WrongPasswordError: a password does not open its key.
        InvalidKeyError: a key is damaged, or is not the one of its certificate.
    """
    changes = {str(change.address): change for change in plan.pending}
    made = set(plan.new_keys)
    paths = {identity.private_key.address: identity.private_key.path for identity in graph.identities}
    passwords = {str(need.address): sources.fetch(need, new=paths[need.address] in made) for need in plan.needs}
    signing = any(change.issues for change in plan.pending)
    opened = {}
    for identity in graph.identities:
        is_signer = signing and identity in graph.authorities
        if identity.private_key.path not in made and (is_signer or _is_certified(identity, changes)):
            address = str(identity.private_key.address)
            opened[address] = _open_key(identity, inventory, reader, passwords.get(address))
    return KeyRing(passwords=passwords, opened=opened)


def _is_certified(identity: Identity, changes: Mapping[str, Change]) -> bool:
    change = changes.get(str(identity.certificate.address))
    return change is not None and change.issues


def _open_key(identity: Identity, inventory: Inventory, reader: FolderReader, password: Secret | None) -> PrivateKey:
    path = identity.private_key.path
    try:
        found = reader.read(path)
    except NotReadableError as error:
        raise InvalidKeyError(f"{path} cannot be opened: {error.problem}") from error
    if found is None:
        raise InvalidKeyError(f"{path} is gone")
    try:
        key = load_private_key(found.data, password.reveal() if password else None)
    except WrongPasswordError as error:
        raise WrongPasswordError(f"{path}: {error.message}", hint=_source_hint(identity)) from error
    except EdgecertsError as error:
        raise InvalidKeyError(f"{path}: {error.message}") from error
    certificate = inventory.certificates[identity.certificate.path]
    if certificate.value and spki_sha256(key.public_key()) != certificate.value[0].spki_sha256:
        raise InvalidKeyError(
            f"{path} is not the key of {identity.certificate.path}",
            hint="bring back the two that belong together; nothing was written",
        )
    return key


def _source_hint(identity: Identity) -> str | None:
    source = identity.private_key.password
    return f"the password came from {source}" if source else None
