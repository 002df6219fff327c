"""A run that is restricted to some addresses where somebody is revoked: the list comes along, or is said to be left."""

import json
from datetime import timedelta
from typing import Any

import pytest

from tests.conftest import NOW, Project
from tests.revocation_lists import HEAD, entries, own_list, read_list, serial

BROKERS = "brokers:\n  plant-a: {common_name: 10.3.0.11}\n"
MORE_BROKERS = BROKERS + "  plant-b: {common_name: 10.3.0.12}\n"
CLIENTS = HEAD.replace(BROKERS, MORE_BROKERS) + "  gw-1:\n  gw-2:\n  gw-3:\nrevoked_from: revoked.yaml\ncrl:\n"
COPIES = ("brokers/plant-a/crl.pem", "brokers/plant-b/crl.pem")
SINCE = f"- {{name: client/gw-3, reason: key-compromise, since: {NOW + timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}}}\n"
GONE = "- {name: client/gw-3, reason: key-compromise}\n"


@pytest.fixture
def settled(project: Project) -> Project:
    project.write(CLIENTS)
    revoke(project, "[]\n")
    project.apply()
    project.now += timedelta(days=1)
    return project


def revoke(project: Project, text: str) -> None:
    (project.folder / "revoked.yaml").write_text(text)


def left_out(project: Project, *arguments: str) -> list[dict[str, str]]:
    document: dict[str, Any] = json.loads(project.run("plan", "--format", "json", *arguments).out)
    return [notice for notice in document["notices"] if notice["code"] == "crl-left-out"]


def brokers_have_it(project: Project) -> list[bool]:
    return [read_list(project.output / path) == own_list(project) for path in COPIES]


@pytest.mark.parametrize("target", ["client/gw-3", "client/gw-3/certificate", "client/gw-3/private-key"])
def test_who_gets_a_new_key_by_name_is_locked_out_with_the_old_one(settled: Project, target: str) -> None:
    stolen = serial(settled, "clients/gw-3/client.pem")
    revoke(settled, SINCE)
    assert left_out(settled, "--target", target) == []
    assert settled.run("apply", "--target", target).code == 0
    assert entries(settled) == {stolen: "keyCompromise"}
    assert serial(settled, "clients/gw-3/client.pem") != stolen
    assert brokers_have_it(settled) == [True, True]


def test_who_is_replaced_in_the_run_is_locked_out_as_well(settled: Project) -> None:
    settled.write(CLIENTS + "defaults: {revoke_on_rekey: true}\n")
    old = serial(settled, "clients/gw-2/client.pem")
    assert settled.run("apply", "--target", "client/gw-2", "--replace", "client/gw-2").code == 0
    assert entries(settled) == {old: "superseded"}
    assert brokers_have_it(settled) == [True, True]


@pytest.mark.parametrize("target", ["ca/crl", "ca"])
def test_the_list_takes_the_copies_along(settled: Project, target: str) -> None:
    stolen = serial(settled, "clients/gw-3/client.pem")
    settled.write(CLIENTS.replace("  gw-3:\n", "") + "  validity: 60d\n")
    revoke(settled, GONE)
    assert settled.run("apply", "--target", target).code == 0
    assert entries(settled) == {stolen: "keyCompromise"}
    assert brokers_have_it(settled) == [True, True]
    assert left_out(settled, "--target", target) == []


def test_the_published_list_comes_along(settled: Project) -> None:
    settled.write(CLIENTS.replace("  gw-3:\n", "") + "  url: http://pki.example/ca.crl\n")
    settled.apply()
    revoke(settled, GONE)
    assert settled.run("apply", "--target", "ca/crl").code == 0
    published = read_list(settled.output / "ca/published.crl.pem")
    assert {entry.serial_number for entry in published} == set(entries(settled)) != set()


def test_a_broker_of_which_nothing_is_here_gets_its_copy_with_its_certificate(settled: Project) -> None:
    settled.write(CLIENTS.replace(MORE_BROKERS, MORE_BROKERS + "  plant-c: {common_name: 10.3.0.13}\n"))
    assert settled.run("apply", "--target", "ca", "--replace", "ca/crl").code == 0
    assert brokers_have_it(settled) == [True, True]
    assert not (settled.output / "brokers/plant-c").exists()
    settled.apply()
    assert (settled.output / "brokers/plant-c/crl.pem").exists()


@pytest.mark.parametrize("target", ["client/gw-1", "broker/plant-a/trust", "client/gw-3/trust"])
def test_what_others_are_about_is_left_and_said(settled: Project, target: str) -> None:
    stolen = serial(settled, "clients/gw-3/client.pem")
    revoke(settled, SINCE)
    (notice,) = left_out(settled, "--target", target)
    assert f"left as it is, without client/gw-3 {stolen:x}" in notice["message"]
    assert notice["hint"] == "edgecerts apply --target ca/crl"
    result = settled.run("apply", "--target", target)
    assert (result.code, entries(settled)) == (0, {})
    # Also where there was nothing else to do.
    assert "apply --target ca/crl" in result.out
    assert left_out(settled) == []


def test_a_broker_that_does_not_get_the_list_is_said(settled: Project) -> None:
    settled.write(CLIENTS.replace("  gw-3:\n", ""))
    revoke(settled, GONE)
    (notice,) = left_out(settled, "--target", "broker/plant-a")
    assert "broker/plant-b does not get the list with client/gw-3 " in notice["message"]
    assert settled.run("apply", "--target", "broker/plant-a").code == 0
    assert brokers_have_it(settled) == [True, False]
    settled.apply()
    assert brokers_have_it(settled) == [True, True]


def test_a_list_that_is_due_concerns_nobody(settled: Project) -> None:
    """It is signed by whoever is asked for everything, and nobody gets in meanwhile."""
    before = own_list(settled)
    settled.now += timedelta(days=70)
    assert left_out(settled, "--target", "client/gw-1") == []
    assert settled.run("apply", "--target", "client/gw-1").code == 0
    assert own_list(settled) == before


@pytest.mark.parametrize("address", ["client/gw-3", "client/gw-3/certificate"])
@pytest.mark.parametrize("flag", ["--target", "--replace"])
def test_who_is_revoked_and_left_is_said_to_be(settled: Project, flag: str, address: str) -> None:
    settled.write(CLIENTS.replace("  gw-3:\n", ""))
    revoke(settled, GONE)
    result = settled.run("apply", flag, address)
    assert result.code == 64
    assert f"{flag}: {address} is revoked, and not in the manifest any more" in result.err
    assert "--target ca/crl" in result.err
    assert "did you mean" in settled.run("apply", flag, "client/gw-4").err
