"""Inventories that nobody writes by accident, or that are too large or too strange for a case file."""

import csv
import io
import random
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgecerts.errors import ManifestError
from edgecerts.manifest import inventory_rows
from edgecerts.manifest.files_beside import INVENTORY
from edgecerts.manifest.inventory_text import read_table
from edgecerts.manifest.mistakes import MOST_KEPT, Mistakes
from edgecerts.manifest.model import EndEntityKind
from edgecerts.manifest.nodes import Mapping, Node
from edgecerts.manifest.roles import Inherited
from edgecerts.manifest.settings import Settings, read_settings
from tests.inventory_cases import FOLDER, MANIFEST, clients, files_of, problems

ROW = "devices.csv:2:1: "


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (b"name\nz\xfcrich\n", "2:2: the byte 0xfc is not UTF-8; save the inventory as UTF-8"),
        (b"name\r\n\xff", "2:1: the byte 0xff is not UTF-8; save the inventory as UTF-8"),
        (b"name\ng\x00w\n", "2:2: the invisible character U+0000 cannot stand in an inventory; remove it"),
        (b"name\n\x1b[31mgw\n", "2:1: the invisible character U+001B cannot stand in an inventory; remove it"),
        ("name\na\u2028b\n".encode(), "2:2: the invisible character U+2028 cannot stand in an inventory; remove it"),
        ("name\ng\u202ew\n".encode(), "2:2: the invisible character U+202E cannot stand in an inventory; remove it"),
        ("\ufeff\ufeffname\n".encode(), "1:1: the invisible character U+FEFF cannot stand in an inventory; remove it"),
        (b"\x00\x00\x00\x00", "1:1: the inventory is UTF-16 or UTF-32; save it as UTF-8"),
        (b"PK\x03\x04 a spreadsheet", "1:3: the invisible character U+0003 cannot stand in an inventory; remove it"),
    ],
    ids=[
        "Latin-1",
        "no character",
        "NUL",
        "escape",
        "line separator",
        "override",
        "two marks",
        "NULs",
        "a spreadsheet",
    ],
)
def test_what_is_no_text_has_a_position(data: bytes, line: str) -> None:
    assert problems(data) == [f"devices.csv:{line}"]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"])
def test_other_encodings_are_named(encoding: str) -> None:
    """What Excel calls Unicode text."""
    line = "devices.csv:1:1: the inventory is UTF-16 or UTF-32; save it as UTF-8"
    assert problems("name\ngw-1\n".encode(encoding)) == [line]


@pytest.mark.parametrize("data", [b"", b"\n", b"\xef\xbb\xbf", b"\r\n \t\r\n", b"   "])
def test_an_empty_inventory_is_a_mistake(data: bytes) -> None:
    (line,) = problems(data)
    assert line.endswith(": the inventory is empty; its first line names the columns, as in name,common_name")


def test_an_inventory_has_at_most_64_mib() -> None:
    data = b"name\n" + b"x" * 100 * 1024 * 1024
    assert problems(data[: INVENTORY.limit + 1]) == ["devices.csv:1:1: the inventory is larger than 64 MiB; split it"]
    assert INVENTORY.limit == 64 * 1024 * 1024


def test_a_cell_without_an_end_is_found_at_its_beginning() -> None:
    """Before all that follows is read into it."""
    rows = "".join(f"gw-{number}\n" for number in range(200_000))
    (line,) = problems(f'name\n"gw\n{rows}')
    assert line.startswith("devices.csv:2:1: the quotes of this cell are not closed")


def test_a_cell_that_is_too_long_is_refused() -> None:
    (line,) = problems("name,common_name\na,b\nc," + "x" * 200_000 + "\nd,e\n")
    assert line == "devices.csv:3:1: a cell of this row has more than 131,072 characters"


def test_long_cells_are_not_repeated_at_length() -> None:
    long = "x" * 100_000
    lines = problems(f"name,key_type,role,common_name,{long}\n{long},{long},{long},{long}+,\n")
    assert len(lines) == 5
    assert max(map(len, lines)) < 400


@pytest.mark.parametrize("count", [201, 100_000])
def test_a_header_has_at_most_200_columns(count: int) -> None:
    header = ",".join(["name", *(f"c{number}" for number in range(count - 1))])
    assert problems(f"{header}\n") == [f"devices.csv:1:1: the header has {count:,} columns; at most 200 are read"]


def test_after_a_thousand_mistakes_the_rest_is_not_read() -> None:
    lines = problems("name,key_type\n" + "".join(f"gw-{number},rsa-{number}\n" for number in range(100_000)))
    assert len(lines) == 101
    assert lines[-1] == "pki.yaml: 901 more mistakes"
    assert lines[0].startswith("devices.csv:2:6: ")


def test_of_a_hundred_thousand_mistakes_ten_thousand_are_kept() -> None:
    lines = problems("name\n" + "".join(f"gw-{number % 7}\n" for number in range(100_000)))
    assert lines[-1] == "pki.yaml: 99893 more mistakes"
    with pytest.raises(ManifestError) as caught:
        clients("name\n" + "gw-1\n" * 30_000)
    assert (len(caught.value.problems), caught.value.more) == (MOST_KEPT, 29_999 - MOST_KEPT)
    assert str(caught.value) == "pki.yaml has 29999 mistakes"
    assert MOST_KEPT == 10_000


