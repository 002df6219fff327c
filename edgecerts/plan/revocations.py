"""Which certificates are revoked: a pure function of what is declared, of the log, of what is here and of older lists.

The manifest says who is revoked. The log knows which certificates those had, and which were replaced and revoked
because of that. Certificates that are here and older lists help out where the log has lost something.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from edgecerts.desired.graph import PUBLISHED_LIST, Graph, RevocationListArtifact, identity_of
from edgecerts.manifest.model import Revocation
from edgecerts.observed.inventory import Inventory
from edgecerts.pki.revocation_lists import RevocationListFacts, RevokedEntry
from edgecerts.pki.revocation_reasons import RevocationReason
from edgecerts.plan.declared_revocations import DeclaredRevocations, Fruitless, Revoked, find_fruitless, find_same_keys
from edgecerts.plan.issuer import IssuerView
from edgecerts.plan.known_certificates import KnownCertificate, is_issuer, known_certificates


@dataclass(frozen=True, kw_only=True, slots=True)
class Revocations:
    """Everything that is revoked.

    Attributes:
        certificates: by serial number, also those that have ended, and those that no list can name.
        known: every certificate of this authority by its serial number, the one that ends last of several.
        previous: the lists of this authority that are here.
        own: the digest of every list here that this authority signed.
        number: the greatest CRLNumber that was used; 0 where there was none.
        since: by identity, before which moment everything that was issued to it is revoked.
        named: by identity, the serial numbers of the certificates that an entry for its name revokes.
        compromised: SHA-256 of the public keys that are never certified again.
        held: SHA-256 of the public keys of certificates that are on hold.
        unknown: entries for serial numbers that nothing here has.
        fruitless: entries for names that revoke nothing.
        authority: entries for serial numbers of the authority's own certificates.
    """

    certificates: Mapping[int, Revoked] = field(default_factory=dict)
    known: Mapping[int, KnownCertificate] = field(default_factory=dict)
    previous: tuple[RevocationListFacts, ...] = ()
    own: frozenset[str] = frozenset()
    number: int = 0
    since: Mapping[str, datetime] = field(default_factory=dict)
    named: Mapping[str, Collection[int]] = field(default_factory=dict)
    compromised: frozenset[str] = frozenset()
    held: frozenset[str] = frozenset()
    unknown: tuple[Revocation, ...] = ()
    fruitless: tuple[Fruitless, ...] = ()
    authority: tuple[Revocation, ...] = ()

    @property
    def listed(self) -> Mapping[int, RevokedEntry]:
        """What older lists have, by serial number; what the newer ones say counts."""
        lists = sorted(self.previous, key=lambda facts: facts.number or 0)
        return {entry.serial_number: entry for facts in lists for entry in facts.entries}


_EARLIEST = datetime.min.replace(tzinfo=UTC)
NOTHING_REVOKED = Revocations()


def find_revocations(graph: Graph, inventory: Inventory, issuer: IssuerView) -> Revocations:
    """Everything that is revoked. Where the manifest asks for no list, and none is here, nothing is.

    Args:
        graph: what is declared.
        inventory: what is there.
        issuer: the authority as it will be; what another one issued is that one's business.
    """
    lists = graph.authorities[0].revocation_lists
    own = find_own_lists(inventory, issuer) if issuer.judged else frozenset()
    if not issuer.judged or not (lists or own):
        return NOTHING_REVOKED
    known = tuple(known_certificates(graph, inventory, issuer))
    by_serial: dict[int, KnownCertificate] = {}
    for certificate in known:
        other = by_serial.get(certificate.serial_number)
        if other is None or certificate.not_after > other.not_after:
            by_serial[certificate.serial_number] = certificate
    previous, number = find_previous(inventory, own, _find_abandoned(lists))
    found = Revocations(known=by_serial, previous=previous, own=own, number=number)
    names = tuple(identity.address for identity in graph.end_entities)
    return _judge(lists[0].revocations if lists else (), known, found, inventory, issuer, names)


def find_own_lists(inventory: Inventory, issuer: IssuerView) -> frozenset[str]:
    """The digest of every list here that this authority signed; of copies, which are many, each is checked once."""
    distinct = {facts.sha256: facts for found in inventory.revocation_lists.values() for facts in found.value or ()}
    return frozenset(digest for digest, facts in distinct.items() if is_own_list(facts, issuer))


def find_previous(
    inventory: Inventory, ours: frozenset[str], abandoned: frozenset[str] = frozenset()
) -> tuple[tuple[RevocationListFacts, ...], int]:
    """The lists of this authority that are here, and the greatest number of any.

    Brokers have copies. The authority's own list may be lost, or an older one that somebody brought back. A merge may
    have kept the list of one branch and the copy of the other, and the older one has entries that the newer lacks.

    Args:
        inventory: what is there.
        ours: the digests of the lists that this authority signed.
        abandoned: lists that nothing brings up to date any more; they count where they are newer than all others.
    """
    own: dict[str, RevocationListFacts] = {}
    others: dict[str, RevocationListFacts] = {}
    for path, found in inventory.revocation_lists.items():
        for facts in found.value or ():
            if facts.sha256 in ours:
                (others if path in abandoned else own)[facts.sha256] = facts
    newest = max((facts.number or 0 for facts in own.values()), default=0)
    newer = [facts for facts in others.values() if (facts.number or 0) > newest]
    return (*own.values(), *newer), max((newest, *(facts.number or 0 for facts in newer)))


def _find_abandoned(lists: tuple[RevocationListArtifact, ...]) -> frozenset[str]:
    """The paths of lists that are not signed again although others are; entries that were let in stay in them."""
    is_published = any(artifact.path == PUBLISHED_LIST for artifact in lists)
    return frozenset() if is_published or not lists else frozenset({PUBLISHED_LIST})


def is_own_list(facts: RevocationListFacts, issuer: IssuerView) -> bool:
    """Whether this authority signed a list."""
    if issuer.new_key or facts.issuer_der != issuer.name_der:
        return False
    return issuer.public_key is None or facts.is_signed_by(issuer.public_key)


def _judge(
    declared: tuple[Revocation, ...],
    known: Sequence[KnownCertificate],
    found: Revocations,
    inventory: Inventory,
    issuer: IssuerView,
    names: Sequence[str],
) -> Revocations:
    by_identity: dict[str, list[KnownCertificate]] = {}
    for certificate in known:
        by_identity.setdefault(certificate.identity, []).append(certificate)
    listed = found.listed
    judged = DeclaredRevocations(by_identity=by_identity, known=found.known, listed=listed)
    for entry in declared:
        judged.take(entry)
    fruitless = find_fruitless(judged.silent, known, inventory.log, names) if judged.silent else ()
    elsewhere = dict(_compromised_elsewhere(declared, inventory, issuer))
    revoked = judged.revoked | find_same_keys(judged.revoked, known, elsewhere)
    revoked |= {entry.serial_number: entry for entry in _replaced(found, revoked, inventory, issuer)}
    return replace(
        found,
        certificates=revoked,
        since=judged.since,
        named=judged.named,
        compromised=frozenset((*_compromised(revoked, listed, found.known), *elsewhere)),
        held=frozenset(
            entry.known.spki_sha256
            for entry in revoked.values()
            if entry.reason is RevocationReason.CERTIFICATE_HOLD and entry.known is not None
        ),
        unknown=_never_logged(judged.unknown, inventory) if judged.unknown else (),
        fruitless=fruitless,
        authority=tuple(judged.authority),
    )


def _replaced(
    found: Revocations, revoked: Mapping[int, Revoked], inventory: Inventory, issuer: IssuerView
) -> Iterator[Revoked]:
    """What was revoked because its key was replaced, by the log's lines of what took its place.

    A line stands in the log before anything is published. Where that failed, the old certificate goes on.
    """
    in_place = _serials_in_place(inventory)
    for line in inventory.log:
        if line.revokes and is_issuer(line, issuer):
            number = int(line.revokes, 16)
            if number not in revoked and number not in in_place and number > 0:
                yield Revoked(
                    serial_number=number,
                    reason=RevocationReason.SUPERSEDED,
                    at=datetime.fromisoformat(line.issued_at),
                    known=found.known.get(number),
                )


def _never_logged(entries: Iterable[Revocation], inventory: Inventory) -> tuple[Revocation, ...]:
    """Serial numbers that no line of the log has. What another authority issued is known, and is that one's to revoke.

    A strange certificate that lies here does not count: it is replaced in the same run, and the next would judge
    otherwise.
    """
    serials = {line.serial_number for line in inventory.log}
    return tuple(entry for entry in entries if entry.serial not in serials)


def _serials_in_place(inventory: Inventory) -> frozenset[int]:
    """Of the certificates that are in use, as far as the output folder says."""
    here = (*inventory.certificates.values(), *(leftover.certificate for leftover in inventory.leftovers))
    return frozenset(found.value[0].serial_number for found in here if found.value)


def _compromised(
    revoked: Mapping[int, Revoked], listed: Mapping[int, RevokedEntry], known: Mapping[int, KnownCertificate]
) -> set[str]:
    """Keys that somebody else may have, also those of certificates that have ended."""
    reasons = {number: entry.reason for number, entry in listed.items()}
    reasons |= {number: entry.reason for number, entry in revoked.items()}
    stolen = {number for number, reason in reasons.items() if reason is RevocationReason.KEY_COMPROMISE}
    return {known[number].spki_sha256 for number in stolen & known.keys()}


def _compromised_elsewhere(
    declared: Iterable[Revocation], inventory: Inventory, issuer: IssuerView
) -> Iterator[tuple[str, str]]:
    """The same by what an earlier authority issued: who has a key has it under every authority.

    Returns:
        each key, with the certificate that had it.
    """
    others = [line for line in inventory.log if not is_issuer(line, issuer)]
    stolen = [entry for entry in declared if entry.reason is RevocationReason.KEY_COMPROMISE] if others else []
    names = {entry.name: entry.since for entry in sorted(stolen, key=_reach) if entry.name is not None}
    serials = {entry.serial for entry in stolen if entry.serial is not None}
    for line in others:
        name = identity_of(line.address)
        since = names.get(name)
        named = name in names and (since is None or datetime.fromisoformat(line.issued_at) < since)
        if named or (serials and line.serial_number in serials):
            yield line.spki_sha256, f"{name} {line.serial_number or 0:x}"


def _reach(entry: Revocation) -> tuple[bool, datetime]:
    """How much an entry revokes of a name: the later it ends the more, and without an end everything."""
    return entry.since is None, entry.since or _EARLIEST
