"""The one clock. Everything below the command line is told what time it is."""

from datetime import UTC, datetime


def current_time() -> datetime:
    """Now, in UTC, in whole seconds."""
    return datetime.now(UTC).replace(microsecond=0)
