"""What a host's certificate request is good for: a chain of small checks, each with its own words."""

import shlex
from collections.abc import Iterator, Mapping

from edgecerts.desired.graph import Graph, Identity, RequestArtifact
from edgecerts.observed.inventory import Inventory, Observed, State
from edgecerts.pki.certificate_requests import RequestFacts
from edgecerts.pki.key_types import KeyType
from edgecerts.plan.issuer import Obstacle
from edgecerts.plan.model import BlockCode
from edgecerts.plan.private_key_checks import unusable_key

Owners = Mapping[str, frozenset[str]]
"""The addresses of the identities that have or had a key, by the SHA-256 of its public key."""

_NEW_KEY = {
    KeyType.EC_P256: "ec -pkeyopt ec_paramgen_curve:P-256",
    KeyType.EC_P384: "ec -pkeyopt ec_paramgen_curve:P-384",
    KeyType.EC_P521: "ec -pkeyopt ec_paramgen_curve:P-521",
    KeyType.ED25519: "ed25519",
}


def find_key_owners(graph: Graph, inventory: Inventory) -> Owners:
    """Whose each key is: by certificates that are here, by private keys, by requests, and by the log."""
    owners: dict[str, set[str]] = {}
    for spki, address in _known_keys(graph, inventory):
        owners.setdefault(spki, set()).add(address)
    return {spki: frozenset(addresses) for spki, addresses in owners.items()}


def _known_keys(graph: Graph, inventory: Inventory) -> Iterator[tuple[str, str]]:
    for identity in graph.identities:
        found = inventory.certificates[identity.certificate.path]
        if found.value:
            yield found.value[0].spki_sha256, identity.address
        key = inventory.private_keys[identity.private_key.path]
        if key.value is not None:
            yield key.value.spki_sha256, identity.address
        if identity.request is not None:
            request = inventory.requests[identity.request.path]
            if request.value is not None:
                yield request.value.spki_sha256, identity.address
    for leftover in inventory.leftovers:
        if leftover.certificate.value:
            yield leftover.certificate.value[0].spki_sha256, leftover.address
    for entry in inventory.log:
        yield entry.spki_sha256, entry.address.removesuffix("/certificate")


def check_request(
    identity: Identity, request: RequestArtifact, found: Observed[RequestFacts], owners: Owners
) -> Obstacle | None:
    """Why nothing is certified for a request that is there, or None."""
    problem = _find_problem(identity, request, found, owners)
    if problem is None:
        return None
    message, hint = problem
    return Obstacle(code=BlockCode.REQUEST_REFUSED, message=f"{request.path}: {message}", hint=hint)


def _find_problem(
    identity: Identity, request: RequestArtifact, found: Observed[RequestFacts], owners: Owners
) -> tuple[str, str] | None:
    renew = f"on its host: edgecerts request {identity.address} --rekey"
    facts = found.value
    if facts is None:
        return str(found.problem), f"make it again, {renew.removesuffix(' --rekey')}"
    if facts.wants_authority:
        return "it asks to be a certificate authority", "have it made again without CA:TRUE and keyCertSign"
    unusable = unusable_key(facts.key_type, identity.private_key)
    if unusable is not None:
        return f"its key {unusable}", f"make another key, {renew}"
    others = owners.get(facts.spki_sha256, frozenset()) - {identity.address}
    if others:
        return f"its key belongs to {min(others)}", f"each identity has a key of its own; make another, {renew}"
    if request.must_match:
        difference = describe_difference(identity, facts)
        if difference is not None:
            return f"it asks for {difference}", "`csr_must_match` refuses that; make the request again on its host"
    return None


def describe_difference(identity: Identity, facts: RequestFacts) -> str | None:
    """What a request asks for and does not get, because the manifest declares something else; None for nothing."""
    spec = identity.certificate.spec
    more = sorted(facts.alt_names - {str(name) for name in spec.alt_names})
    parts = [f"the alternative name{'s' if len(more) > 1 else ''} {', '.join(more)}"] if more else []
    if facts.subject and facts.subject != tuple(spec.subject.items()):
        parts.append(f"the subject {facts.subject_text}")
    return " and ".join(parts) or None


def openssl_command(identity: Identity) -> str:
    """The line that makes a key and a request where edgecerts is not installed. Names come from the manifest."""
    key_type = identity.private_key.key_type
    new_key = _NEW_KEY.get(key_type) or key_type.value.replace("-", ":")
    stem = identity.private_key.path.rpartition("/")[2]
    request = identity.request.path.rpartition("/")[2] if identity.request is not None else "request.csr"
    subject = shlex.quote("/CN=" + identity.common_name.replace("\\", "\\\\").replace("/", "\\/"))
    return f"openssl req -new -newkey {new_key} -nodes -keyout {stem} -out {shlex.quote(request)} -subj {subject}"


def is_waiting(certificate: Observed[object], request: Observed[RequestFacts]) -> bool:
    """Whether nothing can be done before the host sends its request."""
    return certificate.state is State.ABSENT and request.state is State.ABSENT


def fingerprint(spki_sha256: str) -> str:
    """A public key's digest as it is shown to people who compare two."""
    return f"sha256:{spki_sha256}"
