"""From a plan to a status: the same facts and the same checks, asked how things are."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from posixpath import basename

from edgecerts.desired.graph import (
    LOG_ADDRESS,
    Address,
    Graph,
    Identity,
    RevocationListArtifact,
    TextArtifact,
    identity_of,
)
from edgecerts.manifest.model import KeyHeld
from edgecerts.observed.inventory import Inventory, Leftover, Observed, State
from edgecerts.pki.certificate_facts import CertificateFacts
from edgecerts.pki.certificates import Period
from edgecerts.pki.private_keys import KeyFacts
from edgecerts.plan.certificate_checks import CheckInput, check_expiry, format_duration
from edgecerts.plan.model import Action, Change, HazardCode, NoticeCode, Plan, ReasonCode, Remark
from edgecerts.plan.private_key_checks import check_mode
from edgecerts.plan.waiting import Waiting
from edgecerts.status.chain import Look, find_state, is_due, is_early, is_ending, is_expired, is_keyless
from edgecerts.status.model import (
    CertificateSummary,
    FileReason,
    IdentityState,
    KeyPlace,
    Status,
    StatusRow,
    UnmanagedFolder,
)
from edgecerts.status.notices import FOLDER_FILES, FOLDER_FINDINGS, SHOWN
from edgecerts.status.revocation_lists import build_list_rows, is_old_copy
from edgecerts.status.tracked import (
    Tracked,
    is_key_tracked,
    notices_on_repository,
    remark_on_key,
    remarks_on_others,
)

_MENDED = {
    Action.CREATE: "edgecerts apply makes what is missing",
    Action.REKEY: "edgecerts apply makes a new key and its certificate",
    Action.UPDATE: "edgecerts apply updates it",
    Action.RENEW: "edgecerts apply renews it",
    Action.CHMOD: "edgecerts apply closes it to others",
}
"""What the next apply does; where it does several things to an identity, the first of these names them."""

_EXPLAINING = frozenset({NoticeCode.KEY_NOT_HERE.value, NoticeCode.ENDS_WITH_ISSUER.value, NoticeCode.ON_HOLD.value})
"""Notices of a plan that say why an identity is in its state."""

_NOT_HERE: Observed[KeyFacts] = Observed(state=State.ABSENT)

_BEGINNING = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Context:
    """What all rows are made from; the plan's parts by address, so that a large plan is walked only once."""

    inventory: Inventory
    authority: CertificateFacts | None
    judged: bool
    changes: Mapping[str, list[Change]]
    blocked: Mapping[str, list[Remark]]
    refusals: Mapping[str, list[Remark]]
    notices: Mapping[str, list[Remark]]
    waiting: Mapping[str, list[Waiting]]
    pending: frozenset[Address]
    insecure: bool
    tracked: Tracked
    now: datetime
    within: timedelta | None


def build_status(
    graph: Graph,
    inventory: Inventory,
    plan: Plan,
    *,
    now: datetime,
    within: timedelta | None = None,
    fail_on: frozenset[IdentityState] = frozenset(),
    tracked: Tracked = None,
) -> Status:
    """Says how everything is that should exist.

    Args:
        graph: what should exist.
        inventory: what does.
        plan: made from both for the same `now`, without options.
        now: the one moment of this run, in UTC.
        within: certificates that end within this time are findings, too.
        fail_on: identities in these states are findings, too.
        tracked: the `PRIVATE_FILES` that git has.

    Returns:
        the same status for the same arguments, every time.
    """
    context = _build_context(graph, inventory, plan, now, within, tracked)
    return Status(
        created_at=now,
        manifest=plan.manifest,
        within=within,
        fail_on=fail_on,
        rows=tuple(_build_row(identity, context) for identity in graph.identities),
        folder=(
            *(remark for remark in plan.blocked if remark.address.startswith("folder/")),
            *(remark for remark in (*plan.hazards, *plan.notices) if remark.code in FOLDER_FINDINGS),
            *remarks_on_others(inventory, tracked),
        ),
        notices=(
            *(remark for remark in plan.notices if remark.code in SHOWN),
            *_folder_notice(plan, context.pending),
            *_log_notice(plan, context.pending),
            *notices_on_repository(tracked),
        ),
        unmanaged=tuple(_build_unmanaged(leftover, context) for leftover in inventory.leftovers),
        lists=tuple(build_list_rows(graph, inventory, plan, now=now, within=within)),
    )


