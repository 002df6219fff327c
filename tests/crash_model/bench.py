"""Where one scenario's runs are made, recorded, crashed and recovered from, in real folders."""

import itertools
import random
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from unittest import mock

from edgecerts.apply import recovery
from edgecerts.apply.file_system import Sync
from edgecerts.apply.output_folder import open_output
from edgecerts.apply.replaced import stamp_of
from edgecerts.errors import EdgecertsError, ExitCode
from tests.crash_model.disk import (
    ABOVE,
    Call,
    Chmod,
    Disk,
    Fates,
    Kind,
    Synced,
    SyncedAll,
    Tree,
    Truncate,
    Write,
    replay,
)
from tests.crash_model.invariants import (
    LOCAL,
    Story,
    find_all,
    find_made_again,
    find_unlogged,
    find_wide,
    identities,
    version_of,
    visible_keys,
)
from tests.crash_model.recorder import QuickFileSystem, Recorder, read_disk, write_disk
from tests.crash_model.scenarios import OUTPUT, Scenario
from tests.histories import quick_encryption

Shape = tuple[tuple[str, Kind, int, bytes, str], ...]
"""A tree as it can be compared with another one: each path with the first name of its file."""


@dataclass(frozen=True)
class Trace:
    """One run, or several of which each but the last was killed.

    Attributes:
        start: what was on the disk before the first.
        calls: what they did.
        begin: how many of the calls were those of earlier runs.
        stories: what had happened before each call, and at the end.
    """

    start: Disk
    calls: Sequence[Call]
    begin: int
    stories: Sequence[Story]

    @cached_property
    def final(self) -> Tree:
        return replay(self.start, self.calls, {}).tree(OUTPUT)


@dataclass(frozen=True)
class Crash:
    """Where a run ended, and what of its calls did not reach the disk."""

    trace: Trace
    place: int
    fates: Fates

    @property
    def disk(self) -> Disk:
        return replay(self.trace.start, self.trace.calls[: self.place], self.fates)

    @property
    def story(self) -> Story:
        return self.trace.stories[self.place]

    def __str__(self) -> str:
        last = self.trace.calls[self.place - 1] if self.place else "nothing"
        lost = [f"{fate}: {self.trace.calls[place]}" for place, fate in sorted(self.fates.items())]
        lines = [f"crash after call {self.place} of {len(self.trace.calls)}, {last}", *lost]
        return "\n  ".join(line[:200] for line in lines)


