"""Revoking, from the manifest to the brokers' folders."""

import errno
import json
import os
import shutil
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from edgecerts.apply.file_system import FileSystem
from edgecerts.cli.console import Console
from tests.conftest import NOW, SMALL, Project
from tests.long_serials import LONG_SERIAL, with_long_serial
from tests.revocation_lists import HEAD, declare, ends, entries, lists_in, number, own_list, plan, serial

CLIENTS = HEAD + "  gw-1:\n  gw-2:\n  gw-3:\n"


def busy(project: Project, *arguments: str) -> dict[str, str]:
    """What would be done, by address."""
    return {c["address"]: c["action"] for c in plan(project, *arguments)["changes"] if c["action"] != "no-op"}


def codes(remarks: list[dict[str, str]]) -> list[str]:
    return [remark["code"] for remark in remarks]


def status(project: Project, *arguments: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(project.run("status", "--format", "json", *arguments).out)
    return document


def apply(project: Project, *arguments: str, code: int = 0) -> dict[str, Any]:
    """Applies, and expects that there is nothing left to do."""
    result = project.run("apply", "--format", "json", *arguments)
    assert result.code == code, result.out + result.err
    assert busy(project) == {}
    document: dict[str, Any] = json.loads(result.out)
    return document


@pytest.fixture
def settled(project: Project) -> Project:
    """Three clients and an empty list."""
    declare(project, "gw-1 gw-2 gw-3")
    apply(project)
    return project


GONE = "- {name: client/gw-1, reason: key-compromise, note: stolen from the van}\n"


def test_a_first_list_is_empty(settled: Project) -> None:
    assert (entries(settled), number(settled)) == ({}, int(NOW.timestamp()))
    found = own_list(settled)
    assert (found.last_update_utc, ends(settled)) == (NOW - timedelta(hours=1), NOW + timedelta(days=90, hours=-1))
    copy = settled.output / "brokers/plant-a/crl.pem"
    assert copy.read_bytes() == (settled.output / "ca/ca.crl.pem").read_bytes()
    assert [path.stat().st_mode & 0o777 for path in (copy, settled.output / "ca/ca.crl.pem")] == [0o644, 0o644]
    assert not (settled.output / "clients/gw-1/crl.pem").exists()


def test_nothing_asks_for_a_list_and_there_is_none(project: Project) -> None:
    project.write(SMALL)
    apply(project)
    assert not list(project.output.rglob("*crl*"))


def test_a_stolen_gateway_is_one_line_and_everybody_before_stays(settled: Project) -> None:
    """The list has what it had, whoever is added: the peer that lost them is why this is a test."""
    stolen = serial(settled, "clients/gw-1/client.pem")
    declare(settled, "gw-2 gw-3", GONE)
    assert busy(settled) == {"ca/crl": "update", "broker/plant-a/crl": "update"}
    (reason,) = next(c["reasons"] for c in plan(settled)["changes"] if c["address"] == "ca/crl")
    assert (reason["code"], reason["after"]) == ("revocations-changed", [f"client/gw-1 {stolen:x} key-compromise"])
    report = apply(settled)
    assert entries(settled) == {stolen: "keyCompromise"}
    (delivery,) = report["deliver"]
    assert (delivery["files"], delivery["crl_changed"], delivery["restart"]) == (
        ["brokers/plant-a/crl.pem"],
        True,
        False,
    )
    settled.now += timedelta(days=3)
    second = serial(settled, "clients/gw-2/client.pem")
    declare(settled, "gw-3", GONE + "- {name: client/gw-2, reason: cessation-of-operation}\n")
    apply(settled)
    assert entries(settled) == {stolen: "keyCompromise", second: "cessationOfOperation"}
    dates = {entry.serial_number: entry.revocation_date_utc for entry in own_list(settled)}
    assert dates == {stolen: NOW, second: NOW + timedelta(days=3)}


def test_a_name_revokes_every_certificate_that_has_not_ended(settled: Project) -> None:
    first = serial(settled, "clients/gw-1/client.pem")
    settled.now += timedelta(days=1)
    apply(settled, "--replace", "client/gw-1")
    second = serial(settled, "clients/gw-1/client.pem")
    declare(settled, "gw-2 gw-3", GONE)
    apply(settled, "--prune")
    assert entries(settled) == {first: "keyCompromise", second: "keyCompromise"}
    settled.now = NOW + timedelta(days=826)
    # The first has ended, and stood on no list after that; the second ends a day later.
    apply(settled)
    assert set(entries(settled)) == {first, second}


def test_since_keeps_what_the_replaced_device_has(settled: Project) -> None:
    first = serial(settled, "clients/gw-1/client.pem")
    settled.now += timedelta(days=2)
    apply(settled, "--replace", "client/gw-1")
    declare(settled, "gw-1 gw-2 gw-3", GONE.replace("note:", f"since: {NOW + timedelta(days=1):%Y-%m-%d}, note:"))
    apply(settled)
    assert entries(settled) == {first: "keyCompromise"}


def test_since_gives_the_device_a_new_key_where_it_has_none_yet(settled: Project) -> None:
    """The line alone is enough: the same apply revokes the old certificate and makes the new one."""
    path = settled.output / "clients/gw-1/client.key"
    first, key = serial(settled, "clients/gw-1/client.pem"), path.read_bytes()
    settled.now += timedelta(days=2)
    declare(settled, "gw-1 gw-2 gw-3", GONE.replace("note:", f"since: {NOW + timedelta(days=1):%Y-%m-%d}, note:"))
    assert busy(settled)["client/gw-1/private-key"] == "rekey"
    apply(settled)
    assert entries(settled) == {first: "keyCompromise"}
    assert path.read_bytes() != key
    assert serial(settled, "clients/gw-1/client.pem") != first


def test_a_serial_number_revokes_one(settled: Project) -> None:
    first = serial(settled, "clients/gw-1/client.pem")
    apply(settled, "--replace", "client/gw-1")
    declare(settled, "gw-1 gw-2 gw-3", f"- {{serial: '{first:X}', reason: superseded}}\n")
    apply(settled)
    assert entries(settled) == {first: "superseded"}


def test_an_unspecified_reason_is_said_by_saying_none(settled: Project) -> None:
    first = serial(settled, "clients/gw-1/client.pem")
    declare(settled, "gw-2 gw-3", "- {name: client/gw-1, reason: unspecified}\n")
    apply(settled)
    assert entries(settled) == {first: None}


def test_apply_says_whom_it_revoked(settled: Project) -> None:
    stolen = serial(settled, "clients/gw-1/client.pem")
    declare(settled, "gw-2 gw-3", GONE)
    words = " ".join(settled.run("apply").out.split())
    assert f"1 entry revocations-changed: adds client/gw-1 {stolen:x} key-compromise" in words


def test_a_first_list_says_whom_it_revokes(project: Project) -> None:
    """Nobody had a list until the gateway was stolen."""
    project.write(CLIENTS)
    apply(project)
    stolen = serial(project, "clients/gw-1/client.pem")
    declare(project, "gw-2 gw-3", GONE, more="")
    for command in ("plan", "apply"):
        words = " ".join(project.run(command).out.split())
        assert f"adds client/gw-1 {stolen:x} key-compromise" in words


def test_an_unknown_serial_number_is_refused_and_the_others_are_not(settled: Project) -> None:
    first = serial(settled, "clients/gw-1/client.pem")
    declare(settled, "gw-2 gw-3", GONE + "- {serial: 4b28, reason: superseded}\n")
    assert settled.run("plan", "--detailed-exitcode").code == 4
    apply(settled, code=4)
    assert entries(settled) == {first: "keyCompromise"}
    assert "unknown-serial" in codes(status(settled)["folder"])
    # Nothing is left to do but to say that it is refused.
    apply(settled, code=4)
    declare(settled, "gw-2 gw-3", GONE + "- {serial: 4b28, reason: superseded, unknown: true}\n")
    apply(settled)
    assert entries(settled) == {first: "keyCompromise", 0x4B28: "superseded"}


def test_serial_numbers_are_shown_whole_as_the_manifest_takes_them(settled: Project) -> None:
    stolen = serial(settled, "clients/gw-1/client.pem")
    strange = "- {serial: '00:4b:28', reason: superseded, unknown: true}\n- {serial: abc, reason: superseded}\n"
    declare(settled, "gw-2 gw-3", GONE + strange)
    for output in ("text", "markdown"):
        words = " ".join(settled.run("plan", "--format", output).out.replace("`", "").replace("\\", "").split())
        assert f"adds unknown 4b28 superseded, client/gw-1 {stolen:x} key-compromise" in words
        assert "the serial number abc (line 3 of " in words


def test_what_is_not_declared_any_more_stays_until_that_is_allowed(settled: Project) -> None:
    first = serial(settled, "clients/gw-1/client.pem")
    declare(settled, "gw-2 gw-3", GONE)
    apply(settled)
    declare(settled, "gw-2 gw-3")
    assert codes(plan(settled)["hazards"]) == ["unrevoked"]
    assert f"{first:x}" in plan(settled)["hazards"][0]["message"]
    apply(settled, code=4)
    assert entries(settled) == {first: "keyCompromise"}
    # Also a list that is due keeps it: the plant does not stop, and nobody gets in again.
    settled.now += timedelta(days=70)
    assert busy(settled) == {"ca/crl": "renew", "broker/plant-a/crl": "update"}
    apply(settled, code=4)
    assert entries(settled) == {first: "keyCompromise"}
    apply(settled, "--allow", "unrevoked")
    assert entries(settled) == {}
    assert codes(plan(settled)["hazards"]) == []


def test_a_reviewed_plan_carries_the_consent(settled: Project) -> None:
    first = serial(settled, "clients/gw-1/client.pem")
    declare(settled, "gw-2 gw-3", GONE)
    apply(settled)
    declare(settled, "gw-2 gw-3")
    saved = str(settled.folder / "plan.json")
    assert settled.run("plan", "--out", saved).code == 0
    assert settled.run("apply", saved).code == 4
    assert entries(settled) == {first: "keyCompromise"}
    assert settled.run("plan", "--allow", "unrevoked", "--out", saved).code == 0
    assert settled.run("apply", saved).code == 0
    assert entries(settled) == {}


def test_a_reviewed_plan_is_stale_where_somebody_else_is_revoked(settled: Project) -> None:
    declare(settled, "gw-2 gw-3", GONE)
    saved = str(settled.folder / "plan.json")
    assert settled.run("plan", "--out", saved).code == 0
    declare(settled, "gw-3", GONE + "- {name: client/gw-2, reason: superseded}\n")
    assert settled.run("apply", saved).code == 4
    assert entries(settled) == {}


def test_a_note_changes_nothing(settled: Project) -> None:
    declare(settled, "gw-2 gw-3", GONE)
    saved = str(settled.folder / "plan.json")
    assert settled.run("plan", "--out", saved).code == 0
    declare(settled, "gw-2 gw-3", GONE.replace("the van", "the depot"))
    assert settled.run("apply", saved).code == 0
    assert len(entries(settled)) == 1


def test_a_reviewed_plan_with_a_new_certificate_of_that_name_is_stale(settled: Project) -> None:
    """What was agreed to is what was listed: another certificate that the name covers was not."""
    declare(settled, "gw-2 gw-3", GONE)
    saved = str(settled.folder / "plan.json")
    assert settled.run("plan", "--out", saved).code == 0
    settled.write(CLIENTS + "crl:\n")
    apply(settled, "--replace", "client/gw-1")
    declare(settled, "gw-2 gw-3", GONE)
    result = settled.run("apply", saved)
    assert (result.code, "planned-otherwise" in result.out + result.err or "other reasons" in result.out) == (4, True)
    assert entries(settled) == {}


def test_a_list_that_is_not_due_does_not_hold_up_what_else_was_reviewed(settled: Project) -> None:
    """It was signed meanwhile, by the job of the night, and the other changes go on."""
    settled.now += timedelta(days=70)
    saved = str(settled.folder / "plan.json")
    assert settled.run("plan", "--replace", "broker/plant-a/certificate", "--out", saved).code == 0
    apply(settled)
    before = serial(settled, "brokers/plant-a/server.pem")
    assert settled.run("apply", saved).code == 4
    assert serial(settled, "brokers/plant-a/server.pem") != before


def test_a_list_is_signed_again_in_time(settled: Project) -> None:
    end = ends(settled)
    window = timedelta(days=90) * 0.33
    settled.now = end - window - timedelta(minutes=1)
    assert busy(settled) == {}
    assert status(settled)["revocation_lists"][0]["state"] == "ok"
    settled.now = end - window
    assert busy(settled) == {"ca/crl": "renew", "broker/plant-a/crl": "update"}
    assert status(settled)["revocation_lists"][0]["state"] == "due"
    assert settled.run("status").code == 3
    before = number(settled)
    apply(settled)
    assert ends(settled) == settled.now + timedelta(days=90, hours=-1)
    assert number(settled) > before


def test_a_list_that_is_due_is_one_finding(settled: Project) -> None:
    """Not one of each broker that will get it as well; what is wrong with a copy by itself is one."""
    settled.now = ends(settled) - timedelta(days=10)
    assert [row["state"] for row in status(settled)["identities"]] == ["ok"] * 5
    assert status(settled)["revocation_lists"][0]["state"] == "due"
    (settled.output / "brokers/plant-a/crl.pem").unlink()
    assert [row["state"] for row in status(settled)["identities"]].count("ok") == 4
    settled.now = NOW
    (settled.output / "brokers/plant-a/crl.pem").write_bytes(b"nonsense")
    assert [row["state"] for row in status(settled)["identities"]].count("ok") == 4


@pytest.mark.parametrize(
    ("before", "words"),
    [
        (timedelta(hours=50), "ends on 2027-02-21, in 2 days."),
        (timedelta(minutes=57), "ends on 2027-02-21 at 11:00 UTC."),
        (timedelta(minutes=-1), "ended on 2027-02-21 at 11:00 UTC."),
        (timedelta(hours=-50), "ended on 2027-02-21."),
    ],
    ids=str,
)
def test_the_first_line_of_a_status_has_the_hour_where_that_matters(
    settled: Project, before: timedelta, words: str
) -> None:
    settled.now = ends(settled) - before
    assert f"The revocation list {words}" in settled.run("status").out.splitlines()[:2]


def test_an_old_copy_is_a_finding_where_the_list_is_good(settled: Project) -> None:
    old = (settled.output / "brokers/plant-a/crl.pem").read_bytes()
    apply(settled, "--replace", "ca/crl")
    (settled.output / "brokers/plant-a/crl.pem").write_bytes(old)
    (row,) = [row for row in status(settled)["identities"] if row["state"] != "ok"]
    assert (row["address"], row["state"]) == ("broker/plant-a", "changed")


def test_a_list_that_has_ended_is_signed_again_with_all_that_it_had(settled: Project) -> None:
    declare(settled, "gw-2 gw-3", GONE)
    apply(settled)
    had = entries(settled)
    settled.now += timedelta(days=100)
    row = status(settled)["revocation_lists"][0]
    assert (row["state"], row["days_left"]) == ("expired", -10)
    assert "ended on" in settled.run("status").out.splitlines()[0]
    apply(settled)
    assert entries(settled) == had != {}


def test_the_number_grows_also_within_a_second_and_with_a_clock_that_was_set_back(settled: Project) -> None:
    first = number(settled)
    apply(settled, "--replace", "ca/crl")
    assert number(settled) == first + 1
    settled.now -= timedelta(minutes=30)
    apply(settled, "--replace", "ca/crl")
    assert number(settled) == first + 2


def test_the_declared_lifetime_and_window_are_taken(settled: Project) -> None:
    declare(settled, "gw-1 gw-2 gw-3", more="crl: {validity: 30d, renew_before: 10d}\n")
    assert busy(settled) == {"ca/crl": "update", "broker/plant-a/crl": "update"}
    apply(settled)
    assert ends(settled) == NOW + timedelta(days=30, hours=-1)
    settled.now = ends(settled) - timedelta(days=10)
    assert busy(settled)["ca/crl"] == "renew"


def test_without_the_key_of_the_authority_the_plan_says_until_when_the_plant_runs(settled: Project) -> None:
    key = settled.output / "ca/ca.key"
    key.rename(settled.folder / "kept.key")
    (notice,) = [n for n in plan(settled)["notices"] if n["code"] == "crl-ends"]
    assert "2027-02-21 at 11:00 UTC" in notice["message"]
    assert "in 89 days" in notice["message"]
    settled.now = ends(settled) - timedelta(days=10)
    (blocked,) = plan(settled)["blocked"]
    assert (blocked["address"], blocked["code"]) == ("ca/crl", "issuer-key-not-here")
    assert "refuse every client from 2027-02-21 at 11:00 UTC on, in 10 days" in blocked["message"]
    row = status(settled)["revocation_lists"][0]
    assert (row["state"], row["days_left"]) == ("blocked", 10)
    before = settled.files()
    assert settled.run("apply").code == 1
    assert settled.files() == before
    # A plan that was saved here is carried out where the key is.
    saved = str(settled.folder / "plan.json")
    assert settled.run("plan", "--out", saved).code == 0
    (settled.folder / "kept.key").rename(key)
    result = settled.run("apply", saved)
    assert result.code in (0, 4), result.err
    assert ends(settled) > settled.now + timedelta(days=80)


def test_a_theft_without_the_key_says_first_who_gets_in(settled: Project) -> None:
    apply(settled, "--replace", "client/gw-1")
    (settled.output / "ca/ca.key").rename(settled.folder / "kept.key")
    declare(settled, "gw-3", GONE)
    (blocked,) = (remark for remark in plan(settled)["blocked"] if remark["address"] == "ca/crl")
    assert blocked["message"].startswith("client/gw-1 still gets in with 2 certificates until the list is signed: ")
    more = "- {name: client/gw-2, reason: superseded}\n- {serial: 4b28, reason: superseded, unknown: true}\n"
    declare(settled, "gw-3", GONE + more)
    message = plan(settled)["blocked"][0]["message"]
    assert {"client/gw-1", "client/gw-2", "serial number 4b28"} == set(
        message.partition(" still get in with 4 certificates")[0].split(", ")
    )
    # A list that has ended lets nobody in.
    settled.now = ends(settled) + timedelta(minutes=1)
    assert "still get" not in plan(settled)["blocked"][0]["message"]


@pytest.mark.parametrize("kind", ["folder", "link", "pipe", "nothing"])
def test_what_lies_in_the_place_of_the_list_does_not_hide_what_brokers_have(settled: Project, kind: str) -> None:
    declare(settled, "gw-2 gw-3", GONE)
    apply(settled)
    place = settled.output / "ca/ca.crl.pem"
    place.unlink()
    if kind == "folder":
        place.mkdir()
    elif kind == "link":
        place.symlink_to(settled.output / "brokers/plant-a/crl.pem")
    elif kind == "pipe":
        os.mkfifo(place)
    else:
        (settled.output / "ca/ca.key").unlink()
    declare(settled, "gw-3", GONE + "- {name: client/gw-2, reason: superseded}\n")
    (blocked,) = (remark for remark in plan(settled)["blocked"] if remark["address"] == "ca/crl")
    assert blocked["message"].startswith("client/gw-2 still gets in until the list is signed: ")
    end = "brokers have copies, and by those strict brokers refuse every client from 2027-02-21 at 11:00 UTC on"
    assert end in blocked["message"]
    (settled.output / "brokers/plant-a/crl.pem").unlink()
    assert "until there is a list" in plan(settled)["blocked"][0]["message"]


@pytest.mark.parametrize(
    ("left", "words"),
    [
        (timedelta(days=2), "2 days"),
        (timedelta(days=1, hours=23, minutes=59), "47 hours"),
        (timedelta(hours=2), "2 hours"),
        (timedelta(hours=1, minutes=59), "119 minutes"),
        (timedelta(minutes=57), "57 minutes"),
        (timedelta(minutes=1), "1 minute"),
        (timedelta(seconds=59), "less than a minute"),
    ],
)
def test_what_is_left_is_said_in_its_own_unit(settled: Project, left: timedelta, words: str) -> None:
    (settled.output / "ca/ca.key").rename(settled.folder / "kept.key")
    settled.now = ends(settled) - left
    assert f"2027-02-21 at 11:00 UTC on, in {words}" in plan(settled)["blocked"][0]["message"]


def test_a_list_that_ends_soon_says_at_which_hour(settled: Project) -> None:
    settled.now = ends(settled) - timedelta(minutes=57)
    assert "The revocation list ends on 2027-02-21 at 11:00 UTC." in settled.run("status").out
    settled.now = ends(settled) + timedelta(minutes=57)
    assert "The revocation list ended on 2027-02-21 at 11:00 UTC." in settled.run("status").out


def test_a_list_of_one_hour(project: Project) -> None:
    declare(project, "gw-1", more="crl: {validity: 1h}\n")
    assert "1 hour, 0 entries" in project.run("plan").out


@pytest.mark.parametrize(
    "source",
    [
        pytest.param("private_key: {command: [/bin/false]}", id="a command that fails"),
        pytest.param("private_key: {env: NOT_SET}", id="a variable that is not set"),
        pytest.param("private_key: {env: SOMETHING}", id="a variable with something else"),
        pytest.param("password: {env: SOMETHING}", id="another password"),
    ],
)
def test_an_error_about_the_key_of_the_authority_says_until_when_the_plant_runs(
    settled: Project, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    monkeypatch.setenv("SOMETHING", "something else, which opens nothing")
    place = settled.output / "ca/ca.key"
    key: Any = load_pem_private_key(place.read_bytes(), None)
    if "password" in source:
        encryption = BestAvailableEncryption(b"a long enough password")
        place.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption))
    else:
        place.unlink()
    settled.write((CLIENTS + "crl:\n").replace("{common_name: Test CA}", f"{{common_name: Test CA, {source}}}"))
    settled.now = ends(settled) - timedelta(days=10)
    before = settled.files()
    result = settled.run("apply")
    assert (result.code, settled.files()) == (1, before)
    assert "strict brokers refuse every client from 2027-02-21 at 11:00 UTC on, in 10 days" in result.err


