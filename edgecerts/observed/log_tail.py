"""What stands behind the last line end of a log file, and how it is mended before the next line is written.

Lines are appended and synced, and never written again. So only a crash in the middle of that leaves something there: a
piece of a line, or zeros where the file system kept the new length and lost the content.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from edgecerts.observed.issuance_log import LINES, parse_log_line

_LONGEST_LINE = 64 * 1024
"""Bytes; more than any line of ours has."""

_STRING = r'"(?:[^"\\]|\\.)*"'
_STRING_BEGUN = r'"(?:[^"\\]|\\.)*\\?'
_LIST = rf"\[(?:{_STRING}(?:, {_STRING})*)?\]"
_LIST_BEGUN = rf"\[(?:{_STRING}, )*(?:{_STRING},?|{_STRING_BEGUN})?"


@dataclass(frozen=True, kw_only=True, slots=True)
class TailRepair:
    """How a file's end becomes a whole line.

    Attributes:
        keep: how many bytes of the file stay; the rest is cut off.
        before: what is written before the next line.
    """

    keep: int
    before: bytes


def find_tail_repair(size: int, read_at: Callable[[int, int], bytes]) -> TailRepair:
    """Looks at a file's end.

    A piece of one of our own lines is cut off: what it was for was never shown to anybody. A whole line gets its line
    end. Anything else is somebody's, so it gets a line end and is kept.

    Args:
        size: how many bytes the file has.
        read_at: gives the bytes from an offset, as many as are asked for.

    Returns:
        what to do; for a file that ends as it should, nothing is cut off and nothing written.
    """
    tail = _read_tail(size, read_at)
    content = tail.rstrip(b"\0")
    if _is_begun(content):
        return TailRepair(keep=size - len(tail), before=b"")
    if parse_log_line(content.decode("utf-8", errors="replace")) is not None:
        return TailRepair(keep=size - len(tail) + len(content), before=b"\n")
    return TailRepair(keep=size, before=b"\n")


def _read_tail(size: int, read_at: Callable[[int, int], bytes]) -> bytes:
    """What stands behind the last line end; empty where the file ends with one."""
    look = _LONGEST_LINE
    while True:
        start = max(0, size - look)
        end = read_at(start, size - start)
        place = end.rfind(b"\n")
        if place >= 0 or start == 0:
            return end[place + 1 :]
        look *= 4


def _is_begun(content: bytes) -> bool:
    """Whether this is the beginning of a line as we write it, and not the whole of one. Nothing at all is."""
    # Other characters are written as escapes.
    text = content.decode("ascii", errors="replace")
    ours = text.isascii() and text.isprintable() and len(text) <= _LONGEST_LINE
    return ours and any(beginning.fullmatch(text) for beginning in _BEGINNINGS)


def _tokens(names: Sequence[str]) -> Iterator[tuple[str, str]]:
    """A line as a sequence of tokens: the pattern of each, and that of each of its proper beginnings."""
    for number, name in enumerate(names):
        yield _literal(f'{", " if number else "{"}"{name}": ')
        yield (_LIST, f"(?:{_LIST_BEGUN})?") if name == "reasons" else (_STRING, f"(?:{_STRING_BEGUN})?")
    yield _literal("}")


def _literal(text: str) -> tuple[str, str]:
    return re.escape(text), "|".join(re.escape(text[:length]) for length in range(len(text)))


def _compile_beginning(names: Sequence[str]) -> re.Pattern[str]:
    """Whole tokens up to a place, and the beginning of the next; never the whole line."""
    pattern = "(?!)"
    for whole, begun in reversed(tuple(_tokens(names))):
        pattern = rf"(?:(?:{begun})\Z|{whole}{pattern})"
    return re.compile(pattern)


_BEGINNINGS = tuple(map(_compile_beginning, LINES))
