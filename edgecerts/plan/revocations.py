"""Which certificates are revoked: a pure function of what is declared, of the log, of what is here and of older lists.

The manifest says who is revoked. The log knows which certificates those had, and which were replaced and revoked
because of that. Certificates that are here and older lists help out where the log has lost something.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from edgecerts.desired.graph import PUBLISHED_LIST, Graph, RevocationListArtifact, identity_of
from edgecerts.manifest.model import Revocation
from edgecerts.observed.inventory import Inventory
from edgecerts.observed.issuance_log import LogEntry
from edgecerts.pki.certificate_facts import CertificateFacts
from edgecerts.pki.revocation_lists import RevocationListFacts, RevokedEntry
from edgecerts.pki.revocation_reasons import RevocationReason
from edgecerts.plan.issuer import IssuerView


@dataclass(frozen=True, kw_only=True, slots=True)
class KnownCertificate:
    """A certificate of this authority, by the log or as it lies here.

    Attributes:
        identity: who it was issued to.
        issued_at: in UTC, as is `not_after`.
        is_edited: somebody changed its line of the log, and when it ends is not known.
    """

    identity: str
    serial_number: int
    spki_sha256: str
    issued_at: datetime
    not_after: datetime
    is_edited: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Revoked:
    """A certificate that is revoked.

    Attributes:
        at: when it was revoked, where that is known; else it is the moment at which a list says so for the first time.
        known: what is known of it; None for a serial number that nothing here has.
    """

    serial_number: int
    reason: RevocationReason
    at: datetime | None = None
    known: KnownCertificate | None = None

    def has_ended(self, now: datetime) -> bool:
        """Whether it is refused anyway, and needs no entry."""
        return self.known is not None and self.known.not_after < now


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
        compromised: SHA-256 of the public keys that are never certified again.
        unknown: entries for serial numbers that nothing here has.
        silent: entries for names that nothing here has.
        authority: entries for serial numbers of the authority's own certificates.
    """

    certificates: Mapping[int, Revoked] = field(default_factory=dict)
    known: Mapping[int, KnownCertificate] = field(default_factory=dict)
    previous: tuple[RevocationListFacts, ...] = ()
    own: frozenset[str] = frozenset()
    number: int = 0
    since: Mapping[str, datetime] = field(default_factory=dict)
    compromised: frozenset[str] = frozenset()
    unknown: tuple[Revocation, ...] = ()
    silent: tuple[Revocation, ...] = ()
    authority: tuple[Revocation, ...] = ()

    @property
    def listed(self) -> Mapping[int, RevokedEntry]:
        """What older lists have, by serial number; what the newer ones say counts."""
        lists = sorted(self.previous, key=lambda facts: facts.number or 0)
        return {entry.serial_number: entry for facts in lists for entry in facts.entries}


_EARLIEST = datetime.min.replace(tzinfo=UTC)
_LATEST = datetime.max.replace(tzinfo=UTC)
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
    known = tuple(_known_certificates(graph, inventory, issuer))
    by_serial: dict[int, KnownCertificate] = {}
    for certificate in known:
        other = by_serial.get(certificate.serial_number)
        if other is None or certificate.not_after > other.not_after:
            by_serial[certificate.serial_number] = certificate
    previous, number = find_previous(inventory, own, _find_abandoned(lists))
    found = Revocations(known=by_serial, previous=previous, own=own, number=number)
    return _judge(lists[0].revocations if lists else (), known, found, inventory, issuer)


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


def _known_certificates(graph: Graph, inventory: Inventory, issuer: IssuerView) -> Iterator[KnownCertificate]:
    here = dict(_certificates_here(graph, inventory))
    logged = set()
    lines = [entry for entry in inventory.log if _is_issuer(entry, issuer)]
    edited = _find_edited_lines(lines)
    for entry in lines:
        logged.add(entry.sha256)
        is_edited = entry.sha256 in edited and entry.sha256 not in here
        serial_number, not_after = entry.serial_number, datetime.fromisoformat(entry.not_after)
        if entry.sha256 in here:
            # What the certificate says of itself counts, whatever somebody wrote into its line.
            serial_number, not_after = here[entry.sha256][1].serial_number, here[entry.sha256][1].not_after
        elif is_edited:
            # It ends with its authority at the latest, and an entry that stays does no harm.
            not_after = max(not_after, issuer.period.not_after if issuer.period is not None else _LATEST)
        if serial_number is not None:
            yield KnownCertificate(
                identity=identity_of(entry.address),
                serial_number=serial_number,
                spki_sha256=entry.spki_sha256,
                issued_at=datetime.fromisoformat(entry.issued_at),
                not_after=not_after,
                is_edited=is_edited,
            )
    for digest, (identity, facts) in here.items():
        if digest not in logged and not issuer.issuer_reasons(facts):
            yield _as_known(identity, facts)