def test_an_identity_that_is_replaced_is_revoked_where_that_is_declared(project: Project) -> None:
    declare(project, "gw-2", more="defaults: {revoke_on_rekey: true}\n")
    apply(project)
    old = serial(project, "clients/gw-2/client.pem")
    report = apply(project, "--replace", "client/gw-2")
    assert entries(project) == {old: "superseded"}
    assert "still-valid" not in codes(report["notices"])
    (line,) = [line for line in log_lines(project) if "revokes" in line]
    assert (line["revokes"], line["serial"]) == (
        f"{old:040x}",
        f"{serial(project, 'clients/gw-2/client.pem'):040x}",
    )
    # A renewal keeps the key, and the old certificate.
    project.now += timedelta(days=600)
    apply(project)
    assert set(entries(project)) == {old}


def test_what_was_replaced_is_revoked_also_where_its_list_was_lost(project: Project) -> None:
    declare(project, "gw-2", more="defaults: {revoke_on_rekey: true}\n")
    apply(project)
    old = serial(project, "clients/gw-2/client.pem")
    apply(project, "--replace", "client/gw-2")
    for path in ("ca/ca.crl.pem", "brokers/plant-a/crl.pem"):
        (project.output / path).unlink()
    apply(project)
    assert entries(project) == {old: "superseded"}


