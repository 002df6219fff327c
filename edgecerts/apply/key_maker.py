"""New private keys: one by one where that takes an instant, on all cores and ahead of time where it takes long.

Making an RSA key releases the interpreter's lock, so threads are enough; an elliptic key is made before a thread has
started.
"""

import os
from collections import deque
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self

from edgecerts.apply.interrupts import interrupts_held
from edgecerts.desired.graph import Address, PrivateKeyArtifact
from edgecerts.pki.key_types import KeyType
from edgecerts.pki.private_keys import PrivateKey, generate_private_key
from edgecerts.plan.model import Action, Change

_AHEAD = 64
"""How many keys are made before they are needed: enough for all cores while a group is written."""


class KeyMaker:
    """Makes the keys of a plan. What was begun is given up when this is left."""

    def __init__(self, changes: Iterable[Change] = ()) -> None:
        """Begins with none.

        Args:
            changes: those that will be carried out, in this order.
        """
        slow = (
            change.artifact
            for change in changes
            if isinstance(change.artifact, PrivateKeyArtifact)
            and change.action in (Action.CREATE, Action.REKEY)
            and is_slow(change.artifact.key_type)
        )
        self._waiting = deque((artifact.address, artifact.key_type) for artifact in slow)
        self._begun: dict[Address, Future[PrivateKey]] = {}
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        self._pool = ThreadPoolExecutor(cores) if len(self._waiting) > 1 and cores > 1 else None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)

    @property
    def uses_all_cores(self) -> bool:
        """Whether threads make keys that take long."""
        return self._pool is not None

    def make(self, artifact: PrivateKeyArtifact) -> PrivateKey:
        """A new key, which nobody else gets."""
        if self._pool is not None and is_slow(artifact.key_type):
            self._begin(self._pool)
            begun = self._begun.pop(artifact.address, None)
            if begun is not None:
                return begun.result()
        return generate_private_key(artifact.key_type)

    def _begin(self, pool: ThreadPoolExecutor) -> None:
        # A thread has the signals blocked that its maker had: what one of them takes would interrupt the main thread,
        # whatever that has blocked.
        with interrupts_held():
            while self._waiting and len(self._begun) < _AHEAD:
                address, key_type = self._waiting.popleft()
                self._begun[address] = pool.submit(generate_private_key, key_type)


def is_slow(key_type: KeyType) -> bool:
    """Whether making a key of this type takes long: a search for primes."""
    return key_type.value.startswith("rsa-")
