"""What a crash leaves at the end of the issuance log: it hurts nobody, and heals with the next line."""

import json
import os
import stat
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecerts.apply.file_system import FileSystem
from edgecerts.apply.log_file import append_lines
from edgecerts.apply.output_folder import open_output
from edgecerts.observed.issuance_log import LogEntry, format_log_entry, parse_log, parse_log_line
from edgecerts.observed.log_tail import TailRepair, find_tail_repair
from tests.conftest import SMALL, Project

TIME = "2026-11-23T12:00:00Z"
ENTRY = LogEntry(
    serial="0a" * 20,
    address="client/MyEACM/certificate",
    issuer_key="1b" * 32,
    subject='CN=a "quoted"\\, name,O=Ärzte',
    not_before=TIME,
    not_after=TIME,
    spki_sha256="2c" * 32,
    sha256="3d" * 32,
    action="update",
    reasons=("subject-changed", "near-expiry"),
    issued_at=TIME,
    issued_by="user@host",
    version="0.1",
)
LINE = format_log_entry(ENTRY).encode()
LONG_LINE = format_log_entry(replace(ENTRY, revokes="4e" * 20)).encode()
TEXT = st.text(max_size=20)
OTHERS = ("serial", "reasons")
ENTRIES = st.builds(
    LogEntry,
    **{
        name: TEXT
        for name in asdict(ENTRY)
        if name not in ("serial", "reasons", "not_before", "not_after", "issued_at", "revokes", "is_edited")
    },
    serial=st.from_regex("[0-9a-f]{1,40}", fullmatch=True),
    revokes=st.just("") | st.from_regex("[0-9a-f]{1,40}", fullmatch=True),
    **dict.fromkeys(("not_before", "not_after", "issued_at"), st.just(TIME)),
    reasons=st.lists(TEXT, max_size=3).map(tuple),
)


def repair(data: bytes) -> TailRepair:
    return find_tail_repair(len(data), lambda offset, count: data[offset : offset + count])


def mended(data: bytes) -> bytes:
    found = repair(data)
    return data[: found.keep] + found.before


@given(ENTRIES, st.data())
def test_a_piece_of_a_line_of_ours_is_cut_off(entry: LogEntry, data: st.DataObject) -> None:
    line = format_log_entry(entry).encode()
    assert parse_log_line(line.decode()) == entry
    length = data.draw(st.integers(min_value=0, max_value=len(line) - 2))
    for before in (b"", LINE):
        for zeros in (b"", b"\0", b"\0" * 5000):
            assert repair(before + line[:length] + zeros) == TailRepair(keep=len(before), before=b"")


def test_every_beginning_of_a_line_is_cut_off() -> None:
    for line in (LINE, LONG_LINE):
        for length in range(len(line) - 1):
            assert mended(LINE + line[:length]) == LINE, line[:length]


@pytest.mark.parametrize("zeros", [b"", b"\0\0\0"], ids=["nothing", "zeros"])
def test_a_whole_entry_gets_its_line_end(zeros: bytes) -> None:
    assert mended(LINE + LINE.rstrip() + zeros) == LINE + LINE


@pytest.mark.parametrize(
    "tail",
    [
        b"a note of somebody",
        b'{"serial": "0a"}',
        b'{"address": "client/MyEACM',
        b"<<<<<<< HEAD",
        LINE.rstrip()[:-1] + b";",
        LINE.rstrip().replace(b'"action": ', b'"action" '),
        LINE.rstrip().replace(b"user@host", "Ärzte".encode()) + b" and more",
        LINE.rstrip() + b" # checked by me",
        b'{"serial": "\xff',
        b'{"serial": "' + b"a" * 100_000,
        b" ",
    ],
)
def test_anything_else_gets_a_line_end_and_is_kept(tail: bytes) -> None:
    assert mended(LINE + tail) == LINE + tail + b"\n"
    assert mended(tail) == tail + b"\n"


@pytest.mark.parametrize("data", [b"", LINE, LINE + b"nonsense\n", b"\n"])
def test_a_file_that_ends_with_a_line_end_stays(data: bytes) -> None:
    assert repair(data) == TailRepair(keep=len(data), before=b"")


