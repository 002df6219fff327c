"""The runs that are stopped, the folders that they find, and what must hold when they go on."""

import shutil
from collections.abc import Callable, Iterator, Set
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from edgecerts.errors import ExitCode
from edgecerts.plan.model import Action
from tests.crash.sites import Site
from tests.crash.traced import Call, Ended, run_traced
from tests.crash.violations import find_identities, find_violations
from tests.crash_model.scenarios import BATCH, FLEET, FLEET_LATER, INVENTORIES

MANIFEST = """\
version: 1
ca: {common_name: Test CA}
brokers:
  plant-a: {common_name: 10.3.0.11, alt_names: [broker.plant-a.example], validity: 90d}
clients:
  MyEACM:
"""

# The program that is stopped has the machine's clock.
NOW = datetime.now(UTC).replace(microsecond=0)

BROKER = "brokers/plant-a"
EVERYBODY = {"ca", BROKER, "clients/MyEACM"}
PEOPLES_FILES = {"note.txt": "rack 7", "extra/plan.txt": "of the building"}

REVOKING = MANIFEST + "  former:\ndefaults: {revoke_on_rekey: true}\n"
LATER = REVOKING.replace("  former:\n", "") + "revoked: [{name: client/former, reason: key-compromise}]\n"

NO_EXCHANGE = ("renameat2:error=ENOSYS",)


@dataclass(frozen=True)
class Scenario:
    """A run that is stopped.

    Attributes:
        site: where, as it is before.
        everybody: the folders of all identities that there are to be.
        failing: calls that the system does not have, as `run_traced` takes them.
        may_be_absent: the documented price of a system without exchange.
    """

    site: Site
    arguments: tuple[str, ...] = ()
    failing: tuple[str, ...] = ()
    may_be_absent: bool = False
    everybody: Set[str] = frozenset(EVERYBODY)

    def trace(self, site: Site, *, at: Call | None = None) -> Ended:
        """Runs it on a copy of its site; to the end, or until it is killed at a call."""
        arguments = ("apply", "-f", str(site.manifest), *self.arguments)
        ended = run_traced(arguments, output=site.output, at=at, failing=self.failing)
        # Two runs of one scenario make the same calls in the same order.
        assert at is None or ended.calls[-1] == at, ended
        return ended

    def calls(self, folder: Path) -> list[Call]:
        """What a run that nobody disturbs calls, as far as it is about the output folder."""
        ended = self.trace(self.site.copy(folder))
        assert ended.code == 0, ended.err
        failing = {name.partition(":")[0] for name in self.failing}
        return [call for call in ended.calls if call.is_on_output and call.name not in failing]

    def kill_at(self, choose: Callable[[list[Call]], Call]) -> None:
        """Leaves the site as a run leaves it that is killed at the chosen call."""
        calls = self.calls(self.site.folder.with_name("to choose"))
        assert self.trace(self.site, at=choose(calls)).code == -9


def first_run(folder: Path) -> Scenario:
    """Nothing is there."""
    site = Site(folder)
    site.write(MANIFEST)
    return Scenario(site=site)


def first_run_of_a_fleet(folder: Path) -> Scenario:
    """Two hundred clients of an inventory, which are published as one group."""
    site = Site(folder)
    site.write(FLEET)
    for name, text in INVENTORIES.items():
        (folder / name).write_text(text, encoding="utf-8")
    everybody = {"ca", BROKER, *(f"clients/gw-{number:03}" for number in range(BATCH))}
    return Scenario(site=site, everybody=everybody)


def rekey_of_a_fleet(folder: Path) -> Scenario:
    """The role of all of them has another type of key by now."""
    before = first_run_of_a_fleet(folder)
    assert before.site.apply(NOW - timedelta(days=1)).exit_code is ExitCode.DONE
    before.site.write(FLEET_LATER)
    return before


def renewal_of_one_file(folder: Path) -> Scenario:
    """The broker's certificate has ten of its ninety days left."""
    return Scenario(site=_settled(folder, NOW - timedelta(days=80)))


