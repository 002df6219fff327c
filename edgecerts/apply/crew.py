"""Work on many identities, shared with copies of this process.

A copy (fork) has everything that this process has: the authority's key, passwords, the open output folder. So no secret
is handed to it, and what it hands back is small and has none. It is killed when its maker ends, however that ends.
"""

import contextlib
import ctypes
import fcntl
import os
import pickle
import select
import signal
import struct
import sys
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Generic, NoReturn, Self, TypeVar

from edgecerts.apply.interrupts import interrupts_held
from edgecerts.errors import StorageError


@dataclass(frozen=True, slots=True)
class Task:
    """A unit to be made and staged.

    Attributes:
        number: which of the run's units.
        path: where it is staged, relative to the output folder.
        syncs_each: each of its files is put on the disk at once.
    """

    number: int
    path: str
    syncs_each: bool


Result = TypeVar("Result")

_CHUNK = 4
"""How many tasks are handed over at once."""

_AHEAD = 2
"""How many chunks wait at another process, so that it never does."""

_PIPE_BYTES = 1 << 20
"""What another process can hand back while this one is busy."""

_PR_SET_PDEATHSIG = 1
_SIZE = struct.Struct("<I")


@dataclass(kw_only=True)
class _Mate:
    """Another process.

    Attributes:
        has: the chunks that it has not answered.
    """

    pid: int
    requests: int
    replies: int
    has: deque[list[Task]] = field(default_factory=deque)


class Crew(Generic[Result]):
    """Does tasks, here and in other processes. Without these it does one after the other, here."""

    def __init__(self, work: Callable[[Task], Result], lost: Callable[[StorageError], Result]) -> None:
        """Begins alone.

        Args:
            work: does a task. What it returns can be pickled, and it raises nothing that it expects.
            lost: what is returned for a task in the hands of a process that is gone.
        """
        self._work = work
        self._lost = lost
        self._waiting: deque[Task] = deque()
        self._mates: list[_Mate] = []
        self._has_grown = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Gives up what is not done, and ends the other processes."""
        self._waiting.clear()
        for mate in list(self._mates):
            self._dismiss(mate)

    def grow(self, processes: int) -> None:
        """Begins as many other processes, once. They know what this one knows at this moment.

        What is gone is not begun again: probably there is no room for it.
        """
        if self._has_grown:
            return
        self._has_grown = True
        with interrupts_held():
            for _ in range(processes):
                # Without another process it takes longer, and nothing else.
                with contextlib.suppress(OSError):
                    self._mates.append(self._fork())

    def hand_out(self, tasks: Sequence[Task], *, share: float = 0) -> None:
        """Adds tasks, and lets the other processes begin.

        Args:
            share: the part of them that each other process gets at once, because this one is busy for a while.
        """
        self._waiting.extend(tasks)
        self._feed(max(_AHEAD, int(len(tasks) * share) // _CHUNK))

    def finish(self) -> Iterator[tuple[Task, Result]]:
        """Works until every task is done: each with its result."""
        while self._waiting or any(mate.has for mate in self._mates):
            for task in self._take(_CHUNK if self._mates else 1):
                yield task, self._work(task)
            for mate in self._ready(wait=not self._waiting):
                yield from self._collect(mate)
            self._feed(_AHEAD)

    def _take(self, count: int) -> list[Task]:
        return [self._waiting.popleft() for _ in range(min(count, len(self._waiting)))]

    def _feed(self, chunks: int) -> None:
        for mate in self._mates:
            while self._waiting and len(mate.has) < chunks:
                chunk = self._take(_CHUNK)
                mate.has.append(chunk)
                # One that is gone is found where its answer is read.
                with contextlib.suppress(OSError):
                    _send(mate.requests, chunk)

    def _ready(self, *, wait: bool) -> list[_Mate]:
        """Those that have answered; while one is waited for, at least one that has."""
        busy = {mate.replies: mate for mate in self._mates if mate.has}
        if not busy:
            return []
        poll = select.poll()
        for descriptor in busy:
            poll.register(descriptor, select.POLLIN)
        return [busy[descriptor] for descriptor, _ in poll.poll(None if wait else 0)]

    def _collect(self, mate: _Mate) -> list[tuple[Task, Result]]:
        try:
            results: list[Result] = _receive(mate.replies)
        except (OSError, EOFError):
            status = self._dismiss(mate)
            error = StorageError(
                f"a process that was making keys and certificates was ended by {_cause(status)}",
                hint="what was finished is kept; see that there is memory left, then run the same command again",
            )
            return [(task, self._lost(error)) for chunk in mate.has for task in chunk]
        return list(zip(mate.has.popleft(), results, strict=True))

    def _dismiss(self, mate: _Mate) -> int:
        """Ends a process, and returns how it ended."""
        self._mates.remove(mate)
        os.close(mate.requests)
        os.close(mate.replies)
        # Whatever it may still do is of no use to anybody. How one ended that is gone already stays as it was.
        with contextlib.suppress(ProcessLookupError):
            os.kill(mate.pid, signal.SIGKILL)
        return os.waitpid(mate.pid, 0)[1]

    def _fork(self) -> _Mate:
        theirs, requests = os.pipe()
        replies, answers = os.pipe()
        maker = os.getpid()
        with warnings.catch_warnings():
            # A thread that shows progress does not matter: a copy says nothing, and ends without cleaning up.
            warnings.simplefilter("ignore", DeprecationWarning)
            pid = os.fork()
        if pid == 0:
            self._serve(maker, theirs, answers, (requests, replies))
        os.close(theirs)
        os.close(answers)
        _widen(replies)
        return _Mate(pid=pid, requests=requests, replies=replies)

    def _serve(self, maker: int, requests: int, answers: int, others: tuple[int, ...]) -> NoReturn:
        """What another process does until it is ended. Nothing is done that its maker would do at its own end."""
        try:
            # Signals stay held, as they were when it began: who interrupts the run interrupts its maker.
            _end_with(maker)
            for descriptor in (*others, *(end for mate in self._mates for end in (mate.requests, mate.replies))):
                os.close(descriptor)
            while True:
                chunk: list[Task] = _receive(requests)
                _send(answers, [self._work(task) for task in chunk])
        finally:
            os._exit(1)


def _end_with(maker: int) -> None:
    """Ends this process when its maker ends (Linux, prctl(2)); where it cannot be told so, at the end of its task."""
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != maker:
        os._exit(1)


def _widen(pipe: int) -> None:
    with contextlib.suppress(OSError, AttributeError):
        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)


def _cause(status: int) -> str:
    code = os.waitstatus_to_exitcode(status)
    return signal.Signals(-code).name if code < 0 else f"an error (exit code {code})"


def _send(descriptor: int, value: object) -> None:
    content = pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
    view = memoryview(_SIZE.pack(len(content)) + content)
    while view:
        view = view[os.write(descriptor, view) :]


def _receive(descriptor: int):  # type: ignore[no-untyped-def]
    return pickle.loads(_read(descriptor, _SIZE.unpack(_read(descriptor, _SIZE.size))[0]))  # noqa: S301 (our own copy)


def _read(descriptor: int, size: int) -> bytes:
    parts = []
    while size:
        part = os.read(descriptor, size)
        if not part:
            raise EOFError
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def other_cores() -> int:
    """How many processes beside this one find a core of their own, where a process can be copied: Linux."""
    if sys.platform != "linux":
        return 0
    return len(os.sched_getaffinity(0)) - 1
