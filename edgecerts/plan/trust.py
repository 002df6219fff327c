"""The plan of a `ca.pem` that is handed out: the authority's certificate and those of `ca.also_trust`."""

from edgecerts.desired.graph import TrustArtifact
from edgecerts.observed.inventory import Inventory, State
from edgecerts.plan.identity_plan import MISSING, IdentityPlan, IssuerView
from edgecerts.plan.model import Action, BlockCode, Reason, ReasonCode


def plan_trust(plan: IdentityPlan, artifact: TrustArtifact, inventory: Inventory, issuer: IssuerView) -> None:
    """Plans one copy. Copies are compared by the certificates in them, not by bytes, and in any order."""
    found = inventory.certificates[artifact.path]
    action = Action.CREATE if found.state is State.ABSENT else Action.UPDATE
    if _blocked_by_other_authority(plan, artifact, inventory, action):
        return
    absent = found.state is State.ABSENT
    if not issuer.handed_out and (absent or issuer.facts is None):
        plan.block(
            artifact,
            Action.CREATE if absent else Action.NO_OP,
            code=BlockCode.ISSUER_BLOCKED,
            message=f"{artifact.path} cannot be made or judged without its authority",
            hint="mend what is blocked under ca",
        )
    elif absent:
        plan.add(artifact, Action.CREATE, MISSING)
    elif found.value is None:
        plan.block(artifact, Action.UPDATE, Reason(code=ReasonCode.CORRUPT, before=found.problem))
    else:
        actual = {facts.sha256 for facts in found.value}
        _compare(plan, artifact, actual, _wanted(artifact, inventory, issuer))


def _compare(plan: IdentityPlan, artifact: TrustArtifact, actual: set[str], wanted: set[str]) -> None:
    if actual == wanted:
        plan.keep(artifact)
        return
    reason = Reason(
        code=ReasonCode.CONTENT_CHANGED,
        field="certificates",
        before=tuple(sorted(f"sha256:{digest}" for digest in actual)),
        after=tuple(sorted(f"sha256:{digest}" for digest in wanted)),
    )
    plan.block(artifact, Action.UPDATE, reason, hint=f"move {artifact.path} away to have it made again")


def _wanted(artifact: TrustArtifact, inventory: Inventory, issuer: IssuerView) -> set[str]:
    others = (inventory.also_trusted[entry.ca].value or () for entry in artifact.also_trust)
    wanted = {facts.sha256 for certificates in others for facts in certificates}
    return wanted | ({issuer.facts.sha256} if issuer.facts else set())


def _blocked_by_other_authority(
    plan: IdentityPlan, artifact: TrustArtifact, inventory: Inventory, action: Action
) -> bool:
    for entry in artifact.also_trust:
        other = inventory.also_trusted[entry.ca]
        if other.state is not State.PRESENT:
            plan.block(
                artifact,
                action,
                code=BlockCode.ALSO_TRUST_UNREADABLE,
                message=f"{entry.ca}, named in `ca.also_trust`: {other.problem or 'there is no such file'}",
                hint="its path is relative to the manifest, and it holds PEM certificates",
            )
            return True
    return False