def test_a_tail_that_is_longer_than_any_line_is_looked_at_whole() -> None:
    """Many lines were one write, and nothing of them but their length reached the disk."""
    assert mended(LINE + b"\0" * 300_000) == LINE
    assert mended(LINE + LINE[:50] + b"\0" * 300_000) == LINE
    assert mended(b"x" * 300_000) == b"x" * 300_000 + b"\n"


def test_what_is_torn_is_neither_an_entry_nor_damage() -> None:
    for tail in (LINE[:50], b"\0" * 40, b""):
        parsed = parse_log(LINE + tail)
        assert (parsed.entries, parsed.damaged) == ((ENTRY,), ())
    assert parse_log(LINE + LINE.rstrip()).entries == (ENTRY, ENTRY)


def test_a_line_with_fields_of_a_later_version_is_an_entry() -> None:
    line = json.dumps({**json.loads(LINE), "ticket": 7})
    assert parse_log_line(line) == ENTRY


def test_lines_that_are_no_entries_are_numbered() -> None:
    text = f"{LINE.decode()}\nnonsense\n<<<<<<< HEAD\n{LINE.decode()}{{}}\n"
    parsed = parse_log(text.encode())
    assert parsed.entries == (ENTRY, ENTRY)
    assert (parsed.damaged, parsed.conflict) == ((3, 4, 6), True)
    assert parse_log(b"nonsense\n").conflict is False


def test_lines_that_windows_ended_are_entries() -> None:
    assert parse_log(LINE.replace(b"\n", b"\r\n") * 2).damaged == ()


TEARS: dict[str, Callable[[bytes], bytes]] = {
    "a piece": lambda log: log + b'{"serial": "12',
    "zeros": lambda log: log + b"\0" * 700,
    "a piece and zeros": lambda log: log + LINE[:300] + b"\0" * 700,
}


@pytest.mark.parametrize("tear", TEARS.values(), ids=TEARS.keys())
def test_a_torn_log_heals_with_the_next_certificate(project: Project, tear: Callable[[bytes], bytes]) -> None:
    project.write(SMALL)
    project.apply()
    log = project.output / "issued/2026.jsonl"
    whole = log.read_bytes()
    log.write_bytes(tear(whole))
    plan = json.loads(project.run("plan", "--format", "json").out)
    assert {change["action"] for change in plan["changes"]} == {"no-op"}
    assert "log" not in {notice["address"] for notice in plan["notices"]}
    assert log.read_bytes() == tear(whole)
    project.write(SMALL + "  line-4:\n")
    project.apply()
    healed = log.read_bytes()
    assert healed.startswith(whole)
    (added,) = healed.removeprefix(whole).splitlines()
    assert json.loads(added)["address"] == "client/line-4/certificate"


def test_a_log_whose_last_line_lost_its_end_loses_no_entry(project: Project) -> None:
    project.write(SMALL)
    project.apply()
    log = project.output / "issued/2026.jsonl"
    whole = log.read_bytes()
    log.write_bytes(whole.rstrip(b"\n"))
    assert project.run("plan").out.endswith("Nothing to do: 11 files as declared.\n")
    project.write(SMALL + "  line-4:\n")
    project.apply()
    assert log.read_bytes().startswith(whole)
    assert len(log.read_text().splitlines()) == 4


def test_the_lines_of_one_append_are_one_write_and_one_sync(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_output(tmp_path, FileSystem()) as folder:
        append_lines(folder, "issued/2026.jsonl", LINE)
    calls: list[str] = []
    real_write, real_sync = os.write, os.fsync

    def write(descriptor: int, data: bytes) -> int:
        calls.append("write")
        return real_write(descriptor, data)

    def sync(descriptor: int) -> None:
        calls.append("sync of a folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "sync")
        real_sync(descriptor)

    with open_output(tmp_path, FileSystem()) as folder:
        monkeypatch.setattr(os, "write", write)
        monkeypatch.setattr(os, "fsync", sync)
        append_lines(folder, "issued/2026.jsonl", LINE * 3)
    assert calls == ["write", "sync"]
    assert (tmp_path / "issued/2026.jsonl").read_bytes() == LINE * 4
