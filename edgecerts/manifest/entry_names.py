"""The names of entries, which are the names of folders on any system that a repository may be cloned to."""

import re
from collections.abc import Iterable

from edgecerts.manifest.mistakes import Mistakes, quoted
from edgecerts.manifest.model import Mark

MAX_NAME_LENGTH = 64
"""How many characters a name may have."""

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9_-])?")
# learn.microsoft.com/windows/win32/fileio/naming-a-file: reserved also with any extension.
_DEVICE = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\..*)?", re.IGNORECASE)

_RULE = "letters, digits, dots, hyphens and underscores, beginning with a letter or digit"


def is_entry_name(name: str) -> bool:
    """Whether an entry may have this name."""
    return bool(_NAME.fullmatch(name)) and not _DEVICE.fullmatch(name)


def read_entry_name(name: str, mark: Mark, mistakes: Mistakes) -> None:
    """Notes why a name cannot be the name of a folder."""
    if is_entry_name(name):
        return
    message = f"{quoted(name)} cannot be the name of an entry"
    if len(name) > MAX_NAME_LENGTH:
        mistakes.add(
            mark,
            f"a name of {len(name)} characters is too long",
            f"at most {MAX_NAME_LENGTH}; it is the name of a folder",
        )
    elif _DEVICE.fullmatch(name):
        mistakes.add(mark, message, "Windows keeps this name for a device, and the entry's name is that of its folder")
    elif re.search(r"[\s/\\+#]", name) or not name.isascii():
        hint = "it is the name of a folder; choose a short one here, and give the words as `common_name` below it"
        mistakes.add(mark, message, hint)
    elif name.endswith("."):
        mistakes.add(mark, message, "it is the name of a folder and cannot end with a dot")
    else:
        mistakes.add(mark, message, f"it is the name of a folder: {_RULE}")


def check_unique_names(entries: Iterable[tuple[str, Mark]], mistakes: Mistakes) -> None:
    """Notes names that a file system without upper and lower case cannot tell apart."""
    first: dict[str, tuple[str, Mark]] = {}
    for name, mark in entries:
        other, other_mark = first.setdefault(name.casefold(), (name, mark))
        if other_mark != mark:
            message = f"{quoted(name)} and {quoted(other)} on line {other_mark.line} would be the same folder"
            mistakes.add(mark, message, "some file systems do not tell upper from lower case; rename one of them")
