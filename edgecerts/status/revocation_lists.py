"""How the authority's revocation lists are, in the words that certificates have."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from edgecerts.desired.graph import Graph, ListCopyArtifact, RevocationListArtifact
from edgecerts.observed.inventory import Inventory, State
from edgecerts.pki.revocation_lists import RevocationListFacts
from edgecerts.plan.model import Action, Change, NoticeCode, Plan, Reason, ReasonCode, Remark
from edgecerts.plan.revocation_lists import due_from, tell_end
from edgecerts.status.model import FileReason, IdentityState, ListSummary, RevocationListRow

_STATES = {
    ReasonCode.MISSING: IdentityState.MISSING,
    ReasonCode.CORRUPT: IdentityState.DAMAGED,
    ReasonCode.ISSUER_CHANGED: IdentityState.FOREIGN,
    ReasonCode.EXPIRED: IdentityState.EXPIRED,
    ReasonCode.NOT_YET_VALID: IdentityState.EARLY,
    ReasonCode.NEAR_EXPIRY: IdentityState.DUE,
}
"""What a reason makes of a list; every other makes it `changed`."""


def build_list_rows(
    graph: Graph, inventory: Inventory, plan: Plan, *, now: datetime, within: timedelta | None
) -> Iterator[RevocationListRow]:
    """A row for each list that the manifest asks for.

    Args:
        graph, inventory, plan: as for the status as a whole.
        now: in UTC.
        within: lists that end within this time are findings, too.
    """
    changes = {change.address: change for change in plan.changes}
    pending = {change.address for change in plan.pending}
    for artifact in graph.authorities[0].revocation_lists:
        change = changes.get(artifact.address)
        found = inventory.revocation_lists[artifact.path]
        facts = found.value[0] if found.value else None
        remarks = tuple(remark for remark in plan.blocked if remark.address == str(artifact.address))
        reasons = change.reasons if change is not None else ()
        stuck = change is not None and change.action is not Action.NO_OP and artifact.address not in pending
        state = _find_state(found.state, facts, reasons, stuck=stuck, now=now, within=within)
        yield RevocationListRow(
            address=str(artifact.address),
            state=state,
            summary=_summarise(artifact, facts, now) if facts is not None else None,
            reasons=tuple(FileReason(path=artifact.path, reason=reason) for reason in reasons),
            remarks=(*remarks, *_remarks(artifact, facts, state, now)),
            hint=_hint(change, stuck=stuck),
        )


def is_old_copy(change: Change) -> bool:
    """Whether a broker has a list, and another one takes its place: no finding beside the list that will be signed."""
    codes = {reason.code for reason in change.reasons}
    return isinstance(change.artifact, ListCopyArtifact) and codes == {ReasonCode.CONTENT_CHANGED}


def _find_state(
    found: State,
    facts: RevocationListFacts | None,
    reasons: tuple[Reason, ...],
    *,
    stuck: bool,
    now: datetime,
    within: timedelta | None,
) -> IdentityState:
    """The one word: the first in the order of the states, as for an identity."""
    states = {_STATES.get(reason.code, IdentityState.CHANGED) for reason in reasons}
    states |= {IdentityState.BLOCKED} if stuck else set()
    states |= {IdentityState.DAMAGED} if found is State.UNREADABLE else set()
    if facts is not None:
        states |= {IdentityState.EXPIRED} if now > facts.next_update else set()
        states |= {IdentityState.EARLY} if now < facts.this_update else set()
        states |= {IdentityState.ENDING} if within is not None and facts.next_update - now <= within else set()
    return next((state for state in IdentityState if state in states), IdentityState.OK)


def _summarise(artifact: RevocationListArtifact, facts: RevocationListFacts, now: datetime) -> ListSummary:
    return ListSummary(
        number=facts.number,
        entries=len(facts.entries),
        this_update=facts.this_update,
        next_update=facts.next_update,
        due_from=due_from(artifact, facts),
        days_left=(facts.next_update.date() - now.date()).days,
    )


def _remarks(
    artifact: RevocationListArtifact, facts: RevocationListFacts | None, state: IdentityState, now: datetime
) -> Iterator[Remark]:
    """What becomes of brokers, where that is no matter of years."""
    if facts is None or state in (IdentityState.OK, IdentityState.BLOCKED):
        return
    if state is IdentityState.EARLY:
        yield Remark(
            code=state.value,
            address=str(artifact.address),
            message=tell_end(facts, now),
            hint="look at the clock first; where it is right, edgecerts apply signs the list again, with --allow"
            " clock-behind where it is more than a day early",
        )
        return
    yield Remark(code=NoticeCode.CRL_ENDS.value, address=str(artifact.address), message=tell_end(facts, now))


def _hint(change: Change | None, *, stuck: bool) -> str | None:
    if change is None or change.action is Action.NO_OP or stuck:
        return None
    return "edgecerts apply signs it; then bring crl.pem to every broker, and reload them"