def _build_context(
    graph: Graph, inventory: Inventory, plan: Plan, now: datetime, within: timedelta | None, tracked: Tracked
) -> _Context:
    certificates = inventory.certificates[graph.authorities[0].certificate.path].value
    changes = defaultdict(list)
    # The authority's lists have rows of their own.
    lists = {str(change.address) for change in plan.changes if isinstance(change.artifact, RevocationListArtifact)}
    pending = frozenset(change.address for change in plan.pending)
    waits = bool(lists & {str(address) for address in pending})
    for change in plan.changes:
        if str(change.address) not in lists and not (waits and is_old_copy(change)):
            changes[change.address.identity].append(change)
    return _Context(
        inventory=inventory,
        authority=certificates[0] if certificates else None,
        judged=all(notice.code != NoticeCode.NOT_JUDGED.value for notice in plan.notices),
        changes=changes,
        blocked=_by_identity(remark for remark in plan.blocked if remark.address not in lists),
        refusals=_by_identity(hazard for hazard in plan.refusals if not HazardCode(hazard.code).refuses_entries),
        notices=_by_identity(plan.notices),
        waiting=_waiting_by_identity(plan.waiting),
        pending=pending,
        insecure=any(hazard.code == HazardCode.INSECURE_FOLDER.value for hazard in plan.refusals),
        tracked=tracked,
        now=now,
        within=within,
    )


def _by_identity(remarks: Iterable[Remark]) -> Mapping[str, list[Remark]]:
    """Remarks by the identity that they are about, whether they name it or one of its files."""
    found = defaultdict(list)
    for remark in remarks:
        parts = remark.address.split("/")
        found["/".join(parts[: 1 if parts[0] == "ca" else 2])].append(remark)
    return found


def _waiting_by_identity(waiting: Iterable[Waiting]) -> Mapping[str, list[Waiting]]:
    found = defaultdict(list)
    for entry in waiting:
        found[identity_of(entry.address)].append(entry)
    return found


def _build_row(identity: Identity, context: _Context) -> StatusRow:
    look = _look(identity, context)
    state = find_state(look)
    pending = [change for change in context.changes[identity.address] if change.address in context.pending]
    remarks = tuple(_remarks(look, context, reissued=any(change.issuance for change in pending)))
    return StatusRow(
        address=identity.address,
        kind=identity.kind,
        common_name=identity.common_name,
        state=state,
        key=_key_place(identity, look.key, look.certificate),
        certificate=_summarise(identity, look.facts, context.now) if look.facts else None,
        reasons=look.reasons,
        remarks=remarks,
        hint=_hint(look, remarks, pending, insecure=context.insecure),
    )


def _look(identity: Identity, context: _Context) -> Look:
    inventory, changes = context.inventory, context.changes[identity.address]
    certificate = inventory.certificates[identity.certificate.path]
    reasons = [FileReason(path=change.artifact.path, reason=reason) for change in changes for reason in change.reasons]
    # A plan may leave a certificate that ends: nothing can sign another, or another would end no later.
    by_date = _date_reasons(identity, certificate.value[0], context.now) if certificate.value else ()
    reasons += [entry for entry in by_date if entry not in reasons]
    if identity.request is not None:
        # A plan leaves a host's key alone. How open it is has to be said all the same.
        artifact = identity.private_key
        found = check_mode(artifact, inventory.private_keys[artifact.path])
        reasons += [FileReason(path=artifact.path, reason=reason) for reason in found]
    return Look(
        identity=identity,
        # What lies in the place of a key that comes from elsewhere is nobody's key.
        key=_NOT_HERE if identity.private_key.source is not None else inventory.private_keys[identity.private_key.path],
        certificate=certificate,
        trust=inventory.certificates[identity.trust.path] if identity.trust else None,
        authority=context.authority,
        judged=context.judged,
        reasons=tuple(reasons),
        blocked=tuple(context.blocked.get(identity.address, ())),
        refusals=tuple(context.refusals.get(identity.address, ())),
        waiting=tuple(context.waiting.get(identity.address, ())),
        key_tracked=is_key_tracked(
            identity.private_key.path, inventory.private_keys[identity.private_key.path], context.tracked
        ),
        stuck=any(change.action is not Action.NO_OP and change.address not in context.pending for change in changes),
        now=context.now,
        within=context.within,
    )


def _date_reasons(identity: Identity, facts: CertificateFacts, now: datetime) -> tuple[FileReason, ...]:
    given = CheckInput(
        artifact=identity.certificate,
        facts=facts,
        issuer=None,
        key=None,
        key_type=None,
        issuer_ends=frozenset(),
        now=now,
    )
    return tuple(FileReason(path=identity.certificate.path, reason=reason) for reason in check_expiry(given))


def _hint(look: Look, remarks: Iterable[Remark], pending: Collection[Change], *, insecure: bool) -> str | None:
    """What the next apply does; or where to look, where nothing else says so."""
    if look.identity.request is not None and ReasonCode.MODE_CHANGED in look.codes:
        path = look.identity.private_key.path
        return f"apply leaves a host's key alone: in the output folder, chmod 600 {path}; delete it where it is a copy"
    if any(change.action is Action.REKEY and change.issuance is not None for change in pending):
        return "edgecerts apply certifies the key that its host has requested"
    actions = {change.action for change in pending}
    mended = next((hint for action, hint in _MENDED.items() if action in actions), None)
    if mended is None and (look.stuck or not look.judged) and all(remark.hint is None for remark in remarks):
        return f"look at {'the folder' if insecure else 'ca'} first: until that is mended, nothing else is"
    return mended


