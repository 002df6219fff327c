"""A status as one JSON document; `schemas/status.schema.json` describes it."""

from edgecerts.plan.certificate_checks import format_duration
from edgecerts.plan.model import rfc3339
from edgecerts.report.plan_json import FORMAT_VERSION, Document, reason_document, remark_documents, to_json
from edgecerts.status.model import RevocationListRow, Status, StatusRow


def render_status_json(status: Status) -> str:
    """The document as text, with a line end: every identity, however many there are."""
    first = status.next_to_end[0] if status.next_to_end else None
    return to_json(
        {
            "format_version": FORMAT_VERSION,
            "created_at": rfc3339(status.created_at),
            "manifest": status.manifest,
            "within": format_duration(status.within) if status.within is not None else None,
            "fail_on": sorted(state.value for state in status.fail_on),
            "next_to_end": _next_to_end(first) if first is not None else None,
            "months": [
                {"month": month.month, "ends": month.ends, "renewals": month.renewals} for month in status.months
            ],
            "identities": [_row(row, is_finding=status.is_finding(row.state)) for row in status.rows],
            "revocation_lists": [_list(row, is_finding=status.is_finding(row.state)) for row in status.lists],
            "folder": remark_documents(status.folder),
            "notices": remark_documents(status.notices),
            "unmanaged": [
                {
                    "address": folder.address,
                    "files": list(folder.paths),
                    "still_valid": folder.still_valid,
                    "serial": folder.serial,
                    "not_after": rfc3339(folder.not_after) if folder.not_after else None,
                }
                for folder in status.unmanaged
            ],
            "summary": status.summary,
        }
    )


def _next_to_end(row: StatusRow) -> Document:
    certificate = row.certificate
    return {
        "address": row.address,
        "not_after": rfc3339(certificate.not_after) if certificate else None,
        "days_left": certificate.days_left if certificate else None,
    }


def _row(row: StatusRow, *, is_finding: bool) -> Document:
    certificate = row.certificate
    return {
        "address": row.address,
        "kind": row.kind.value,
        "common_name": row.common_name,
        "state": row.state.value,
        "finding": is_finding,
        "key": row.key.value,
        "key_type": certificate.key_type if certificate else None,
        "issuer": certificate.issuer if certificate else None,
        "serial": certificate.serial if certificate else None,
        "not_before": rfc3339(certificate.not_before) if certificate else None,
        "not_after": rfc3339(certificate.not_after) if certificate else None,
        "days_left": certificate.days_left if certificate else None,
        "renews_from": rfc3339(certificate.renews_from) if certificate else None,
        "reasons": [{"path": entry.path, **reason_document(entry.reason)} for entry in row.reasons],
        "remarks": remark_documents(row.remarks),
        "hint": row.hint,
    }


def _list(row: RevocationListRow, *, is_finding: bool) -> Document:
    summary = row.summary
    return {
        "address": row.address,
        "state": row.state.value,
        "finding": is_finding,
        "number": summary.number if summary else None,
        "entries": summary.entries if summary else None,
        "this_update": rfc3339(summary.this_update) if summary else None,
        "next_update": rfc3339(summary.next_update) if summary else None,
        "due_from": rfc3339(summary.due_from) if summary else None,
        "days_left": summary.days_left if summary else None,
        "reasons": [{"path": entry.path, **reason_document(entry.reason)} for entry in row.reasons],
        "remarks": remark_documents(row.remarks),
        "hint": row.hint,
    }
