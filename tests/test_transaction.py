"""The transaction as its users meet it: locked folders, interrupted runs, people's files, owners and replaced keys."""

import errno
import fcntl
import json
import os
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest

from edgecerts.apply.file_system import FileSystem
from edgecerts.cli.platform import find_platform_notice
from edgecerts.errors import StorageError
from tests.conftest import NOW, SMALL, Project
from tests.readers import read_certificate

BROKER = "brokers/plant-a"


def key_and_certificate(folder: Path, name: str) -> tuple[bytes, bytes]:
    return (folder / f"{name}.key").read_bytes(), (folder / f"{name}.pem").read_bytes()


class Killed(BaseException):
    """The process is gone: nothing after it runs, as far as the folder can tell."""


def kill_at(monkeypatch: pytest.MonkeyPatch, method: str, *, when: str) -> None:
    """Ends the run at a call whose first argument is this name."""
    original = getattr(FileSystem, method)

    def call(self: FileSystem, name: str, *rest: object) -> object:
        if name == when:
            raise Killed
        return original(self, name, *rest)

    monkeypatch.setattr(FileSystem, method, call)


def interrupt_rekey(project: Project, monkeypatch: pytest.MonkeyPatch) -> tuple[bytes, bytes]:
    """Leaves a rekey of the broker behind that had committed and not published. Returns the old pair."""
    project.write(SMALL)
    project.apply()
    before = key_and_certificate(project.output / BROKER, "server")
    with monkeypatch.context() as patch:
        kill_at(patch, "exchange", when="0")
        with pytest.raises(Killed):
            project.run("apply", "--replace", "broker/plant-a")
    assert key_and_certificate(project.output / BROKER, "server") == before
    return before


