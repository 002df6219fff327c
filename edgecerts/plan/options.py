"""What the user asked for on the command line, apart from the manifest."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from edgecerts.desired.graph import Artifact, Graph
from edgecerts.errors import UsageError
from edgecerts.plan.model import HazardCode

MISSING_KEYS = "missing-keys"
NEW_CA_KEY_TO = "--new-ca-key-to"
"""The flag that lets `apply` make an authority whose private key is not kept in the output folder."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PlanOptions:
    """The choices of one run.

    Attributes:
        allow: hazards that are accepted.
        targets: addresses of identities or artifacts; with any, nothing else is planned but what they depend on.
        replace: addresses of identities or artifacts that are made again although they are as declared.
        replace_missing_keys: make a new key wherever one should be here and is not.
        prune: delete our files of entries that are not in the manifest.
        new_ca_key: an authority whose private key is kept elsewhere may be given a new one.
    """

    allow: frozenset[HazardCode] = frozenset()
    targets: frozenset[str] = frozenset()
    replace: frozenset[str] = frozenset()
    replace_missing_keys: bool = False
    prune: bool = False
    new_ca_key: bool = False

    def replaces(self, artifact: Artifact) -> bool:
        """Whether this artifact, or the identity that it belongs to, is to be made again."""
        asked = self.replace
        return bool(asked) and (str(artifact.address) in asked or artifact.address.identity in asked)


def check_addresses(graph: Graph, addresses: Collection[str], *, flag: str) -> None:
    """Checks that every address on the command line is one of the graph.

    Raises:
        UsageError: one is not; the hint names similar ones, or what to do about one that is revoked.
    """
    if not addresses:
        return
    known = {str(artifact.address) for artifact in graph.artifacts()}
    known |= {artifact.address.identity for artifact in graph.artifacts()}
    for address in addresses:
        if address in known:
            continue
        message, hint = f"{flag}: there is no address '{address}' in the manifest", suggest_address(address, known)
        if "/".join(address.split("/")[:2]) in _revoked(graph):
            message = f"{flag}: {address} is revoked, and not in the manifest any more"
            hint = "the list that locks it out is signed, and given to brokers, with --target ca/crl"
        raise UsageError(message, hint=hint)


def _revoked(graph: Graph) -> frozenset[str]:
    """The identities that are revoked by name."""
    lists = graph.authorities[0].revocation_lists
    return frozenset(entry.name for entry in lists[0].revocations if entry.name is not None) if lists else frozenset()


def suggest_address(address: str, known: Iterable[str], *, kinds: str = "ca, broker/NAME or client/NAME") -> str:
    """A hint that names the addresses that look like the one that was typed, or else the kinds that there are."""
    # Imported here because only a slip needs it.
    import difflib

    close = difflib.get_close_matches(address, sorted(known), n=3)
    return f"did you mean {' or '.join(close)}?" if close else f"an address is {kinds}"
