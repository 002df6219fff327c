"""Many runs on one folder at the same moment, and readers beside them."""

import json
import re
import shutil
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from edgecerts.apply import run_apply
from edgecerts.apply.file_system import FileSystem
from edgecerts.desired.graph import Graph
from edgecerts.errors import ExitCode, StorageError
from edgecerts.observed import scan
from edgecerts.observed.inventory import Inventory
from edgecerts.observed.seen import SeenFiles
from edgecerts.plan.model import Action, HazardCode
from edgecerts.plan.options import PlanOptions
from edgecerts.report.plan_json import render_plan_json
from edgecerts.report.status_json import render_status_json
from edgecerts.status.build import build_status
from tests.conftest import COUNTED
from tests.crash.sites import Site
from tests.crash.violations import find_identities, find_violations, read_log

AT_ONCE = 16
REKEYS = 100
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

EVERYBODY = {"ca", "brokers/plant-a", "brokers/plant-b", "clients/MyEACM", "clients/line-4"}

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


def assert_settled(site: Site, *more: str) -> None:
    """Everything is there and belongs together, and nothing is left to do."""
    assert set(find_identities(site.output)) == EVERYBODY | set(more)
    assert list(find_violations(site.output)) == []
    assert {change.action for change in site.plan(NOW).changes} == {Action.NO_OP}
    assert list((site.output / ".edgecerts/staging").iterdir()) == []
    assert not (site.output / ".edgecerts/journal.json").exists()


@pytest.fixture
def site(tmp_path: Path) -> Site:
    made = Site(tmp_path)
    made.write(MANIFEST)
    return made


class Once:
    """Stands in for `scan`, and the first time gives what a reader sees who is overtaken by a whole run."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, overtaken: Callable[[Inventory], Inventory]) -> None:
        self._scan = scan
        self._overtaken: Callable[[Inventory], Inventory] | None = overtaken
        monkeypatch.setattr("edgecerts.apply.run.scan", self)

    def __call__(self, graph: Graph, output: Path, *, manifest_folder: Path, seen: SeenFiles) -> Inventory:
        overtaken, self._overtaken = self._overtaken, None
        found = self._scan(graph, output, manifest_folder=manifest_folder, seen=seen)
        return found if overtaken is None else overtaken(found)


def test_a_first_run_that_is_overtaken_while_it_reads_does_not_take_the_authority_for_lost(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def overtake(before: Inventory) -> Inventory:
        """The authority's folder was read before another run made it, everything else after."""
        assert site.apply(NOW).exit_code is ExitCode.DONE
        inventory = site.run(NOW).look()[0]
        own = {path: found for path, found in before.private_keys.items() if path.startswith("ca/")}
        certificates = {path: found for path, found in before.certificates.items() if path.startswith("ca/")}
        return replace(
            inventory,
            private_keys={**inventory.private_keys, **own},
            certificates={**inventory.certificates, **certificates},
        )

    Once(monkeypatch, overtake)
    report = site.apply(NOW)
    assert report.exit_code is ExitCode.DONE
    assert report.nothing_to_do
    assert_settled(site)
    assert len(read_log(site.output)) == len(EVERYBODY)


