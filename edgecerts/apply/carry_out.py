"""From a plan's pending changes to published files: in which order, what goes together, and what a failure stops."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from edgecerts.apply.in_place import narrow_permissions, prune
from edgecerts.apply.interrupts import interrupts_held
from edgecerts.apply.issuing import Workshop
from edgecerts.apply.key_maker import is_slow
from edgecerts.apply.log_file import append_lines
from edgecerts.apply.new_key_files import NewKeyFiles
from edgecerts.apply.output_folder import OutputFolder, reporting
from edgecerts.apply.replaced import stamp_of
from edgecerts.apply.report import Outcome, Status
from edgecerts.apply.repository_guard import RepositoryGuard
from edgecerts.apply.transaction import Draft, DraftFile, Transaction
from edgecerts.desired.graph import (
    LOG_FOLDER,
    PRIVATE_KEY_MODE,
    PUBLIC_MODE,
    ListCopyArtifact,
    PrivateKeyArtifact,
    RevocationListArtifact,
)
from edgecerts.errors import EdgecertsError, StorageError
from edgecerts.plan.model import Action, Change, Plan

OnProgress = Callable[[int, int], None]

_GROUP = 512
"""How many identities share a commit: more would be hardly faster, and lose more work to a power cut ..."""

_SLOW = 8
"""... for which one with a key that takes long to make counts as so many."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Unit:
    """Changes of one identity that are published as one."""

    identity: str
    changes: tuple[Change, ...]


class ChangeFailedError(Exception):
    """One change of a unit that could not be made, so that the others are not made either."""

    def __init__(self, change: Change, error: EdgecertsError) -> None:
        super().__init__(error.message)
        self.change = change
        self.error = error


def build_groups(plan: Plan) -> Iterator[list[Unit]]:
    """The pending changes as units, in groups that are published before the next begins.

    What gets encrypted comes first, so that .gitignore, which lets it into a repository, never comes before it. The
    folder's own files come before every new key, and an authority before what it issues. Revocation lists come last:
    what they revoke because it is replaced must have been replaced, and brokers' copies are of what is in its place.
    """
    encrypted = [change for change in plan.pending if _is_encrypted(change)]
    yield [Unit(identity=change.address.identity, changes=(change,)) for change in encrypted]
    rest: dict[str, list[Change]] = {}
    for change in plan.pending:
        if not _is_encrypted(change) and not _is_list(change):
            rest.setdefault(change.address.identity, []).append(change)
    yield [Unit(identity="folder", changes=(change,)) for change in rest.pop("folder", ())]
    # What the log lacks is on record before anything takes its place.
    yield [Unit(identity="log", changes=tuple(rest.pop("log")))] if "log" in rest else []
    if "ca" in rest:
        yield [Unit(identity="ca", changes=tuple(rest.pop("ca")))]
    units = [Unit(identity=identity, changes=tuple(changes)) for identity, changes in rest.items()]
    group: list[Unit] = []
    weight = 0
    for unit in units:
        group.append(unit)
        weight += _SLOW if any(map(_makes_slow_key, unit.changes)) else 1
        if weight >= _GROUP:
            yield group
            group, weight = [], 0
    yield group
    for kind in (RevocationListArtifact, ListCopyArtifact):
        units = [
            Unit(identity=change.address.identity, changes=(change,))
            for change in plan.pending
            if isinstance(change.artifact, kind)
        ]
        for begin in range(0, len(units), _GROUP):
            yield units[begin : begin + _GROUP]


def _makes_slow_key(change: Change) -> bool:
    artifact = change.artifact
    made = change.action in (Action.CREATE, Action.REKEY)
    return made and isinstance(artifact, PrivateKeyArtifact) and is_slow(artifact.key_type)


def _is_list(change: Change) -> bool:
    return isinstance(change.artifact, RevocationListArtifact | ListCopyArtifact)


def _is_encrypted(change: Change) -> bool:
    return isinstance(change.artifact, PrivateKeyArtifact) and change.action is Action.UPDATE


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
    _done: int = 0

    def carry_out(self, plan: Plan) -> dict[str, Outcome]:
        """Makes each pending change. After a failure, what depends on it is skipped; the rest goes on."""
        total = len(plan.pending)
        for group in build_groups(plan):
            if group:
                with self.folder.holding():
                    self._carry_out_group(group, total)
        return self.outcomes

    def _carry_out_group(self, units: Sequence[Unit], total: int) -> None:
        now = self.workshop.now
        transaction = Transaction(
            self.folder, log=f"{LOG_FOLDER}/{now:%Y}.jsonl", stamp=stamp_of(now), expected=len(units)
        )
        staged: list[tuple[Unit, str]] = []
        is_committing = False
        try:
            for number, unit in enumerate(units):
                self.on_progress(self._done, total)
                self._done += len(unit.changes)
                cause = self._cause(unit)
                if cause is not None:
                    self._skip(unit.changes, cause)
                    continue
                try:
                    if self._begin(unit, transaction, key := f"{number}:{unit.identity}"):
                        staged.append((unit, key))
                except ChangeFailedError as error:
                    self._discard_keys(unit)
                    self._fail(unit, (error.change,), error.error)
                    others = [change for change in unit.changes if change is not error.change]
                    self._skip(others, f"it depends on {error.change.address}, which failed")
                except EdgecertsError as error:
                    self._discard_keys(unit)
                    self._fail(unit, unit.changes, error)
            with interrupts_held():
                is_committing = True
                transaction.commit()
        finally:
            transaction.discard()
            if not is_committing:
                for unit in units:
                    self._discard_keys(unit)
        for unit, key in staged:
            failure = transaction.failures.get(key)
            if failure is not None:
                self._fail(unit, unit.changes, self._with_key_file(unit, failure))
            else:
                self._finish(unit)
        if not transaction.is_finished:
            self.unfinished = transaction.problem
            self.stopped = f"what came before it is not at its end ({transaction.problem}); run edgecerts apply again"

    def _begin(self, unit: Unit, transaction: Transaction, key: str) -> bool:
        """Does what needs no commit, and stages the rest. Whether anything was staged."""
        unusable = self.workshop.keys.failures.get(unit.identity)
        if unusable is not None and not _is_list(unit.changes[0]):
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
        if made:
            transaction.stage(self._draft(key, made))
        else:
            self._finish(unit)
        return bool(made)

    def _record(self, changes: Sequence[Change]) -> None:
        for change in changes:
            with reporting(change.artifact.path):
                append_lines(self.folder, change.artifact.path, self.workshop.make(change).log_lines)

    def _draft(self, key: str, changes: Sequence[Change]) -> Draft:
        files, lines = [], b""
        for change in changes:
            try:
                made = self.workshop.make(change)
                if elsewhere := self.new_keys.place_of(change) is not None:
                    # Before the next change signs with it, or for it.
                    self.new_keys.write(change, made.content)
            except EdgecertsError as error:
                raise ChangeFailedError(change, error) from error
            lines += made.log_lines
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
        return Draft(identity=key, folder=folder, files=tuple(files), log_lines=lines)

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
        if _is_list(unit.changes[0]):
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