def _remarks(look: Look, context: _Context, *, reissued: bool) -> Iterator[Remark]:
    """What there is to say beside the reasons; the same thing about a key and its certificate only once."""
    said = set()
    for remark in (*look.refusals, *look.blocked):
        if (remark.code, remark.message) not in said:
            said.add((remark.code, remark.message))
            yield remark
    for entry in look.waiting:
        yield Remark(code=entry.code.value, address=entry.address, message=entry.message, hint=entry.hint)
    if look.key_tracked:
        yield remark_on_key(look.identity)
    address, facts = look.identity.address, look.facts
    explaining = [remark for remark in context.notices.get(address, ()) if remark.code in _EXPLAINING]
    yield from explaining
    if look.trust is None and is_keyless(look) and facts is not None and not look.blocked:
        yield Remark(
            code=NoticeCode.KEY_NOT_HERE.value,
            address=address,
            message=f"{look.identity.private_key.path} is not here, so nothing can be signed here",
            hint="look where it is kept, or bring it back from the backup; if it is kept elsewhere on purpose, write"
            " private_key: {offline: true} under ca",
        )
    if facts is not None and is_early(look):
        yield Remark(
            code=IdentityState.EARLY.value,
            address=address,
            message=f"begins on {facts.not_before:%Y-%m-%d at %H:%M} UTC, and it is {look.now:%Y-%m-%d %H:%M} now",
            hint="look at the clock first",
        )
    if facts is not None and look.within is not None and is_ending(look) and not is_due(look) and not is_expired(look):
        yield Remark(
            code=IdentityState.ENDING.value,
            address=address,
            message=f"ends on {facts.not_after:%Y-%m-%d}, within {format_duration(look.within)}",
            hint=None if reissued else _renewal_hint(look.identity, facts),
        )


def _renewal_hint(identity: Identity, facts: CertificateFacts) -> str:
    """When apply renews a certificate by itself, in words."""
    due = _renews_from(identity, facts)
    return f"edgecerts apply renews it from {due:%Y-%m-%d}, or at once with --replace {identity.certificate.address}"


def _renews_from(identity: Identity, facts: CertificateFacts) -> datetime:
    lifetime = Period(not_before=facts.not_before, not_after=facts.not_after).lifetime
    window = identity.certificate.renewal.window(lifetime)
    # A stranger's certificate may have ended in the first years of the calendar.
    return facts.not_after - min(window, facts.not_after - _BEGINNING)


def _key_place(
    identity: Identity, key: Observed[KeyFacts], certificate: Observed[tuple[CertificateFacts, ...]]
) -> KeyPlace:
    artifact, held = identity.private_key, identity.private_key.held
    if artifact.source is not None:
        return KeyPlace.SUPPLIED
    if key.state is State.ABSENT:
        if held is KeyHeld.CSR:
            return KeyPlace.ON_HOST
        # A key that was never made has not been taken anywhere either.
        if certificate.state is State.ABSENT:
            return KeyPlace.NOT_HERE
        if artifact.offline:
            return KeyPlace.OFFLINE
        return KeyPlace.DELIVERED if held is KeyHeld.DELIVERED else KeyPlace.NOT_HERE
    places = {State.PRESENT: KeyPlace.HERE, State.LOCKED: KeyPlace.LOCKED, State.UNREADABLE: KeyPlace.DAMAGED}
    return places[key.state]


def _summarise(identity: Identity, facts: CertificateFacts, now: datetime) -> CertificateSummary:
    return CertificateSummary(
        issuer=facts.issuer_text,
        key_type=facts.key_type,
        serial=facts.serial,
        not_before=facts.not_before,
        not_after=facts.not_after,
        days_left=(facts.not_after.date() - now.date()).days,
        renews_from=_renews_from(identity, facts),
    )


def _folder_notice(plan: Plan, pending: frozenset[Address]) -> Iterator[Remark]:
    """The folder's own files are no certificates: that a new version words them anew wakes nobody up."""
    names = [
        basename(change.artifact.path)
        for change in plan.changes
        if isinstance(change.artifact, TextArtifact) and change.address in pending
    ]
    if names:
        yield Remark(
            code=FOLDER_FILES,
            address="folder",
            message=f"missing, or with other lines of ours: {', '.join(names)}",
            hint="edgecerts apply writes them",
        )


def _log_notice(plan: Plan, pending: frozenset[Address]) -> Iterator[Remark]:
    count = sum(len(change.records) for change in plan.changes if change.address in pending)
    if count:
        yield Remark(
            code=ReasonCode.NOT_IN_LOG.value,
            address=str(LOG_ADDRESS),
            message=f"certificates of this authority that it has no line for: {count:,}",
            hint="edgecerts apply records them",
        )


def _build_unmanaged(leftover: Leftover, context: _Context) -> UnmanagedFolder:
    facts = leftover.certificate.value[0] if leftover.certificate.value else None
    notices = context.notices.get(leftover.address, ())
    return UnmanagedFolder(
        address=leftover.address,
        paths=leftover.paths,
        still_valid=any(notice.code == NoticeCode.STILL_VALID.value for notice in notices),
        serial=facts.serial if facts else None,
        not_after=facts.not_after if facts else None,
    )
