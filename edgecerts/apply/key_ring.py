"""The private keys and passwords that a plan needs, all of them at hand before the first write."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from edgecerts.apply.fetched_key import explain_missing_key, name_key, open_fetched_key
from edgecerts.apply.secrets import Secret, SecretSources
from edgecerts.desired.graph import Graph, Identity
from edgecerts.errors import (
    EdgecertsError,
    InvalidKeyError,
    MissingSecretsError,
    SecretError,
    WrongPasswordError,
)
from edgecerts.manifest.model import PrivateKeySource
from edgecerts.observed.folder_reader import FolderReader, NotReadableError
from edgecerts.observed.inventory import Inventory, State
from edgecerts.pki.private_keys import PrivateKey, describe_key, key_type_name, load_private_key, spki_sha256
from edgecerts.plan.issuer import find_lineage
from edgecerts.plan.model import KeySource, Plan
from edgecerts.plan.need import NeedKind
from edgecerts.plan.options import NEW_CA_KEY_TO
from edgecerts.plan.private_key_checks import unusable_key
from edgecerts.plan.revocation_lists import is_due, tell_end


@dataclass(frozen=True, kw_only=True)
class KeyRing:
    """What was fetched and opened.

    Attributes:
        passwords: by the private key's address; for new keys those that will encrypt them.
        opened: existing private keys by their address.
        failures: why a broker's or client's key cannot be used, by identity. It takes out that one alone: what else is
            planned, revocation lists among it, waits for nobody's key but the authority's.
    """

    passwords: Mapping[str, Secret]
    opened: Mapping[str, PrivateKey]
    failures: Mapping[str, EdgecertsError] = field(default_factory=dict)


def gather_keys(
    plan: Plan, graph: Graph, inventory: Inventory, *, reader: FolderReader, sources: SecretSources
) -> KeyRing:
    """Fetches every password and key of the plan's needs, and opens every existing key that it names.

    Raises:
        SecretError: a source gives nothing usable.
        WrongPasswordError: a password does not open the authority's key.
        InvalidKeyError: that key is damaged, or is not the one of its certificate.
    """
    identities = {identity.private_key.address: identity for identity in graph.identities}
    certified = {
        change.address.identity
        for change in plan.pending
        if change.issuance is not None and change.issuance.key is KeySource.KEY_FILE
    }
    passwords, fetched = _fetch_secrets(plan, graph, inventory, sources)
    opened: dict[str, PrivateKey] = {}
    failures: dict[str, EdgecertsError] = {}
    for need in plan.needs:
        if need.kind is not NeedKind.KEY:
            continue
        identity, address, found = identities[need.address], str(need.address), inventory.private_keys[need.path]
        try:
            if address in fetched:
                key = open_fetched_key(identity.private_key, fetched[address], passwords.get(address))
            else:
                key = _open_key(identity, reader, passwords.get(address) if found.encrypted else None)
            if address in fetched or found.state is State.LOCKED:
                # Planning opened no locked key, so what it says of every other is looked at here.
                _check_locked_key(identity, inventory, key, is_certified=identity.address in certified)
                _check_not_revoked(identity, plan, key, is_certified=identity.address in certified)
                _check_lineage(identity, plan, graph, inventory, key)
        except InvalidKeyError as error:
            if identity.address == graph.authorities[0].address:
                raise type(error)(_with_end(error.message, plan, inventory), hint=error.hint) from error
            failures[identity.address] = error
        else:
            opened[address] = key
    return KeyRing(passwords=passwords, opened=opened, failures=failures)


def _fetch_secrets(
    plan: Plan, graph: Graph, inventory: Inventory, sources: SecretSources
) -> tuple[dict[str, Secret], dict[str, Secret]]:
    """Passwords and fetched keys, by address.

    Raises:
        MissingSecretsError: with everything that is missing.
    """
    authority = inventory.certificates[graph.authorities[0].certificate.path]
    fetched_keys = {need.address for need in plan.needs if isinstance(need.source, PrivateKeySource)}
    new_keys = frozenset(plan.new_keys)
    passwords: dict[str, Secret] = {}
    fetched: dict[str, Secret] = {}
    missing: list[SecretError] = []
    for need in plan.needs:
        try:
            if isinstance(need.source, PrivateKeySource):
                fetched[str(need.address)] = sources.fetch_key(need.source)
            elif need.source is not None:
                there = inventory.private_keys[need.path].encrypted or need.address in fetched_keys
                new = need.path in new_keys or not there
                passwords[str(need.address)] = sources.fetch(need.source, need.address, new=new)
        except SecretError as error:
            if isinstance(need.source, PrivateKeySource) and authority.state is State.ABSENT:
                error = explain_missing_key(error, sources.locate(need.source))
            if need.address == graph.authorities[0].private_key.address:
                error = SecretError(_with_end(error.message, plan, inventory), hint=error.hint)
            missing.append(error)
    if missing:
        raise MissingSecretsError(
            [*missing[:-1], _with_list_alone(missing[-1], plan, graph, known=passwords | fetched)]
        )
    return passwords, fetched


def _with_end(message: str, plan: Plan, inventory: Inventory) -> str:
    """Why nothing can be signed; where a revocation list is due, with the day from which nobody gets in."""
    due = next((change for change in plan.pending if change.listing is not None and is_due(change)), None)
    if due is None:
        return message
    found = inventory.revocation_lists[due.artifact.path].value
    return f"{message}; {tell_end(found[0] if found else None, plan.created_at)}"


def _with_list_alone(error: SecretError, plan: Plan, graph: Graph, *, known: Collection[str]) -> SecretError:
    """What is missing, and how a revocation list is signed without it, where that waits for brokers' and clients' keys.

    Args:
        known: the addresses of the keys for which there is everything.
    """
    root = graph.authorities[0].private_key.address
    listed = next((change.address for change in plan.pending if change.listing is not None), None)
    if listed is None or any(need.address == root and need.source and str(root) not in known for need in plan.needs):
        return error
    told = f"the revocation list does not wait for it with --target {listed}"
    return SecretError(error.message, hint=f"{error.hint}; {told}" if error.hint else told)


def _open_key(identity: Identity, reader: FolderReader, password: Secret | None) -> PrivateKey:
    path = identity.private_key.path
    try:
        found = reader.read(path)
    except NotReadableError as error:
        raise InvalidKeyError(f"{path} cannot be opened: {error.problem}") from error
    if found is None:
        raise InvalidKeyError(f"{path} is gone")
    try:
        # The few keys that sign or are certified are worth a full check of their numbers.
        return load_private_key(found.data, password.reveal() if password is not None else None, validate=True)
    except WrongPasswordError as error:
        raise WrongPasswordError(f"{path}: {error.message}", hint=_source_hint(identity)) from error
    except EdgecertsError as error:
        raise InvalidKeyError(f"{path}: {error.message}") from error


def _check_locked_key(identity: Identity, inventory: Inventory, key: PrivateKey, *, is_certified: bool) -> None:
    artifact, spki = identity.private_key, spki_sha256(key.public_key())
    name = name_key(artifact)
    if identity.fingerprint not in (None, spki):
        raise InvalidKeyError(
            f"{name} is sha256:{spki}, not the authority that the manifest pins",
            hint="bring back the key of the authority that is pinned; nothing was written",
        )
    certificate = inventory.certificates[identity.certificate.path]
    if is_certified:
        problem = unusable_key(key_type_name(key.public_key()), artifact)
        if problem is not None:
            asked = f"ask for a new key: --replace {artifact.address}"
            given = f"give one of the declared type, or have one made: {NEW_CA_KEY_TO} FILE; nothing was written"
            raise InvalidKeyError(f"{name} {problem}", hint=asked if artifact.source is None else given)
        if artifact.source is not None and certificate.value and spki == certificate.value[0].spki_sha256:
            raise InvalidKeyError(
                f"{name} is still that of {identity.certificate.path}, which --replace is to replace",
                hint=f"put the new key there first, or have one made: {NEW_CA_KEY_TO} FILE; nothing was written",
            )
    elif certificate.value and spki != certificate.value[0].spki_sha256:
        raise InvalidKeyError(
            f"{name} is not the key of {identity.certificate.path}",
            hint="bring back the two that belong together",
        )


def _check_not_revoked(identity: Identity, plan: Plan, key: PrivateKey, *, is_certified: bool) -> None:
    if is_certified and spki_sha256(key.public_key()) in plan.revoked_keys:
        address = identity.private_key.address
        raise InvalidKeyError(
            f"{identity.private_key.path} is a key that was revoked, and such a key is not certified again",
            hint=f"have a new key made: --replace {address}",
        )


def _check_lineage(identity: Identity, plan: Plan, graph: Graph, inventory: Inventory, key: PrivateKey) -> None:
    """A locked key whose authority's certificate is lost: what is taken over must have been left behind by this key."""
    issuances = (change.issuance for change in plan.pending if change.address == identity.certificate.address)
    lineage = next((issuance.lineage for issuance in issuances if issuance is not None), None)
    if identity.address != graph.authorities[0].address or inventory.certificates[identity.certificate.path].value:
        return
    own = find_lineage(graph, inventory, key=describe_key(key))
    if lineage is not None and (own is None or own.key_id != lineage.key_id):
        raise InvalidKeyError(
            f"{name_key(identity.private_key)} is not the key of the authority that brokers and clients trust",
            hint="bring back the key that belongs to the copies of ca.pem; nothing was written",
        )


def _source_hint(identity: Identity) -> str | None:
    source = identity.private_key.password
    return f"the password came from {source}" if source else None
