"""The shape of a manifest: which keys stand where, and what kind of value each has.

The JSON Schema that editors use decides. Its patterns and limits are left to the code that reads the values, which
says more about each; the messages are not its own either.
"""

import functools
import json
from collections.abc import Iterable
from typing import Any

from edgecerts.manifest.fitting import KEYWORDS, fits
from edgecerts.manifest.mistakes import Mistakes
from edgecerts.manifest.nodes import Mapping
from edgecerts.manifest.structure_words import StructureWords, Violation
from edgecerts.schemas import schema_text


def check_structure(root: Mapping, mistakes: Mistakes) -> None:
    """Checks keys and kinds of values against the schema.

    Args:
        root: the tree. What does not fit is taken out of it, so that the rest can be read without asking again.
        mistakes: where mistakes are noted.
    """
    schema = _reduced(json.loads(schema_text("pki")), KEYWORDS)
    if fits(root, schema):
        return
    from edgecerts.manifest.keywords import NodeValidator

    violations = [
        Violation(
            keyword=error.validator,
            path=tuple(error.absolute_path),
            node=error.instance,
            schema=error.schema,
            key=error.message,
        )
        for error in NodeValidator(schema).iter_errors(root)
    ]
    words = StructureWords(schema)
    for violation in violations:
        words.note(violation, mistakes)
    # Backwards, because taking an item out of a list moves those behind it.
    for violation in reversed(violations):
        _take_out(root, violation)


def _reduced(schema: dict[str, Any], keywords: Iterable[str]) -> dict[str, Any]:
    """The schema with some keywords only, and with its definitions put where they are used.

    Resolving references and walking over the other keywords would take three quarters of the time.
    """
    definitions = schema["definitions"]

    def reduce(part: Any) -> Any:
        if not isinstance(part, dict):
            return part
        if "$ref" in part:
            return reduce(definitions[part["$ref"].rpartition("/")[2]])
        kept = {keyword: reduce(part[keyword]) for keyword in keywords if keyword in part}
        if "properties" in kept:
            kept["properties"] = {key: reduce(value) for key, value in part["properties"].items()}
        return kept

    result: dict[str, Any] = reduce(schema)
    return result


def _take_out(root: Mapping, violation: Violation) -> None:
    """Removes what violates the schema; what contains it is never removed, for a violation is noted once."""
    if violation.keyword == "additionalProperties":
        del violation.node[violation.key]
        violation.node.incomplete = True
    elif violation.path and violation.keyword != "required":
        *way, last = violation.path
        above: Any = functools.reduce(_step, way, root)
        del above[last]
        if isinstance(above, Mapping):
            above.incomplete = True


def _step(node: Any, step: str | int) -> Any:
    return node[step]
