"""The terminal: results to standard output, the story and questions to standard error."""

import os
import shutil
import sys

MAX_WIDTH = 100


class Console:
    """Writes to the process's streams, as they are when it is used."""

    def result(self, text: str) -> None:
        """Writes a result. That its reader has had enough (`plan | head`) is no error."""
        try:
            sys.stdout.write(text)
            sys.stdout.flush()
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

    def tell(self, text: str) -> None:
        """Writes a part of the story."""
        sys.stderr.write(text)
        sys.stderr.flush()

    def error(self, message: str, *, hint: str | None = None) -> None:
        """Writes why a command ends early, and what to do about it."""
        from edgecerts.report.printable import printable

        message = printable(message)
        self.tell(f"edgecerts: {message}\n" + (f"  -> {hint}\n" if hint else ""))

    @property
    def has_colour(self) -> bool:
        """Whether results go to a terminal that shows colours (no-color.org)."""
        return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"

    @property
    def width(self) -> int:
        """Columns for results: the terminal's, within reason; 80 in a pipe."""
        if not sys.stdout.isatty():
            return 80
        return max(40, min(shutil.get_terminal_size().columns, MAX_WIDTH))

    @property
    def can_ask(self) -> bool:
        """Whether somebody is there to answer."""
        return sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()
