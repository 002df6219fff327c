"""What `apply` did, as a value."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from edgecerts.errors import ExitCode
from edgecerts.plan.handover import Delivery
from edgecerts.plan.model import Action, Change, Plan, Remark


@enum.unique
class Status(enum.StrEnum):
    """What became of one change."""

    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"
    BLOCKED = "blocked"
    REFUSED = "refused"


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """One change and what became of it.

    Attributes:
        error: why it failed or was skipped, or None.
        hint: what to do about it, or None.
    """

    change: Change
    status: Status
    error: str | None = None
    hint: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ApplyReport:
    """What `apply` did.

    Attributes:
        plan: what it was asked to do.
        outcomes: one for each change that is not a no-op, in the plan's order.
        new_authority: the SHA-256 of the public key of an authority that this run made, or None.
        deliver: what each host must be given, of what was really done.
        new_keys: paths of private keys that this run made, also of those that it wrote elsewhere.
        key_files: where those are that it wrote elsewhere, by their path.
        stale: changes of a saved plan that were not carried out because something is not as it was.
        left: changes that a saved plan did not have, and that were left.
        unfinished: what keeps what was published from being brought to its end, or None.
        recovered: the folders of identities that an interrupted run was publishing; they were published first.
    """

    plan: Plan
    outcomes: tuple[Outcome, ...]
    new_authority: str | None
    deliver: tuple[Delivery, ...]
    new_keys: tuple[str, ...]
    stale: tuple[Remark, ...] = ()
    left: tuple[Change, ...] = ()
    recovered: tuple[str, ...] = ()
    unfinished: str | None = None
    key_files: Mapping[str, Path] = field(default_factory=dict)

    def count(self, status: Status) -> int:
        """How many changes ended like this."""
        return sum(outcome.status is status for outcome in self.outcomes)

    @property
    def nothing_to_do(self) -> bool:
        settled = all(change.action is Action.NO_OP for change in self.plan.changes)
        return settled and not (
            self.recovered or self.plan.blocked or self.stale or self.left or self.plan.refuses_entries
        )

    @property
    def exit_code(self) -> ExitCode:
        """4 when anything was refused or stale, else 1 when anything was blocked, skipped or failed, else 0."""
        statuses = {outcome.status for outcome in self.outcomes}
        if Status.REFUSED in statuses or self.stale or self.plan.refuses_entries:
            return ExitCode.REFUSED
        if self.unfinished is not None:
            return ExitCode.ERROR
        return ExitCode.ERROR if statuses - {Status.DONE} or self.plan.blocked else ExitCode.DONE


def with_key_files(report: ApplyReport, written: Mapping[str, Path]) -> ApplyReport:
    """A report that says where new private keys are which are not in the output folder.

    Args:
        written: by the path that each would have there. Of what failed in the end, nothing is said.
    """
    files = {path: written[path] for path in report.new_keys if path in written}
    deliver = (
        replace(delivery, files=tuple(path for path in delivery.files if path not in files))
        for delivery in report.deliver
    )
    return replace(report, key_files=files, deliver=tuple(deliver))
