"""A certificate that is on hold may come back: until then nothing is issued in its place."""

import json
from datetime import timedelta
from typing import Any

import pytest

from tests.conftest import Project
from tests.revocation_lists import declare, entries, plan, serial

KEY, PLACE = "clients/gw-3/client.key", "clients/gw-3/client.pem"


def notices(project: Project) -> list[str]:
    return [notice["code"] for notice in plan(project)["notices"] if notice["address"] == "client/gw-3"]


@pytest.fixture(params=["serial", "since"])
def held(project: Project, request: pytest.FixtureRequest) -> tuple[Project, int, dict[str, Any]]:
    """Revoked as on hold by its serial number, or by a name that goes on being declared."""
    declare(project, "gw-1 gw-3")
    project.apply()
    number, files = serial(project, PLACE), project.files()
    project.now += timedelta(days=1)
    entry = {
        "serial": f"serial: '{number:x}'",
        "since": f"name: client/gw-3, since: '{project.now:%Y-%m-%dT%H:%M:%SZ}'",
    }[request.param]
    declare(project, "gw-1 gw-3", f"- {{{entry}, reason: certificate-hold}}\n")
    return project, number, {path: files[path] for path in (KEY, PLACE)}


def in_place(project: Project) -> dict[str, Any]:
    files = project.files()
    return {path: files[path] for path in (KEY, PLACE)}


def test_key_and_certificate_stay_and_the_list_has_it(held: tuple[Project, int, dict[str, Any]]) -> None:
    project, number, files = held
    project.apply()
    assert entries(project) == {number: "certificateHold"}
    assert in_place(project) == files
    assert notices(project) == ["on-hold"]
    rows = json.loads(project.run("status", "--format", "json").out)["identities"]
    (row,) = [row for row in rows if row["address"] == "client/gw-3"]
    assert "on-hold" in [remark["code"] for remark in row["remarks"]]


def test_it_is_not_renewed(held: tuple[Project, int, dict[str, Any]]) -> None:
    project, _number, files = held
    for days in (700, 60):
        project.now += timedelta(days=days)
        project.apply()
        assert in_place(project) == files
    # An entry whose certificate has ended says the same: the device is away.
    project.now += timedelta(days=200)
    project.apply()
    assert in_place(project) == files
    assert notices(project) == ["on-hold"]


@pytest.mark.parametrize("arguments", [("--replace", "client/gw-3/certificate"), ("--replace", "missing-keys")])
def test_another_certificate_for_it_is_not_made(
    held: tuple[Project, int, dict[str, Any]], arguments: tuple[str, ...]
) -> None:
    project, number, _files = held
    if arguments == ("--replace", "missing-keys"):
        (project.output / KEY).unlink()
    assert project.run("apply", *arguments).code == 0
    assert serial(project, PLACE) == number


def test_it_comes_back_where_its_entry_goes(held: tuple[Project, int, dict[str, Any]]) -> None:
    project, _number, files = held
    project.apply()
    declare(project, "gw-1 gw-3")
    assert project.run("apply", "--allow", "unrevoked").code == 0
    assert entries(project) == {}
    assert in_place(project) == files


def test_whoever_asks_for_another_key_gets_it(held: tuple[Project, int, dict[str, Any]]) -> None:
    project, number, _files = held
    if "serial" not in (project.folder / "revoked.yaml").read_text():
        project.now += timedelta(days=1)
    assert project.run("apply", "--replace", "client/gw-3").code == 0
    assert entries(project) == {number: "certificateHold"}
    assert serial(project, PLACE) != number
    assert notices(project) == []


def test_a_key_without_its_certificate_waits(held: tuple[Project, int, dict[str, Any]]) -> None:
    """Else the hold would end by deleting a file."""
    project, _number, _ = held
    project.apply()
    content = (project.output / PLACE).read_bytes()
    (project.output / PLACE).unlink()
    assert [blocked["code"] for blocked in plan(project)["blocked"]] == ["on-hold"]
    assert project.run("apply").code == 1
    (project.output / PLACE).write_bytes(content)
    project.apply()


def test_a_stolen_key_outranks_a_hold(held: tuple[Project, int, dict[str, Any]]) -> None:
    project, number, _ = held
    revoked = project.folder / "revoked.yaml"
    revoked.write_text(revoked.read_text() + f"- {{serial: '{number:x}', reason: key-compromise}}\n")
    project.now += timedelta(days=1)
    project.apply()
    assert entries(project) == {number: "keyCompromise"}
    assert serial(project, PLACE) != number


def test_another_reason_gives_it_another_key_and_says_so(project: Project) -> None:
    declare(project, "gw-1 gw-3")
    project.apply()
    number = serial(project, PLACE)
    declare(project, "gw-1 gw-3", f"- {{serial: '{number:x}', reason: superseded}}\n")
    assert "revoked: it is revoked as superseded, and needs another key:" in project.run("plan").out
    project.apply()
    assert serial(project, PLACE) != number
