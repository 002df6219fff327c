"""A reviewed plan that signs a revocation list, where another run has signed one in the meantime."""

import pytest

from tests.conftest import Project
from tests.revocation_lists import HEAD, entries, number, own_list, read_list, serial
from tests.saved_plans import planned, report, save, stale

CLIENTS = HEAD + "  gw-1:\n  gw-2:\ncrl:\n"
GONE = CLIENTS.replace("  gw-1:\n", "") + "revoked:\n  - {name: client/gw-1, reason: key-compromise}\n"
COPY = "brokers/plant-a/crl.pem"


@pytest.fixture
def settled(project: Project) -> Project:
    project.write(CLIENTS)
    project.apply()
    return project


def test_a_copy_gets_the_reviewed_list_although_it_has_another_by_now(settled: Project) -> None:
    """The nightly run renewed the list of a branch that revokes nobody; then the reviewed plan is carried out."""
    settled.write(GONE)
    save(settled)
    settled.write(CLIENTS)
    assert settled.run("apply", "--replace", "ca/crl").code == 0
    settled.write(GONE)
    document = report(settled, 0)
    assert stale(document) == {}
    assert set(entries(settled)) == {serial(settled, "clients/gw-1/client.pem")}
    assert read_list(settled.output / COPY) == own_list(settled)
    assert planned(settled) == {}


@pytest.mark.parametrize("damage", [None, b"nonsense"])
def test_a_copy_that_was_lost_meanwhile_gets_the_reviewed_list_too(settled: Project, damage: bytes | None) -> None:
    save(settled, "--replace", "ca/crl")
    (settled.output / COPY).unlink()
    if damage is not None:
        (settled.output / COPY).write_bytes(damage)
    assert stale(report(settled, 0)) == {}
    assert read_list(settled.output / COPY) == own_list(settled)


def test_a_copy_that_was_missing_when_it_was_saved_gets_it_too(settled: Project) -> None:
    (settled.output / COPY).unlink()
    save(settled, "--replace", "ca/crl")
    assert settled.run("apply", "--target", "broker/plant-a/trust", "--target", "broker/plant-a/crl").code == 0
    assert stale(report(settled, 0)) == {}
    assert read_list(settled.output / COPY) == own_list(settled)


def test_a_list_that_was_not_reviewed_reaches_no_broker(settled: Project) -> None:
    """What was agreed to is the list that was here; another one that was signed since is another."""
    before = (settled.output / COPY).read_bytes()
    sign_for_nobody(settled, before)
    save(settled)
    last = number(settled)
    sign_for_nobody(settled, before)
    assert number(settled) > last
    assert stale(report(settled, 4)) == {"broker/plant-a/crl": "planned-otherwise"}
    assert (settled.output / COPY).read_bytes() == before


def sign_for_nobody(project: Project, copy: bytes) -> None:
    """A new list that its broker did not get."""
    assert project.run("apply", "--replace", "ca/crl", "--target", "ca").code == 0
    (project.output / COPY).write_bytes(copy)
