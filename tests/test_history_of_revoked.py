"""What `status --history` says of certificates that stand in the revocation list."""

import json
from datetime import timedelta
from typing import Any

import jsonschema
import pytest

from edgecerts.schemas import schema_text
from tests.conftest import NOW, Project
from tests.revocation_lists import HEAD, serial

CLIENTS = HEAD + "  gw-1:\n  gw-2:\ncrl:\n"
CLIENT = "client/gw-1"
LIST = "ca/ca.crl.pem"


def history(project: Project, address: str = CLIENT) -> dict[str, Any]:
    result = project.run("status", "--history", address, "--format", "json")
    assert result.code == 0, result.err
    document: dict[str, Any] = json.loads(result.out)
    jsonschema.validate(document, json.loads(schema_text("history")))
    return document


def seen(project: Project, address: str = CLIENT) -> list[tuple[str, bool, dict[str, str] | None]]:
    certificates = history(project, address)["certificates"]
    return [(issued["state"], issued["in_place"], issued["revoked"]) for issued in certificates]


def revoke(project: Project, text: str) -> None:
    project.write(f"{CLIENTS}revoked:\n  - {text}\n")
    project.apply()


@pytest.fixture
def plant(project: Project) -> Project:
    """A gateway whose first certificate was replaced after a day."""
    project.write(CLIENTS)
    project.apply()
    project.now = NOW + timedelta(days=1)
    assert project.run("apply", "--replace", CLIENT).code == 0
    return project


def test_what_is_revoked_is_said_with_its_reason_and_time(plant: Project) -> None:
    assert [entry["revoked"] for entry in history(plant)["certificates"]] == [None, None]
    plant.now = NOW + timedelta(days=2)
    revoke(plant, "{name: client/gw-1, since: 2026-11-24, reason: key-compromise}")
    entry = {"reason": "key-compromise", "at": "2026-11-25T12:00:00Z"}
    assert seen(plant) == [("revoked", False, entry), ("in-place", True, None)]
    text = plant.run("status", "--history", CLIENT).out
    assert text.startswith("client/gw-1: 2 certificates; 1 is revoked.\n")
    assert "  now        revoked on 2026-11-25 (key-compromise)\n" in text
    assert "  now        in place\n" in text
    assert seen(plant, "client/gw-2") == [("in-place", True, None)]


def test_one_that_is_revoked_in_its_place_is_said_to_be_there(plant: Project) -> None:
    """The entry left the manifest, and its folder is still there."""
    number = serial(plant, "clients/gw-1/client.pem")
    plant.write(CLIENTS.replace("  gw-1:\n", "") + f"revoked: [{{serial: '{number:x}', reason: superseded}}]\n")
    plant.apply()
    assert [found[:2] for found in seen(plant)] == [("still-valid", False), ("revoked", True)]
    text = plant.run("status", "--history", CLIENT).out
    headline = "client/gw-1: 2 certificates; 1 that is not in place is still valid; 1 is revoked. "
    assert " ".join(text.split()).startswith(headline)
    assert "  now        in place, and revoked on 2026-11-24 (superseded)\n" in text
    plant.now = NOW + timedelta(days=900)
    assert [found[:2] for found in seen(plant)] == [("expired", False), ("expired", True)]
    assert "in place, and expired, revoked on 2026-11-24 (superseded)" in plant.run("status", "--history", CLIENT).out


def test_what_is_only_declared_is_not_revoked_yet(plant: Project) -> None:
    """No broker knows of it before a list is signed."""
    plant.write(f"{CLIENTS}revoked:\n  - {{name: client/gw-1, since: 2026-11-24, reason: superseded}}\n")
    assert [found[0] for found in seen(plant)] == ["still-valid", "in-place"]


def test_a_number_of_another_authority_is_not_revoked_by_this_list(plant: Project) -> None:
    revoke(plant, "{name: client/gw-1, since: 2026-11-24, reason: superseded}")
    (log,) = plant.output.glob("issued/*.jsonl")
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    log.write_text("".join(json.dumps({**line, "issuer_key": "ab" * 32}) + "\n" for line in lines))
    assert [found[0] for found in seen(plant)] == ["still-valid", "in-place"]


@pytest.mark.parametrize("damage", ["nonsense", "forged", "no authority"])
def test_a_list_that_says_nothing_is_a_notice(
    plant: Project, tmp_path_factory: pytest.TempPathFactory, damage: str
) -> None:
    revoke(plant, "{name: client/gw-1, since: 2026-11-24, reason: superseded}")
    if damage == "nonsense":
        (plant.output / LIST).write_text("nonsense")
    elif damage == "forged":
        other = Project(folder=tmp_path_factory.mktemp("other"), capture=plant.capture)
        other.write(CLIENTS)
        other.apply()
        (plant.output / LIST).write_bytes((other.output / LIST).read_bytes())
    else:
        (plant.output / "ca/ca.pem").unlink()
    document = history(plant)
    assert [entry["revoked"] for entry in document["certificates"]] == [None, None]
    (notice,) = document["notices"]
    assert (notice["code"], notice["address"]) == ("corrupt" if damage == "forged" else "unreadable", "ca/crl")
    assert "none of these is known to be revoked" in notice["message"]
