"""The columns of an inventory: which keys of an entry they are, and what a cell means."""

import enum
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from edgecerts.manifest import advice
from edgecerts.manifest.inventory_text import Row
from edgecerts.manifest.mistakes import Mistakes, cut, quoted
from edgecerts.manifest.model import EndEntityKind, KeyHeld, Mark, Rekey
from edgecerts.manifest.nodes import Mapping, Node, Scalar, Sequence
from edgecerts.pki.key_types import KeyType
from edgecerts.pki.names import SUBJECT_LENGTHS
from edgecerts.pki.profiles import Usage

NAME, ROLE = "name", "role"
MOST_COLUMNS = 200

IN_ROW = 0
"""The line of a cell's mark within its row, before anybody has to know on which line of the text that is."""


@enum.unique
class _Cell(enum.Enum):
    """What a cell holds."""

    TEXT = enum.auto()
    BOOLEAN = enum.auto()
    LIST = enum.auto()
    CHOICE = enum.auto()
    CHOICES = enum.auto()


_CHOICES: dict[str, tuple[str, ...]] = {
    "key_type": tuple(KeyType),
    "key_held": tuple(KeyHeld),
    "rekey": tuple(Rekey),
    "usages": tuple(Usage),
}
_SETTINGS = {
    **{f"subject.{field}": _Cell.TEXT for field in SUBJECT_LENGTHS if field != "common_name"},
    "key_type": _Cell.CHOICE,
    **dict.fromkeys(("validity", "not_after", "renew_before", "renew_jitter"), _Cell.TEXT),
    "key_held": _Cell.CHOICE,
    "csr": _Cell.TEXT,
    "csr_must_match": _Cell.BOOLEAN,
    "rekey": _Cell.CHOICE,
    "revoke_on_rekey": _Cell.BOOLEAN,
    "password.env": _Cell.TEXT,
    "password.file": _Cell.TEXT,
    "password.command": _Cell.LIST,
    "password.prompt": _Cell.BOOLEAN,
}
_CELLS = {
    **dict.fromkeys((NAME, ROLE, "common_name"), _Cell.TEXT),
    "alt_names": _Cell.LIST,
    "usages": _Cell.CHOICES,
    **dict.fromkeys(("ip_as_dns", "shared_common_name"), _Cell.BOOLEAN),
    **_SETTINGS,
}
_OTHER_KIND = {EndEntityKind.BROKER: "shared_common_name", EndEntityKind.CLIENT: "ip_as_dns"}

OWN_OF_EACH = ("common_name", "alt_names")
"""Keys that are different in nearly every row; the others are the same in many."""


def columns_of(kind: EndEntityKind) -> tuple[str, ...]:
    """The columns that an inventory of brokers or clients may have."""
    return tuple(column for column in _CELLS if column != _OTHER_KIND[kind])


@dataclass(frozen=True, kw_only=True, slots=True)
class Header:
    """The columns of one inventory.

    Attributes:
        index: of each column, also of those that only stand in braces.
        width: how many cells a row has.
        keys: the columns that are keys of an entry, but for its name and role.
        is_right: nothing is wrong with it.
    """

    index: dict[str, int]
    width: int
    keys: dict[str, int]
    is_right: bool


def read_header(
    row: Row, kind: EndEntityKind, *, used: Collection[str], ignored: Collection[Scalar], mistakes: Mistakes
) -> Header | None:
    """Reads the first row.

    Args:
        row: the row.
        kind: what the inventory lists.
        used: the columns that roles and the inventory's own values need.
        ignored: the columns that nobody needs.
        mistakes: where mistakes are noted.

    Returns:
        what can be used of it; None where no row can be read by it.
    """
    if len(row.cells) > MOST_COLUMNS:
        mistakes.add(row.mark(0), f"the header has {len(row.cells):,} columns; at most {MOST_COLUMNS} are read")
        return None
    index: dict[str, int] = {}
    known, ignore = columns_of(kind), {str(column) for column in ignored}
    if NAME not in row.cells:
        # What stands here is then no header, perhaps, but the first row; it is not repeated.
        found = next((cell for cell in row.cells if cell.lower() == NAME), None)
        hint = f"did you mean `{NAME}` by `{cut(found)}`?" if found else "its first line names the columns"
        mistakes.add(row.mark(0), f"the header has no column `{NAME}`", hint)
        return None
    before = len(mistakes)
    for at, column in enumerate(row.cells):
        if not column:
            mistakes.add(row.mark(at), "a column has no name", "remove it, or give it one and list it under `ignore`")
        elif column in index:
            mistakes.add(row.mark(at), f"the column `{cut(column)}` is there twice", "remove one of them")
        elif column not in known and column not in used and column not in ignore:
            mistakes.add(row.mark(at), f"unknown column `{cut(column)}`", _instead_of(column, known, used))
        index.setdefault(column, at)
    for column in ignored:
        if column in known:
            mistakes.add(column.mark, f"the column `{column}` is a key, and cannot be ignored", "rename the column")
        elif column not in index:
            mistakes.add(column.mark, f"there is no column `{cut(column)}`", advice.nearest(column, tuple(index)))
    keys = {column: at for column, at in index.items() if column in known and column not in (NAME, ROLE)}
    return Header(index=index, width=len(row.cells), keys=keys, is_right=len(mistakes) == before)


