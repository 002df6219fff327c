"""Timing programs in alternating pairs: a machine's speed drifts, and two runs side by side drift together."""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).parent.parent

_BYTECODE = REPOSITORY / "build" / "benchmarks-bytecode"
"""What is installed is compiled already; what lies in a source tree may be compiled each time."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Timing:
    """One run of a program: its wall time, what it worked of that, and the most memory that it had."""

    seconds: float
    worked: float = 0
    megabytes: float = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Figure:
    """One thing that was measured.

    Attributes:
        name: what, with its size; figures of one name can be compared.
        ratio: the median of the pairs' ratios.
        limit: what the ratio has to keep to; None where nothing is promised.
        at_least: the limit is the least, and not the most, that the ratio may be.
        ours, other: medians in seconds.
        megabytes: the most memory of ours.
        ratios: of each pair, in the order in which they ran.
    """

    name: str
    ratio: float
    limit: float | None
    at_least: bool = False
    ours: float
    other: float
    megabytes: float = 0
    ratios: tuple[float, ...] = ()

    @property
    def keeps(self) -> bool:
        """Whether the limit is kept."""
        if self.limit is None:
            return True
        return self.ratio >= self.limit if self.at_least else self.ratio <= self.limit


Measured = Callable[[int], Timing]
"""Runs something, given the number of the pair."""


def run_pairs(
    name: str,
    ours: Measured,
    other: Measured,
    *,
    pairs: int,
    limit: float | None = None,
) -> Figure:
    """Runs two things in turn, each first in every second pair, and compares them.

    Args:
        name: of the figure.
        pairs: how many; one more runs before them and does not count.
    """
    timings = []
    for number in range(pairs + 1):
        first, second = (ours, other) if number % 2 else (other, ours)
        two = {first: first(number), second: second(number)}
        timings.append((two[ours], two[other]))
    del timings[0]
    ratios = tuple(one.seconds / two.seconds for one, two in timings)
    return Figure(
        name=name,
        ratio=statistics.median(ratios),
        limit=limit,
        ours=statistics.median(one.seconds for one, _ in timings),
        other=statistics.median(two.seconds for _, two in timings),
        megabytes=max(one.megabytes for one, _ in timings),
        ratios=ratios,
    )


def run_python(*arguments: str) -> Timing:
    """Runs this Python with these arguments, with the package of this repository.

    Raises:
        RuntimeError: it failed.
    """
    return _run([sys.executable, *arguments])


def run_edgecerts(*arguments: str) -> Timing:
    """Runs the command as its users do, without a terminal.

    Raises:
        RuntimeError: it failed.
    """
    return run_python("-c", "from edgecerts.cli.start import main; main()", *arguments)


def _run(command: Sequence[str]) -> Timing:
    began = time.perf_counter()
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        | {"PYTHONPATH": str(REPOSITORY), "PYTHONPYCACHEPREFIX": str(_BYTECODE)},
    )
    assert process.stderr is not None
    with process.stderr:
        told = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}: {told.decode()}")
    return Timing(seconds=seconds, worked=usage.ru_utime + usage.ru_stime, megabytes=usage.ru_maxrss / 1024)
