"""Whatever call of the writer fails: a clear error that names a file, nothing half, and the next run goes on."""

import errno
import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edgecerts.apply.file_system import FileSystem, Sync
from edgecerts.errors import EdgecertsError, ExitCode
from tests.conftest import COUNTED, SMALL, Project
from tests.crash_model.bench import Bench, Crash, scratch_folder, steady
from tests.crash_model.disk import Disk, Synced
from tests.crash_model.invariants import (
    Story,
    find_leftovers,
    find_lost_files,
    find_lost_keys,
    find_mixed_pairs,
    find_partial,
    find_unlogged,
    find_wide,
    find_wrong_lists,
    visible_keys,
)
from tests.crash_model.recorder import QuickFileSystem, read_disk
from tests.crash_model.scenarios import FIRST, FIRST_LIST, OUTPUT, PRUNE, REKEY, RENEWAL, REVOCATION, Scenario
from tests.readers import key_and_certificate_match

READS = {
    "open_root": (errno.EACCES, errno.EMFILE),
    "open_folder": (errno.EACCES, errno.EMFILE, errno.EIO),
    "open_file": (errno.EACCES, errno.EMFILE, errno.EIO),
    "read": (errno.EIO,),
    "status": (errno.EIO,),
    "look": (errno.EACCES, errno.EIO),
    "names": (errno.EIO,),
    "lock": (errno.EIO, errno.ENOLCK),
}
WRITES = {
    "make_root": (errno.EACCES, errno.ENOSPC, errno.EROFS),
    "make_folder": (errno.EACCES, errno.ENOSPC, errno.EROFS),
    "create": (errno.EACCES, errno.EMFILE, errno.ENOSPC, errno.EROFS),
    "open_to_append": (errno.EACCES, errno.EMFILE, errno.ENOSPC, errno.EROFS),
    "open_lock": (errno.EACCES, errno.EMFILE, errno.ENOSPC, errno.EROFS),
    "write": (errno.EIO, errno.ENOSPC),
    "truncate": (errno.EIO,),
    "chmod": (errno.EPERM, errno.EROFS),
    "sync": (errno.EIO, errno.ENOSPC),
    "sync_all": (errno.EIO,),
    "rename": (errno.EACCES, errno.EXDEV, errno.ENOSPC, errno.EROFS),
    "exchange": (errno.EACCES, errno.EXDEV, errno.ENOSPC, errno.EROFS),
    "link": (errno.EXDEV, errno.EMLINK),
    "unlink": (errno.EACCES, errno.EROFS),
    "remove_folder": (errno.EACCES, errno.EIO),
}

Fails = Callable[[str, int, int], int | None]
"""Of a call's name, its number among those of that name and its number among all: how it fails, or None."""


