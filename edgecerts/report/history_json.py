"""What was issued to one identity, as one JSON document; `schemas/history.schema.json` describes it."""

from datetime import UTC, datetime

from edgecerts.plan.model import rfc3339
from edgecerts.report.plan_json import FORMAT_VERSION, Document, remark_documents, to_json
from edgecerts.status.history import History, IssuedCertificate


def render_history_json(history: History) -> str:
    """The document as text, with a line end: every certificate, however many there are."""
    return to_json(
        {
            "format_version": FORMAT_VERSION,
            "created_at": rfc3339(history.created_at),
            "manifest": history.manifest,
            "address": history.address,
            "declared": history.declared,
            "certificates": [_certificate(issued) for issued in history.certificates],
            "notices": remark_documents(history.notices),
        }
    )


def _certificate(issued: IssuedCertificate) -> Document:
    line = issued.line
    return {
        "issued_at": _utc(line.issued_at),
        "address": line.address,
        "serial": line.serial,
        "subject": line.subject,
        "not_before": _utc(line.not_before),
        "not_after": _utc(line.not_after),
        "state": issued.standing.value,
        "in_place": issued.in_place,
        "revoked": {"reason": issued.revoked.reason.value, "at": rfc3339(issued.revoked.at)}
        if issued.revoked
        else None,
        "action": line.action,
        "reasons": list(line.reasons),
        "issued_by": line.issued_by,
        "version": line.version,
        "issuer_key": line.issuer_key,
        "spki_sha256": line.spki_sha256,
        "sha256": line.sha256,
    }


def _utc(time: str) -> str:
    """A time as every document writes it, also where a line of the log has another offset."""
    return rfc3339(datetime.fromisoformat(time).astimezone(UTC))
