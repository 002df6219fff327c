"""The shape of a manifest: which keys stand where, and what kind of value each has.

The JSON Schema that editors use decides. Its patterns and limits are left to the code that reads the values, which
says more about each; the messages are not its own either.
"""

import json
from collections.abc import Iterable
from typing import Any

from edgecerts.manifest.fitting import KEYWORDS, fits
from edgecerts.manifest.mistakes import Mistakes
from edgecerts.manifest.nodes import Mapping
from edgecerts.schemas import schema_text


def check_structure(root: Mapping, mistakes: Mistakes) -> None:
    """Checks keys and kinds of values against the schema.

    Args:
        root: the tree. What does not fit is taken out of it, so that the rest can be read without asking again.
        mistakes: where mistakes are noted.
    """
    schema = _reduced(json.loads(schema_text("pki")), KEYWORDS)
    if not fits(root, schema):
        # The words for violations, and jsonschema, which finds them all: few manifests need either.
        from edgecerts.manifest.violations import note_violations

        note_violations(root, schema, mistakes)


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
