"""What was finished of a fleet when its run ended early is never issued a second time; the next run issues the rest."""

import os
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from edgecerts.apply import groups, key_maker
from edgecerts.apply.file_system import FileSystem
from edgecerts.errors import ExitCode, InterruptedApplyError
from edgecerts.pki.certificate_facts import parse_certificates
from edgecerts.pki.key_types import KeyType
from edgecerts.pki.private_keys import PrivateKey, generate_private_key
from tests.conftest import Project
from tests.crash.violations import read_log
from tests.crash_model.recorder import QuickFileSystem
from tests.crash_model.scenarios import BATCH, FLEET, apply

GROUP = 50

FIRST, LATER = FLEET, FLEET.replace("90d", "100d")
"""Everybody's certificate is issued again, because it is to be valid for longer."""


def issued(output: Path) -> dict[str, int]:
    """The serial number of each client's certificate."""
    found = output.glob("clients/*/client.pem")
    return {path.parent.name: parse_certificates(path.read_bytes())[0].serial_number for path in found}


def logged(output: Path) -> list[int]:
    return [int(entry["serial"], 16) for entry in read_log(output) if entry["address"].startswith("client/")]


class Full(QuickFileSystem):
    """A disk that is full from some file on, until somebody makes room."""

    def __init__(self, room: int) -> None:
        super().__init__()
        self.room = room

    def create(self, name: str, folder: int, mode: int) -> int:
        self.room -= 1
        if self.room < 0:
            raise OSError(28, "No space left on device")
        return super().create(name, folder, mode)


def end_early(above: Path, manifest: str, room: int) -> None:
    assert apply(above, manifest, Full(room)).exit_code is ExitCode.ERROR


def interrupt(above: Path, manifest: str, room: int) -> None:
    """Somebody presses Ctrl-C."""

    class Interrupted(Full):
        def create(self, name: str, folder: int, mode: int) -> int:
            if self.room == 0:
                os.kill(os.getpid(), signal.SIGINT)
            return super().create(name, folder, mode)

    with pytest.raises(InterruptedApplyError) as told:
        apply(above, manifest, Interrupted(room))
    assert 0 < int(str(told.value).partition(" of ")[0]) < 3 * BATCH


@pytest.mark.parametrize("end", [end_early, interrupt], ids=["the disk is full", "Ctrl-C"])
@pytest.mark.parametrize(
    ("before", "now", "room"), [(None, FIRST, 400), (FIRST, LATER, 125)], ids=["first run", "renewal"]
)
def test_nothing_that_was_finished_is_issued_again(
    end: Callable[[Path, str, int], None],
    before: str | None,
    now: str,
    room: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(groups, "_GROUP", GROUP)
    output = tmp_path / "pki"
    if before is not None:
        apply(tmp_path, before, QuickFileSystem())
    old, had = issued(output), len(logged(output))
    end(tmp_path, now, room)
    finished = {name: serial for name, serial in issued(output).items() if old.get(name) != serial}
    assert GROUP <= len(finished) < BATCH
    assert len(logged(output)) == had + len(finished)
    assert apply(tmp_path, now, QuickFileSystem()).exit_code is ExitCode.DONE
    new = issued(output)
    assert len(new) == BATCH
    assert {name: new[name] for name in finished} == finished
    assert not set(new.values()) & set(old.values())
    # Everybody has one line for each certificate, and the second run has made just the rest.
    assert Counter(logged(output)) == Counter([*old.values(), *new.values()])
    assert apply(tmp_path, now, QuickFileSystem()).nothing_to_do


def test_several_processes_go_on_where_they_were_interrupted(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """As many as share their work, in groups as they are."""
    names = "".join(f"  dev-{number:04}:\n" for number in range(2 * groups._GROUP))
    project.write(f"version: 1\nca: {{common_name: Test CA}}\nclients:\n{names}")
    monkeypatch.setattr(FileSystem, "sync_all", lambda self, descriptor, purpose: None)
    here = os.getpid()

    def generate(key_type: KeyType) -> PrivateKey:
        if os.getpid() == here and (project.output / "clients").exists():
            os.kill(here, signal.SIGINT)
        return generate_private_key(key_type)

    with monkeypatch.context() as patch:
        patch.setattr(key_maker, "generate_private_key", generate)
        result = project.run("apply")
    assert result.code == 130
    finished = issued(project.output)
    assert len(finished) == groups._GROUP
    assert f"interrupted: {3 * groups._GROUP + 5:,} of {6 * groups._GROUP + 5:,} files are done" in result.err
    project.apply()
    new = issued(project.output)
    assert len(new) == 2 * groups._GROUP
    assert {name: new[name] for name in finished} == finished
    assert sorted(logged(project.output)) == sorted(new.values())
