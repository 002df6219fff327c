"""python -m benchmarks [--quick] [--only CASE ...] [--json FILE] [--compare] [--scale CLIENTS ...] [--life CLIENTS]

Measures edgecerts against the floors of benchmarks/floors.py and the programs that people use instead, in alternating
pairs on one file system, and prints a table of ratios. Ratios of one machine can be compared with those of another;
seconds cannot.
"""

import argparse
import json
import os
import platform
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

from benchmarks.cases import FULL, QUICK, Bench
from benchmarks.pairs import Figure

BASELINE = Path(__file__).with_name("baseline.json")
CASES = ("start", "issue", "plan", "rsa", "revoked")
TOLERANCE = 1.25
"""A ratio that is worse than the baseline's by more than this factor is a regression."""


def main() -> int:
    """Returns 1 where a ratio is worse than the baseline's by more than a quarter."""
    arguments = _arguments()
    sizes = replace(QUICK if arguments.quick else FULL, **({"pairs": arguments.pairs} if arguments.pairs else {}))
    bench = Bench(folder=Path(tempfile.mkdtemp(prefix="edgecerts-bench-", dir=arguments.folder)), sizes=sizes)
    try:
        if arguments.scale:
            for line in bench.scale(arguments.scale):
                _tell(line)
            return 0
        if arguments.life:
            for line in bench.life(arguments.life):
                _tell(line)
            return 0
        figures = _measure(bench, arguments.only or CASES)
    finally:
        bench.delete()
    document = {"machine": _machine(), "figures": [asdict(figure) for figure in figures]}
    if arguments.json:
        arguments.json.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    if arguments.save:
        _save(figures)
    return _compare(figures) if arguments.compare else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small fleets: two minutes, and rougher figures")
    parser.add_argument("--only", action="append", choices=CASES, help="this alone; may be given more than once")
    parser.add_argument("--pairs", type=int, help="how many pairs are timed")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there as well")
    parser.add_argument("--compare", action="store_true", help="fail where a ratio is 25 %% worse than the baseline's")
    parser.add_argument("--save", action="store_true", help=f"make these ratios the baseline, {BASELINE.name}")
    parser.add_argument("--scale", type=int, nargs="+", metavar="CLIENTS", help="apply and plan fleets of these sizes")
    parser.add_argument("--life", type=int, metavar="CLIENTS", help="a fleet of this size, from its first day on")
    parser.add_argument(
        "--folder", type=Path, default=Path("/var/tmp"), help="on the file system that is to be measured"
    )
    return parser.parse_args()


def _measure(bench: Bench, cases: Sequence[str]) -> list[Figure]:
    _tell(f"{'':58} {'ours':>9} {'other':>9} {'ratio':>7} {'limit':>8}\n")
    figures = []
    for case in CASES:
        for figure in getattr(bench, case)() if case in cases else ():
            figures.append(figure)
            sign = ">=" if figure.at_least else "<="
            limit = f"{sign} {figure.limit:g}" if figure.limit is not None else ""
            verdict = "" if figure.keeps else "  missed"
            times = f"{_time(figure.ours)} {_time(figure.other)}"
            _tell(f"{figure.name:58} {times} {figure.ratio:7.2f} {limit:>8}{verdict}\n")
    return figures


def _save(figures: Sequence[Figure]) -> None:
    """Figures of other sizes stay as they are."""
    known = json.loads(BASELINE.read_text(encoding="utf-8"))["ratios"] if BASELINE.exists() else {}
    ratios = known | {figure.name: round(figure.ratio, 3) for figure in figures}
    document = {"machine": _machine(), "ratios": dict(sorted(ratios.items()))}
    BASELINE.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def _compare(figures: Sequence[Figure]) -> int:
    known = json.loads(BASELINE.read_text(encoding="utf-8"))["ratios"]
    compared = [(figure, known[figure.name]) for figure in figures if figure.name in known]
    worse = [
        (figure, before)
        for figure, before in compared
        if (before / figure.ratio if figure.at_least else figure.ratio / before) > TOLERANCE
    ]
    for figure, before in worse:
        _tell(f"worse than the baseline: {figure.name}: {figure.ratio:.2f}, and it was {before:.2f}\n")
    _tell(f"compared {len(compared)} of {len(figures)} figures with {BASELINE.name}\n")
    return 1 if worse or not compared else 0


def _machine() -> dict[str, object]:
    return {"python": platform.python_version(), "system": platform.platform(), "cores": os.cpu_count()}


def _time(seconds: float) -> str:
    return f"{seconds:7.2f} s" if seconds >= 1 else f"{seconds * 1000:6.1f} ms"


def _tell(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
