"""The mistakes of a manifest as lines that editors and people can follow."""

import unicodedata

from edgecerts.errors import ManifestError, Problem

_AT_MOST = 100
_LONGEST = 1000
_INVISIBLE = frozenset(("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"))


def render_problems(error: ManifestError) -> str:
    """Renders every mistake as one line `source:line:column: message; hint`.

    Args:
        error: the manifest's mistakes.

    Returns:
        the lines in the order of the text, each with its line end; after 100 of them one line that counts the rest.
    """
    lines = [_line(error.source, problem) for problem in error.problems[:_AT_MOST]]
    rest = len(error.problems) - len(lines)
    if rest:
        lines.append(f"{_printable(error.source)}: {rest} more mistake{'s' if rest != 1 else ''}")
    return "".join(f"{line}\n" for line in lines)


def _line(source: str, problem: Problem) -> str:
    hint = f"; {problem.hint}" if problem.hint else ""
    return _printable(f"{source}:{problem.line}:{problem.column}: {problem.message}{hint}")


def _printable(text: str) -> str:
    """The text with what a terminal would obey, or not show, written as an escape."""
    if text.isprintable() and text.isascii():
        return text
    short = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
    return "".join(map(_escaped, short))


def _escaped(character: str) -> str:
    if unicodedata.category(character) not in _INVISIBLE:
        return character
    code = ord(character)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
