"""Which certificates of this authority there are: by the log, and as they lie here."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from edgecerts.desired.graph import Graph, identity_of
from edgecerts.observed.inventory import Inventory
from edgecerts.observed.issuance_log import LogEntry
from edgecerts.pki.certificate_facts import CertificateFacts
from edgecerts.pki.revocation_reasons import MOST_SERIAL
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
    """Finds them; one that several lines are about comes several times.

    Args:
        graph: what is declared.
        inventory: what is there.
        issuer: the authority as it will be.
    """
    here = dict(_certificates_here(graph, inventory))
    logged = set()
    lines = [entry for entry in inventory.log if is_issuer(entry, issuer)]
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
        if serial_number is not None and 0 < serial_number <= MOST_SERIAL:
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


def is_issuer(entry: LogEntry, issuer: IssuerView) -> bool:
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
