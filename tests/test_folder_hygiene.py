"""Threats from the folder itself: what changes while it is read, what lies in a file's place, and who may write."""

import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from edgecerts.desired import build_graph
from edgecerts.desired.graph import Graph
from edgecerts.manifest import parse_manifest
from edgecerts.observed import scan
from edgecerts.observed.folder_reader import FoundFile, OpenFolder
from edgecerts.observed.inventory import Inventory, State
from tests.conftest import SMALL, Project

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


def test_a_leftover_that_is_exchanged_while_it_is_read_is_of_one_folder(
    project: Project, rekeyed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.write(SMALL.replace("  MyEACM:\n", "  other:\n"))
    expected = look(project).leftovers
    exchange(project.output / CLIENT, rekeyed)
    (project.output / CLIENT / "ca.pem").unlink()
    names = OpenFolder.names
    acted = False

    def publish(self: OpenFolder) -> list[str]:
        nonlocal acted
        found = names(self)
        if "client.key" in found and not acted:
            acted = True
            exchange(project.output / CLIENT, rekeyed)
        return found

    monkeypatch.setattr(OpenFolder, "names", publish)
    assert look(project).leftovers == expected
    assert acted


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
