"""Where certificate requests lie: one file for each entry whose private key is made on its host."""

import unicodedata
from collections.abc import Iterable

from edgecerts.manifest.mistakes import Mistakes, quoted
from edgecerts.manifest.model import Mark
from edgecerts.manifest.nodes import Scalar
from edgecerts.manifest.paths import path_objection, path_parts

DEFAULT_PATH = "requests/{name}.csr"

_PLACEHOLDER = "{name}"


def read_request_path(node: Scalar, mistakes: Mistakes) -> str | None:
    """Reads `csr` as a path below the manifest's folder without needless parts; None after a mistake."""
    parts = path_parts(node)
    hint = path_objection(node, example=DEFAULT_PATH)
    if hint is None and set("{}") & set(node.replace(_PLACEHOLDER, "")):
        hint = f"braces stand in {_PLACEHOLDER} alone, which is the name of the entry"
    if hint is not None:
        mistakes.add(node.mark, f"`csr` cannot be {quoted(node)}", hint)
        return None
    return "/".join(parts)


def request_path(template: str | None, name: str) -> str:
    """The path of an entry's request.

    Args:
        template: as the manifest gives it, or None for the default.
        name: the entry's.
    """
    return (template or DEFAULT_PATH).replace(_PLACEHOLDER, name)


def check_request_places(paths: Iterable[tuple[str, Mark]], mistakes: Mistakes, *, output: str, manifest: str) -> None:
    """Notes requests that would be among our own files, or in the manifest's place.

    Args:
        paths: of each request, and where to point at.
        output: the output folder, relative to the manifest.
        manifest: the manifest's name in its folder.
    """
    for path, mark in paths:
        folded = _folded(path)
        if folded == _folded(output) or folded.startswith(f"{_folded(output)}/"):
            hint = "name a place outside of it with `csr`: all files in there are made by edgecerts"
            mistakes.add(mark, "a request lies in the output folder", hint)
        elif folded == _folded(manifest):
            mistakes.add(mark, "a request lies where the manifest is", f"name another file with `csr`: {DEFAULT_PATH}")


def check_unique_requests(entries: Iterable[tuple[str, str, Mark]], mistakes: Mistakes) -> None:
    """Notes entries that would be certified for one and the same request.

    Args:
        entries: the path of each request, its entry in words, and where to point at.
    """
    first: dict[str, tuple[str, Mark]] = {}
    for path, entry, mark in entries:
        other, other_mark = first.setdefault(_folded(path), (entry, mark))
        if other_mark != mark:
            mistakes.add(
                mark,
                f"{entry} has the same request as {other} {other_mark.seen_from(mark)}: {quoted(path)}",
                "each private key has a request of its own; give one of them another path with `csr`",
            )


def _folded(path: str) -> str:
    """A path as some disks see it: without case, and with one way to write an accented letter."""
    return unicodedata.normalize("NFC", path).casefold()
