"""From a plan's pending changes to published files: in which order, what goes together, and what a failure stops."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from edgecerts.apply.batch import Batch, Failed, Result
from edgecerts.apply.crew import Crew, Task, other_cores
from edgecerts.apply.file_system import FileSystem
from edgecerts.apply.groups import Unit, build_groups
from edgecerts.apply.in_place import narrow_permissions, prune
from edgecerts.apply.interrupts import interrupts_held
from edgecerts.apply.issuing import Workshop
from edgecerts.apply.log_file import append_lines
from edgecerts.apply.new_key_files import NewKeyFiles
from edgecerts.apply.output_folder import OutputFolder, reporting
from edgecerts.apply.replaced import stamp_of
from edgecerts.apply.report import Outcome, Status
from edgecerts.apply.repository_guard import RepositoryGuard
from edgecerts.apply.staging import Draft, DraftFile, Staged, stage_draft
from edgecerts.apply.transaction import MANY, Transaction
from edgecerts.desired.graph import (
    LOG_FOLDER,
    PRIVATE_KEY_MODE,
    PUBLIC_MODE,
    CertificateArtifact,
    PrivateKeyArtifact,
    TrustArtifact,
)
from edgecerts.errors import EdgecertsError, StorageError
from edgecerts.plan.model import Action, Change, Plan

OnProgress = Callable[[int, int], None]

_SHARED_FROM = 256
"""From so many units on, other processes help: they are ready when this one has made twenty."""

_SEALED = 64
"""A unit whose key is encrypted counts as so many: that takes tenths of a second."""

_SHARE_AHEAD = 0.3
"""The part of the next group that each other process may have while this one publishes."""

_SHARED = (PrivateKeyArtifact, CertificateArtifact, TrustArtifact)


class ChangeFailedError(Exception):
    """One change of a unit that could not be made, so that the others are not made either."""

    def __init__(self, change: Change, error: EdgecertsError) -> None:
        super().__init__(error.message)
        self.change = change
        self.error = error


def _weight(unit: Unit) -> int:
    artifacts = (change.artifact for change in unit.changes)
    sealed = any(isinstance(artifact, PrivateKeyArtifact) and artifact.password is not None for artifact in artifacts)
    return _SEALED if sealed else 1


@dataclass(kw_only=True)
class Worker:
    """Carries out a plan.

    Attributes:
        outcomes: what became of each change, by address.
        failed: the identities of which something could not be done.
        stopped: why nothing more may be published, or None.
        unfinished: what keeps what was published from being brought to its end, or None.
    """

    folder: OutputFolder
    workshop: Workshop
    guard: RepositoryGuard
    new_keys: NewKeyFiles
    on_progress: OnProgress
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    failed: set[str] = field(default_factory=set)
    stopped: str | None = None
    unfinished: str | None = None
    _units: Sequence[Unit] = ()
    _mates: int = 0
    _opened: int = 0
    _total: int = 0
    _done: int = 0
    _place: str = ""

    def carry_out(self, plan: Plan) -> dict[str, Outcome]:
        """Makes each pending change. After a failure, what depends on it is skipped; the rest goes on."""
        groups = [group for group in build_groups(plan) if group]
        self._units = [unit for group in groups for unit in group]
        self._total = len(plan.pending)
        self._mates = self._count_mates()
        ahead: Batch | None = None
        with Crew(self._work, Failed.lost) as crew:
            try:
                for number, group in enumerate(groups):
                    with self.folder.holding():
                        batch, ahead = ahead or self._open(group), None
                        try:
                            self._stage(batch, crew)
                            if batch.is_shared and number + 1 < len(groups) and self._is_shared(groups[number + 1]):
                                ahead = self._open(groups[number + 1])
                                self._hand_out(ahead, crew, share=_SHARE_AHEAD)
                            self._commit(batch)
                        except BaseException:
                            # Before what is staged is removed, nobody may write there any more.
                            crew.close()
                            raise
                        finally:
                            self._leave(batch)
            finally:
                crew.close()
                if ahead is not None:
                    ahead.transaction.discard()
        self.on_progress(self._total, self._total)
        return self.outcomes

    def _count_mates(self) -> int:
        """How many other processes are worth it. What a test puts between us and the system is not in them."""
        shared = sum(_weight(unit) for unit in self._units if self._may_be_shared(unit))
        if shared < _SHARED_FROM or self.workshop.maker.uses_all_cores or type(self.folder.system) is not FileSystem:
            return 0
        return other_cores()

    def _is_shared(self, group: Sequence[Unit]) -> bool:
        return self._mates > 0 and len(group) >= MANY and all(map(self._may_be_shared, group))

    def _may_be_shared(self, unit: Unit) -> bool:
        """Whether all that is done for a unit is staging new files in the output folder."""
        return all(
            isinstance(change.artifact, _SHARED)
            and change.action not in (Action.CHMOD, Action.DELETE)
            and unit.identity != "ca"
            and self.new_keys.place_of(change) is None
            for change in unit.changes
        )

    def _open(self, group: Sequence[Unit]) -> Batch:
        """Begins a group, without those that cannot be begun."""
        now = self.workshop.now
        transaction = Transaction(
            self.folder, log=f"{LOG_FOLDER}/{now:%Y}.jsonl", stamp=stamp_of(now), expected=len(group)
        )
        tasks = []
        for number, unit in enumerate(group, self._opened):
            cause = self._cause(unit)
            if cause is not None:
                self._done += len(unit.changes)
                self._skip(unit.changes, cause)
            else:
                tasks.append(Task(number, transaction.reserve(), transaction.syncs_each))
        self._opened += len(group)
        return Batch(transaction=transaction, tasks=tasks, is_shared=self._is_shared(group))

    def _hand_out(self, batch: Batch, crew: Crew[Result], *, share: float = 0) -> None:
        if batch.is_shared and batch.tasks:
            # The others begin with what is known now.
            self.guard.ask()
            batch.transaction.make_place()
            crew.grow(self._mates)
        batch.is_handed_out = True
        crew.hand_out(batch.tasks, share=share)

    def _stage(self, batch: Batch, crew: Crew[Result]) -> None:
        """Makes and stages what a group consists of, in the order of the plan."""
        if self.stopped is not None:
            crew.close()
            for task in batch.tasks:
                self._done += len(self._units[task.number].changes)
                self._skip(self._units[task.number].changes, self.stopped)
            return
        if not batch.is_handed_out:
            self._hand_out(batch, crew)
        for task, result in crew.finish():
            unit = self._units[task.number]
            self.on_progress(self._done, self._total)
            self._done += len(unit.changes)
            self._take(unit, task, result, batch)
        for number in sorted(batch.staged):
            batch.transaction.add(batch.staged[number])

    def _work(self, task: Task) -> Result:
        """Makes and stages one unit, here or in another process."""
        unit = self._units[task.number]
        place = task.path.rpartition("/")[0]
        if place != self._place:
            self._place = place
            self.folder.release()
        try:
            return self._begin(unit, task)
        except ChangeFailedError as error:
            return Failed(change=unit.changes.index(error.change), message=error.error.message, hint=error.error.hint)
        except EdgecertsError as error:
            return Failed(message=error.message, hint=error.hint)

    def _begin(self, unit: Unit, task: Task) -> Staged | None:
        """Does what needs no commit, and stages the rest, if there is any."""
        unusable = self.workshop.keys.failures.get(unit.identity)
        if unusable is not None and not unit.is_list:
            concerned = (change for change in unit.changes if change.issuance is not None)
            raise ChangeFailedError(next(concerned, unit.changes[0]), unusable)
        for change in unit.changes:
            try:
                self.guard.check(change)
            except EdgecertsError as error:
                raise ChangeFailedError(change, error) from error
        made = [change for change in unit.changes if change.action not in (Action.CHMOD, Action.DELETE)]
        if unit.identity == "log":
            self._record(made)
            made = []
        for change in unit.changes:
            if change.action is Action.CHMOD:
                narrow_permissions(self.folder, change.artifact.path)
        removed = [change for change in unit.changes if change.action is Action.DELETE]
        if removed:
            certificate = next((c.artifact.path for c in removed if c.address.part == "certificate"), None)
            paths = [change.artifact.path for change in removed]
            prune(self.folder, paths, certificate=certificate, stamp=stamp_of(self.workshop.now))
        if not made:
            return None
        draft = self._draft(f"{task.number}:{unit.identity}", made)
        return stage_draft(self.folder, draft, task.path, syncs_each=task.syncs_each)

    def _take(self, unit: Unit, task: Task, result: Result, batch: Batch) -> None:
        """What became of a unit before the commit."""
        if isinstance(result, Staged):
            batch.staged[task.number] = result
            if result.issued is not None:
                try:
                    self.workshop.take_note(result.issued)
                except EdgecertsError as error:
                    del batch.staged[task.number]
                    self.folder.drop(task.path)
                    self._discard_keys(unit)
                    self._fail(unit, unit.changes, error)
        elif isinstance(result, Failed):
            self._discard_keys(unit)
            failed = unit.changes if result.change is None else (unit.changes[result.change],)
            self._fail(unit, failed, StorageError(result.message, hint=result.hint))
            others = [change for change in unit.changes if change not in failed]
            self._skip(others, f"it depends on {failed[0].address}, which failed")
        else:
            self._finish(unit)

    def _commit(self, batch: Batch) -> None:
        with interrupts_held():
            batch.is_committing = True
            batch.transaction.commit()
            # Who interrupts the run is told how much is done.
            self._conclude(batch)

    def _leave(self, batch: Batch) -> None:
        batch.transaction.discard()
        if not batch.is_committing:
            for task in batch.tasks:
                self._discard_keys(self._units[task.number])

    def _conclude(self, batch: Batch) -> None:
        """What became of a group."""
        transaction = batch.transaction
        for number, staged in batch.staged.items():
            unit, failure = self._units[number], transaction.failures.get(staged.identity)
            if failure is not None:
                self._fail(unit, unit.changes, self._with_key_file(unit, failure))
            else:
                self._finish(unit)
        if not transaction.is_finished:
            self.unfinished = transaction.problem
            self.stopped = f"what came before it is not at its end ({transaction.problem}); run edgecerts apply again"

    def _record(self, changes: Sequence[Change]) -> None:
        for change in changes:
            with reporting(change.artifact.path):
                append_lines(self.folder, change.artifact.path, self.workshop.make(change).log_lines)

    def _draft(self, key: str, changes: Sequence[Change]) -> Draft:
        files, lines, issued = [], b"", None
        for change in changes:
            try:
                made = self.workshop.make(change)
                if elsewhere := self.new_keys.place_of(change) is not None:
                    # Before the next change signs with it, or for it.
                    self.new_keys.write(change, made.content)
            except EdgecertsError as error:
                raise ChangeFailedError(change, error) from error
            lines += made.log_lines
            issued = made.issued or issued
            if elsewhere:
                continue
            files.append(
                DraftFile(
                    name=change.artifact.path.rpartition("/")[2],
                    content=made.content,
                    mode=PRIVATE_KEY_MODE if isinstance(change.artifact, PrivateKeyArtifact) else PUBLIC_MODE,
                    is_new=change.action is Action.CREATE,
                )
            )
        folder = changes[0].artifact.path.rpartition("/")[0]
        return Draft(identity=key, folder=folder, files=tuple(files), log_lines=lines, issued=issued)

    def _discard_keys(self, unit: Unit) -> None:
        """What was written elsewhere for a unit that was not committed: nobody has seen a certificate for it."""
        self.new_keys.discard(change.artifact.path for change in unit.changes)

    def _with_key_file(self, unit: Unit, error: EdgecertsError) -> EdgecertsError:
        """After the commit a key stays where it was written: its certificate may be on the disk."""
        paths = (change.artifact.path for change in unit.changes)
        place = next((self.new_keys.written[path] for path in paths if path in self.new_keys.written), None)
        if place is None:
            return error
        told = f"its new private key is {place}"
        return StorageError(error.message, hint=f"{error.hint}; {told}" if error.hint else told)

    def _cause(self, unit: Unit) -> str | None:
        """Why a unit is not begun: it, the authority, or the folder's files failed."""
        identity = unit.identity
        if self.stopped is not None:
            return self.stopped
        if unit.is_list:
            # Who was revoked is locked out, whatever else went wrong with somebody.
            return "it depends on ca, which failed" if "ca" in self.failed else None
        cause = next((name for name in (identity, "ca", "folder", "log") if name in self.failed), None)
        if cause is None and identity == "folder" and self.failed:
            # A key that could not be encrypted must stay out of a repository, and so does every other then.
            cause = min(self.failed)
            self.failed.add(identity)
        return f"it depends on {cause}, which failed" if cause is not None else None

    def _finish(self, unit: Unit) -> None:
        for change in unit.changes:
            self.outcomes[str(change.address)] = Outcome(change=change, status=Status.DONE)
            self.workshop.published.add(change.address)

    def _skip(self, changes: Sequence[Change], why: str) -> None:
        for change in changes:
            self.outcomes[str(change.address)] = Outcome(change=change, status=Status.SKIPPED, error=why)

    def _fail(self, unit: Unit, changes: Sequence[Change], error: EdgecertsError) -> None:
        self.failed.add(unit.identity)
        for change in changes:
            self.outcomes[str(change.address)] = Outcome(
                change=change, status=Status.FAILED, error=error.message, hint=error.hint
            )
