"""Which changes a run that is restricted to some addresses is about."""

from collections.abc import Container, Iterable
from dataclasses import dataclass

from edgecerts.desired.graph import LIST_PART, IdentityKind, ListCopyArtifact, RevocationListArtifact, identity_of
from edgecerts.plan.model import Change
from edgecerts.plan.options import PlanOptions

# A private key and its certificate are one unit.
_PAIRS = {"certificate": "private-key", "private-key": "certificate"}
_AUTHORITY = frozenset({"ca", f"ca/{LIST_PART}"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Targets:
    """What a run is about.

    Attributes:
        addresses: those that were asked for; none where the run is about everything.
        with_lists: the revocation lists and the brokers' copies come along.
        not_made: brokers of which nothing is here yet; their copies come with their certificates.
    """

    addresses: frozenset[str]
    with_lists: bool = False
    not_made: Container[str] = frozenset()

    def covers(self, change: Change) -> bool:
        """Whether a change was asked for, or one that was asked for depends on it: on the authority and the folder's
        files.

        A broker's copy depends on the authority's revocation list.
        """
        if not self.addresses:
            return True
        address, identity, part = str(change.address), change.address.identity, change.address.part
        if isinstance(change.artifact, RevocationListArtifact):
            return self.with_lists or any(_needs_list(target, address) for target in self.addresses)
        if isinstance(change.artifact, ListCopyArtifact) and self.with_lists and identity not in self.not_made:
            return True
        if identity in ("ca", "folder") or identity in self.addresses or address in self.addresses:
            return True
        return part in _PAIRS and f"{identity}/{_PAIRS[part]}" in self.addresses


def find_targets(options: PlanOptions, revoked: Iterable[str] = (), not_made: Container[str] = frozenset()) -> Targets:
    """What a run is about. Whoever gets a new key because the old one is in other hands wants that one locked out.

    Args:
        options: what the user asked for.
        revoked: identities whose certificates get an entry in the revocation list, or lose it.
        not_made: brokers of which nothing is here yet.
    """
    asked = options.targets
    named = {target if target.count("/") < 2 else _identity_by_pair(target) for target in asked}
    with_lists = bool(asked & _AUTHORITY) or not named.isdisjoint(revoked)
    return Targets(addresses=asked, with_lists=with_lists, not_made=not_made)


def _identity_by_pair(target: str) -> str:
    """The identity whose key and certificate an address stands for; empty where it is another file's."""
    return identity_of(target) if target.rpartition("/")[2] in _PAIRS else ""


def _needs_list(target: str, address: str) -> bool:
    kind, _, rest = target.partition("/")
    return target in ("ca", address) or (kind == IdentityKind.BROKER and rest.partition("/")[2] in ("", "crl"))
