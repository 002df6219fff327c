"""`apply` end to end: what is made, what is left alone, and what is said."""

import errno
import fcntl
import json
import os
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes

from edgecerts.apply.file_system import FileSystem
from tests.conftest import NOW, SMALL, Project
from tests.readers import key_and_certificate_match, read_certificate

EVERY_FILE = [
    ".edgecerts/lock",
    ".gitattributes",
    ".gitignore",
    "README.txt",
    "brokers/plant-a/ca.pem",
    "brokers/plant-a/server.key",
    "brokers/plant-a/server.pem",
    "ca/ca.key",
    "ca/ca.pem",
    "clients/MyEACM/ca.pem",
    "clients/MyEACM/client.key",
    "clients/MyEACM/client.pem",
    "issued/2026.jsonl",
]


def folder_times(project: Project) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in [project.output, *project.output.rglob("*")] if path.is_dir()}


def test_apply_makes_every_file_of_the_manifest(project: Project) -> None:
    project.write(SMALL)
    project.apply()
    assert sorted(project.files()) == EVERY_FILE
    assert key_and_certificate_match(project.output / "ca/ca.key", project.output / "ca/ca.pem")
    for stem in ("brokers/plant-a/server", "clients/MyEACM/client"):
        assert key_and_certificate_match(project.output / f"{stem}.key", project.output / f"{stem}.pem")


def test_a_second_apply_does_nothing_says_so_and_touches_no_file_or_folder(project: Project) -> None:
    project.write(SMALL)
    project.apply()
    files, folders = project.files(), folder_times(project)
    result = project.apply()
    assert result.out == "Nothing to do: 11 files as declared.\n"
    assert project.files() == files
    assert folder_times(project) == folders


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o777])
def test_keys_are_0600_and_folders_0700_whatever_the_umask(project: Project, umask: int) -> None:
    if umask == 0o777 and os.geteuid() != 0:
        umask = 0o077
    project.write(SMALL)
    before = os.umask(umask)
    try:
        project.apply()
    finally:
        os.umask(before)
    modes = {name: mode for name, (_, mode, _) in project.files().items()}
    assert {name for name, mode in modes.items() if mode == 0o600} == {
        ".edgecerts/lock",
        "ca/ca.key",
        "brokers/plant-a/server.key",
        "clients/MyEACM/client.key",
    }
    assert {mode for name, mode in modes.items() if not name.endswith((".key", "lock"))} == {0o644}
    folders = [project.output, *(path for path in project.output.rglob("*") if path.is_dir())]
    assert {path.stat().st_mode & 0o777 for path in folders} == {0o700}


