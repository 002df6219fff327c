"""Which changes of a fresh plan a saved plan lets through: a pure comparison of the two."""

import enum
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, field, replace

from edgecerts.desired.graph import (
    LIST_PARTS,
    LOG_ADDRESS,
    CertificateArtifact,
    Graph,
    ListCopyArtifact,
    PrivateKeyArtifact,
    RevocationListArtifact,
    TrustArtifact,
    identity_of,
)
from edgecerts.observed.inventory import Inventory
from edgecerts.plan.delivery import plan_deliveries
from edgecerts.plan.model import Action, Change, HazardCode, KeySource, Plan, Reason, ReasonCode, Remark, select_pending
from edgecerts.plan.needs import find_needs, find_new_keys
from edgecerts.saved.digests import FOLDER, Digests
from edgecerts.saved.model import CA, SavedChange, SavedPlan, touches_private_key

_IGNORED_KEYS = f"{FOLDER}/.gitignore"
_LOG = str(LOG_ADDRESS)


@enum.unique
class StaleCode(enum.StrEnum):
    """Why a saved change is not carried out any more."""

    NOT_PLANNED = "not-planned"
    PLANNED_OTHERWISE = "planned-otherwise"
    FILES_CHANGED = "files-changed"
    KEY_CHANGED = "key-changed"
    HAZARD_APPEARED = "hazard-appeared"
    DEPENDS_ON_UNSAVED = "depends-on-unsaved"
    IDENTITY_STALE = "identity-stale"


@dataclass(frozen=True, kw_only=True, slots=True)
class Selection:
    """What became of a fresh plan under a saved one.

    Attributes:
        plan: the fresh plan without what could be done and was not saved.
        stale: saved changes that are not carried out, by address, and why not.
        left: changes that could be done and were not saved.
    """

    plan: Plan
    stale: tuple[Remark, ...]
    left: tuple[Change, ...]


def select_everything(fresh: Plan) -> Selection:
    """The whole plan, where there is no saved one."""
    return Selection(plan=fresh, stale=(), left=())


def select_saved(fresh: Plan, saved: SavedPlan, graph: Graph, inventory: Inventory) -> Selection:
    """Compares a fresh plan, made with the saved plan's options, with that plan.

    An identity of which one saved change is stale is left alone altogether, and so is what depends on a change that is
    not carried out: a private key never comes without its certificate, nor a certificate before its authority's.
    """
    comparison = _Comparison(fresh, saved, Digests(graph, inventory))
    comparison.compare()
    comparison.hold_back_dependents()
    plan = restrict_plan(fresh, comparison.selected, graph, inventory)
    left = (change for change in fresh.pending if str(change.address) not in comparison.selected)
    return Selection(
        plan=plan,
        stale=tuple(comparison.stale.values()),
        left=tuple(change for change in left if str(change.address) not in comparison.stale),
    )


def restrict_plan(plan: Plan, selected: Container[str], graph: Graph, inventory: Inventory) -> Plan:
    """The plan without those of its pending changes that are not selected; what is blocked or refused stays in it."""
    held_back = {change.address for change in plan.pending if str(change.address) not in selected}
    changes = tuple(change for change in plan.changes if change.address not in held_back)
    pending = select_pending(changes, plan.blocked_addresses, plan.refusals)
    return replace(
        plan,
        changes=changes,
        needs=tuple(find_needs(graph, inventory, pending)),
        deliver=plan_deliveries(graph.identities, pending),
        new_keys=find_new_keys(pending),
    )


