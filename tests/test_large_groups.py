"""Large groups: few syncs and in the right order, keys on all cores, and an interrupt that waits as before."""

import signal
import threading
from collections import Counter
from pathlib import Path

import pytest

from edgecerts.apply import groups as grouping
from edgecerts.apply import key_maker, transaction
from edgecerts.apply.file_system import FileSystem, Sync, _tells_errors
from edgecerts.apply.interrupts import interrupts_held
from edgecerts.apply.key_maker import KeyMaker
from edgecerts.desired.graph import PrivateKeyArtifact
from edgecerts.errors import InterruptedApplyError
from edgecerts.pki.key_types import KeyType
from edgecerts.pki.private_keys import PrivateKey, generate_private_key
from edgecerts.plan.model import Action, Change
from tests.crash_model.recorder import QuickFileSystem
from tests.crash_model.scenarios import apply, graph_of

HEAD = "version: 1\nca: {common_name: Test CA}\nclients:\n"


class Counting(FileSystem):
    """Keeps what is synced, in order, and waits for no disk."""

    def __init__(self, *, can_sync_all: bool = True) -> None:
        self.syncs: list[Sync] = []
        self._can = can_sync_all

    @property
    def can_sync_all(self) -> bool:
        return self._can

    def sync(self, descriptor: int, purpose: Sync) -> None:
        self.syncs.append(purpose)

    def sync_all(self, descriptor: int, purpose: Sync) -> None:
        self.syncs.append(purpose)


def fleet(size: int) -> str:
    return HEAD + "".join(f"  dev-{number}:\n" for number in range(size))


def test_a_fleet_costs_a_few_syncs_for_each_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grouping, "_GROUP", 50)
    system = Counting()
    report = apply(tmp_path, fleet(200), system)
    assert report.exit_code == 0
    alone = Counting()
    apply(tmp_path / "other", fleet(0), alone)
    groups = Counter(system.syncs) - Counter(alone.syncs)
    # The clients' folder is made once, on the way.
    assert groups.pop(Sync.PLACE) <= 5
    assert set(groups) == {Sync.STAGED_GROUP, Sync.JOURNAL, Sync.COMMIT, Sync.LOG, Sync.PUBLISHED}
    assert groups[Sync.STAGED_GROUP] == groups[Sync.COMMIT] == groups[Sync.JOURNAL] == groups[Sync.LOG] == 4
    assert groups[Sync.PUBLISHED] <= 8
    steps = [sync for sync in system.syncs if sync in (Sync.STAGED_GROUP, Sync.COMMIT, Sync.LOG)][-12:]
    assert steps == [Sync.STAGED_GROUP, Sync.COMMIT, Sync.LOG] * 4


@pytest.mark.parametrize(
    ("text", "most"),
    [
        ("validity: 100d", {Sync.PUBLISHED: 1, Sync.LOG_FILE: 1}),
        ("key_type: ec-p384", {Sync.JOURNAL: 1, Sync.COMMIT: 1, Sync.PUBLISHED: 2, Sync.SET_ASIDE: 1}),
    ],
    ids=["renewal", "rekey"],
)
def test_a_fleet_that_is_issued_again_costs_no_more(tmp_path: Path, text: str, most: dict[Sync, int]) -> None:
    """Each of its certificates lies in a folder of its own, and each replaced key goes to where it is kept."""
    apply(tmp_path, fleet(200), QuickFileSystem())
    system = Counting()
    assert apply(tmp_path, f"defaults: {{{text}}}\n{fleet(200)}", system).exit_code == 0
    counts = Counter(system.syncs)
    assert counts.pop(Sync.PLACE) <= 4
    assert counts <= Counter({Sync.STAGED_GROUP: 1, Sync.LOG: 1, **most})