def test_a_run_that_is_overtaken_by_another_authority_looks_again(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.write(MANIFEST.replace("Test CA}", "Test CA, password: {env: CA_PASSWORD}}"))
    site.apply(NOW)

    def overtake(before: Inventory) -> Inventory:
        run = replace(
            site.run(NOW), options=PlanOptions(replace=frozenset({"ca"}), allow=frozenset({HazardCode.CA_REPLACED}))
        )
        assert run_apply(run).exit_code is ExitCode.DONE
        return before

    Once(monkeypatch, overtake)
    # The key that it opens is not the one of the certificate that it read.
    assert site.apply(NOW, "broker/plant-a/certificate").exit_code is ExitCode.DONE
    assert {change.action for change in site.plan(NOW).changes} == {Action.NO_OP}


def test_who_took_the_lock_a_moment_ago_is_given_time_to_write_its_name(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = []

    def held(system: FileSystem, descriptor: int) -> None:
        tried.append(descriptor)
        if len(tried) == 2:
            (site.output / ".edgecerts/lock").write_text("process 4711, anna@scada-1")
        raise BlockingIOError

    monkeypatch.setattr(FileSystem, "lock", held)
    with pytest.raises(StorageError, match=r"is at work in this folder: process 4711, anna@scada-1$"):
        site.apply(NOW)
    assert len(tried) == 2


def test_a_refused_run_writes_nothing_not_even_the_lock(site: Site) -> None:
    site.apply(NOW)
    shutil.rmtree(site.output / "ca")
    shutil.rmtree(site.output / ".edgecerts")
    files = site.files()
    assert site.apply(NOW).exit_code is ExitCode.REFUSED
    assert site.files() == files
    assert not (site.output / ".edgecerts").exists()


def test_sixteen_first_runs_make_one_set_of_certificates(
    site: Site, record_property: Callable[[str, object], None]
) -> None:
    with readers(site) as seen:
        runs = [start(site, "apply", "--lock-timeout", "60", "--format", "json") for _ in range(AT_ONCE)]
        looks = [start(site, command, "--format", "json") for command in ("plan", "status") * 3]
        ended, looked = wait(runs), wait(looks)
    assert [run.code for run in ended] == [0] * AT_ONCE, [run.err for run in ended if run.code]
    assert {look.code for look in looked} <= {0, 3}, [look.err for look in looked]
    assert seen.problems == []
    assert_settled(site)
    made = [len(json.loads(run.out)["new_keys"]) for run in ended]
    assert sorted(made) == [*[0] * (AT_ONCE - 1), len(EVERYBODY)]
    assert len(read_log(site.output)) == len(EVERYBODY)
    record_property(COUNTED, f"read {seen.looks} times beside {AT_ONCE} first runs")


def test_runs_that_make_one_fleet_make_each_of_it_once(
    site: Site, record_property: Callable[[str, object], None]
) -> None:
    """As large as is shared by several processes, while others look."""
    names = [f"gw-{number:03}" for number in range(300)]
    site.write(MANIFEST + "roles: {meter: {validity: 90d}}\nclients_from: [{csv: devices.csv, role: meter}]\n")
    (site.folder / "devices.csv").write_text("name\n" + "".join(f"{name}\n" for name in names))
    with readers(site, 1) as seen:
        runs = [start(site, "apply", "--lock-timeout", "60", "--format", "json") for _ in range(4)]
        ended, looked = wait(runs), wait([start(site, "plan", "--format", "json")])
    assert [run.code for run in (*ended, *looked)] == [0] * 5, [run.err for run in ended if run.code]
    assert seen.problems == []
    assert_settled(site, *(f"clients/{name}" for name in names))
    assert sorted(len(json.loads(run.out)["new_keys"]) for run in ended) == [0, 0, 0, len(EVERYBODY) + len(names)]
    assert len(read_log(site.output)) == len(EVERYBODY) + len(names)
    record_property(COUNTED, f"read {seen.looks} times beside 4 runs that make a fleet")


def test_who_does_not_wait_ends_with_1_and_names_who_is_at_work(site: Site) -> None:
    # Making such keys takes as long as it takes the others to come.
    slow = ("slow-1", "slow-2")
    site.write(MANIFEST + "".join(f"  {name}: {{key_type: rsa-3072}}\n" for name in slow))
    runs = [start(site, "apply") for _ in range(AT_ONCE)]
    ended = wait(runs)
    assert {run.code for run in ended} == {0, 1}, [run.err for run in ended]
    holders = {process.pid for process in runs if process.returncode == 0}
    for run in ended:
        if run.code == 1:
            named = re.search(r"another edgecerts apply is at work in this folder: process (\d+), ", run.err)
            assert named is not None, run.err
            assert int(named[1]) in holders
            assert "--lock-timeout" in run.err
            assert run.out == ""
    assert_settled(site, *(f"clients/{name}" for name in slow))
    assert len(read_log(site.output)) == len(EVERYBODY) + len(slow)


def test_rekeys_that_wait_for_each_other_are_all_made(
    site: Site, record_property: Callable[[str, object], None]
) -> None:
    site.apply(NOW)
    with readers(site) as seen:
        rekeys = ("apply", "--lock-timeout", "60", "--replace", "broker/plant-a", "--replace", "client/line-4")
        ended = wait([start(site, *rekeys) for _ in range(AT_ONCE)])
    assert [run.code for run in ended] == [0] * AT_ONCE, [run.err for run in ended if run.code]
    assert seen.problems == []
    assert_settled(site)
    addresses = Counter(entry["address"] for entry in read_log(site.output))
    assert addresses["broker/plant-a/certificate"] == addresses["client/line-4/certificate"] == 1 + AT_ONCE
    assert len(list((site.output / ".edgecerts/replaced").iterdir())) == 2 * AT_ONCE
    record_property(COUNTED, f"read {seen.looks} times beside {AT_ONCE} runs that rekey")


def test_a_reader_never_sees_half_of_a_rekey(site: Site, record_property: Callable[[str, object], None]) -> None:
    site.apply(NOW)
    with readers(site, 1) as seen:
        for _ in range(REKEYS):
            assert site.apply(NOW, "broker/plant-a", "client/MyEACM").exit_code is ExitCode.DONE
    assert seen.problems == []
    assert seen.looks > REKEYS / 10
    record_property(COUNTED, f"read {seen.looks} times beside {REKEYS} rekeys of two")
