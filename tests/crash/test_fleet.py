"""A batch of two hundred from an inventory, in processes that are killed or interrupted: what is finished stays."""

import re
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.conftest import COUNTED
from tests.crash import scenarios
from tests.crash.scenarios import NOW, Scenario, go_on
from tests.crash.sites import Site
from tests.crash.traced import Call, run_traced
from tests.crash.violations import find_identities, find_violations, kept_keys, read_log, visible_keys

AT_A_TIME = 2
SPREAD = 2
"""At so many calls, evenly spread, beside those that are named."""


@pytest.mark.parametrize(
    "prepare", [scenarios.first_run_of_a_fleet, scenarios.rekey_of_a_fleet], ids=["first run", "rekey"]
)
def test_a_batch_that_is_stopped_is_finished_and_nothing_is_issued_twice(
    prepare: Callable[[Path], Scenario], tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    scenario = prepare(tmp_path / "before")
    calls = scenario.calls(tmp_path / "whole")
    journal = max(place for place, call in enumerate(calls) if call.name == "renameat" and "journal" in call.about)
    exchanges = [place for place, call in enumerate(calls) if place > journal and call.name.startswith("rename")]
    published = exchanges[len(exchanges) // 3]
    spread = range(len(calls) // 10, len(calls), len(calls) // SPREAD)
    stops = [(calls[place], signal.SIGKILL) for place in (journal, journal + 1, published, *spread)]
    stops += [(calls[journal // 2], signal.SIGINT), (calls[published], signal.SIGTERM)]

    def stop(number: int) -> list[str]:
        call, send = stops[number]
        return [f"{send.name} at {call}: {text}" for text in _stop(scenario, call, send, tmp_path / str(number))]

    with ThreadPoolExecutor(AT_A_TIME) as pool:
        problems = [problem for found in pool.map(stop, range(len(stops))) for problem in found]
    assert problems == []
    record_property(COUNTED, f"stopped at {len(stops)} points, no violation: {prepare.__name__.replace('_', ' ')}")


def _stop(scenario: Scenario, call: Call, send: signal.Signals, folder: Path) -> Iterator[str]:
    """Stops a copy's run at the call, and lets the next one go on. Says what is wrong."""
    site = scenario.site.copy(folder)
    before, keys = _issued(site), visible_keys(site.output)
    ended = run_traced(["apply", "-f", str(site.manifest)], output=site.output, at=call, send=send)
    if send is signal.SIGKILL:
        if ended.code != -9:
            yield "was not killed"
    elif ended.code != 130 or "Traceback" in ended.err:
        yield f"ended with {ended.code} and said {ended.err}"
    yield from find_violations(site.output)
    keys |= visible_keys(site.output)
    finished = {path: serial for path, serial in _issued(site).items() if before.get(path) != serial}
    if send is not signal.SIGKILL:
        said = re.search(r"interrupted: ([\d,]+) of [\d,]+ files are done", ended.err)
        # ca.pem stays in a rekey; the folder's own two come first.
        made = 2 * len(finished) if before else 3 * len(finished) + 2
        if said is None or int(said[1].replace(",", "")) != made:
            yield f"{made} files are done, and it said {ended.err}"
    logged = {entry["serial"] for entry in read_log(site.output)}
    site.plan(NOW)
    yield from go_on(site, scenario.everybody)
    after = _issued(site)
    yield from (f"{path} was finished, and was issued again" for path in finished if after[path] != finished[path])
    if keys - kept_keys(site.output):
        yield "a private key of a certificate that could be seen is lost"
    serials = [entry["serial"] for entry in read_log(site.output)]
    if logged - set(serials):
        yield "the log forgot a line"
    # What was committed is published by the next run; then that issues what is left, each once.
    if send is not signal.SIGKILL and len(serials) != len(logged) + len(after.keys() - finished.keys() - _kept(before)):
        yield f"{len(serials) - len(logged)} were issued after {len(finished)} had been"
    site.remove()


def _kept(before: dict[str, int]) -> set[str]:
    """Who is not about to be made: the authority and the broker, once they are there."""
    return {path for path in before if not path.startswith("clients/")}


def _issued(site: Site) -> dict[str, int]:
    """The serial number of each identity's certificate."""
    found = find_identities(site.output).values()
    return {one.path: one.read_certificate().serial_number for one in found if one.certificate.exists()}
