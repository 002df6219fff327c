"""How far `apply` is: a bar that fits the terminal, a line every few seconds elsewhere, nothing for what is quick."""

import fcntl
import io
import json
import os
import re
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from edgecerts.apply import groups, key_maker
from edgecerts.cli import progress
from edgecerts.cli.console import Console
from edgecerts.cli.progress import Pace, Progress, time_left
from edgecerts.pki.key_types import KeyType
from edgecerts.pki.private_keys import PrivateKey, generate_private_key
from tests.conftest import Project

FLEET = "version: 1\nca: {common_name: Test CA}\nclients:\n" + "".join(f"  dev-{n:03}:\n" for n in range(30))
FILES = 95
"""Three for each client and for the authority, and the folder's own two."""

ESCAPE = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


class Terminal(io.StringIO):
    """A terminal that remembers everything."""

    columns = 80

    def isatty(self) -> bool:
        return True

    def lines(self) -> list[str]:
        """What was shown in its last line, one after the other, without colours."""
        return [ESCAPE.sub("", line) for line in self.getvalue().split("\r")]


class Streams:
    """Everything of `sys`, with another standard error."""

    def __init__(self, stderr: Terminal) -> None:
        self.stderr = stderr

    def __getattr__(self, name: str) -> Any:
        return getattr(sys, name)


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
    """Standard error is a terminal of 80 columns."""
    made = Terminal()
    # pytest puts its own stream there again when the test begins.
    monkeypatch.setattr("edgecerts.cli.console.sys", Streams(made))
    monkeypatch.setattr(Console, "columns", property(lambda self: made.columns))
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.delitem(sys.modules, "edgecerts.cli.progress_bar", raising=False)
    yield made


class Clock:
    """Time that goes on by itself, by so much at each look."""

    def __init__(self, step: float) -> None:
        self.now, self.step = 100.0, step

    def __call__(self) -> float:
        self.now += self.step
        return self.now


def run_through(*, step: float, total: int = 6000, each: int = 3, may_draw: bool = True) -> None:
    """Shows the progress of a run that makes an identity every `step` seconds, through to its end."""
    shown = Progress(Console(), Clock(step), may_draw=may_draw)
    for done in range(0, total + 1, each):
        shown.show(done, total)
    shown.end()


def test_a_terminal_has_a_bar_with_count_rate_and_time_left(terminal: Terminal) -> None:
    run_through(step=0.01)
    lines = terminal.lines()
    line = next(line for line in lines if " 50 %" in line and "0:10" in line)
    assert re.fullmatch(r"3,0\d\d of 6,000 files ━+[╸╺]?━* 50 %  300/s  0:10 left", line), line
    assert lines[-2:] == ["6,000 files, being read again", ""]
    assert "\n" not in terminal.getvalue()


@pytest.mark.parametrize("columns", [1, 10, 24, 40, 60, 80, 200])
@pytest.mark.parametrize(("total", "each", "step"), [(6_000, 3, 0.01), (300_000, 300, 0.1), (900, 3, 30.0)])
def test_a_line_never_reaches_the_last_column(
    terminal: Terminal, columns: int, total: int, each: int, step: float
) -> None:
    terminal.columns = columns
    run_through(step=step, total=total, each=each)
    lines = terminal.lines()
    assert len(lines) > 10
    assert max(map(len, lines)) <= max(1, columns - 1)
    if columns >= 24:
        assert any(" % " in line and ":" in line for line in lines)
    assert any("━" in line for line in lines) == (columns >= 40)


def test_a_terminal_may_change_its_width(terminal: Terminal) -> None:
    shown, clock = Progress(Console(), clock := Clock(0), may_draw=True), clock
    widths = []
    for number, columns in enumerate((80, 80, 40, 120, 30)):
        terminal.columns, clock.now = columns, 100.0 + 2 * number
        shown.show(300 * number, 6000)
        widths.append(len(terminal.lines()[-1]))
    assert [width < limit for width, limit in zip(widths[1:], (80, 40, 120, 30), strict=True)] == [True] * 4
    assert widths[1] > 60 < widths[3]


