"""From the bytes of a plan file to a `SavedPlan`. The file may be anybody's, so nothing in it is taken for granted."""

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from edgecerts.errors import SavedPlanError
from edgecerts.plan.model import Action, BlockCode, HazardCode, Reason, ReasonCode
from edgecerts.plan.options import MISSING_KEYS, PlanOptions
from edgecerts.saved.model import Basis, IdentityBasis, SavedChange, SavedPlan
from edgecerts.schemas import schema_text

FORMAT_VERSION = 1

MAX_PLAN_BYTES = 64 * 1024 * 1024
"""A plan for 10,000 brokers and clients, every file of them new, is a quarter of this."""

_AGAIN = "save the plan again: edgecerts plan --out FILE"


def parse_saved_plan(data: bytes, *, source: str) -> SavedPlan:
    """Reads a plan file.

    Args:
        data: at most one byte more than `MAX_PLAN_BYTES`.
        source: the file's name, for messages.

    Raises:
        SavedPlanError: it is not a saved plan, or one of another format.
    """
    if len(data) > MAX_PLAN_BYTES:
        raise SavedPlanError(f"{source} has more than {MAX_PLAN_BYTES:,} bytes, and no plan has that many")
    document = _parse_json(data, source)
    _check_version(document, source)
    _check_shape(document, source)
    plan, basis, options = document["plan"], document["basis"], document["options"]
    _check_unique((change["address"] for change in plan["changes"]), source, what="changes")
    _check_unique((entry["address"] for entry in basis["identities"]), source, what="identities")
    hazards = frozenset((hazard["code"], hazard["address"]) for hazard in plan["hazards"])
    listed = {code for code, _ in hazards}
    return SavedPlan(
        source=source,
        basis=Basis(
            version=basis["version"],
            manifest=basis["manifest"],
            identities={
                entry["address"]: IdentityBasis(
                    declared=entry["declared"], files=entry["files"], private_key=entry["private_key"]
                )
                for entry in basis["identities"]
            },
        ),
        options=PlanOptions(
            # What the plan did not come upon when it was reviewed is not allowed by it either.
            allow=frozenset(HazardCode(code) for code in plan["allowed"] if code in listed),
            targets=frozenset(options["target"]),
            replace=frozenset(options["replace"]) - {MISSING_KEYS},
            replace_missing_keys=MISSING_KEYS in options["replace"],
            prune=options["prune"],
        ),
        changes=tuple(_reviewed_changes(plan)),
        hazards=hazards,
    )


def _reviewed_changes(plan: dict[str, Any]) -> Iterator[SavedChange]:
    """The changes that were shown as possible: neither blocked nor refused.

    Those that only wait for the authority's key count: the plan may be made where that is not.
    """
    waits = BlockCode.ISSUER_KEY_NOT_HERE.value
    blocked = {remark["address"] for remark in plan["blocked"] if remark["code"] != waits}
    refused = {hazard["address"] for hazard in plan["hazards"] if hazard["code"] not in plan["allowed"]}
    codes = {hazard["code"] for hazard in plan["hazards"]} - set(plan["allowed"])
    if any(code in codes for code in HazardCode if code.refuses_everything):
        return
    for change in plan["changes"]:
        saved = SavedChange(
            address=change["address"],
            path=change["path"],
            action=Action(change["action"]),
            reasons=tuple(_reason(reason) for reason in change["reasons"]),
        )
        if saved.action is not Action.NO_OP and saved.address not in blocked and saved.identity not in refused:
            yield saved


def _reason(reason: dict[str, Any]) -> Reason:
    before, after = (
        tuple(value) if isinstance(value, list) else value for value in (reason["before"], reason["after"])
    )
    return Reason(code=ReasonCode(reason["code"]), field=reason["field"], before=before, after=after)


def _parse_json(data: bytes, source: str) -> Any:
    try:
        return json.loads(data.decode("utf-8"), object_pairs_hook=_without_duplicates, parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise SavedPlanError(f"{source} is not a saved plan: it is not JSON, or damaged", hint=_AGAIN) from None


def _without_duplicates(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """A reader that shows the first of two equal keys would show another plan than is carried out."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice")
    return found


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


def _check_version(document: Any, source: str) -> None:
    """Before anything else is looked at, because another format may look otherwise."""
    version = document.get("format_version") if isinstance(document, dict) else None
    if not isinstance(document, dict) or "basis" not in document:
        words = "what `plan --format json` prints" if isinstance(document, dict) and "changes" in document else "other"
        raise SavedPlanError(f"{source} is not a saved plan: it holds {words} JSON", hint=_AGAIN)
    if isinstance(version, bool) or version != FORMAT_VERSION:
        raise SavedPlanError(
            f"{source} was saved in another format than this version of edgecerts reads ({FORMAT_VERSION})",
            hint=_AGAIN,
        )


def _check_shape(document: Any, source: str) -> None:
    # Imported here because only apply with a plan file needs them.
    from jsonschema import Draft7Validator
    from referencing import Registry
    from referencing.jsonschema import DRAFT7

    plan_schema = DRAFT7.create_resource(json.loads(schema_text("plan")))
    registry: Registry[Any] = Registry().with_resource("plan.schema.json", plan_schema)
    validator = Draft7Validator(json.loads(schema_text("saved-plan")), registry=registry)
    error = next(validator.iter_errors(document), None)
    if error is not None:
        place = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in error.absolute_path)[:80]
        words = _WORDS.get(str(error.validator), "is not what it must be")
        raise SavedPlanError(
            f"{source} is not a saved plan of this version: {place.lstrip('.') or 'the whole'} {words}", hint=_AGAIN
        )


_WORDS = {
    "required": "lacks a key",
    "additionalProperties": "has a key too many",
    "type": "is of another kind than it must be",
    "enum": "is a word that is not known",
    "pattern": "is written otherwise than it must be",
}


def _check_unique(addresses: Iterable[str], source: str, *, what: str) -> None:
    seen: set[str] = set()
    for address in addresses:
        if address in seen:
            raise SavedPlanError(f"{source} is not a saved plan: {address} stands twice in its {what}", hint=_AGAIN)
        seen.add(address)