def _find_edited_lines(lines: Iterable[LogEntry]) -> frozenset[str]:
    """Certificates whose lines do not say any more what was written; a merge may have kept one that does."""
    edited = {entry.sha256 for entry in lines if entry.is_edited}
    return frozenset(edited.difference(entry.sha256 for entry in lines if not entry.is_edited) if edited else ())


def _is_issuer(entry: LogEntry, issuer: IssuerView) -> bool:
    """Whether a line is of this authority. Of a locked key without a certificate it is not known which it is."""
    return not issuer.new_key and issuer.spki_sha256 in (None, entry.issuer_key)


def _certificates_here(graph: Graph, inventory: Inventory) -> Iterator[tuple[str, tuple[str, CertificateFacts]]]:
    for identity in graph.identities:
        found = inventory.certificates[identity.certificate.path]
        if found.value:
            yield found.value[0].sha256, (identity.address, found.value[0])
    for leftover in inventory.leftovers:
        if leftover.certificate.value:
            yield leftover.certificate.value[0].sha256, (leftover.address, leftover.certificate.value[0])


def _as_known(identity: str, facts: CertificateFacts) -> KnownCertificate:
    """A certificate without a line, as if it had the one that this plan gives it: issued when it begins."""
    return KnownCertificate(
        identity=identity,
        serial_number=facts.serial_number,
        spki_sha256=facts.spki_sha256,
        issued_at=facts.not_before,
        not_after=facts.not_after,
    )


def _judge(
    declared: tuple[Revocation, ...],
    known: Iterable[KnownCertificate],
    found: Revocations,
    inventory: Inventory,
    issuer: IssuerView,
) -> Revocations:
    by_identity: dict[str, list[KnownCertificate]] = {}
    for certificate in known:
        by_identity.setdefault(certificate.identity, []).append(certificate)
    listed = found.listed
    judged = _Declared(by_identity=by_identity, known=found.known, listed=listed)
    for entry in declared:
        judged.take(entry)
    silent, unknown = judged.silent, judged.unknown
    if silent or unknown:
        silent, unknown = _never_logged(silent, inventory), _never_logged(unknown, inventory)
    revoked = judged.revoked
    revoked |= {entry.serial_number: entry for entry in _replaced(found, revoked, inventory, issuer)}
    return replace(
        found,
        certificates=revoked,
        since=judged.since,
        compromised=frozenset(
            (*_compromised(revoked, listed, found.known), *_compromised_elsewhere(declared, inventory, issuer))
        ),
        unknown=tuple(unknown),
        silent=tuple(silent),
        authority=tuple(judged.authority),
    )


@dataclass(kw_only=True, slots=True)
class _Declared:
    """What the entries of the manifest come to, in their order.

    Attributes:
        by_identity, known: the certificates that there are.
        listed: what older lists have.
        revoked, since, unknown, silent, authority: as in `Revocations`.
    """

    by_identity: Mapping[str, list[KnownCertificate]]
    known: Mapping[int, KnownCertificate]
    listed: Mapping[int, RevokedEntry]
    revoked: dict[int, Revoked] = field(default_factory=dict)
    since: dict[str, datetime] = field(default_factory=dict)
    unknown: list[Revocation] = field(default_factory=list)
    silent: list[Revocation] = field(default_factory=list)
    authority: list[Revocation] = field(default_factory=list)

    def take(self, entry: Revocation) -> None:
        """Takes the next entry in."""
        if entry.name is not None:
            self._take_name(entry, entry.name)
        elif entry.serial is not None:
            self._take_serial(entry, entry.serial)

    def _take_name(self, entry: Revocation, name: str) -> None:
        if entry.since is not None:
            self.since[name] = max(entry.since, self.since.get(name, entry.since))
        if name not in self.by_identity:
            self.silent.append(entry)
        for certificate in self.by_identity.get(name, ()):
            if entry.since is None or certificate.issued_at < entry.since:
                _add(self.revoked, certificate.serial_number, entry.reason, certificate)

    def _take_serial(self, entry: Revocation, serial: int) -> None:
        certificate = self.known.get(serial)
        if certificate is not None and certificate.identity == "ca":
            self.authority.append(entry)
        elif certificate is not None or entry.unknown or serial in self.listed:
            _add(self.revoked, serial, entry.reason, certificate)
        else:
            self.unknown.append(entry)


