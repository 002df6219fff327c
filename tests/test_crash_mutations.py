"""What no test misses may as well be missing: each part of the protocol is left out, and the model tells the loss."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any
from unittest import mock

import pytest

from edgecerts.apply import publication, recovery, run, staging, transaction
from edgecerts.apply.file_system import FileSystem, Sync
from edgecerts.apply.log_file import append_lines
from edgecerts.apply.output_folder import OutputFolder
from edgecerts.apply.publication import sync_published
from tests.crash_model.explore import Effort, explore
from tests.crash_model.recorder import QuickFileSystem, Recorder
from tests.crash_model.scenarios import CLONE, FIRST, NARROW, NEW_AUTHORITY, PRUNE, REKEY, RENEWAL, Scenario

NEEDED: dict[Sync, tuple[Scenario, str]] = {
    Sync.EARLIER: (RENEWAL, "not in the log"),
    Sync.PLACE: (CLONE, "is lost"),
    Sync.STAGED_FILE: (RENEWAL, "a damaged file"),
    Sync.STAGED_FOLDER: (REKEY, "is lost"),
    Sync.STAGING: (REKEY, "is lost"),
    Sync.STAGED_GROUP: (REKEY.synced_at_once(), "is lost"),
    Sync.LOG: (RENEWAL, "not in the log"),
    Sync.LOG_FILE: (RENEWAL, "not in the log"),
    Sync.JOURNAL: (REKEY, "cannot be read"),
    Sync.COMMIT: (REKEY, "is lost"),
    Sync.PUBLISHED: (RENEWAL, "when the run had ended"),
    Sync.KEPT: (REKEY, "somebody's own, is lost"),
    Sync.SET_ASIDE: (REKEY, "is lost"),
    Sync.PRUNED: (PRUNE, "lost its certificate first"),
    Sync.PERMISSIONS: (NARROW, "when the run had ended"),
}
"""For each sync a scenario that needs it, and what goes wrong in that without it."""


def test_every_sync_is_here() -> None:
    assert set(NEEDED) == set(Sync)


@pytest.mark.parametrize("sync", Sync, ids=lambda sync: sync.name)
def test_without_this_sync_something_is_lost(sync: Sync) -> None:
    scenario, loss = NEEDED[sync]
    findings = explore(scenario, left_out=frozenset({sync}), effort=Effort(second_runs=40), enough=1)
    assert findings.wrong, "either nothing needs this sync, or the model is too weak to see it"
    assert loss in findings.wrong[0][0]


def exchange_by_file(self: FileSystem, name: str, folder: int, other_name: str, other_folder: int) -> None:
    """What many tools do: each file is renamed into place on its own."""
    staged, live = self.open_folder(name, folder), self.open_folder(other_name, other_folder)
    for inner in self.names(staged):
        self.rename(inner, staged, inner, live)
    self.close(staged)
    self.close(live)


def recover_nothing(folder: OutputFolder, *, was_killed: bool, stamp: str) -> tuple[str, ...]:
    return ()


def remove_at_once(folder: OutputFolder, path: str, *, belonged: str, stamp: str, syncs: bool = True) -> str:
    """A replaced key is not kept."""
    with folder.open_for(path) as (home, name):
        folder.remove_tree(name, home)
    return path


class LogLast:
    """The log's lines are written when the certificates are published."""

    def __init__(self) -> None:
        self._waiting: list[tuple[OutputFolder, str, bytes]] = []

    def append_lines(self, folder: OutputFolder, path: str, lines: bytes) -> None:
        self._waiting.append((folder, path, lines))

    def sync_published(self, *arguments: Any, **options: Any) -> None:
        sync_published(*arguments, **options)
        for waiting in self._waiting:
            append_lines(*waiting)
        self._waiting.clear()


@dataclass(frozen=True)
class Mutation:
    """Something of the protocol that is left out or done in another way.

    Attributes:
        patches: a module or class, the name in it, and what stands there instead.
        loss: what goes wrong.
    """

    name: str
    scenario: Scenario
    patches: Callable[[], list[tuple[Any, str, Any]]]
    loss: str


def log_last() -> list[tuple[Any, str, Any]]:
    late = LogLast()
    return [(transaction, "append_lines", late.append_lines), (transaction, "sync_published", late.sync_published)]


MUTATIONS = [
    Mutation("no journal", REKEY, lambda: [(transaction, "write_journal", lambda *arguments: None)], "is lost"),
    Mutation(
        "files exchanged one by one",
        REKEY,
        lambda: [(QuickFileSystem, "exchange", exchange_by_file), (Recorder, "exchange", exchange_by_file)],
        "a key beside another key's certificate",
    ),
    Mutation("log last", RENEWAL, log_last, "not in the log"),
    Mutation(
        "no recovery",
        REKEY.without("exchange"),
        lambda: [(run, "recover", recover_nothing), (recovery, "recover", recover_nothing)],
        "brokers/plant-a has only []",
    ),
    Mutation("nothing is set aside", NEW_AUTHORITY, lambda: [(publication, "set_aside", remove_at_once)], "is lost"),
    Mutation(
        "nobody's own files are brought over",
        REKEY,
        lambda: [(publication, "_bring_over", lambda *arguments: (False, []))],
        "somebody's own, is lost",
    ),
    Mutation("files are open at first", FIRST, lambda: [(staging, "PRIVATE_KEY_MODE", 0o644)], "to others"),
]


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_without_this_part_of_the_protocol_something_is_lost(mutation: Mutation) -> None:
    with ExitStack() as stack:
        for place, name, instead in mutation.patches():
            stack.enter_context(mock.patch.object(place, name, instead))
        findings = explore(mutation.scenario, effort=Effort(second_runs=0), enough=1000)
    assert any(mutation.loss in text for text, _ in findings.wrong)