@dataclass(slots=True)
class _Comparison:
    """Collects what is stale and what goes ahead."""

    fresh: Plan
    saved: SavedPlan
    digests: Digests
    stale: dict[str, Remark] = field(default_factory=dict)
    selected: set[str] = field(default_factory=set)

    def compare(self) -> None:
        """Finds each saved change in the fresh plan, and checks that what it rests on is as it was."""
        planned = {str(change.address): change for change in self.fresh.changes}
        pending = {str(change.address) for change in self.fresh.pending}
        matched: dict[str, list[Change]] = {}
        for change in self.saved.changes:
            now = planned.get(change.address)
            if now is None or now.action is Action.NO_OP:
                message = f"{change.action} was saved, and nothing is planned for it now"
                self._mark(change.address, StaleCode.NOT_PLANNED, message)
                continue
            difference = _find_difference(change, now)
            if difference is not None:
                self._mark(change.address, StaleCode.PLANNED_OTHERWISE, difference)
                continue
            if not _is_list(change.address):
                matched.setdefault(change.identity, []).append(now)
            if change.address in pending:
                self.selected.add(change.address)
        appeared = _find_appeared(self.fresh, self.saved)
        for identity, changes in matched.items():
            self._check_basis(identity, changes)
            self._check_hazards(changes, appeared.get(identity, []) + appeared.get("", []))

    def hold_back_dependents(self) -> None:
        """Takes back what is stale and what depends on it, until nothing is left to take back."""
        prerequisites = _find_prerequisites({str(change.address): change for change in self.fresh.pending})
        self.selected -= set(self.stale)
        while True:
            stale_identities = {_unit_of(address) for address in self.stale}
            before = len(self.selected)
            for address in sorted(self.selected):
                identity = _unit_of(address)
                missing = next((name for name in prerequisites[address] if self._lacks(name)), None)
                if identity in stale_identities:
                    self._mark(address, StaleCode.IDENTITY_STALE, f"another change of {identity} is stale")
                elif missing is not None:
                    self._mark(
                        address,
                        StaleCode.DEPENDS_ON_UNSAVED,
                        f"it goes with {missing}, which would change as well and is not carried out",
                    )
            self.selected -= set(self.stale)
            if len(self.selected) == before:
                return

    def _lacks(self, address: str) -> bool:
        return address not in self.selected or address in self.stale

    def _check_basis(self, identity: str, changes: list[Change]) -> None:
        basis = self.saved.basis.identities.get(identity)
        authority = self.saved.basis.identities.get(CA)
        if basis is None or basis.files != self.digests.files(identity):
            self._mark_all(changes, StaleCode.FILES_CHANGED, f"the files of {identity} are not what they were")
        elif touches_private_key(changes) and basis.private_key != self.digests.private_key(identity):
            self._mark_all(changes, StaleCode.KEY_CHANGED, f"the private key of {identity} is not what it was")
        elif identity != FOLDER and (authority is None or authority.files != self.digests.files(CA)):
            self._mark_all(changes, StaleCode.FILES_CHANGED, "the authority's certificate is not what it was")

    def _check_hazards(self, changes: list[Change], appeared: list[Remark]) -> None:
        """What was allowed was allowed for what the saved plan listed, and not for the same elsewhere."""
        for hazard in appeared:
            self._mark_all(changes, StaleCode.HAZARD_APPEARED, f"{hazard.code} was not reviewed: {hazard.message}")

    def _mark_all(self, changes: list[Change], code: StaleCode, message: str) -> None:
        for change in changes:
            self._mark(str(change.address), code, message)

    def _mark(self, address: str, code: StaleCode, message: str) -> None:
        self.stale.setdefault(address, Remark(code=code.value, address=address, message=message))


def _is_list(address: str) -> bool:
    """Whether an address is that of a revocation list or of a copy, whose reasons say all that it rests on."""
    return address.rpartition("/")[2] in LIST_PARTS


def _unit_of(address: str) -> str:
    """What is carried out as a whole: an identity; or a revocation list, which goes with nobody's key."""
    return address if _is_list(address) else identity_of(address)


def _find_appeared(fresh: Plan, saved: SavedPlan) -> dict[str, list[Remark]]:
    """The allowed hazards that the saved plan does not list, by identity; the whole run's under the empty name."""
    appeared: dict[str, list[Remark]] = {}
    for hazard in fresh.hazards:
        code = HazardCode(hazard.code)
        if code in fresh.allowed and (hazard.code, hazard.address) not in saved.hazards:
            appeared.setdefault("" if code.refuses_everything else hazard.address, []).append(hazard)
    return appeared


_COPIED = {Action.CREATE, Action.UPDATE}
_FOR_A_KEY = frozenset({ReasonCode.REQUESTED, ReasonCode.REQUEST_CHANGED})


