"""How far long work is: a bar on a terminal, a line every few seconds in a job's log, nothing for what is quick."""

import importlib.util
from collections import deque
from collections.abc import Callable

from edgecerts.cli.console import Console

BAR_AFTER = 1.0
"""Seconds after which a bar is worth the time that it takes to load what draws it."""

BAR_EVERY = 0.1
LINE_EVERY = 5.0

_WINDOW = 15.0
"""The rate is that of so many seconds: longer than what a group of identities takes to be published."""

_SURE = 0.5
"""After so many seconds a rate says something."""


class Pace:
    """How fast work goes and how long it will take, by what was done lately."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()
        self._total = 0

    def note(self, now: float, done: int, total: int) -> None:
        """So much was done at that second."""
        self._seen.append((now, done))
        self._total = total
        while len(self._seen) > 2 and now - self._seen[1][0] >= _WINDOW:
            self._seen.popleft()

    @property
    def rate(self) -> float | None:
        """How much is done in a second; None where nobody can tell yet."""
        (then, before), (now, done) = self._seen[0], self._seen[-1]
        return (done - before) / (now - then) if now - then >= _SURE and done > before else None

    @property
    def left(self) -> int | None:
        """In how many seconds all will be done; None where nobody can tell yet."""
        return round((self._total - self._seen[-1][1]) / self.rate) if self.rate is not None else None


class Progress:
    """Tells how many files of how many are done."""

    def __init__(self, console: Console, elapsed: Callable[[], float], *, may_draw: bool) -> None:
        """Tells nothing yet.

        Args:
            console: where it is told.
            elapsed: seconds since some moment.
            may_draw: a terminal is shown a bar; else it gets lines, too.
        """
        self._console = console
        self._elapsed = elapsed
        self._bar: Callable[[int, int, Pace], str] | None = None
        self._draws = may_draw and console.can_draw and importlib.util.find_spec("rich") is not None
        self._pace = Pace()
        self._next: float | None = None

    def show(self, done: int, total: int) -> None:
        """So much is done. Called often, and tells it sometimes; once all is done, it is read again."""
        now = self._elapsed()
        if done == total and self._bar is not None:
            self._next = now
        if self._next is None:
            self._pace.note(now, done, total)
            self._next = now + (BAR_AFTER if self._draws else LINE_EVERY)
        if now < self._next:
            return
        self._pace.note(now, done, total)
        if self._draws:
            self._next = now + BAR_EVERY
            self._console.draw(self._draw(done, total))
        else:
            self._next = now + LINE_EVERY
            self._console.tell(f"edgecerts: {', '.join(_line(done, total, self._pace))}\n")

    def end(self) -> None:
        """Removes the bar."""
        if self._bar is not None:
            self._console.draw("")
            self._bar = None

    def _draw(self, done: int, total: int) -> str:
        if self._bar is None:
            from edgecerts.cli.progress_bar import Bar

            self._bar = Bar(self._console).draw
        if done == total:
            return f"{total:,} files, being read again"[: self._console.columns - 1]
        return self._bar(done, total, self._pace)


def time_left(seconds: int) -> str:
    """As a clock shows it: `0:07`, `12:31`, `1:02:03`."""
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def rate_text(rate: float) -> str:
    """A rate below ten is more than a digit."""
    return f"{rate:,.0f}" if rate >= 10 else f"{rate:.1f}"


def _line(done: int, total: int, pace: Pace) -> list[str]:
    parts = [f"{done:,} of {total:,} files ({100 * done // total} %)"]
    if pace.rate is not None and pace.left is not None:
        parts += [f"{rate_text(pace.rate)} a second", f"{time_left(pace.left)} left"]
    return parts