def _instead_of(column: str, known: tuple[str, ...], used: Collection[str]) -> str:
    if column == "password":
        return "a password never stands in an inventory; a reference does, in password.env, password.file and the like"
    if column in _CELLS:
        return "it belongs to the other kind of entry"
    meant = advice.column_meant(column, (*known, *used))
    if meant is not None:
        return f"did you mean `{meant}`?"
    return f"use it in braces in a value of this inventory, or write `ignore: [{cut(column)}]` beside `csv`"


def cell_mark(index: int) -> Mark:
    """The place of a cell within its row."""
    return Mark(line=IN_ROW, column=index + 1)


def cell_text(text: str, index: int) -> Scalar:
    """The text of a cell, as if it stood in quotes in the manifest."""
    return Scalar(text, IN_ROW, index + 1, plain=False)


def read_keys(columns: Iterable[tuple[str, int]], cells: list[str], mistakes: Mistakes) -> Mapping:
    """The mapping that an entry with these cells would be.

    Args:
        columns: the keys, and where their cells are.
        cells: those of the row; an empty one is not given.
        mistakes: where a cell is noted that holds nothing of the kind.
    """
    keys = Mapping(IN_ROW, 1)
    for column, index in columns:
        if not cells[index]:
            continue
        above, _, last = column.rpartition(".")
        parent = keys
        if above:
            inner = keys.setdefault(above, Mapping(IN_ROW, index + 1))
            assert isinstance(inner, Mapping)  # noqa: S101 (only these two are nested)
            parent = inner
        node = _read_cell(column, cells[index], index, mistakes)
        if node is None:
            parent.incomplete = True
        else:
            parent[last] = node
    return keys


def _read_cell(column: str, text: str, index: int, mistakes: Mistakes) -> Node | None:
    match _CELLS[column]:
        case _Cell.BOOLEAN:
            return _read_boolean(column, text, index, mistakes)
        case _Cell.CHOICE:
            return _read_choice(column, f"`{column}`", text, index, mistakes)
        case _Cell.CHOICES:
            items = [_read_choice(column, f"an item of `{column}`", word, index, mistakes) for word in text.split()]
            return None if None in items else _list(items, index)
        case _Cell.LIST:
            return _list([cell_text(word, index) for word in text.split()], index)
        case _:
            return cell_text(text, index)


def _read_boolean(column: str, text: str, index: int, mistakes: Mistakes) -> Scalar | None:
    word = text.lower()  # Excel writes TRUE and FALSE
    if word in ("true", "false"):
        return Scalar(word, IN_ROW, index + 1, plain=True)
    mistakes.add(cell_mark(index), f"`{column}` must be true or false", "leave the cell empty for what is not given")
    return None


def _read_choice(column: str, what: str, text: str, index: int, mistakes: Mistakes) -> Scalar | None:
    choices = _CHOICES[column]
    if text in choices:
        return cell_text(text, index)
    hint = advice.instead_of_choice(text, [str(choice) for choice in choices])
    mistakes.add(cell_mark(index), f"{what} cannot be {quoted(text)}", hint)
    return None


def _list(items: Iterable[Scalar | None], index: int) -> Sequence:
    found = Sequence(IN_ROW, index + 1)
    found.extend(item for item in items if item is not None)
    return found
