"""What the run after an interrupted one makes of it. What was found by tests/crash_model stands here once more."""

import errno
import json
import os
from datetime import timedelta

import pytest

from edgecerts.apply.file_system import FileSystem, Sync
from tests.conftest import NOW, SMALL, Project
from tests.readers import read_certificate


class Killed(BaseException):
    """The process is gone: nothing after it runs, as far as the folder can tell."""


def kill_after_sync(monkeypatch: pytest.MonkeyPatch, purpose: Sync) -> None:
    """Ends the run when this has reached the disk for the first time."""
    original = FileSystem.sync

    def sync(self: FileSystem, descriptor: int, why: Sync) -> None:
        original(self, descriptor, why)
        if why is purpose:
            raise Killed

    monkeypatch.setattr(FileSystem, "sync", sync)


def interrupt(project: Project, monkeypatch: pytest.MonkeyPatch, purpose: Sync, *arguments: str) -> None:
    with monkeypatch.context() as patch:
        kill_after_sync(patch, purpose)
        with pytest.raises(Killed):
            project.run("apply", *arguments)


def logged_serials(project: Project) -> list[int]:
    log = (project.output / "issued/2026.jsonl").read_text(encoding="utf-8")
    return [int(json.loads(line)["serial"], 16) for line in log.splitlines()]


@pytest.mark.parametrize("purpose", [Sync.COMMIT, Sync.LOG])
def test_a_line_of_an_authority_that_nobody_saw_does_not_keep_the_next_run_from_making_it(
    project: Project, monkeypatch: pytest.MonkeyPatch, purpose: Sync
) -> None:
    project.write(SMALL)
    interrupt(project, monkeypatch, purpose)
    assert not (project.output / "ca").exists()
    project.apply()
    serials = logged_serials(project)
    assert serials[0] == read_certificate(project.output / "ca/ca.pem").serial_number
    assert len(serials) == len(set(serials)) == 3
    assert project.run("apply").out.startswith("Nothing to do")


def test_a_line_of_the_log_that_was_torn_is_written_again_whole(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.write(SMALL)
    interrupt(project, monkeypatch, Sync.LOG)
    log = project.output / "issued/2026.jsonl"
    whole = log.read_text()
    log.write_text(whole[: len(whole) // 2])
    project.apply()
    assert whole.rstrip("\n") in log.read_text().splitlines()


def calls_of(monkeypatch: pytest.MonkeyPatch, *methods: str) -> list[str]:
    """Which of these calls are made from now on, in order."""
    made: list[str] = []

    def watch(method: str) -> None:
        original = getattr(FileSystem, method)

        def call(self: FileSystem, *arguments: object) -> object:
            made.append(method)
            return original(self, *arguments)

        monkeypatch.setattr(FileSystem, method, call)

    for method in methods:
        watch(method)
    return made


def test_what_a_killed_run_did_is_on_the_disk_before_anything_is_built_on_it(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The journal of a killed process can be seen, and a power cut may still take it away."""
    project.write(SMALL)
    project.apply()
    interrupt(project, monkeypatch, Sync.JOURNAL, "--replace", "broker/plant-a")
    made = calls_of(monkeypatch, "sync_all", "exchange", "rename")
    project.run("apply", "--replace", "client/MyEACM")
    assert made[0] == "sync_all"
    made.clear()
    project.run("apply", "--replace", "client/MyEACM")
    assert made[0] != "sync_all"


def test_a_run_that_was_killed_before_it_staged_anything_is_noticed_by_its_name_in_the_lock(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.write(SMALL)
    project.apply()
    (project.output / ".edgecerts/lock").write_text("process 4711")
    made = calls_of(monkeypatch, "sync_all", "exchange", "rename")
    project.run("apply", "--replace", "client/MyEACM")
    assert made[0] == "sync_all"


def test_an_authority_that_could_not_be_published_leaves_no_line_in_the_log(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.write(SMALL)
    rename = FileSystem.rename

    def failing(self: FileSystem, name: str, folder: int, new_name: str, new_folder: int) -> None:
        if new_name == "ca":
            raise OSError(errno.EACCES, os.strerror(errno.EACCES))
        rename(self, name, folder, new_name, new_folder)

    with monkeypatch.context() as patch:
        patch.setattr(FileSystem, "rename", failing)
        result = project.run("apply")
    assert result.code == 1
    assert "ca cannot be written: Permission denied" in result.out
    assert logged_serials(project) == []
    project.apply()
    assert len(logged_serials(project)) == 3


def test_what_stops_a_run_is_told_with_what_is_skipped(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """The authority is published, and its journal cannot be removed: nothing may be published over that."""
    project.write(SMALL)
    unlink = FileSystem.unlink

    def failing(self: FileSystem, name: str, folder: int) -> None:
        if name == "journal.json" and self.look(name, folder) is not None:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        unlink(self, name, folder)

    with monkeypatch.context() as patch:
        patch.setattr(FileSystem, "unlink", failing)
        document = json.loads(project.run("apply", "--format", "json").out)
    outcomes = {change["address"]: change for change in document["changes"]}
    assert outcomes["ca/certificate"]["outcome"] == "done"
    assert outcomes["broker/plant-a/certificate"]["outcome"] == "skipped"
    assert ".edgecerts/journal.json cannot be written" in outcomes["broker/plant-a/certificate"]["error"]
    project.apply()


def test_a_key_that_recovery_replaces_is_kept_for_thirty_days_from_then(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until then it was in its place, however long ago the run was interrupted that was to replace it."""
    project.write(SMALL)
    project.apply()
    key = (project.output / "brokers/plant-a/server.key").read_bytes()
    interrupt(project, monkeypatch, Sync.COMMIT, "--replace", "broker/plant-a")
    project.now = NOW + timedelta(days=40)
    project.apply()
    assert (project.output / "brokers/plant-a/server.key").read_bytes() != key
    assert [path.read_bytes() for path in project.output.glob(".edgecerts/replaced/*/server.key")] == [key]
    project.now += timedelta(days=31)
    assert project.run("apply", "--replace", "client/MyEACM").code == 0
    assert not list(project.output.glob(".edgecerts/replaced/*/server.key"))