def test_every_file_is_private_from_its_first_byte(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    modes_at_first_write: list[int] = []
    write = os.write

    def watched(descriptor: int, data: bytes) -> int:
        modes_at_first_write.append(os.fstat(descriptor).st_mode & 0o777)
        return write(descriptor, data)

    monkeypatch.setattr(os, "write", watched)
    project.write(SMALL)
    before = os.umask(0)
    try:
        project.apply()
    finally:
        os.umask(before)
    files, journals, lock, log_groups = 11, 2, 1, 2
    assert sorted(modes_at_first_write) == [0o600] * (files + journals + lock) + [0o644] * log_groups


def test_a_folder_that_was_made_too_wide_before_is_narrowed_when_a_key_goes_into_it(project: Project) -> None:
    project.write(SMALL)
    wide = project.output / "brokers/plant-a"
    wide.mkdir(parents=True)
    wide.chmod(0o755)
    project.apply()
    assert wide.stat().st_mode & 0o777 == 0o700


def test_files_that_people_put_beside_ours_stay(project: Project) -> None:
    project.write(SMALL)
    note = project.output / "brokers/plant-a/note.txt"
    note.parent.mkdir(parents=True)
    note.write_text("rack 7")
    (project.output / ".gitignore").write_text("*.bak\n")
    project.apply()
    assert note.read_text() == "rack 7"
    lines = (project.output / ".gitignore").read_text().splitlines()
    assert lines[0] == "*.bak"
    assert "*.key" in lines


def test_adding_a_client_makes_its_files_alone(project: Project) -> None:
    project.write(SMALL)
    project.apply()
    before = project.files()
    project.write(SMALL + "  line-4:\n")
    result = project.apply()
    after = project.files()
    new = {"clients/line-4/ca.pem", "clients/line-4/client.key", "clients/line-4/client.pem"}
    assert set(after) - set(before) == new
    assert {name for name in before if before[name] != after[name]} == {"issued/2026.jsonl"}
    assert "Deliver to client line-4" in result.out
    assert "Deliver to broker" not in result.out
    certificate = read_certificate(project.output / "clients/line-4/client.pem")
    certificate.verify_directly_issued_by(read_certificate(project.output / "ca/ca.pem"))


def test_a_new_authority_is_the_first_and_the_last_thing_said(project: Project) -> None:
    project.write(SMALL)
    lines = project.apply().out.splitlines()
    assert lines[0] == "A new certificate authority was made."
    assert lines[-1].startswith("  fingerprint: sha256:")
    project.write(SMALL.replace("{common_name: Test CA}", f"{{common_name: Test CA, {lines[-1].strip()}}}"))
    plan = project.run("plan")
    assert plan.code == 0
    assert "not pinned" not in plan.out
    assert "Nothing to do" in plan.out


def test_an_interrupted_first_run_is_finished_with_the_same_authority(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.write(SMALL)
    create = FileSystem.create

    def failing(self: FileSystem, name: str, folder: int, mode: int) -> int:
        if name == "server.pem":
            raise KeyboardInterrupt
        return create(self, name, folder, mode)

    monkeypatch.setattr(FileSystem, "create", failing)
    result = project.run("apply")
    assert result.code == 130
    assert "Traceback" not in result.err
    key = (project.output / "ca/ca.key").read_bytes()
    assert not (project.output / "brokers").exists()
    assert list((project.output / ".edgecerts/staging").iterdir()) == []
    monkeypatch.setattr(FileSystem, "create", create)
    result = project.run("apply")
    assert result.code == 0, result.out + result.err
    assert (project.output / "ca/ca.key").read_bytes() == key
    assert project.run("apply").out.startswith("Nothing to do")


def test_when_one_identity_fails_the_others_go_on(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.write(SMALL)
    create = FileSystem.create

    def failing(self: FileSystem, name: str, folder: int, mode: int) -> int:
        if name == "server.key":
            raise OSError(errno.ENOSPC, "No space left on device")
        return create(self, name, folder, mode)

    monkeypatch.setattr(FileSystem, "create", failing)
    result = project.run("apply", "--format", "json")
    document = json.loads(result.out)
    outcomes = {change["address"]: (change["outcome"], change["error"]) for change in document["changes"]}
    assert result.code == 1
    told = ("failed", "brokers/plant-a/server.key cannot be written: No space left on device")
    assert outcomes["broker/plant-a/private-key"] == told
    assert outcomes["broker/plant-a/certificate"] == told
    assert outcomes["client/MyEACM/certificate"] == ("done", None)
    assert not (project.output / "brokers/plant-a").exists()
    assert [delivery["address"] for delivery in document["deliver"]] == ["client/MyEACM"]


def test_a_certificate_is_on_record_before_it_is_visible(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.write(SMALL)
    visible: list[str] = []
    rename = FileSystem.rename

    def watched(self: FileSystem, name: str, folder: int, new_name: str, new_folder: int) -> None:
        rename(self, name, folder, new_name, new_folder)
        lines = project.output / "issued/2026.jsonl"
        text = lines.read_text() if lines.exists() else ""
        recorded = {json.loads(line)["sha256"] for line in text.splitlines()}
        for path in project.output.glob("[!.]*/**/*.pem"):
            visible.append(path.name)
            assert read_certificate(path).fingerprint(hashes.SHA256()).hex() in recorded

    monkeypatch.setattr(FileSystem, "rename", watched)
    project.apply()
    assert {"ca.pem", "server.pem", "client.pem"} <= set(visible)


def test_the_issuance_log_has_a_line_for_each_certificate(project: Project) -> None:
    project.write(SMALL)
    project.apply()
    lines = [json.loads(line) for line in (project.output / "issued/2026.jsonl").read_text().splitlines()]
    paths = {
        "ca/certificate": "ca/ca.pem",
        "broker/plant-a/certificate": "brokers/plant-a/server.pem",
        "client/MyEACM/certificate": "clients/MyEACM/client.pem",
    }
    assert [line["address"] for line in lines] == list(paths)
    for line in lines:
        certificate = read_certificate(project.output / paths[line["address"]])
        assert line["serial"] == f"{certificate.serial_number:040x}"
        assert line["not_after"] == f"{certificate.not_valid_after_utc:%Y-%m-%dT%H:%M:%SZ}"
        assert line["action"] == "create"
        assert line["reasons"] == ["missing"]
        assert line["issued_at"] == "2026-11-23T12:00:00Z"


def test_a_second_writer_is_turned_away(project: Project) -> None:
    project.write(SMALL)
    (project.output / ".edgecerts").mkdir(parents=True)
    with (project.output / ".edgecerts/lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        result = project.run("apply")
    assert result.code == 1
    assert "another edgecerts apply is at work" in result.err
    assert not (project.output / "ca").exists()


def test_symbolic_links_below_the_output_folder_are_not_followed(project: Project, tmp_path: Path) -> None:
    """What cannot be read may be an authority's work, so no new authority is made beside it either."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (project.output / "brokers").mkdir(parents=True)
    (project.output / "brokers/plant-a").symlink_to(elsewhere)
    project.write(SMALL)
    result = project.run("apply")
    assert result.code == 4
    assert "symbolic link" in result.out
    assert list(elsewhere.iterdir()) == []
    assert not (project.output / "ca").exists()


def test_a_symbolic_link_that_appears_later_blocks_its_identity_alone(project: Project, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    project.write(SMALL)
    project.apply()
    (project.output / "clients/line-4").symlink_to(elsewhere)
    project.write(SMALL + "  line-4:\n  line-5:\n")
    result = project.run("apply")
    assert result.code == 1
    assert list(elsewhere.iterdir()) == []
    assert (project.output / "clients/line-5/client.pem").exists()


def test_a_lifetime_is_backdated_by_an_hour_or_a_twentieth(project: Project) -> None:
    project.write(SMALL + "  short: {validity: 10h}\n")
    project.apply()
    usual = read_certificate(project.output / "clients/MyEACM/client.pem")
    short = read_certificate(project.output / "clients/short/client.pem")
    assert usual.not_valid_before_utc == NOW - timedelta(hours=1)
    assert usual.not_valid_after_utc - usual.not_valid_before_utc == timedelta(days=825)
    assert short.not_valid_before_utc == NOW - timedelta(minutes=30)
    assert short.not_valid_after_utc - short.not_valid_before_utc == timedelta(hours=10)


def test_a_leaf_lies_within_its_authoritys_lifetime_and_the_plan_says_so(project: Project) -> None:
    project.write(SMALL.replace("{common_name: Test CA}", "{common_name: Test CA, validity: 10h}"))
    plan = project.run("plan", "--format", "json")
    notices = {(notice["code"], notice["address"]) for notice in json.loads(plan.out)["notices"]}
    assert ("lifetime-capped", "broker/plant-a") in notices
    project.apply()
    authority = read_certificate(project.output / "ca/ca.pem")
    leaf = read_certificate(project.output / "brokers/plant-a/server.pem")
    assert leaf.not_valid_before_utc >= authority.not_valid_before_utc
    assert leaf.not_valid_after_utc == authority.not_valid_after_utc
    assert project.run("apply").out.startswith("Nothing to do")


def test_a_not_after_is_taken_to_the_second(project: Project) -> None:
    project.write(
        SMALL.replace("{common_name: Test CA}", "{common_name: Test CA, not_after: 9999-12-31T23:59:59Z}")
        + "  forever: {not_after: 9999-12-31T23:59:59Z}\n"
    )
    project.apply()
    for path in ("ca/ca.pem", "clients/forever/client.pem"):
        assert f"{read_certificate(project.output / path).not_valid_after_utc:%Y%m%d%H%M%S}" == "99991231235959"


def test_also_trust_stands_in_every_ca_pem_that_is_handed_out(project: Project, tmp_path: Path) -> None:
    old = Project(folder=tmp_path / "old", capture=project.capture)
    old.folder.mkdir()
    old.write("version: 1\nca: {common_name: Old CA}\n")
    assert old.run("apply").code == 0
    project.write(
        SMALL.replace("{common_name: Test CA}", "{common_name: Test CA, also_trust: [{ca: old/pki/ca/ca.pem}]}")
    )
    project.apply()
    both = (project.output / "ca/ca.pem").read_bytes() + (old.output / "ca/ca.pem").read_bytes()
    assert (project.output / "brokers/plant-a/ca.pem").read_bytes() == both
    assert (project.output / "clients/MyEACM/ca.pem").read_bytes() == both
    assert project.run("apply").out.startswith("Nothing to do")


def test_an_also_trust_file_that_is_not_there_blocks_the_copies_and_nothing_else(project: Project) -> None:
    project.write(SMALL.replace("{common_name: Test CA}", "{common_name: Test CA, also_trust: [{ca: old.pem}]}"))
    result = project.run("apply", "--format", "json")
    document = json.loads(result.out)
    assert result.code == 1
    assert {(remark["code"], remark["address"]) for remark in document["blocked"]} == {
        ("also-trust-unreadable", "broker/plant-a/trust"),
        ("also-trust-unreadable", "client/MyEACM/trust"),
    }
    assert (project.output / "brokers/plant-a/server.pem").exists()


def test_server_authentication_alone_needs_no_clients(project: Project) -> None:
    project.write("version: 1\nca: {common_name: Test CA}\nbrokers: {b: {common_name: mqtt.example}}\n")
    project.apply()
    assert not (project.output / "clients").exists()


def test_the_output_folder_can_be_named_on_the_command_line(project: Project, tmp_path: Path) -> None:
    project.write(SMALL)
    result = project.run("apply", "--output", str(tmp_path / "state"))
    assert result.code == 0
    assert (tmp_path / "state/ca/ca.pem").exists()
    assert not project.output.exists()


def test_a_delivery_names_host_files_and_what_the_broker_must_do(project: Project) -> None:
    project.write(SMALL)
    document = json.loads(project.run("apply", "--format", "json").out)
    assert document["deliver"][0] == {
        "address": "broker/plant-a",
        "host": "10.3.0.11",
        "files": ["brokers/plant-a/server.key", "brokers/plant-a/server.pem", "brokers/plant-a/ca.pem"],
        "key_on_host": False,
        "key_changed": True,
        "trust_changed": True,
        "crl_changed": False,
        "restart": True,
    }
    assert document["deliver"][1]["restart"] is False
    assert document["new_keys"] == ["ca/ca.key", "brokers/plant-a/server.key", "clients/MyEACM/client.key"]


def test_a_certificate_alone_asks_for_a_reload(project: Project) -> None:
    project.write(SMALL)
    project.apply()
    (project.output / "brokers/plant-a/server.pem").unlink()
    result = project.apply()
    assert "reload the broker" in result.out
    assert "restart the broker" not in result.out
    assert "New private keys" not in result.out
    assert key_and_certificate_match(
        project.output / "brokers/plant-a/server.key", project.output / "brokers/plant-a/server.pem"
    )
