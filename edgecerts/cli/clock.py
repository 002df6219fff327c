"""The one clock. Everything below the command line is told what time it is."""

import time
from datetime import UTC, datetime


def current_time() -> datetime:
    """Now, in UTC, in whole seconds."""
    return datetime.now(UTC).replace(microsecond=0)


def elapsed() -> float:
    """Seconds since some moment, for how long something takes."""
    return time.monotonic()
