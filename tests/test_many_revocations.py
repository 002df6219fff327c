"""Thousands of revocations cost no more than the certificates that they are about.

Calls of functions are counted, and not seconds: those do not depend on what else the machine does.
"""

import sys
from collections.abc import Callable
from dataclasses import replace
from types import FrameType
from typing import Any

import pytest

from edgecerts.observed.issuance_log import format_log_entry, parse_log_line
from tests.conftest import COUNTED, Project
from tests.revocation_lists import HEAD, entries

MANY = 10_000


def count_calls(action: Callable[[], object]) -> int:
    """How many functions are called, those of C and generators' steps included."""
    count = 0

    def note(frame: FrameType, event: str, argument: Any) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(note)
    try:
        action()
    finally:
        sys.setprofile(None)
    return count


@pytest.fixture
def fleet(project: Project) -> Project:
    """A plant whose log knows thousands of clients that left it, each with an older certificate that has ended."""
    project.write(HEAD + "  gw-1:\ncrl:\n")
    project.apply()
    (log,) = project.output.glob("issued/*.jsonl")
    line = parse_log_line(log.read_text().splitlines()[-1])
    assert line is not None
    with log.open("a") as file:
        for number in range(1, MANY + 1):
            own = replace(line, address=f"client/x-{number}/certificate", spki_sha256=f"{number:064x}")
            for serial, ends in ((number + MANY, "2026-01-01T00:00:00Z"), (number, line.not_after)):
                one = replace(own, serial=f"{serial:040x}", sha256=f"{serial:064x}", not_after=ends)
                file.write(format_log_entry(one))
    return project


def test_thousands_of_revocations_are_within_twice_the_calls(
    fleet: Project, record_property: Callable[[str, object], None]
) -> None:
    plan = count_calls(lambda: fleet.run("plan"))
    apply = count_calls(lambda: fleet.run("apply", "--replace", "ca/crl"))
    fleet.write(HEAD + "  gw-1:\nrevoked_from: revoked.yaml\n")
    lines = (f"- {{name: client/x-{number}, reason: key-compromise}}\n" for number in range(1, MANY + 1))
    (fleet.folder / "revoked.yaml").write_text("".join(lines))
    pending = count_calls(lambda: fleet.run("plan"))
    first = count_calls(lambda: fleet.run("apply"))
    assert len(entries(fleet)) == MANY
    settled = count_calls(lambda: fleet.run("plan"))
    again = count_calls(lambda: fleet.run("apply", "--replace", "ca/crl"))
    told = f"{plan:,} and {apply:,} calls without, {settled:,} and {again:,} with {MANY:,} revocations"
    record_property(COUNTED, told)
    assert max(pending, settled) <= 2 * plan, told
    assert max(first, again) <= 2 * apply, told
