"""The plan of the authority's revocation lists: signed when what is revoked changes, and in time before they end.

A list that has ended makes strict brokers refuse every client. So nothing about single entries keeps a list from being
signed, and what does is told together with the day from which nobody gets in.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from edgecerts.desired.graph import LIST_COPY, RevocationListArtifact
from edgecerts.manifest.model import Lifetime
from edgecerts.observed.inventory import Inventory, Observed, State
from edgecerts.pki.revocation_lists import RevocationListFacts
from edgecerts.plan.certificate_checks import LIFETIME_TOLERANCE, LIFETIME_TOLERANCE_SHARE, format_duration
from edgecerts.plan.identity_plan import MISSING, REPLACE, IdentityPlan, certificate_action, unreadable
from edgecerts.plan.issuer import NOT_JUDGED, IssuerView, Obstacle
from edgecerts.plan.listed_entries import (
    ChangedEntries,
    WantedEntries,
    check_entries,
    find_changed,
    find_wanted,
)
from edgecerts.plan.listing import Listing
from edgecerts.plan.model import (
    Action,
    BlockCode,
    Change,
    HazardCode,
    NoticeCode,
    Reason,
    ReasonCode,
    rfc3339,
)
from edgecerts.plan.options import PlanOptions
from edgecerts.plan.periods import in_words, plan_period
from edgecerts.plan.revocation_remarks import refuse_entries, remark_on_entries, tell_let_in
from edgecerts.plan.revocations import Revocations

_RENEWAL = frozenset({ReasonCode.EXPIRED, ReasonCode.NEAR_EXPIRY, ReasonCode.NOT_YET_VALID})


@dataclass(frozen=True, kw_only=True, slots=True)
class _Given:
    """What one list is judged by.

    Attributes:
        found: the file in its place.
        facts: the one list in it that this authority signed, or None.
        in_use: what brokers have: that list; else, of the copies, the one that ends first. None where nothing is known.
        changed: how the entries of `facts` differ from those that the list should have.
    """

    artifact: RevocationListArtifact
    found: Observed[tuple[RevocationListFacts, ...]]
    facts: RevocationListFacts | None
    in_use: RevocationListFacts | None
    changed: ChangedEntries
    issuer: IssuerView
    now: datetime


def plan_revocation_lists(
    plan: IdentityPlan,
    inventory: Inventory,
    *,
    revocations: Revocations,
    issuer: IssuerView,
    replaced: Sequence[Change],
    options: PlanOptions,
    now: datetime,
) -> ChangedEntries:
    """Plans the lists of an authority.

    Args:
        plan: the authority's.
        inventory: what is there.
        revocations: what is revoked.
        issuer: the authority as it will be.
        replaced: changes that will be carried out and revoke the certificate whose place they take.
        options: what the user asked for.
        now: in UTC.

    Returns:
        what the list that is good for every broker says otherwise than before, also where it cannot be signed.
    """
    artifacts = plan.identity.revocation_lists
    if not artifacts or not issuer.judged:
        for artifact in artifacts:
            plan.keep(artifact)
        return ChangedEntries()
    wanted = find_wanted(
        revocations,
        unknown_allowed=HazardCode.UNKNOWN_SERIAL in options.allow,
        unrevoked_allowed=HazardCode.UNREVOKED in options.allow,
        replaced=replaced,
        now=now,
    )
    plan.hazards += tuple(refuse_entries(artifacts[0], revocations, wanted))
    plan.notices += tuple(remark_on_entries(artifacts[0], revocations, wanted))
    all_changed = []
    for artifact in artifacts:
        found = inventory.revocation_lists[artifact.path]
        facts = found.value[0] if found.value and found.value[0].sha256 in revocations.own else None
        changed = find_changed(facts, wanted, revocations)
        in_use = facts or (_find_copy(inventory, revocations) if artifact.url is None else None)
        given = _Given(
            artifact=artifact, found=found, facts=facts, in_use=in_use, changed=changed, issuer=issuer, now=now
        )
        _plan_list(plan, given, wanted, revocations, options)
        all_changed.append(changed)
    return all_changed[0]


def _find_copy(inventory: Inventory, revocations: Revocations) -> RevocationListFacts | None:
    """Of what the brokers' copies are good for, what ends first."""
    copies = (
        [facts for facts in found.value or () if facts.sha256 in revocations.own]
        for path, found in inventory.revocation_lists.items()
        if path.endswith(f"/{LIST_COPY}")
    )
    newest = (max(lists, key=lambda facts: facts.number or 0) for lists in copies if lists)
    return min(newest, key=lambda facts: facts.next_update, default=None)


