"""The planned lines of the issuance log: certificates of this authority that are here and not on record.

A certificate that another tool issued, or whose line was lost, can only be revoked one day if its serial number is
known. What is recorded is what is here now; a certificate that this plan makes gets its own line when it is made.

What an entry for a name revokes because it lies in that name's folder is recorded under that name as well: else the
entry would be about nothing as soon as the folder has another certificate or is gone.
"""

from collections.abc import Iterator
from datetime import datetime

from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

from edgecerts.desired.graph import LOG_FOLDER, Address, Graph, Identity, log_artifact
from edgecerts.observed.inventory import Inventory
from edgecerts.pki.certificate_facts import CertificateFacts
from edgecerts.plan.issuer import IssuerView
from edgecerts.plan.model import Action, Change, LogRecord, Reason, ReasonCode
from edgecerts.plan.revocations import Revocations


def plan_records(
    graph: Graph, inventory: Inventory, *, issuer: IssuerView, revocations: Revocations, now: datetime
) -> tuple[Change, ...]:
    """Plans the lines that the log lacks.

    Nothing is planned where a part of the log cannot be read, because the lines may stand there, or where it cannot be
    said which authority is here.

    Returns:
        the one change of the log, or none where every certificate of this authority is on record.
    """
    if not issuer.judged or any(path.partition("/")[0] == LOG_FOLDER for path in inventory.unreadable):
        return ()
    records = tuple(_missing_records(graph, inventory, revocations))
    if not records:
        return ()
    artifact = log_artifact(now)
    action = Action.UPDATE if artifact.path in inventory.log_files else Action.CREATE
    reasons = tuple(
        Reason(code=ReasonCode.NOT_IN_LOG, field=record.path, after=record.facts.serial) for record in records
    )
    return (Change(artifact=artifact, action=action, reasons=reasons, records=records),)


def _missing_records(graph: Graph, inventory: Inventory, revocations: Revocations) -> Iterator[LogRecord]:
    """In the order of the graph. One that lies in two places gets a line for each: it was issued to both."""
    authority = _authority_key(graph.authorities[0], inventory)
    if authority is None:
        return
    issuer_key, public_key = authority
    logged = frozenset(entry.sha256 for entry in inventory.log)
    here, named = tuple(_certificates(graph, inventory)), revocations.named
    revoked = {facts.sha256 for address, _, facts in here if facts.serial_number in named.get(address.identity, ())}
    names = {(line.sha256, line.address) for line in inventory.log if line.sha256 in revoked}
    for address, path, facts in here:
        is_known = facts.sha256 in logged
        if is_known and facts.serial_number in named.get(address.identity, ()):
            is_known = (facts.sha256, str(address)) in names
        # The signature comes last: where everything is on record, none has to be checked.
        if not is_known and facts.is_signed_by(public_key):
            yield LogRecord(address=address, path=path, facts=facts, issuer_key=issuer_key)


def _certificates(graph: Graph, inventory: Inventory) -> Iterator[tuple[Address, str, CertificateFacts]]:
    """The first certificate of each identity's file, also of those that left the manifest."""
    for identity in graph.identities:
        artifact = identity.certificate
        found = inventory.certificates[artifact.path]
        if found.value:
            yield artifact.address, artifact.path, found.value[0]
    for leftover in inventory.leftovers:
        if leftover.certificate.value:
            address = Address(identity=leftover.address, part="certificate")
            yield address, leftover.certificate_path, leftover.certificate.value[0]


def _authority_key(root: Identity, inventory: Inventory) -> tuple[str, PublicKeyTypes] | None:
    """The key of the authority that is here now, which is not the one that a plan may put in its place."""
    certificates = inventory.certificates[root.certificate.path].value
    if certificates:
        return certificates[0].spki_sha256, certificates[0].certificate.public_key()
    key = inventory.private_keys[root.private_key.path].value
    return (key.spki_sha256, key.public_key) if key else None
