"""From desired and observed to a plan, in one pure call."""

from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from edgecerts.desired.graph import Graph, Identity, ListCopyArtifact, PrivateKeyArtifact
from edgecerts.observed.inventory import Inventory, State
from edgecerts.plan.authority import plan_authority
from edgecerts.plan.delivery import plan_deliveries
from edgecerts.plan.end_entity import EndEntityPlanner
from edgecerts.plan.folder_checks import find_insecure_folders, name_some, note_folders, note_unreadable
from edgecerts.plan.folder_files import committed_keys, keys_unprotected, plan_folder_file
from edgecerts.plan.hazards import ca_replaced, find_clock_behind, find_evidence, find_replaced_authority
from edgecerts.plan.identity_plan import IdentityPlan
from edgecerts.plan.issuer import IssuerView
from edgecerts.plan.leftovers import plan_leftovers
from edgecerts.plan.list_copies import find_source, plan_list_copy
from edgecerts.plan.listed_entries import ChangedEntries, find_refused
from edgecerts.plan.lists_of_others import ListsOfOthers
from edgecerts.plan.log_checks import check_log
from edgecerts.plan.model import Action, Change, NoticeCode, Plan, Remark, select_pending
from edgecerts.plan.needs import find_needs, find_new_keys
from edgecerts.plan.options import PlanOptions
from edgecerts.plan.recording import plan_records
from edgecerts.plan.requested import RequestedPlanner
from edgecerts.plan.revocation_lists import find_replaced, plan_revocation_lists
from edgecerts.plan.revocation_remarks import ABOUT_REVOCATION, note_left_out
from edgecerts.plan.revocations import Revocations, find_revocations
from edgecerts.plan.stack_notices import stack_notices
from edgecerts.plan.targets import Targets, find_targets
from edgecerts.plan.trust import plan_trust
from edgecerts.plan.unmanaged_lists import (
    note_lists_of_others,
    note_unmanaged_lists,
    refuse_to_forget,
    unmanaged_lists,
)

_EARLY_WARNING = timedelta(days=365)
DEFAULTS = PlanOptions()


