"""One `apply` from plan to report: lock, plan again, fetch secrets, write, look again."""

import resource
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from cryptography import x509

from edgecerts.apply.issuing import Workshop
from edgecerts.apply.key_ring import gather_keys
from edgecerts.apply.lock import locked
from edgecerts.apply.output_folder import OutputFolder
from edgecerts.apply.report import ApplyReport, Outcome, Status
from edgecerts.apply.repository_guard import RepositoryGuard
from edgecerts.apply.secrets import SecretSources
from edgecerts.desired.graph import Graph, PrivateKeyArtifact
from edgecerts.errors import EdgecertsError, StorageError
from edgecerts.observed import scan
from edgecerts.observed.folder_reader import FolderReader
from edgecerts.observed.inventory import Inventory
from edgecerts.plan import make_plan
from edgecerts.plan.delivery import plan_deliveries
from edgecerts.plan.model import Action, Change, HazardCode, Plan
from edgecerts.plan.options import PlanOptions
from edgecerts.plan.planner import DEFAULTS
from edgecerts.saved.model import SavedPlan
from edgecerts.saved.selection import Selection, select_everything, select_saved

OnPlan = Callable[[Plan], None]
OnProgress = Callable[[int, int], None]


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
        on_progress: is called after each change with how many are behind and how many there are.
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

    def look(self) -> tuple[Inventory, Plan]:
        """Reads the output folder and plans."""
        inventory = scan(self.graph, self.output, manifest_folder=self.manifest_folder)
        plan = make_plan(
            self.graph,
            inventory,
            now=self.now,
            manifest=self.manifest,
            options=self.options,
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

    Where there is nothing to do, no file is touched, not even the lock.

    Raises:
        SecretError, InvalidKeyError: before anything is written.
        StorageError: the output folder cannot be used at all, or changed while this began. A failure of one identity
            is in the report instead.
    """
    inventory, fresh = run.look()
    selection = run.select(fresh, inventory)
    plan = selection.plan
    run.on_plan(plan)
    if not plan.pending:
        return _report(run, selection, {}, inventory)
    _forbid_core_dumps()
    keys = gather_keys(plan, run.graph, inventory, reader=FolderReader(run.output), sources=run.sources)
    folder = OutputFolder(run.output)
    with locked(folder):
        # What was planned without the lock still has to be true with it.
        if run.look()[0] != inventory:
            raise StorageError("the output folder changed while apply began", hint="run edgecerts apply again")
        folder.discard_staged()
        workshop = Workshop(
            folder=folder,
            inventory=inventory,
            keys=keys,
            certificates=_existing_authorities(run.graph, inventory),
            now=run.now,
            job=run.job,
        )
        guard = RepositoryGuard(output=run.output, changes=plan.pending)
        outcomes = _carry_out(plan, workshop, guard, run.on_progress)
        after, again = _look_again(run)
        settled = frozenset(change.artifact.path for change in again.settled)
        unmanaged = frozenset(again.unmanaged)
        confirmed = {address: _confirm(outcome, settled, unmanaged) for address, outcome in outcomes.items()}
        return _report(run, selection, confirmed, after)


def _forbid_core_dumps() -> None:
    """From here on keys and passwords are in memory; a core file would hold them."""
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, hard))


def _existing_authorities(graph: Graph, inventory: Inventory) -> dict[str, x509.Certificate]:
    certificates = {}
    for identity in graph.authorities:
        found = inventory.certificates[identity.certificate.path]
        if found.value:
            certificates[str(identity.certificate.address)] = found.value[0].certificate
    return certificates


def _carry_out(plan: Plan, workshop: Workshop, guard: RepositoryGuard, on_progress: OnProgress) -> dict[str, Outcome]:
    """Makes each pending change in order. After a failure, what depends on it is skipped; the rest goes on."""
    outcomes: dict[str, Outcome] = {}
    failed: set[str] = set()
    # What gets encrypted comes first, so that .gitignore, which lets it into a repository, never comes before it.
    pending = sorted(plan.pending, key=lambda change: not _encrypts(change))
    for number, change in enumerate(pending):
        on_progress(number, len(pending))
        identity = change.address.identity
        cause = next((name for name in (identity, "ca", "folder") if name in failed), None)
        if identity == "folder" and failed:
            # A key that could not be encrypted must stay out of a repository, and so does every other then.
            cause = min(failed)
            failed.add(identity)
        if cause is not None:
            outcomes[str(change.address)] = Outcome(
                change=change, status=Status.SKIPPED, error=f"it depends on {cause}, which failed"
            )
            continue
        try:
            guard.check(change)
            workshop.make(change)
        except EdgecertsError as error:
            failed.add(identity)
            outcomes[str(change.address)] = Outcome(
                change=change, status=Status.FAILED, error=error.message, hint=error.hint
            )
            _undo_rekey(workshop, identity, outcomes)
        else:
            outcomes[str(change.address)] = Outcome(change=change, status=Status.DONE)
    return outcomes


def _undo_rekey(workshop: Workshop, identity: str, outcomes: dict[str, Outcome]) -> None:
    """A new key without its certificate serves nobody: the old pair stays together."""
    rekeyed = outcomes.get(f"{identity}/private-key")
    try:
        if workshop.undo_rekey(identity) and rekeyed is not None:
            outcomes[str(rekeyed.change.address)] = replace(
                rekeyed, status=Status.FAILED, error="its certificate could not be made, so the old key was put back"
            )
    except EdgecertsError as error:
        if rekeyed is not None:
            outcomes[str(rekeyed.change.address)] = replace(
                rekeyed, status=Status.FAILED, error=error.message, hint="the old key is in .edgecerts/replaced"
            )


def _encrypts(change: Change) -> bool:
    return isinstance(change.artifact, PrivateKeyArtifact) and change.action is Action.UPDATE


def _look_again(run: Run) -> tuple[Inventory, Plan]:
    """Reads the folder from disk and plans without the requests that were carried out."""
    settled = replace(run.options, replace=frozenset(), replace_missing_keys=False)
    return replace(run, options=settled).look()


def _confirm(outcome: Outcome, settled: frozenset[str], unmanaged: frozenset[str]) -> Outcome:
    """What is said to be done has been read from disk and is as declared; what was deleted is gone."""
    path = outcome.change.artifact.path
    gone = outcome.change.action is Action.DELETE and path not in unmanaged
    if outcome.status is not Status.DONE or path in settled or gone:
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
    made = [change.artifact for change in done]
    root = run.graph.authorities[0]
    new_authority = any(
        change.address == root.private_key.address and change.action in (Action.CREATE, Action.REKEY) for change in done
    ) or any(change.address == root.certificate.address and change.action is Action.CREATE for change in done)
    authority = after.certificates[root.certificate.path].value if new_authority else None
    return ApplyReport(
        plan=plan,
        outcomes=tuple(ordered),
        new_authority=authority[0].spki_sha256 if authority else None,
        deliver=plan_deliveries(run.graph.end_entities, done),
        new_keys=tuple(artifact.path for artifact in made if artifact.path in plan.new_keys),
        stale=selection.stale,
        left=selection.left,
    )


def _refusals(plan: Plan) -> dict[str, str]:
    """The hazard that each identity is refused for; the whole run's stands under the empty name."""
    refusals = {hazard.address: hazard.code for hazard in plan.refusals}
    whole_run = [hazard.code for hazard in plan.refusals if HazardCode(hazard.code).refuses_everything]
    return {"": whole_run[0]} if whole_run else refusals
