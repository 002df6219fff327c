"""What every test may use: a fixed moment, a project in an empty folder, and no skip where CI runs."""

import os
import signal
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from edgecerts.cli import clock
from edgecerts.cli.app import app
from edgecerts.cli.exits import run

for _signal in (signal.SIGINT, signal.SIGHUP):
    if signal.getsignal(_signal) is signal.SIG_IGN:
        # Programs that tests start inherit that, and one that runs in the background, or under nohup, has it so.
        signal.signal(_signal, signal.SIG_DFL)

NOW = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)


COUNTED = "counted"
"""A test that looks at many points records under this name how many there were, in words, for the end of the output."""


@dataclass(frozen=True)
class Result:
    """How a command ended and what it printed."""

    code: int
    out: str
    err: str


@dataclass
class Project:
    """A folder with a manifest, and the program run on it in this process with a fixed clock."""

    folder: Path
    capture: pytest.CaptureFixture[str]
    now: datetime = NOW

    @property
    def manifest(self) -> Path:
        return self.folder / "pki.yaml"

    @property
    def output(self) -> Path:
        return self.folder / "pki"

    def write(self, text: str) -> None:
        """Writes the manifest."""
        self.manifest.write_text(text, encoding="utf-8")

    def run(self, command: str, *arguments: str) -> Result:
        """Runs a command on this manifest."""
        self.capture.readouterr()
        code = run(app, [command, "-f", str(self.manifest), *arguments])
        printed = self.capture.readouterr()
        return Result(code=code, out=printed.out, err=printed.err)

    def apply(self) -> Result:
        """Runs `apply` and expects it to succeed."""
        result = self.run("apply")
        assert result.code == 0, result.out + result.err
        return result

    def files(self) -> dict[str, tuple[bytes, int, int]]:
        """Every file below the output folder with its content, mode and modification time."""
        found = (path for path in sorted(self.output.rglob("*")) if path.is_file())
        return {
            path.relative_to(self.output).as_posix(): (
                path.read_bytes(),
                path.stat().st_mode & 0o7777,
                # Who holds the lock writes its name into the file, and takes it out again.
                0 if path.name == "lock" else path.stat().st_mtime_ns,
            )
            for path in found
        }


@pytest.fixture
def project(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    """An empty project whose clock stands at `project.now`."""
    made = Project(folder=tmp_path, capture=capsys)
    monkeypatch.setattr(clock, "current_time", lambda: made.now)
    commands = ("plan", "apply", "status", "request", "import_folder")
    for module in (f"edgecerts.cli.{command}" for command in commands):
        monkeypatch.setattr(f"{module}.current_time", lambda: made.now)
    yield made


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Where EDGECERTS_TEST_NO_SKIP is set, as in CI, a skip is a failure: CI installs what the tests need."""
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and os.environ.get("EDGECERTS_TEST_NO_SKIP"):
        report.outcome = "failed"
        report.longrepr = f"skipped where nothing may be skipped: {report.longrepr}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """The same for a whole file that skips itself."""
    report = yield
    if report.skipped and os.environ.get("EDGECERTS_TEST_NO_SKIP"):
        report.outcome = "failed"
        report.longrepr = f"skipped where nothing may be skipped: {report.longrepr}"
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Says what was counted, also where nobody asked for more than failures."""
    passed: list[pytest.TestReport] = terminalreporter.getreports("passed")
    said = [str(value) for report in passed for name, value in report.user_properties if name == COUNTED]
    if said:
        terminalreporter.section("what was counted")
        for line in said:
            terminalreporter.line(line)


SMALL = """\
version: 1
ca: {common_name: Test CA}
brokers:
  plant-a: {common_name: 10.3.0.11, alt_names: [broker.plant-a.example]}
clients:
  MyEACM:
"""
"""One authority, one broker, one client, all with EC P-256 keys."""