class FailingFileSystem(QuickFileSystem):
    """Carries calls out, but for those that fail.

    Attributes:
        made: the name of every call that changes something, or that was asked for, in order.
    """

    def __init__(self, lacking: frozenset[str], fails: Fails = lambda name, number, place: None) -> None:
        super().__init__(lacking)
        self.made: list[str] = []
        self._count: Counter[str] = Counter()
        self._fails = fails

    def around(self, name: str, *arguments: Any) -> Any:
        number = self._fails(name, self._count[name], len(self.made))
        self._count[name] += 1
        self.made.append(name)
        if number is None:
            return getattr(super(), name)(*arguments)
        if name == "write":
            # A disk that is full is full in the middle of something.
            super().write(arguments[0], arguments[1][: len(arguments[1]) // 2])
        raise OSError(number, os.strerror(number))


def _counted(name: str) -> Callable[..., Any]:
    def call(self: FailingFileSystem, *arguments: Any) -> Any:
        return self.around(name, *arguments)

    return call


for _name in (*READS, *WRITES):
    setattr(FailingFileSystem, _name, _counted(_name))


class Interrupted:
    """A scenario's folder as a run found it that comes after an interrupted one, or the scenario's own."""

    def __init__(self, scenario: Scenario, scratch: Path, *, recovering: bool) -> None:
        self.bench = Bench(scenario, scratch)
        self.scenario = scenario
        self.recovering = recovering
        self.start, self.story = self._after_commit() if recovering else (self.bench.start, self.bench.story)

    def _after_commit(self) -> tuple[Disk, Story]:
        trace = self.bench.record()
        commits = [place for place, call in enumerate(trace.calls) if isinstance(call, Synced)]
        commit = next(place for place in commits if getattr(trace.calls[place], "purpose", None) is Sync.COMMIT)
        crash = Crash(trace, commit + 1, {})
        return crash.disk, crash.story

    def run(self, above: Path, system: FileSystem) -> list[str] | None:
        """The run that meets an error.

        Returns:
            what it says is wrong, or None where it says that all is done.
        """
        try:
            report = self.scenario.run(above, system, again=self.recovering)
        except EdgecertsError as error:
            assert error.exit_code is ExitCode.ERROR
            return [error.message]
        if report.exit_code is ExitCode.DONE:
            return None
        assert report.exit_code is ExitCode.ERROR
        told = [outcome.error for outcome in report.outcomes if outcome.error is not None]
        return told if report.unfinished is None else [*told, report.unfinished]

    def check(self, fails: Fails) -> str:
        """Runs once with failing calls and then without. Returns what was wrong, else nothing."""
        with self.bench.folder(self.start) as above, steady(5):
            descriptors = _open_descriptors()
            errors = self.run(above, FailingFileSystem(self.scenario.lacking, fails))
            wrong = list(self._find(above, recovered=False))
            if _open_descriptors() != descriptors:
                wrong.append("a descriptor is still open")
            if errors is not None and not any("cannot be" in error or "no locks" in error for error in errors):
                wrong.append(f"nothing is named: {errors}")
            system = QuickFileSystem(self.scenario.lacking)
            report = self.scenario.run(above, system, again=True)
            if report.exit_code is not ExitCode.DONE:
                wrong.append(f"the next run ends with {report.exit_code!r}")
            wrong += self._find(above, recovered=True)
            if not self.scenario.run(above, system, again=True).nothing_to_do:
                wrong.append("the run after that finds something to do")
        return "; ".join(wrong)

    def _find(self, above: Path, *, recovered: bool) -> Iterator[str]:
        tree = read_disk(above, OUTPUT).tree(OUTPUT)
        story = replace(self.story, keys=self.story.keys | visible_keys(self.story.before) | visible_keys(tree))
        yield from find_mixed_pairs(tree)
        yield from find_unlogged(tree, story)
        yield from find_partial(tree, story, recovered=recovered)
        yield from find_wide(tree, story)
        yield from find_lost_keys(tree, story, recovered=recovered)
        yield from find_lost_files(tree, story, recovered=recovered)
        yield from find_wrong_lists(tree, story)
        yield from find_leftovers(tree) if recovered else ()


def _open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@contextmanager
def interrupted(scenario: Scenario, *, recovering: bool) -> Iterator[tuple[Interrupted, list[str]]]:
    """A scenario, and the names of the calls of its run where none fails."""
    with scratch_folder() as scratch:
        one = Interrupted(scenario, scratch, recovering=recovering)
        system = FailingFileSystem(scenario.lacking)
        with one.bench.folder(one.start) as above, steady(5):
            assert one.run(above, system) is None
        yield one, system.made


RUNS = [
    pytest.param(FIRST, False, id="first run"),
    pytest.param(RENEWAL, False, id="renewal"),
    pytest.param(REKEY, False, id="rekey"),
    pytest.param(PRUNE, False, id="prune"),
    pytest.param(FIRST_LIST, False, id="first revocation list"),
    pytest.param(REVOCATION, False, id="revocation"),
    pytest.param(REVOCATION, True, id="recovery of a revocation"),
    pytest.param(REKEY, True, id="recovery"),
    pytest.param(REKEY.without("exchange"), False, id="rekey without exchange"),
    pytest.param(REKEY.without("exchange"), True, id="recovery without exchange"),
    pytest.param(REKEY.without("link"), False, id="rekey without links"),
]


@pytest.mark.parametrize(("scenario", "recovering"), RUNS)
def test_one_call_fails(
    scenario: Scenario, recovering: bool, record_property: Callable[[str, object], None], request: pytest.FixtureRequest
) -> None:
    problems, count = {}, 0
    with interrupted(scenario, recovering=recovering) as (one, made):
        for name, number in _numbered(made):
            # Why something could not be read makes no difference; for the rest each error is tried.
            errors = (READS[name][number % len(READS[name])],) if name in READS else WRITES[name]
            for error in errors:
                wrong = one.check(lambda n, i, place: error if (n, i) == (name, number) else None)  # noqa: B023
                count += 1
                if wrong:
                    problems[f"{name} {number}: {os.strerror(error)}"] = wrong
    record_property(COUNTED, f"failed {count} calls, one in each run: {request.node.callspec.id}")
    assert problems == {}


@pytest.mark.parametrize(("scenario", "recovering"), RUNS)
def test_every_write_fails_from_one_on(scenario: Scenario, recovering: bool) -> None:
    """A disk that is full stays full, and one that is broken or was remounted read-only stays so."""
    problems = {}
    with interrupted(scenario, recovering=recovering) as (one, made):
        for begin, first in enumerate(made):
            error = (errno.ENOSPC, errno.EROFS, errno.EIO)[begin % 3]
            if first in WRITES:
                wrong = one.check(lambda name, i, place: error if place >= begin and name in WRITES else None)  # noqa: B023
                if wrong:
                    problems[f"{begin}: {first}"] = wrong
    assert problems == {}


def _numbered(made: list[str]) -> Iterator[tuple[str, int]]:
    count: Counter[str] = Counter()
    for name in made:
        yield name, count[name]
        count[name] += 1


@pytest.mark.parametrize(
    ("method", "error", "told"),
    [
        ("write", errno.ENOSPC, "brokers/plant-a/server.key cannot be written: No space left on device"),
        ("create", errno.EROFS, "brokers/plant-a/server.key cannot be written: Read-only file system"),
        ("sync", errno.EIO, "brokers/plant-a/server.key cannot be written: Input/output error"),
        ("exchange", errno.EXDEV, "brokers/plant-a cannot be written: Invalid cross-device link"),
        ("open_lock", errno.EACCES, ".edgecerts/lock cannot be written: Permission denied"),
    ],
)
def test_an_error_is_told_with_the_files_name(
    project: Project, monkeypatch: pytest.MonkeyPatch, method: str, error: int, told: str
) -> None:
    project.write(SMALL)
    project.apply()
    before = project.files()
    original = getattr(FileSystem, method)

    def failing(self: FileSystem, *arguments: Any) -> Any:
        if method == "sync" and arguments[1] is not Sync.STAGED_FILE:
            return original(self, *arguments)
        if method == "write" and b"PRIVATE KEY" not in arguments[1]:
            return original(self, *arguments)
        raise OSError(error, os.strerror(error))

    with monkeypatch.context() as patch:
        patch.setattr(FileSystem, method, failing)
        result = project.run("apply", "--replace", "broker/plant-a")
    assert result.code == 1
    assert told in " ".join((result.out + result.err).split())
    assert "bug" not in result.out + result.err
    assert "Traceback" not in result.out + result.err
    unchanged = {path for path, content in project.files().items() if before.get(path) == content}
    assert {path for path in before if not path.startswith((".edgecerts", "issued"))} <= unchanged


def test_writes_that_are_cut_short_are_continued(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, content: write(descriptor, content[:7]))
    project.write(SMALL)
    project.apply()
    monkeypatch.undo()
    for stem in ("ca/ca", "brokers/plant-a/server", "clients/MyEACM/client"):
        assert key_and_certificate_match(project.output / f"{stem}.key", project.output / f"{stem}.pem")
