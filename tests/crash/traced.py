"""Running `python -m edgecerts` under strace, which holds it at a chosen call until it gets a signal."""

import os
import re
import select
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.interop.programs import find_program

CHANGING = (
    *("?mkdir", "mkdirat", "?rename", "renameat", "renameat2", "?link", "linkat", "?unlink", "unlinkat", "?rmdir"),
    *("write", "pwrite64", "ftruncate", "fsync", "fdatasync", "fchmod", "?chmod", "fchmodat", "fchown", "fchownat"),
)
"""Every call that changes files. One that creates a file is covered by the first that follows: so is the file there."""

DEADLINE = 60.0
"""Seconds after which something that takes less than one will not happen any more."""

_BEGUN = re.compile(r"^(\d+) +(\w+)\((.*)", re.M)
_RANDOM = re.compile(r"\b[0-9a-f]{8,}\b|\d{8}T\d{6}Z|\d{3,}|(?<=CRL-----\\n)[A-Za-z0-9+/=]+")
OUTPUT = "OUTPUT"
"""Stands for the output folder in what a call is about."""


@dataclass(frozen=True)
class Call:
    """The `number`-th call of this name in a run.

    Attributes:
        about: what it is given, with what differs between two runs left out, and OUTPUT for the output folder.
    """

    name: str
    number: int
    about: str

    @property
    def is_on_output(self) -> bool:
        """Whether it does something to the output folder, or to what is in it."""
        return OUTPUT in self.about

    def __str__(self) -> str:
        return f"{self.name} {self.number} ({self.about})"


@dataclass(frozen=True)
class Ended:
    """How a run ended.

    Attributes:
        calls: those that it began, in their order.
    """

    code: int
    out: str
    err: str
    calls: tuple[Call, ...]


def run_traced(
    arguments: Sequence[str | Path],
    *,
    output: Path,
    at: Call | None = None,
    send: signal.Signals = signal.SIGKILL,
    watch: Sequence[str] = CHANGING,
    failing: Sequence[str] = (),
) -> Ended:
    """Runs the program and watches its calls.

    Args:
        arguments: the program's.
        output: the output folder.
        at: the call that it gets a signal at. It is held there before the call does anything; after SIGKILL the call
            never happens.
        send: the signal.
        watch: the names of the calls.
        failing: calls that are made to fail with an error, as `name:error=ERROR`.
    """
    # strace could send the signal by itself, but then it has to stop at all calls, and takes four times as long.
    hold = "60s" if send is signal.SIGKILL else "200ms"
    changed = [*failing, *([f"{at.name}:delay_enter={hold}:when={at.number}"] if at else [])]
    reading, writing = os.pipe()
    strace = [find_program("strace"), "-f", "-qq", "-y", "--seccomp-bpf", "-o", f"/dev/fd/{writing}"]
    process = subprocess.Popen(
        [
            *(
                *strace,
                "-e",
                f"trace={','.join(watch)}",
                *(word for one in changed for word in ("-e", f"inject={one}")),
            ),
            *(sys.executable, "-m", "edgecerts", *map(str, arguments)),
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        pass_fds=(writing,),
        # What the loader writes is not what is looked at.
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    os.close(writing)
    try:
        text = _follow(process, reading, at, send)
        out, err = process.communicate(timeout=DEADLINE)
    finally:
        os.close(reading)
        process.kill()
    return Ended(code=process.returncode, out=out.decode(), err=err.decode(), calls=tuple(_calls(text, output)))


def _follow(process: subprocess.Popen[bytes], reading: int, at: Call | None, send: signal.Signals) -> str:
    """Sends the signal when it is time, and returns all that strace wrote."""
    text, end, sent = "", time.monotonic() + DEADLINE, at is None
    while select.select([reading], [], [], max(0.0, end - time.monotonic()))[0]:
        part = os.read(reading, 1 << 16)
        if not part:
            return text
        text += part.decode("utf-8", errors="replace")
        if at is None or sent:
            continue
        begun = [match for match in _BEGUN.finditer(text) if match[2] == at.name]
        # What it is about is written in the same breath as its name.
        if len(begun) >= at.number:
            os.kill(int(begun[-1][1]), send)
            sent = True
            if send is signal.SIGKILL:
                # Else strace waits until the call would have been let go.
                process.kill()
    raise AssertionError(f"the program does not end:\n{text}")


def _calls(text: str, output: Path) -> Iterator[Call]:
    numbers: Counter[str] = Counter()
    for match in _BEGUN.finditer(text):
        numbers[match[2]] += 1
        about = match[3].replace(str(output), OUTPUT).partition(" = ")[0].rstrip(" )")
        yield Call(name=match[2], number=numbers[match[2]], about=_RANDOM.sub("*", about))