def test_what_a_run_that_was_killed_had_committed_is_finished_with_a_few_syncs(tmp_path: Path) -> None:
    apply(tmp_path, fleet(200), QuickFileSystem())

    class Killed(QuickFileSystem):
        """Ends when the first of the fleet is exchanged."""

        def exchange(self, name: str, folder: int, other_name: str, other_folder: int) -> None:
            raise KeyboardInterrupt

    later = f"defaults: {{key_type: ec-p384}}\n{fleet(200)}"
    with pytest.raises(InterruptedApplyError):
        apply(tmp_path, later, Killed())
    system = Counting()
    report = apply(tmp_path, later, system)
    assert len(report.recovered) == 200
    counts = Counter(system.syncs)
    assert counts.pop(Sync.PLACE) <= 9
    assert counts.total() <= 12, counts
    # The exchange is two names in two folders.
    assert (counts[Sync.PUBLISHED], counts[Sync.SET_ASIDE]) == (2, 1)


@pytest.mark.parametrize(("size", "can"), [(transaction.MANY - 1, True), (20, False)], ids=["few", "no syncfs"])
def test_else_every_file_is_synced(tmp_path: Path, size: int, can: bool) -> None:
    system = Counting(can_sync_all=can)
    apply(tmp_path, fleet(size), system)
    counts = Counter(system.syncs)
    assert counts[Sync.STAGED_GROUP] == 0
    assert counts[Sync.STAGED_FILE] >= 3 * size
    assert counts[Sync.STAGED_FOLDER] >= size


@pytest.mark.parametrize(
    ("release", "tells"),
    [("5.7.19", False), ("5.8.0-generic", True), ("6.1.0-18-amd64", True), ("4.18.0", False), ("", False)],
)
def test_a_kernel_whose_syncfs_tells_no_errors_is_not_relied_on(
    release: str, tells: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    assert _tells_errors(release) is tells


def rsa_changes(size: int) -> list[Change]:
    graph = graph_of(f"defaults: {{key_type: rsa-2048}}\n{fleet(size)}")
    return [Change(artifact=one.private_key, action=Action.CREATE) for one in graph.end_entities]


def artifact_of(change: Change) -> PrivateKeyArtifact:
    assert isinstance(change.artifact, PrivateKeyArtifact)
    return change.artifact


def test_keys_that_take_long_are_made_side_by_side(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two makers wait for each other: one after the other, they would wait for ever."""
    together = threading.Barrier(2, timeout=30)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1}, raising=False)

    def make(key_type: KeyType) -> PrivateKey:
        together.wait()
        return generate_private_key(KeyType.EC_P256)

    monkeypatch.setattr(key_maker, "generate_private_key", make)
    changes = rsa_changes(4)
    with KeyMaker(changes) as maker:
        keys = [maker.make(artifact_of(change)) for change in changes]
    assert len({key.private_numbers().private_value for key in keys}) == 4  # type: ignore[union-attr]


def test_what_is_made_ahead_is_limited_and_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1}, raising=False)
    monkeypatch.setattr(key_maker, "generate_private_key", lambda key_type: made.append(key_type))
    changes = rsa_changes(200)
    with KeyMaker(changes) as maker:
        maker.make(artifact_of(changes[0]))
    for thread in threading.enumerate():
        if thread is not threading.current_thread():
            thread.join(30)
    assert 1 <= len(made) <= 64


def test_threads_that_make_keys_take_no_signal(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that came to such a thread would interrupt the main thread, also where that holds interrupts back."""
    masks: list[set[signal.Signals]] = []
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1}, raising=False)

    def make(key_type: KeyType) -> PrivateKey:
        masks.append({signal.Signals(number) for number in signal.pthread_sigmask(signal.SIG_BLOCK, ())})
        return generate_private_key(KeyType.EC_P256)

    monkeypatch.setattr(key_maker, "generate_private_key", make)
    changes = rsa_changes(3)
    with KeyMaker(changes) as maker:
        for change in changes:
            maker.make(artifact_of(change))
    with interrupts_held():
        held = {signal.Signals(number) for number in signal.pthread_sigmask(signal.SIG_BLOCK, ())}
    assert masks
    assert all(held <= mask for mask in masks)
