"""A plan as one JSON document; `schemas/plan.schema.json` describes it."""

import json
from collections.abc import Iterable
from typing import Any

from edgecerts.plan.handover import Delivery
from edgecerts.plan.model import Change, Plan, Reason, Remark, Value, rfc3339
from edgecerts.plan.need import Need
from edgecerts.plan.waiting import Waiting

FORMAT_VERSION = 1

Document = dict[str, Any]


def render_plan_json(plan: Plan) -> str:
    """The document as text, with a line end."""
    return to_json(plan_document(plan, [change_document(change) for change in plan.changes]))


def plan_document(plan: Plan, changes: list[Document]) -> Document:
    """The document as plain values, around changes that the caller may have added to."""
    return {
        "format_version": FORMAT_VERSION,
        "created_at": rfc3339(plan.created_at),
        "manifest": plan.manifest,
        "changes": changes,
        "hazards": remark_documents(plan.hazards),
        "allowed": sorted(plan.allowed),
        "blocked": remark_documents(plan.blocked),
        "waiting": [_waiting(entry) for entry in plan.waiting],
        "notices": remark_documents(plan.notices),
        "needs": [_need(need) for need in plan.needs],
        "unmanaged": list(plan.unmanaged),
        "deliver": deliver_documents(plan.deliver),
        "new_keys": list(plan.new_keys),
        "summary": plan.summary,
    }


def change_document(change: Change) -> Document:
    """One change as plain values."""
    return {
        "address": str(change.address),
        "path": change.artifact.path,
        "action": change.action.value,
        "reasons": [reason_document(reason) for reason in change.reasons],
        "not_before": rfc3339(change.period.not_before) if change.period else None,
        "not_after": rfc3339(change.period.not_after) if change.period else None,
    }


def deliver_documents(deliveries: Iterable[Delivery]) -> list[Document]:
    """What each host must be given, as plain values."""
    return [
        {
            "address": delivery.address,
            "host": delivery.host,
            "files": list(delivery.files),
            "key_changed": delivery.key_changed,
            "key_on_host": delivery.key_on_host,
            "trust_changed": delivery.trust_changed,
            "crl_changed": delivery.crl_changed,
            "restart": delivery.restart,
        }
        for delivery in deliveries
    ]


def to_json(document: Document) -> str:
    """JSON text with a line end, as readable in a review as in a program."""
    text = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    # A file name that is not UTF-8 becomes an escape, which JSON has as well.
    return text.encode("utf-8", errors="backslashreplace").decode("utf-8")


def reason_document(reason: Reason) -> Document:
    """One reason as plain values."""
    return {
        "code": reason.code.value,
        "field": reason.field,
        "before": _value(reason.before),
        "after": _value(reason.after),
    }


def _value(value: Value) -> str | list[str] | None:
    return list(value) if isinstance(value, tuple) else value


def remark_documents(remarks: Iterable[Remark]) -> list[Document]:
    """Hazards, blocked changes or notices as plain values."""
    return [
        {"code": remark.code, "address": remark.address, "message": remark.message, "hint": remark.hint}
        for remark in remarks
    ]


def _waiting(waiting: Waiting) -> Document:
    return {
        "code": waiting.code.value,
        "address": waiting.address,
        "message": waiting.message,
        "hint": waiting.hint,
        "command": waiting.command,
    }


def _need(need: Need) -> Document:
    return {"address": str(need.address), "kind": need.kind.value, "source": _source(need)}


def _source(need: Need) -> str:
    source = need.source
    if source is None:
        return f"file:{need.path}"
    if source.env is not None:
        return f"env:{source.env}"
    if source.file is not None:
        return f"file:{source.file}"
    if source.command is not None:
        return f"command:{source.command[0]}"
    return "prompt"
