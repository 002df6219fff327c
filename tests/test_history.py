"""What was issued to an identity, by the log: each certificate once, oldest first, and which one is in place."""

import contextlib
import json
import os
import re
import shutil
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from edgecerts.desired import build_graph
from edgecerts.desired.build import certificate_path
from edgecerts.manifest import parse_manifest
from edgecerts.plan.model import ReasonCode
from edgecerts.report.history_text import WHY
from edgecerts.schemas import schema_text
from tests.conftest import NOW, SMALL, Project
from tests.readers import read_certificate
from tests.reissue import reissue

LOG = "issued/2026.jsonl"
BROKER = "broker/plant-a"


@pytest.fixture
def settled(project: Project, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    monkeypatch.setenv("CI_JOB_URL", "https://ci.example/jobs/7")
    project.write(SMALL)
    project.apply()
    yield project


def history(project: Project, address: str) -> dict[str, Any]:
    result = project.run("status", "--history", address, "--format", "json")
    assert result.code == 0, result.err
    document = json.loads(result.out)
    jsonschema.validate(document, json.loads(schema_text("history")))
    return dict(document)


def states(document: dict[str, Any]) -> list[str]:
    return [certificate["state"] for certificate in document["certificates"]]


def live(project: Project) -> None:
    """Renews the broker, changes its name, and gives it another key."""
    project.now = NOW + timedelta(days=600)
    project.apply()
    project.now = NOW + timedelta(days=610)
    project.write(SMALL.replace("10.3.0.11", "10.3.0.12"))
    project.apply()
    project.now = NOW + timedelta(days=620)
    assert project.run("apply", "--replace", BROKER).code == 0


def test_what_was_issued_is_listed_oldest_first(settled: Project) -> None:
    live(settled)
    document = history(settled, BROKER)
    certificates = document["certificates"]
    assert [certificate["issued_at"] for certificate in certificates] == [
        "2026-11-23T12:00:00Z",
        "2028-07-15T12:00:00Z",
        "2028-07-25T12:00:00Z",
        "2028-08-04T12:00:00Z",
    ]
    assert [certificate["action"] for certificate in certificates] == ["create", "renew", "update", "update"]
    assert certificates[2]["reasons"] == ["subject-changed", "alt-names-changed"]
    assert [certificate["in_place"] for certificate in certificates] == [False, False, False, True]
    assert states(document) == ["still-valid", "still-valid", "still-valid", "in-place"]
    assert document["declared"] is True
    assert document["notices"] == []
    now = read_certificate(settled.output / "brokers/plant-a/server.pem")
    assert certificates[3]["serial"] == f"{now.serial_number:040x}"
    assert {certificate["issued_by"] for certificate in certificates} == {"https://ci.example/jobs/7"}
    assert len({certificate["spki_sha256"] for certificate in certificates}) == 2


def test_what_has_ended_is_said_also_of_the_one_in_place(settled: Project) -> None:
    live(settled)
    settled.now = NOW + timedelta(days=826)
    assert states(history(settled, BROKER)) == ["expired", "still-valid", "still-valid", "in-place"]
    settled.now = NOW + timedelta(days=9000)
    document = history(settled, BROKER)
    assert states(document) == ["expired"] * 4
    assert document["certificates"][3]["in_place"] is True
    assert "now        in place, and expired" in settled.run("status", "--history", BROKER).out
    at = settled.run("status", "--history", BROKER, "--at", "2029-03-01", "--format", "json")
    assert states(json.loads(at.out)) == ["expired", "still-valid", "still-valid", "in-place"]


TEXT = """\
broker/plant-a: 4 certificates; 3 that are not in place are still valid.
By the log in pki at 2028-08-04 12:00 UTC; the manifest is pki.yaml.

2026-11-23 12:00  create: there was none
  serial     SERIAL
  valid      2026-11-23 11:00 to 2029-02-25 11:00 UTC
  key        sha256:KEY...
  by         https://ci.example/jobs/7, edgecerts VERSION
  now        not in place, and still valid

2028-07-15 12:00  renew: it was due
  serial     SERIAL
  valid      2028-07-15 11:00 to 2030-10-18 11:00 UTC
  key        sha256:KEY..., as before
  by         https://ci.example/jobs/7, edgecerts VERSION
  now        not in place, and still valid

2028-07-25 12:00  update: another subject was declared; other alternative names
                  were declared
  serial     SERIAL
  valid      2028-07-25 11:00 to 2030-10-28 11:00 UTC
  key        sha256:KEY..., as before
  by         https://ci.example/jobs/7, edgecerts VERSION
  now        not in place, and still valid

2028-08-04 12:00  update: --replace asked for it
  serial     SERIAL
  valid      2028-08-04 11:00 to 2030-11-07 11:00 UTC
  key        sha256:KEY...
  by         https://ci.example/jobs/7, edgecerts VERSION
  now        in place
"""


def test_the_text_is_readable_in_80_columns_without_colour(settled: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    live(settled)
    monkeypatch.chdir(settled.folder)
    expected = TEXT
    for certificate in history(settled, BROKER)["certificates"]:
        expected = expected.replace("SERIAL", certificate["serial"], 1).replace(
            "KEY", certificate["spki_sha256"][:12], 1
        )
        expected = expected.replace("VERSION", certificate["version"], 1)
    here = Project(folder=Path(), capture=settled.capture)
    assert here.run("status", "--history", BROKER).out == expected
    assert all(len(line) <= 80 for line in expected.splitlines())


def test_the_page_shows_what_is_printed(settled: Project) -> None:
    settled.now = NOW + timedelta(days=620)
    settled.apply()
    page = (Path(__file__).parent.parent / "docs/log.md").read_text(encoding="utf-8")
    (sample,) = re.findall(r"^```text\n(.*?)^```$", page, re.M | re.S)
    here = Project(folder=Path(), capture=settled.capture)
    with contextlib.chdir(settled.folder):
        printed = here.run("status", "--history", BROKER).out
    changing = r"\b[0-9a-f]{40}\b|(?<=sha256:)[0-9a-f]{12}|(?<=  by         ).*"
    assert re.sub(changing, "...", printed) == re.sub(changing, "...", sample)


def test_lines_that_stand_twice_are_one_certificate(settled: Project) -> None:
    log = settled.output / LOG
    lines = log.read_text().splitlines(keepends=True)
    log.write_text("".join([*reversed(lines), *lines]))
    shutil.copy(log, settled.output / "issued/2025.jsonl")
    assert len(history(settled, BROKER)["certificates"]) == 1


def test_a_recorded_line_gives_way_to_the_one_of_its_issuing(settled: Project) -> None:
    log = settled.output / LOG
    issued = log.read_text()
    log.unlink()
    settled.apply()
    assert [certificate["action"] for certificate in history(settled, BROKER)["certificates"]] == ["record"]
    log.write_text(log.read_text() + issued)
    assert [certificate["action"] for certificate in history(settled, BROKER)["certificates"]] == ["create"]


def test_the_authority_has_a_history(settled: Project) -> None:
    settled.now = NOW + timedelta(days=3000)
    settled.apply()
    document = history(settled, "ca")
    assert [certificate["action"] for certificate in document["certificates"]] == ["create", "renew"]
    assert states(document) == ["still-valid", "in-place"]


def test_an_identity_that_left_the_manifest_has_a_history(settled: Project) -> None:
    settled.write(SMALL.replace("  MyEACM:\n", "  other:\n"))
    document = history(settled, "client/MyEACM")
    assert (states(document), document["declared"]) == (["in-place"], False)
    assert settled.run("apply", "--prune").code == 0
    assert states(history(settled, "client/MyEACM")) == ["still-valid"]
    text = " ".join(settled.run("status", "--history", "client/MyEACM").out.split())
    assert text.startswith("client/MyEACM: 1 certificate; 1 that is not in place is still valid.")
    assert "which does not have it (any more)" in text


def test_a_certificate_that_was_moved_here_stands_with_its_first_address(settled: Project) -> None:
    (settled.output / "brokers/plant-a").rename(settled.output / "brokers/plant-one")
    settled.write(SMALL.replace("plant-a:", "plant-one:"))
    document = history(settled, "broker/plant-one")
    assert states(document) == ["in-place"]
    assert document["certificates"][0]["address"] == "broker/plant-a/certificate"
    assert "issued to broker/plant-a" in " ".join(settled.run("status", "--history", "broker/plant-one").out.split())
    assert states(history(settled, BROKER)) == ["still-valid"]


def test_an_identity_that_nothing_was_issued_to_yet(settled: Project) -> None:
    settled.write(SMALL + "  new:\n")
    assert history(settled, "client/new")["certificates"] == []
    assert settled.run("status", "--history", "client/new").out.startswith(
        "The log has no certificate of client/new.\n"
    )


def test_there_may_be_no_output_folder_yet(project: Project) -> None:
    project.write(SMALL)
    assert history(project, "ca")["certificates"] == []


def test_a_certificate_that_is_not_on_record_is_a_notice(settled: Project) -> None:
    reissue(settled.output, "brokers/plant-a/server")
    document = history(settled, BROKER)
    assert states(document) == ["still-valid"]
    (notice,) = document["notices"]
    assert (notice["code"], notice["address"]) == ("not-in-log", "log")
    (settled.output / LOG).unlink()
    assert [notice["code"] for notice in history(settled, BROKER)["notices"]] == ["not-in-log"]


def test_what_cannot_be_read_is_a_notice(settled: Project) -> None:
    (settled.output / "brokers/plant-a/server.pem").write_text("nonsense")
    with (settled.output / LOG).open("a") as log:
        log.write("nonsense\n")
    (settled.output / "issued/2025.jsonl").mkdir()
    document = history(settled, BROKER)
    assert states(document) == ["still-valid"]
    assert [notice["code"] for notice in document["notices"]] == ["log-unreadable", "log-damaged", "unreadable"]


@pytest.mark.parametrize(
    ("address", "hint"),
    [
        ("broker/plant-b", "did you mean broker/plant-a?"),
        ("client/myeacm", "did you mean client/MyEACM?"),
        ("plant", "an address is ca, broker/NAME or client/NAME"),
        ("broker/plant-a/certificate", "did you mean broker/plant-a?"),
        ("log", "an address is ca, broker/NAME or client/NAME"),
        ("", "an address is ca, broker/NAME or client/NAME"),
        ("client/..", "did you mean client/MyEACM?"),
        ("client/../../pki/brokers/plant-a", "did you mean broker/plant-a?"),
        ("broker/\0", "did you mean broker/plant-a?"),
    ],
)
def test_an_address_that_nothing_has_or_had_is_a_usage_error(settled: Project, address: str, hint: str) -> None:
    result = settled.run("status", "--history", address)
    assert result.code == 64
    assert result.out == ""
    assert result.err.startswith("edgecerts: --history: there is no identity '")
    assert hint in result.err


def test_a_history_has_no_findings(settled: Project) -> None:
    result = settled.run("status", "--history", BROKER, "--within", "30d")
    assert result.code == 64
    assert "--history and --within do not go together" in result.err


def test_hostile_lines_are_shown_as_text(settled: Project) -> None:
    log = settled.output / LOG
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    for line in lines:
        line.update(issued_by="\x1b[31mred\n", action="\x1b[2J", reasons=["\x07"], version="\r")
    log.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    result = settled.run("status", "--history", BROKER)
    assert result.code == 0
    assert not set("\x1b\x07\r\u202e") & set(result.out)
    assert history(settled, BROKER)["certificates"][0]["issued_by"] == "\x1b[31mred\n"


def test_times_with_other_offsets_are_shown_in_utc(settled: Project) -> None:
    log = settled.output / LOG
    log.write_text(
        log.read_text().replace('"issued_at": "2026-11-23T12:00:00Z"', '"issued_at": "2026-11-23T14:00:00+02:00"')
    )
    assert history(settled, BROKER)["certificates"][0]["issued_at"] == "2026-11-23T12:00:00Z"


@pytest.mark.parametrize("moment", ["9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+12:00", "2026-11-23T12:00:00"])
def test_a_line_with_a_time_that_is_none_in_utc_is_no_entry(settled: Project, moment: str) -> None:
    log = settled.output / LOG
    log.write_text(log.read_text().replace("2026-11-23T12:00:00Z", moment))
    document = history(settled, BROKER)
    assert document["certificates"] == []
    assert [notice["code"] for notice in document["notices"]] == ["log-damaged", "not-in-log"]


def test_of_many_the_newest_are_shown_and_a_long_log_is_read_in_no_time(settled: Project) -> None:
    log = settled.output / LOG
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    (issued,) = [line for line in lines if line["address"] == f"{BROKER}/certificate"]
    older = [
        {
            **issued,
            "sha256": f"{number:064x}",
            "serial": f"{number:040x}",
            "issued_at": f"2025-01-01T00:{number // 60 % 60:02}:{number % 60:02}Z",
        }
        for number in range(10_000)
    ]
    log.write_text("".join(f"{json.dumps(line)}\n" for line in [*older, *lines]))
    begun = time.process_time()
    text = settled.run("status", "--history", BROKER).out
    assert time.process_time() - begun < 5
    assert "... and 9,961 older; --format json has them all" in text
    assert text.count("  serial     ") == 40
    assert text.rstrip().endswith("now        in place")
    whole = json.loads(settled.run("status", "--history", BROKER, "--format", "json").out)
    assert len(whole["certificates"]) == 10_001


def test_a_history_opens_no_file_of_another_identity(settled: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    real = os.open

    def watched(path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        opened.append(str(path))
        assert not flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        return real(path, flags, mode, dir_fd=dir_fd)

    monkeypatch.setattr(os, "open", watched)
    before = settled.files()
    assert settled.run("status", "--history", BROKER).code == 0
    files = {name for name in opened if name.endswith((".pem", ".key", ".jsonl"))}
    assert files == {"server.pem", "ca.crl.pem", "2026.jsonl"}
    assert "clients" not in opened
    assert settled.files() == before


def test_the_path_of_an_identity_is_that_of_the_graph() -> None:
    graph = build_graph(parse_manifest(SMALL.encode(), source="pki.yaml"))
    for identity in graph.identities:
        assert certificate_path(identity.address) == identity.certificate.path


def test_every_reason_for_a_certificate_has_words() -> None:
    of_others = {ReasonCode.MODE_CHANGED, ReasonCode.ENCRYPTION_CHANGED, ReasonCode.NOT_IN_MANIFEST}
    of_others |= {ReasonCode.REVOCATIONS_CHANGED, ReasonCode.NOT_YET_VALID}
    assert set(WHY) == set(ReasonCode) - of_others
