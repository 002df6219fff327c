"""One `apply` from plan to report: lock, plan again, fetch secrets, write, look again."""

import contextlib
import functools
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from cryptography import x509

from edgecerts.apply.carry_out import OnProgress, Worker
from edgecerts.apply.core_dumps import forbid_core_dumps
from edgecerts.apply.file_system import FileSystem
from edgecerts.apply.interrupts import interrupts_held
from edgecerts.apply.issuing import Workshop
from edgecerts.apply.key_maker import KeyMaker
from edgecerts.apply.key_ring import KeyRing, gather_keys
from edgecerts.apply.lock import locked
from edgecerts.apply.new_key_files import NewKeyFiles
from edgecerts.apply.output_folder import open_output
from edgecerts.apply.recovery import recover
from edgecerts.apply.replaced import remove_old, stamp_of
from edgecerts.apply.report import ApplyReport, Outcome, Status, with_key_files
from edgecerts.apply.repository_guard import RepositoryGuard, check_local_folder
from edgecerts.apply.secrets import SecretSources
from edgecerts.desired.graph import JOURNAL, STAGING_FOLDER, Graph
from edgecerts.errors import EdgecertsError, InterruptedApplyError, RefusedError, StorageError
from edgecerts.observed import scan
from edgecerts.observed.folder_reader import FolderReader
from edgecerts.observed.inventory import Inventory
from edgecerts.observed.seen import SeenFiles
from edgecerts.plan import make_plan
from edgecerts.plan.delivery import plan_deliveries
from edgecerts.plan.folder_checks import find_insecure_folders
from edgecerts.plan.model import Action, Change, HazardCode, Plan, ReasonCode, rfc3339
from edgecerts.plan.options import PlanOptions
from edgecerts.plan.planner import DEFAULTS
from edgecerts.saved.model import SavedPlan
from edgecerts.saved.selection import Selection, select_everything, select_saved

OnPlan = Callable[[Plan], None]


def _no_progress(done: int, total: int) -> None:
    """Tells nobody."""
    del done, total


@dataclass(frozen=True, kw_only=True)
class Run:
    """What one `apply` works with.

    Attributes:
        manifest: the manifest's name, for the reader.
        manifest_folder: what the manifest's paths are relative to.
        output: the output folder.
        now: the run's one moment, in UTC.
        sources: where passwords come from.
        job: who runs this.
        owners: the numbers of the users that our folders may belong to; None where that is not judged.
        on_plan: is called once with the plan that will be carried out, before anything is asked for or written.
        saved: the reviewed plan that this run is held to, or None.
        on_progress: is called before each identity's changes with how many changes are behind and how many there are;
            once more when all are, and everything is about to be read again.
        new_ca_key_to: the file for the private key of an authority that this run makes, where that is not kept in the
            output folder; else None.
        new_keys_to: the folder for the private keys of brokers and clients that this run makes; None for the output
            folder.
        lock_timeout: how many seconds to wait for another run to end.
        system: what makes the writer's calls.
    """

    graph: Graph
    manifest: str
    manifest_folder: Path
    output: Path
    now: datetime
    sources: SecretSources
    job: str
    on_plan: OnPlan
    options: PlanOptions = DEFAULTS
    owners: frozenset[int] | None = None
    saved: SavedPlan | None = None
    on_progress: OnProgress = _no_progress
    new_ca_key_to: Path | None = None
    new_keys_to: Path | None = None
    lock_timeout: float = 0
    system: FileSystem = field(default_factory=FileSystem)

    @functools.cached_property
    def seen(self) -> SeenFiles:
        """What this run has read so far."""
        return SeenFiles(self.now)

    def read(self) -> Inventory:
        """Reads what of the output folder was touched since it was read last."""
        return scan(self.graph, self.output, manifest_folder=self.manifest_folder, seen=self.seen)

    def look(self, options: PlanOptions | None = None) -> tuple[Inventory, Plan]:
        """Reads the output folder and plans, with other options than this run's where some are given."""
        inventory = self.read()
        plan = make_plan(
            self.graph,
            inventory,
            now=self.now,
            manifest=self.manifest,
            options=self.options if options is None else options,
            owners=self.owners,
        )
        return inventory, plan

    def select(self, plan: Plan, inventory: Inventory) -> Selection:
        """What of a plan will be carried out: all of it, or what was reviewed."""
        if self.saved is None:
            return select_everything(plan)
        return select_saved(plan, self.saved, self.graph, inventory)


