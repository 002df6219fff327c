"""Private keys and repositories: none that is not encrypted gets into one unseen, and asking git runs nothing else."""

import json
import os
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest

from edgecerts.apply.file_system import FileSystem
from edgecerts.desired.folder_files import build_gitignore, merge_section
from edgecerts.observed import repository
from edgecerts.observed.repository import IgnoreRule, Unknown, find_ignore_rules, find_tracked, find_work_tree
from tests.conftest import SMALL, Project
from tests.saved_plans import settle

KEYS = ("ca/ca.key", "brokers/plant-a/server.key", "clients/MyEACM/client.key")
LETS_IN = "!/brokers/**/*.key\n"
ENCRYPTED = SMALL.replace("MyEACM:", "MyEACM: {password: {command: [echo, secret]}}")


def git(folder: Path, *arguments: str) -> str:
    who = ("-c", "user.name=Test", "-c", "user.email=test@example.com")
    done = subprocess.run(["git", *who, *arguments], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout


@pytest.fixture
def work_tree(project: Project) -> Project:
    """A project in a git work tree, with nothing in it yet."""
    git(project.folder, "init", "-q")
    project.write(SMALL)
    return project


def put_program(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Puts a program named git before the real one."""
    folder.mkdir()
    program = folder / "git"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


def forbid_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(*arguments: object, **more: object) -> None:
        raise AssertionError(f"a process was started: {arguments}")

    monkeypatch.setattr(subprocess, "Popen", start)


def let_in(project: Project, line: str) -> None:
    """A user's own line, below ours."""
    with (project.output / ".gitignore").open("a", encoding="utf-8") as file:
        file.write(line)


def outcomes(project: Project, code: int, *options: str) -> dict[str, Any]:
    result = project.run("apply", "--format", "json", *options)
    assert result.code == code, result.out + result.err
    return {change["address"]: change for change in json.loads(result.out)["changes"] if change["action"] != "no-op"}


def status(project: Project) -> Any:
    return json.loads(project.run("status", "--format", "json").out)


def identity(document: Any, address: str) -> Any:
    return next(row for row in document["identities"] if row["address"] == address)


# --- asking git


def test_the_work_tree_is_found_without_a_process(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    forbid_processes(monkeypatch)
    inner = project.folder / "a/b"
    assert find_work_tree(inner) is None
    assert find_tracked(inner, ["*"]) is None
    inner.mkdir(parents=True)
    (project.folder / "a/.git").write_text("gitdir: elsewhere\n")
    assert find_work_tree(inner) == project.folder / "a"
    (project.folder / "link").symlink_to(inner)
    assert find_work_tree(project.folder / "link") == project.folder / "a"


def test_the_line_that_decides_is_named(work_tree: Project) -> None:
    pki = work_tree.folder / "deep/pki"
    pki.mkdir(parents=True)
    (work_tree.folder / ".gitignore").write_text("*.key\n")
    (pki / ".gitignore").write_text("\n/.edgecerts/\n!/clients/x y/*.key\n")
    assert find_ignore_rules(pki, ["ca/ca.key", "clients/x y/client.key", ".edgecerts/x", "ca/ca.pem"]) == {
        "ca/ca.key": IgnoreRule(source=".gitignore", line=1, pattern="*.key"),
        "clients/x y/client.key": IgnoreRule(source="deep/pki/.gitignore", line=3, pattern="!/clients/x y/*.key"),
        ".edgecerts/x": IgnoreRule(source="deep/pki/.gitignore", line=2, pattern="/.edgecerts/"),
        "ca/ca.pem": None,
    }


def test_what_git_has_is_told_by_paths_in_the_folder(work_tree: Project) -> None:
    odd = "clients/ä\n*/client.key"
    place = work_tree.folder / "pki" / odd
    place.parent.mkdir(parents=True)
    place.write_text("x")
    (work_tree.folder / "other.key").write_text("x")
    git(work_tree.folder, "add", "-f", ".")
    assert find_tracked(work_tree.folder / "pki", ["*.key"]) == frozenset({odd})


def test_a_work_tree_beside_its_repository_is_one(work_tree: Project) -> None:
    git(work_tree.folder, "commit", "-q", "--allow-empty", "-m", "first")
    git(work_tree.folder, "worktree", "add", "-q", "linked")
    linked = work_tree.folder / "linked"
    (linked / "x.key").write_text("x")
    git(linked, "add", "x.key")
    assert find_tracked(linked, ["*.key"]) == frozenset({"x.key"})


def test_the_variables_of_another_repository_mislead_nobody(
    work_tree: Project, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hook of git runs its programs with them."""
    other = tmp_path_factory.mktemp("other")
    git(other, "init", "-q")
    (work_tree.folder / "x.key").write_text("x")
    git(work_tree.folder, "add", "x.key")
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(other))
    monkeypatch.setenv("GIT_INDEX_FILE", str(other / "index"))
    monkeypatch.setenv("GIT_LITERAL_PATHSPECS", "1")
    assert find_tracked(work_tree.folder, ["*.key"]) == frozenset({"x.key"})


def test_git_gets_no_password_and_no_terminal(work_tree: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CA_PASSWORD", "a long enough one")
    seen = work_tree.folder / "seen"
    put_program(work_tree.folder / "bin", f"env > '{seen}'; cat >> '{seen}'", monkeypatch)
    assert find_tracked(work_tree.folder, ["*.key"]) == frozenset()
    names = {line.partition("=")[0] for line in seen.read_text().splitlines()}
    ours = {"LC_ALL", *(name for name in names if name.startswith("GIT_"))}
    assert names - ours <= {"PATH", "HOME", "XDG_CONFIG_HOME", "SUDO_UID", "PWD", "SHLVL", "OLDPWD", "_"}
    assert "a long enough one" not in seen.read_text()


def test_the_settings_of_a_hostile_repository_run_nothing(work_tree: Project) -> None:
    trace = work_tree.folder / "trace"
    program = work_tree.folder / "program"
    program.write_text(f"#!/bin/sh\ntouch '{trace}'\n")
    program.chmod(0o755)
    hooks = work_tree.folder / "hooks"
    hooks.mkdir()
    for hook in ("post-index-change", "fsmonitor-watchman"):
        (hooks / hook).symlink_to(program)
    (work_tree.folder / "x.key").write_text("x")
    git(work_tree.folder, "add", "x.key")
    for name, value in (
        ("core.fsmonitor", program),
        ("core.hooksPath", hooks),
        ("core.pager", program),
        ("pager.ls-files", program),
        ("alias.ls-files", f"!{program}"),
        ("alias.check-ignore", f"!{program}"),
        ("core.sshCommand", program),
        ("core.askPass", program),
    ):
        git(work_tree.folder, "config", name, str(value))
    trace.unlink(missing_ok=True)
    assert find_tracked(work_tree.folder, ["*.key"]) == frozenset({"x.key"})
    assert find_ignore_rules(work_tree.folder, ["x.key"]) == {"x.key": None}
    assert not trace.exists()


def test_a_folder_that_looks_like_a_repository_itself_is_not_taken_for_one(work_tree: Project) -> None:
    """Whoever may put files into it could bring settings of his own along."""
    trace = work_tree.folder / "trace"
    work_tree.output.mkdir()
    git(work_tree.output, "init", "-q", "--bare", ".")
    git(work_tree.output, "config", "core.worktree", str(work_tree.output))
    git(work_tree.output, "config", "core.bare", "false")
    git(work_tree.output, "config", "core.fsmonitor", f"touch '{trace}'")
    assert isinstance(find_tracked(work_tree.output, ["*.key"]), Unknown)
    assert not trace.exists()


@pytest.mark.parametrize(
    ("script", "problem"),
    [
        ("echo 'fatal: detected dubious ownership in repository' >&2; exit 128", "detected dubious ownership"),
        ("exit 3", "did not say why"),
        ("kill -9 $$", "did not say why"),
        ('read answer < "$FIFO"', "did not answer"),
    ],
    ids=["owner", "silent", "killed", "hangs"],
)
def test_git_that_fails_is_no_error(
    work_tree: Project, monkeypatch: pytest.MonkeyPatch, script: str, problem: str
) -> None:
    fifo = work_tree.folder / "fifo"
    os.mkfifo(fifo)
    monkeypatch.setattr(repository, "GIT_SECONDS", 0.2 if "FIFO" in script else 30)
    put_program(work_tree.folder / "bin", script.replace('"$FIFO"', f"'{fifo}'"), monkeypatch)
    for answer in (find_tracked(work_tree.folder, ["*.key"]), find_ignore_rules(work_tree.folder, ["x.key"])):
        assert isinstance(answer, Unknown)
        assert problem in answer.problem
    result = project_with_keys(work_tree)
    notices = {notice["code"]: notice["message"] for notice in result["notices"]}
    assert problem in notices["repository-unknown"]
    assert result["summary"]["findings"] == 0


def project_with_keys(project: Project) -> Any:
    """What cannot be asked keeps no key from being made: our own `.gitignore` stands."""
    project.apply()
    assert all((project.output / key).exists() for key in KEYS)
    return status(project)


def test_a_machine_without_git_makes_keys(work_tree: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(work_tree.folder / "nothing"))
    notices = project_with_keys(work_tree)["notices"]
    assert "git is not installed" in next(n["message"] for n in notices if n["code"] == "repository-unknown")


@pytest.mark.parametrize("path", [".", ""])
def test_no_program_is_taken_from_the_current_folder(
    work_tree: Project, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    """Nor from the output folder, where git is asked."""
    put_program(work_tree.folder / "bin", f"echo > '{work_tree.folder}/trace'", monkeypatch)
    monkeypatch.chdir(work_tree.folder / "bin")
    monkeypatch.setenv("PATH", path)
    assert isinstance(find_tracked(work_tree.folder / "bin", ["*.key"]), Unknown)
    assert not (work_tree.folder / "trace").exists()


@pytest.mark.parametrize(
    "answer", ["a\\000b\\000", "", ".gitignore\\0001\\000*\\000other\\000", ".gitignore\\000x\\000*\\000x.key\\000"]
)
def test_an_answer_of_another_form_is_none(work_tree: Project, monkeypatch: pytest.MonkeyPatch, answer: str) -> None:
    put_program(work_tree.folder / "bin", f"printf '{answer}'", monkeypatch)
    assert isinstance(find_ignore_rules(work_tree.folder, ["x.key"]), Unknown)


def test_a_folder_named_like_a_repository_is_none(project: Project) -> None:
    (project.folder / ".git").mkdir()
    settle(project)
    assert status(project)["summary"]["findings"] == 0
    assert [n["code"] for n in status(project)["notices"]] == []


# --- before a key is written


def test_a_key_that_a_users_line_lets_into_the_repository_is_not_written(
    work_tree: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    work_tree.output.mkdir()
    (work_tree.output / ".gitignore").write_text("# mine\n")
    assert outcomes(work_tree, 0, "--target", "ca")
    let_in(work_tree, LETS_IN)
    written: list[str] = []
    create = FileSystem.create

    def watched(self: FileSystem, name: str, folder: int, mode: int) -> int:
        written.append(name)
        return create(self, name, folder, mode)

    monkeypatch.setattr(FileSystem, "create", watched)
    found = outcomes(work_tree, 1)
    assert {address: change["outcome"] for address, change in found.items()} == {
        "broker/plant-a/private-key": "failed",
        "broker/plant-a/certificate": "skipped",
        "broker/plant-a/trust": "skipped",
        "client/MyEACM/private-key": "done",
        "client/MyEACM/certificate": "done",
        "client/MyEACM/trust": "done",
    }
    error = found["broker/plant-a/private-key"]["error"]
    assert "brokers/plant-a/server.key" in error
    assert "line 7 of pki/.gitignore lets it in: !/brokers/**/*.key" in error
    assert "client.key" in written
    assert "server.key" not in written
    assert not (work_tree.output / "brokers").exists()
    monkeypatch.undo()


def test_what_the_hint_says_helps(work_tree: Project) -> None:
    work_tree.apply()
    key = work_tree.output / "brokers/plant-a/server.key"
    let_in(work_tree, LETS_IN)
    old = key.read_bytes()
    result = work_tree.run("apply", "--replace", "broker/plant-a")
    assert result.code == 1
    assert key.read_bytes() == old
    told = " ".join(result.out.split())
    assert "write /brokers/plant-a/server.key at the end of .gitignore in the output folder" in told
    let_in(work_tree, "/brokers/plant-a/server.key\n")
    assert work_tree.run("apply", "--replace", "broker/plant-a").code == 0
    assert key.read_bytes() != old


def test_an_authoritys_key_that_would_be_let_in_is_not_written_and_nothing_else_is(work_tree: Project) -> None:
    work_tree.output.mkdir()
    (work_tree.output / ".gitignore").write_text(merge_section("", build_gitignore([])) + "!ca.key\n")
    found = outcomes(work_tree, 1)
    assert found["ca/private-key"]["outcome"] == "failed"
    rest = {address: change["outcome"] for address, change in found.items() if not address.startswith("folder/")}
    assert set(rest.values()) == {"failed", "skipped"}
    assert list(rest.values()).count("failed") == 1
    assert not list(work_tree.output.rglob("*.key"))


@pytest.mark.parametrize("prune", [False, True])
def test_no_key_is_moved_where_the_local_folder_would_be_let_in(work_tree: Project, *, prune: bool) -> None:
    work_tree.apply()
    let_in(work_tree, "!/.edgecerts/\n")
    before = {key: (work_tree.output / key).read_bytes() for key in KEYS}
    if prune:
        work_tree.write(SMALL.replace("  MyEACM:\n", "  other: {key_held: delivered}\n"))
    flags = ("--prune",) if prune else ("--replace", "client/MyEACM")
    found = outcomes(work_tree, 1, *flags)
    assert found["client/MyEACM/private-key"]["outcome"] == "failed"
    assert ".edgecerts/" in found["client/MyEACM/private-key"]["error"]
    assert {key: (work_tree.output / key).read_bytes() for key in KEYS} == before
    assert not list(work_tree.output.glob(".edgecerts/replaced/*"))


def test_an_encrypted_key_may_be_let_in(work_tree: Project) -> None:
    work_tree.write(ENCRYPTED)
    work_tree.apply()
    kept = git(work_tree.output, "ls-files", "--others", "--exclude-standard").split()
    assert [path for path in kept if path.endswith(".key")] == ["clients/MyEACM/client.key"]


def test_a_repository_that_ignores_the_whole_folder_is_content(work_tree: Project) -> None:
    (work_tree.folder / ".gitignore").write_text("/pki/\n")
    work_tree.apply()
    let_in(work_tree, "!*.key\n")
    assert work_tree.run("apply", "--replace", "broker/plant-a").code == 0


def test_an_output_folder_behind_a_link_is_judged_where_it_is(work_tree: Project) -> None:
    real = work_tree.folder / "real"
    outside = Project(folder=work_tree.folder.parent / f"{work_tree.folder.name}-outside", capture=work_tree.capture)
    outside.folder.mkdir()
    outside.write(SMALL)
    real.mkdir()
    outside.output.symlink_to(real)
    outside.run("apply")
    let_in(outside, LETS_IN)
    assert outcomes(outside, 1, "--replace", "broker/plant-a")["broker/plant-a/private-key"]["outcome"] == "failed"


def test_git_is_asked_once_and_only_where_a_key_is_made(work_tree: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    find = repository.find_ignore_rules

    def watched(folder: Path, paths: Any) -> Any:
        asked.append(len(list(paths)))
        return find(folder, paths)

    monkeypatch.setattr("edgecerts.apply.repository_guard.find_ignore_rules", watched)
    work_tree.apply()
    assert asked == [len(KEYS) + 1]
    forbid_processes(monkeypatch)
    assert outcomes(work_tree, 0, "--replace", "broker/plant-a/certificate")
    work_tree.apply()


# --- what a repository has


def commit_anyway(project: Project, *paths: str) -> None:
    git(project.output, "add", "-f", *paths)


@pytest.mark.parametrize("path", KEYS)
def test_a_key_that_git_has_and_that_is_not_encrypted_is_a_finding(work_tree: Project, path: str) -> None:
    work_tree.apply()
    assert status(work_tree)["summary"]["findings"] == 0
    commit_anyway(work_tree, path)
    result = work_tree.run("status", "--format", "json")
    assert result.code == 3
    found = [row for row in json.loads(result.out)["identities"] if row["finding"]]
    assert [row["state"] for row in found] == ["exposed"]
    (remark,) = (remark for remark in found[0]["remarks"] if remark["code"] == "key-tracked")
    assert path in remark["message"]
    assert f"git rm --cached {path}" in remark["hint"]
    assert ("--replace" in remark["hint"]) == (path != "ca/ca.key")
    assert "key-tracked" in work_tree.run("status").out
    git(work_tree.output, "rm", "-q", "--cached", path)
    assert status(work_tree)["summary"]["findings"] == 0


def test_a_key_that_git_has_and_that_is_encrypted_is_as_declared(work_tree: Project) -> None:
    work_tree.write(ENCRYPTED)
    work_tree.apply()
    git(work_tree.output, "add", ".")
    assert "pki/clients/MyEACM/client.key" in git(work_tree.folder, "ls-files")
    assert status(work_tree)["summary"]["findings"] == 0


def test_a_key_of_an_entry_that_left_the_manifest_is_a_finding_where_git_has_it(work_tree: Project) -> None:
    work_tree.apply()
    commit_anyway(work_tree, KEYS[2])
    work_tree.write(SMALL.replace("  MyEACM:\n", "  other: {key_held: delivered}\n"))
    work_tree.apply()
    found = status(work_tree)
    assert [(remark["code"], remark["address"]) for remark in found["folder"]] == [("key-tracked", "client/MyEACM")]
    assert found["summary"]["findings"] == 1


def test_a_replaced_key_that_git_has_is_a_finding(work_tree: Project) -> None:
    work_tree.apply()
    assert work_tree.run("apply", "--replace", "client/MyEACM").code == 0
    (kept,) = (work_tree.output / ".edgecerts/replaced").iterdir()
    commit_anyway(work_tree, str(kept))
    (remark,) = status(work_tree)["folder"]
    assert remark["code"] == "key-tracked"
    assert kept.name in remark["message"]
    assert "git rm -r --cached .edgecerts" in remark["hint"]


def test_plan_and_validate_start_no_process(work_tree: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    work_tree.apply()
    commit_anyway(work_tree, *KEYS)
    forbid_processes(monkeypatch)
    for command, *options in (("plan",), ("plan", "--format", "markdown"), ("plan", "--prune"), ("validate",)):
        assert work_tree.run(command, *options).code == 0


def test_outside_a_work_tree_no_process_is_started(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    forbid_processes(monkeypatch)
    settle(project)
    assert project.run("apply", "--replace", "client/MyEACM").code == 0
    assert project.run("status").code == 0


def test_asking_git_writes_nothing(work_tree: Project) -> None:
    work_tree.apply()
    commit_anyway(work_tree, KEYS[0])
    index = work_tree.folder / ".git/index"
    before = (index.read_bytes(), index.stat().st_mtime_ns, stat.S_IMODE(index.stat().st_mode))
    (work_tree.output / KEYS[0]).touch()
    work_tree.run("status")
    assert (index.read_bytes(), index.stat().st_mtime_ns, stat.S_IMODE(index.stat().st_mode)) == before
