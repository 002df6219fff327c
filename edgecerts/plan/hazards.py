"""What `apply` refuses for the whole run unless it is allowed by name, and the evidence for it."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from edgecerts.desired.graph import REVOCATION_LIST, Graph, Identity
from edgecerts.observed.inventory import Inventory, State
from edgecerts.plan.issuer import IssuerView, copies_of_authority
from edgecerts.plan.model import Change, HazardCode, Remark

CLOCK_TOLERANCE = timedelta(hours=24)
"""How far the clock may be behind the newest certificate: a wrong time zone is no hazard, a wrong date is."""


def find_evidence(graph: Graph, inventory: Inventory) -> Iterator[str]:
    """What shows that an authority was at work in this folder before, apart from its own two files.

    What cannot be read may show it, and so it counts.
    """
    own = graph.authorities[0].certificate
    for path, found in inventory.certificates.items():
        if path != own.path and found.state is not State.ABSENT:
            yield f"{path} ({found.problem})" if found.state is State.UNREADABLE else path
    yield from (path for leftover in inventory.leftovers for path in leftover.paths if path.endswith(".pem"))
    yield from inventory.log_files
    yield from (f"{path} (cannot be read)" for path in inventory.unreadable)


def find_replaced_authority(graph: Graph, inventory: Inventory, issuer: IssuerView) -> str | None:
    """A file that chains to another authority than the one that will be here, or None.

    A single certificate of another issuer is not that: where the identity's own `ca.pem` knows this authority, it is
    the certificate that is foreign, and not the authority that was exchanged.
    """
    if not issuer.judged:
        return None
    logged = frozenset(entry.sha256 for entry in inventory.log)
    for identity in graph.end_entities:
        path = _chains_to_another(identity, inventory, issuer, logged)
        if path is not None:
            return path
    if issuer.replaces is not None:
        # Who holds copies of it is not known here: they may all have been delivered.
        return issuer.replaces
    return next(find_evidence(graph, inventory), None) if issuer.new_key else None


def _chains_to_another(
    identity: Identity, inventory: Inventory, issuer: IssuerView, logged: frozenset[str]
) -> str | None:
    copies = copies_of_authority(identity, inventory)
    if any(issuer.is_certificate(facts) for facts in copies):
        return None
    if copies and identity.trust is not None:
        return identity.trust.path
    found = inventory.certificates[identity.certificate.path]
    if not found.value or not issuer.issuer_reasons(found.value[0]):
        return None
    facts, key = found.value[0], inventory.private_keys[identity.private_key.path]
    beside = key.value is not None and key.value.spki_sha256 == facts.spki_sha256
    return identity.certificate.path if beside or facts.sha256 in logged else None


def ca_replaced(evidence: str) -> Remark:
    """The hazard that what devices hold stops working."""
    return Remark(
        code=HazardCode.CA_REPLACED.value,
        address="ca",
        message=f"another authority would take the place of the one that brokers and clients trust; see {evidence}",
        hint="bring back the authority's key and certificate; or, to visit every device with a new ca.pem:"
        f" --allow {HazardCode.CA_REPLACED}",
    )


def find_clock_behind(inventory: Inventory, changes: Iterable[Change], now: datetime) -> Remark | None:
    """A clock that is behind the certificates, where something would be signed with its time."""
    if not any(change.issuance or change.listing for change in changes):
        return None
    issued = {entry.sha256: datetime.fromisoformat(entry.issued_at) for entry in inventory.log}
    times = [
        issued.get(facts.sha256, facts.not_before)
        for found in inventory.certificates.values()
        for facts in found.value or ()
    ]
    lists = inventory.revocation_lists.get(REVOCATION_LIST)
    times += [facts.this_update for facts in (lists.value if lists is not None else None) or ()]
    newest = max(times, default=now)
    if now >= newest - CLOCK_TOLERANCE:
        return None
    return Remark(
        code=HazardCode.CLOCK_BEHIND.value,
        address="ca",
        message=f"the clock says {now:%Y-%m-%d %H:%M}, and what is here was issued at {newest:%Y-%m-%d %H:%M}",
        hint=f"set the clock; or, if it is right: --allow {HazardCode.CLOCK_BEHIND}",
    )
