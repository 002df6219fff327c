"""The JSON Schemas of the manifest and of what the commands print.

Their one source is the folder `schemas/` of the repository. A wheel carries a copy inside the package; in a source
tree and in an editable install the folder stands beside the package.
"""

import re
from pathlib import Path

from edgecerts.errors import UsageError

_PACKAGE = Path(__file__).parent
_FOLDERS = (_PACKAGE / "_schemas", _PACKAGE.parent / "schemas")


def schema_text(name: str) -> str:
    """The text of a schema.

    Args:
        name: its name without the ending, for example `pki`.

    Raises:
        UsageError: there is no schema of this name.
    """
    # A name is never a path: what is asked for on the command line must not read other files.
    if re.fullmatch(r"[a-z][a-z-]*", name):
        for folder in _FOLDERS:
            path = folder / f"{name}.schema.json"
            if path.is_file():
                return path.read_text(encoding="utf-8")
    raise UsageError(f"there is no schema '{name}'", hint=f"choose from {', '.join(schema_names())}")


def schema_names() -> tuple[str, ...]:
    """The names of all schemas, in alphabetical order."""
    for folder in _FOLDERS:
        names = sorted(path.name.removesuffix(".schema.json") for path in folder.glob("*.schema.json"))
        if names:
            return tuple(names)
    return ()
