"""The secrets that a plan takes: private keys that are opened, and passwords that open or encrypt them."""

from collections.abc import Iterable, Iterator, Mapping

from edgecerts.desired.graph import Address, Graph, Identity, PrivateKeyArtifact
from edgecerts.observed.inventory import Inventory
from edgecerts.plan.model import Action, Change, KeySource
from edgecerts.plan.need import Need, NeedKind


def find_needs(graph: Graph, inventory: Inventory, changes: Iterable[Change]) -> Iterator[Need]:
    """What `apply` must have before its first write.

    A key's need does not depend on whether planning could look into it, so that a plan is the same where keys are
    locked.

    Args:
        graph, inventory: what should exist, and what does.
        changes: those that will be carried out.
    """
    pending = {change.address: change for change in changes}
    signing = any(change.issuance or change.listing for change in pending.values())
    for identity in graph.identities:
        made = _action(identity, pending) in (Action.CREATE, Action.REKEY)
        encrypted_now = _action(identity, pending) is Action.UPDATE
        opened = not made and (encrypted_now or _is_certified(identity, pending) or _signs(identity, graph, signing))
        key = identity.private_key
        if opened:
            yield Need(address=key.address, kind=NeedKind.KEY, source=key.source, path=key.path)
        # Whether a key that comes from elsewhere is encrypted is only seen when it is fetched.
        locked = opened and (key.source is not None or inventory.private_keys[key.path].encrypted)
        if key.password is not None and (made or encrypted_now or locked):
            yield Need(address=key.address, kind=NeedKind.PASSWORD, source=key.password, path=key.path)


def find_new_keys(changes: Iterable[Change]) -> tuple[str, ...]:
    """Paths of the private keys that would be made.

    Args:
        changes: those that will be carried out.
    """
    return tuple(
        change.artifact.path
        for change in changes
        if isinstance(change.artifact, PrivateKeyArtifact) and change.action in (Action.CREATE, Action.REKEY)
    )


def _action(identity: Identity, pending: Mapping[Address, Change]) -> Action:
    change = pending.get(identity.private_key.address)
    return change.action if change else Action.NO_OP


def _signs(identity: Identity, graph: Graph, signing: bool) -> bool:
    return signing and identity.address == graph.authorities[0].address


def _is_certified(identity: Identity, pending: Mapping[Address, Change]) -> bool:
    change = pending.get(identity.certificate.address)
    return change is not None and change.issuance is not None and change.issuance.key is KeySource.KEY_FILE