def test_what_could_not_be_replaced_is_not_revoked(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its line is in the log, its new folder cannot be put in place, and the device goes on with what it has."""
    declare(project, "gw-2 gw-3", more="defaults: {revoke_on_rekey: true}\n")
    apply(project)
    kept, old = (serial(project, f"clients/{name}/client.pem") for name in ("gw-2", "gw-3"))
    original = FileSystem.exchange

    def fail(system: FileSystem, name: str, parent: int, other: str, place: int) -> None:
        if name == "0":
            raise OSError(errno.EIO, "Input/output error")
        original(system, name, parent, other, place)

    with monkeypatch.context() as patch:
        patch.setattr(FileSystem, "exchange", fail)
        result = project.run("apply", "--replace", "client/gw-2", "--replace", "client/gw-3")
    assert (result.code, "but not client/gw-2: nothing took the place" in " ".join(result.out.split())) == (1, True)
    assert kept in {int(line["revokes"], 16) for line in log_lines(project) if "revokes" in line}
    assert serial(project, "clients/gw-2/client.pem") == kept
    assert set(entries(project)) == {old}
    apply(project)
    apply(project, "--replace", "client/gw-2")
    assert set(entries(project)) == {old, kept}


def log_lines(project: Project) -> list[dict[str, Any]]:
    return [
        json.loads(line) for path in project.output.glob("issued/*.jsonl") for line in path.read_text().splitlines()
    ]


def test_entries_stay_where_the_log_is_lost(settled: Project) -> None:
    first = serial(settled, "clients/gw-1/client.pem")
    declare(settled, "gw-2 gw-3", GONE)
    apply(settled, "--prune")
    for path in settled.output.glob("issued/*.jsonl"):
        lines = path.read_text().splitlines(keepends=True)
        path.write_text("".join(line for line in lines if f"{first:040x}" not in line))
    found = plan(settled)
    assert "revoked-not-in-log" in codes(found["notices"])
    assert "revoked-not-in-log" in codes(status(settled)["folder"])
    settled.now += timedelta(days=70)
    for arguments in ((), ("--allow", "unrevoked")):
        # The name has nothing any more that the entry could be about.
        report = apply(settled, "--replace", "ca/crl", *arguments, code=4)
        assert codes(report["hazards"]) == ["revokes-nothing"]
        assert entries(settled) == {first: "keyCompromise"}


def test_a_truncated_or_edited_log_takes_nothing_out(settled: Project) -> None:
    first = serial(settled, "clients/gw-1/client.pem")
    declare(settled, "gw-2 gw-3", GONE)
    apply(settled)
    (log,) = settled.output.glob("issued/*.jsonl")
    whole = log.read_text()
    # The certificate is still in its folder: what its line says instead of it does not count.
    for edited in (whole[: len(whole) // 2], "", whole.replace(f"{first:040x}", f"{first ^ 1:040x}"), "nonsense\n"):
        log.write_text(edited)
        settled.run("apply")
        assert entries(settled) == {first: "keyCompromise"}
        settled.run("apply", "--replace", "ca/crl")
        assert entries(settled) == {first: "keyCompromise"}
        log.write_text(whole)


def test_a_lost_list_comes_back_from_the_log_and_from_copies(settled: Project) -> None:
    declare(settled, "gw-2 gw-3", GONE + "- {serial: 4b28, reason: superseded, unknown: true}\n")
    apply(settled)
    had, last = entries(settled), number(settled)
    declare(settled, "gw-2 gw-3", GONE)
    (settled.output / "ca/ca.crl.pem").unlink()
    apply(settled)
    assert entries(settled) == had
    assert number(settled) > last


def test_an_older_list_that_was_brought_back_is_made_whole(settled: Project) -> None:
    older = (settled.output / "ca/ca.crl.pem").read_bytes()
    settled.now += timedelta(seconds=10)
    declare(settled, "gw-2 gw-3", GONE)
    apply(settled)
    had, last = entries(settled), number(settled)
    for path in ("ca/ca.crl.pem", "brokers/plant-a/crl.pem"):
        (settled.output / path).write_bytes(older)
    settled.now += timedelta(seconds=10)
    apply(settled)
    assert entries(settled) == had
    assert number(settled) > last


def test_two_branches_that_were_merged_lose_nobody(settled: Project) -> None:
    """Each revoked somebody, signed its list and replaced a key; git keeps the log's lines of both."""
    project = settled
    base = project.files()
    first, second = (serial(project, f"clients/{name}/client.pem") for name in ("gw-1", "gw-2"))
    sides = []
    other = GONE.replace("gw-1", "gw-2").replace("key-compromise", "superseded")
    for who, clients, entry in ((1, "gw-2 gw-3", GONE), (2, "gw-1 gw-3", other)):
        project.now = NOW + timedelta(minutes=who)
        restore(project, base)
        declare(project, clients, entry, more="defaults: {revoke_on_rekey: true}\n")
        apply(project)
        sides.append(project.files())
    ours, theirs = ({name: content for name, (content, _, _) in side.items()} for side in sides)
    restore(project, sides[0])
    log = next(name for name in ours if name.startswith("issued/"))
    lines = dict.fromkeys([*ours[log].splitlines(True), *theirs[log].splitlines(True)])
    (project.output / log).write_bytes(b"".join(reversed([*lines, *ours[log].splitlines(True)])))
    for name in ("ca/ca.crl.pem", "brokers/plant-a/crl.pem"):
        (project.output / name).write_bytes(conflict(ours[name], theirs[name]))
    declare(project, "gw-3", GONE + other, more="defaults: {revoke_on_rekey: true}\n")
    project.now = NOW + timedelta(minutes=1)
    apply(project)
    assert entries(project) == {first: "keyCompromise", second: "superseded"}
    # The list of the other side has a greater number than the clock gives.
    assert number(project) == int(NOW.timestamp()) + 121


@pytest.mark.parametrize("is_newer_kept", [True, False])
def test_a_merge_of_one_side_s_list_and_the_other_s_copy_loses_nobody(settled: Project, is_newer_kept: bool) -> None:
    """The entry of one side is in the older copy alone, and its line of `revoked` is gone: it stays, and is told."""
    project = settled
    base = project.files()
    entry = {name: GONE.replace("gw-1", name) for name in ("gw-1", "gw-2")}
    serials = {name: serial(project, f"clients/{name}/client.pem") for name in entry}
    sides = {}
    for minute, (name, clients) in enumerate((("gw-1", "gw-2 gw-3"), ("gw-2", "gw-1 gw-3")), start=1):
        project.now = NOW + timedelta(minutes=minute)
        restore(project, base)
        declare(project, clients, entry[name])
        apply(project)
        sides[name] = {path: content for path, (content, _, _) in project.files().items()}
    list_of, copy_of = ("gw-2", "gw-1") if is_newer_kept else ("gw-1", "gw-2")
    (project.output / "ca/ca.crl.pem").write_bytes(sides[list_of]["ca/ca.crl.pem"])
    (project.output / "brokers/plant-a/crl.pem").write_bytes(sides[copy_of]["brokers/plant-a/crl.pem"])
    declare(project, "gw-3", entry[list_of])
    project.now = NOW + timedelta(days=1)
    (hazard,) = plan(project)["hazards"]
    assert (hazard["code"], f"{serials[copy_of]:x}" in hazard["message"]) == ("unrevoked", True)
    apply(project, code=4)
    assert set(entries(project)) == set(serials.values())
    apply(project, code=4)
    # Where it is agreed to, all copies are new, and none brings the entry back.
    apply(project, "--allow", "unrevoked")
    apply(project)
    assert set(entries(project)) == {serials[list_of]}


def test_a_published_list_that_nobody_asks_for_any_more_brings_nobody_back(settled: Project) -> None:
    url = f"crl: {{url: {URL}}}\n"
    declare(settled, "gw-2 gw-3", GONE, more=url)
    apply(settled)
    declare(settled, "gw-2 gw-3")
    apply(settled, "--allow", "unrevoked")
    apply(settled)
    assert entries(settled) == {}


def restore(project: Project, files: dict[str, tuple[bytes, int, int]]) -> None:
    for path in project.output.rglob("*"):
        if path.is_file() and path.relative_to(project.output).as_posix() not in files:
            path.unlink()
    for name, (content, _, _) in files.items():
        (project.output / name).write_bytes(content)


def conflict(ours: bytes, theirs: bytes) -> bytes:
    """What git leaves of two texts that differ in all lines but the first and the last."""
    first, *mine, last = ours.splitlines(keepends=True)
    _, *others, _ = theirs.splitlines(keepends=True)
    return b"".join([first, b"<<<<<<< HEAD\n", *mine, b"=======\n", *others, b">>>>>>> theirs\n", last])


@pytest.mark.parametrize("damage", [b"", b"nonsense", b"-----BEGIN X509 CRL-----\nMII"])
def test_a_damaged_list_is_signed_again(settled: Project, damage: bytes) -> None:
    declare(settled, "gw-2 gw-3", GONE)
    apply(settled)
    had = entries(settled)
    (settled.output / "ca/ca.crl.pem").write_bytes(damage)
    assert status(settled)["revocation_lists"][0]["state"] == "damaged"
    apply(settled)
    assert entries(settled) == had


def test_the_lists_of_other_authorities_come_along(project: Project) -> None:
    other = project.folder / "other"
    other.mkdir()
    old = Project(folder=other, capture=project.capture)
    old.write(HEAD.replace("Test CA", "Old CA") + "  old-1:\ncrl:\n")
    assert project_apply_in(old)
    text = HEAD.replace(
        "{common_name: Test CA}",
        "{common_name: Test CA, also_trust: [{ca: other/pki/ca/ca.pem, crl: other/pki/ca/ca.crl.pem}]}",
    )
    project.write(text + "  gw-1:\ncrl:\n")
    apply(project)
    copy = project.output / "brokers/plant-a/crl.pem"
    assert lists_in(copy) == 2
    issuers = [crl.issuer.rfc4514_string() for crl in split_lists(copy.read_bytes())]
    assert issuers == ["CN=Test CA", "CN=Old CA"]
    # The other authority signs a new list: it goes to the brokers.
    project.now += timedelta(days=1)
    old.now = project.now
    assert old.run("apply", "--replace", "ca/crl").code == 0
    assert busy(project) == {"broker/plant-a/crl": "update"}
    apply(project)
    project.now += timedelta(days=80)
    assert "crl-of-another-ends" in codes(status(project)["folder"])


@pytest.fixture
def trusting(project: Project) -> Project:
    """A plant whose brokers trust another authority, too, and have a list of it."""
    other = project.folder / "other"
    other.mkdir()
    old = Project(folder=other, capture=project.capture)
    old.write(HEAD.replace("Test CA", "Old CA") + "  old-1:\ncrl:\n")
    assert project_apply_in(old)
    shutil.copy(other / "pki/ca/ca.pem", project.folder / "old.pem")
    shutil.copy(other / "pki/ca/ca.crl.pem", project.folder / "old.crl")
    trusted = "{common_name: Test CA, also_trust: [{ca: old.pem, crl: old.crl}]}"
    project.write(
        HEAD.replace("{common_name: Test CA}", trusted) + "  gw-1:\n  gw-2:\ncrl:\nrevoked_from: revoked.yaml\n"
    )
    (project.folder / "revoked.yaml").write_text("[]\n")
    apply(project)
    return project


def revoke_gw_1(project: Project) -> None:
    text = "- {name: client/gw-1, reason: key-compromise, since: 2026-11-23T13:00:00Z}\n"
    (project.folder / "revoked.yaml").write_text(text)
    project.now += timedelta(hours=2)


@pytest.mark.parametrize("content", [b"garbage", None, b"ours"], ids=["garbage", "nothing", "a list of somebody else"])
def test_a_bad_list_of_others_does_not_keep_ours_from_brokers(trusting: Project, content: bytes | None) -> None:
    """The copy holds a list of that authority which still counts: it stays, and a finding says so."""
    file, copy = trusting.folder / "old.crl", trusting.output / "brokers/plant-a/crl.pem"
    others = split_lists(copy.read_bytes())[1]
    if content is None:
        file.unlink()
    else:
        file.write_bytes((trusting.output / "ca/ca.crl.pem").read_bytes() if content == b"ours" else content)
    revoke_gw_1(trusting)
    apply(trusting)
    ours, kept = split_lists(copy.read_bytes())
    assert len(ours) == 1
    assert kept == others
    assert "crl-of-another-unusable" in codes(status(trusting)["folder"])
    assert busy(trusting) == {}
    # When that list has ended, there is nothing to give any more.
    trusting.now += timedelta(days=91)
    (blocked,) = (remark for remark in plan(trusting)["blocked"] if remark["address"] == "broker/plant-a/crl")
    assert blocked["code"] == "also-trust-unreadable"


def test_each_authority_in_a_file_needs_its_list(trusting: Project) -> None:
    third = trusting.folder / "third"
    third.mkdir()
    other = Project(folder=third, capture=trusting.capture)
    other.write(HEAD.replace("Test CA", "Third CA") + "  third-1:\ncrl:\n")
    assert project_apply_in(other)
    with (trusting.folder / "old.pem").open("ab") as file:
        file.write((third / "pki/ca/ca.pem").read_bytes())
    (blocked,) = (remark for remark in plan(trusting)["blocked"] if remark["address"] == "broker/plant-a/crl")
    assert (
        blocked["message"]
        == "old.crl, named in `ca.also_trust`: it holds no list of CN=Third CA, an authority in old.pem"
    )
    with (trusting.folder / "old.crl").open("ab") as file:
        file.write((third / "pki/ca/ca.crl.pem").read_bytes())
    apply(trusting)
    assert lists_in(trusting.output / "brokers/plant-a/crl.pem") == 3


def project_apply_in(project: Project) -> bool:
    return project.run("apply").code == 0


def split_lists(pem: bytes) -> list[x509.CertificateRevocationList]:
    end = b"-----END X509 CRL-----\n"
    return [x509.load_pem_x509_crl(block + end) for block in pem.split(end) if block.strip()]


URL = "http://pki.example/ca.crl"


def test_an_address_goes_into_clients_and_into_a_second_list(settled: Project) -> None:
    declare(settled, "gw-1 gw-2 gw-3", more=f"crl: {{url: {URL}}}\n")
    wanted = {f"client/gw-{n}/certificate": "update" for n in (1, 2, 3)} | {"ca/published-crl": "create"}
    assert busy(settled) == wanted
    report = apply(settled)
    for name in ("clients/gw-1/client.pem", "brokers/plant-a/server.pem"):
        certificate = x509.load_pem_x509_certificate((settled.output / name).read_bytes())
        points = [e.value for e in certificate.extensions if isinstance(e.value, x509.CRLDistributionPoints)]
        places = [place.value for point in points for place in point[0].full_name or ()]
        assert places == ([URL] if "client" in name else [])
    published = x509.load_pem_x509_crl((settled.output / "ca/published.crl.pem").read_bytes())
    extension = published.extensions.get_extension_for_class(x509.IssuingDistributionPoint)
    assert (extension.critical, [name.value for name in extension.value.full_name or ()]) == (True, [URL])
    assert x509.IssuingDistributionPoint.oid not in {e.oid for e in own_list(settled).extensions}
    (delivery,) = [d for d in report["deliver"] if d["address"] == "ca/published-crl"]
    assert (delivery["host"], delivery["files"]) == (URL, ["ca/published.crl.pem"])
    declare(settled, "gw-2 gw-3", GONE, more=f"crl: {{url: {URL}}}\n")
    result = settled.run("apply")
    assert f"Publish at {URL}\n" in result.out
    numbers = [
        x509.load_pem_x509_crl((settled.output / name).read_bytes())
        for name in ("ca/ca.crl.pem", "ca/published.crl.pem")
    ]
    # The name had two certificates: without the address, and with it.
    assert [len(list(crl)) for crl in numbers] == [2, 2]
    # Without the address nothing is made again, and the second list is told.
    declare(settled, "gw-2 gw-3", GONE)
    assert busy(settled) == {}
    assert plan(settled)["unmanaged"][0] == "ca/published.crl.pem"
    (notice,) = [n for n in plan(settled)["notices"] if n["code"] == "crl-unmanaged"]
    assert "asks for no revocation list" not in notice["message"]
    assert "that one ends on 2027-02-21 at 11:00 UTC" in notice["message"]
    assert "crl.url" in (notice["hint"] or "")


def test_a_list_that_nobody_asks_for_any_more_is_never_deleted(settled: Project) -> None:
    settled.write(CLIENTS)
    found = plan(settled, "--prune")
    assert found["unmanaged"] == ["ca/ca.crl.pem", "brokers/plant-a/crl.pem"]
    (notice,) = [n for n in found["notices"] if n["code"] == "crl-unmanaged"]
    assert "2027-02-21" in notice["message"]
    assert settled.run("status").code == 3
    apply(settled, "--prune")
    assert (settled.output / "brokers/plant-a/crl.pem").exists()


def test_a_broker_that_left_takes_its_copy_along(settled: Project) -> None:
    settled.write(
        CLIENTS.replace("  plant-a: {common_name: 10.3.0.11}\n", "  plant-b: {common_name: 10.3.0.12}\n") + "crl:\n"
    )
    apply(settled, "--prune")
    assert not (settled.output / "brokers/plant-a").exists()
    assert (settled.output / "brokers/plant-b/crl.pem").exists()


def test_a_request_for_a_revoked_key_is_refused(settled: Project) -> None:
    """Whoever stole the gateway has its key, and asks for a certificate under another name."""
    key = (settled.output / "clients/gw-1/client.key").read_bytes()
    declare(settled, "gw-2 gw-3", GONE)
    apply(settled, "--prune")
    private_key: Any = load_pem_private_key(key, None)
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    request = builder.sign(private_key, hashes.SHA256()).public_bytes(Encoding.PEM)
    (settled.folder / "requests").mkdir()
    (settled.folder / "requests/gw-9.csr").write_bytes(request)
    settled.write(HEAD + "  gw-2:\n  gw-9: {key_held: csr}\nrevoked_from: revoked.yaml\n")
    (blocked,) = plan(settled)["blocked"]
    assert (blocked["address"], blocked["code"]) == ("client/gw-9/certificate", "key-revoked")
    assert settled.run("apply").code == 1
    assert not (settled.output / "clients/gw-9/client.pem").exists()
    # Long after the certificate has ended, too.
    settled.now += timedelta(days=900)
    assert "key-revoked" in codes(plan(settled)["blocked"])


def give_long_serial(project: Project, folder: str) -> int:
    place, key = project.output / folder / "client.pem", project.output / "ca/ca.key"
    place.write_bytes(with_long_serial(place.read_bytes(), load_pem_private_key(key.read_bytes(), None)))
    return LONG_SERIAL


@pytest.mark.parametrize("by_serial", [False, True])
def test_a_certificate_that_no_list_can_name_is_said_to_get_in(settled: Project, by_serial: bool) -> None:
    stolen = give_long_serial(settled, "clients/gw-1")
    second = serial(settled, "clients/gw-2/client.pem")
    apply(settled)
    key = (settled.output / "clients/gw-1/client.key").read_bytes()
    entry = GONE.replace("name: client/gw-1", f"serial: {stolen:x}") if by_serial else GONE
    declare(settled, "gw-3", entry + "- {name: client/gw-2, reason: superseded}\n")
    hazard = next(one for one in plan(settled)["hazards"] if one["code"] == "unlistable-serial")
    assert f"client/gw-1 {stolen:040x} key-compromise" in hazard["message"]
    assert settled.run("plan", "--detailed-exitcode").code == 4
    apply(settled, "--prune", code=4)
    # Everybody else is locked out; by its serial number one certificate is revoked, by its name also the first.
    assert second in entries(settled)
    assert stolen not in entries(settled)
    assert "unlistable-serial" in codes(status(settled)["folder"])
    apply(settled, "--allow", "unlistable-serial")
    # The thief's key is good for nothing else.
    folder = settled.output / "clients/gw-9"
    folder.mkdir(mode=0o700)
    (folder / "client.key").write_bytes(key)
    (folder / "client.key").chmod(0o600)
    declare(settled, "gw-3 gw-9", entry)
    assert "key-revoked" in codes(plan(settled)["blocked"])
    settled.now += timedelta(days=826)
    assert plan(settled)["hazards"] == []


def test_a_certificate_that_no_list_can_name_still_connects(settled: Project) -> None:
    """What is said of its folder is true; and with `since` the device gets another."""
    give_long_serial(settled, "clients/gw-1")
    apply(settled)
    declare(settled, "gw-2 gw-3", GONE)
    assert "client/gw-1" in [one["address"] for one in plan(settled)["notices"] if one["code"] == "still-valid"]
    settled.now += timedelta(days=2)
    declare(settled, "gw-1 gw-2 gw-3", GONE.replace("note:", f"since: {NOW + timedelta(days=1):%Y-%m-%d}, note:"))
    apply(settled, code=4)
    assert serial(settled, "clients/gw-1/client.pem") < 2**159


def test_a_serial_number_that_no_list_can_name_may_be_declared(settled: Project) -> None:
    declare(settled, "gw-1 gw-2 gw-3", f"- {{serial: {2**160 - 1:x}, reason: superseded, unknown: true}}\n")
    apply(settled, code=4)
    assert codes(plan(settled)["hazards"]) == ["unlistable-serial"]
    apply(settled, "--allow", "unlistable-serial")
    assert entries(settled) == {}


@pytest.mark.parametrize("is_encrypted", [False, True])
def test_a_key_file_that_was_revoked_is_not_certified(
    settled: Project, monkeypatch: pytest.MonkeyPatch, is_encrypted: bool
) -> None:
    """Also one that is encrypted, into which planning does not look."""
    monkeypatch.setenv("PASSWORD", "a long enough password")
    key = load_pem_private_key((settled.output / "clients/gw-1/client.key").read_bytes(), None)
    declare(settled, "gw-2 gw-3", GONE)
    apply(settled, "--prune")
    folder = settled.output / "clients/gw-9"
    folder.mkdir(mode=0o700)
    encryption = BestAvailableEncryption(b"a long enough password") if is_encrypted else NoEncryption()
    place = folder / "client.key"
    place.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption))
    place.chmod(0o600)
    own = "{password: {env: PASSWORD}}" if is_encrypted else ""
    settled.write(f"{HEAD}  gw-9: {own}\nrevoked_from: revoked.yaml\n")
    result = settled.run("apply")
    assert (result.code, "revoked" in result.out + result.err) == (1, True)
    assert not (folder / "client.pem").exists()


