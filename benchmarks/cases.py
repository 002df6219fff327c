"""What is measured, and what each has to keep to."""

import functools
import shutil
import statistics
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import rivals
from benchmarks.fleets import write_fleet
from benchmarks.pairs import REPOSITORY, Figure, Timing, run_edgecerts, run_pairs, run_python

EXAMPLE = REPOSITORY / "examples" / "pki.yaml"

_HEAD = "{:>9}   on cores     each   memory"


@dataclass(frozen=True, kw_only=True, slots=True)
class Sizes:
    """How large everything is.

    Attributes:
        issued, planned, rsa, renewed: how many clients are made, looked at, made with RSA keys, and renewed.
        looped: how many certificates each rival makes in each pair.
        pairs: how many pairs are timed.
    """

    issued: int = 2000
    planned: int = 10_000
    rsa: int = 1000
    renewed: int = 500
    looped: int = 20
    pairs: int = 7


FULL = Sizes()
QUICK = Sizes(issued=500, planned=2000, rsa=60, renewed=100, looped=5, pairs=7)


@dataclass(kw_only=True)
class Bench:
    """Runs the cases, all in one folder of which nothing is deleted before the end: on many file systems, removing
    thousands of files makes those that come next slow.

    Attributes:
        figures: what was measured so far.
    """

    folder: Path
    sizes: Sizes
    figures: list[Figure] = field(default_factory=list)

    def start(self) -> Iterator[Figure]:
        """How long a command takes that has next to nothing to do."""
        settled = self.folder / "example" / "pki"
        run_edgecerts("apply", "-f", str(EXAMPLE), "--output", str(settled))
        commands = {
            "edgecerts --version": (("--version",), None),
            "plan examples/pki.yaml, all new": (("plan", "-f", str(EXAMPLE), "--output", f"{settled}.none"), 3.0),
            "plan examples/pki.yaml, nothing to do": (("plan", "-f", str(EXAMPLE), "--output", str(settled)), 3.0),
        }
        for name, (command, limit) in commands.items():
            yield run_pairs(
                f"{name} / import typer",
                functools.partial(_run_command, command),
                lambda _: run_python("-c", "import typer"),
                pairs=max(self.sizes.pairs, 15),
                limit=limit,
            )

    def issue(self) -> Iterator[Figure]:
        """The first apply of a fleet with EC keys, against the floor and against what people use instead."""
        count = self.sizes.issued
        manifest = write_fleet(self.folder / "issue", count)
        against_floor = run_pairs(
            f"apply {count} EC / floor",
            lambda pair: run_edgecerts("apply", "-f", str(manifest), "--output", str(self._place("ours", pair))),
            lambda pair: run_python("-m", "benchmarks.floors", "issue", str(self._place("floor", pair)), str(count)),
            pairs=self.sizes.pairs,
            limit=2.5,
        )
        yield against_floor
        for name, loop in rivals.installed().items():
            times = [loop(self._made(name, pair), self.sizes.looped) for pair in range(self.sizes.pairs)]
            each = statistics.median(times)
            yield Figure(
                name=f"{name} loop / apply {count} EC, each certificate",
                ratio=each / (against_floor.ours / count),
                limit=30 if name == "openssl" else None,
                at_least=True,
                ours=against_floor.ours / count,
                other=each,
            )

    def rsa(self) -> Iterator[Figure]:
        """The first apply of a fleet with RSA keys."""
        count = self.sizes.rsa
        manifest = write_fleet(self.folder / "rsa", count, key_type="rsa-2048")
        yield run_pairs(
            f"apply {count} RSA-2048 / floor on all cores",
            lambda pair: run_edgecerts("apply", "-f", str(manifest), "--output", str(self._place("rsa", pair))),
            lambda _: run_python("-m", "benchmarks.floors", "rsa", str(count)),
            pairs=self.sizes.pairs,
            limit=1.15,
        )

    def plan(self) -> Iterator[Figure]:
        """A plan with nothing to do, and renewing some."""
        count, some = self.sizes.planned, self.sizes.renewed
        home = self.folder / "plan"
        output = str(home / "pki")
        manifests = [
            str(write_fleet(home, count, special=some, validity=validity, name=f"{validity}.yaml"))
            for validity in ("400d", "500d")
        ]
        run_edgecerts("apply", "-f", manifests[0], "--output", output)
        planned = run_pairs(
            f"plan {count} EC, nothing to do / floor",
            lambda _: run_edgecerts("plan", "-f", manifests[0], "--output", output),
            lambda _: run_python("-m", "benchmarks.floors", "verify", output),
            pairs=self.sizes.pairs,
            limit=3.0,
        )
        yield planned
        small = write_fleet(self.folder / "quarter", some)
        renewed = run_pairs(
            f"issue {some} of {count} again / plan + apply {some}",
            lambda pair: run_edgecerts("apply", "-f", manifests[(pair + 1) % 2], "--output", output),
            lambda pair: _sum(
                run_edgecerts("plan", "-f", manifests[0], "--output", output),
                run_edgecerts("apply", "-f", str(small), "--output", str(self._place("quarter", pair))),
            ),
            pairs=self.sizes.pairs,
            limit=1.5,
        )
        yield renewed

    def scale(self, sizes: list[int]) -> Iterator[str]:
        """Apply and plan for fleets of some sizes, once each: lines of a table."""
        yield f"{'clients':>8} {_HEAD.format('apply')} {_HEAD.format('plan')}\n"
        for size in sizes:
            home = self.folder / f"scale-{size}"
            manifest = str(write_fleet(home, size))
            made = run_edgecerts("apply", "-f", manifest)
            seen = run_edgecerts("plan", "-f", manifest)
            yield f"{size:>8} {_columns(made, size)} {_columns(seen, size)}\n"

    def revoked(self) -> Iterator[Figure]:
        """What thousands of revocations add to a plan and to signing the list, over as many clients as before."""
        count, home = self.sizes.planned, self.folder / "revoked"
        gone = [f"old-{number:06}" for number in range(count)]
        output = home / "pki"
        # Who is revoked has been issued a certificate before.
        run_edgecerts("apply", "-f", str(write_fleet(home, count, listed=True, more=gone)), "--output", str(output))
        manifests = {
            "without": write_fleet(home, count, listed=True, name="without.yaml"),
            "with": write_fleet(home, count, listed=True, revoked=gone, name="with.yaml"),
        }
        outputs = {name: home / name for name in manifests}
        for place in outputs.values():
            # Whoever is revoked has left, as far as the folder shows. Copying is not deleting.
            shutil.copytree(output, place, ignore=shutil.ignore_patterns("old-*"))
        for name, manifest in manifests.items():
            run_edgecerts("apply", "-f", str(manifest), "--output", str(outputs[name]))
        told = f"{count} revocations over {count} clients / none"
        for what, command in (("plan", ("plan",)), ("sign the list", ("apply", "--replace", "ca/crl"))):
            yield run_pairs(
                f"{what}, {told}",
                *(
                    functools.partial(
                        _run_command, (*command, "-f", str(manifests[name]), "--output", str(outputs[name]))
                    )
                    for name in ("with", "without")
                ),
                pairs=self.sizes.pairs,
                limit=2.0,
            )

    def life(self, size: int) -> Iterator[str]:
        """A fleet from its first day to its first revocations, step by step: lines of a table."""
        home = self.folder / "life"
        some = max(1, size // 100)
        step = size // some
        gone = [f"dev-{number * step + 1:06}" for number in range(some)]
        first = str(write_fleet(home, size, special=some, validity="400d", listed=True))
        renewing = str(write_fleet(home, size, special=some, validity="500d", listed=True, name="renewing.yaml"))
        revoking = write_fleet(
            home, size, special=some, validity="500d", listed=True, revoked=gone, without=gone, name="revoking.yaml"
        )
        output = ("--output", str(home / "pki"))
        steps = (
            (f"first apply of {size:,}", ("apply", "-f", first)),
            ("plan, nothing to do", ("plan", "-f", first)),
            ("status", ("status", "-f", first)),
            (f"apply: {some:,} issued again", ("apply", "-f", renewing)),
            (f"plan: {some:,} revoked", ("plan", "-f", str(revoking))),
            (f"apply: {some:,} revoked", ("apply", "-f", str(revoking))),
            ("plan, nothing to do", ("plan", "-f", str(revoking))),
        )
        yield f"{'':36} {_HEAD.format('takes')}\n"
        for name, command in steps:
            yield f"{name:36} {_columns(run_edgecerts(*command, *output), size)}\n"

    def _place(self, name: str, pair: int) -> Path:
        """A folder that is not there yet."""
        return self.folder / name / str(pair)

    def _made(self, name: str, pair: int) -> Path:
        folder = self._place(name, pair)
        folder.mkdir(parents=True)
        return folder

    def delete(self) -> None:
        """Removes everything."""
        shutil.rmtree(self.folder)


def _run_command(command: tuple[str, ...], _: int) -> Timing:
    return run_edgecerts(*command)


def _columns(timing: Timing, size: int) -> str:
    each = timing.worked / size * 1e6
    return f"{timing.seconds:7.2f} s {timing.worked:7.2f} s {each:5.0f} us {timing.megabytes:5.0f} MB"


def _sum(*timings: Timing) -> Timing:
    return Timing(seconds=sum(timing.seconds for timing in timings))
