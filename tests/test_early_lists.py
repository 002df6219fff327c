"""A revocation list that begins later than now: the clock was wrong when it was signed, or is now."""

import json
from datetime import timedelta

import pytest
from cryptography import x509

from tests.conftest import NOW, Project
from tests.revocation_lists import HEAD, ends, entries, number, own_list, read_list, serial

LEFT = HEAD + "  gw-2:\ncrl:\nrevoked:\n  - {name: client/gw-1, reason: key-compromise}\n"


def signed_early(project: Project, early: timedelta) -> int:
    """A plant that revoked a device while its clock was ahead; returns the device's serial number."""
    project.write(HEAD + "  gw-1:\n  gw-2:\ncrl:\n")
    project.apply()
    stolen = serial(project, "clients/gw-1/client.pem")
    project.write(LEFT)
    project.now = NOW + early
    project.apply()
    project.now = NOW
    return stolen


def test_a_list_that_begins_later_is_signed_again(project: Project) -> None:
    stolen = signed_early(project, timedelta(hours=20))
    before = own_list(project)
    plan = json.loads(project.run("plan", "--format", "json").out)
    assert {c["address"]: c["action"] for c in plan["changes"] if c["action"] != "no-op"} == {
        "ca/crl": "renew",
        "broker/plant-a/crl": "update",
    }
    (reason,) = next(change["reasons"] for change in plan["changes"] if change["address"] == "ca/crl")
    assert (reason["code"], reason["before"]) == ("not-yet-valid", "2026-11-24T07:00:00Z")
    (notice,) = [remark for remark in plan["notices"] if remark["code"] == "not-yet-valid"]
    assert "2026-11-24 at 07:00 UTC, and strict brokers refuse every client until then" in notice["message"]
    (row,) = json.loads(project.run("status", "--format", "json").out)["revocation_lists"]
    assert row["state"] == "early"
    project.apply()
    assert own_list(project).last_update_utc == NOW - timedelta(hours=1)
    assert ends(project) == NOW + timedelta(days=90, hours=-1)
    assert number(project) == before.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number + 1
    assert read_list(project.output / "brokers/plant-a/crl.pem") == own_list(project)
    assert set(entries(project)) == {stolen}
    # What was revoked in that future was revoked now at the latest.
    assert [entry.revocation_date_utc for entry in own_list(project)] == [NOW]
    files = project.files()
    project.apply()
    assert project.files() == files


def test_one_that_begins_much_later_wants_to_know_which_clock_was_wrong(project: Project) -> None:
    """A list that a clock signs that is behind would have ended for everybody: nobody knows which of both is right."""
    stolen = signed_early(project, timedelta(days=400))
    before = number(project)
    plan = json.loads(project.run("plan", "--format", "json").out)
    assert [hazard["code"] for hazard in plan["hazards"]] == ["clock-behind"]
    (notice,) = [remark for remark in plan["notices"] if remark["code"] == "not-yet-valid"]
    assert "--allow clock-behind" in notice["hint"]
    files = project.files()
    assert project.run("apply").code == 4
    assert project.files() == files
    (row,) = json.loads(project.run("status", "--format", "json").out)["revocation_lists"]
    assert (row["state"], "--allow clock-behind" in row["remarks"][0]["hint"]) == ("early", True)
    assert project.run("apply", "--allow", "clock-behind").code == 0
    assert (ends(project), number(project)) == (NOW + timedelta(days=90, hours=-1), before + 1)
    assert set(entries(project)) == {stolen}
    project.apply()


def test_without_the_key_it_is_blocked_and_says_what_brokers_do(project: Project) -> None:
    signed_early(project, timedelta(hours=20))
    (project.output / "ca/ca.key").unlink()
    (blocked,) = json.loads(project.run("plan", "--format", "json").out)["blocked"]
    assert (blocked["address"], blocked["code"]) == ("ca/crl", "issuer-key-not-here")
    assert "begins on 2026-11-24 at 07:00 UTC" in blocked["message"]


@pytest.mark.parametrize("argument", [(), ("--allow", "unrevoked")])
def test_an_entry_that_nothing_declares_is_not_revoked_in_the_future_either(
    project: Project, argument: tuple[str, ...]
) -> None:
    signed_early(project, timedelta(hours=20))
    project.write(LEFT.partition("revoked:")[0])
    assert project.run("apply", *argument).code == (0 if argument else 4)
    assert [entry.revocation_date_utc for entry in own_list(project)] == ([] if argument else [NOW])