def give_password(project: Project) -> None:
    text = project.manifest.read_text()
    project.write(text.replace("  gw-1:\n", "  gw-1: {password: {env: PASSWORD}}\n"))


def test_a_locked_key_of_a_thief_s_stops_nobody_else(settled: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """It comes back from a backup, and only opening it shows that it was revoked: the list is signed all the same."""
    monkeypatch.setenv("PASSWORD", "a long enough password")
    place = settled.output / "clients/gw-1/client.key"
    old: Any = load_pem_private_key(place.read_bytes(), None)
    settled.now += timedelta(days=2)
    since = GONE.replace("note:", f"since: {NOW + timedelta(days=1):%Y-%m-%d}, note:")
    declare(settled, "gw-1 gw-2 gw-3", since)
    give_password(settled)
    apply(settled)
    encryption = BestAvailableEncryption(b"a long enough password")
    place.write_bytes(old.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption))
    place.with_suffix(".pem").unlink()
    second = serial(settled, "clients/gw-2/client.pem")
    declare(settled, "gw-1 gw-3", since + "- {name: client/gw-2, reason: superseded}\n")
    give_password(settled)
    monkeypatch.delenv("PASSWORD")
    result = settled.run("apply")
    assert (result.code, "--target ca/crl" in result.err) == (1, True)
    assert second not in entries(settled)
    monkeypatch.setenv("PASSWORD", "a long enough password")
    result = settled.run("apply", "--format", "json")
    outcomes = {one["address"]: one for one in json.loads(result.out)["changes"]}
    assert result.code == 1
    assert outcomes["client/gw-1/certificate"]["outcome"] == "failed"
    assert "revoked" in outcomes["client/gw-1/certificate"]["error"]
    assert (outcomes["ca/crl"]["outcome"], outcomes["broker/plant-a/crl"]["outcome"]) == ("done", "done")
    assert second in entries(settled)
    assert not place.with_suffix(".pem").exists()
    # The same with a password that opens something else.
    monkeypatch.setenv("PASSWORD", "another long password")
    assert settled.run("apply", "--replace", "ca/crl").code == 1
    apply(settled, "--replace", "client/gw-1/private-key")


