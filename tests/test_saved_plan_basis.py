"""What the digests of a saved plan cover, and which changes go together."""

import shutil
from datetime import timedelta

import pytest

from edgecerts.saved.selection import StaleCode
from tests.conftest import NOW, SMALL, Project
from tests.saved_plans import WITH_GATEWAY, done, left, report, save, settle, stale
from tests.test_docs import codes, read, section, values

ALSO_TRUST = SMALL.replace("{common_name: Test CA}", "{common_name: Test CA, also_trust: [{ca: other.pem}]}")
B2 = ("broker.plant-a.example", "b2.example")
BLOCK_END = "-----END CERTIFICATE-----\n"


def another_authority(project: Project) -> str:
    other = Project(folder=project.folder / "another", capture=project.capture)
    other.folder.mkdir()
    settle(other)
    return (other.output / "ca/ca.pem").read_text()


def test_an_identity_is_carried_out_whole_or_not_at_all(project: Project) -> None:
    settle(project)
    key = project.output / "brokers/plant-a/server.key"
    key.chmod(0o644)
    project.write(SMALL.replace(*B2).replace("MyEACM:", "MyEACM: {validity: 90d}"))
    save(project)
    key.chmod(0o600)
    applied = report(project, 4)
    assert stale(applied) == {
        "broker/plant-a/private-key": "not-planned",
        "broker/plant-a/certificate": "identity-stale",
    }
    assert done(applied) == {"client/MyEACM/certificate"}


@pytest.mark.parametrize("part", ["certificate", "trust"])
def test_what_goes_with_an_authority_that_became_due_waits(project: Project, part: str) -> None:
    settle(project)
    project.now = NOW + timedelta(days=2400)
    project.apply()
    if part == "certificate":
        project.write(SMALL.replace(*B2))
    else:
        (project.output / "brokers/plant-a/ca.pem").unlink()
    save(project)
    project.now = NOW + timedelta(days=2900)
    applied = report(project, 4)
    assert stale(applied) == {f"broker/plant-a/{part}": "depends-on-unsaved"}
    assert left(applied)["ca/certificate"] == "renew"
    assert done(applied) == set()


def test_other_authorities_that_are_trusted_must_be_those_that_were_seen(project: Project) -> None:
    other = project.folder / "other.pem"
    other.write_text(another_authority(project))
    settle(project, ALSO_TRUST)
    (project.output / "brokers/plant-a/ca.pem").unlink()
    save(project)
    shutil.copy(project.output / "ca/ca.pem", other)
    before = project.files()
    assert stale(report(project, 4)) == {"broker/plant-a/trust": "files-changed"}
    assert project.files() == before


def test_the_order_in_a_trust_file_does_not_matter(project: Project) -> None:
    (project.folder / "other.pem").write_text(another_authority(project))
    settle(project, ALSO_TRUST)
    project.write(ALSO_TRUST.replace(*B2))
    save(project)
    trust = project.output / "brokers/plant-a/ca.pem"
    first, second, _ = trust.read_text().split(BLOCK_END)
    trust.write_text(second + BLOCK_END + first + BLOCK_END)
    assert done(report(project, 0)) == {"broker/plant-a/certificate"}


def test_lines_of_the_user_in_our_files_do_not_matter(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PASSWORD", "a password")
    settle(project)
    project.write(SMALL + "  gateway: {password: {env: PASSWORD}}\n")
    save(project)
    ignored = project.output / ".gitignore"
    ignored.write_bytes(b"*.bak\r\n" + ignored.read_bytes().replace(b"\n", b"\r\n"))
    assert "folder/.gitignore" in done(report(project, 0))
    assert ignored.read_bytes().startswith(b"*.bak")


def test_what_is_left_is_in_neither_needs_nor_deliveries_nor_new_keys(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A broker that became due needs a password that a run without it must not ask for."""
    monkeypatch.setenv("PASSWORD", "a password")
    text = SMALL.replace(
        "[broker.plant-a.example]", "[broker.plant-a.example], rekey: on-renew, password: {env: PASSWORD}"
    )
    settle(project, text)
    monkeypatch.delenv("PASSWORD")
    project.write(text + WITH_GATEWAY[len(SMALL) :])
    project.now = NOW + timedelta(days=400)
    save(project)
    project.now = NOW + timedelta(days=600)
    applied = report(project, 0)
    assert "broker/plant-a/private-key" in left(applied)
    assert applied["new_keys"] == ["clients/gateway/client.key"]
    assert applied["needs"] == [{"address": "ca/private-key", "kind": "key", "source": "file:ca/ca.key"}]
    assert {delivery["address"] for delivery in applied["deliver"]} == {"client/gateway"}


def test_every_way_to_be_stale_is_described() -> None:
    assert codes(section(read("docs/plan.md"), "Saving a plan")) == values(StaleCode)