def run_apply(run: Run) -> ApplyReport:
    """Makes what the plan says is missing.

    Where there is nothing to do, no file is touched, not even the lock, unless a run that was killed left something.

    Raises:
        SecretError, InvalidKeyError: before anything is written.
        StorageError: the output folder cannot be used at all, is locked, or holds what an interrupted run left and
            cannot be finished. A failure of one identity is in the report instead.
        InterruptedApplyError: it was interrupted while it wrote.
    """
    prepared = _prepare_unlocked(run)
    if prepared is not None and not prepared.plan.pending:
        _tidy(run)
        return _report(run, prepared.selection, {}, prepared.inventory)
    forbid_core_dumps()
    with (
        open_output(run.output, run.system) as folder,
        locked(folder, holder=_holder(run), timeout=run.lock_timeout) as was_killed,
        contextlib.ExitStack() as stack,
    ):
        if has_journal(run.output):
            _check_recovery(run)
        with interrupts_held():
            recovered = recover(folder, was_killed=was_killed, stamp=stamp_of(run.now))
        # What was planned without the lock still has to be true with it.
        if prepared is None or recovered or run.read() != prepared.inventory:
            prepared = _prepare_locked(run)
        maker = stack.enter_context(KeyMaker(prepared.plan.pending))
        new_keys = prepared.new_keys
        in_folder = tuple(change for change in prepared.plan.pending if new_keys.stays(change))
        worker = Worker(
            folder=folder,
            workshop=_workshop(run, prepared, maker),
            guard=RepositoryGuard(output=run.output, changes=in_folder),
            new_keys=new_keys,
            on_progress=run.on_progress,
        )
        with _telling_what_is_done(worker, total=len(prepared.plan.pending)):
            outcomes = worker.carry_out(prepared.plan)
            remove_old(folder, run.now)
            after, again = _look_again(run, outcomes)
        settled = frozenset(change.artifact.path for change in again.settled)
        unmanaged = frozenset(again.unmanaged)
        logged = frozenset(entry.sha256 for entry in after.log)
        confirmed = {address: _confirm(outcome, settled, unmanaged, logged) for address, outcome in outcomes.items()}
        report = _report(run, prepared.selection, confirmed, after)
        report = replace(report, recovered=recovered, unfinished=worker.unfinished)
        return with_key_files(report, new_keys.written)


@contextlib.contextmanager
def _telling_what_is_done(worker: Worker, *, total: int) -> Iterator[None]:
    """Whoever interrupts a run is told how far it came.

    Raises:
        InterruptedApplyError: where somebody stops what is done within.
    """
    try:
        yield
    except KeyboardInterrupt:
        done = sum(outcome.status is Status.DONE for outcome in worker.outcomes.values())
        raise InterruptedApplyError(done, total) from None


@dataclass(frozen=True, kw_only=True, slots=True)
class _Prepared:
    """A plan with everything that it needs."""

    inventory: Inventory
    selection: Selection
    keys: KeyRing
    new_keys: NewKeyFiles

    @property
    def plan(self) -> Plan:
        return self.selection.plan


