"""`kill -9` at every call of a real `edgecerts apply` that changes a file: nothing is half done, and all goes on."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography import x509

from tests.conftest import COUNTED
from tests.crash import scenarios
from tests.crash.scenarios import BROKER, NOW, Scenario, find_lost_files, go_on
from tests.crash.traced import Call
from tests.crash.violations import find_identities, find_violations, kept_keys, read_log, visible_keys

AT_A_TIME = 2

SCENARIOS: tuple[tuple[Callable[[Path], Scenario], int], ...] = (
    (scenarios.first_run, 80),
    (scenarios.renewal_of_one_file, 12),
    (scenarios.rekey_of_a_pair, 30),
    (scenarios.revocation, 50),
    (scenarios.rekey_without_exchange, 30),
    (scenarios.recovery_before_the_exchange, 10),
    (scenarios.recovery_after_the_exchange, 10),
    (scenarios.recovery_while_the_old_pair_is_set_aside, 8),
    (scenarios.recovery_while_the_pair_is_absent, 10),
)
"""With how many points to kill at there are at the least: were there fewer, something would not be watched."""


@pytest.mark.parametrize(("prepare", "at_least"), SCENARIOS, ids=[prepare.__name__ for prepare, _ in SCENARIOS])
def test_a_run_that_is_killed_leaves_nothing_half_done(
    prepare: Callable[[Path], Scenario], at_least: int, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    scenario = prepare(tmp_path / "before")
    calls = scenario.calls(tmp_path / "whole")
    assert len(calls) >= at_least

    def kill(number: int) -> list[str]:
        return [f"{calls[number]}: {problem}" for problem in _kill(scenario, calls[number], tmp_path / str(number))]

    with ThreadPoolExecutor(AT_A_TIME) as pool:
        problems = [problem for found in pool.map(kill, range(len(calls))) for problem in found]
    assert problems == []
    record_property(COUNTED, f"killed at {len(calls)} points, no violation: {prepare.__name__.replace('_', ' ')}")


def test_a_run_that_is_killed_at_a_call_never_makes_it(tmp_path: Path) -> None:
    """The test above is only as good as this."""
    scenario = scenarios.rekey_of_a_pair(tmp_path / "before")
    before = scenario.site.files()
    calls = scenario.calls(tmp_path / "whole")
    exchange = [call.name for call in calls].index("renameat2")
    at, after = scenario.site.copy(tmp_path / "at"), scenario.site.copy(tmp_path / "after")
    for site, call in ((at, calls[exchange]), (after, calls[exchange + 1])):
        assert scenario.trace(site, at=call).code == -9
        assert (site.output / ".edgecerts/journal.json").exists()
    certificate = f"{BROKER}/server.pem"
    assert at.files()[certificate] == before[certificate]
    assert after.files()[certificate] != before[certificate]


def _kill(scenario: Scenario, call: Call, folder: Path) -> Iterator[str]:
    """Kills a copy's run at the call. Says what is wrong then, or becomes wrong later."""
    site = scenario.site.copy(folder)
    before = find_identities(site.output)
    keys = visible_keys(site.output)
    if scenario.trace(site, at=call).code != -9:
        yield "was not killed"
    yield from find_violations(site.output)
    if not scenario.may_be_absent:
        yield from (f"{path} is gone" for path in before.keys() - find_identities(site.output).keys())
    keys |= visible_keys(site.output)
    serials = {entry["serial"] for entry in read_log(site.output)}
    site.plan(NOW)
    yield from go_on(site)
    if keys - kept_keys(site.output):
        yield "a private key of a certificate that could be seen is lost"
    if serials - {entry["serial"] for entry in read_log(site.output)}:
        yield "the log forgot a line"
    if BROKER in before:
        yield from find_lost_files(site)
    if (site.output / "ca/ca.crl.pem").exists():
        crl = x509.load_pem_x509_crl((site.output / "ca/ca.crl.pem").read_bytes())
        gone = {entry["serial"] for entry in read_log(site.output) if entry["address"] == "client/former/certificate"}
        replaced = {entry["revokes"] for entry in read_log(site.output) if "revokes" in entry}
        if gone | replaced != {f"{entry.serial_number:040x}" for entry in crl}:
            yield "the list has other entries than it must"
    site.remove()
