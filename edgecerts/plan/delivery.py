"""What each host must be given once a plan is carried out."""

from collections.abc import Iterable

from edgecerts.desired.graph import Address, Identity, IdentityKind
from edgecerts.plan.model import Change, Delivery


def plan_deliveries(identities: Iterable[Identity], changes: Iterable[Change]) -> tuple[Delivery, ...]:
    """One delivery for each broker or client of which a file changes.

    Args:
        identities: the brokers and clients.
        changes: those that are, or will be, carried out.
    """
    addresses = {change.address for change in changes}
    return tuple(delivery for identity in identities if (delivery := _plan_delivery(identity, addresses)) is not None)


def _plan_delivery(identity: Identity, addresses: set[Address]) -> Delivery | None:
    files = tuple(artifact.path for artifact in identity.artifacts() if artifact.address in addresses)
    if not files:
        return None
    trust_changed = identity.trust is not None and identity.trust.address in addresses
    return Delivery(
        address=identity.address,
        host=identity.common_name,
        files=files,
        key_changed=identity.private_key.address in addresses,
        trust_changed=trust_changed,
        # Mosquitto re-reads its key and certificate on SIGHUP, but ca.pem only when it starts.
        restart=identity.kind is IdentityKind.BROKER and trust_changed,
    )
