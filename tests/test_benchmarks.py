"""The benchmarks run, and a figure that is worse than the baseline's by more than a quarter is told."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import __main__ as program
from benchmarks import rivals
from benchmarks.cases import Bench, Sizes
from benchmarks.pairs import Figure, Timing, run_pairs

TINY = Sizes(issued=2, planned=4, rsa=2, renewed=2, looped=1, pairs=1)
FIGURE = Figure(name="plan", ratio=2.0, limit=3.0, ours=2.0, other=1.0)
LOOP = Figure(name="loop", ratio=40.0, limit=30.0, at_least=True, ours=0.001, other=0.04)


@pytest.mark.parametrize("case", ["issue", "plan", "rsa", "revoked"])
def test_each_case_runs(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed = rivals.installed()
    monkeypatch.setattr(rivals, "installed", lambda: {"openssl": installed["openssl"]})
    bench = Bench(folder=tmp_path / "bench", sizes=TINY)
    bench.folder.mkdir()
    figures = list(getattr(bench, case)())
    assert figures
    assert all(figure.ours > 0 and figure.other > 0 for figure in figures)
    bench.delete()
    assert not bench.folder.exists()


def test_a_fleet_is_followed_from_its_first_day_on(tmp_path: Path) -> None:
    bench = Bench(folder=tmp_path / "bench", sizes=TINY)
    bench.folder.mkdir()
    head, *steps = bench.life(20)
    assert "memory" in head
    assert len(steps) == 7
    assert all(step.rstrip().endswith("MB") for step in steps)


def test_pairs_take_turns_and_the_first_does_not_count() -> None:
    order = []

    def run(name: str, seconds: float, pair: int) -> Timing:
        order.append((name, pair))
        return Timing(seconds=seconds if pair else 1000)

    figure = run_pairs("x", lambda pair: run("a", 3, pair), lambda pair: run("b", 2, pair), pairs=2)
    assert order == [("b", 0), ("a", 0), ("a", 1), ("b", 1), ("b", 2), ("a", 2)]
    assert figure.ratios == (1.5, 1.5)


@pytest.mark.parametrize(
    ("figure", "code"),
    [
        (replace(FIGURE, ratio=2.4), 0),
        (replace(FIGURE, ratio=2.6), 1),
        (replace(LOOP, ratio=33.0), 0),
        (replace(LOOP, ratio=31.0), 1),
        (replace(FIGURE, name="unheard of"), 1),
    ],
)
def test_a_regression_beyond_a_quarter_fails(
    figure: Figure, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    baseline = tmp_path / "baseline.json"
    baseline.write_text(json.dumps({"ratios": {"plan": 2.0, "loop": 40.0}}))
    monkeypatch.setattr(program, "BASELINE", baseline)
    assert program._compare([figure]) == code


def test_the_limits_are_looked_at() -> None:
    assert FIGURE.keeps
    assert LOOP.keeps
    assert not replace(FIGURE, ratio=3.1).keeps
    assert not replace(LOOP, ratio=29.0).keeps
