"""Plan files: what writes and reads them on the command line, and what is no plan file."""

import json

import pytest

from edgecerts.saved.document import MAX_PLAN_BYTES
from tests.conftest import SMALL, Project
from tests.saved_plans import WITH_GATEWAY, carry_out, plan_file, report, save, settle


@pytest.mark.parametrize("flag", [("--prune",), ("--target", "ca"), ("--replace", "ca"), ("--allow", "ca-replaced")])
def test_apply_takes_no_other_options_with_a_plan_file(project: Project, flag: tuple[str, ...]) -> None:
    project.write(SMALL)
    save(project)
    result = carry_out(project, *flag)
    assert result.code == 64
    assert "a saved plan has its own" in result.err
    assert not project.output.exists()


def test_out_with_at_is_a_usage_error(project: Project) -> None:
    project.write(SMALL)
    assert project.run("plan", "--out", str(plan_file(project)), "--at", "2030-01-01").code == 64
    assert not plan_file(project).exists()


@pytest.mark.parametrize("kind", ["folder", "manifest", "key", "link", "text", "nowhere"])
def test_out_replaces_an_older_plan_and_nothing_else(project: Project, kind: str) -> None:
    settle(project)
    path = plan_file(project)
    if kind == "folder":
        path.mkdir()
    elif kind == "link":
        path.symlink_to(project.manifest)
    elif kind == "text":
        path.write_text("notes")
    names = {"manifest": project.manifest, "key": project.output / "ca/ca.key", "nowhere": project.folder / "no/plan"}
    target = names.get(kind, path)
    before = (project.files(), project.manifest.read_bytes(), sorted(project.folder.rglob("*")))
    result = project.run("plan", "--out", str(target))
    assert result.code == 1
    assert "bug" not in result.err
    assert (project.files(), project.manifest.read_bytes(), sorted(project.folder.rglob("*"))) == before


def test_out_is_never_half_there(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.write(SMALL)
    save(project)
    old = plan_file(project).read_bytes()
    project.write(WITH_GATEWAY)

    def fail(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", fail)
    result = project.run("plan", "--out", str(plan_file(project)))
    assert result.code == 1
    assert "No space left" in result.err
    assert plan_file(project).read_bytes() == old
    assert sorted(path.name for path in project.folder.iterdir()) == ["pki.yaml", "plan.json"]


def test_out_replaces_an_older_plan(project: Project) -> None:
    project.write(SMALL)
    save(project)
    project.write(WITH_GATEWAY)
    save(project)
    assert report(project, 0)["stale"] == []


# Files that are no saved plans.


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "it is not JSON"),
        (b"\xff\xfe", "it is not JSON"),
        (b"{", "it is not JSON"),
        (b"[" * 100_000, "it is not JSON"),
        (b'{"basis": ' * 20_000, "it is not JSON"),
        (b"1" * 10_000, "it is not JSON"),
        (b"NaN", "it is not JSON"),
        (b"[]", "other JSON"),
        (b"null", "other JSON"),
        (b'{"basis": 1, "basis": 2}', "it is not JSON"),
        (b'{"basis": {}}', "another format"),
        (b'{"basis": {}, "format_version": 2}', "another format"),
        (b'{"basis": {}, "format_version": true}', "another format"),
        (b'{"basis": {}, "format_version": 1}', "lacks a key"),
    ],
)
def test_a_file_that_is_no_saved_plan_is_an_error(project: Project, content: bytes, words: str) -> None:
    project.write(SMALL)
    plan_file(project).write_bytes(content)
    result = carry_out(project)
    assert result.code == 1
    assert words in result.err
    assert not project.output.exists()


def test_what_plan_prints_is_no_saved_plan_and_the_message_says_so(project: Project) -> None:
    project.write(SMALL)
    plan_file(project).write_text(project.run("plan", "--format", "json").out)
    result = carry_out(project)
    assert result.code == 1
    assert "what `plan --format json` prints" in result.err
    assert "plan --out" in result.err


def test_a_missing_or_unreadable_or_huge_plan_file_is_an_error(project: Project) -> None:
    project.write(SMALL)
    assert "there is no" in carry_out(project).err
    assert "is a folder" in project.run("apply", str(project.folder)).err
    with plan_file(project).open("wb") as file:
        file.truncate(MAX_PLAN_BYTES + 1)
    result = carry_out(project)
    assert (result.code, "has more than" in result.err) == (1, True)


def test_the_message_does_not_repeat_control_characters(project: Project) -> None:
    project.write(SMALL)
    document = save(project)
    document["plan"]["changes"][0]["address"] = "\x1b[31mred/x\ud800"
    plan_file(project).write_text(json.dumps(document))
    result = carry_out(project)
    assert "\x1b" not in result.out + result.err
    document["plan"]["summary"]["\x1b[31m"] = 1
    document["plan"]["changes"] *= 2
    plan_file(project).write_text(json.dumps(document))
    result = carry_out(project)
    assert result.code == 1
    assert "\x1b" not in result.out + result.err