def test_a_run_that_was_killed_after_its_commit_is_finished_by_the_next(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = interrupt_rekey(project, monkeypatch)
    plan = json.loads(project.run("plan", "--format", "json").out)
    assert [notice["code"] for notice in plan["notices"] if notice["address"] == "folder"] == ["interrupted"]
    status = json.loads(project.run("status", "--format", "json").out)
    assert "interrupted" in [finding["code"] for finding in status["folder"]]
    result = project.run("apply", "--format", "json")
    assert result.code == 0
    assert json.loads(result.out)["recovered"] == ["brokers/plant-a"]
    key, certificate = key_and_certificate(project.output / BROKER, "server")
    assert key != before[0]
    assert certificate != before[1]
    assert read_certificate(project.output / BROKER / "server.pem").serial_number in {
        int(json.loads(line)["serial"], 16) for line in (project.output / "issued/2026.jsonl").read_text().splitlines()
    }
    (kept,) = (project.output / ".edgecerts/replaced").iterdir()
    assert key_and_certificate(kept, "server") == before
    assert not (project.output / ".edgecerts/journal.json").exists()
    assert list((project.output / ".edgecerts/staging").iterdir()) == []
    assert project.run("apply").out.startswith("Nothing to do")


def test_a_recovery_is_told_in_words(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    interrupt_rekey(project, monkeypatch)
    assert project.run("apply").out.startswith("An earlier apply was interrupted while it published.")


def test_a_run_that_was_killed_before_its_commit_leaves_nothing(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.write(SMALL)
    project.apply()
    before = key_and_certificate(project.output / BROKER, "server")
    with monkeypatch.context() as patch:
        kill_at(patch, "rename", when="journal.new")
        with pytest.raises(Killed):
            project.run("apply", "--replace", "broker/plant-a")
    assert "interrupted" not in project.run("plan").out
    assert list((project.output / ".edgecerts/staging").rglob("server.key")) != []
    assert project.run("apply").out.startswith("Nothing to do")
    assert list((project.output / ".edgecerts/staging").iterdir()) == []
    assert key_and_certificate(project.output / BROKER, "server") == before


def test_a_journal_that_cannot_be_read_stops_apply_and_nothing_else(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupt_rekey(project, monkeypatch)
    journal = project.output / ".edgecerts/journal.json"
    for text in (
        "",
        "{",
        '{"format_version": 2}',
        '{"format_version": 1, "log": "..", "lines": [], "units": []}',
        "[" * 10_000,
    ):
        journal.write_text(text)
        files = project.files()
        result = project.run("apply")
        assert result.code == 1
        assert "journal.json, which an interrupted apply left, cannot be read" in result.err
        changed = {path for path, content in project.files().items() if files[path] != content}
        assert changed <= {".edgecerts/lock"}
        assert project.run("plan").code == 0


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(
            ("folder", path)
            for path in ("../../outside", "/outside", "brokers/../../../outside", "", ".git", "brokers")
        ),
        *(("folder", path) for path in ("brokers/plant-a/x", "issued", "brokers/..")),
        *(("staged", path) for path in ("brokers/plant-a", ".edgecerts/staging", ".edgecerts/staging/../replaced/0")),
        ("files", {}),
        *(("log", path) for path in ("README.txt", "issued/../README.txt", "ca/ca.pem", ".git/config")),
    ],
)
def test_a_journal_leads_nowhere_else(
    project: Project, monkeypatch: pytest.MonkeyPatch, field: str, value: object
) -> None:
    interrupt_rekey(project, monkeypatch)
    journal = project.output / ".edgecerts/journal.json"
    document = json.loads(journal.read_text())
    (document if field == "log" else document["units"][0])[field] = value
    journal.write_text(json.dumps(document))
    before = project.files()
    assert project.run("apply").code == 1
    assert project.files() == before
    assert not (project.folder.parent / "outside").exists()


def test_a_journal_out_of_a_repository_is_not_followed(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    interrupt_rekey(project, monkeypatch)
    subprocess.run(["git", "init", "-q", str(project.folder)], check=True)
    subprocess.run(["git", "-C", str(project.folder), "add", "-f", "pki/.edgecerts/journal.json"], check=True)
    before = project.files()
    result = project.run("apply")
    assert result.code == 1
    assert "git has files of .edgecerts" in result.err
    assert project.files() == before


def test_an_interrupted_run_is_not_finished_where_everybody_may_write(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = interrupt_rekey(project, monkeypatch)
    (project.output / "brokers").chmod(0o777)
    assert project.run("apply").code == 4
    assert key_and_certificate(project.output / BROKER, "server") == before
    assert project.run("apply", "--allow-insecure-folder").code == 0
    assert key_and_certificate(project.output / BROKER, "server") != before


def test_a_recovery_is_a_change_for_those_who_reload(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    interrupt_rekey(project, monkeypatch)
    assert project.run("apply", "--detailed-exitcode").code == 2
    assert project.run("apply", "--detailed-exitcode").code == 0


@pytest.mark.parametrize("kind", ["link", "file"])
def test_what_is_no_folder_where_one_was_is_named(project: Project, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    before = interrupt_rekey(project, monkeypatch)
    folder = project.output / BROKER
    folder.rename(project.folder / "moved")
    folder.symlink_to(project.folder / "moved") if kind == "link" else folder.write_text("x")
    result = project.run("apply")
    assert result.code == 1
    assert "brokers/plant-a is not a folder; an interrupted apply has to be brought to its end first" in result.err
    folder.unlink()
    (project.folder / "moved").rename(folder)
    assert project.run("apply").code == 0
    (kept,) = (project.output / ".edgecerts/replaced").iterdir()
    assert key_and_certificate(kept, "server") == before


def test_a_log_that_cannot_be_added_to_is_seen_before_the_commit(project: Project) -> None:
    project.write(SMALL)
    project.apply()
    log = project.output / "issued/2026.jsonl"
    (project.folder / "other").hardlink_to(log)
    assert project.run("apply", "--replace", "broker/plant-a").code == 1
    assert not (project.output / ".edgecerts/journal.json").exists()
    (project.folder / "other").unlink()
    assert project.run("apply").out.startswith("Nothing to do")


def test_a_subfolder_that_cannot_follow_is_kept_and_named(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.write(SMALL)
    project.apply()
    data = project.output / BROKER / "data"
    data.mkdir()
    (data / "retained.db").write_text("messages")
    rename = FileSystem.rename

    def busy(self: FileSystem, name: str, *rest: object) -> None:
        if name == "data":
            raise OSError(errno.EBUSY, "Device or resource busy")
        rename(self, name, *rest)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(FileSystem, "rename", busy)
        result = project.run("apply", "--replace", "broker/plant-a", "--format", "json")
    assert result.code == 1
    (kept,) = (project.output / ".edgecerts/replaced").iterdir()
    assert (kept / "data/retained.db").read_text() == "messages"
    assert f".edgecerts/replaced/{kept.name}" in json.loads(result.out)["unfinished"]
    assert project.run("apply").code == 0
    assert project.run("apply").out.startswith("Nothing to do")


@pytest.mark.parametrize("method", ["exchange", "link"])
def test_peoples_files_come_along_with_and_without_exchange_and_links(
    project: Project, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    project.write(SMALL)
    project.apply()
    before = key_and_certificate(project.output / BROKER, "server")
    folder = project.output / BROKER
    (folder / "note.txt").write_text("rack 7")
    (folder / "conf.d").mkdir()
    (folder / "conf.d/tls.conf").write_text("listener 8883")
    (folder / "link").symlink_to("note.txt")

    def unsupported(*arguments: object) -> None:
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(FileSystem, method, unsupported)
    assert project.run("apply", "--replace", "broker/plant-a").code == 0
    assert key_and_certificate(folder, "server") != before
    assert (folder / "note.txt").read_text() == "rack 7"
    assert (folder / "note.txt").stat().st_nlink == 1
    assert (folder / "conf.d/tls.conf").read_text() == "listener 8883"
    assert (folder / "link").readlink() == Path("note.txt")
    (kept,) = (project.output / ".edgecerts/replaced").iterdir()
    assert sorted(path.name for path in kept.iterdir()) == ["server.key", "server.pem"]
    assert key_and_certificate(kept, "server") == before
    assert project.run("apply").out.startswith("Nothing to do")


def test_a_file_that_somebody_wrote_during_the_exchange_is_not_lost(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.write(SMALL)
    project.apply()
    folder = project.output / BROKER
    (folder / "note.txt").write_text("rack 7")
    exchange = FileSystem.exchange

    def edited(self: FileSystem, *arguments: object) -> None:
        (folder / "new.txt").write_text("just now")
        (folder / "draft").write_text("rack 8")
        (folder / "draft").replace(folder / "note.txt")
        exchange(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(FileSystem, "exchange", edited)
    assert project.run("apply", "--replace", "broker/plant-a").code == 0
    assert (folder / "new.txt").read_text() == "just now"
    assert (folder / "note.txt").read_text() == "rack 8"


def test_replaced_keys_are_removed_after_thirty_days(project: Project) -> None:
    project.write(SMALL)
    project.apply()
    replaced = project.output / ".edgecerts/replaced"
    (replaced.parent).mkdir(exist_ok=True)
    assert project.run("apply", "--replace", "broker/plant-a").code == 0
    (replaced / "mine.txt").write_text("not ours")
    project.now = NOW + timedelta(days=30)
    assert project.run("apply", "--replace", "client/MyEACM").code == 0
    assert len(list(replaced.iterdir())) == 3
    project.now = NOW + timedelta(days=30, seconds=1)
    assert project.run("apply", "--replace", "client/MyEACM/certificate").code == 0
    names = sorted(path.name for path in replaced.iterdir())
    assert len(names) == 2
    assert "clients-MyEACM" in names[0]
    assert names[1] == "mine.txt"


def test_who_could_read_the_old_files_can_read_the_new_ones(project: Project) -> None:
    """A broker runs as a user of its own, who owns its files; apply may run as root."""
    project.write(SMALL)
    project.apply()
    folder = project.output / BROKER
    owner = (1234, 2345) if os.geteuid() == 0 else (os.geteuid(), os.getegid())
    for path in (folder, folder / "server.key", folder / "server.pem"):
        os.chown(path, *owner)
    assert project.run("apply", "--replace", "broker/plant-a", "--allow-insecure-folder").code == 0
    for path in (folder, folder / "server.key", folder / "server.pem"):
        assert (path.stat().st_uid, path.stat().st_gid) == owner
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / "server.key").stat().st_mode & 0o777 == 0o600


def test_a_locked_folder_says_who_holds_it(project: Project) -> None:
    project.write(SMALL)
    project.apply()
    with (project.output / ".edgecerts/lock").open("r+b") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write(b"process 4711, anna@scada-1, since 2026-11-23T12:00:00Z\x1b[31m\n")
        lock.flush()
        for options, waited in (((), ""), (("--lock-timeout", "0.1"), ", also after 0.1 seconds")):
            result = project.run("apply", "--replace", "broker/plant-a", *options)
            assert result.code == 1
            assert f"is at work in this folder{waited}: process 4711, anna@scada-1" in result.err
            assert "\x1b" not in result.err
    assert project.run("apply", "--replace", "broker/plant-a").code == 0
    assert (project.output / ".edgecerts/lock").read_bytes() == b""


def test_who_waited_for_the_lock_plans_again(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the first run made is not made twice."""
    project.write(SMALL)
    lock, first = FileSystem.lock, [True]

    def late(self: FileSystem, descriptor: int) -> None:
        if first.pop() if first else False:
            assert project.run("apply").code == 0
            raise BlockingIOError
        lock(self, descriptor)

    monkeypatch.setattr(FileSystem, "lock", late)
    result = project.run("apply", "--lock-timeout", "60")
    assert result.code == 0
    assert result.out.startswith("Nothing to do")
    assert len((project.output / "issued/2026.jsonl").read_text().splitlines()) == 3


@pytest.mark.parametrize("name", ["lock", "journal.json"])
def test_a_special_file_in_place_of_ours_is_an_error(project: Project, name: str) -> None:
    project.write(SMALL)
    place = project.output / ".edgecerts" / name
    place.parent.mkdir(parents=True)
    os.mkfifo(place)
    result = project.run("apply")
    assert result.code == 1
    assert name in result.err
    assert not (project.output / "ca").exists()


def test_on_a_system_that_no_test_has_seen_apply_is_experimental() -> None:
    assert find_platform_notice("linux") is None
    assert "experimental on darwin" in (find_platform_notice("darwin") or "")
    with pytest.raises(StorageError, match="does not run on win32"):
        find_platform_notice("win32")


def make_ours(folder: Path, uid: int) -> None:
    for path in (folder, *folder.rglob("*")):
        os.chown(path, uid, uid)


def test_what_root_makes_in_somebodys_folder_is_theirs(project: Project) -> None:
    """Else their next run could neither read the new keys nor put anything beside them."""
    uid = 4321 if os.geteuid() == 0 else os.geteuid()
    project.write(SMALL)
    project.apply()
    make_ours(project.folder, uid)
    project.write(SMALL + "  late:\n")
    assert project.run("apply", "--replace", "broker/plant-a").code == 0
    strangers = [path for path in project.output.rglob("*") if path.stat().st_uid != uid]
    assert strangers == []


def test_what_cannot_be_set_aside_is_told_with_what_was_published(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.write(SMALL)
    project.apply()
    before = key_and_certificate(project.output / BROKER, "server")
    make_folder = FileSystem.make_folder

    def closed(self: FileSystem, name: str, parent: int, mode: int) -> None:
        if name == "replaced":
            raise PermissionError(errno.EACCES, "Permission denied")
        make_folder(self, name, parent, mode)

    with monkeypatch.context() as patch:
        patch.setattr(FileSystem, "make_folder", closed)
        result = project.run("apply", "--replace", "broker/plant-a", "--format", "json")
        text = project.run("apply")
    document = json.loads(result.out)
    assert result.code == 1
    assert document["unfinished"] == ".edgecerts/replaced cannot be written: Permission denied"
    assert [delivery["address"] for delivery in document["deliver"]] == ["broker/plant-a"]
    assert document["new_keys"] == ["brokers/plant-a/server.key"]
    after = key_and_certificate(project.output / BROKER, "server")
    assert after != before
    assert text.code == 1
    assert ".edgecerts/replaced cannot be written" in text.err
    assert project.run("status").code == 3
    assert project.run("apply").code == 0
    (kept,) = (project.output / ".edgecerts/replaced").iterdir()
    assert key_and_certificate(kept, "server") == before
    assert key_and_certificate(project.output / BROKER, "server") == after
    assert project.run("status").code == 0


def test_a_folder_that_was_closed_to_its_owner_stops_nobody_for_long(project: Project) -> None:
    project.write(SMALL)
    project.apply()
    (project.output / BROKER).chmod(0o500)
    project.run("apply", "--replace", "broker/plant-a")
    left = project.output / ".edgecerts/staging/left/0"
    left.mkdir(parents=True)
    (left / "server.key").write_text("never published")
    left.chmod(0o500)
    assert project.run("apply", "--replace", "client/MyEACM").code == 0
    assert list((project.output / ".edgecerts/staging").iterdir()) == []


def test_a_certificate_that_an_authority_gets_again_makes_no_new_authority(project: Project) -> None:
    project.write(SMALL)
    assert "A new certificate authority was made." in project.apply().out
    (project.output / "ca/ca.pem").unlink()
    result = project.run("apply", "--format", "json")
    assert result.code == 0
    assert json.loads(result.out)["new_authority"] is None
