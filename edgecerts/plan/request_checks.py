"""What a host's certificate request is good for: small checks, each with its own words."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from edgecerts.desired.graph import Graph, Identity, RequestArtifact, identity_of
from edgecerts.observed.inventory import Inventory, Observed
from edgecerts.pki.certificate_requests import RequestFacts
from edgecerts.pki.key_types import KeyType
from edgecerts.plan.issuer import Obstacle
from edgecerts.plan.model import BlockCode, rfc3339
from edgecerts.plan.waiting import on_host

_LEAST_RSA_BITS, _MOST_RSA_BITS = 2048, 8192
_MOST_NAMES = 5
"""A request may ask for thousands of names; nobody reads them all."""

_LONGEST_NAME = 100

Addresses = Mapping[str, tuple[str, ...]]
"""Identities by the SHA-256 of a public key, sorted."""


@dataclass(frozen=True, kw_only=True, slots=True)
class KeyOwners:
    """Whose each key is.

    Attributes:
        holders: who has it, by certificates and private keys that are here.
        logged: who had a certificate for it, by the log.
        requesters: who asks for it to be certified.
        certified: by identity, when each of its keys last got a certificate, as far as is known here (RFC 3339, UTC).
        current: by identity, the key that its certificate is for.
    """

    holders: Addresses
    logged: Addresses
    requesters: Addresses
    certified: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    current: Mapping[str, str] = field(default_factory=dict)

    def other_owner(self, spki_sha256: str, address: str) -> str | None:
        """The first identity that has a key or had a certificate for it, and is not this one; None for none."""
        return _first_other((self.holders.get(spki_sha256, ()), self.logged.get(spki_sha256, ())), address)

    def other_requester(self, spki_sha256: str, address: str) -> str | None:
        """The first identity that asks for a key to be certified too, where nobody has it yet; None for none.

        A request that somebody copied takes no key away from the identity that has it.
        """
        if spki_sha256 in self.holders or spki_sha256 in self.logged:
            return None
        return _first_other((self.requesters.get(spki_sha256, ()),), address)

    def was_given_up(self, spki_sha256: str, address: str) -> bool:
        """Whether an identity had a certificate for a key, then one for another key, and has the first no more."""
        times = self.certified.get(address, {})
        last = times.get(spki_sha256)
        if last is None or self.current.get(address) == spki_sha256:
            return False
        return any(other > last for other in times.values())


def _first_other(owners: tuple[tuple[str, ...], ...], address: str) -> str | None:
    # Each is sorted and has no name twice: the first two tell, however many devices were cloned.
    return min((other for sorted_names in owners for other in sorted_names[:2] if other != address), default=None)


NOBODY = KeyOwners(holders={}, logged={}, requesters={})


def find_key_owners(graph: Graph, inventory: Inventory) -> KeyOwners:
    """Whose each key is, by everything that is known here."""
    requested = (
        (found.value.spki_sha256, identity.address)
        for identity in graph.end_entities
        if identity.request is not None and (found := inventory.requests[identity.request.path]).value is not None
    )
    logged = ((entry.spki_sha256, identity_of(entry.address)) for entry in inventory.log)
    holders = _collect(_known_keys(graph, inventory))
    issued = [(identity_of(entry.address), entry.spki_sha256, entry.issued_at) for entry in inventory.log]
    present = [
        (identity.address, chain[0].spki_sha256, rfc3339(chain[0].not_before))
        for identity in graph.end_entities
        if (chain := inventory.certificates[identity.certificate.path].value)
    ]
    certified: dict[str, dict[str, str]] = {}
    for address, spki_sha256, when in (*issued, *present):
        times = certified.setdefault(address, {})
        times[spki_sha256] = max(times.get(spki_sha256, when), when)
    return KeyOwners(
        holders=holders,
        logged=_collect(logged),
        requesters=_collect(requested),
        certified=certified,
        current={address: spki_sha256 for address, spki_sha256, _ in present},
    )


def _collect(pairs: Iterator[tuple[str, str]]) -> Addresses:
    found: dict[str, set[str]] = {}
    for spki_sha256, address in pairs:
        found.setdefault(spki_sha256, set()).add(address)
    return {spki_sha256: tuple(sorted(addresses)) for spki_sha256, addresses in found.items()}


def _known_keys(graph: Graph, inventory: Inventory) -> Iterator[tuple[str, str]]:
    for identity in graph.identities:
        found = inventory.certificates[identity.certificate.path]
        if found.value:
            yield found.value[0].spki_sha256, identity.address
        key = inventory.private_keys[identity.private_key.path]
        if key.value is not None:
            yield key.value.spki_sha256, identity.address
    for leftover in inventory.leftovers:
        if leftover.certificate.value:
            yield leftover.certificate.value[0].spki_sha256, leftover.address
        if leftover.private_key.value is not None:
            yield leftover.private_key.value.spki_sha256, leftover.address


def check_request(
    identity: Identity, request: RequestArtifact, found: Observed[RequestFacts], owners: KeyOwners
) -> Obstacle | None:
    """Why nothing is certified for a request that is there, or None."""
    problem = _find_problem(identity, request, found, owners)
    if problem is None:
        return None
    message, hint = problem
    return Obstacle(code=BlockCode.REQUEST_REFUSED, message=f"{request.path}: {message}", hint=hint)


def _find_problem(
    identity: Identity, request: RequestArtifact, found: Observed[RequestFacts], owners: KeyOwners
) -> tuple[str, str] | None:
    facts = found.value
    if facts is None:
        return str(found.problem), found.hint or f"make it again, {on_host(identity, new_key=False)}"
    if facts.wants_authority:
        return "it asks to be a certificate authority", "have it made again without CA:TRUE and keyCertSign"
    unusable = unusable_requested_key(identity, facts.key_type)
    if unusable is not None:
        return f"its key {unusable}", f"make another key, {on_host(identity, new_key=True)}"
    owner = owners.other_owner(facts.spki_sha256, identity.address)
    if owner is not None:
        hint = f"each identity has a key of its own; make another, {on_host(identity, new_key=True)}"
        return f"its key belongs to {owner}", hint
    other = owners.other_requester(facts.spki_sha256, identity.address)
    if other is not None:
        hint = (
            "compare the key with the hosts (edgecerts request shows it), and bring back the request of the other one"
        )
        return f"{other} has sent one for the same key", hint
    if owners.was_given_up(facts.spki_sha256, identity.address):
        # It may have been stolen, which is why another took its place; and requests come back with an old branch.
        rekey = on_host(identity, new_key=True)
        hint = f"if this is an old request, bring back the last one; or make another key, {rekey}"
        return "its key was replaced by another one, and is not certified again", hint
    # What a host asked for when its key was certified binds nobody: the manifest may have changed since.
    if request.must_match and owners.current.get(identity.address) != facts.spki_sha256:
        difference = describe_difference(identity, facts)
        if difference is not None:
            return f"it asks for {difference}", "`csr_must_match` refuses that; make the request again on its host"
    return None


def unusable_requested_key(identity: Identity, key_type: str) -> str | None:
    """What keeps a host's key from being certified, in words, or None. Any strong one does, where none is declared."""
    artifact = identity.private_key
    if is_weak(key_type):
        return f"is {key_type}, for which no certificate is made"
    if artifact.key_type_declared and key_type != artifact.key_type.value:
        return f"is {key_type}, and the manifest declares {artifact.key_type}"
    return None