def _find_difference(saved: SavedChange, fresh: Change) -> str | None:
    """How a saved change differs from the fresh one of its address. Dates are not compared: the clock moves them."""
    # The log's file is that of the year, and whether that is there yet does not matter.
    is_log = fresh.address == LOG_ADDRESS
    is_new_copy = isinstance(fresh.artifact, ListCopyArtifact) and {fresh.action, saved.action} == _COPIED
    if fresh.action is not saved.action and not is_log and not is_new_copy:
        return f"{saved.action} was saved, and it would be {fresh.action} now"
    if fresh.artifact.path != saved.path and not is_log:
        return f"it was saved for another file than {fresh.artifact.path}"
    if isinstance(fresh.artifact, ListCopyArtifact):
        return _find_copy_difference(saved, fresh)
    if [_comparable(reason) for reason in fresh.reasons] != [_comparable(reason) for reason in saved.reasons]:
        reviewed = [reason.after for reason in saved.reasons if reason.code in _FOR_A_KEY]
        if reviewed != [reason.after for reason in fresh.reasons if reason.code in _FOR_A_KEY]:
            return "the request is for another key than the one that was reviewed"
        return f"{saved.action} was saved for other reasons than it would have now"
    return None


def _find_copy_difference(saved: SavedChange, fresh: Change) -> str | None:
    """How what a broker's copy will hold differs from what was reviewed.

    What it holds until then does not matter: another run may have given it a list meanwhile, and a broker must not be
    left behind by the list that was reviewed and is signed now.
    """
    wanted = {reason.after for reason in (*saved.reasons, *fresh.reasons) if reason.code is ReasonCode.CONTENT_CHANGED}
    return None if len(wanted) <= 1 else "it was saved for other lists than it would get now"


def _comparable(reason: Reason) -> Reason:
    """A reason without what the clock moves: the end of an authority that is renewed in the same run."""
    return replace(reason, after=None) if reason.code is ReasonCode.OUTLIVES_ISSUER else reason


def _find_prerequisites(pending: Mapping[str, Change]) -> dict[str, tuple[str, ...]]:
    """By address: what must be carried out with a change, as far as it is to be carried out at all."""
    encrypted: list[str] = []
    deleted: dict[str, list[str]] = {}
    for address, change in pending.items():
        if isinstance(change.artifact, PrivateKeyArtifact) and change.action is Action.UPDATE:
            encrypted.append(address)
        elif change.action is Action.DELETE:
            deleted.setdefault(change.address.identity, []).append(address)
    # What is replaced before it is on record can never be revoked.
    recorded = {str(record.address) for change in pending.values() for record in change.records}
    found = {}
    for address, change in pending.items():
        goes_with = [
            *_goes_with(change, encrypted=encrypted, deleted=deleted),
            *([_LOG] if address in recorded else []),
        ]
        found[address] = tuple(name for name in goes_with if name in pending)
    return found


def _goes_with(change: Change, *, encrypted: list[str], deleted: Mapping[str, list[str]]) -> Iterator[str]:
    artifact, identity = change.artifact, change.address.identity
    if isinstance(artifact, PrivateKeyArtifact):
        if change.action in (Action.CREATE, Action.REKEY):
            # A new key and its certificate are one unit, and no key is made before .gitignore keeps it out.
            yield from (f"{identity}/certificate", _IGNORED_KEYS)
    elif isinstance(artifact, CertificateArtifact):
        if change.issuance is not None and change.issuance.key is KeySource.NEW_KEY:
            yield f"{identity}/private-key"
        if not artifact.spec.is_ca:
            yield str(artifact.issuer)
    elif isinstance(artifact, TrustArtifact | RevocationListArtifact):
        yield str(artifact.issuer)
    elif isinstance(artifact, ListCopyArtifact):
        yield str(artifact.source)
    elif change.action is Action.DELETE:
        # What is left of an entry is judged by its certificate: deleted alone, it would leave the key for ever.
        yield from deleted[identity]
    elif str(change.address) == _IGNORED_KEYS and change.action is Action.UPDATE:
        # It lets keys into a repository which this run encrypts.
        yield from encrypted
