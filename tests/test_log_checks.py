"""The issuance log held against the certificates: what is fine in it, what is reported, and that nothing steers."""

import json
import shutil
import subprocess
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from edgecerts.schemas import schema_text
from tests.conftest import NOW, SMALL, Project
from tests.reissue import reissue
from tests.test_where_peers_fail import commit_everything, git

LOG = "issued/2026.jsonl"
CLIENT = "client/MyEACM/certificate"
SETTLED = "Nothing to do: 11 files as declared.\n"

Entry = dict[str, Any]


@pytest.fixture
def settled(project: Project) -> Project:
    project.write(SMALL)
    project.apply()
    return project


def entries(project: Project) -> list[Entry]:
    return [json.loads(line) for line in (project.output / LOG).read_text().splitlines()]


def made_up(line: Entry, **values: str) -> Entry:
    """A line of a certificate that there never was, as if it had been written like that."""
    return {name: value for name, value in {**line, **values}.items() if name != "check"}


def write_entries(project: Project, lines: list[Entry], path: str = LOG) -> None:
    (project.output / path).write_text("".join(f"{json.dumps(line)}\n" for line in lines))


def notices(project: Project) -> list[dict[str, str]]:
    """The plan's notices about the log; a plan that does nothing."""
    plan = json.loads(project.run("plan", "--format", "json").out)
    assert {change["action"] for change in plan["changes"]} == {"no-op"}
    assert plan["hazards"] == plan["blocked"] == []
    return [notice for notice in plan["notices"] if notice["address"] == "log"]


def only(found: list[dict[str, str]]) -> dict[str, str]:
    assert len(found) == 1, found
    return found[0]


def status_of(project: Project) -> tuple[int, dict[str, Any]]:
    result = project.run("status", "--format", "json")
    document = json.loads(result.out)
    jsonschema.validate(document, json.loads(schema_text("status")))
    return result.code, dict(document)


EDITS: dict[str, Callable[[Entry], Entry]] = {
    "serial": lambda line: {**line, "serial": "00" * 20},
    "spki_sha256": lambda line: {**line, "spki_sha256": "00" * 32},
    "subject": lambda line: {**line, "subject": "CN=somebody else"},
    "not_before": lambda line: {**line, "not_before": "2020-01-01T00:00:00Z"},
    "not_after": lambda line: {**line, "not_after": "2020-01-01T00:00:00Z"},
}


@pytest.mark.parametrize("field", EDITS)
def test_a_line_that_says_otherwise_than_its_certificate_is_reported_and_steers_nothing(
    settled: Project, field: str
) -> None:
    lines = entries(settled)
    write_entries(settled, [EDITS[field](line) if line["address"] == CLIENT else line for line in lines])
    serial = next(line["serial"] for line in lines if line["address"] == CLIENT)
    notice = only(notices(settled))
    assert notice["code"] == "log-contradiction"
    assert notice["message"] == (
        f"a line for clients/MyEACM/client.pem, serial {serial}, names another {field} than the certificate"
    )
    code, status = status_of(settled)
    assert code == 3
    assert status["folder"] == [notice]
    assert status["summary"]["findings"] == 1
    assert settled.run("apply").out == SETTLED


def test_a_contradiction_is_said_once_however_often_its_line_stands(settled: Project) -> None:
    lines = entries(settled)
    wrong = {**lines[2], "subject": "CN=somebody else"}
    write_entries(settled, [*lines, wrong, wrong])
    write_entries(settled, [wrong], path="issued/2027.jsonl")
    assert only(notices(settled))["code"] == "log-contradiction"