def test_a_revoked_key_is_refused_by_the_next_authority_as_well(settled: Project) -> None:
    """The log knows it, although the certificate was another authority's."""
    key = (settled.output / "clients/gw-1/client.key").read_bytes()
    declare(settled, "gw-2 gw-3", GONE)
    apply(settled, "--prune")
    assert settled.run("apply", "--replace", "ca", "--allow", "ca-replaced").code == 0
    assert entries(settled) == {}
    folder = settled.output / "clients/gw-9"
    folder.mkdir(mode=0o700)
    (folder / "client.key").write_bytes(key)
    (folder / "client.key").chmod(0o600)
    declare(settled, "gw-2 gw-3 gw-9", GONE)
    assert codes(plan(settled)["blocked"]) == ["key-revoked"]


def test_what_ends_first_stands_first_on_a_line_of_its_own(settled: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Console, "width", 40)

    def head() -> list[str]:
        return settled.run("status").out.splitlines()[:3]

    # The first line is never broken, for programs that show no other.
    assert head() == [
        "The revocation list ends on 2027-02-21, in 90 days.",
        "Next to end: broker/plant-a and 3 more",
        "on 2029-02-25, in 825 days.",
    ]
    declare(settled, "gw-1 gw-2 gw-3 gw-4", more="crl:\ndefaults: {validity: 30d}\n")
    apply(settled)
    assert head() == [
        "Next to end: broker/plant-a and 4 more on 2026-12-23, in 30 days.",
        "The revocation list ends on 2027-02-21,",
        "in 90 days.",
    ]