def _workshop(run: Run, prepared: _Prepared, maker: KeyMaker) -> Workshop:
    return Workshop(
        inventory=prepared.inventory,
        keys=prepared.keys,
        certificates=_existing_authorities(run.graph, prepared.inventory),
        lists=_existing_lists(run.graph, prepared.inventory),
        requests={
            identity.address: identity.request.path
            for identity in run.graph.end_entities
            if identity.request is not None
        },
        now=run.now,
        job=run.job,
        maker=maker,
    )


def _prepare_unlocked(run: Run) -> _Prepared | None:
    """Prepares without the lock, because a run with nothing to do must not even take that.

    Returns:
        None where it takes the lock to know: another run was or is publishing, and what was read may be half of that.
    """
    if has_journal(run.output):
        return None
    inventory, fresh = run.look()
    selection = run.select(fresh, inventory)
    try:
        prepared = _prepare(run, inventory, selection)
    except EdgecertsError:
        # The key that does not fit may be newer than the certificate that was read.
        if _is_still(run, inventory):
            raise
        return None
    if prepared.keys.failures and not _is_still(run, inventory):
        # As above, of one identity's key.
        return None
    waits = any(change.action is not Action.NO_OP for change in selection.plan.changes) or selection.stale
    # An authority that was read before it came, with what it issued read afterwards, looks like one that was lost.
    sure = selection.plan.pending or not waits or _is_still(run, inventory)
    return prepared if sure else None


def _is_still(run: Run, inventory: Inventory) -> bool:
    """Whether what was read is there as a whole: everything is the same when it is read again."""
    return not inventory.interrupted and run.read() == inventory


def _prepare_locked(run: Run) -> _Prepared:
    """Prepares with the lock held: nobody else writes."""
    inventory, fresh = run.look()
    return _prepare(run, inventory, run.select(fresh, inventory))


def _prepare(run: Run, inventory: Inventory, selection: Selection) -> _Prepared:
    """Tells the plan, and fetches what it needs."""
    new_keys = NewKeyFiles(
        output=run.output,
        root=run.graph.authorities[0],
        authority=run.new_ca_key_to,
        folder=run.new_keys_to,
        inventory=inventory,
        system=run.system,
    )
    run.on_plan(selection.plan)
    new_keys.check(selection.plan)
    forbid_core_dumps()
    keys = gather_keys(selection.plan, run.graph, inventory, reader=FolderReader(run.output), sources=run.sources)
    return _Prepared(inventory=inventory, selection=selection, keys=keys, new_keys=new_keys)


def _check_recovery(run: Run) -> None:
    """What an interrupted run left is only finished where nobody else could have left it.

    Raises:
        RefusedError, StorageError: somebody could.
    """
    inventory = run.read()
    insecure = find_insecure_folders(inventory, run.owners) if run.owners is not None else None
    if insecure is not None and HazardCode.INSECURE_FOLDER not in run.options.allow:
        raise RefusedError(f"an interrupted apply is not finished here: {insecure.message}", hint=insecure.hint)
    check_local_folder(run.output)


def _tidy(run: Run) -> None:
    """Throws away what a run that was killed had staged, unless another is staging at this moment."""
    staging = run.output / STAGING_FOLDER
    with contextlib.suppress(OSError, StorageError):
        if any(staging.iterdir()):
            with (
                open_output(run.output, run.system) as folder,
                locked(folder, holder=_holder(run), timeout=0) as was_killed,
            ):
                recover(folder, was_killed=was_killed, stamp=stamp_of(run.now))


def _holder(run: Run) -> str:
    return f"process {os.getpid()}, {run.job}, since {rfc3339(run.now)}"


def has_journal(output: Path) -> bool:
    """Whether an apply is publishing at this moment, or was interrupted in it."""
    return os.path.lexists(output / JOURNAL)


def _existing_authorities(graph: Graph, inventory: Inventory) -> dict[str, x509.Certificate]:
    certificates = {}
    for identity in graph.authorities:
        found = inventory.certificates[identity.certificate.path]
        if found.value:
            certificates[str(identity.certificate.address)] = found.value[0].certificate
    return certificates