def test_two_certificates_of_one_serial_number_are_reported_until_they_have_ended(settled: Project) -> None:
    lines = entries(settled)
    other = made_up(lines[2], sha256="ab" * 32, address="client/gone/certificate")
    write_entries(settled, [*lines, other])
    notice = only(notices(settled))
    assert notice["code"] == "log-contradiction"
    assert lines[2]["serial"] in notice["message"]
    assert "clients/MyEACM/client.pem (sha256:" in notice["message"]
    assert "client/gone/certificate (sha256:abababababab...)" in notice["message"]
    assert status_of(settled)[0] == 3
    settled.now = NOW + timedelta(days=400)
    assert only(notices(settled)) == notice
    settled.now = NOW + timedelta(days=826)
    assert "log-contradiction" not in settled.run("plan", "--format", "json").out


def test_a_certificate_has_the_serial_number_that_it_says_and_not_that_of_its_line(settled: Project) -> None:
    lines = entries(settled)
    other = made_up(lines[2], sha256="ab" * 32, address="client/gone/certificate")
    write_entries(settled, [*lines[:2], {**lines[2], "serial": "00" * 20}, other])
    messages = sorted(notice["message"] for notice in notices(settled))
    assert messages[0].startswith(f"a line for clients/MyEACM/client.pem, serial {lines[2]['serial']}")
    assert messages[1].startswith(f"different certificates of one issuer have the serial {lines[2]['serial']}")


def test_a_certificate_that_is_only_about_to_be_recorded_contradicts_too(settled: Project) -> None:
    reissue(settled.output, "clients/MyEACM/client")
    plan = json.loads(settled.run("plan", "--format", "json").out)
    serial = next(change for change in plan["changes"] if change["address"] == "log")["reasons"][0]["after"]
    lines = entries(settled)
    write_entries(settled, [*lines, made_up(lines[1], sha256="cd" * 32, serial=serial)])
    plan = json.loads(settled.run("plan", "--format", "json").out)
    found = [notice for notice in plan["notices"] if notice["code"] == "log-contradiction"]
    assert serial in only(found)["message"]


def test_lines_that_stand_twice_or_in_another_order_are_fine(settled: Project) -> None:
    lines = entries(settled)
    write_entries(settled, [*reversed(lines), *lines, lines[1]])
    write_entries(settled, lines, path="issued/2025.jsonl")
    assert notices(settled) == []
    assert status_of(settled)[0] == 0


def test_lines_that_are_no_entries_are_named_with_their_numbers(settled: Project) -> None:
    log = settled.output / LOG
    log.write_text("a note\n" + log.read_text() + "x\ny\nz\n\n{}\n")
    notice = only(notices(settled))
    assert notice["code"] == "log-damaged"
    assert notice["message"] == "issued/2026.jsonl: lines 1, 5-7, 9 are no entries"
    code, status = status_of(settled)
    assert code == 0
    assert notice in status["notices"]
    assert "log: issued/2026.jsonl: lines 1, 5-7, 9 are no entries" in settled.run("plan").out


def test_of_many_damaged_lines_the_first_are_named(settled: Project) -> None:
    line = (settled.output / LOG).read_text().splitlines(keepends=True)[0]
    with (settled.output / LOG).open("a") as log:
        log.write(f"nonsense\n{line}" * 1000)
    message = only(notices(settled))["message"]
    assert message == "issued/2026.jsonl: lines 4, 6, 8, 10, 12, 14, 16, 18, 20, 22 and others are no entries"


def test_a_line_that_was_edited_away_is_damage_and_its_certificate_is_recorded_again(settled: Project) -> None:
    log = settled.output / LOG
    log.write_text(log.read_text().replace('"address": "client/MyEACM', '"address": client/MyEACM'))
    settled.apply()
    assert [line["action"] for line in map(json.loads, log.read_text().splitlines()[3:])] == ["record"]
    assert only(notices(settled))["message"] == "issued/2026.jsonl: line 3 is no entry"


@pytest.mark.parametrize("place", ["issued", LOG])
def test_a_log_that_cannot_be_read_is_remarked_on_and_nothing_is_recorded(settled: Project, place: str) -> None:
    path = settled.output / place
    shutil.rmtree(settled.output / "issued")
    path.parent.mkdir(exist_ok=True)
    path.symlink_to(settled.folder)
    notice = only(notices(settled))
    assert notice["code"] == "log-unreadable"
    assert notice["message"].startswith(f"{place} cannot be used")
    assert settled.run("apply").out == SETTLED


