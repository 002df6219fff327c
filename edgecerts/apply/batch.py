"""A group of identities on its way through the steps of a transaction, and what became of each before the commit."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from edgecerts.apply.crew import Task
from edgecerts.apply.staging import Staged
from edgecerts.apply.transaction import Transaction
from edgecerts.errors import StorageError


@dataclass(frozen=True, kw_only=True, slots=True)
class Failed:
    """A unit that was not staged.

    Attributes:
        change: which of its changes failed, so that the others were not made; None where all did.
    """

    message: str
    hint: str | None
    change: int | None = None

    @classmethod
    def lost(cls, error: StorageError) -> "Failed":
        return cls(message=error.message, hint=error.hint)


Result = Staged | Failed | None


@dataclass(kw_only=True)
class Batch:
    """A group on its way.

    Attributes:
        is_shared: other processes may work on it.
        is_handed_out: they have begun, while the group before it was published.
        staged: what is ready, by the number of its unit.
    """

    transaction: Transaction
    tasks: Sequence[Task]
    is_shared: bool
    is_handed_out: bool = False
    is_committing: bool = False
    staged: dict[int, Staged] = field(default_factory=dict)
