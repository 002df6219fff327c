"""From desired and observed to a plan, in one pure call."""

from collections.abc import Container, Iterable, Sequence
from datetime import datetime, timedelta

from edgecerts.desired.graph import Graph, Identity, PrivateKeyArtifact
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
from edgecerts.plan.listed_entries import find_refused
from edgecerts.plan.log_checks import check_log
from edgecerts.plan.model import Action, Change, NoticeCode, Plan, Remark, select_pending
from edgecerts.plan.needs import find_needs, find_new_keys
from edgecerts.plan.options import PlanOptions
from edgecerts.plan.recording import plan_records
from edgecerts.plan.requested import RequestedPlanner
from edgecerts.plan.revocation_lists import find_replaced, plan_revocation_lists
from edgecerts.plan.revocations import Revocations, find_revocations
from edgecerts.plan.stack_notices import stack_notices
from edgecerts.plan.targets import is_targeted
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
    plans, issuer, replaced, revocations = _plan_identities(graph, inventory, options, now)
    leftovers, unmanaged, leftover_notices = plan_leftovers(
        inventory, issuer=issuer, revoked=find_refused(revocations, options), prune=options.prune, now=now
    )
    changes = _targeted((*(change for plan in plans for change in plan.changes), *leftovers), options)
    addresses = {str(change.address) for change in changes}
    blocked = tuple(remark for plan in plans for remark in plan.blocked if remark.address in addresses)
    planned = addresses | {change.address.identity for change in changes}
    hazards = _find_hazards(inventory, plans, changes, replaced=replaced, now=now)
    hazards += tuple(refuse_to_forget(graph, revocations, now))
    written = select_pending(changes, {remark.address for remark in blocked}, _refused(hazards, options))
    files, blocked_files = _plan_folder_files(graph, inventory, written)
    log = plan_records(graph, inventory, issuer=issuer, revocations=revocations, now=now)
    changes, blocked = (*files, *log, *changes), (*blocked_files, *blocked)
    blocked_addresses = {remark.address for remark in blocked}
    insecure = find_insecure_folders(inventory, owners) if owners is not None else None
    writes = bool(select_pending(changes, blocked_addresses, ()))
    hazards = (insecure, *hazards) if insecure is not None and writes else hazards
    pending = select_pending(changes, blocked_addresses, _refused(hazards, options))
    notices = _concerning(planned, (*_notices(graph, inventory, plans, issuer, now), *leftover_notices), options)
    notices += (*check_log(inventory, log, now), *note_folders(inventory, insecure if not writes else None))
    return Plan(
        created_at=now,
        manifest=manifest,
        changes=changes,
        hazards=hazards,
        allowed=options.allow,
        blocked=blocked,
        notices=(*notices, *note_unreadable(inventory)),
        needs=tuple(find_needs(graph, inventory, pending)),
        unmanaged=(*unmanaged_lists(graph, inventory), *unmanaged),
        waiting=tuple(remark for plan in plans for remark in plan.waiting if remark.address in addresses),
        deliver=plan_deliveries(graph.identities, pending),
        new_keys=find_new_keys(pending),
        revoked_keys=revocations.compromised,
    )


def _plan_identities(
    graph: Graph, inventory: Inventory, options: PlanOptions, now: datetime
) -> tuple[list[IdentityPlan], IssuerView, str | None, Revocations]:
    """The authority's plan and those below it, the authority as it will be, what shows that it is another one, and what
    is revoked."""
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
    _plan_lists(root, leaves, inventory, issuer, revocations, options, now)
    return [root, *leaves], issuer, replaced, revocations


def _plan_lists(
    root: IdentityPlan,
    leaves: Sequence[IdentityPlan],
    inventory: Inventory,
    issuer: IssuerView,
    revocations: Revocations,
    options: PlanOptions,
    now: datetime,
) -> None:
    """The lists come after everything that they depend on: what is replaced in the same run is revoked by it."""
    lists = root.identity.revocation_lists
    if not lists:
        return
    plan_revocation_lists(
        root,
        inventory,
        revocations=revocations,
        issuer=issuer,
        replaced=[change for change in find_replaced(leaves, options) if is_targeted(change, options)],
        options=options,
        now=now,
    )
    change = next((change for change in root.changes if change.address == lists[0].address), None)
    signed = change if change is not None and is_targeted(change, options) else None
    source = find_source(signed, lists[0], inventory, revocations.own)
    for plan in leaves:
        plan_list_copy(plan, inventory, source=source, options=options)


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


def _targeted(changes: tuple[Change, ...], options: PlanOptions) -> tuple[Change, ...]:
    """The changes that were asked for, with what they depend on: the authority and the folder's files."""
    return tuple(change for change in changes if is_targeted(change, options))


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
