"""Every place where a manifest is not as the schema says, noted and taken out.

Imported only where there is one: jsonschema takes longer to import than a thousand entries take to read.
"""

import functools
from typing import Any

from edgecerts.manifest.keywords import NodeValidator
from edgecerts.manifest.mistakes import Mistakes
from edgecerts.manifest.nodes import Mapping
from edgecerts.manifest.structure_words import StructureWords, Violation


def note_violations(root: Mapping, schema: dict[str, Any], mistakes: Mistakes) -> None:
    """Notes all violations, and takes out of the tree what violates.

    Args:
        root: the tree.
        schema: with the keywords of `NodeValidator` only, and without references.
        mistakes: where they are noted.
    """
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


def _take_out(root: Mapping, violation: "Violation") -> None:
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