def test_what_is_said_about_revocation_stands_before_standing_notices(settled: Project) -> None:
    own = x509.load_pem_x509_certificate((settled.output / "ca/ca.pem").read_bytes()).serial_number
    declare(settled, "gw-2 gw-3", GONE + f"- {{serial: {own:040x}, reason: superseded}}\n")
    assert codes(plan(settled)["notices"])[0] == "revokes-authority"
    assert len(plan(settled)["notices"]) > 1
    settled.write(CLIENTS)
    assert codes(plan(settled)["notices"])[0] == "crl-unmanaged"


def test_without_a_list_in_the_manifest_nobody_is_let_in_unseen(project: Project) -> None:
    """The last entry went, and with it what asked for a list: the one that is here still says who is locked out."""
    declare(project, "gw-1 gw-2", more="")
    apply(project)
    stolen = (project.output / "clients/gw-1/client.key").read_bytes()
    declare(project, "gw-2", GONE, more="")
    apply(project)
    declare(project, "gw-1 gw-2", more="")
    (hazard,) = plan(project)["hazards"]
    assert (hazard["code"], hazard["address"]) == ("unrevoked", "ca")
    assert "client/gw-1" in hazard["message"]
    assert project.run("plan", "--detailed-exitcode").code == 4
    assert "unrevoked" in codes(status(project)["folder"])
    # Everything else goes on; and the thief's key is not the device's any more.
    apply(project, code=4)
    assert (project.output / "clients/gw-1/client.key").read_bytes() != stolen
    apply(project, "--allow", "unrevoked")
    # Where the certificate has ended there is nobody to let in.
    project.now += timedelta(days=826)
    assert plan(project)["hazards"] == []
    project.now = NOW
    for path in ("ca/ca.crl.pem", "brokers/plant-a/crl.pem"):
        (project.output / path).unlink()
    apply(project)
