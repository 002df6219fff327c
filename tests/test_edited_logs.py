"""Lines of the issuance log that somebody edited: they are told, and let nobody in whom the list keeps out."""

import json
from datetime import timedelta
from pathlib import Path

import pytest

from tests.conftest import NOW, Project
from tests.revocation_lists import HEAD, entries, serial

LEFT = HEAD + "  gw-2:\ncrl:\nrevoked:\n  - {name: client/gw-1, reason: key-compromise}\n"
OTHERS = {
    "serial": "00" * 20,
    "address": "client/somebody/certificate",
    "issuer_key": "11" * 32,
    "subject": "CN=somebody",
    "not_before": "2026-01-01T00:00:00Z",
    "not_after": "2026-12-01T00:00:00Z",
    "spki_sha256": "22" * 32,
    "sha256": "33" * 32,
    "action": "renew",
    "issued_at": "2026-01-01T00:00:00Z",
    "issued_by": "somebody",
    "version": "9",
    "revokes": "44" * 20,
}


@pytest.fixture
def plant(project: Project) -> Project:
    """Two gateways and an empty list."""
    project.write(HEAD + "  gw-1:\n  gw-2:\ncrl:\n")
    project.apply()
    return project


def log_of(project: Project) -> Path:
    (log,) = project.output.glob("issued/*.jsonl")
    return log


def edit(project: Project, values: dict[str, str], *, keep: bool = False) -> None:
    """Writes something else into the line of the first gateway; with `keep`, beside the line as it was."""
    lines = [json.loads(line) for line in log_of(project).read_text().splitlines()]
    (place,) = [number for number, line in enumerate(lines) if line["address"].startswith("client/gw-1/")]
    lines[place + keep : place + 1] = [{**lines[place], **values}]
    log_of(project).write_text("".join(f"{json.dumps(line)}\n" for line in lines))


def told(project: Project) -> list[str]:
    """What `plan` says of the log, which `status` calls a finding."""
    notices = json.loads(project.run("plan", "--format", "json").out)["notices"]
    found = [notice["message"] for notice in notices if notice["code"] == "log-contradiction"]
    result = project.run("status", "--format", "json")
    folder = [r["message"] for r in json.loads(result.out)["folder"] if r["code"] != "revoked-not-in-log"]
    assert found == folder
    assert result.code == (3 if found else 0)
    return found


def notice_codes(project: Project) -> set[str]:
    return {remark["code"] for remark in json.loads(project.run("plan", "--format", "json").out)["notices"]}


def test_an_end_that_was_brought_forward_takes_nobody_out_of_the_list(plant: Project) -> None:
    """The certificate is not here any more, and its line says that it ended after it was revoked."""
    stolen = serial(plant, "clients/gw-1/client.pem")
    plant.write(LEFT)
    assert plant.run("apply", "--prune").code == 0
    edit(plant, {"not_after": "2026-12-01T00:00:00Z"})
    (message,) = told(plant)
    assert message == f"a line was edited, and cannot be counted on: client/gw-1, serial {stolen:040x}"
    assert "revoked-not-in-log" in notice_codes(plant)
    for days in (20, 70, 160):
        plant.now = NOW + timedelta(days=days)
        assert plant.run("apply", "--replace", "ca/crl").code == 0
        assert entries(plant) == {stolen: "keyCompromise"}


def test_nor_keeps_it_anybody_out_of_the_list_who_is_revoked_later(plant: Project) -> None:
    stolen = serial(plant, "clients/gw-1/client.pem")
    plant.write(LEFT.partition("revoked:")[0])
    assert plant.run("apply", "--prune").code == 0
    edit(plant, {"not_after": "2026-11-23T12:30:00Z"})
    plant.now = NOW + timedelta(days=1)
    plant.write(LEFT)
    assert plant.run("apply").code == 0
    assert entries(plant) == {stolen: "keyCompromise"}


def test_the_line_as_it_was_counts_where_a_merge_kept_it(plant: Project) -> None:
    stolen = serial(plant, "clients/gw-1/client.pem")
    plant.write(LEFT)
    assert plant.run("apply", "--prune").code == 0
    edit(plant, {"not_after": "2026-12-01T00:00:00Z"}, keep=True)
    assert len(told(plant)) == 1
    for days, kept in ((800, {stolen}), (826, {stolen}), (827, set())):
        plant.now = NOW + timedelta(days=days)
        plant.run("apply", "--replace", "ca/crl")
        assert set(entries(plant)) == kept


@pytest.mark.parametrize("field", OTHERS)
def test_whatever_was_edited_is_told(plant: Project, field: str) -> None:
    plant.write(HEAD + "  gw-2:\ncrl:\n")
    assert plant.run("apply", "--prune").code == 0
    assert told(plant) == []
    edit(plant, {field: OTHERS[field]})
    assert len(told(plant)) == 1


def test_an_edited_line_of_a_certificate_that_is_here_is_told_once(plant: Project) -> None:
    edit(plant, {"not_after": "2026-12-01T00:00:00Z"})
    assert len(told(plant)) == 1
    edit(plant, {"issued_by": "somebody"})
    assert len(told(plant)) == 1
    edit(plant, {"not_after": "2029-02-25T11:00:00Z"})
    assert "cannot be counted on" in told(plant)[0]


def test_of_many_edited_lines_some_are_named(plant: Project) -> None:
    whole = json.loads(log_of(plant).read_text().splitlines()[-1])
    lines = ({**whole, "address": f"client/x-{number}/certificate"} for number in range(12))
    with log_of(plant).open("a") as log:
        log.writelines(f"{json.dumps(line)}\n" for line in lines)
    (message,) = told(plant)
    assert (message.count("serial"), message.endswith("; and 2 more")) == (10, True)


def test_a_line_in_another_layout_or_without_a_digest_is_fine(plant: Project) -> None:
    """What another program wrote anew says the same; and a line may have been written by hand."""
    plant.write(HEAD + "  gw-2:\ncrl:\n")
    assert plant.run("apply", "--prune").code == 0
    lines = [json.loads(line) for line in log_of(plant).read_text().splitlines()]
    text = "".join(json.dumps(dict(sorted(line.items())), separators=(",", ":")) + "\n" for line in lines)
    log_of(plant).write_text(text)
    assert told(plant) == []
    for line in lines:
        del line["check"]
    log_of(plant).write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    assert told(plant) == []