def _replaced(
    found: Revocations, revoked: Mapping[int, Revoked], inventory: Inventory, issuer: IssuerView
) -> Iterator[Revoked]:
    """What was revoked because its key was replaced, by the log's lines of what took its place.

    A line stands in the log before anything is published. Where that failed, the old certificate goes on.
    """
    in_place = _serials_in_place(inventory)
    for line in inventory.log:
        if line.revokes and _is_issuer(line, issuer):
            number = int(line.revokes, 16)
            if number not in revoked and number not in in_place and number > 0:
                yield Revoked(
                    serial_number=number,
                    reason=RevocationReason.SUPERSEDED,
                    at=datetime.fromisoformat(line.issued_at),
                    known=found.known.get(number),
                )


def _never_logged(entries: Iterable[Revocation], inventory: Inventory) -> list[Revocation]:
    """Entries that no line of the log is about. What another authority issued is known, and is that one's to revoke.

    A strange certificate that lies here does not count: it is replaced in the same run, and the next would judge
    otherwise.
    """
    names = {identity_of(line.address) for line in inventory.log}
    serials = {line.serial_number for line in inventory.log}
    return [
        entry for entry in entries if entry.name not in names and (entry.serial is None or entry.serial not in serials)
    ]


def _serials_in_place(inventory: Inventory) -> frozenset[int]:
    """Of the certificates that are in use, as far as the output folder says."""
    here = (*inventory.certificates.values(), *(leftover.certificate for leftover in inventory.leftovers))
    return frozenset(found.value[0].serial_number for found in here if found.value)


def _add(
    revoked: dict[int, Revoked], serial_number: int, reason: RevocationReason, known: KnownCertificate | None
) -> None:
    """The first entry counts, unless a later one says that the key is in other hands."""
    if serial_number not in revoked or reason is RevocationReason.KEY_COMPROMISE:
        revoked[serial_number] = Revoked(serial_number=serial_number, reason=reason, known=known)


def _compromised(
    revoked: Mapping[int, Revoked], listed: Mapping[int, RevokedEntry], known: Mapping[int, KnownCertificate]
) -> Iterator[str]:
    """Keys that somebody else may have, also those of certificates that have ended."""
    reasons = {number: entry.reason for number, entry in listed.items()}
    reasons |= {number: entry.reason for number, entry in revoked.items()}
    for number, reason in reasons.items():
        if reason is RevocationReason.KEY_COMPROMISE and number in known:
            yield known[number].spki_sha256


def _compromised_elsewhere(declared: Iterable[Revocation], inventory: Inventory, issuer: IssuerView) -> Iterator[str]:
    """The same by what an earlier authority issued: who has a key has it under every authority."""
    others = [line for line in inventory.log if not _is_issuer(line, issuer)]
    stolen = [entry for entry in declared if entry.reason is RevocationReason.KEY_COMPROMISE] if others else []
    names = {entry.name: entry.since for entry in sorted(stolen, key=_reach) if entry.name is not None}
    serials = {entry.serial for entry in stolen if entry.serial is not None}
    for line in others:
        name = identity_of(line.address)
        since = names.get(name)
        named = name in names and (since is None or datetime.fromisoformat(line.issued_at) < since)
        if named or (serials and line.serial_number in serials):
            yield line.spki_sha256


def _reach(entry: Revocation) -> tuple[bool, datetime]:
    """How much an entry revokes of a name: the later it ends the more, and without an end everything."""
    return entry.since is None, entry.since or _EARLIEST