def _existing_lists(graph: Graph, inventory: Inventory) -> dict[str, x509.CertificateRevocationList]:
    lists = {}
    for artifact in (artifact for identity in graph.authorities for artifact in identity.revocation_lists):
        found = inventory.revocation_lists[artifact.path]
        if found.value:
            lists[str(artifact.address)] = found.value[0].crl
    return lists


def _look_again(run: Run, done: Iterable[str]) -> tuple[Inventory, Plan]:
    """Reads the folder from disk and plans without the requests that were carried out.

    Args:
        done: the addresses of what was carried out, which may be more than was asked for.
    """
    targets = run.options.targets and run.options.targets.union(done)
    settled = replace(run.options, targets=targets, replace=frozenset(), replace_missing_keys=False, new_ca_key=False)
    return run.look(settled)


def _confirm(outcome: Outcome, settled: frozenset[str], unmanaged: frozenset[str], logged: frozenset[str]) -> Outcome:
    """What is said to be done has been read from disk: as declared, or deleted and gone, or on record."""
    path, records = outcome.change.artifact.path, outcome.change.records
    recorded = bool(records) and all(record.facts.sha256 in logged for record in records)
    gone = outcome.change.action is Action.DELETE and path not in unmanaged
    if outcome.status is not Status.DONE or path in settled or gone or recorded:
        return outcome
    return Outcome(
        change=outcome.change,
        status=Status.FAILED,
        error="it was written, but is not as declared when read again",
        hint="run edgecerts plan to see how it differs",
    )


def _report(run: Run, selection: Selection, outcomes: Mapping[str, Outcome], after: Inventory) -> ApplyReport:
    """Puts the outcomes in the plan's order, together with what was blocked or refused."""
    plan = selection.plan
    everything = {**outcomes}
    changes = {str(change.address): change for change in plan.changes}
    for remark in plan.blocked:
        everything[remark.address] = Outcome(
            change=changes[remark.address], status=Status.BLOCKED, error=remark.message, hint=remark.hint
        )
    refusals = _refusals(plan)
    for change in plan.refused:
        hazard = refusals.get(change.address.identity, refusals.get("", ""))
        everything[str(change.address)] = Outcome(change=change, status=Status.REFUSED, error=hazard)
    ordered = [everything[str(change.address)] for change in plan.changes if str(change.address) in everything]
    done = [outcome.change for outcome in ordered if outcome.status is Status.DONE]
    made, new_keys = [change.artifact for change in done], frozenset(plan.new_keys)
    root = run.graph.authorities[0]
    new_authority = any(
        change.address == root.private_key.address and change.action in (Action.CREATE, Action.REKEY) for change in done
    ) or any(change.address == root.certificate.address and _begins_anew(change) for change in done)
    authority = after.certificates[root.certificate.path].value if new_authority else None
    return ApplyReport(
        plan=plan,
        outcomes=tuple(ordered),
        new_authority=authority[0].spki_sha256 if authority else None,
        deliver=plan_deliveries(run.graph.identities, done),
        new_keys=tuple(artifact.path for artifact in made if artifact.path in new_keys),
        stale=selection.stale,
        left=selection.left,
    )


def _begins_anew(change: Change) -> bool:
    """Whether an authority's certificate is the first for its key, as far as anything here shows."""
    asked = any(reason.code is ReasonCode.REPLACE_REQUESTED for reason in change.reasons)
    is_first = change.issuance is not None and change.issuance.lineage is None
    return is_first and (change.action is Action.CREATE or asked)


def _refusals(plan: Plan) -> dict[str, str]:
    """The hazard that each identity is refused for; the whole run's stands under the empty name."""
    refusals = {hazard.address: hazard.code for hazard in plan.refusals}
    whole_run = [hazard.code for hazard in plan.refusals if HazardCode(hazard.code).refuses_everything]
    return {"": whole_run[0]} if whole_run else refusals
