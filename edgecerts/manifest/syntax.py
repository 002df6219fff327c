"""The YAML parser's complaints in words that help.

libyaml and PyYAML say nearly the same things; neither's own text is shown, because it speaks of tokens and repeats
the line, which may hold what should not be in a log.
"""

from dataclasses import dataclass

from edgecerts.manifest.model import Mark
from edgecerts.manifest.text import lines_of


@dataclass(frozen=True, kw_only=True, slots=True)
class SyntaxMistake:
    """Why a text is not YAML."""

    mark: Mark
    message: str
    hint: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class _Explanation:
    """What a complaint of the parser means.

    Attributes:
        phrases: the complaint contains one of these.
        at_start: the position is that of the construct which the parser was reading, not that of the complaint.
    """

    phrases: tuple[str, ...]
    message: str
    hint: str | None = None
    at_start: bool = False


_QUOTES = "put text that begins with it in quotes"
_COLUMN = "the keys of one mapping begin in the same column, and so do the dashes of one list"

# The first phrase that fits wins.
_EXPLANATIONS = (
    _Explanation(
        phrases=("mapping values are not allowed",),
        message="a colon cannot stand here",
        hint="check the indentation of this line and the one above; text that holds a colon and a space needs quotes",
    ),
    _Explanation(
        phrases=("could not find expected ':'",),
        message="a colon is expected after this key",
        hint="write `key: value`, with a space after the colon",
        at_start=True,
    ),
    _Explanation(
        phrases=("expected ',' or '}'",),
        message="a comma or } is expected here",
        hint="a { was opened and is not closed yet; text that holds braces needs quotes",
    ),
    _Explanation(
        phrases=("expected ',' or ']'",),
        message="a comma or ] is expected here",
        hint="a [ was opened and is not closed yet; text that holds brackets needs quotes",
    ),
    _Explanation(
        phrases=("escape", "hexdecimal", "hexadecimal"),
        message="a backslash in double quotes begins an escape, and YAML does not know this one",
        hint="use single quotes, where a backslash is only a backslash",
    ),
    _Explanation(phrases=("quoted scalar",), message="the quote that opens here is never closed", at_start=True),
    _Explanation(
        phrases=("expected '-' indicator", "parsing a block collection"),
        message="a list item is expected here",
        hint="each item begins with a dash and a space, all in the same column",
    ),
    _Explanation(
        phrases=("expected key", "expected <block end>"),
        message="this does not line up with what is above",
        hint=_COLUMN,
    ),
    _Explanation(
        phrases=("sequence entries are not allowed",),
        message="a list cannot begin here",
        hint="put each item on a line of its own below the key, or write [a, b]",
    ),
    _Explanation(
        phrases=("cannot start any token", "alphabetic or numeric character", "mapping keys are not allowed"),
        message="text cannot begin with this character",
        hint=_QUOTES,
        at_start=True,
    ),
    _Explanation(phrases=("tag",), message="tags are not used in a manifest", hint=_QUOTES),
    _Explanation(phrases=("depth",), message="nested more than 32 levels deep"),
    _Explanation(
        phrases=("YAML document", "directive"),
        message="a line that begins with % speaks to the YAML parser, and this one it does not understand",
        hint="remove the line",
    ),
    _Explanation(
        phrases=("<document start>",),
        message="the manifest has ended before this line",
        hint="a manifest is one mapping; check the indentation",
    ),
    _Explanation(phrases=("node content",), message="a value is expected here"),
)


def explain(error: Exception, text: str) -> SyntaxMistake:
    """Finds words and a position for a complaint of the YAML parser.

    Args:
        error: the complaint.
        text: the text that was parsed.
    """
    start, end = _marks(error)
    lines = lines_of(text)
    complaint = " ".join(str(getattr(error, part, None) or "") for part in ("problem", "context"))
    return _tab(lines, start, end) or _text_behind(complaint, lines, end) or _explained(complaint, start, end)


def _marks(error: Exception) -> tuple[Mark, Mark]:
    """Where the construct begins that the parser was reading, and where it gave up."""
    end = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    start = getattr(error, "context_mark", None) or end
    if start is None or end is None:
        return Mark(line=1, column=1), Mark(line=1, column=1)
    return Mark(line=start.line + 1, column=start.column + 1), Mark(line=end.line + 1, column=end.column + 1)


def _tab(lines: list[str], start: Mark, end: Mark) -> SyntaxMistake | None:
    """A tab where only spaces may be: among those at the beginning of the lines in question, or where it ended."""
    for number in range(max(start.line, end.line - 1), min(end.line, len(lines)) + 1):
        line = lines[number - 1]
        indentation = line[: len(line) - len(line.lstrip(" \t"))]
        if "\t" in indentation and line.strip():
            mark = Mark(line=number, column=indentation.index("\t") + 1)
            return SyntaxMistake(
                mark=mark, message="a tab is used for indentation", hint="YAML indents with spaces only"
            )
    last = lines[end.line - 1] if end.line <= len(lines) else ""
    if last[end.column - 1 : end.column] == "\t":
        return SyntaxMistake(mark=end, message="a tab cannot stand here", hint="use spaces")
    return None


def _text_behind(complaint: str, lines: list[str], end: Mark) -> SyntaxMistake | None:
    """Text that follows a closing quote or bracket, of which the parser says that it should be a key."""
    about_order = "expected key" in complaint or "expected <block end>" in complaint
    if not about_order or end.line > len(lines) or not lines[end.line - 1][: end.column - 1].strip():
        return None
    return SyntaxMistake(
        mark=end,
        message="nothing can follow a closing quote or bracket",
        hint="put the whole value in one pair of quotes",
    )


def _explained(complaint: str, start: Mark, end: Mark) -> SyntaxMistake:
    for explanation in _EXPLANATIONS:
        if any(phrase in complaint for phrase in explanation.phrases):
            mark = start if explanation.at_start else end
            return SyntaxMistake(mark=mark, message=explanation.message, hint=explanation.hint)
    return SyntaxMistake(mark=end, message="this is not valid YAML", hint="check quotes, brackets and indentation")
