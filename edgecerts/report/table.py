"""Tables that keep to a width: what is long is cut, and where even that is not enough, the least columns go."""

import unicodedata
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

_WIDE_GAP, _GAP = 2, 1
_CUT = ".."


@dataclass(frozen=True, kw_only=True, slots=True)
class Column:
    """One column of a table.

    Attributes:
        title: its heading.
        rank: where there is no room for all columns, that of the highest rank goes first; 0 never goes.
        least: how narrow it may become, by cutting what stands in it; None for what may not be cut.
        right: its cells stand at its right edge.
    """

    title: str
    rank: int = 0
    least: int | None = None
    right: bool = False


def lay_out(columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int) -> Iterator[tuple[str, ...]]:
    """The heading and each row as aligned cells: cut, padded and with the gap after them.

    Columns that have no room are left out.

    Args:
        columns: in the order in which they stand.
        rows: one cell for each column.
        width: how many columns of a terminal there are.
    """
    lines = [tuple(column.title for column in columns), *(tuple(row) for row in rows)]
    wanted = [max(display_width(line[index]) for line in lines) for index in range(len(columns))]
    kept = list(range(len(columns)))
    gap = _WIDE_GAP if _sum(wanted, _WIDE_GAP) <= width else _GAP
    while _sum([_least(columns[index], wanted[index]) for index in kept], gap) > width:
        last = max(kept, key=lambda index: columns[index].rank)
        if columns[last].rank == 0:
            break
        kept.remove(last)
    widths = {index: wanted[index] for index in kept}
    while _sum(widths.values(), gap) > width:
        cuttable = [index for index in kept if widths[index] > _least(columns[index], wanted[index])]
        if not cuttable:
            break
        widths[max(cuttable, key=lambda index: widths[index])] -= 1
    for line in lines:
        cells = [_fit(line[index], widths[index], right=columns[index].right) for index in kept]
        yield (*(cell + " " * gap for cell in cells[:-1]), cells[-1].rstrip())


def display_width(text: str) -> int:
    """How many columns of a terminal a text takes: East Asian wide characters take two, combining ones none."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(character) else 2 if unicodedata.east_asian_width(character) in "WF" else 1
        for character in text
    )


def _least(column: Column, wanted: int) -> int:
    return wanted if column.least is None else min(column.least, wanted)


def _sum(widths: Collection[int], gap: int) -> int:
    return sum(widths) + gap * (len(widths) - 1)


def _fit(text: str, width: int, *, right: bool) -> str:
    """A text of exactly this width. What is too long is cut in the middle: names often differ at their end."""
    if display_width(text) > width:
        room = max(0, width - len(_CUT))
        head, tail = room - room // 2, room // 2
        text = _take(text, head) + _CUT + _take(text[::-1], tail)[::-1]
    padding = " " * (width - display_width(text))
    return padding + text if right else text + padding


def _take(text: str, width: int) -> str:
    """As much of the beginning as fits."""
    taken = ""
    for character in text:
        if display_width(taken + character) > width:
            break
        taken += character
    return taken
