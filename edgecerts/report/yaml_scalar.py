"""Text as a YAML scalar that every reader takes for the same text."""

import re

_PLAIN = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9 ._@/()+&-]*[A-Za-z0-9._@/()+-])?")

# What some reader of YAML 1.1 or 1.2 takes for something else than text.
_WORDS = re.compile(r"(?:null|true|false|yes|no|on|off|y|n)", re.IGNORECASE)
_NUMBERS = re.compile(r"[0-9][0-9_.,eExXoO+-]*|0x[0-9A-Fa-f_]+|[0-9]{4}-[0-9]{2}-[0-9]{2}.*")
_ADDRESS = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}")


def yaml_scalar(text: str) -> str:
    """The text as it stands, where that is safe; else in double quotes (YAML 1.2.2 §7.3.1)."""
    if _ADDRESS.fullmatch(text):
        return text
    if _PLAIN.fullmatch(text) and not _WORDS.fullmatch(text) and not _NUMBERS.fullmatch(text):
        return text
    return '"' + "".join(map(_escaped, text)) + '"'


def _escaped(character: str) -> str:
    if character in '"\\':
        return f"\\{character}"
    if character.isprintable():
        return character
    code = ord(character)
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