def _plan_list(
    plan: IdentityPlan, given: _Given, wanted: WantedEntries, revocations: Revocations, options: PlanOptions
) -> None:
    artifact, issuer = given.artifact, given.issuer
    reasons = _find_reasons(given)
    if options.replaces(artifact):
        reasons += (REPLACE,)
    _note_begin(plan, given)
    if not reasons:
        plan.keep(artifact)
        _note_end(plan, given)
        return
    action = Action.RENEW if {reason.code for reason in reasons} <= _RENEWAL else certificate_action(reasons)
    period = plan_period(Lifetime(validity=artifact.validity), now=given.now, issuer=None)
    obstacle = _find_obstacle(given)
    if obstacle is None and (issuer.period is None or period is None):
        obstacle = NOT_JUDGED.obstacle
    if obstacle is not None or period is None:
        plan.block(artifact, action, *reasons, obstacle=_with_end(obstacle or LIST_BLOCKED, given))
        return
    listing = Listing(
        period=period, number=max(revocations.number + 1, int(given.now.timestamp())), entries=wanted.entries
    )
    plan.changes += (Change(artifact=artifact, action=action, reasons=tuple(reasons), listing=listing),)


LIST_BLOCKED = Obstacle(
    code=BlockCode.ISSUER_BLOCKED,
    message="the authority cannot sign: see ca",
    hint="mend what is blocked under ca",
)


def _find_reasons(given: _Given) -> tuple[Reason, ...]:
    damage = _check_file(given)
    if damage:
        # Whom a list revokes is what is reviewed, also where there was none.
        return (*damage, *check_entries(given.changed))
    return (
        *_check_url(given),
        *check_entries(given.changed),
        *_check_lifetime(given),
        *_check_expiry(given),
    )


def _check_file(given: _Given) -> tuple[Reason, ...]:
    """Whether there is a list of this authority at all: where there is none, only its entries are of matter."""
    found, issuer, lists = given.found, given.issuer, given.found.value or ()
    if found.state is State.ABSENT:
        return (MISSING,)
    if found.value is None:
        return (Reason(code=ReasonCode.CORRUPT, before=found.problem),)
    facts = lists[0]
    if len(lists) > 1:
        return (Reason(code=ReasonCode.CORRUPT, before=f"it holds {len(lists)} lists"),)
    if issuer.new_key or facts.issuer_der != issuer.name_der:
        before, after = facts.issuer_text, "a new key" if issuer.new_key else issuer.name
        return (Reason(code=ReasonCode.ISSUER_CHANGED, field="issuer", before=before, after=after),)
    if None not in (facts.authority_key_id, issuer.key_id) and facts.authority_key_id != issuer.key_id:
        return (
            Reason(
                code=ReasonCode.ISSUER_CHANGED,
                field="authority_key_identifier",
                before=facts.authority_key_id,
                after=issuer.key_id,
            ),
        )
    if given.facts is None:
        return (Reason(code=ReasonCode.CORRUPT, before="its signature is not this authority's"),)
    if facts.number is None or facts.authority_key_id is None:
        lacks = "CRLNumber" if facts.number is None else "authorityKeyIdentifier"
        return (Reason(code=ReasonCode.CORRUPT, before=f"it has no {lacks}"),)
    return ()


def _check_url(given: _Given) -> Iterator[Reason]:
    url = given.facts.url if given.facts is not None else None
    if url != given.artifact.url:
        yield Reason(code=ReasonCode.CRL_URL_CHANGED, field="crl.url", before=url, after=given.artifact.url)


def _check_lifetime(given: _Given) -> Iterator[Reason]:
    """A list is good for as long as declared; our own default is not compared."""
    if not given.artifact.validity_declared or given.facts is None:
        return
    declared, found = given.artifact.validity, given.facts.period.lifetime
    if abs(found - declared) > min(LIFETIME_TOLERANCE, declared / LIFETIME_TOLERANCE_SHARE):
        yield Reason(
            code=ReasonCode.VALIDITY_CHANGED,
            field="crl.validity",
            before=format_duration(found),
            after=format_duration(declared),
        )