def is_weak(key_type: str) -> bool:
    """Whether a key is too short, or of a kind that TLS stacks do not know. RSA may have odd sizes between ours."""
    if key_type.startswith("rsa-"):
        return not _LEAST_RSA_BITS <= int(key_type.removeprefix("rsa-")) <= _MOST_RSA_BITS
    return key_type not in set(KeyType)


def describe_difference(identity: Identity, facts: RequestFacts) -> str | None:
    """What a request asks for and does not get, because the manifest does not declare it; None for nothing.

    What it leaves out is no difference: names come from the manifest.
    """
    spec = identity.certificate.spec
    names = sorted(facts.alt_names - {str(name) for name in spec.alt_names})
    declared = frozenset(spec.subject.items())
    fields = [f"{field}={value}" for field, value in facts.subject if (field, value) not in declared]
    parts = [
        f"{word}{'s' if len(found) > 1 else ''} {_name_some(found)}"
        for word, found in (("the alternative name", names), ("the subject field", fields))
        if found
    ]
    return " and ".join(parts) or None


def _name_some(names: list[str]) -> str:
    named = ", ".join(
        name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}..." for name in names[:_MOST_NAMES]
    )
    rest = len(names) - _MOST_NAMES
    return f"{named} and {rest:,} more" if rest > 0 else named


def fingerprint(spki_sha256: str) -> str:
    """A public key's digest as it is shown to people who compare two."""
    return f"sha256:{spki_sha256}"
