"""After a crash at any instant, whatever the disk has forgotten, no key is lost and no pair is mixed."""

from collections.abc import Callable
from functools import cache

import pytest

from tests.conftest import COUNTED
from tests.crash_model.explore import Findings, explore
from tests.crash_model.scenarios import SCENARIOS, Scenario

AT_LEAST = 5000


@cache
def explored(scenario: Scenario) -> Findings:
    return explore(scenario)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_no_crash_costs_anything(scenario: Scenario) -> None:
    """`python -m tests.crash_model.explore` tells the same, with numbers; .ci/long looks at more of it."""
    findings = explored(scenario)
    assert not findings.wrong, str(findings)


def test_there_were_many_crashes(record_property: Callable[[str, object], None]) -> None:
    count = sum(len(explored(scenario).states) for scenario in SCENARIOS)
    record_property(COUNTED, f"recovered from {count} states after a crash, in {len(SCENARIOS)} scenarios")
    assert count >= AT_LEAST