def test_a_status_says_that_something_is_not_on_record_and_finds_nothing_wrong(settled: Project) -> None:
    (settled.output / LOG).unlink()
    code, status = status_of(settled)
    assert code == 0
    assert {"code": "not-in-log", "address": "log"}.items() <= status["notices"][-1].items()
    assert "log: certificates of this authority that it has no line for: 3" in settled.run("status").out


# ----- two branches


@pytest.fixture
def branches(settled: Project) -> Project:
    """A repository in which two branches have issued a certificate each, and the second is checked out."""
    commit_everything(settled)
    # Both branches are made by whoever has the authority's key, which git does not keep.
    git(settled.folder, "switch", "-q", "-c", "one")
    settled.write(SMALL.replace("clients:\n", "  plant-b: {common_name: 10.3.0.12}\nclients:\n"))
    settled.apply()
    commit_everything(settled)
    git(settled.folder, "switch", "-q", "main")
    shutil.rmtree(settled.output / "brokers/plant-b")
    settled.write(SMALL + "  line-4:\n")
    settled.apply()
    commit_everything(settled)
    return settled


def addresses(project: Project) -> set[str]:
    lines = (line for line in (project.output / LOG).read_text().splitlines() if line.startswith("{"))
    return {json.loads(line)["address"] for line in lines}


@pytest.mark.parametrize("command", [("merge", "-q", "--no-edit", "one"), ("rebase", "-q", "one")], ids=str)
def test_two_branches_that_issued_merge_without_a_conflict_and_are_settled(
    branches: Project, command: tuple[str, ...]
) -> None:
    git(branches.folder, *command)
    assert git(branches.folder, "status", "--porcelain") == ""
    assert addresses(branches) >= {"broker/plant-b/certificate", "client/line-4/certificate"}
    assert len(entries(branches)) == 5
    assert notices(branches) == []
    assert branches.run("apply").out == "Nothing to do: 17 files as declared.\n"


def test_a_merge_that_does_not_honour_the_attribute_says_what_to_do(branches: Project) -> None:
    """As on a hosting site: the lines of both sides stand between markers."""
    attributes = branches.folder / ".git/info/attributes"
    attributes.write_text("*.jsonl merge\n")
    with pytest.raises(subprocess.CalledProcessError):
        git(branches.folder, "merge", "-q", "--no-edit", "one")
    log = branches.output / LOG
    conflicted = log.read_text()
    assert "<<<<<<<" in conflicted
    notice = only(notices(branches))
    assert notice["code"] == "log-damaged"
    assert notice["message"] == "issued/2026.jsonl: lines 4, 6, 8 are no entries, among them what a merge left"
    assert notice["hint"].startswith(
        "keep all lines of both sides, in any order, and remove only the markers of the merge;"
    )
    kept = [line for line in conflicted.splitlines() if line.startswith("{")]
    log.write_text("".join(f"{line}\n" for line in kept))
    assert notices(branches) == []
    assert len(kept) == 5
    assert branches.run("apply").out == "Nothing to do: 17 files as declared.\n"


def test_a_merge_that_lost_the_lines_of_one_side_is_healed_by_recording(branches: Project) -> None:
    """Whoever resolves a conflict with one side's lines alone: what is here is put on record again."""
    mine = (branches.output / LOG).read_text()
    git(branches.folder, "merge", "-q", "--no-edit", "one")
    (branches.output / LOG).write_text(mine)
    plan = json.loads(branches.run("plan", "--format", "json").out)
    (log,) = [change for change in plan["changes"] if change["action"] != "no-op"]
    assert [reason["field"] for reason in log["reasons"]] == ["brokers/plant-b/server.pem"]
    branches.apply()
    assert "broker/plant-b/certificate" in addresses(branches)
    assert Path(branches.output / LOG).read_text().startswith(mine)
