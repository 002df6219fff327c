"""Crashes recorded runs at every call, with many selections of what was not synced, and looks at what is left.

`python -m tests.crash_model.explore` tells how many states each scenario has, and what is wrong with them.
"""

import argparse
import random
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from edgecerts.apply.file_system import Sync
from tests.crash_model.bench import Bench, Crash, Shape, Trace, scratch_folder, shape_of
from tests.crash_model.disk import Call, Fate, Fates, Synced, SyncedAll, Tree, Write, unsynced
from tests.crash_model.invariants import find_all, find_undone, find_wide_calls
from tests.crash_model.scenarios import OUTPUT, SCENARIOS, Scenario

T = TypeVar("T")


@dataclass(frozen=True)
class Effort:
    """How far an exploration goes.

    Attributes:
        guesses: how many random selections of lost calls are tried at each call.
        second_runs: after how many crashes, of processes and of machines, the run that follows is crashed as well.
        third_runs: the same for the runs after those.
        seed: what chance begins with.
    """

    guesses: int = 6
    second_runs: int = 5
    third_runs: int = 1
    seed: int = 0


@dataclass
class Findings:
    """What an exploration has seen.

    Attributes:
        states: every distinct state of the folder after a crash.
        wrong: what is wrong, with the crash that shows it.
        enough: how much of that is enough to stop.
        seed: what chance begins with.
    """

    enough: int = 10
    seed: int = 0
    states: set[Shape] = field(default_factory=set)
    wrong: list[tuple[str, Crash]] = field(default_factory=list)

    @property
    def is_done(self) -> bool:
        return len(self.wrong) >= self.enough

    def __str__(self) -> str:
        return "\n".join(f"{text}\n  {crash}" for text, crash in self.wrong[:3])


def explore(
    scenario: Scenario,
    *,
    left_out: frozenset[Sync] = frozenset(),
    effort: Effort = Effort(),
    enough: int = 10,
) -> Findings:
    """Crashes a scenario's run, some of the runs that follow a crash, and some of those that follow them.

    Args:
        left_out: syncs that are not done.
        enough: stop after so many findings.
    """
    findings, chance = Findings(enough=enough, seed=effort.seed), random.Random(f"{effort.seed} {scenario.name}")
    with scratch_folder() as scratch:
        bench = Bench(scenario, scratch, left_out=left_out)
        trace = bench.record()
        crashes = _crash(bench, trace, findings, guesses=effort.guesses, thorough=True)
        places = range(len(trace.calls) + 1)
        killed = [Crash(trace, place, {}) for place in _some(places, effort.second_runs, chance)]
        third = _crash_again(bench, killed, findings, powered=True)
        failed = _some(_interrupted(crashes), effort.second_runs, chance)
        third += _crash_again(bench, failed, findings, powered=False)
        third = _some(_interrupted(third), 2 * effort.third_runs, chance)
        _crash_again(bench, third[: effort.third_runs], findings, powered=True)
        _crash_again(bench, third[effort.third_runs :], findings, powered=False)
    return findings


