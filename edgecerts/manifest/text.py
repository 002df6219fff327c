"""Bytes to text: UTF-8 without anything that an editor would not show."""

import re

from edgecerts.manifest.mistakes import Mistakes
from edgecerts.manifest.model import Mark

MAX_MANIFEST_BYTES = 32 * 1024 * 1024
"""The largest manifest that is read; about 180,000 entries."""

CONTROL_CHARACTERS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
"""What an escape in double quotes may smuggle into a value: control characters other than tab and line feed, and
halves of surrogate pairs."""

# YAML 1.2 §5.1 allows more than this: U+0085, U+2028 and U+2029 are left out because YAML 1.1 parsers count them as
# ends of line, which makes positions differ from an editor's; the embedding and override marks of bidirectional text
# because with them a reviewer sees another manifest than the one that is read.
_REFUSED = "[^\t\n\r -~\xa0-\u2027\u202f-\u2065\u206a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
# The same for ASCII, because the other takes longer to compile than most manifests take to read.
_REFUSED_ASCII = "[^\t\n\r -~]"
_LINE_END = re.compile("\r\n|\r|\n")
_WIDE_MARKS = (b"\xff\xfe", b"\xfe\xff", b"\x00\x00\xfe\xff")
_UTF8_MARK = b"\xef\xbb\xbf"
_A = {"manifest": "a manifest", "inventory": "an inventory"}


def decode(data: bytes, mistakes: Mistakes, *, what: str = "manifest", limit: int = MAX_MANIFEST_BYTES) -> str:
    """Reads the bytes of a manifest, or of an inventory, as text.

    Args:
        data: the bytes.
        mistakes: where mistakes are noted.
        what: what it is, in the words of a message.
        limit: how many bytes it may have.

    Returns:
        the text without its byte order mark; line ends as they are.

    Raises:
        ManifestError: too large, not UTF-8, or it holds characters that nobody sees.
    """
    if len(data) > limit:
        mistakes.stop(
            Mark(line=1, column=1),
            f"the {what} is larger than {limit // 1024**2} MiB",
            "split it",
        )
    if data.startswith(_WIDE_MARKS) or b"\x00" in data[:4]:
        mistakes.stop(Mark(line=1, column=1), f"the {what} is UTF-16 or UTF-32", "save it as UTF-8")
    data = data.removeprefix(_UTF8_MARK)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        mistakes.stop(
            _position(data[: error.start].decode("utf-8")),
            f"the byte 0x{data[error.start]:02x} is not UTF-8",
            f"save the {what} as UTF-8",
        )
    refused = re.search(_REFUSED_ASCII if text.isascii() else _REFUSED, text)
    if refused:
        mistakes.stop(
            _position(text[: refused.start()]),
            f"the invisible character U+{ord(refused[0]):04X} cannot stand in {_A[what]}",
            "remove it",
        )
    return text


def with_unix_line_ends(text: str) -> str:
    """The text as it would be on a system whose lines end with a line feed alone."""
    return _LINE_END.sub("\n", text)


def lines_of(text: str) -> list[str]:
    """The lines of a text, as the YAML parser counts them."""
    return _LINE_END.split(text)


def _position(before: str) -> Mark:
    """The position behind a text."""
    lines = lines_of(before)
    return Mark(line=len(lines), column=len(lines[-1]) + 1)
