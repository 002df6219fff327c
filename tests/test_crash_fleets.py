"""Crashes in the middle of a batch of two hundred from an inventory: what holds for one identity holds for each."""

from collections.abc import Callable

import pytest

from edgecerts.apply.file_system import Sync
from tests.conftest import COUNTED
from tests.crash_model.explore import explore_some
from tests.crash_model.scenarios import BATCH, FIRST_FLEET, FLEET_REKEY, FLEETS, Scenario

PLACES = 8


@pytest.mark.parametrize("scenario", FLEETS, ids=lambda scenario: scenario.name)
def test_no_crash_costs_a_batch_anything(scenario: Scenario, record_property: Callable[[str, object], None]) -> None:
    findings = explore_some(scenario, PLACES)
    assert not findings.wrong, str(findings)
    assert len(findings.states) >= PLACES
    record_property(COUNTED, f"recovered from {len(findings.states)} states, {BATCH} clients: {scenario.name}")


@pytest.mark.parametrize(
    ("scenario", "sync"),
    [(FIRST_FLEET, Sync.STAGED_GROUP), (FLEET_REKEY, Sync.COMMIT)],
    ids=["first run", "rekey"],
)
def test_without_its_syncs_a_batch_is_lost(scenario: Scenario, sync: Sync) -> None:
    """Else so few places would be too few."""
    assert explore_some(scenario, PLACES, left_out=frozenset({sync}), enough=1).wrong