def _check_expiry(given: _Given) -> Iterator[Reason]:
    if given.facts is None:
        return
    ends = rfc3339(given.facts.next_update)
    if given.now > given.facts.next_update:
        yield Reason(code=ReasonCode.EXPIRED, field="next_update", before=ends)
    elif given.now < given.facts.this_update:
        # A clock was wrong then, or is now; which one, `clock-behind` asks.
        yield Reason(code=ReasonCode.NOT_YET_VALID, field="this_update", before=rfc3339(given.facts.this_update))
    elif given.now >= due_from(given.artifact, given.facts):
        yield Reason(code=ReasonCode.NEAR_EXPIRY, field="next_update", before=ends)


def due_from(artifact: RevocationListArtifact, facts: RevocationListFacts) -> datetime:
    """When a list is signed again although nothing else changed."""
    return facts.next_update - artifact.renewal.window(facts.period.lifetime)


def is_due(change: Change) -> bool:
    """Whether a list is signed because of when it ends or begins."""
    return any(reason.code in _RENEWAL for reason in change.reasons)


def _find_obstacle(given: _Given) -> Obstacle | None:
    """Why nothing can be signed, or put in this place."""
    obstacle = unreadable(given.artifact.path, given.found) or given.issuer.obstacle
    usages = given.issuer.facts.key_usage if given.issuer.facts is not None else None
    if obstacle is not None or usages is None or "crl_sign" in usages:
        return obstacle
    # Strict verifiers refuse every client with a list whose signer may not sign lists (RFC 5280 §6.3.3 f).
    return Obstacle(
        code=BlockCode.CRL_SIGN_MISSING,
        message="the authority's certificate does not let it sign revocation lists (keyUsage without cRLSign)",
        hint="have it made again for the same key: --replace ca/certificate; every ca.pem is new then",
    )


def _with_end(obstacle: Obstacle, given: _Given) -> Obstacle:
    """An obstacle, with who gets in meanwhile, which is what counts tonight, and the day from which nobody does."""
    end = tell_end(given.in_use, given.now)
    if given.facts is None and given.in_use is not None:
        end = f"brokers have copies, and by those {end}"
    message = f"{obstacle.message}; {end}"
    has_ended = given.in_use is not None and given.in_use.next_update < given.now
    if given.changed.let_in and not has_ended:
        message = f"{tell_let_in(given.changed.let_in)}: {message}"
    return Obstacle(code=obstacle.code, message=message, hint=obstacle.hint)


def tell_end(facts: RevocationListFacts | None, now: datetime) -> str:
    """What becomes of clients, in words, where no other list is signed."""
    if facts is None:
        return "until there is a list, brokers that ask for one refuse every client"
    if facts.next_update < now:
        return f"the list ended on {facts.next_update:%Y-%m-%d at %H:%M} UTC, and strict brokers refuse every client"
    if now < facts.this_update:
        return (
            f"the list begins on {facts.this_update:%Y-%m-%d at %H:%M} UTC, and strict brokers refuse every client"
            " until then"
        )
    return (
        f"strict brokers refuse every client from {facts.next_update:%Y-%m-%d at %H:%M} UTC on,"
        f" in {in_words(facts.next_update - now)}"
    )


def _note_end(plan: IdentityPlan, given: _Given) -> None:
    """Where nothing can be signed, until when the plant runs."""
    if given.facts is None or given.issuer.obstacle is None:
        return
    due = due_from(given.artifact, given.facts)
    plan.notice(
        NoticeCode.CRL_ENDS,
        f"{given.artifact.path} can be signed again from {due:%Y-%m-%d}, and not here: {given.issuer.obstacle.message};"
        f" {tell_end(given.facts, given.now)}",
        hint=given.issuer.obstacle.hint,
    )


def _note_begin(plan: IdentityPlan, given: _Given) -> None:
    if given.facts is not None and given.now < given.facts.this_update:
        plan.notice(
            NoticeCode.NOT_YET_VALID,
            f"{given.artifact.path}: {tell_end(given.facts, given.now)}",
            hint="look at the clock first; where it is right, another one was wrong when the list was signed: apply"
            " signs it again, and wants --allow clock-behind where that is more than a day",
        )


def find_replaced(plans: Iterable[IdentityPlan], options: PlanOptions) -> tuple[Change, ...]:
    """The changes that revoke the certificate whose place they take, as far as they will be carried out."""
    allowed = {code.value for code in options.allow}
    return tuple(
        change
        for plan in plans
        if all(hazard.code in allowed for hazard in plan.hazards)
        for change in plan.changes
        if change.issuance is not None and change.issuance.revokes is not None
    )
