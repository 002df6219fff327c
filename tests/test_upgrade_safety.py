"""A new version of edgecerts never issues again what an older one made."""

import json
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from tests.conftest import NOW, Project
from tests.frozen.make import ENVIRON
from tests.readers import key_and_certificate_match, read_certificate, spki

FROZEN = Path(__file__).parent / "frozen"
FOLDERS = sorted(path.parent.name for path in FROZEN.glob("*/pki.yaml"))


@pytest.fixture(params=FOLDERS)
def frozen(request: pytest.FixtureRequest, project: Project, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    """A copy of a frozen folder, with the modes that a checkout does not keep as it found them."""
    shutil.copytree(FROZEN / request.param, project.folder, dirs_exist_ok=True)
    for key in project.output.rglob("*.key"):
        key.chmod(0o600)
        key.parent.chmod(0o700)
    for name, value in ENVIRON.items():
        monkeypatch.setenv(name, value)
    yield project


def actions(project: Project) -> dict[str, str]:
    plan = json.loads(project.run("plan", "--format", "json").out)
    assert plan["hazards"] == plan["blocked"] == []
    return {
        change["address"]: change["action"]
        for change in plan["changes"]
        if change["action"] != "no-op" and not change["address"].startswith(("folder/", "log"))
    }


def test_the_frozen_folders_are_there() -> None:
    assert FOLDERS == ["older", "settled-0.1"]
    keys = sorted(path.relative_to(FROZEN).as_posix() for path in FROZEN.rglob("*.key"))
    assert "settled-0.1/pki/ca/ca.key" in keys
    assert "settled-0.1/pki/clients/delivered/client.key" not in keys
    assert len(keys) == 5 + 13


def test_nothing_is_issued_again(frozen: Project) -> None:
    assert actions(frozen) == {}


def test_what_an_older_version_or_another_tool_did_not_log_is_recorded_once(frozen: Project) -> None:
    logged = {line["sha256"] for line in log_lines(frozen)}
    here = {
        read_certificate(path).fingerprint(hashes.SHA256()).hex()
        for pattern in ("ca/ca.pem", "brokers/*/server.pem", "clients/*/client.pem")
        for path in frozen.output.glob(pattern)
    }
    frozen.apply()
    lines = log_lines(frozen)
    assert [line["action"] for line in lines].count("record") == len(here - logged)
    assert sorted(line["sha256"] for line in lines) == sorted(logged | here)
    assert frozen.run("plan").out.splitlines()[-1].startswith("Nothing to do")


def log_lines(project: Project) -> list[dict[str, str]]:
    paths = sorted((project.output / "issued").glob("*.jsonl"))
    return [json.loads(line) for path in paths for line in path.read_text().splitlines()]


def test_nothing_is_issued_again_from_day_to_day_before_it_is_due(frozen: Project) -> None:
    # The shortest lifetime is 90 days, due after 60.
    for day in range(0, 59, 7):
        frozen.now = NOW + timedelta(days=day)
        assert actions(frozen) == {}


def test_what_is_due_is_renewed_with_its_key_by_the_same_authority_and_then_settled(frozen: Project) -> None:
    frozen.now = NOW + timedelta(days=700)
    before = {path: read_certificate(path) for path in frozen.output.glob("*s/*/[sc]*r.pem")}
    before |= {path: read_certificate(path) for path in frozen.output.glob("clients/*/client.pem")}
    assert set(actions(frozen).values()) == {"renew"}
    frozen.apply()
    assert actions(frozen) == {}
    authority = read_certificate(frozen.output / "ca/ca.pem")
    for path, old in before.items():
        new = read_certificate(path)
        assert spki(new.public_key()) == spki(old.public_key())
        assert new.subject.public_bytes() == old.subject.public_bytes()
        new.verify_directly_issued_by(authority)
        key = path.with_suffix(".key")
        assert not key.exists() or key_and_certificate_match(key, path)


def test_a_change_of_one_entry_issues_that_one_alone(frozen: Project) -> None:
    text = frozen.manifest.read_text().replace("common_name: 10.3.0.11", "common_name: 10.3.0.99")
    frozen.write(text.replace("common_name: a.example", "common_name: z.example"))
    assert set(actions(frozen).values()) == {"update"}
    assert len(actions(frozen)) == 1
    frozen.apply()
    assert actions(frozen) == {}


@pytest.mark.parametrize("lost", [True, False], ids=["lost", "asked for again"])
def test_an_authority_made_again_keeps_its_name_and_key_identifier_and_all_leaves(frozen: Project, lost: bool) -> None:
    place = frozen.output / "ca/ca.pem"
    old = read_certificate(place)
    leaves = {path: path.read_bytes() for path in frozen.output.glob("*s/*/*r.pem")}
    if lost:
        place.unlink()
        # Which authority this is stands in what it left behind, and is only compared once its key is open.
        frozen.run("apply")
        frozen.apply()
    else:
        assert frozen.run("apply", "--replace", "ca/certificate").code == 0
    new = read_certificate(place)
    identifiers = [
        certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
        for certificate in (old, new)
    ]
    assert identifiers[0] == identifiers[1]
    assert new.subject.public_bytes() == old.subject.public_bytes()
    assert {path: path.read_bytes() for path in leaves} == leaves
    assert actions(frozen) == {}
