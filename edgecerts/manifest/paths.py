"""Paths of files that come with the manifest: relative to it, and below its folder."""

import re


def path_parts(text: str) -> list[str]:
    """The parts of a path, without the needless ones."""
    return [part for part in text.split("/") if part not in ("", ".")]


def path_objection(text: str, *, example: str) -> str | None:
    """Why a text cannot be the path of such a file, as a hint; or None.

    Args:
        text: the text.
        example: a path that could stand there.
    """
    parts = path_parts(text)
    if text.startswith("/") or re.match("[A-Za-z]:", text) or ".." in parts:
        return "write a path below the manifest's folder: it comes with the repository"
    if "\\" in text:
        return "separate folders by /"
    if not parts or text.endswith("/"):
        return f"write the path of a file, for example {example}"
    if text.startswith("~") or text != text.strip() or any(character in text for character in "\t\n"):
        return "write the path as it is; it is not taken as a shell would"
    if any(part.lower() == ".git" for part in parts):
        return "a repository keeps its own files there"
    return None
