"""The bar, drawn with rich, which takes a tenth of a second to load: not before somebody waits."""

import sys

from rich.console import Console as Screen
from rich.progress_bar import ProgressBar
from rich.text import Text

from edgecerts.cli.console import Console
from edgecerts.cli.progress import Pace, rate_text, time_left

_SHORTEST = 8
_LONGEST = 40


class Bar:
    """One line that fits the terminal, however wide that is by now."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._screen = Screen(file=sys.stderr, force_terminal=True, highlight=False)

    def draw(self, done: int, total: int, pace: Pace) -> str:
        """The line as the terminal takes it, without an end."""
        # What reaches the last column goes on in the next line on some terminals.
        width = max(1, self._console.columns - 1)
        left, right, bar = _fit(done, total, pace, width)
        screen = self._screen
        screen.width = width
        with screen.capture() as drawn:
            screen.print(Text(left), end=" " if bar else "", soft_wrap=True)
            if bar:
                screen.print(ProgressBar(total=total, completed=done, width=bar), end=" ", soft_wrap=True)
            screen.print(Text(right), end="", soft_wrap=True)
        return drawn.get()


def _fit(done: int, total: int, pace: Pace, width: int) -> tuple[str, str, int]:
    """What stands before and after the bar, and how long that is; 0 where there is no room for one."""
    percent = f"{100 * done // total:3} %"
    rate = f"  {rate_text(pace.rate)}/s" if pace.rate is not None else ""
    left = f"  {time_left(pace.left)}" if pace.left is not None else ""
    ways = (
        (f"{done:,} of {total:,} files", f"{percent}{rate}{left}{' left' if left else ''}"),
        (f"{done:,}/{total:,}", f"{percent}{rate}{left}"),
        (f"{done:,}/{total:,}", f"{percent}{left}"),
    )
    for before, after in ways:
        room = width - len(before) - len(after) - 2
        if room >= _SHORTEST:
            return before, after, min(room, _LONGEST)
    return "", f"{percent}{left}".strip()[:width], 0
