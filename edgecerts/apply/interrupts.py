"""Ctrl-C and its like wait for a moment."""

import contextlib
import signal
from collections.abc import Iterator

_WAITING = frozenset({signal.SIGINT, signal.SIGTERM, signal.SIGHUP})


@contextlib.contextmanager
def interrupts_held() -> Iterator[None]:
    """Within, no signal stops the run: what it is about to finish takes milliseconds. What came is heard afterwards."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _WAITING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
