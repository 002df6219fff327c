"""The terminal: results to standard output, the story and questions to standard error."""

import os
import shutil
import sys
from typing import TextIO

from edgecerts.errors import StorageError

MAX_WIDTH = 100
_CLEAR_LINE = "\x1b[K"


class Console:
    """Writes to the process's streams, as they are when it is used."""

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

    def draw(self, line: str) -> None:
        """Writes a line over the one that the cursor is in, and stays there."""
        self.tell(f"\r{_CLEAR_LINE}{line}")

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
    def can_draw(self) -> bool:
        """Whether the story goes to a terminal that can be written over."""
        return sys.stderr is not None and sys.stderr.isatty() and os.environ.get("TERM") not in (None, "", "dumb")

    @property
    def columns(self) -> int:
        """Columns for the story's lines, as the terminal is at this moment; results may go elsewhere."""
        try:
            return os.get_terminal_size(sys.stderr.fileno()).columns or 80
        except (OSError, ValueError):
            return 80

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
