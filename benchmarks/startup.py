"""How long the command takes to start, as a ratio against `python -c 'import typer'` in the same run.

    python benchmarks/startup.py [--pairs 15]

The two commands run in turn, because a machine's speed drifts; the ratio of the medians is what counts. Run it with
the Python of the environment that edgecerts is installed in.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

FLOOR = [sys.executable, "-c", "import typer"]
MANIFEST = Path(__file__).parent.parent / "examples" / "pki.yaml"


def seconds(command: list[str]) -> float:
    """The wall time of one run."""
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def ratio(command: list[str], pairs: int) -> tuple[float, float, float]:
    """Medians of the command and of the floor, and their ratio."""
    seconds(command), seconds(FLOOR)
    times = [(seconds(command), seconds(FLOOR)) for _ in range(pairs)]
    ours = statistics.median(pair[0] for pair in times)
    floor = statistics.median(pair[1] for pair in times)
    return ours, floor, ours / floor


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=15)
    pairs = parser.parse_args().pairs
    program = [str(Path(sys.executable).parent / "edgecerts")]
    with tempfile.TemporaryDirectory() as folder:
        output = str(Path(folder) / "pki")
        subprocess.run([*program, "apply", "-f", MANIFEST, "--output", output], check=True, stdout=subprocess.DEVNULL)
        commands = {
            "edgecerts --version": [*program, "--version"],
            "edgecerts validate": [*program, "validate", "-f", str(MANIFEST)],
            "edgecerts plan (settled)": [*program, "plan", "-f", str(MANIFEST), "--output", output],
        }
        print(f"{'command':28} {'median':>9} {'floor':>9} {'ratio':>6}")
        for name, command in commands.items():
            ours, floor, factor = ratio(command, pairs)
            print(f"{name:28} {ours * 1000:6.0f} ms {floor * 1000:6.0f} ms {factor:6.2f}")


if __name__ == "__main__":
    main()
