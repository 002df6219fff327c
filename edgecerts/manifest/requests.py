"""Where certificate requests lie: one file for each entry whose private key is made on its host."""

import re
import unicodedata
from collections.abc import Iterable

from edgecerts.manifest.mistakes import Mistakes, quoted
from edgecerts.manifest.model import Mark
from edgecerts.manifest.nodes import Scalar

DEFAULT_PATH = "requests/{name}.csr"

_PLACEHOLDER = "{name}"


def read_request_path(node: Scalar, mistakes: Mistakes) -> str | None:
    """Reads `csr` as a path below the manifest's folder without needless parts; None after a mistake."""
    parts = [part for part in node.split("/") if part not in ("", ".")]
    hint = _objection(node, parts)
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
                f"{entry} has the same request as {other} on line {other_mark.line}: {quoted(path)}",
                "each private key has a request of its own; give one of them another path with `csr`",
            )


def _objection(text: str, parts: list[str]) -> str | None:
    """Why a path is none that a request may have, or None."""
    if text.startswith("/") or re.match("[A-Za-z]:", text) or ".." in parts:
        return "write a path below the manifest's folder: a request comes with the repository"
    if "\\" in text:
        return "separate folders by /"
    if not parts or text.endswith("/"):
        return f"write the path of a file, for example {DEFAULT_PATH}"
    if text.startswith("~") or text != text.strip() or any(character in text for character in "\t\n"):
        return "write the path as it is; it is not taken as a shell would"
    if any(part.lower() == ".git" for part in parts):
        return "a repository keeps its own files there"
    if set("{}") & set(text.replace(_PLACEHOLDER, "")):
        return f"braces stand in {_PLACEHOLDER} alone, which is the name of the entry"
    return None


def _folded(path: str) -> str:
    """A path as some disks see it: without case, and with one way to write an accented letter."""
    return unicodedata.normalize("NFC", path).casefold()