def test_a_real_terminal_is_asked_for_its_width(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = os.openpty()
    with os.fdopen(theirs, "w") as stream:
        monkeypatch.setattr(sys, "stderr", stream)
        for columns in (40, 132):
            fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
            assert Console().columns == columns
    os.close(ours)


def test_what_is_quick_has_no_bar_and_loads_nothing_for_it(terminal: Terminal) -> None:
    run_through(step=progress.BAR_AFTER / 2001)
    assert terminal.getvalue() == ""
    assert "edgecerts.cli.progress_bar" not in sys.modules


def test_a_bar_is_drawn_a_few_times_a_second(terminal: Terminal) -> None:
    run_through(step=0.001, total=30_000)
    # Ten seconds, of which the first has none.
    assert 80 <= len(terminal.lines()) <= 100


def test_no_colour_is_no_colour(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    run_through(step=0.01)
    assert re.search(r"\x1b\[[0-9;]*m", terminal.getvalue())
    terminal.truncate(terminal.seek(0))
    monkeypatch.setenv("NO_COLOR", "1")
    run_through(step=0.01)
    assert "━" in terminal.getvalue()
    assert set(ESCAPE.findall(terminal.getvalue())) == {"\x1b[K"}


@pytest.mark.parametrize("name", ["dumb", ""])
def test_a_terminal_that_cannot_be_written_over_gets_lines(
    terminal: Terminal, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", name)
    run_through(step=0.01)
    assert terminal.getvalue().startswith("edgecerts: 1,500 of 6,000 files (25 %), 300 a second, 0:15 left\n")
    assert "\r" not in terminal.getvalue()


def test_where_the_library_is_missing_there_are_lines(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    run_through(step=0.01)
    assert terminal.getvalue().startswith("edgecerts: 1,500 of")


def test_a_log_has_a_line_every_few_seconds(capsys: pytest.CaptureFixture[str]) -> None:
    run_through(step=0.01)
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.splitlines() == [
        "edgecerts: 1,500 of 6,000 files (25 %), 300 a second, 0:15 left",
        "edgecerts: 3,000 of 6,000 files (50 %), 300 a second, 0:10 left",
        "edgecerts: 4,500 of 6,000 files (75 %), 300 a second, 0:05 left",
        "edgecerts: 6,000 of 6,000 files (100 %), 300 a second, 0:00 left",
    ]


def test_a_log_has_no_line_for_what_takes_less(capsys: pytest.CaptureFixture[str]) -> None:
    run_through(step=progress.LINE_EVERY / 2001)
    assert capsys.readouterr().err == ""


def test_the_rate_is_that_of_the_last_seconds() -> None:
    pace = Pace()
    for second in range(100):
        pace.note(second, 10 * second, 20_000)
    for second in range(100, 130):
        pace.note(second, 1000 + 100 * (second - 100), 20_000)
    assert pace.rate == pytest.approx(100)
    assert pace.left == 161


@pytest.mark.parametrize("seen", [[(0, 0)], [(0, 0), (0.2, 300)], [(0, 0), (9, 0)]])
def test_nothing_is_promised_too_early(seen: list[tuple[float, int]]) -> None:
    pace = Pace()
    for now, done in seen:
        pace.note(now, done, 6000)
    assert pace.rate is pace.left is None


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00"), (7, "0:07"), (751, "12:31"), (3723, "1:02:03")])
def test_time_left_is_written_like_a_clock(seconds: int, text: str) -> None:
    assert time_left(seconds) == text


def slow(monkeypatch: pytest.MonkeyPatch, step: float = 2.0) -> None:
    monkeypatch.setattr("edgecerts.cli.apply.elapsed", Clock(step))


def test_apply_tells_a_job_how_far_it_is(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.write(FLEET)
    slow(monkeypatch)
    result = project.apply()
    told = [line for line in result.err.splitlines() if line.startswith("edgecerts: ")]
    assert len(told) >= 8
    assert all(
        re.fullmatch(rf"edgecerts: \d+ of {FILES} files \(\d+ %\), [\d.]+ a second, \d:\d\d left", t) for t in told
    )
    assert "edgecerts: " not in result.out


def test_json_stays_json(project: Project, monkeypatch: pytest.MonkeyPatch, terminal: Terminal) -> None:
    """Also where both go to one terminal."""
    project.write(FLEET)
    slow(monkeypatch)
    result = project.run("apply", "--format", "json")
    assert result.code == 0
    assert json.loads(result.out)["summary"]
    assert "\r" not in terminal.getvalue()
    assert "edgecerts: " in terminal.getvalue()


def test_nothing_to_do_shows_nothing(project: Project, monkeypatch: pytest.MonkeyPatch, terminal: Terminal) -> None:
    project.write(FLEET)
    project.apply()
    slow(monkeypatch)
    terminal.truncate(terminal.seek(0))
    project.apply()
    assert terminal.getvalue() == ""


def test_a_bar_is_gone_when_it_is_over(project: Project, monkeypatch: pytest.MonkeyPatch, terminal: Terminal) -> None:
    project.write(FLEET)
    slow(monkeypatch)
    project.apply()
    assert any("━" in line for line in terminal.lines())
    assert terminal.lines()[-2:] == [f"{FILES} files, being read again", ""]


def interrupt_at(key: int, monkeypatch: pytest.MonkeyPatch, send: signal.Signals = signal.SIGINT) -> None:
    made = iter(range(1, 1_000_000))

    def generate(key_type: KeyType) -> PrivateKey:
        if next(made) == key:
            os.kill(os.getpid(), send)
        return generate_private_key(key_type)

    monkeypatch.setattr(key_maker, "generate_private_key", generate)


def test_who_interrupts_is_told_what_is_done(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.write(FLEET)
    monkeypatch.setattr(groups, "_GROUP", 10)
    with monkeypatch.context() as patch:
        interrupt_at(25, patch)
        result = project.run("apply")
    assert result.code == 130
    # The authority's and the folder's files, and two groups of ten clients.
    done = f"65 of {FILES} files are done, and every file is whole"
    assert result.err.endswith(f"\ninterrupted: {done}; the next edgecerts apply goes on with the rest\n")
    assert len(list(project.output.glob("clients/*/client.pem"))) == 20
    assert "Done: 30 files made" in project.apply().out


def test_an_interruption_removes_the_bar(project: Project, monkeypatch: pytest.MonkeyPatch, terminal: Terminal) -> None:
    project.write(FLEET)
    slow(monkeypatch)
    interrupt_at(25, monkeypatch)
    assert project.run("apply").code == 130
    *_, before, last = terminal.lines()
    assert "━" in before
    assert last.startswith("\ninterrupted: 5 of")


def test_who_interrupts_while_a_group_is_published_is_told_of_that_too(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The signal waits until it is; then it is done."""
    project.write(FLEET)
    monkeypatch.setattr(groups, "_GROUP", 10)
    publish = _calls_before("edgecerts.apply.transaction.sync_published", 4, monkeypatch)
    result = project.run("apply")
    assert publish() == 4
    assert result.code == 130
    assert f"interrupted: 65 of {FILES} files are done" in result.err
    assert len(list(project.output.glob("clients/*/client.pem"))) == 20


def _calls_before(name: str, number: int, monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """Interrupts this process at a call of a function. Returns how often that was called."""
    module, _, last = name.rpartition(".")
    function, calls = getattr(sys.modules[module], last), []

    def stand_in(*arguments: object, **options: object) -> object:
        calls.append(arguments)
        if len(calls) == number:
            os.kill(os.getpid(), signal.SIGINT)
        return function(*arguments, **options)

    monkeypatch.setattr(name, stand_in)
    return lambda: len(calls)


def test_a_run_without_a_terminal_loads_no_rich(project: Project) -> None:
    project.write(FLEET)
    code = (
        "import sys; from edgecerts.cli import apply; apply.elapsed = iter(range(0, 10_000, 3)).__next__\n"
        "from edgecerts.cli.app import app; from edgecerts.cli.exits import run\n"
        f"code = run(app, ['apply', '-f', {str(project.manifest)!r}])\n"
        "sys.exit(code or 'rich' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " a second, " in done.stderr
