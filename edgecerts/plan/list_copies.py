"""The plan of a broker's `crl.pem`: the authority's list, and those of the other authorities that it trusts.

Once a broker has such a file, it refuses every client of an authority of which no current list is in it.
"""

from collections.abc import Container

from edgecerts.desired.graph import ListCopyArtifact, RevocationListArtifact
from edgecerts.observed.inventory import Inventory, State
from edgecerts.pki.revocation_lists import RevocationListFacts
from edgecerts.plan.identity_plan import MISSING, REPLACE, IdentityPlan, unreadable
from edgecerts.plan.issuer import Obstacle
from edgecerts.plan.lists_of_others import ListsOfOthers, OthersLists
from edgecerts.plan.model import Action, BlockCode, Change, Reason, ReasonCode
from edgecerts.plan.options import PlanOptions

NEW_LIST = "the authority's new list"


def find_source(
    change: Change | None, artifact: RevocationListArtifact, inventory: Inventory, own: Container[str]
) -> RevocationListFacts | Change | None:
    """What brokers get: the list that will be signed, else the one that is here.

    Args:
        change: what is planned for the authority's list; None where it is left out of a restricted plan.
        artifact: that list.
        own: the digests of the lists that this authority signed.

    Returns:
        the change where a list will be signed; None where there is none to give.
    """
    if change is not None and change.listing is not None:
        return change
    found = inventory.revocation_lists[artifact.path].value
    usable = found is not None and len(found) == 1 and found[0].sha256 in own
    return found[0] if found is not None and usable else None


def plan_list_copy(
    plan: IdentityPlan,
    inventory: Inventory,
    *,
    source: RevocationListFacts | Change | None,
    others: ListsOfOthers,
    options: PlanOptions,
) -> None:
    """Plans one copy. Copies are compared by the lists in them, not by bytes, and in any order.

    Args:
        plan: the broker's.
        inventory: what is there.
        source: what brokers get.
        others: what they get of other authorities.
        options: what the user asked for.
    """
    artifact = plan.identity.list_copy
    if artifact is None:
        return
    found = inventory.revocation_lists[artifact.path]
    if found.state is State.ABSENT and any(entry.is_first for entry in plan.waiting):
        # It goes to its host together with the certificate.
        plan.keep(artifact)
        return
    given = others.of(artifact)
    reasons = _reasons(artifact, inventory, source, given)
    if str(artifact.address) in options.replace:
        reasons += (REPLACE,)
    if not reasons or (source is None and found.state is not State.ABSENT):
        # Where there is no list to give, an old one is better than none.
        plan.keep(artifact)
        return
    action = Action.CREATE if found.state is State.ABSENT else Action.UPDATE
    obstacle = unreadable(artifact.path, found) or given.obstacle
    if obstacle is None and source is None:
        obstacle = Obstacle(
            code=BlockCode.ISSUER_BLOCKED,
            message="there is no revocation list of the authority: see ca/crl",
            hint="mend what is blocked under ca",
        )
    if obstacle is not None:
        plan.block(artifact, action, *reasons, obstacle=obstacle)
    else:
        plan.add(artifact, action, *reasons)


def _reasons(
    artifact: ListCopyArtifact, inventory: Inventory, source: RevocationListFacts | Change | None, others: OthersLists
) -> tuple[Reason, ...]:
    found = inventory.revocation_lists[artifact.path]
    if found.state is State.ABSENT:
        return (MISSING,)
    if found.value is None:
        return (Reason(code=ReasonCode.CORRUPT, before=found.problem),)
    actual = {facts.sha256 for facts in found.value}
    wanted = {facts.sha256 for facts in others.lists}
    if isinstance(source, RevocationListFacts):
        wanted.add(source.sha256)
        if actual == wanted and others.obstacle is None:
            return ()
    after = tuple(sorted(f"sha256:{digest}" for digest in wanted))
    return (
        Reason(
            code=ReasonCode.CONTENT_CHANGED,
            field="lists",
            before=tuple(sorted(f"sha256:{digest}" for digest in actual)),
            after=after if isinstance(source, RevocationListFacts) else (NEW_LIST, *after),
        ),
    )