def make_plan(
    graph: Graph,
    inventory: Inventory,
    *,
    now: datetime,
    manifest: str,
    options: PlanOptions = DEFAULTS,
    owners: Container[int] | None = None,
) -> Plan:
    """Compares what should exist with what does.

    Args:
        graph: what should exist.
        inventory: what does.
        now: the one moment of this run, in UTC.
        manifest: the manifest's name, for the reader.
        options: what the user asked for.
        owners: the numbers of the users that our folders may belong to; None where that is not judged.

    Returns:
        the whole plan: the same for the same arguments, every time.
    """
    judged = _plan_identities(graph, inventory, options, now)
    plans, issuer, revocations = judged.plans, judged.issuer, judged.revocations
    leftovers, unmanaged, leftover_notices = plan_leftovers(
        inventory, issuer=issuer, revoked=find_refused(revocations, options), prune=options.prune, now=now
    )
    notices = (*_notices(graph, inventory, plans, issuer, now), *leftover_notices)
    asked = (*(change for plan in plans for change in plan.changes), *leftovers)
    changes = tuple(change for change in asked if judged.targets.covers(change))
    addresses = _addresses_told_of(plans, changes, notices)
    blocked = tuple(remark for plan in plans for remark in plan.blocked if remark.address in addresses)
    notices = _concerning(addresses | {change.address.identity for change in changes}, notices, options)
    hazards = _find_hazards(inventory, plans, changes, replaced=judged.replaced, now=now)
    hazards += tuple(refuse_to_forget(graph, revocations, now))
    written = select_pending(changes, {remark.address for remark in blocked}, _refused(hazards, options))
    files, blocked_files = _plan_folder_files(graph, inventory, written)
    log = plan_records(graph, inventory, issuer=issuer, now=now)
    changes, blocked = (*files, *log, *changes), (*blocked_files, *blocked)
    blocked_addresses = {remark.address for remark in blocked}
    insecure = find_insecure_folders(inventory, owners) if owners is not None else None
    writes = bool(select_pending(changes, blocked_addresses, ()))
    hazards = (insecure, *hazards) if insecure is not None and writes else hazards
    pending = select_pending(changes, blocked_addresses, _refused(hazards, options))
    notices += (*_note_left_out(judged), *_note_folder(inventory, log, insecure if not writes else None, now))
    return Plan(
        created_at=now,
        manifest=manifest,
        changes=changes,
        hazards=hazards,
        allowed=options.allow,
        blocked=blocked,
        notices=tuple(sorted(notices, key=lambda notice: notice.code not in ABOUT_REVOCATION)),
        needs=tuple(find_needs(graph, inventory, pending)),
        unmanaged=(*unmanaged_lists(graph, inventory), *unmanaged),
        waiting=tuple(remark for plan in plans for remark in plan.waiting if remark.address in addresses),
        deliver=plan_deliveries(graph.identities, pending),
        new_keys=find_new_keys(pending),
        revoked_keys=revocations.compromised,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Judged:
    """What is planned for the authority and those below it, before a run is restricted to some of it.

    Attributes:
        plans: the authority's first.
        issuer: the authority as it will be.
        replaced: what shows that it is another one, or None.
        revocations: what is revoked.
        changed: what the revocation list says otherwise than before.
        targets: what the run is about.
    """

    plans: tuple[IdentityPlan, ...]
    issuer: IssuerView
    replaced: str | None
    revocations: Revocations
    changed: ChangedEntries
    targets: Targets


def _plan_identities(graph: Graph, inventory: Inventory, options: PlanOptions, now: datetime) -> _Judged:
    evidence = tuple(find_evidence(graph, inventory))
    unprotected = keys_unprotected(inventory)
    root, issuer = plan_authority(
        graph, inventory, evidence=evidence, unprotected=unprotected, options=options, now=now
    )
    replaced = find_replaced_authority(graph, inventory, issuer)
    revocations = find_revocations(graph, inventory, issuer)
    planner = RequestedPlanner(
        graph,
        inventory,
        issuer=issuer,
        revocations=revocations,
        ca_replaced=replaced is not None,
        unprotected=unprotected,
        options=options,
        now=now,
    )
    leaves = [_plan_end_entity(planner, identity, inventory, issuer, options) for identity in graph.end_entities]
    changed, targets = _plan_lists(root, leaves, inventory, issuer, revocations, options, now)
    return _Judged(
        plans=(root, *leaves),
        issuer=issuer,
        replaced=replaced,
        revocations=revocations,
        changed=changed,
        targets=targets,
    )


def _plan_lists(
    root: IdentityPlan,
    leaves: Sequence[IdentityPlan],
    inventory: Inventory,
    issuer: IssuerView,
    revocations: Revocations,
    options: PlanOptions,
    now: datetime,
) -> tuple[ChangedEntries, Targets]:
    """The lists come after everything that they depend on: what is replaced in the same run is revoked by it."""
    lists, targets = root.identity.revocation_lists, find_targets(options)
    if not lists:
        return ChangedEntries(), targets
    changed = plan_revocation_lists(
        root,
        inventory,
        revocations=revocations,
        issuer=issuer,
        replaced=[change for change in find_replaced(leaves, options) if targets.covers(change)],
        options=options,
        now=now,
    )
    not_made = {plan.identity.address for plan in leaves if _is_not_made(plan.identity, inventory)}
    targets = find_targets(options, changed.identities, not_made)
    change = next((change for change in root.changes if change.address == lists[0].address), None)
    signed = change if change is not None and targets.covers(change) else None
    source = find_source(signed, lists[0], inventory, revocations.own)
    others = ListsOfOthers(inventory, now)
    for plan in leaves:
        plan_list_copy(plan, inventory, source=source, others=others, options=options)
    return changed, targets


def _is_not_made(identity: Identity, inventory: Inventory) -> bool:
    copy, path = identity.list_copy, identity.certificate.path
    if copy is None or inventory.certificates[path].state is not State.ABSENT:
        return False
    return inventory.revocation_lists[copy.path].state is State.ABSENT


def _note_left_out(judged: _Judged) -> Iterator[Remark]:
    """What a restricted run leaves to another one, where somebody is revoked."""
    lists = judged.plans[0].identity.revocation_lists
    if not lists or not judged.changed.added:
        return
    left = [
        change
        for plan in judged.plans
        for change in plan.changes
        if change.action is not Action.NO_OP and not judged.targets.covers(change)
    ]
    copies = [change.address.identity for change in left if isinstance(change.artifact, ListCopyArtifact)]
    is_signed = not any(change.address == lists[0].address for change in left)
    yield from note_left_out(lists[0], judged.changed.added, is_signed=is_signed, copies=copies)


def _addresses_told_of(plans: Iterable[IdentityPlan], changes: Iterable[Change], notices: Iterable[Remark]) -> set[str]:
    """Those of the changes that something is said about: few of a fleet's."""
    told = {notice.address for notice in notices}
    for plan in plans:
        told.update(remark.address for remark in plan.blocked)
        told.update(waiting.address for waiting in plan.waiting)
    return {address for change in changes if told and (address := str(change.address)) in told}


def _refused(hazards: Iterable[Remark], options: PlanOptions) -> tuple[Remark, ...]:
    """The hazards that nobody allowed."""
    return tuple(hazard for hazard in hazards if hazard.code not in {code.value for code in options.allow})


def _plan_end_entity(
    planner: EndEntityPlanner, identity: Identity, inventory: Inventory, issuer: IssuerView, options: PlanOptions
) -> IdentityPlan:
    plan = planner.plan(identity)
    if identity.trust is not None:
        plan_trust(plan, identity.trust, inventory, issuer=issuer, options=options)
    return plan


def _find_hazards(
    inventory: Inventory,
    plans: Iterable[IdentityPlan],
    changes: Sequence[Change],
    *,
    replaced: str | None,
    now: datetime,
) -> tuple[Remark, ...]:
    """Those of the whole run, then those of the identities that are planned."""
    whole_run = (find_clock_behind(inventory, changes, now), ca_replaced(replaced) if replaced is not None else None)
    planned = {name for change in changes for name in (change.address.identity, str(change.address))}
    own = (hazard for plan in plans for hazard in plan.hazards if hazard.address in planned)
    return (*(hazard for hazard in whole_run if hazard is not None), *own)


def _plan_folder_files(
    graph: Graph, inventory: Inventory, pending: Iterable[Change]
) -> tuple[tuple[Change, ...], tuple[Remark, ...]]:
    """The files at the top of the output folder, and what blocks them.

    `.gitignore` lets a private key into a repository only where it is encrypted, or will be by this plan.
    """
    encrypted_now = {
        change.artifact.path
        for change in pending
        if isinstance(change.artifact, PrivateKeyArtifact) and change.action is not Action.CHMOD
    }
    committed = committed_keys(graph, inventory, encrypted_now)
    planned = [plan_folder_file(artifact, inventory, committed) for artifact in graph.folder_files]
    return tuple(change for change, _ in planned), tuple(remark for _, remark in planned if remark is not None)


def _note_folder(
    inventory: Inventory, log: Iterable[Change], insecure: Remark | None, now: datetime
) -> tuple[Remark, ...]:
    """What there is to say about the folder as a whole, and its log."""
    return (*check_log(inventory, log, now), *note_folders(inventory, insecure), *note_unreadable(inventory))


def _concerning(identities: Container[str], notices: tuple[Remark, ...], options: PlanOptions) -> tuple[Remark, ...]:
    """The notices about what a restricted run is about."""
    return tuple(notice for notice in notices if not options.targets or notice.address in identities)


def _notices(
    graph: Graph, inventory: Inventory, plans: Iterable[IdentityPlan], issuer: IssuerView, now: datetime
) -> tuple[Remark, ...]:
    notices = [remark for plan in plans for remark in (*plan.notices, *stack_notices(plan.identity))]
    locked = [
        identity.private_key.path
        for identity in graph.identities
        if identity.request is None
        and inventory.private_keys[identity.private_key.path].state is State.LOCKED
        and inventory.certificates[identity.certificate.path].value
    ]
    if locked:
        notices.append(
            Remark(
                code=NoticeCode.PAIR_NOT_COMPARED.value,
                address="ca" if locked == ["ca/ca.key"] else "folder",
                message=_not_compared(locked),
            )
        )
    if inventory.interrupted:
        notices.append(
            Remark(
                code=NoticeCode.INTERRUPTED.value,
                address="folder",
                message="an apply is publishing at this moment, or was interrupted in it",
                hint="the next apply first brings that to its end, so it may do less than this plan says",
            )
        )
    if not issuer.judged:
        notices.append(
            Remark(
                code=NoticeCode.NOT_JUDGED.value,
                address="ca",
                message="which authority this is cannot be said, so what it issued is left as it is",
            )
        )
    soon = _ends_soon(graph, issuer, now)
    notices += [soon] if soon else []
    return (*notices, *note_unmanaged_lists(graph, inventory, now), *note_lists_of_others(graph, inventory, now))


def _not_compared(paths: Sequence[str]) -> str:
    if len(paths) == 1:
        return f"{paths[0]} is locked, and so not compared with its certificate"
    return f"{name_some(paths)} are locked, and so not compared with their certificates"


def _ends_soon(graph: Graph, issuer: IssuerView, now: datetime) -> Remark | None:
    """An authority that ends before what it would issue, and is not renewed by then."""
    validities = [identity.certificate.lifetime.validity for identity in graph.end_entities]
    longest = max((validity for validity in validities if validity is not None), default=None)
    if longest is None or issuer.period is None:
        return None
    rule = graph.authorities[0].certificate.renewal
    shorter_from = issuer.period.not_after - longest
    renewed_from = issuer.period.not_after - rule.window(issuer.period.lifetime)
    if shorter_from >= renewed_from or now < shorter_from - _EARLY_WARNING or longest >= issuer.period.lifetime:
        return None
    return Remark(
        code=NoticeCode.CA_ENDS_SOON.value,
        address="ca",
        message=f"leaves issued from {shorter_from:%Y-%m-%d} will be shorter than declared: the authority ends on"
        f" {issuer.period.not_after:%Y-%m-%d}, and is renewed from {renewed_from:%Y-%m-%d}",
        hint="write a longer `renew_before` under ca",
    )
