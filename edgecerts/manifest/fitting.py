"""Whether a tree of nodes is as a schema says: yes or no, and quickly.

`keywords` says the same with every violation, for which jsonschema is needed; most manifests have none.
"""

from collections.abc import Callable
from typing import Any

from edgecerts.manifest.nodes import FALSE, TRUE, Mapping, Node, Scalar, Sequence

KEYWORDS = ("additionalProperties", "const", "enum", "items", "properties", "required", "type")
"""What is taken from a schema; the other keywords are for editors."""

_KINDS: dict[str, Callable[[Node], bool]] = {
    "object": lambda node: isinstance(node, Mapping),
    "array": lambda node: isinstance(node, Sequence),
    "null": lambda node: isinstance(node, Scalar) and node.is_null,
    "string": lambda node: isinstance(node, Scalar) and not node.is_null,
    "boolean": lambda node: isinstance(node, Scalar) and node.plain and (node in TRUE or node in FALSE),
    "integer": lambda node: isinstance(node, Scalar) and node.plain and node.isascii() and node.isdigit(),
    "number": lambda _: False,  # wherever the schema allows a number, it allows text
}


def is_of_type(node: Node, types: str | list[str]) -> bool:
    """Whether a node is of one of the kinds that a schema's `type` names."""
    return any(_KINDS[name](node) for name in ([types] if isinstance(types, str) else types))


def fits(node: Node, schema: dict[str, Any]) -> bool:
    """Whether a node is as a schema says, which has no other keywords than `KEYWORDS`."""
    if "type" in schema and not is_of_type(node, schema["type"]):
        return False
    if "enum" in schema and not any(node == str(choice) for choice in schema["enum"]):
        return False
    if "const" in schema and node != str(schema["const"]):
        return False
    if isinstance(node, Mapping):
        return _keys_fit(node, schema)
    if isinstance(node, Sequence) and "items" in schema:
        return all(fits(item, schema["items"]) for item in node)
    return True


def _keys_fit(node: Mapping, schema: dict[str, Any]) -> bool:
    properties = schema.get("properties", {})
    rule = schema.get("additionalProperties", True)
    for key, value in node.items():
        below = properties.get(key, rule)
        if below is False or (below is not True and not fits(value, below)):
            return False
    return node.incomplete or all(key in node for key in schema.get("required", ()))
