"""A folder that somebody renamed: what lies in it is what the device of that name has, whatever the log calls it."""

import json
from datetime import timedelta
from typing import Any

import pytest

from tests.conftest import NOW, Project
from tests.revocation_lists import declare, entries, plan, serial


@pytest.fixture
def renamed(project: Project) -> tuple[Project, int]:
    """clients/gw-3 is clients/gw-new now, with key and certificate."""
    declare(project, "gw-1 gw-3")
    project.apply()
    stolen = serial(project, "clients/gw-3/client.pem")
    (project.output / "clients/gw-3").rename(project.output / "clients/gw-new")
    return project, stolen


@pytest.mark.parametrize("reason", ["key-compromise", "superseded"])
@pytest.mark.parametrize("name", ["gw-new", "gw-3"])
def test_what_lies_in_a_leftover_folder_is_revoked_by_its_name(
    renamed: tuple[Project, int], name: str, reason: str
) -> None:
    project, stolen = renamed
    declare(project, "gw-1", f"- {{name: client/{name}, reason: {reason}}}\n")
    project.apply()
    assert set(entries(project)) == {stolen}
    # The folder goes, and the entry stays about what lay there.
    assert project.run("apply", "--prune").code == 0
    assert not (project.output / "clients/gw-new").exists()
    assert plan(project)["hazards"] == []
    project.now += timedelta(days=70)
    project.apply()
    assert set(entries(project)) == {stolen}


@pytest.mark.parametrize("reason", ["key-compromise", "superseded"])
def test_a_declared_one_gets_a_new_key_and_its_old_certificate_stays_revoked(
    renamed: tuple[Project, int], reason: str
) -> None:
    project, stolen = renamed
    declare(project, "gw-1 gw-new")
    project.run("apply")
    stolen = serial(project, "clients/gw-new/client.pem")
    since = f"{NOW + timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}"
    project.now += timedelta(days=1)
    declare(project, "gw-1 gw-new", f"- {{name: client/gw-new, reason: {reason}, since: '{since}'}}\n")
    project.apply()
    assert stolen in entries(project)
    current = serial(project, "clients/gw-new/client.pem")
    assert current not in entries(project)
    assert plan(project)["hazards"] == []
    assert all(change["action"] == "no-op" for change in plan(project)["changes"])


def test_since_counts_from_the_line_that_it_was_issued_with(renamed: tuple[Project, int]) -> None:
    project, stolen = renamed
    before = f"{NOW - timedelta(minutes=30):%Y-%m-%dT%H:%M:%SZ}"
    declare(project, "gw-1", f"- {{name: client/gw-new, reason: superseded, since: '{before}'}}\n")
    assert project.run("apply").code == 4
    assert entries(project) == {}
    declare(project, "gw-1", "- {name: client/gw-new, reason: superseded}\n")
    project.apply()
    assert entries(project) == {stolen: "superseded"}


def test_a_folder_that_has_the_own_certificate_of_the_authority_revokes_nothing(project: Project) -> None:
    declare(project, "gw-1 gw-3")
    project.apply()
    place = project.output / "clients/gw-3/client.pem"
    place.unlink()
    place.write_bytes((project.output / "ca/ca.pem").read_bytes())
    stolen = {line["serial"] for line in lines(project) if line["address"] == "client/gw-3/certificate"}
    declare(project, "gw-1", "- {name: client/gw-3, reason: key-compromise}\n")
    project.apply()
    assert {f"{number:040x}" for number in entries(project)} == stolen


def test_a_line_for_another_name_does_not_make_a_strange_certificate_the_own_one(project: Project) -> None:
    """It is foreign before and after it was recorded: the key of another entry would get this one's name."""
    declare(project, "gw-1 gw-3")
    project.apply()
    folder = project.output / "clients/gw-3"
    (folder / "client.key").unlink()
    (folder / "client.pem").unlink()
    (folder / "client.pem").write_bytes((project.output / "clients/gw-1/client.pem").read_bytes())
    project.now += timedelta(days=1)
    since = f"{NOW + timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}"
    declare(project, "gw-1 gw-3", f"- {{name: client/gw-3, reason: superseded, since: '{since}'}}\n")
    for _ in range(2):
        assert project.run("apply").code == 4
        assert "foreign-file" in [hazard["code"] for hazard in plan(project)["hazards"]]
    assert project.run("apply", "--allow", "foreign-file").code == 0
    assert len(entries(project)) == 2


def lines(project: Project) -> list[dict[str, Any]]:
    return [
        json.loads(line)
        for path in project.output.glob("issued/*.jsonl")
        for line in path.read_text().split("\n")
        if line
    ]
