"""What the issuance log lacks is a planned change of it: recorded before anything takes its place."""

import errno
import json
import shutil
from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from edgecerts.apply.file_system import FileSystem
from edgecerts.desired.graph import log_artifact
from edgecerts.pki.certificate_facts import describe_certificate
from edgecerts.plan.model import Action, Change, LogRecord, Plan, Reason, ReasonCode
from edgecerts.report.plan_json import render_plan_json
from edgecerts.report.plan_markdown import MAX_LENGTH, render_plan_markdown
from edgecerts.report.plan_text import render_plan_text
from edgecerts.report.style import Style
from edgecerts.schemas import schema_text
from tests.conftest import NOW, SMALL, Project
from tests.readers import read_certificate
from tests.reissue import reissue

LOG = "issued/2026.jsonl"
PATHS = {
    "ca/certificate": "ca/ca.pem",
    "broker/plant-a/certificate": "brokers/plant-a/server.pem",
    "client/MyEACM/certificate": "clients/MyEACM/client.pem",
}


def read_lines(project: Project, path: str = LOG) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (project.output / path).read_text().splitlines()]


def plan_of(project: Project, *options: str) -> dict[str, Any]:
    document = json.loads(project.run("plan", "--format", "json", *options).out)
    jsonschema.validate(document, json.loads(schema_text("plan")))
    return dict(document)


def busy(document: dict[str, Any]) -> dict[str, str]:
    return {change["address"]: change["action"] for change in document["changes"] if change["action"] != "no-op"}


def digest(certificate: x509.Certificate) -> str:
    return certificate.fingerprint(hashes.SHA256()).hex()


@pytest.fixture
def unlogged(project: Project) -> Project:
    """A folder in which everything is as declared, and whose log was lost."""
    project.write(SMALL)
    project.apply()
    shutil.rmtree(project.output / "issued")
    return project


def test_what_is_not_in_the_log_is_one_change_with_a_reason_for_each_certificate(unlogged: Project) -> None:
    (log,) = [change for change in plan_of(unlogged)["changes"] if change["address"] == "log"]
    assert (log["path"], log["action"]) == (LOG, "create")
    assert log["reasons"] == [
        {
            "code": "not-in-log",
            "field": path,
            "before": None,
            "after": f"{read_certificate(unlogged.output / path).serial_number:040x}",
        }
        for path in PATHS.values()
    ]
    assert busy(plan_of(unlogged)) == {"log": "create"}


def test_it_is_recorded_once_and_then_nothing_is_left_to_do(unlogged: Project) -> None:
    unlogged.now = NOW + timedelta(days=1)
    before = unlogged.files()
    unlogged.apply()
    assert {path for path, found in unlogged.files().items() if before.get(path) != found} == {LOG}
    lines = read_lines(unlogged)
    assert [line["address"] for line in lines] == list(PATHS)
    authority = read_certificate(unlogged.output / "ca/ca.pem")
    for line in lines:
        certificate = read_certificate(unlogged.output / PATHS[line["address"]])
        assert line["sha256"] == digest(certificate)
        assert line["serial"] == f"{certificate.serial_number:040x}"
        assert line["issuer_key"] == describe_certificate(authority).spki_sha256
        assert (line["action"], line["reasons"]) == ("record", ["not-in-log"])
        # Nobody knows when it was signed; it has been valid since then.
        assert line["issued_at"] == line["not_before"] == "2026-11-23T11:00:00Z"
    assert unlogged.run("plan").out.endswith("Nothing to do: 11 files as declared.\n")
    assert unlogged.run("apply").out == "Nothing to do: 11 files as declared.\n"


def test_a_complete_log_has_no_row(project: Project) -> None:
    project.write(SMALL)
    assert "log" not in busy(plan_of(project))
    project.apply()
    assert "log" not in {change["address"] for change in plan_of(project)["changes"]}


def test_another_year_has_its_own_file_and_is_read_together_with_the_others(project: Project) -> None:
    project.write(SMALL)
    project.apply()
    (project.output / LOG).rename(project.output / "issued/2025.jsonl")
    reissue(project.output, "brokers/plant-a/server")
    assert busy(plan_of(project)) == {"log": "create"}
    project.apply()
    assert [line["address"] for line in read_lines(project)] == ["broker/plant-a/certificate"]
    reissue(project.output, "clients/MyEACM/client")
    assert busy(plan_of(project)) == {"log": "update"}


