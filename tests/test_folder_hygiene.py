"""Threats from the folder itself: what changes while it is read, what lies in a file's place, and who may write."""

import contextlib
import json
import os
import shutil
import socket
import stat
import unicodedata
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from edgecerts.cli.project import open_project
from edgecerts.desired import build_graph
from edgecerts.desired.graph import Graph
from edgecerts.manifest import parse_manifest
from edgecerts.observed import file_systems, scan
from edgecerts.observed.folder_reader import FolderReader, FoundFile, NotReadableError, OpenFolder
from edgecerts.observed.inventory import Inventory, State
from edgecerts.plan import make_plan
from tests.conftest import NOW, SMALL, Project
from tests.saved_plans import carry_out, save, settle

CLIENT = "clients/MyEACM"


def graph_of(project: Project) -> Graph:
    return build_graph(parse_manifest(project.manifest.read_bytes(), source="pki.yaml"))


def look(project: Project) -> Inventory:
    return scan(graph_of(project), project.output, manifest_folder=project.folder)


def exchange(first: Path, second: Path) -> None:
    """What renameat2 does in one step; nobody looks between these three."""
    between = first.with_name(f".{first.name}.exchanged")
    first.rename(between)
    second.rename(first)
    between.rename(second)


@pytest.fixture
def rekeyed(project: Project) -> Path:
    """A settled project, and beside it the same client's folder with another key and certificate."""
    project.write(SMALL)
    project.apply()
    kept = project.folder / "kept"
    shutil.copytree(project.output / CLIENT, kept)
    assert project.run("apply", "--replace", "client/MyEACM").code == 0
    shutil.rmtree(project.output / ".edgecerts/replaced")
    return kept


def act_at_reads(monkeypatch: pytest.MonkeyPatch, act: Callable[[int], None]) -> None:
    """Has something happen before each file is read, with how many were read before."""
    read, count = OpenFolder.read, 0

    def watched(self: OpenFolder, name: str, **limit: int) -> FoundFile | None:
        nonlocal count
        act(count)
        count += 1
        return read(self, name, **limit)

    monkeypatch.setattr(OpenFolder, "read", watched)


def is_pair(inventory: Inventory, folder: str = CLIENT) -> bool:
    key = inventory.private_keys[f"{folder}/client.key"].value
    certificates = inventory.certificates[f"{folder}/client.pem"].value
    assert key is not None
    assert certificates is not None
    return key.spki_sha256 == certificates[0].spki_sha256


