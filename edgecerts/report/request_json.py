"""What `request` did as one JSON document; `schemas/request.schema.json` describes it."""

from edgecerts.plan.model import rfc3339
from edgecerts.report.plan_json import FORMAT_VERSION, remark_documents, to_json
from edgecerts.requests.model import RequestReport


def render_request_json(report: RequestReport) -> str:
    """The document as text, with a line end."""
    return to_json(
        {
            "format_version": FORMAT_VERSION,
            "created_at": rfc3339(report.created_at),
            "manifest": report.manifest,
            "address": report.address,
            "key": {
                "action": report.decision.key.value,
                "path": report.key_path,
                "key_type": report.key_type,
                "sha256": f"sha256:{report.spki_sha256}",
                "encrypted": report.encrypted,
            },
            "replaced": report.replaced,
            "request": {"action": report.decision.request.value, "path": report.request_path},
            "certificate": report.certificate,
            "notices": remark_documents(report.decision.notices),
        }
    )
