"""Entries of `revoked` that lock nobody out: whoever wrote them believes that they do."""

import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.conftest import NOW, Project
from tests.revocation_lists import declare, entries, serial


def hazards(project: Project) -> list[dict[str, Any]]:
    result = project.run("plan", "--format", "json")
    assert result.code == 0, result.err
    found: list[dict[str, Any]] = json.loads(result.out)["hazards"]
    return found


@pytest.fixture
def settled(project: Project) -> Project:
    declare(project, "gw-1 gw-2 gw-3", "[]")
    project.apply()
    return project


def refused(project: Project) -> dict[str, Any]:
    """The one hazard, which `apply` and `status` report as well and nothing else is held up by."""
    assert project.run("apply").code == 4
    (hazard,) = hazards(project)
    assert hazard["code"] == "revokes-nothing"
    found = json.loads(project.run("status", "--format", "json").out)
    assert "revokes-nothing" in [remark["code"] for remark in found["folder"]]
    assert project.run("status").code == 3
    return hazard


def test_a_since_on_the_day_of_issue_is_refused_and_names_the_moment(settled: Project) -> None:
    """The day begins at midnight, and the certificate that was stolen in the evening is of this very day."""
    stolen = serial(settled, "clients/gw-3/client.pem")
    entry = "- {name: client/gw-3, reason: key-compromise, since: %s}\n"
    declare(settled, "gw-1 gw-2 gw-3", entry % f"{NOW:%Y-%m-%d}" + "- {name: client/gw-9, reason: superseded}\n")
    assert len(hazards(settled)) == 2
    settled.now += timedelta(hours=3)
    declare(settled, "gw-1 gw-2 gw-3", entry % f"{NOW:%Y-%m-%d}")
    hazard = refused(settled)
    assert (
        f"client/gw-3 (line 1 of {settled.folder}/revoked.yaml), whose first certificate is of {NOW:%Y-%m-%dT%H:%M:%SZ}"
        in (hazard["message"])
    )
    assert entries(settled) == {}
    # The moment that the hint has is one that revokes it, and is taken as it stands there.
    moment = hazard["hint"].partition("`since: ")[2].partition("`")[0]
    assert datetime.fromisoformat(moment) == settled.now
    declare(settled, "gw-1 gw-2 gw-3", entry % moment)
    settled.apply()
    assert entries(settled) == {stolen: "keyCompromise"}
    assert hazards(settled) == []


def test_a_moment_needs_no_seconds(settled: Project) -> None:
    stolen = serial(settled, "clients/gw-3/client.pem")
    settled.now += timedelta(hours=3)
    moment = f"{NOW + timedelta(hours=1):%Y-%m-%dT%H:%MZ}"
    declare(settled, "gw-1 gw-2 gw-3", f"- {{name: client/gw-3, reason: key-compromise, since: {moment}}}\n")
    settled.apply()
    assert entries(settled) == {stolen: "keyCompromise"}


def test_a_since_that_a_later_certificate_has_passed_is_none(settled: Project) -> None:
    """Also where the one that it was for has ended: nothing of it is left to revoke."""
    settled.now += timedelta(days=1)
    assert settled.run("apply", "--replace", "client/gw-3").code == 0
    since = f"{settled.now - timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}"
    declare(settled, "gw-1 gw-2 gw-3", f"- {{name: client/gw-3, reason: key-compromise, since: '{since}'}}\n")
    settled.apply()
    settled.now += timedelta(days=900)
    settled.apply()
    assert hazards(settled) == []
    declare(settled, "gw-1 gw-2 gw-3", "- {name: client/gw-3, reason: key-compromise, since: 2020-01-01}\n")
    assert f"{NOW:%Y-%m-%d}" in refused(settled)["message"]


@pytest.mark.parametrize(
    ("written", "meant"),
    [("client/GW-3", "client/gw-3"), ("client/gw_3", "client/gw-3"), ("broker/plant-b", "broker/plant-a")],
)
def test_a_name_that_nothing_was_issued_to_is_refused_and_the_near_one_told(
    settled: Project, written: str, meant: str
) -> None:
    stolen = serial(settled, "clients/gw-1/client.pem")
    rest = "- {name: client/gw-1, reason: key-compromise}\n"
    declare(settled, "gw-2", f"- {{name: {written}, reason: key-compromise}}\n" + rest)
    hazard = refused(settled)
    assert f"{written} (line 1 of {settled.folder}/revoked.yaml); did you mean {meant}?" in hazard["message"]
    assert entries(settled) == {stolen: "keyCompromise"}
    declare(settled, "gw-2", f"- {{name: {written}, reason: key-compromise, unknown: true}}\n" + rest)
    settled.apply()
    assert hazards(settled) == []
    assert entries(settled) == {stolen: "keyCompromise"}


def test_unknown_beside_a_name_takes_nothing_from_it(settled: Project) -> None:
    stolen = serial(settled, "clients/gw-1/client.pem")
    declare(settled, "gw-2", "- {name: client/gw-1, reason: key-compromise, unknown: true}\n")
    settled.apply()
    assert entries(settled) == {stolen: "keyCompromise"}


def test_a_since_that_is_right_is_taken_with_unknown(settled: Project) -> None:
    declare(settled, "gw-1 gw-3", "- {name: client/gw-3, reason: key-compromise, since: 2020-01-01, unknown: true}\n")
    settled.apply()
    assert hazards(settled) == []


def test_what_has_ended_needs_no_entry_and_is_no_slip(settled: Project) -> None:
    settled.now += timedelta(days=900)
    declare(settled, "gw-2 gw-3", "- {name: client/gw-1, reason: key-compromise}\n")
    settled.apply()
    assert hazards(settled) == []
    assert entries(settled) == {}


def test_what_an_earlier_authority_issued_is_no_slip(settled: Project) -> None:
    settled.now += timedelta(days=1)
    assert settled.run("apply", "--replace", "ca", "--allow", "ca-replaced").code == 0
    (settled.output / "clients/gw-2/client.pem").unlink()
    declare(
        settled,
        "gw-1 gw-3",
        "- {name: client/gw-2, reason: superseded, since: 2026-11-24}\n"
        "- {name: client/gw-1, reason: superseded, since: 2026-11-24}\n",
    )
    settled.apply()
    assert hazards(settled) == []
    assert entries(settled) == {}
