"""References to passwords. Nothing that stands here is ever repeated in a message: it may be the password."""

import re

from edgecerts.manifest.mistakes import Mistakes
from edgecerts.manifest.model import PasswordSource
from edgecerts.manifest.nodes import Mapping, Node, Scalar, Sequence, is_true, key_mark

_PLACEHOLDER = "{name}"


def read_password(node: Mapping, mistakes: Mistakes) -> PasswordSource | None:
    """Reads a reference; None after a mistake. `{name}` stands in it until `for_entry` replaces it."""
    before = len(mistakes)
    _check_combination(node, mistakes)
    source = PasswordSource(
        env=read_env(node.get("env"), mistakes),
        file=read_file(node.get("file"), mistakes),
        command=read_command(node.get("command"), mistakes),
        prompt=is_true(node.get("prompt")),
    )
    return source if len(mistakes) == before and not node.incomplete else None


def for_entry(source: PasswordSource, name: str) -> PasswordSource:
    """The reference with `{name}` replaced by the name of an entry."""
    return PasswordSource(
        env=source.env,
        file=source.file and replace_name(source.file, name),
        command=source.command and tuple(replace_name(part, name) for part in source.command),
        prompt=source.prompt,
    )


def replace_name(text: str, name: str) -> str:
    """A text with `{name}` replaced."""
    return text.replace(_PLACEHOLDER, name)


def _check_combination(node: Mapping, mistakes: Mistakes) -> None:
    given = [key for key in ("env", "file", "command") if key in node]
    if len(given) > 1:
        mistakes.add(key_mark(node[given[1]]), f"`{given[0]}` and `{given[1]}` are both given", "keep one of them")
    elif given and given != ["env"] and is_true(node.get("prompt")):
        hint = "a prompt may only stand in for a missing environment variable; keep one of them"
        mistakes.add(key_mark(node["prompt"]), f"`prompt` does not go with `{given[0]}`", hint)
    elif not given and not is_true(node.get("prompt")) and not node.incomplete:
        hint = "write {env: NAME}, {file: PATH}, {command: [PROGRAM, ARGUMENT]} or {prompt: true}"
        mistakes.add(key_mark(node), "`password` names no source", hint)


def _check_placeholders(node: Scalar, key: str, mistakes: Mistakes) -> None:
    """Only `{name}` is replaced; another name in braces is a slip, and would be taken as it stands."""
    if any(placeholder != _PLACEHOLDER for placeholder in re.findall(r"\{\w+\}", node)):
        hint = f"write {_PLACEHOLDER}: it stands for the name of the entry"
        mistakes.add(node.mark, f"`{key}` has a placeholder that is not known", hint)


def read_env(node: Node | None, mistakes: Mistakes, *, example: str = "EDGECERTS_CA_PASSWORD") -> str | None:
    """Reads the name of an environment variable."""
    if not isinstance(node, Scalar):
        return None
    if not re.fullmatch("[A-Za-z_][A-Za-z0-9_]*", node):
        hint = f"letters, digits and underscores, without a leading $, for example {example}"
        mistakes.add(node.mark, "`env` is not the name of an environment variable", hint)
    return str(node)


def read_file(node: Node | None, mistakes: Mistakes) -> str | None:
    """Reads the path of a file that holds a secret, with `{name}` still in it."""
    if not isinstance(node, Scalar):
        return None
    check_path(node, "file", mistakes)
    _check_placeholders(node, "file", mistakes)
    return str(node)


def check_path(node: Scalar, key: str, mistakes: Mistakes) -> None:
    """Notes why a text cannot be the path of a file, without repeating it."""
    if not node.strip():
        mistakes.add(node.mark, f"`{key}` is empty", "write the path of a file, relative to the manifest")
    elif "\n" in node or "\t" in node:
        mistakes.add(node.mark, f"`{key}` holds a tab or a line end", "write the path on one line")
    elif node.startswith("~"):
        mistakes.add(node.mark, f"`{key}` begins with ~, which only a shell understands", "write the whole path")
    elif node.endswith("/"):
        mistakes.add(node.mark, f"`{key}` names a folder", "write the path of a file")


def read_command(node: Node | None, mistakes: Mistakes) -> tuple[str, ...] | None:
    """Reads a program and its arguments, with `{name}` still in them."""
    if not isinstance(node, Sequence):
        return None
    parts = tuple(str(part) for part in node)
    if not parts:
        mistakes.add(key_mark(node), "`command` is empty", "write [PROGRAM, ARGUMENT]")
    elif not parts[0].strip():
        mistakes.add(node.mark, "`command` names no program", "write [PROGRAM, ARGUMENT]")
    return parts
