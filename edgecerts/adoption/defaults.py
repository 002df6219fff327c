"""What most entries have in common, so that the manifest says it once."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TypeVar

from edgecerts.adoption.model import Declared
from edgecerts.pki.names import SUBJECT_LENGTHS

T = TypeVar("T")


def find_defaults(authority: Declared, leaves: Sequence[Declared]) -> Declared:
    """What stands under `defaults`: what makes the manifest shorter.

    Args:
        authority: it takes the subject from `defaults`, and nothing else.
        leaves: all brokers and clients.
    """
    key_types = [leaf.key_type for leaf in leaves]
    return Declared(
        subject=_common_subject((authority, *leaves)),
        # A key of a type that no manifest can ask for must not fall under a default: it would be replaced.
        key_type=_most_common(key_types) if None not in key_types else None,
        lifetime=_most_common(leaf.lifetime for leaf in leaves if leaf.lifetime and leaf.lifetime[0] == "validity"),
    )


def under_defaults(declared: Declared, defaults: Declared, *, is_authority: bool) -> Declared:
    """What is left to say of an identity under these defaults."""
    subject = {
        field: declared.subject.get(field, "")
        for field in SUBJECT_LENGTHS
        if declared.subject.get(field) != defaults.subject.get(field)
    }
    if is_authority:
        return replace(declared, subject=subject)
    return replace(
        declared,
        subject=subject,
        key_type=None if declared.key_type == defaults.key_type else declared.key_type,
        lifetime=None if declared.lifetime == defaults.lifetime else declared.lifetime,
    )


def _common_subject(everybody: Sequence[Declared]) -> dict[str, str]:
    """Each field that more have than have not: those each need a line to be rid of it."""
    common: dict[str, str] = {}
    for field in SUBJECT_LENGTHS:
        value = _most_common(declared.subject[field] for declared in everybody if field in declared.subject)
        count = sum(declared.subject.get(field) == value for declared in everybody)
        if value is not None and count > 1 and 2 * count > len(everybody):
            common[field] = value
    return common


def _most_common(values: Iterable[T]) -> T | None:
    """The value that occurs most often; of several the least, so that the answer is always the same."""
    counts = Counter(values)
    return min(counts, key=lambda value: (-counts[value], str(value)), default=None)
