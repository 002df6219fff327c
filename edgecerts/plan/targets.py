"""Which changes a run that is restricted to some addresses is about."""

from edgecerts.desired.graph import IdentityKind, RevocationListArtifact
from edgecerts.plan.model import Change
from edgecerts.plan.options import PlanOptions

# A private key and its certificate are one unit.
_PAIRS = {"certificate": "private-key", "private-key": "certificate"}


def is_targeted(change: Change, options: PlanOptions) -> bool:
    """Whether a change was asked for, or one that was asked for depends on it: on the authority and the folder's files.

    A broker's copy depends on the authority's revocation list; nothing else does.
    """
    if not options.targets:
        return True
    identity, part = change.address.identity, change.address.part
    if isinstance(change.artifact, RevocationListArtifact):
        return any(_needs_list(target, str(change.address)) for target in options.targets)
    if identity in ("ca", "folder") or identity in options.targets or str(change.address) in options.targets:
        return True
    return part in _PAIRS and f"{identity}/{_PAIRS[part]}" in options.targets


def _needs_list(target: str, address: str) -> bool:
    kind, _, rest = target.partition("/")
    return target in ("ca", address) or (kind == IdentityKind.BROKER and rest.partition("/")[2] in ("", "crl"))
