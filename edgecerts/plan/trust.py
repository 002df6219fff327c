"""The plan of a `ca.pem` that is handed out: the authority's certificate and those of `ca.also_trust`."""

from edgecerts.desired.graph import TrustArtifact
from edgecerts.observed.inventory import Inventory, State
from edgecerts.plan.identity_plan import MISSING, REPLACE, IdentityPlan, unreadable
from edgecerts.plan.issuer import NOT_JUDGED, IssuerView, Obstacle
from edgecerts.plan.model import Action, BlockCode, Reason, ReasonCode
from edgecerts.plan.options import PlanOptions

NEW_CERTIFICATE = "the authority's new certificate"


def plan_trust(
    plan: IdentityPlan, artifact: TrustArtifact, inventory: Inventory, *, issuer: IssuerView, options: PlanOptions
) -> None:
    """Plans one copy. Copies are compared by the certificates in them, not by bytes, and in any order."""
    found = inventory.certificates[artifact.path]
    reasons = _reasons(artifact, inventory, issuer)
    if found.state is State.ABSENT and any(entry.is_first for entry in plan.waiting):
        # It goes to its host together with the certificate.
        plan.keep(artifact)
        return
    if str(artifact.address) in options.replace:
        reasons += (REPLACE,)
    if not reasons or (found.state is not State.ABSENT and (not issuer.judged or issuer.period is None)):
        plan.keep(artifact)
        return
    action = Action.CREATE if found.state is State.ABSENT else Action.UPDATE
    obstacle = unreadable(artifact.path, found) or _unreadable_authority(artifact, inventory)
    if obstacle is None and (not issuer.judged or issuer.period is None):
        obstacle = NOT_JUDGED.obstacle
    if obstacle is not None:
        plan.block(artifact, action, *reasons, obstacle=obstacle)
    else:
        plan.add(artifact, action, *reasons)


def _reasons(artifact: TrustArtifact, inventory: Inventory, issuer: IssuerView) -> tuple[Reason, ...]:
    found = inventory.certificates[artifact.path]
    if found.state is State.ABSENT:
        return (MISSING,)
    if found.value is None:
        return (Reason(code=ReasonCode.CORRUPT, before=found.problem),)
    actual = {facts.sha256 for facts in found.value}
    wanted = {facts.sha256 for entry in artifact.also_trust for facts in inventory.also_trusted[entry.ca].value or ()}
    missing = _unreadable_authority(artifact, inventory) is not None
    if issuer.facts is not None:
        wanted.add(issuer.facts.sha256)
        if not missing and actual == wanted:
            return ()
    after = tuple(sorted(f"sha256:{digest}" for digest in wanted))
    return (
        Reason(
            code=ReasonCode.CONTENT_CHANGED,
            field="certificates",
            before=tuple(sorted(f"sha256:{digest}" for digest in actual)),
            after=after if issuer.facts is not None else (NEW_CERTIFICATE, *after),
        ),
    )


def _unreadable_authority(artifact: TrustArtifact, inventory: Inventory) -> Obstacle | None:
    for entry in artifact.also_trust:
        other = inventory.also_trusted[entry.ca]
        if other.state is not State.PRESENT:
            return Obstacle(
                code=BlockCode.ALSO_TRUST_UNREADABLE,
                message=f"{entry.ca}, named in `ca.also_trust`: {other.problem or 'there is no such file'}",
                hint="its path is relative to the manifest, and it holds PEM certificates",
            )
        if any(facts.is_ca is False for facts in other.value or ()):
            return Obstacle(
                code=BlockCode.ALSO_TRUST_UNREADABLE,
                message=f"{entry.ca}, named in `ca.also_trust`, holds a certificate that is no authority's",
                hint="name the file of the other authority's own certificate, often ca.pem",
            )
    return None