def explore_some(
    scenario: Scenario, places: int, *, left_out: frozenset[Sync] = frozenset(), enough: int = 3
) -> Findings:
    """The same for a large group, where looking at one state takes half a second.

    Crashes a scenario's run, and one that follows such a crash, before its last syncs and at some calls after them.
    What was not synced is lost there not at all, as a whole, or by chance.

    Args:
        places: at how many calls, as a target, each run is crashed.
        left_out: syncs that are not done.
        enough: stop after so many findings.
    """
    findings, chance = Findings(enough=enough), random.Random(scenario.name)
    with scratch_folder() as scratch:
        bench = Bench(scenario, scratch, left_out=left_out)
        trace = bench.record()
        crashes = _crash_some(bench, trace, findings, places, chance)
        for crash in _some(_interrupted(crashes), 1, chance):
            if not findings.is_done:
                _crash_some(bench, bench.record_again(crash, powered=False), findings, places // 3, chance)
    return findings


def _crash_some(bench: Bench, trace: Trace, findings: Findings, places: int, chance: random.Random) -> list[Crash]:
    calls = range(trace.begin, len(trace.calls))
    # The part that is about the fleet comes last. Most is not synced right before a sync, and most happens after it.
    syncs = [place for place in calls if isinstance(trace.calls[place], Synced | SyncedAll)][-places // 2 :]
    published = [place for place in calls if syncs and syncs[0] < place not in syncs]
    chosen = sorted({*syncs, *_some(published, places - len(syncs) - 1, chance), len(trace.calls)})
    new: list[Crash] = []
    for place in chosen:
        unsafe = unsynced(trace.calls[:place])
        lost = {one: _guess(trace.calls[one], chance) for one in unsafe if chance.random() < 0.5}
        for fates in ({}, dict.fromkeys(unsafe, Fate.LOST), lost):
            crash = Crash(trace, place, fates)
            shape = shape_of(crash.disk.tree(OUTPUT))
            if shape in findings.states or findings.is_done:
                continue
            findings.states.add(shape)
            findings.wrong += [(text, crash) for text in find_wrong(bench, crash)]
            new.append(crash)
    return new


def _crash_again(bench: Bench, crashes: Sequence[Crash], findings: Findings, *, powered: bool) -> list[Crash]:
    """The runs that follow these crashes are crashed."""
    new: list[Crash] = []
    for crash in crashes:
        if not findings.is_done:
            new += _crash(bench, bench.record_again(crash, powered=powered), findings, guesses=2, thorough=False)
    return new


def _crash(bench: Bench, trace: Trace, findings: Findings, *, guesses: int, thorough: bool) -> list[Crash]:
    """Looks at the states after a crash at each call of the last run of a trace.

    Args:
        findings: what is seen is added to it.
        guesses: how many random selections of lost calls are tried at each.
        thorough: also each call alone is lost, and alone survives.

    Returns:
        one crash for each state that is new.
    """
    chance, seen, new = random.Random(findings.seed + len(trace.calls)), set(), []
    last = len(trace.calls)
    findings.wrong += [(text, Crash(trace, last, {})) for text in find_wide_calls(trace.calls)]
    for place in range(trace.begin, last + 1):
        for fates in _selections(trace.calls[:place], chance, guesses, thorough=thorough):
            crash = Crash(trace, place, fates)
            shape = shape_of(crash.disk.tree(OUTPUT))
            # The same state may be wrong later: more was visible, and more was reported.
            if (shape, crash.story.keys, place == last) in seen:
                continue
            seen.add((shape, crash.story.keys, place == last))
            if shape not in findings.states:
                findings.states.add(shape)
                new.append(crash)
            findings.wrong += [(text, crash) for text in find_wrong(bench, crash)]
            if findings.is_done:
                return new
    return new


def find_wrong(bench: Bench, crash: Crash) -> Iterator[str]:
    """What is wrong after a crash: as the folder is found, after recovery, and with the next two runs."""
    disk, trace = crash.disk, crash.trace
    tree = disk.tree(OUTPUT)
    yield from find_all(tree, crash.story, recovered=False)
    recovered, wrong = bench.recover(disk)
    if wrong is not None:
        yield wrong
        return
    after = recovered.tree(OUTPUT)
    # What recovery publishes was to be seen later in the run.
    story = replace(crash.story, versions=trace.stories[-1].versions)
    yield from (f"after recovery: {text}" for text in find_all(after, story, recovered=True))
    if crash.place == len(trace.calls) and not trace.begin:
        yield from (f"at the end: {text}" for found in (tree, after) for text in find_undone(found, trace.final, story))
    yield from (f"later: {text}" for text in bench.converge(recovered, story))


def _selections(calls: Sequence[Call], chance: random.Random, guesses: int, *, thorough: bool) -> Iterator[Fates]:
    """Which calls are lost: none (a killed process), all, each alone, all but one, all from one on, and guesses."""
    places = unsynced(calls)
    yield {}
    if not places:
        return
    yield dict.fromkeys(places, Fate.LOST)
    for number, place in enumerate(places) if thorough else ():
        yield {place: Fate.LOST}
        if isinstance(calls[place], Write):
            yield {place: Fate.TORN}
            yield {place: Fate.ZEROED}
        yield dict.fromkeys((other for other in places if other != place), Fate.LOST)
        yield dict.fromkeys(places[number + 1 :], Fate.LOST)
    for _ in range(guesses):
        share = chance.choice((0.2, 0.5, 0.8))
        yield {place: _guess(calls[place], chance) for place in places if chance.random() < share}


def _guess(call: Call, chance: random.Random) -> Fate:
    return chance.choice((Fate.LOST, Fate.TORN, Fate.ZEROED)) if isinstance(call, Write) else Fate.LOST


def _interrupted(crashes: Sequence[Crash]) -> list[Crash]:
    """Those after which there is something to recover from."""
    return [crash for crash in crashes if _has_remains(crash.disk.tree(OUTPUT))]


def _has_remains(tree: Tree) -> bool:
    return any(path.startswith((".edgecerts/journal", ".edgecerts/staging/")) for path in tree)


def _some(all_: Sequence[T], count: int, chance: random.Random) -> list[T]:
    return chance.sample(all_, min(count, len(all_)))


def main() -> None:
    """Tells what each scenario shows."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--more", type=int, default=1, help="how many times as far as the tests go")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    usual = Effort(seed=arguments.seed)
    effort = replace(
        usual, second_runs=usual.second_runs * arguments.more, third_runs=usual.third_runs * arguments.more
    )
    failed = False
    total, begin = 0, time.monotonic()
    for scenario in SCENARIOS:
        started = time.monotonic()
        findings = explore(scenario, effort=effort)
        total += len(findings.states)
        print(f"{scenario.name}: {len(findings.states)} states, {time.monotonic() - started:.1f} s", flush=True)
        if findings.wrong:
            print(findings)
            failed = True
    print(f"{total} states, {time.monotonic() - begin:.1f} s")
    sys.exit(failed)


if __name__ == "__main__":
    main()
