"""`edgecerts status` opens no secret, runs nothing, writes nothing, and needs no more than to read."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import SMALL, Project
from tests.test_status import SERVER, document, identity


def test_no_password_source_is_opened_and_nothing_is_run(project: Project) -> None:
    trace = project.folder / "trace"
    fifo = project.folder / "fifo"
    os.mkfifo(fifo)
    secret = f"password: {{command: [touch, {trace}]}}"
    project.write(SMALL.replace("Test CA}", f"Test CA, {secret}}}").replace("MyEACM:", f"MyEACM: {{{secret}}}"))
    assert project.run("status").code == 3
    assert project.run("status", "--format", "json").code == 3
    # A pipe would make a reader wait for ever.
    project.write(SMALL.replace("Test CA}", "Test CA, password: {file: fifo}}"))
    assert project.run("status").code == 3
    assert not trace.exists()


def test_encrypted_keys_are_locked_and_as_good_as_any(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CA_PASSWORD", "a long enough one")
    project.write(SMALL.replace("Test CA}", "Test CA, password: {env: CA_PASSWORD}}"))
    project.apply()
    monkeypatch.delenv("CA_PASSWORD")
    found = document(project)
    assert identity(found, "ca")["key"] == "locked"
    assert found["summary"]["findings"] == 0


def everything(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    """Each file and folder with its mode, modification time and content."""
    return {
        str(path): (path.lstat().st_mode, path.lstat().st_mtime_ns, path.read_bytes() if path.is_file() else b"")
        for path in [folder, *sorted(folder.rglob("*"))]
    }


def test_nothing_is_written(project: Project) -> None:
    project.write(SMALL)
    project.apply()
    (project.output / f"{SERVER}.pem").write_text("nonsense")
    before = everything(project.folder)
    for arguments in ((), ("--format", "json"), ("--within", "10y"), ("--at", "2040-01-01")):
        project.run("status", *arguments)
    assert everything(project.folder) == before


def as_ordinary_user(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs `status` as a user who owns nothing; as ourselves where we are that already.

    It runs once before, for all its imports, because an ordinary user may not even reach the folder of the tests.
    """
    code = (
        "import contextlib, io, os, sys\n"
        "from edgecerts.cli.app import app\n"
        "from edgecerts.cli.exits import run\n"
        f"with contextlib.redirect_stdout(io.StringIO()):\n    run(app, ['status', *{arguments!r}])\n"
        "if os.geteuid() == 0:\n    os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        f"sys.exit(run(app, ['status', *{arguments!r}]))"
    )
    return subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True)


def test_an_ordinary_user_sees_a_read_only_folder_whose_keys_nobody_may_read(project: Project) -> None:
    # The folder of a key is 0700, so a monitoring user is given the listing and the certificates, never the keys.
    project.write(SMALL)
    project.apply()
    for path in project.output.rglob("*"):
        path.chmod(0o000 if path.suffix == ".key" else 0o555 if path.is_dir() else 0o444)
    project.output.chmod(0o555)
    project.folder.chmod(0o555)
    before = everything(project.folder) if os.geteuid() == 0 else {}
    done = as_ordinary_user(project.folder, "--format", "json", "--at", "2026-11-23T12:00:00Z")
    if os.geteuid() == 0:
        assert everything(project.folder) == before
    for path in (project.folder, project.output, *project.output.rglob("*")):
        path.chmod(0o755)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert {row["key"] for row in found["identities"]} == {"locked"}
    assert {row["state"] for row in found["identities"]} == {"ok"}


def test_folders_that_may_not_be_read_are_damaged_and_not_missing(project: Project) -> None:
    """The folders of keys are 0700, so this is what a user sees who is not their owner."""
    project.write(SMALL)
    project.apply()
    project.folder.chmod(0o755)
    project.output.chmod(0o755)
    owner = os.geteuid() == 0
    for folder in () if owner else (project.output / "ca", *project.output.glob("*s/*")):
        folder.chmod(0)
    done = as_ordinary_user(project.folder, "--format", "json", "--at", "2026-11-23T12:00:00Z")
    for folder in project.output.rglob("*/"):
        folder.chmod(0o700)
    assert done.returncode == 3, done.stdout + done.stderr
    assert {row["state"] for row in json.loads(done.stdout)["identities"]} == {"damaged"}


def test_an_output_folder_that_may_not_be_read_is_an_error(project: Project) -> None:
    project.write(SMALL)
    project.apply()
    project.folder.chmod(0o755)
    project.output.chmod(0)
    done = as_ordinary_user(project.folder, "--at", "2026-11-23T12:00:00Z")
    project.output.chmod(0o755)
    assert (done.returncode, done.stdout) == (1, "")
    assert "pki cannot be read" in done.stderr
