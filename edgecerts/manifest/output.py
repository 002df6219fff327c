"""The output folder, which must stay below the manifest's."""

import re

from edgecerts.manifest.mistakes import Mistakes, quoted
from edgecerts.manifest.nodes import Node, Scalar

DEFAULT_OUTPUT = "pki"

_COMPONENT_BYTES = 255  # NAME_MAX of every file system in common use


def read_output(node: Node | None, mistakes: Mistakes) -> str:
    """Reads `output` as a relative path without needless parts; the default after a mistake."""
    if not isinstance(node, Scalar):
        return DEFAULT_OUTPUT
    parts = [part for part in node.split("/") if part not in ("", ".")]
    hint = _objection(node, parts)
    if hint is not None:
        mistakes.add(node.mark, f"`output` cannot be {quoted(node)}", hint)
        return DEFAULT_OUTPUT
    return "/".join(parts)


def _objection(text: str, parts: list[str]) -> str | None:
    """Why a path is none that a manifest may choose, or None."""
    if text.startswith("/") or re.match("[A-Za-z]:", text):
        return "write a folder relative to the manifest; for another place there is --output on the command line"
    if "\\" in text:
        return "separate folders by /"
    if ".." in parts:
        return "it stays below the manifest's folder; for another place there is --output on the command line"
    if not parts:
        return "name a folder below the manifest's, for example pki"
    if text.startswith("~") or text != text.strip() or any(character in text for character in "\t\n"):
        return "write the name of a folder; it is taken as it stands, not as a shell would"
    if any(part.lower() == ".git" for part in parts):
        return "a repository keeps its own files there"
    if any(len(part.encode()) > _COMPONENT_BYTES for part in parts):
        return f"the name of a folder has at most {_COMPONENT_BYTES} bytes"
    return None
