"""Many runs on one folder at the same moment, and readers beside them."""

import json
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from edgecerts.plan.model import Action
from edgecerts.report.plan_json import render_plan_json
from edgecerts.report.status_json import render_status_json
from edgecerts.status.build import build_status
from tests.conftest import COUNTED
from tests.crash.sites import Site
from tests.crash.violations import find_identities, find_violations, read_log

AT_ONCE = 16
DEADLINE = 120

MANIFEST = """\
version: 1
ca: {common_name: Test CA}
brokers:
  plant-a: {common_name: 10.3.0.11, alt_names: [broker.plant-a.example]}
  plant-b: {common_name: 10.3.0.12}
clients:
  MyEACM:
  line-4:
"""

# The programs have the machine's clock.
NOW = datetime.now(UTC).replace(microsecond=0)

BROKEN = frozenset({"key-mismatch", "corrupt", "signature-invalid"})
"""What nobody may ever see: half of one thing and half of another."""


@dataclass
class Readers:
    """Threads that plan and look at the status again and again, until the `with` block ends.

    Attributes:
        looks: how often anybody looked.
        codes: what they saw, by code.
        problems: what they must not see.
    """

    site: Site
    looks: int = 0
    codes: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)

    def look(self) -> None:
        """Plans, and asks for the status, as the two commands do."""
        run = self.site.run(NOW)
        inventory, plan = run.look()
        document = json.loads(render_plan_json(plan))
        status = build_status(run.graph, inventory, plan, now=NOW, within=None)
        codes = {reason["code"] for change in document["changes"] for reason in change["reasons"]}
        for part in ("hazards", "blocked", "notices"):
            codes |= {remark["code"] for remark in document[part]}
        codes |= {notice["code"] for notice in json.loads(render_status_json(status))["notices"]}
        self.looks += 1
        self.codes.update(codes)
        if codes & BROKEN:
            self.problems.append(json.dumps(document["changes"]))


@contextmanager
def readers(site: Site, count: int = 2) -> Iterator[Readers]:
    """Lets readers look as long as the block lasts. They must not see anything broken, nor break themselves."""
    seen, stop = Readers(site), threading.Event()

    def loop() -> None:
        try:
            while not stop.is_set():
                seen.look()
        except BaseException as error:
            seen.problems.append(repr(error))
            raise

    threads = [threading.Thread(target=loop) for _ in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield seen
    finally:
        stop.set()
        for thread in threads:
            thread.join()


@dataclass(frozen=True)
class Ended:
    """How a process ended."""

    code: int
    out: str
    err: str


def start(site: Site, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "edgecerts", arguments[0], "-f", str(site.manifest), *arguments[1:]]
    return subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def wait(processes: Sequence[subprocess.Popen[str]]) -> list[Ended]:
    ended = []
    for process in processes:
        out, err = process.communicate(timeout=DEADLINE)
        ended.append(Ended(code=process.returncode, out=out, err=err))
    return ended


def assert_settled(site: Site) -> None:
    """Everything is there and belongs together, and nothing is left to do."""
    assert set(find_identities(site.output)) == {"ca", "brokers/plant-a", "brokers/plant-b", "clients/MyEACM", "clients/line-4"}
    assert list(find_violations(site.output)) == []
    assert {change.action for change in site.plan(NOW).changes} == {Action.NO_OP}
    assert list((site.output / ".edgecerts/staging").iterdir()) == []
    assert not (site.output / ".edgecerts/journal.json").exists()


@pytest.fixture
def site(tmp_path: Path) -> Site:
    made = Site(tmp_path)
    made.write(MANIFEST)
    return made


def test_sixteen_first_runs_make_one_set_of_certificates(
    site: Site, record_property: Callable[[str, object], None]
) -> None:
    with readers(site) as seen:
        runs = [start(site, "apply", "--lock-timeout", "60", "--format", "json") for _ in range(AT_ONCE)]
        looks = [start(site, command, "--format", "json") for command in ("plan", "status") * 3]
        ended, looked = wait(runs), wait(looks)
    assert [run.code for run in ended] == [0] * AT_ONCE, [run.err for run in ended if run.code]
    assert {look.code for look in looked} <= {0, 3}
    print(seen.codes, seen.looks)
    assert seen.problems == []
    assert_settled(site)
    made = [json.loads(run.out)["summary"]["done"] for run in ended]
    assert sorted(made, reverse=True)[1] == 0
    assert len(read_log(site.output)) == 5
    record_property(COUNTED, f"read {seen.looks} times beside sixteen first runs")
