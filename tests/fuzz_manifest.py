"""Reads damaged manifests for hours: `python tests/fuzz_manifest.py --runs 100000 --seed 1`.

Whatever the bytes are, a manifest is read or refused with a `ManifestError`; its mistakes print as clean lines, and
no password that stands in it is printed with them.
"""

import argparse
import random
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from edgecerts.errors import ManifestError
from edgecerts.manifest import parse_manifest
from edgecerts.report.problems import render_problems

MANIFESTS = Path(__file__).parent / "manifests"
CANARY = "c4n4ry"
"""Stands under `password` in what is fuzzed, and nowhere else."""

_LINES = tuple(
    f"{indent}password: {value}"
    for indent in ("  ", "    ")
    for value in (
        CANARY,
        f"*{CANARY}",
        f"&{CANARY} x",
        f"!{CANARY} x",
        f"[{CANARY}, {CANARY}]",
        f"{{{CANARY}: {CANARY}, {CANARY}: 1}}",
        f"{{env: ${CANARY}, file: ~/{CANARY}, prompt: {CANARY}}}",
        f"{{command: {{{CANARY}: {CANARY}}}, env: [{CANARY}]}}",
        f"'{CANARY}",
        f"{CANARY}: {CANARY}",
        f"|\n      {CANARY}",
    )
)
_PIECES = (
    *(b": ", b",", b"[", b"]", b"{", b"}", b"- ", b"? ", b" #", b"#", b"&a ", b"*a", b"!!str ", b"!", b"<<: ", b"'"),
    *(b'"', b"\\", b"\\x", b"\n", b"\r\n", b"\t", b"  ", b"%YAML 1.1\n", b"---\n", b"...\n", b"~", b"null", b"true"),
    *(
        b"NO",
        b"@",
        b"`",
        b">-\n",
        b"|",
        b"\xff",
        b"\xc3",
        b"\xef\xbb\xbf",
        b"\x00",
        b"\x1b",
        b"\xe2\x80\xa8",
        b"{name}",
    ),
    *(b"\xf0\x9f\x98\x80", b"900000000000000000000", b"../", b"\n  ", b"\n    ", b": x\n"),
)


def seeds() -> list[bytes]:
    """Manifests to damage: those of the tests, and the good ones often enough to be half of all."""
    good = [path.read_bytes() for path in sorted(MANIFESTS.glob("good/*.yaml"))]
    bad = [path.read_bytes() for path in sorted(MANIFESTS.glob("bad/*.yaml"))]
    return bad + good * (len(bad) // len(good))


def damaged(text: bytes, chance: random.Random) -> bytes:
    """The text with one to six things done to it that editors, merges and disks do."""
    data = bytearray(text)
    for _ in range(chance.randint(1, 6)):
        at = chance.randrange(len(data) + 1)
        lines = data.splitlines(keepends=True)
        match chance.randrange(8):
            case 0:
                data[at:at] = chance.choice(_PIECES)
            case 1:
                data[at : at + chance.randint(1, 4)] = b""
            case 2:
                data[at : at + 1] = bytes([chance.randrange(256)])
            case 3:
                data = bytearray(b"".join(line for line in lines if chance.random() > 0.1))
            case 4 if lines:
                lines.insert(chance.randrange(len(lines)), chance.choice(lines))
                data = bytearray(b"".join(lines))
            case 5 if lines:
                index = chance.randrange(len(lines))
                lines[index] = bytearray(b" " * chance.randint(0, 6)) + lines[index].lstrip()
                data = bytearray(b"".join(lines))
            case 6:
                del data[at:]
            case _:
                data[at:at] = chance.choice(_PIECES) * chance.randint(1, 40)
    return bytes(data)


def check(data: bytes, *, canary: str | None = None) -> str:
    """Reads one text and checks what is printed for it.

    Args:
        data: the text.
        canary: what must not be printed, or None.

    Returns:
        how it ended, in one word.

    Raises:
        AssertionError: the lines are not clean. Any other exception is a mistake in the reader.
    """
    try:
        parse_manifest(data, source="pki.yaml")
    except ManifestError as error:
        text = render_problems(error)
        assert error.problems, "a refusal without a mistake"
        assert text.endswith("\n")
        assert all(line.startswith("pki.yaml:") for line in text.split("\n")[:-1])
        assert all(character.isprintable() or character in "\n\xa0\u3000" for character in text), ascii(text)
        assert all(problem.line >= 1 and problem.column >= 1 for problem in error.problems)
        assert canary is None or canary not in text.lower(), text
        return "refused"
    return "read"


def with_passwords() -> Iterator[bytes]:
    """Every manifest of the tests with a password written down at every line, in every way of getting it wrong."""
    for path in sorted(MANIFESTS.glob("*/*.yaml")):
        lines = path.read_text(encoding="utf-8").splitlines()
        for at in range(len(lines) + 1):
            for line in _LINES:
                yield "\n".join([*lines[:at], line, *lines[at:]]).encode()


def main() -> int:
    """Runs the given number of damaged texts, then those with passwords; prints each that fails with its seed."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--runs", type=int, default=10_000)
    arguments.add_argument("--seed", type=int, default=1)
    given = arguments.parse_args()
    texts, ends, began = seeds(), Counter[str](), time.monotonic()
    for run in range(given.seed, given.seed + given.runs):
        chance = random.Random(run)
        data = damaged(chance.choice(texts), chance)
        try:
            ends[check(data)] += 1
        except Exception:
            ends["failed"] += 1
            print(f"seed {run}: {data!r}")
            traceback.print_exc()
    for number, data in enumerate(with_passwords()):
        try:
            ends[check(data, canary=CANARY)] += 1
        except Exception:
            ends["failed"] += 1
            print(f"password {number}: {data!r}")
            traceback.print_exc()
    print(f"{ends.total()} runs in {time.monotonic() - began:.0f} s: {dict(ends)}")
    return 1 if ends["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
