"""What each host must be given once a plan is carried out."""

from collections.abc import Iterable, Mapping

from edgecerts.desired.graph import Address, Identity, IdentityKind
from edgecerts.plan.handover import Delivery
from edgecerts.plan.model import Action, Change

_NEW_KEY = (Action.CREATE, Action.REKEY)
_NOTHING_NEW = (Action.NO_OP, Action.CHMOD, Action.DELETE)


def plan_deliveries(identities: Iterable[Identity], changes: Iterable[Change]) -> tuple[Delivery, ...]:
    """One delivery for each broker or client of which a file's content changes, and for a list that is published.

    Args:
        identities: the authority, the brokers and the clients.
        changes: those that are, or will be, carried out.
    """
    actions = {change.address: change.action for change in changes if change.action not in _NOTHING_NEW}
    deliveries = (_plan_delivery(identity, actions) for identity in identities)
    return tuple(delivery for delivery in deliveries if delivery is not None)


def _plan_delivery(identity: Identity, actions: Mapping[Address, Action]) -> Delivery | None:
    if identity.kind is IdentityKind.CA:
        return _plan_publication(identity, actions)
    files = tuple(artifact.path for artifact in identity.artifacts() if artifact.address in actions)
    if not files:
        return None
    key_on_host = identity.request is not None
    new_request = key_on_host and actions.get(identity.certificate.address) is Action.REKEY
    trust_changed = identity.trust is not None and identity.trust.address in actions
    lists = (*identity.revocation_lists, *((identity.list_copy,) if identity.list_copy is not None else ()))
    return Delivery(
        address=identity.address,
        host=identity.common_name,
        files=files,
        key_changed=new_request or actions.get(identity.private_key.address) in _NEW_KEY,
        key_on_host=key_on_host,
        trust_changed=trust_changed,
        crl_changed=any(artifact.address in actions for artifact in lists),
        # Mosquitto re-reads its key and certificate on SIGHUP, but ca.pem only when it starts.
        restart=identity.kind is IdentityKind.BROKER and trust_changed,
    )


def _plan_publication(authority: Identity, actions: Mapping[Address, Action]) -> Delivery | None:
    """What of the authority goes to where brokers fetch it."""
    for artifact in authority.revocation_lists:
        if artifact.url is not None and artifact.address in actions:
            return Delivery(
                address=str(artifact.address),
                host=artifact.url,
                files=(artifact.path,),
                key_changed=False,
                key_on_host=False,
                trust_changed=False,
                crl_changed=True,
                restart=False,
            )
    return None