def rekey_of_a_pair(folder: Path) -> Scenario:
    """The broker, in whose folder people have files of their own, gets a new key."""
    return Scenario(site=_settled(folder, NOW - timedelta(days=1)), arguments=("--replace", "broker/plant-a"))


def revocation(folder: Path) -> Scenario:
    """A client is revoked, and the broker gets a new key, for which its old certificate is revoked as well."""
    site = _settled(folder, NOW - timedelta(days=1), REVOKING)
    site.write(LATER)
    shutil.rmtree(site.output / "clients/former")
    return Scenario(site=site, arguments=("--replace", "broker/plant-a"))


def rekey_without_exchange(folder: Path) -> Scenario:
    """The same where the system cannot exchange two folders."""
    before = rekey_of_a_pair(folder)
    return Scenario(site=before.site, arguments=before.arguments, failing=NO_EXCHANGE, may_be_absent=True)


def recovery_before_the_exchange(folder: Path) -> Scenario:
    """The rekey was killed when it had committed and not published."""
    scenario = rekey_of_a_pair(folder)
    scenario.kill_at(lambda calls: next(call for call in calls if call.name == "renameat2"))
    return Scenario(site=scenario.site)


def recovery_after_the_exchange(folder: Path) -> Scenario:
    """The rekey was killed when it had published, and the disk may not know."""
    scenario = rekey_of_a_pair(folder)
    scenario.kill_at(lambda calls: calls[[call.name for call in calls].index("renameat2") + 1])
    return Scenario(site=scenario.site)


def recovery_while_the_old_pair_is_set_aside(folder: Path) -> Scenario:
    """The rekey was killed while it tidied up."""
    scenario = rekey_of_a_pair(folder)
    scenario.kill_at(lambda calls: next(call for call in calls if "/replaced>" in call.about))
    return Scenario(site=scenario.site)


def recovery_while_the_pair_is_absent(folder: Path) -> Scenario:
    """The rekey was killed between the two renames that stand in for an exchange."""
    scenario = rekey_without_exchange(folder)
    # The first makes way, the second is never reached.
    scenario.kill_at(lambda calls: [call for call in calls if call.name == "renameat" and '"plant-a"' in call.about][1])
    assert not (scenario.site.output / BROKER).exists()
    return Scenario(site=scenario.site, failing=NO_EXCHANGE, may_be_absent=True)


def go_on(site: Site, everybody: Set[str] = EVERYBODY) -> Iterator[str]:
    """Runs `apply` twice. Says where the first does not bring everything to its end, or the second does anything."""
    if site.apply(NOW).exit_code is not ExitCode.DONE:
        yield "the next run did not succeed"
    yield from (f"after the next run: {problem}" for problem in find_violations(site.output))
    if find_identities(site.output).keys() != everybody:
        yield "after the next run something is absent"
    if any(change.action is not Action.NO_OP for change in site.plan(NOW).changes):
        yield "after the next run something is left to do"
    staging = site.output / ".edgecerts/staging"
    if (site.output / ".edgecerts/journal.json").exists() or (staging.exists() and any(staging.iterdir())):
        yield "after the next run something is left over"
    files = site.files()
    if not site.apply(NOW).nothing_to_do or site.files() != files:
        yield "the run after the next did something"


def find_lost_files(site: Site) -> Iterator[str]:
    """Says which of people's files are not as they were."""
    for name, text in PEOPLES_FILES.items():
        file = site.output / BROKER / name
        if not file.is_file() or file.read_text() != text:
            yield f"somebody's {name} is not as it was"


def _settled(folder: Path, made_at: datetime, manifest: str = MANIFEST) -> Site:
    site = Site(folder)
    site.write(manifest)
    assert site.apply(made_at).exit_code is ExitCode.DONE
    for name, text in PEOPLES_FILES.items():
        file = site.output / BROKER / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
    return site
