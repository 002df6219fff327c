"""The keywords of JSON Schema, for nodes instead of for numbers, dates and booleans."""

from collections.abc import Iterator
from typing import Any

import jsonschema
from jsonschema import Draft7Validator, ValidationError

from edgecerts.manifest.fitting import is_of_type
from edgecerts.manifest.nodes import Mapping, Node, Sequence

Errors = Iterator[ValidationError]


def _check_type(_validator: Any, types: str | list[str], node: Node, _schema: Any) -> Errors:
    if not is_of_type(node, types):
        yield ValidationError("")


def _check_below(validator: Any, node: Node, schema: dict[str, Any], step: str | int) -> Errors:
    # Most nodes are scalars of which only the type is said, and going down costs ten times as much as looking.
    if len(schema) != 1 or "type" not in schema or not is_of_type(node, schema["type"]):
        yield from validator.descend(node, schema, path=step)


def _check_properties(validator: Any, properties: dict[str, Any], node: Node, _schema: Any) -> Errors:
    if isinstance(node, Mapping):
        for key, value in node.items():
            if key in properties:
                yield from _check_below(validator, value, properties[key], key)


def _check_items(validator: Any, rule: dict[str, Any], node: Node, _schema: Any) -> Errors:
    if isinstance(node, Sequence):
        for index, item in enumerate(node):
            yield from _check_below(validator, item, rule, index)


def _check_required(_validator: Any, keys: list[str], node: Node, _schema: Any) -> Errors:
    if isinstance(node, Mapping) and not node.incomplete:
        yield from (ValidationError(key) for key in keys if key not in node)


def _check_additional(validator: Any, rule: Any, node: Node, schema: dict[str, Any]) -> Errors:
    if not isinstance(node, Mapping):
        return
    known = schema.get("properties", {})
    for key, value in node.items():
        if key not in known:
            if rule is False:
                yield ValidationError(key)
            else:
                yield from validator.descend(value, rule, path=key)


def _check_enum(_validator: Any, choices: list[Any], node: Node, schema: dict[str, Any]) -> Errors:
    # One node violates one keyword: what is of the wrong type is not compared as well.
    if is_of_type(node, schema["type"]) and not any(node == str(choice) for choice in choices):
        yield ValidationError("")


def _check_const(validator: Any, const: Any, node: Node, schema: dict[str, Any]) -> Errors:
    return _check_enum(validator, [const], node, schema)


_CHECKS: dict[str, Any] = {
    "additionalProperties": _check_additional,
    "const": _check_const,
    "enum": _check_enum,
    "items": _check_items,
    "properties": _check_properties,
    "required": _check_required,
    "type": _check_type,
}

NodeValidator: Any = jsonschema.validators.create(
    meta_schema=Draft7Validator.META_SCHEMA,
    validators=_CHECKS,
    type_checker=Draft7Validator.TYPE_CHECKER,
)
"""A Draft 7 validator of nodes; the message of an error is the key that is missing or unknown, or empty."""
