"""A key that is in other hands: every certificate for it is revoked, not only the one that was named."""

import json
from datetime import datetime, timedelta

import pytest

from tests.conftest import NOW, Project
from tests.readers import spki
from tests.revocation_lists import declare, entries, serial

PLACE = "clients/gw-3/client.pem"


def listed(project: Project) -> list[str]:
    """What the plan says that the list gets."""
    changes = json.loads(project.run("plan", "--format", "json").out)["changes"]
    (change,) = [change for change in changes if change["address"] == "ca/crl"]
    found: list[str] = change["reasons"][0]["after"]
    return found


@pytest.fixture
def renewed(project: Project) -> tuple[Project, int, int]:
    """A client whose certificate was renewed for the same key; both can connect."""
    declare(project, "gw-1 gw-3")
    project.apply()
    first = serial(project, PLACE)
    project.now += timedelta(days=1)
    assert project.run("apply", "--replace", "client/gw-3/certificate").code == 0
    return project, first, serial(project, PLACE)


def since(moment: datetime) -> str:
    return f"- {{name: client/gw-3, reason: key-compromise, since: '{moment:%Y-%m-%dT%H:%M:%SZ}'}}\n"


def test_a_renewal_after_since_is_revoked_too(renewed: tuple[Project, int, int]) -> None:
    project, first, second = renewed
    key = spki_of(project)
    declare(project, "gw-1 gw-3", since(NOW + timedelta(hours=1)))
    named = f"client/gw-3 {second:x} key-compromise, same key as client/gw-3 {first:x}"
    assert set(listed(project)) == {f"client/gw-3 {first:x} key-compromise", named}
    project.apply()
    assert entries(project) == {first: "keyCompromise", second: "keyCompromise"}
    assert spki_of(project) != key
    # The third has another key, and stays.
    project.now += timedelta(days=1)
    project.apply()
    assert entries(project) == {first: "keyCompromise", second: "keyCompromise"}


def spki_of(project: Project) -> bytes:
    from cryptography import x509

    return spki(x509.load_pem_x509_certificate((project.output / PLACE).read_bytes()).public_key())


@pytest.mark.parametrize("which", [0, 1])
def test_one_serial_number_revokes_every_other_certificate_for_its_key(
    renewed: tuple[Project, int, int], which: int
) -> None:
    project, *both = renewed
    declare(project, "gw-1 gw-3", f"- {{serial: '{both[which]:x}', reason: key-compromise}}\n")
    project.apply()
    assert entries(project) == dict.fromkeys(both, "keyCompromise")


def test_another_reason_is_about_one_certificate(renewed: tuple[Project, int, int]) -> None:
    project, first, _ = renewed
    declare(project, "gw-1 gw-3", f"- {{serial: '{first:x}', reason: superseded}}\n")
    project.apply()
    assert entries(project) == {first: "superseded"}


def test_a_stolen_key_outranks_the_reason_of_another_entry(renewed: tuple[Project, int, int]) -> None:
    project, first, second = renewed
    declare(
        project,
        "gw-1 gw-3",
        f"- {{serial: '{second:x}', reason: superseded}}\n- {{serial: '{first:x}', reason: key-compromise}}\n",
    )
    project.apply()
    assert entries(project) == {first: "keyCompromise", second: "keyCompromise"}


def test_a_key_that_two_have_is_stolen_from_both(project: Project) -> None:
    """A folder that was copied, key and all, and got a certificate of its own."""
    declare(project, "gw-1 gw-3")
    project.apply()
    place = project.output / "clients"
    (place / "gw-3/client.key").unlink()
    (place / "gw-3/client.pem").unlink()
    (place / "gw-3/client.key").write_bytes((place / "gw-1/client.key").read_bytes())
    (place / "gw-3/client.key").chmod(0o600)
    project.apply()
    both = {serial(project, f"clients/{name}/client.pem") for name in ("gw-1", "gw-3")}
    key = spki_of(project)
    declare(project, "gw-3", "- {name: client/gw-1, reason: key-compromise}\n")
    project.apply()
    assert entries(project) == dict.fromkeys(both, "keyCompromise")
    assert spki_of(project) != key


def test_a_key_that_was_stolen_under_an_earlier_authority_is_stolen_under_this(project: Project) -> None:
    declare(project, "gw-1 gw-3")
    project.apply()
    project.now += timedelta(days=1)
    assert project.run("apply", "--replace", "ca", "--allow", "ca-replaced").code == 0
    second = serial(project, PLACE)
    key = spki_of(project)
    declare(project, "gw-1 gw-3", since(NOW + timedelta(hours=1)))
    project.apply()
    assert entries(project) == {second: "keyCompromise"}
    assert spki_of(project) != key
