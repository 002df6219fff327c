"""Which certificates of this authority there are: by the log, and as they lie here."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from edgecerts.desired.graph import Graph, identity_of
from edgecerts.observed.inventory import Inventory
from edgecerts.observed.issuance_log import RECORD_ACTION, LogEntry
from edgecerts.pki.certificate_facts import CertificateFacts
from edgecerts.plan.issuer import IssuerView

_LATEST = datetime.max.replace(tzinfo=UTC)


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


def known_certificates(graph: Graph, inventory: Inventory, issuer: IssuerView) -> Iterator[KnownCertificate]:
    """Finds them; one that several lines are about comes several times, and one that lies in the folder of another name
    than its lines have comes for both: a folder may have been renamed, and what lies there is what its device has.

    Args:
        graph: what is declared.
        inventory: what is there.
        issuer: the authority as it will be.
    """
    here = tuple(_certificates_here(graph, inventory))
    by_digest = {facts.sha256: facts for _, facts in here}
    logged: dict[str, dict[str, datetime]] = {digest: {} for digest in by_digest}
    lines = [entry for entry in inventory.log if is_issuer(entry, issuer)]
    edited = _find_edited_lines(lines)
    for entry in lines:
        identity, issued_at = identity_of(entry.address), datetime.fromisoformat(entry.issued_at)
        is_here = entry.sha256 in by_digest
        is_edited = entry.sha256 in edited and not is_here
        serial_number, not_after = entry.serial_number, datetime.fromisoformat(entry.not_after)
        if is_here:
            # What the certificate says of itself counts, whatever somebody wrote into its line.
            serial_number, not_after = by_digest[entry.sha256].serial_number, by_digest[entry.sha256].not_after
            logged[entry.sha256][identity] = issued_at
        elif is_edited:
            # It ends with its authority at the latest, and an entry that stays does no harm.
            not_after = max(not_after, issuer.period.not_after if issuer.period is not None else _LATEST)
        if serial_number is not None:
            yield KnownCertificate(
                identity=identity,
                serial_number=serial_number,
                spki_sha256=entry.spki_sha256,
                issued_at=issued_at,
                not_after=not_after,
                is_edited=is_edited,
            )
    for identity, facts in here:
        names = logged[facts.sha256]
        # Whatever lies in somebody's place, the authority's own certificate was issued to nobody else.
        own = identity != "ca" and issuer.is_certificate(facts)
        if identity not in names and not own and not issuer.issuer_reasons(facts):
            yield _as_known(identity, facts, issued_at=min(names.values(), default=facts.not_before))


def _find_edited_lines(lines: Iterable[LogEntry]) -> frozenset[str]:
    """Certificates whose lines do not say any more what was written; a merge may have kept one that does."""
    edited = {entry.sha256 for entry in lines if entry.is_edited}
    return frozenset(edited.difference(entry.sha256 for entry in lines if not entry.is_edited) if edited else ())


def is_issuer(entry: LogEntry, issuer: IssuerView) -> bool:
    """Whether a line is of this authority. Of a locked key without a certificate it is not known which it is."""
    return not issuer.new_key and issuer.spki_sha256 in (None, entry.issuer_key)


def _certificates_here(graph: Graph, inventory: Inventory) -> Iterator[tuple[str, CertificateFacts]]:
    """Each with the name of its folder."""
    for identity in graph.identities:
        found = inventory.certificates[identity.certificate.path]
        if found.value:
            yield identity.address, found.value[0]
    for leftover in inventory.leftovers:
        if leftover.certificate.value:
            yield leftover.address, leftover.certificate.value[0]


def _as_known(identity: str, facts: CertificateFacts, *, issued_at: datetime) -> KnownCertificate:
    """A certificate without a line for its place, as if it had the one that this plan gives it."""
    return KnownCertificate(
        identity=identity,
        serial_number=facts.serial_number,
        spki_sha256=facts.spki_sha256,
        issued_at=issued_at,
        not_after=facts.not_after,
    )


def find_owners(log: Iterable[LogEntry]) -> dict[str, frozenset[str]]:
    """The addresses that each certificate was issued to, by its digest.

    Where it was found and recorded later counts only where nothing says to whom it was issued.
    """
    issued: dict[str, frozenset[str]] = {}
    recorded: dict[str, frozenset[str]] = {}
    for entry in log:
        owners = recorded if entry.action == RECORD_ACTION else issued
        owners[entry.sha256] = owners.get(entry.sha256, frozenset()) | {entry.address}
    return recorded | issued
