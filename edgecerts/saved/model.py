"""A saved plan: what was reviewed, with digests of what it rests on.

It is a list of what may be done, never of what to do: `apply` plans afresh and carries out what stands in both. So
nothing that is written into a plan file makes `apply` do what a fresh plan with the same options would not.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from edgecerts import __version__
from edgecerts.desired.graph import CertificateArtifact, Graph, PrivateKeyArtifact, identity_of
from edgecerts.errors import SavedPlanError, StalePlanError, UsageError
from edgecerts.observed.inventory import Inventory
from edgecerts.plan.identity_plan import certificate_key_source
from edgecerts.plan.model import Action, Change, KeySource, Plan, Reason
from edgecerts.plan.options import PlanOptions, check_addresses
from edgecerts.saved.digests import FOLDER, Digests, digest_declared

CA = "ca"


@dataclass(frozen=True, kw_only=True, slots=True)
class IdentityBasis:
    """What the changes of one identity rest on.

    Attributes:
        declared: digest of what the manifest says about it; None for an entry that left the manifest.
        files: digest of its public files.
        private_key: digest of its private key, where a change reads or replaces that; else None.
    """

    declared: str | None
    files: str
    private_key: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Basis:
    """What a plan rests on.

    Attributes:
        version: of the edgecerts that saved it.
        manifest: digest of everything that is declared.
        identities: by address: the authority, and all that would change.
    """

    version: str
    manifest: str
    identities: Mapping[str, IdentityBasis]


@dataclass(frozen=True, kw_only=True, slots=True)
class SavedChange:
    """One change that was reviewed. Its address and path are compared, and never used to find a file."""

    address: str
    path: str
    action: Action
    reasons: tuple[Reason, ...]

    @property
    def identity(self) -> str:
        return identity_of(self.address)


@dataclass(frozen=True, kw_only=True, slots=True)
class SavedPlan:
    """What was read from a plan file.

    Attributes:
        source: the file's name as the user wrote it.
        options: what the plan was made with; of the hazards only those that the plan listed.
        changes: what `apply` would have done, had it had the authority's private key.
        hazards: code and address of each hazard that the plan listed.
    """

    source: str
    basis: Basis
    options: PlanOptions
    changes: tuple[SavedChange, ...]
    hazards: frozenset[tuple[str, str]]


def find_basis(plan: Plan, graph: Graph, inventory: Inventory) -> Basis:
    """What a plan that is about to be saved rests on."""
    digests = Digests(graph, inventory)
    changes: dict[str, list[Change]] = {CA: []}
    for change in plan.changes:
        if change.action is not Action.NO_OP:
            changes.setdefault(change.address.identity, []).append(change)
    return Basis(
        version=__version__,
        manifest=digest_declared(graph),
        identities={
            address: IdentityBasis(
                declared=digests.declared(address),
                files=digests.files(address),
                private_key=digests.private_key(address) if touches_private_key(group) else None,
            )
            for address, group in changes.items()
        },
    )


def touches_private_key(changes: Iterable[Change]) -> bool:
    """Whether one of an identity's changes reads or replaces its private key; narrowing its mode does neither.

    That the authority's key signs does not count: which key that is stands in its certificate, and a plan may be made
    where the key is not.
    """
    return any(
        (isinstance(change.artifact, PrivateKeyArtifact) and change.action not in (Action.NO_OP, Action.CHMOD))
        or (
            # Not by its issuance: a change that is blocked where the plan is made has none.
            isinstance(change.artifact, CertificateArtifact)
            and change.action is not Action.NO_OP
            and certificate_key_source(change.reasons) is KeySource.KEY_FILE
        )
        for change in changes
    )


def check_saved_plan(saved: SavedPlan, graph: Graph) -> None:
    """Checks that a saved plan is one for this manifest.

    Raises:
        StalePlanError: it was made for another one; the message says what is declared otherwise.
        SavedPlanError: it names an address that this very manifest does not have.
    """
    if saved.basis.manifest != digest_declared(graph):
        raise StalePlanError(
            f"{saved.source} is stale, and nothing was done: {_what_changed(saved, graph)}",
            hint="review the plan again: edgecerts plan --out FILE",
        )
    try:
        check_addresses(graph, sorted(saved.options.targets), flag="target")
        check_addresses(graph, sorted(saved.options.replace), flag="replace")
    except UsageError as error:
        raise SavedPlanError(f"{saved.source}: {error.message}", hint="it was edited; save the plan again") from None


def _what_changed(saved: SavedPlan, graph: Graph) -> str:
    if saved.basis.version != __version__:
        return f"it was saved by edgecerts {saved.basis.version}, and this is {__version__}"
    now: dict[str, object] = {identity.address: identity for identity in graph.identities}
    now[FOLDER] = graph.folder_files
    differs = [
        address
        for address, basis in saved.basis.identities.items()
        if basis.declared != (digest_declared(now[address]) if address in now else None)
    ]
    if not differs:
        return "the manifest changed, though not in what this plan would change"
    shown = ", ".join(differs[:5]) + (f" and {len(differs) - 5:,} more" if len(differs) > 5 else "")
    return f"the manifest changed; declared otherwise than it was then: {shown}"
