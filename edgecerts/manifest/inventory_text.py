"""An inventory as a table of text: the bytes of a CSV file to rows of cells, each of which has a position."""

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from edgecerts.manifest.files_beside import INVENTORY
from edgecerts.manifest.mistakes import Mistakes, cut
from edgecerts.manifest.model import Mark
from edgecerts.manifest.text import decode, with_unix_line_ends

_DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs"}
_QUOTED = re.compile(r'"[^"]*(?:""[^"]*)*"')
_SPACES = re.compile(" *")
_QUOTES = "a cell in quotes ends with a quote, and one within is written twice"


class Row:
    """The cells of one row, and where each begins.

    Attributes:
        cells: their text, without the spaces around it.
        line: the line on which the row begins, from 1.
    """

    __slots__ = ("_marks", "_table", "_to", "cells", "line")

    def __init__(self, table: "Table", cells: list[str], line: int, to: int) -> None:
        self.cells = cells
        self.line = line
        self._table = table
        self._to = to
        self._marks: list[Mark] | None = None

    def mark(self, index: int) -> Mark:
        """Where a cell begins; where the last one does, if there are fewer."""
        if self._marks is None:
            text = self._table.lines[self.line - 1]
            if self._to == self.line and '"' not in text:
                return self._plain_mark(text, index)
            self._marks = self._table.marks(self.line, self._to)[0]
        return self._marks[min(index, len(self._marks) - 1)]

    def _plain_mark(self, text: str, index: int) -> Mark:
        """The same without looking at all cells, of which each row would make objects."""
        before = text.split(self._table.delimiter, index + 1)[: index + 1]
        start = sum(map(len, before)) + len(before) - len(before[-1].lstrip(" "))
        return Mark(file=self._table.file, line=self.line, column=start)


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """The text of an inventory.

    Attributes:
        file: the inventory as messages name it.
        text: what it holds, with line feeds alone.
        lines: its lines, each with its end.
        delimiter: what stands between two cells.
    """

    file: str
    text: str
    lines: Sequence[str]
    delimiter: str

    def rows(self, mistakes: Mistakes) -> Iterator[Row]:
        """The rows that hold anything, the header first.

        Args:
            mistakes: where a row is noted that is not written as CSV is; it is left out, and so is what follows where
                nobody can say where the next row begins.
        """
        reader = csv.reader(self.lines, delimiter=self.delimiter, strict=True, skipinitialspace=True)
        before = 0
        while True:
            try:
                cells = next(reader, None)
            except csv.Error:
                if not self._note_syntax(before + 1, reader.line_num, mistakes):
                    return
                before = reader.line_num
                continue
            if cells is None:
                return
            cells = [cell.strip() for cell in cells]
            if any(cells):
                yield Row(self, cells, before + 1, reader.line_num)
            before = reader.line_num

    def marks(self, line: int, to: int) -> tuple[list[Mark], int | None]:
        """Where the cells of a row begin.

        Args:
            line, to: the first and the last line of the row.

        Returns:
            the places, one for each cell; and the index in the last of them, if that is where the row is no CSV: 0
            where quotes are opened and not closed, else what stands behind them.
        """
        text = "".join(self.lines[line - 1 : to])
        text = text.removesuffix("\n")
        starts, at = [], 0
        while True:
            spaces = _SPACES.match(text, at)
            at = spaces.end() if spaces else at
            starts.append(at)
            if text.startswith('"', at):
                quoted = _QUOTED.match(text, at)
                if quoted is None:
                    return self._places(text, starts, line), 0
                if text[quoted.end() : quoted.end() + 1] not in ("", self.delimiter, "\n"):
                    return self._places(text, [*starts[:-1], quoted.end()], line), 1
                at = quoted.end()
            at = text.find(self.delimiter, at)
            if at < 0:
                return self._places(text, starts, line), None
            at += 1

    def _places(self, text: str, starts: list[int], line: int) -> list[Mark]:
        places, last, begin = [], 0, 0
        for start in starts:
            line += text.count("\n", last, start)
            begin = max(begin, text.rfind("\n", last, start) + 1)
            places.append(Mark(file=self.file, line=line, column=start - begin + 1))
            last = start
        return places

    def _note_syntax(self, line: int, to: int, mistakes: Mistakes) -> bool:
        """Notes why lines are no row, and says whether the next row can be found."""
        marks, fault = self.marks(line, to)
        if fault == 1:
            mistakes.add(marks[-1], "text stands behind a cell in quotes", _QUOTES)
            return True
        if fault == 0:
            mistakes.add(marks[-1], "the quotes of this cell are not closed", _QUOTES)
        else:
            mistakes.add(marks[0], f"a cell of this row has more than {csv.field_size_limit():,} characters")
        return False


def read_table(data: bytes, file: str, mistakes: Mistakes) -> Table:
    """Reads the bytes of an inventory.

    Args:
        data: the bytes.
        file: the inventory as messages name it.
        mistakes: where mistakes in it are noted.

    Raises:
        ManifestError: it is empty, too large, not UTF-8, or nobody can say what separates its cells; that is noted.
    """
    text = with_unix_line_ends(decode(data, mistakes, what="inventory", limit=INVENTORY.limit))
    lines = text.splitlines(keepends=True)
    return Table(file=file, text=text, lines=lines, delimiter=_find_delimiter(lines, mistakes))


def _find_delimiter(lines: Sequence[str], mistakes: Mistakes) -> str:
    """What separates the names of columns: Excel writes what the country of its user does."""
    number, header = next(((n, line) for n, line in enumerate(lines, 1) if line.strip()), (1, ""))
    if not header:
        hint = "its first line names the columns, as in name,common_name"
        mistakes.stop(Mark(line=1, column=1), "the inventory is empty", hint)
    if re.fullmatch(r'"?sep=.?"?\s*', header, re.IGNORECASE):
        mistakes.stop(Mark(line=number, column=1), "the first line is not the header", "remove the line sep=")
    bare = _QUOTED.sub(lambda quoted: "_" * len(quoted[0]), header)
    found = [delimiter for delimiter in _DELIMITERS if delimiter in bare]
    if len(found) > 1:
        places = sorted(bare.index(delimiter) for delimiter in found)
        kinds = " and ".join(_DELIMITERS[delimiter] for delimiter in found)
        hint = "choose one of them; a name that holds the other needs quotes"
        mistakes.stop(Mark(line=number, column=places[1] + 1), f"the header is separated by {cut(kinds)}", hint)
    return found[0] if found else ","
