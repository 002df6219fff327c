"""Our lines in files that people may add to."""

import errno
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecerts.apply.file_system import FileSystem
from edgecerts.desired.folder_files import merge_section, our_section
from tests.conftest import SMALL, Project

LINES = st.lists(st.text(st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp")), max_size=20), max_size=5)


@given(before=LINES, old=LINES, new=LINES)
def test_a_users_lines_stay_and_ours_are_replaced(before: list[str], old: list[str], new: list[str]) -> None:
    theirs = "".join(f"{line}\n" for line in before)
    first = merge_section(theirs, "".join(f"{line}\n" for line in old))
    second = merge_section(first, "".join(f"{line}\n" for line in new))
    assert second.startswith(theirs)
    assert our_section(second) == "".join(f"{line}\n" for line in new)
    assert merge_section(second, "".join(f"{line}\n" for line in new)) == second


def test_a_users_lines_after_ours_stay() -> None:
    text = merge_section("", "ours\n") + "theirs\n"
    assert merge_section(text, "newer\n") == merge_section("", "newer\n") + "theirs\n"


def test_git_ignores_every_unencrypted_key_and_what_is_local(project: Project) -> None:
    project.write(SMALL + "  by-password: {password: {command: [echo, secret]}}\n")
    project.apply()
    subprocess.run(["git", "init", "-q", str(project.folder)], check=True)
    done = subprocess.run(
        ["git", "ls-files", "--others", "--exclude-standard"],
        cwd=project.output, capture_output=True, text=True, check=True,
    )  # fmt: skip
    kept = set(done.stdout.split())
    assert {path for path in kept if path.endswith(".key")} == {"clients/by-password/client.key"}
    assert not any(path.startswith(".edgecerts") for path in kept)
    assert {"ca/ca.pem", "issued/2026.jsonl", ".gitignore", ".gitattributes", "README.txt"} <= kept


def test_a_new_password_lets_its_encrypted_key_into_the_repository(project: Project) -> None:
    project.write(SMALL)
    project.apply()
    project.write(SMALL + "  by-password: {password: {command: [echo, secret]}}\n")
    project.apply()
    assert "!/clients/by-password/client.key" in (project.output / ".gitignore").read_text().splitlines()


def test_a_key_is_encrypted_before_git_may_see_it(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.write(SMALL)
    project.apply()
    project.write(SMALL.replace("MyEACM:", "MyEACM: {password: {command: [echo, secret]}}"))
    key, ignore = project.output / "clients/MyEACM/client.key", project.output / ".gitignore"
    written: list[str] = []
    rename = FileSystem.rename

    def watched(self: FileSystem, name: str, folder: int, new_name: str, new_folder: int) -> None:
        written.append(new_name)
        if new_name == ".gitignore":
            assert key.read_bytes().startswith(b"-----BEGIN ENCRYPTED PRIVATE KEY-----")
        rename(self, name, folder, new_name, new_folder)

    monkeypatch.setattr(FileSystem, "rename", watched)
    project.apply()
    assert written == ["client.key", ".gitignore"]
    assert "!/clients/MyEACM/client.key" in ignore.read_text().splitlines()


def test_a_key_that_cannot_be_encrypted_stays_ignored(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.write(SMALL)
    project.apply()
    project.write(SMALL.replace("MyEACM:", "MyEACM: {password: {command: [echo, secret]}}"))

    def failing(self: FileSystem, name: str, folder: int, new_name: str, new_folder: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(FileSystem, "rename", failing)
    assert project.run("apply").code == 1
    assert "client.key" not in (project.output / ".gitignore").read_text()
