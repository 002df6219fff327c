"""Where the authority's private key is. Nothing that stands here is ever repeated: it may be the key itself."""

import posixpath
from dataclasses import dataclass

from edgecerts.manifest.mistakes import Mistakes
from edgecerts.manifest.model import PrivateKeySource
from edgecerts.manifest.nodes import Mapping, Node, Scalar, is_true, key_mark
from edgecerts.manifest.passwords import read_command, read_env, read_file, replace_name

AUTHORITY = "ca"
"""What `{name}` stands for in what the authority's key and password come from."""

_PLACES = ("env", "file", "command", "offline")


@dataclass(frozen=True, kw_only=True, slots=True)
class KeyPlace:
    """What `ca.private_key` says; without it, both are empty, and the key lies in the output folder.

    Attributes:
        source: where the key is fetched from, or None.
        offline: the key is on the machine that signs.
    """

    source: PrivateKeySource | None = None
    offline: bool = False


def read_private_key(node: Node | None, mistakes: Mistakes, *, output: str) -> KeyPlace:
    """Reads `ca.private_key`.

    Args:
        node: the mapping, already of the right structure, or None.
        mistakes: where mistakes are noted.
        output: the output folder, relative to the manifest.
    """
    if not isinstance(node, Mapping):
        return KeyPlace()
    _check_one(node, mistakes)
    if is_true(node.get("offline")):
        return KeyPlace(offline=True)
    file, command = read_file(node.get("file"), mistakes), read_command(node.get("command"), mistakes)
    if file is not None:
        file = replace_name(file, AUTHORITY)
        _check_outside(node["file"], file, output, mistakes)
    source = PrivateKeySource(
        env=read_env(node.get("env"), mistakes, example="EDGECERTS_CA_KEY"),
        file=file,
        command=command and tuple(replace_name(part, AUTHORITY) for part in command),
    )
    return KeyPlace(source=source)


def _check_one(node: Mapping, mistakes: Mistakes) -> None:
    given = [key for key in _PLACES if key in node and (key != "offline" or is_true(node[key]))]
    if len(given) > 1:
        mistakes.add(key_mark(node[given[1]]), f"`{given[0]}` and `{given[1]}` are both given", "keep one of them")
    elif not given and not node.incomplete:
        hint = "write {env: NAME}, {file: PATH}, {command: [PROGRAM, ARGUMENT]} or {offline: true}"
        mistakes.add(key_mark(node), "`private_key` names no place", hint)


def _check_outside(node: Node, file: str, output: str, mistakes: Mistakes) -> None:
    """Below the output folder it would be one of our own files, or lie among what is handed out."""
    path = posixpath.normpath(file)
    if isinstance(node, Scalar) and (path == output or path.startswith(f"{output}/")):
        hint = "remove `private_key` if the key is ca/ca.key in there, else keep it elsewhere"
        mistakes.add(node.mark, "`file` lies in the output folder", hint)
