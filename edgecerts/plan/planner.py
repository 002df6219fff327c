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
from edgecerts.plan.log_checks import check_log
from edgecerts.plan.model import Action, Change, NoticeCode, Plan, Remark, select_pending
from edgecerts.plan.needs import find_needs, find_new_keys
from edgecerts.plan.options import PlanOptions
from edgecerts.plan.recording import plan_records
from edgecerts.plan.requested import RequestedPlanner
from edgecerts.plan.stack_notices import stack_notices
from edgecerts.plan.trust import plan_trust

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
    plans, issuer, replaced = _plan_identities(graph, inventory, options, now)
    leftovers, unmanaged, leftover_notices = plan_leftovers(inventory, issuer=issuer, prune=options.prune, now=now)
    changes = _targeted((*(change for plan in plans for change in plan.changes), *leftovers), options)
    told = {remark.address for plan in plans for remark in plan.blocked}
    told |= {remark.address for plan in plans for remark in plan.waiting}
    addresses = {address for change in changes if told and (address := str(change.address)) in told}
    blocked = tuple(remark for plan in plans for remark in plan.blocked if remark.address in addresses)
    identities = {change.address.identity for change in changes}
    hazards = _find_hazards(inventory, plans, changes, replaced=replaced, now=now)
    written = select_pending(changes, {remark.address for remark in blocked}, _refused(hazards, options))
    files, blocked_files = _plan_folder_files(graph, inventory, written)
    log = plan_records(graph, inventory, issuer=issuer, now=now)
    changes, blocked = (*files, *log, *changes), (*blocked_files, *blocked)
    blocked_addresses = {remark.address for remark in blocked}
    insecure = find_insecure_folders(inventory, owners) if owners is not None else None
    writes = bool(select_pending(changes, blocked_addresses, ()))
    hazards = (insecure, *hazards) if insecure is not None and writes else hazards
    pending = select_pending(changes, blocked_addresses, _refused(hazards, options))
    notices = (*_notices(graph, inventory, plans, issuer, now), *leftover_notices)
    return Plan(
        created_at=now,
        manifest=manifest,
        changes=changes,
        hazards=hazards,
        allowed=options.allow,
        blocked=blocked,
        notices=(
            *_concerning(identities, notices, options),
            *check_log(inventory, log, now),
            *note_folders(inventory, insecure if not writes else None),
            *note_unreadable(inventory),
        ),
        needs=tuple(find_needs(graph, inventory, pending)),
        unmanaged=unmanaged,
        waiting=tuple(remark for plan in plans for remark in plan.waiting if remark.address in addresses),
        deliver=plan_deliveries(graph.end_entities, pending),
        new_keys=find_new_keys(pending),
    )


def _plan_identities(
    graph: Graph, inventory: Inventory, options: PlanOptions, now: datetime
) -> tuple[list[IdentityPlan], IssuerView, str | None]:
    """The authority's plan and those below it, the authority as it will be, and what shows that it is another one."""
    evidence = tuple(find_evidence(graph, inventory))
    unprotected = keys_unprotected(inventory)
    root, issuer = plan_authority(
        graph, inventory, evidence=evidence, unprotected=unprotected, options=options, now=now
    )
    replaced = find_replaced_authority(graph, inventory, issuer)
    planner = RequestedPlanner(
        graph,
        inventory,
        issuer=issuer,
        ca_replaced=replaced is not None,
        unprotected=unprotected,
        options=options,
        now=now,
    )
    leaves = (_plan_end_entity(planner, identity, inventory, issuer, options) for identity in graph.end_entities)
    return [root, *leaves], issuer, replaced


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
    identities = {change.address.identity for change in changes}
    own = (hazard for plan in plans for hazard in plan.hazards if hazard.address in identities)
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
    if not options.targets:
        return changes
    identities = {target for target in options.targets if target.count("/") < 2} | {"ca", "folder"}
    wanted = {target for target in options.targets if target.count("/") == 2}
    # A private key and its certificate are one unit.
    pairs = {"certificate": "private-key", "private-key": "certificate"}
    parts = {
        (identity, pairs[part]) for identity, _, part in (target.rpartition("/") for target in wanted) if part in pairs
    }
    return tuple(
        change
        for change in changes
        if change.address.identity in identities
        or str(change.address) in wanted
        or (change.address.identity, change.address.part) in parts
    )


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
    return (*notices, soon) if soon else tuple(notices)


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
