"""A run that reads the folder again takes from memory only what nothing has touched."""

import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from edgecerts.desired.graph import Graph
from edgecerts.observed import files as observed_files
from edgecerts.observed import scan
from edgecerts.observed.inventory import Inventory
from edgecerts.observed.seen import SeenFiles
from tests.conftest import SMALL, Project
from tests.crash_model.scenarios import graph_of

Touch = Callable[[Path], None]
LATER = timedelta(minutes=1)


def _same_bytes(folder: Path) -> None:
    """Rewritten where it lies, of the same size, with its old time of modification."""
    path = folder / "client.pem"
    before, text = path.stat(), path.read_bytes()
    damaged = text.replace(b"M", b"!", 1)
    path.write_bytes(damaged)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def _other_file(folder: Path) -> None:
    (folder / "new").write_bytes((folder.parent.parent / "ca/ca.pem").read_bytes())
    (folder / "new").rename(folder / "client.pem")


def _other_folder(folder: Path) -> None:
    other = folder.with_name("other")
    other.mkdir(mode=0o700)
    for path in folder.iterdir():
        (other / path.name).write_bytes(path.read_bytes())
    folder.rename(folder.with_name("away"))
    other.rename(folder)


def _wider_key(folder: Path) -> None:
    (folder / "client.key").chmod(0o644)


def _wider_folder(folder: Path) -> None:
    folder.chmod(0o755)


def _second_name(folder: Path) -> None:
    (folder / "backup").hardlink_to(folder / "client.key")


def _gone(folder: Path) -> None:
    (folder / "ca.pem").unlink()


TOUCHES: tuple[Touch, ...] = (_same_bytes, _other_file, _other_folder, _wider_key, _wider_folder, _second_name, _gone)


def look(project: Project, seen: SeenFiles | None) -> Inventory:
    return scan(graph(), project.output, manifest_folder=project.folder, seen=seen)


def graph() -> Graph:
    return graph_of(SMALL)


@pytest.fixture
def settled(project: Project) -> Project:
    project.write(SMALL)
    project.apply()
    return project


@pytest.mark.parametrize("touch", TOUCHES, ids=lambda touch: touch.__name__.strip("_"))
def test_whatever_is_touched_is_read_again(settled: Project, touch: Touch) -> None:
    seen = SeenFiles(datetime.now(UTC) + LATER)
    before = look(settled, seen)
    touch(settled.output / "clients/MyEACM")
    after = look(settled, seen)
    assert after == look(settled, None)
    assert after != before


def test_what_is_not_touched_is_not_read_again(settled: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = SeenFiles(datetime.now(UTC) + LATER)
    before = look(settled, seen)

    def parse(content: bytes) -> None:
        raise AssertionError("it was parsed again")

    monkeypatch.setattr(observed_files, "read_key_facts", parse)
    # The package has a function of the module's name.
    monkeypatch.setattr(sys.modules["edgecerts.observed.scan"], "parse_certificates", parse)
    assert look(settled, seen) == before


def test_what_was_touched_a_moment_before_is_always_read(settled: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next change could have the same time."""
    seen = SeenFiles(datetime.now(UTC))
    look(settled, seen)
    read = []
    monkeypatch.setattr(observed_files, "read_key_facts", lambda content: read.append(content))
    look(settled, seen)
    assert len(read) == 3