@pytest.mark.parametrize("at", range(12))
def test_a_folder_that_is_exchanged_while_it_is_read_gives_no_mixed_pair(
    project: Project, rekeyed: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    """The writer exchanges the folder, and then takes the old one apart."""

    def publish(count: int) -> None:
        if count == at:
            exchange(project.output / CLIENT, rekeyed)
            for path in rekeyed.iterdir():
                path.unlink()

    act_at_reads(monkeypatch, publish)
    assert is_pair(look(project))
    assert not list(rekeyed.iterdir())


def test_a_folder_that_never_comes_to_rest_gives_no_mixed_pair(
    project: Project, rekeyed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    act_at_reads(monkeypatch, lambda count: exchange(project.output / CLIENT, rekeyed))
    assert is_pair(look(project))


def test_a_folder_that_is_away_for_an_instant_is_not_absent(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where folders cannot be exchanged, the old one goes before the new one comes."""
    project.write(SMALL)
    project.apply()
    folder, away = project.output / CLIENT, project.folder / "away"
    folder.rename(away)
    looked = OpenFolder.has

    def come_back(self: OpenFolder, name: str, opened: OpenFolder | None) -> bool:
        if name == folder.name and away.exists():
            away.rename(folder)
        return looked(self, name, opened)

    monkeypatch.setattr(OpenFolder, "has", come_back)
    assert is_pair(look(project))


def test_a_folder_that_goes_while_it_is_read_is_looked_for_again(
    project: Project, rekeyed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same from the other side: the old one is opened, goes and is taken apart before the new one has its place."""
    folder, away = project.output / CLIENT, project.folder / "away"
    open_folder = OpenFolder.open_folder

    def go(count: int) -> None:
        if folder.exists() and not away.exists() and count >= 6:
            folder.rename(away)
            for path in away.iterdir():
                path.unlink()

    def come(self: OpenFolder, name: str) -> AbstractContextManager[OpenFolder | None]:
        if name == folder.name and away.exists() and rekeyed.exists():
            rekeyed.rename(folder)
        return open_folder(self, name)

    act_at_reads(monkeypatch, go)
    monkeypatch.setattr(OpenFolder, "open_folder", come)
    assert is_pair(look(project))
    assert away.exists()
    assert not rekeyed.exists()


@pytest.mark.parametrize("at", [9, 10])
def test_a_leftover_that_is_exchanged_while_it_is_read_is_of_one_folder(
    project: Project, rekeyed: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    """Before its key is read, and before its certificate is."""
    project.write(SMALL.replace("  MyEACM:\n", "  other:\n"))
    expected = look(project).leftovers
    exchange(project.output / CLIENT, rekeyed)
    (project.output / CLIENT / "ca.pem").unlink()
    act_at_reads(monkeypatch, lambda count: exchange(project.output / CLIENT, rekeyed) if count == at else None)
    found = look(project).leftovers
    assert found == expected
    assert found[0].private_key.value is not None
    assert found[0].certificate.value is not None
    assert found[0].private_key.value.spki_sha256 == found[0].certificate.value[0].spki_sha256


def test_each_folder_is_opened_once(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.write(SMALL)
    project.apply()
    opened: list[str] = []
    open_folder = OpenFolder.open_folder

    def watched(self: OpenFolder, name: str) -> AbstractContextManager[OpenFolder | None]:
        opened.append(name)
        return open_folder(self, name)

    monkeypatch.setattr(OpenFolder, "open_folder", watched)
    inventory = look(project)
    assert all(found.state is State.PRESENT for found in inventory.certificates.values())
    assert opened.count("MyEACM") == opened.count("plant-a") == 1


KEYS = ("ca/ca.key", "brokers/plant-a/server.key", f"{CLIENT}/client.key")
LOG = f"issued/{NOW:%Y}.jsonl"
ENCRYPTED = SMALL.replace("MyEACM:", "MyEACM: {password: {command: [echo, secret]}}")


def remarks(project: Project, part: str, *options: str) -> list[dict[str, str]]:
    found: list[dict[str, str]] = json.loads(project.run("plan", "--format", "json", *options).out)[part]
    return found


def link(path: Path, other: Path) -> tuple[bytes, int]:
    """Gives a file another name, and says what must not change."""
    other.parent.mkdir(parents=True, exist_ok=True)
    os.link(path, other)
    return content_and_mode(other)


def content_and_mode(path: Path) -> tuple[bytes, int]:
    return path.read_bytes(), path.stat().st_mode


@pytest.mark.parametrize("path", KEYS)
@pytest.mark.parametrize("manifest", [SMALL, ENCRYPTED], ids=["plain", "encrypted"])
def test_a_key_with_another_name_is_neither_replaced_nor_closed(project: Project, path: str, manifest: str) -> None:
    project.write(manifest)
    project.apply()
    key = project.output / path
    key.chmod(0o644)
    other = project.folder / "elsewhere"
    before = link(key, other)
    blocked = {remark["address"]: remark for remark in remarks(project, "blocked")}
    (address,) = (str(i.private_key.address) for i in graph_of(project).identities if i.private_key.path == path)
    assert blocked[address]["code"] == "corrupt"
    assert "a hard link" in blocked[address]["message"]
    assert blocked[address]["hint"].startswith("copy it")
    identity = address.removesuffix("/private-key")
    for flags in ((), ("--replace", identity), ("--replace", address)):
        assert project.run("apply", "--allow", "ca-replaced", *flags).code == 1
        assert content_and_mode(other) == before
        assert key.stat().st_nlink == 2
    assert not (project.output / ".edgecerts/replaced").exists()
    assert project.run("status").code == 3


def test_a_pruned_key_with_another_name_stays(project: Project) -> None:
    project.write(SMALL)
    project.apply()
    key = project.output / CLIENT / "client.key"
    key.chmod(0o640)
    before = link(key, project.folder / "elsewhere")
    project.write(SMALL.replace("  MyEACM:\n", "  other:\n"))
    assert project.run("apply", "--prune").code == 0
    assert content_and_mode(project.folder / "elsewhere") == before
    assert key.exists()


@pytest.mark.parametrize("place", ["x", "tx/client.key", "tx/0/client.key"])
def test_the_name_that_a_key_has_while_apply_is_at_work_does_not_count(project: Project, place: str) -> None:
    project.write(SMALL)
    project.apply()
    key = project.output / CLIENT / "client.key"
    link(key, project.output / ".edgecerts/staging" / place)
    found = look(project)
    assert found.private_keys[f"{CLIENT}/client.key"].state is State.PRESENT
    link(key, project.folder / "elsewhere")
    assert look(project).private_keys[f"{CLIENT}/client.key"].linked


def test_a_staged_name_that_goes_between_two_looks_does_not_count(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.write(SMALL)
    project.apply()
    staged = project.output / ".edgecerts/staging/tx/0/client.key"
    link(project.output / CLIENT / "client.key", staged)
    read = OpenFolder.read

    def watched(self: OpenFolder, name: str, **limit: int) -> FoundFile | None:
        found = read(self, name, **limit)
        if name == "client.key":
            staged.unlink(missing_ok=True)
        return found

    monkeypatch.setattr(OpenFolder, "read", watched)
    assert look(project).private_keys[f"{CLIENT}/client.key"].state is State.PRESENT
    assert not staged.exists()


def test_nothing_is_added_to_a_log_that_has_another_name(project: Project) -> None:
    project.write(SMALL)
    project.apply()
    other = project.folder / "elsewhere"
    before = link(project.output / LOG, other)
    project.write(SMALL.replace("broker.plant-a.example", "b2.example"))
    (notice,) = (remark for remark in remarks(project, "notices") if remark["code"] == "log-unreadable")
    assert LOG in notice["message"]
    assert notice["hint"].startswith("copy it")
    certificate = project.output / "brokers/plant-a/server.pem"
    old = certificate.read_bytes()
    assert project.run("apply").code == 1
    assert content_and_mode(other) == before
    assert certificate.read_bytes() == old
    assert "log-unreadable" in project.run("status", "--format", "json").out


def test_a_lock_with_another_name_is_left_as_it_is(project: Project) -> None:
    project.write(SMALL)
    project.output.mkdir(mode=0o700)
    (project.output / ".edgecerts").mkdir(mode=0o700)
    other = project.folder / "elsewhere"
    other.write_text("mine")
    other.chmod(0o644)
    before = link(other, project.output / ".edgecerts/lock")
    result = project.run("apply")
    assert result.code == 1
    assert "a hard link" in result.err
    assert content_and_mode(other) == before
    assert not list(project.output.rglob("*.key"))


def test_a_public_file_with_another_name_is_replaced_and_the_other_stays(project: Project) -> None:
    project.write(SMALL)
    project.apply()
    paths = ("brokers/plant-a/server.pem", ".gitignore")
    before = {path: link(project.output / path, project.folder / f"elsewhere/{path}") for path in paths}
    project.write(SMALL.replace("10.3.0.11,", "10.3.0.12,") + "  new: {password: {command: [echo, secret]}}\n")
    project.apply()
    for path in paths:
        assert content_and_mode(project.folder / f"elsewhere/{path}") == before[path]
        assert (project.output / path).read_bytes() != before[path][0]


def put_fifo(place: Path) -> None:
    os.mkfifo(place)


def put_socket(place: Path) -> None:
    # A socket's path may have no more than about a hundred bytes, so it is made from beside it.
    with socket.socket(socket.AF_UNIX) as made, contextlib.chdir(place.parent):
        made.bind(place.name)


def put_link_to_a_device(place: Path) -> None:
    place.symlink_to("/dev/zero")


@pytest.mark.parametrize("put", [put_fifo, put_socket, put_link_to_a_device])
@pytest.mark.parametrize(
    "path", [*KEYS, "ca/ca.pem", f"{CLIENT}/client.pem", f"{CLIENT}/ca.pem", ".gitignore", LOG, ".edgecerts/lock"]
)
def test_what_is_no_file_is_never_waited_for_and_never_replaced(
    project: Project, path: str, put: Callable[[Path], None]
) -> None:
    project.write(SMALL)
    project.apply()
    place = project.output / path
    place.unlink()
    put(place)
    kind = stat.S_IFMT(place.lstat().st_mode)
    project.write(SMALL.replace("broker.plant-a.example", "b2.example"))
    assert project.run("plan").code == 0
    assert project.run("status").code == 3
    result = project.run("apply")
    assert result.code in (1, 4), result.out
    assert "bug" not in result.err
    assert stat.S_IFMT(place.lstat().st_mode) == kind


def test_a_device_is_not_read() -> None:
    with pytest.raises(NotReadableError, match="not a plain file"):
        FolderReader(Path("/dev")).read("zero")


OWN_FOLDERS = ("", "ca", "brokers", "brokers/plant-a", "clients", CLIENT, "issued", ".edgecerts")
OTHER_NAMES = SMALL.replace("broker.plant-a.example", "b2.example")


def codes(project: Project, part: str, *options: str) -> list[str]:
    return [remark["code"] for remark in remarks(project, part, *options)]


@pytest.mark.parametrize("folder", OWN_FOLDERS)
@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o702])
def test_nothing_is_written_where_everybody_may_write(project: Project, folder: str, mode: int) -> None:
    project.write(SMALL)
    project.apply()
    (project.output / folder).chmod(mode)
    project.write(OTHER_NAMES)
    before = project.files()
    (hazard,) = remarks(project, "hazards")
    assert (hazard["code"], hazard["address"]) == ("insecure-folder", "folder")
    assert (folder or "the output folder itself") in hazard["message"]
    assert "--allow-insecure-folder" in hazard["hint"]
    assert project.run("apply").code == 4
    assert project.files() == before
    assert project.run("status").code == 3
    assert project.run("apply", "--allow-insecure-folder").code == 0
    assert project.files() != before


def test_where_everybody_may_write_is_a_finding_also_while_nothing_is_to_be_written(project: Project) -> None:
    project.write(SMALL)
    project.apply()
    (project.output / "clients").chmod(0o777)
    assert codes(project, "hazards") == []
    assert "insecure-folder" in codes(project, "notices")
    assert project.run("apply").code == 0
    result = project.run("status", "--format", "json")
    assert result.code == 3
    found = json.loads(result.out)
    assert [remark["code"] for remark in found["folder"]] == ["insecure-folder"]
    assert {row["state"] for row in found["identities"]} == {"ok"}


def test_status_says_that_the_folder_keeps_apply_from_mending(project: Project) -> None:
    project.write(SMALL)
    project.apply()
    (project.output / "clients").chmod(0o777)
    project.write(OTHER_NAMES)
    rows = json.loads(project.run("status", "--format", "json").out)["identities"]
    hints = {row["address"]: row["hint"] for row in rows if row["state"] == "blocked"}
    assert list(hints) == ["broker/plant-a"]
    assert "look at the folder first" in hints["broker/plant-a"]


def test_the_two_ways_to_allow_it_are_the_same(project: Project) -> None:
    project.write(SMALL)
    project.output.mkdir()
    project.output.chmod(0o777)
    allowed = ("--allow-insecure-folder",), ("--allow", "insecure-folder")
    first, second = (project.run("plan", "--format", "json", *flags).out for flags in allowed)
    assert first == second
    assert json.loads(first)["allowed"] == ["insecure-folder"]


def test_a_saved_plan_carries_what_was_allowed(project: Project) -> None:
    settle(project)
    (project.output / "clients").chmod(0o777)
    project.write(OTHER_NAMES)
    save(project, "--allow-insecure-folder")
    assert carry_out(project, "--allow-insecure-folder").code == 64
    assert carry_out(project).code == 0
    project.write(SMALL)
    save(project)
    assert carry_out(project).code == 4


def test_a_folder_that_is_opened_after_the_review_is_refused(project: Project) -> None:
    settle(project)
    project.write(OTHER_NAMES)
    save(project, "--allow-insecure-folder")
    (project.output / "clients").chmod(0o777)
    before = project.files()
    assert carry_out(project).code == 4
    assert project.files() == before


def hazards_for(project: Project, owners: frozenset[int]) -> list[str]:
    plan = make_plan(graph_of(project), look(project), now=project.now, manifest="pki.yaml", owners=owners)
    return [remark.message for remark in (*plan.hazards, *plan.notices) if remark.code == "insecure-folder"]


def test_folders_of_another_user_are_refused(project: Project) -> None:
    settle(project)
    me = os.geteuid()
    assert hazards_for(project, frozenset({me})) == []
    (message,) = hazards_for(project, frozenset({me + 1}))
    assert "of another user: the output folder itself" in message
    assert f"(user {me})" in message


def test_our_folders_may_belong_to_this_user_root_and_the_owner_of_the_manifest(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.write(SMALL)
    owner = os.geteuid()
    if owner == 0:
        owner = 1234
        os.chown(project.manifest, owner, -1)
    monkeypatch.setattr(os, "geteuid", lambda: 4321)
    assert open_project(project.manifest, None).owners == {0, 4321, owner}


def test_who_else_may_reach_the_output_folder_is_not_looked_at(project: Project) -> None:
    """Somebody always may, down from the root of the file system; where ours begins is what counts."""
    settle(project)
    project.folder.chmod(0o777)
    assert hazards_for(project, frozenset({os.geteuid()})) == []


def test_folders_that_a_group_may_write_to_are_one_notice(project: Project) -> None:
    """A checkout made with the umask 0002 has them."""
    settle(project, SMALL + "".join(f"  unit-{number}:\n" for number in range(9)))
    for folder in [project.output, *project.output.glob("*s"), *project.output.glob("clients/*")]:
        folder.chmod(folder.stat().st_mode | 0o070)
    for key in project.output.glob("clients/*/client.key"):
        key.unlink()
    (notice,) = (n for n in remarks(project, "notices") if n["code"] == "folder-group-writable")
    assert "the output folder itself" in notice["message"]
    assert "more" in notice["message"]
    project.write(OTHER_NAMES)
    assert project.run("apply").code == 0


@pytest.mark.parametrize(
    ("kind", "local", "kept"),
    [("vfat", 0o755, False), ("9p", 0o777, False), ("vfat", 0o700, True), ("ext4", 0o755, True)],
)
def test_permissions_that_are_not_kept_are_not_mended_for_ever(
    project: Project, monkeypatch: pytest.MonkeyPatch, kind: str, local: int, *, kept: bool
) -> None:
    """Not without two witnesses: a copy that is open to all has to be closed."""
    settle(project)
    device = project.output.stat().st_dev
    mounts = project.folder / "mountinfo"
    other = f"1 0 {os.major(device)}:{os.minor(device) + 1} / / rw - vfat none rw\n"
    mounts.write_text(other + f"2 1 {os.major(device)}:{os.minor(device)} / /x\\040y rw shared:1 - {kind} /dev/x rw\n")
    monkeypatch.setattr(file_systems, "MOUNTS", mounts)
    for path in project.output.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    (project.output / ".edgecerts").chmod(local)
    document = json.loads(project.run("plan", "--format", "json").out)
    assert document["summary"]["chmod"] == (3 if kept else 0)
    assert ("modes-not-kept" in [notice["code"] for notice in document["notices"]]) != kept


def test_where_no_mounts_are_listed_permissions_are_kept(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    settle(project)
    monkeypatch.setattr(file_systems, "MOUNTS", project.folder / "nothing")
    (project.output / ".edgecerts").chmod(0o755)
    (project.output / CLIENT / "client.key").chmod(0o644)
    assert json.loads(project.run("plan", "--format", "json").out)["summary"]["chmod"] == 1


def fold(name: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def make_names_alike(monkeypatch: pytest.MonkeyPatch, same: Callable[[str], str]) -> None:
    """Makes the file system take names for the same, as those of macOS and Windows do; it lists one as it was written.

    What it does not do is to make a file of such a name twice: that finds the one that is there.
    """

    def find(name: str, folder: int | None) -> str:
        if folder is None or not isinstance(name, str):
            return name
        with os.scandir(folder) as entries:
            listed = [entry.name for entry in entries]
        return next((other for other in listed if same(other) == same(name)), name) if name not in listed else name

    def one(real: Callable[..., Any]) -> Callable[..., Any]:
        return lambda name, *rest, dir_fd=None, **more: real(find(name, dir_fd), *rest, dir_fd=dir_fd, **more)

    for name in ("open", "stat", "mkdir", "unlink", "rmdir", "chmod"):
        monkeypatch.setattr(os, name, one(getattr(os, name)))
    rename = os.rename

    def renamed(old: str, new: str, *, src_dir_fd: int | None = None, dst_dir_fd: int | None = None) -> None:
        rename(find(old, src_dir_fd), find(new, dst_dir_fd), src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)

    monkeypatch.setattr(os, "rename", renamed)


@pytest.mark.parametrize(
    ("first", "then"),
    [("MyEACM", "myeacm"), ("kelvin", "\u212aelvin"), ("alias", "MyEACM")],
    ids=["case", "form", "mount"],
)
def test_a_folder_that_is_listed_by_another_spelling_of_an_entry_is_not_pruned(
    project: Project, monkeypatch: pytest.MonkeyPatch, first: str, then: str
) -> None:
    """The folder is listed by the first name; the entry is spelt like the second, or the other way round."""
    listed, entry = (first, then) if then.isascii() else (then, first)
    settle(project, SMALL.replace("  MyEACM:\n", "  MyEACM: {common_name: MyEACM}\n"))
    (project.output / CLIENT).rename(project.output / "clients" / listed)
    project.write(SMALL.replace("  MyEACM:\n", f"  {entry}: {{common_name: MyEACM}}\n"))
    make_names_alike(monkeypatch, lambda name: fold(name).replace("alias", "myeacm"))
    before = project.files()
    document = json.loads(project.run("plan", "--prune", "--format", "json").out)
    assert document["unmanaged"] == []
    assert document["summary"]["no-op"] == sum(document["summary"].values())
    assert project.run("apply", "--prune").code == 0
    assert project.files() == before


def test_an_entrys_folder_that_cannot_be_opened_is_no_leftover_by_another_name(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is the same folder by a look from outside."""
    settle(project)
    project.write(SMALL.replace("MyEACM", "myeacm"))
    make_names_alike(monkeypatch, fold)
    open_folder = OpenFolder.open_folder

    def refuse(self: OpenFolder, name: str) -> AbstractContextManager[OpenFolder | None]:
        if fold(name) == "myeacm":
            raise NotReadableError(f"the folder {name} cannot be read: Permission denied")
        return open_folder(self, name)

    monkeypatch.setattr(OpenFolder, "open_folder", refuse)
    found = look(project)
    assert found.leftovers == ()
    assert found.unreadable == {}


def test_where_spelling_counts_another_spelling_is_another_folder(project: Project) -> None:
    settle(project)
    alike = (project.output / "clients/myeacm").exists()
    project.write(SMALL.replace("MyEACM", "myeacm"))
    assert [leftover.address for leftover in look(project).leftovers] == ([] if alike else ["client/MyEACM"])


def test_our_files_in_a_leftover_are_found_by_another_spelling(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle(project)
    (project.output / CLIENT / "client.key").rename(project.output / CLIENT / "Client.KEY")
    project.write(SMALL.replace("MyEACM", "other"))
    make_names_alike(monkeypatch, fold)
    (leftover,) = look(project).leftovers
    assert f"{CLIENT}/client.key" in leftover.paths
    assert leftover.private_key.state is State.PRESENT