def test_the_number_of_entries_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inventory_rows, "MOST_ENTRIES", 3)
    assert problems("name\na\nb\nc\n") == []
    assert problems("name\na\nb\nc\nd\ne\n") == ["devices.csv:5:1: there are more than 3 entries in inventories"]


@pytest.mark.parametrize("count", [4_095, 4_097, 9_000])
def test_more_kinds_of_rows_than_are_remembered(count: int) -> None:
    manifest = clients("name,subject.locality\n" + "".join(f"gw-{n},place {n}\n" for n in range(count)))
    assert [client.subject.locality for client in manifest.clients] == [f"place {n}" for n in range(count)]


def test_what_is_remembered_of_rows_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inventory_rows, "_MOST_GROUPS", 3)
    mistakes = Mistakes("pki.yaml")
    table = read_table("".join(["name,validity\n", *(f"c{n},{n}d\n" for n in range(1, 20))]).encode(), "", mistakes)
    inherited = Inherited(defaults=Settings(), roles={})
    reader = inventory_rows.RowReader(Mapping(1, 1), EndEntityKind.CLIENT, inherited, file="", others=0)
    entries = list(reader.read(table, mistakes))
    assert [entry.entity.lifetime.validity for entry in entries] == [timedelta(days=n) for n in range(1, 20)]
    assert len(reader._groups) <= 3


CELLS = st.text(alphabet=' ,;"\n\t\r{}aä\u00a0\u2003\U0001f600x1', max_size=6)


@settings(max_examples=300, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(st.lists(CELLS, min_size=3, max_size=3), min_size=1, max_size=4),
    st.sampled_from(",;\t"),
    st.booleans(),
)
def test_positions_are_those_of_the_cells(rows: list[list[str]], delimiter: str, is_quoted: bool) -> None:
    """Whatever is in them, and however they are quoted."""
    buffer = io.StringIO()
    buffer.write(f"name{delimiter}b{delimiter}c\n")
    writer = csv.writer(buffer, delimiter=delimiter, lineterminator="\n", quoting=csv.QUOTE_MINIMAL)
    if is_quoted:
        writer = csv.writer(buffer, delimiter=delimiter, lineterminator="\n", quoting=csv.QUOTE_ALL)
    writer.writerows([[cell.replace("\r", "\n") for cell in row] for row in rows])
    text = buffer.getvalue()
    table = read_table(text.encode(), "devices.csv", Mistakes("pki.yaml"))
    lines = text.splitlines(keepends=True)
    found = [row for row in table.rows(Mistakes("pki.yaml")) if row.line > 1]
    expected = [row for row in rows if any(cell.strip() for cell in row)]
    assert [row.cells for row in found] == [[cell.replace("\r", "\n").strip() for cell in row] for row in expected]
    for row in found:
        for index, cell in enumerate(row.cells):
            mark = row.mark(index)
            rest = "".join(lines[mark.line - 1 :])[mark.column - 1 :]
            first = next(csv.reader(io.StringIO(rest), delimiter=delimiter, strict=True), [])
            assert [*first, ""][0].strip() == cell


SEEDS = [
    text.encode()
    for case in sorted(FOLDER.glob("*/*.txt"))
    for name, text in files_of(case).items()
    if name.endswith(".csv")
]
PIECES = (
    *(b",", b";", b"\t", b'"', b'""', b"\n", b"\r", b"\r\n", b"name", b"{name}", b" ", b"\x00", b"\xff", b"\xc3"),
    *(b"\xef\xbb\xbf", b"\xe2\x80\xa8", b"true", b"rsa-2048", b"csr", b"password.file", b"role", b"=1+1", b"sep=;\n"),
)


@pytest.mark.parametrize("start", range(0, 1_000, 100))
def test_damaged_inventories_are_read_or_refused(start: int) -> None:
    ends = set()
    for seed in range(start, start + 100):
        chance = random.Random(seed)
        data = bytearray(chance.choice(SEEDS))
        for _ in range(chance.randint(1, 4)):
            at = chance.randint(0, len(data))
            data[at : at + chance.choice((0, 0, 1, 5))] = chance.choice(PIECES)
        lines = problems(bytes(data), item=", role: r, common_name: '{site}'", head="roles: {r: {validity: 2y}}\n")
        assert all(line.startswith(("devices.csv:", f"{MANIFEST}:")) for line in lines)
        ends.add(bool(lines))
    assert True in ends


def test_ten_thousand_rows_are_read_by_column(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is the same in many rows is read once, and no row goes through the JSON Schema."""
    calls: list[Node | None] = []

    def counted(node: Node | None, mistakes: Mistakes) -> Settings:
        calls.append(node)
        return read_settings(node, mistakes)

    monkeypatch.setattr("edgecerts.manifest.inventory_rows.read_settings", counted)
    text = "name,key_type,validity\n" + "".join(f"gw-{n},ec-p256,{n % 7 + 1}y\n" for n in range(10_000))
    manifest = clients(text)
    assert len(manifest.clients) == 10_000
    assert len(calls) == 7
