"""What `apply` did as one JSON document; `schemas/apply.schema.json` describes it."""

from edgecerts.apply.report import ApplyReport, Status
from edgecerts.report.plan_json import (
    change_document,
    deliver_documents,
    plan_document,
    remark_documents,
    to_json,
)


def render_apply_json(report: ApplyReport) -> str:
    """The plan's document with an outcome for each change, and with deliveries and keys as they really became."""
    outcomes = {outcome.change.address: outcome for outcome in report.outcomes}
    changes = []
    for change in report.plan.changes:
        outcome = outcomes.get(change.address)
        status = outcome.status if outcome else Status.DONE
        changes.append(
            {**change_document(change), "outcome": status.value, "error": outcome.error if outcome else None}
        )
    return to_json(
        {
            **plan_document(report.plan, changes),
            "deliver": deliver_documents(report.deliver),
            "new_keys": list(report.new_keys),
            "keys_elsewhere": [{"path": path, "file": str(file)} for path, file in report.key_files.items()],
            "new_authority": f"sha256:{report.new_authority}" if report.new_authority else None,
            "recovered": list(report.recovered),
            "unfinished": report.unfinished,
            "stale": remark_documents(report.stale),
            "left": [
                {"address": str(change.address), "path": change.artifact.path, "action": change.action.value}
                for change in report.left
            ],
        }
    )