@contextmanager
def steady(seed: int) -> Iterator[None]:
    """Random names that are the same in each run of the tests."""
    chance = random.Random(seed)
    with (
        mock.patch("secrets.token_hex", lambda size: f"{chance.getrandbits(8 * size):0{2 * size}x}"),
        quick_encryption(),
    ):
        yield


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """In memory where the system has such a place: nothing here is meant to last."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as name:
        yield Path(name)


class Bench:
    """One scenario's runs.

    Attributes:
        start: what is there before them.
    """

    def __init__(self, scenario: Scenario, scratch: Path, *, left_out: frozenset[Sync] = frozenset()) -> None:
        """Prepares the scenario.

        Args:
            scratch: an empty folder.
            left_out: syncs that are not done.
        """
        self.scenario = scenario
        self._scratch = scratch
        self._left_out = left_out
        self._places = itertools.count()
        self._seeds = itertools.count(4)
        self._besides: dict[str, bytes] = {}
        self._recovered: dict[Shape, tuple[Disk, str | None]] = {}
        self._converged: dict[Shape, list[str]] = {}
        with self.folder(Disk({})) as above, steady(0):
            scenario.prepare(above)
            self.start = read_disk(above, OUTPUT)
            self._besides = {path.name: path.read_bytes() for path in above.iterdir() if path.is_file()}
        self.story = Story(
            before=self.start.tree(OUTPUT),
            pruned=scenario.pruned,
            steps_aside="exchange" in scenario.lacking,
            has_links="link" not in scenario.lacking,
        )

    def record(self) -> Trace:
        """The scenario's run, from its first call to its last."""
        return self._record(self.start, (), self.story, again=False)

    def record_again(self, crash: Crash, *, powered: bool) -> Trace:
        """The run that follows a crash.

        Args:
            crash: what went before.
            powered: only the process was killed, so that what it had not synced can still be lost; else the disk has
                lost what it was to lose.
        """
        if powered:
            return self._record(crash.trace.start, crash.trace.calls[: crash.place], crash.story, again=True)
        return self._record(crash.disk, (), crash.story, again=True)

    def recover(self, crashed: Disk) -> tuple[Disk, str | None]:
        """What recovery makes of a folder, and what went wrong in that."""
        shape = shape_of(crashed.tree(OUTPUT))
        if shape not in self._recovered:
            with self.folder(crashed) as above, steady(2):
                wrong = None
                if shape:
                    try:
                        with open_output(above / OUTPUT, QuickFileSystem(self.scenario.lacking)) as folder:
                            recovery.recover(folder, was_killed=True, stamp=stamp_of(self.scenario.now))
                    except EdgecertsError as error:
                        wrong = f"recovery failed: {error.message}"
                self._recovered[shape] = read_disk(above, OUTPUT), wrong
        return self._recovered[shape]

    def converge(self, disk: Disk, story: Story) -> list[str]:
        """What is wrong with the next run, which should bring everything to its end, and with the one after it."""
        shape = tuple(entry for entry in shape_of(disk.tree(OUTPUT)) if not entry[0].startswith(".edgecerts"))
        if shape not in self._converged:
            with self.folder(disk) as above, steady(3):
                self._converged[shape] = list(self._run_twice(above, story))
        return self._converged[shape]

    def _run_twice(self, above: Path, story: Story) -> Iterator[str]:
        found = read_disk(above, OUTPUT).tree(OUTPUT)
        try:
            report = self.scenario.run(above, QuickFileSystem(self.scenario.lacking), again=True)
            if report.exit_code is not ExitCode.DONE:
                told = [(outcome.status.value, outcome.error) for outcome in report.outcomes if outcome.error]
                yield f"the next run ends with {report.exit_code!r}: {told}"
            disk = read_disk(above, OUTPUT)
            tree = disk.tree(OUTPUT)
            now = {folder: frozenset({version_of(tree, folder)}) for folder, _ in identities(tree)}
            yield from find_all(tree, replace(story, versions=now), recovered=True)
            yield from find_made_again(found, tree, story)
            yield from find_wide(tree, None)
            yield from find_unlogged(tree, None)
            yield from (f"{folder} is still there" for folder in self.scenario.pruned if version_of(tree, folder))
            recorder = Recorder(above, disk, lacking=self.scenario.lacking)
            report = self.scenario.run(above, recorder, again=True)
            if not report.nothing_to_do or recorder.calls:
                yield f"the run after the next does not find everything as declared: {recorder.calls}"
        except EdgecertsError as error:
            yield f"the next run failed: {error.message}"

    def _record(self, start: Disk, calls: Sequence[Call], story: Story, *, again: bool) -> Trace:
        disk = replay(start, calls, {})
        with self.folder(disk) as above, steady(next(self._seeds)):
            recorder = Recorder(above, disk, calls=calls, lacking=self.scenario.lacking, left_out=self._left_out)
            report = self.scenario.run(above, recorder, again=again)
            assert report.exit_code is ExitCode.DONE, report.outcomes
            # What the model thinks is there is there.
            modelled, real = shape_of(recorder.disk.tree(OUTPUT)), shape_of(read_disk(above, OUTPUT).tree(OUTPUT))
            assert modelled == real, sorted({*modelled} ^ {*real})
        return Trace(start, recorder.calls, len(calls), list(_tell(start, recorder.calls, story)))

    @contextmanager
    def folder(self, disk: Disk) -> Iterator[Path]:
        """A real folder in which the output folder is as on a disk."""
        above = self._scratch / str(next(self._places))
        above.mkdir()
        try:
            for name, content in self._besides.items():
                (above / name).write_bytes(content)
            write_disk(disk, above, OUTPUT)
            yield above
        finally:
            shutil.rmtree(above)


def shape_of(tree: Tree) -> Shape:
    """What tells one state from another. What the lock's file holds only serves a message."""
    first: dict[int, str] = {}
    return tuple(
        (path, found.kind, found.mode, found.content, first.setdefault(found.number, path))
        for path, found in tree.items()
        if path != ".edgecerts/lock"
    )


def _tell(start: Disk, calls: Sequence[Call], story: Story) -> Iterator[Story]:
    """What has happened before each call, and after the last."""
    disk, keys, versions = start.copy(), story.keys, dict(story.versions)
    visible: frozenset[int] | None = None
    for call in (None, *calls):
        if call is not None:
            call.carry_out(disk)
        if visible is None or call is None or not visible.isdisjoint(_touched(call)):
            tree = disk.tree(OUTPUT)
            named = (found.number for path, found in tree.items() if not path.startswith(f"{LOCAL}/"))
            visible = frozenset({ABOVE, *named})
            keys |= visible_keys(tree)
            for folder in {*versions, *(folder for folder, _ in identities(tree))}:
                version = version_of(tree, folder)
                known = versions.setdefault(folder, frozenset() if folder in story.before else frozenset({()}))
                if version not in known:
                    versions[folder] = known | {version}
            story = replace(story, keys=keys, versions=dict(versions))
        yield story


def _touched(call: Call) -> tuple[int, ...]:
    """The inodes that a call changes. What is staged is not seen before one of these gets a name elsewhere."""
    if isinstance(call, Synced | SyncedAll):
        return ()
    return (call.number,) if isinstance(call, Write | Truncate | Chmod) else call.folders
