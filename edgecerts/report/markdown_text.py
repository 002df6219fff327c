"""Text from files and manifests, made safe for Markdown as code forges render it.

A name must not become a link, a picture, HTML, a table's cell, a mention that sends somebody an e-mail, or a reference
to an issue. A backslash or an entity is no protection: forges look for `@name` and `#1` in the rendered text
(github.com/github/cmark-gfm/issues/181). They never look into code, so whatever is not plain prose becomes a code span
(CommonMark 0.31 §6.1), in which nothing is markup but a backquote, and in a table a bar; both become escapes.
"""

import html
import re
from itertools import groupby

from edgecerts.report.printable import printable

MAX_VALUE = 200
"""Characters of one value or message; a reviewer who needs more has the JSON."""

_PIECE = re.compile(r"`[^`]*`|[^\s`]+|`")
_PLAIN_WORD = re.compile(r"[(]?[^\W_](?:[^\W_]|[-.,/'])*[;:)]*")
_REFERENCE = re.compile(r"www\.|[0-9a-f]{7}|^\W*gh-\d", re.IGNORECASE)
"""What forges make links of, although it looks like a word: an address, a commit, `GH-1`."""


def code(text: str) -> str:
    """The text as a code span."""
    return _span(_cut(printable(text), MAX_VALUE))


def command(text: str) -> str:
    """A line for a shell as a code span: whole, because half of it is another command."""
    return _span(printable(text))


def prose(text: str) -> str:
    """A sentence, with everything in code spans that is more than words."""
    pieces = _PIECE.findall(_cut(printable(text), 2 * MAX_VALUE))
    parts = []
    for plain, group in groupby(pieces, key=_is_plain):
        words = " ".join(piece if plain else piece.strip("`") or "`" for piece in group)
        parts.append(words if plain else _span_and_stop(words))
    return " ".join(parts)


def html_code(text: str) -> str:
    """The text as code inside an HTML block, where Markdown is not read (CommonMark 0.31 §4.6)."""
    return f"<code>{html.escape(_cut(printable(text), MAX_VALUE))}</code>"


def _is_plain(piece: str) -> bool:
    return _PLAIN_WORD.fullmatch(piece) is not None and _REFERENCE.search(piece) is None


def _span_and_stop(text: str) -> str:
    """A code span, with the punctuation of the sentence behind it."""
    content = text.rstrip(",;:")
    return _span(content) + text[len(content) :]


def _span(text: str) -> str:
    content = text.replace("`", r"\x60").replace("|", r"\x7c")
    return f"`{content}`" if content.strip() else "` `"


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 3] + "..."
