"""The terminal: results to standard output, the story and questions to standard error."""

import os
import shutil
import sys
import time
from typing import TextIO

from edgecerts.errors import StorageError

MAX_WIDTH = 100
_CLEAR_LINE = "\x1b[K"


class Console:
    """Writes to the process's streams, as they are when it is used."""

    def __init__(self) -> None:
        self._progress_at = 0.0

    def result(self, text: str) -> None:
        """Writes a result. That its reader has had enough (`plan | head`), or that there is none, is no error.

        Raises:
            StorageError: where it goes cannot take it.
        """
        if sys.stdout is None:
            return
        try:
            sys.stdout.write(text)
            sys.stdout.flush()
        except BrokenPipeError:
            discard(sys.stdout)
        except OSError as error:
            discard(sys.stdout)
            raise StorageError(f"the result cannot be written: {error.strerror}") from None

    def tell(self, text: str) -> None:
        """Writes a part of the story, if anybody listens."""
        if sys.stderr is None:
            return
        try:
            sys.stderr.write(text)
            sys.stderr.flush()
        except OSError:
            discard(sys.stderr)

    def progress(self, done: int, total: int) -> None:
        """Shows how far long work is, on a terminal alone and at most ten times a second."""
        now = time.monotonic()
        if sys.stderr is None or not sys.stderr.isatty() or now - self._progress_at < 0.1:
            return
        if self._progress_at:
            self.tell(f"\r{_CLEAR_LINE}{done:,} of {total:,} files")
        self._progress_at = now

    def end_progress(self) -> None:
        """Removes the line that `progress` wrote."""
        if self._progress_at and sys.stderr.isatty():
            self.tell(f"\r{_CLEAR_LINE}")

    def error(self, message: str, *, hint: str | None = None) -> None:
        """Writes why a command ends early, and what to do about it."""
        from edgecerts.report.printable import printable

        self.tell(f"edgecerts: {printable(message)}\n" + (f"  -> {printable(hint)}\n" if hint else ""))

    @property
    def has_colour(self) -> bool:
        """Whether results go to a terminal that shows colours (no-color.org)."""
        return (
            sys.stdout is not None
            and sys.stdout.isatty()
            and not os.environ.get("NO_COLOR")
            and os.environ.get("TERM") != "dumb"
        )

    @property
    def width(self) -> int:
        """Columns for results: the terminal's, within reason; 80 in a pipe."""
        if sys.stdout is None or not sys.stdout.isatty():
            return 80
        return max(40, min(shutil.get_terminal_size().columns, MAX_WIDTH))

    @property
    def can_ask(self) -> bool:
        """Whether somebody is there to answer."""
        streams = (sys.stdin, sys.stderr)
        return all(stream is not None and stream.isatty() for stream in streams)


def discard(stream: TextIO) -> None:
    """Lets what is still to be written to a stream go nowhere: Python flushes once more when it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
