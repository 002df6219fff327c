"""Ctrl-C, SIGTERM and a closed terminal at any point: exit code 130, a whole folder, and the next run goes on."""

import fcntl
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from edgecerts import __version__
from tests.conftest import COUNTED
from tests.crash import scenarios
from tests.crash.scenarios import Scenario, find_lost_files, go_on
from tests.crash.sites import Site
from tests.crash.traced import CHANGING, Call, run_traced
from tests.crash.violations import find_identities, find_violations

AT_A_TIME = 3
"""More than there are processors: a run that is held for a moment needs none."""

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

SAID = re.compile(
    r"interrupted: every file is whole; edgecerts plan shows where things stand"
    r"|interrupted: \d+ of \d+ files are done, and every file is whole; the next edgecerts apply goes on with the rest"
    r"|"
)
"""Nothing is said as long as nothing is loaded."""


@pytest.mark.parametrize(
    ("prepare", "step"), [(scenarios.first_run, 7), (scenarios.rekey_of_a_pair, 3)], ids=["first run", "rekey"]
)
def test_a_run_that_is_interrupted_while_it_writes_leaves_nothing_half_done(
    prepare: Callable[[Path], Scenario], step: int, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    scenario = prepare(tmp_path / "before")
    calls = scenario.calls(tmp_path / "whole")
    chosen = [*calls[::step], *(call for call in calls if call.name == "renameat2")]

    def interrupt(number: int) -> list[str]:
        send = SIGNALS[number % len(SIGNALS)]
        found = _interrupt(scenario, chosen[number], send, tmp_path / str(number))
        return [f"{send.name} at {chosen[number]}: {problem}" for problem in found]

    assert _find(interrupt, len(chosen)) == []
    record_property(COUNTED, f"interrupted at {len(chosen)} points: {prepare.__name__.replace('_', ' ')}")


def test_a_run_that_is_interrupted_while_it_loads_reads_or_ends_ends_quietly(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    scenario = scenarios.rekey_of_a_pair(tmp_path / "before")
    site = scenario.site.copy(tmp_path / "whole")
    whole = run_traced(_arguments(scenario, site), output=site.output, watch=["openat"])
    # Before that it is Python that loads itself, and says what it likes.
    begin = next(n for n, call in enumerate(whole.calls) if "/start." in call.about and call.about.count("cli"))
    chosen = whole.calls[begin + 2 :: 40]

    def interrupt(number: int) -> list[str]:
        found = _interrupt(scenario, chosen[number], SIGNALS[number % len(SIGNALS)], tmp_path / str(number))
        return [f"{chosen[number]}: {problem}" for problem in found]

    assert _find(interrupt, len(chosen)) == []
    record_property(COUNTED, f"interrupted at {len(chosen)} points: loading and reading")


@pytest.mark.parametrize("send", SIGNALS, ids=lambda send: send.name)
def test_who_waits_for_the_lock_can_be_interrupted(tmp_path: Path, send: signal.Signals) -> None:
    scenario = scenarios.rekey_of_a_pair(tmp_path / "site")
    site = scenario.site
    third = Call(name="flock", number=3, about="")
    with (site.output / ".edgecerts/lock").open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        before = site.files()
        arguments = [*_arguments(scenario, site), "--lock-timeout", "60"]
        ended = run_traced(arguments, output=site.output, at=third, send=send, watch=["flock"])
        assert ended.code == 130, ended.err
        assert "Traceback" not in ended.err
        assert site.files() == before


def test_a_run_under_nohup_goes_on_when_its_terminal_is_closed(tmp_path: Path) -> None:
    scenario = scenarios.first_run(tmp_path / "site")
    site = scenario.site
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        commit = Call(name="renameat", number=4, about="")
        ended = run_traced(_arguments(scenario, site), output=site.output, at=commit, send=signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)
    assert ended.code == 0, ended.err
    assert set(find_identities(site.output)) == scenarios.EVERYBODY


@pytest.mark.parametrize("send", SIGNALS, ids=lambda send: send.name)
def test_a_signal_after_the_end_changes_no_exit_code(send: signal.Signals) -> None:
    last = f"atexit.register(os.kill, os.getpid(), {int(send)})"
    assert _run_main(last) == (0, f"edgecerts {__version__}\n", "")


def test_a_second_signal_is_no_bug() -> None:
    again = "exits.run = lambda app, arguments: (_ for _ in ()).throw(KeyboardInterrupt)"
    assert _run_main(f"from edgecerts.cli import exits; {again}") == (130, "", "")


def _run_main(before: str) -> tuple[int, str, str]:
    """Runs `--version` in a process of its own, after a statement. Returns its exit code and what it printed."""
    program = f"import atexit, os, sys\nfrom edgecerts.cli.start import main\n{before}\nmain()\n"
    ended = subprocess.run([sys.executable, "-c", program, "--version"], capture_output=True, text=True, timeout=60)
    return ended.returncode, ended.stdout, ended.stderr


def _find(look: Callable[[int], list[str]], count: int) -> list[str]:
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        return [problem for found in pool.map(look, range(count)) for problem in found]


def _arguments(scenario: Scenario, site: Site) -> list[str]:
    return ["apply", "-f", str(site.manifest), *scenario.arguments]


def _interrupt(scenario: Scenario, call: Call, send: signal.Signals, folder: Path) -> Iterator[str]:
    """Sends a signal to a copy's run at the call. Says what is wrong then, or becomes wrong later."""
    site = scenario.site.copy(folder)
    before = find_identities(site.output)
    ended = run_traced(_arguments(scenario, site), output=site.output, at=call, send=send, watch=[*CHANGING, "openat"])
    if ended.code != 130 or SAID.fullmatch(ended.err.strip()) is None:
        yield f"ended with {ended.code} and said {ended.err}"
    yield from find_violations(site.output)
    yield from (f"{path} is gone" for path in before.keys() - find_identities(site.output).keys())
    if any((site.output / ".edgecerts").rglob("journal*")):
        yield "a signal left a journal"
    yield from go_on(site)
    if before:
        yield from find_lost_files(site)
