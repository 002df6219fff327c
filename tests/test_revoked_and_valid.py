"""That a certificate can still connect is said of those alone that no revocation list has."""

import json
from datetime import timedelta

import pytest

from tests.conftest import Project
from tests.revocation_lists import HEAD, entries, serial

CLIENTS = HEAD + "  gw-1:\n  gw-2:\n  gw-3:\n"
LISTED = "crl:\nrevoked:\n  - {name: client/gw-1, reason: key-compromise}\n"
WITHOUT = CLIENTS.replace("  gw-1:\n", "")


@pytest.fixture
def settled(project: Project) -> Project:
    """One of three clients is in the list."""
    project.write(CLIENTS)
    project.apply()
    project.write(WITHOUT + LISTED)
    project.apply()
    assert set(entries(project)) == {serial(project, "clients/gw-1/client.pem")}
    project.now += timedelta(days=1)
    return project


def said_of(project: Project, *arguments: str) -> set[str]:
    """Of whom it is said."""
    document = json.loads(project.run("plan", "--format", "json", *arguments).out)
    return {notice["address"] for notice in document["notices"] if notice["code"] == "still-valid"}


@pytest.mark.parametrize("crl", ["crl:\n", ""])
@pytest.mark.parametrize("clients", [WITHOUT, CLIENTS])
def test_it_is_not_said_of_what_the_list_in_place_has(settled: Project, clients: str, crl: str) -> None:
    """Its entry in the manifest was lost in a merge, or nobody signs the next list; brokers have this one."""
    settled.write(clients + crl)
    assert said_of(
        settled, "--replace", "client/gw-2", *(["--replace", "client/gw-1"] if clients == CLIENTS else [])
    ) == {"client/gw-2"}
    assert "can connect" not in settled.run("status").out


def test_it_is_said_of_whom_the_next_list_lets_in_again(settled: Project) -> None:
    settled.write(WITHOUT + "crl:\n")
    assert said_of(settled, "--allow", "unrevoked") == {"client/gw-1"}
    settled.write(CLIENTS + "crl:\n")
    assert said_of(settled, "--allow", "unrevoked", "--replace", "client/gw-1") == {"client/gw-1"}


def test_another_authority_revokes_nobody_here(settled: Project) -> None:
    """A list with the same serial number, and somebody else's signature."""
    other = settled.folder / "other"
    other.mkdir()
    stranger = Project(folder=other, capture=settled.capture, now=settled.now)
    number = serial(settled, "clients/gw-2/client.pem")
    stranger.write(CLIENTS + f"revoked: [{{serial: '{number:x}', reason: superseded, unknown: true}}]\n")
    assert stranger.run("apply").code == 0
    settled.write(CLIENTS)
    for place in ("ca/ca.crl.pem", "brokers/plant-a/crl.pem"):
        (settled.output / place).write_bytes((stranger.output / "ca/ca.crl.pem").read_bytes())
    assert said_of(settled, "--replace", "client/gw-2") == {"client/gw-2"}