def test_a_certificate_is_on_record_before_it_is_replaced(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.write(SMALL)
    project.apply()
    reissue(project.output, "brokers/plant-a/server")
    old = digest(read_certificate(project.output / "brokers/plant-a/server.pem"))
    project.write(SMALL.replace("broker.plant-a.example", "other.example"))
    seen: list[bool] = []
    rename = FileSystem.rename

    def watched(self: FileSystem, name: str, folder: int, new_name: str, new_folder: int) -> None:
        seen.append(old in {line["sha256"] for line in read_lines(project)})
        rename(self, name, folder, new_name, new_folder)

    monkeypatch.setattr(FileSystem, "rename", watched)
    assert busy(plan_of(project)) == {"log": "update", "broker/plant-a/certificate": "update"}
    project.apply()
    assert seen == [True]
    assert [line["action"] for line in read_lines(project)][-2:] == ["record", "update"]


def test_an_authority_is_on_record_before_it_is_replaced(unlogged: Project) -> None:
    assert unlogged.run("apply", "--replace", "ca/certificate").code == 0
    lines = [(line["address"], line["action"]) for line in read_lines(unlogged)]
    assert lines == [*((address, "record") for address in PATHS), ("ca/certificate", "update")]


def test_where_it_cannot_be_recorded_nothing_takes_its_place(
    unlogged: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    unlogged.write(SMALL.replace("broker.plant-a.example", "other.example"))
    before = unlogged.files()

    def full(self: FileSystem, name: str, folder: int, mode: int) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(FileSystem, "open_to_append", full)
    result = unlogged.run("apply", "--format", "json")
    outcomes = {change["address"]: change["outcome"] for change in json.loads(result.out)["changes"]}
    assert result.code == 1
    assert outcomes["log"] == "failed"
    assert outcomes["broker/plant-a/certificate"] == "skipped"
    assert {path: found for path, found in unlogged.files().items() if not path.startswith(".edgecerts")} == {
        path: found for path, found in before.items() if not path.startswith(".edgecerts")
    }


def test_the_lines_of_one_change_are_one_write(unlogged: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[str] = []
    write = FileSystem.write

    def watched(self: FileSystem, descriptor: int, content: bytes) -> None:
        written.append(content.decode("utf-8"))
        write(self, descriptor, content)

    monkeypatch.setattr(FileSystem, "write", watched)
    unlogged.apply()
    assert [lines.count("\n") for lines in written if lines.startswith("{")] == [3]


def test_what_is_pruned_is_recorded_first(unlogged: Project) -> None:
    unlogged.write(SMALL.replace("  MyEACM:\n", "  other:\n"))
    assert busy(plan_of(unlogged, "--prune"))["log"] == "create"
    gone = digest(read_certificate(unlogged.output / "clients/MyEACM/client.pem"))
    assert unlogged.run("apply", "--prune").code == 0
    assert not (unlogged.output / "clients/MyEACM").exists()
    recorded = {line["sha256"]: line["address"] for line in read_lines(unlogged) if line["action"] == "record"}
    assert recorded[gone] == "client/MyEACM/certificate"


def test_a_certificate_in_two_places_was_issued_to_both(unlogged: Project) -> None:
    """One line alone would make the other place that of a stranger."""
    unlogged.write(SMALL + "  twin: {key_held: delivered, common_name: MyEACM, shared_common_name: true}\n")
    unlogged.write(unlogged.manifest.read_text().replace("MyEACM:\n", "MyEACM: {shared_common_name: true}\n"))
    shutil.copytree(unlogged.output / "clients/MyEACM", unlogged.output / "clients/twin")
    (unlogged.output / "clients/twin/client.key").unlink()
    unlogged.apply()
    assert [line["address"] for line in read_lines(unlogged)] == [*PATHS, "client/twin/certificate"]
    unlogged.now = NOW + timedelta(days=700)
    assert plan_of(unlogged)["hazards"] == []


def test_what_is_refused_is_not_recorded_either(unlogged: Project) -> None:
    result = unlogged.run("apply", "--replace", "ca", "--format", "json")
    outcomes = {change["address"]: change["outcome"] for change in json.loads(result.out)["changes"]}
    assert result.code == 4
    assert outcomes["log"] == "refused"
    assert not (unlogged.output / "issued").exists()


def save(project: Project) -> Path:
    path = project.folder / "plan.json"
    assert project.run("plan", "--out", str(path)).code == 0
    return path


def test_a_saved_plan_records_what_was_reviewed(unlogged: Project) -> None:
    path = save(unlogged)
    document = json.loads(path.read_text())
    assert "log" in {entry["address"] for entry in document["basis"]["identities"]}
    assert unlogged.run("apply", str(path)).code == 0
    assert [line["address"] for line in read_lines(unlogged)] == list(PATHS)
    again = json.loads(unlogged.run("apply", str(path), "--format", "json").out)
    assert [remark["address"] for remark in again["stale"]] == ["log"]


def test_a_saved_plan_without_its_log_replaces_nothing_that_is_not_on_record(unlogged: Project) -> None:
    unlogged.write(SMALL.replace("broker.plant-a.example", "other.example"))
    path = save(unlogged)
    document = json.loads(path.read_text())
    document["plan"]["changes"] = [change for change in document["plan"]["changes"] if change["address"] != "log"]
    path.write_text(json.dumps(document))
    result = unlogged.run("apply", str(path), "--format", "json")
    assert result.code == 4
    report = json.loads(result.out)
    assert {remark["address"]: remark["code"] for remark in report["stale"]} == {
        "broker/plant-a/certificate": "depends-on-unsaved"
    }
    assert [change["address"] for change in report["left"]] == ["log"]


def test_a_saved_plan_does_not_record_what_was_not_reviewed(unlogged: Project) -> None:
    path = save(unlogged)
    reissue(unlogged.output, "brokers/plant-a/server")
    result = unlogged.run("apply", str(path), "--format", "json")
    assert result.code == 4
    assert [(remark["address"], remark["code"]) for remark in json.loads(result.out)["stale"]] == [
        ("log", "planned-otherwise")
    ]
    assert not (unlogged.output / "issued").exists()


def test_the_text_says_what_is_recorded(unlogged: Project) -> None:
    serial = f"{read_certificate(unlogged.output / 'clients/MyEACM/client.pem').serial_number:040x}"
    plan = unlogged.run("plan").out
    assert "log\n  + 2026.jsonl    3 lines for what is here and not in it\n" in plan
    assert f"      not-in-log: clients/MyEACM/client.pem, serial {serial[:12]}...\n" in plan
    assert plan.endswith("Plan: 1 to create, 11 unchanged, 0 blocked.\n")
    markdown = unlogged.run("plan", "--format", "markdown").out
    assert "<summary><code>log</code>: 1 create</summary>" in markdown
    assert f"not-in-log: clients/MyEACM/client.pem, serial `{serial[:12]}...`" in markdown
    applied = unlogged.run("apply").out
    assert "log\n  + 2026.jsonl    3 lines for what is here and not in it\n" in applied


def large_plan(project: Project, count: int) -> Plan:
    """A plan that records one certificate as that of many."""
    facts = describe_certificate(read_certificate(project.output / "clients/MyEACM/client.pem"))
    artifact = log_artifact(NOW)
    paths = [f"clients/c{number}/client.pem" for number in range(count)]
    change = Change(
        artifact=artifact,
        action=Action.CREATE,
        reasons=tuple(Reason(code=ReasonCode.NOT_IN_LOG, field=path, after=facts.serial) for path in paths),
        records=tuple(LogRecord(address=artifact.address, path=path, facts=facts, issuer_key="") for path in paths),
    )
    return replace(EMPTY, changes=(change,))


EMPTY = Plan(
    created_at=NOW,
    manifest="pki.yaml",
    changes=(),
    hazards=(),
    allowed=frozenset(),
    blocked=(),
    notices=(),
    needs=(),
    unmanaged=(),
    waiting=(),
    deliver=(),
    new_keys=(),
)


def test_of_many_the_first_are_shown_and_the_rest_counted(unlogged: Project) -> None:
    plan = large_plan(unlogged, 10_000)
    text = render_plan_text(plan, style=Style(), output="pki")
    assert "10,000 lines for what is here and not in it" in text
    assert "not-in-log: and 9,990 more; --format json has them all" in text
    assert len(text.splitlines()) < 30
    markdown = render_plan_markdown(plan, output="pki")
    assert len(markdown) < MAX_LENGTH
    assert "9,990" in markdown
    assert len(only(json.loads(render_plan_json(plan))["changes"])["reasons"]) == 10_000


def only(items: Iterable[dict[str, Any]]) -> dict[str, Any]:
    (item,) = items
    return item


def test_a_saved_plan_that_records_holds_over_the_new_year(unlogged: Project, tmp_path: Path) -> None:
    """The log's file is another one then."""
    unlogged.now = NOW.replace(month=12, day=31, hour=23)
    saved = tmp_path / "plan.json"
    assert unlogged.run("plan", "--out", str(saved)).code == 0
    unlogged.now += timedelta(hours=2)
    assert unlogged.run("apply", str(saved)).code == 0
    assert (unlogged.output / "issued/2027.jsonl").exists()
    assert unlogged.run("apply").out.startswith("Nothing to do")
