"""What an import found, as one JSON document; `schemas/import.schema.json` describes it."""

from collections.abc import Iterable

from edgecerts.adoption.findings import Finding, Outcome
from edgecerts.adoption.material import FoundCertificate, FoundKey, LeftOut
from edgecerts.adoption.model import AdoptedEntry, Adoption, OtherTrust
from edgecerts.manifest.model import KeyHeld
from edgecerts.pki.x509_names import name_text
from edgecerts.plan.model import rfc3339
from edgecerts.report.import_text import Written
from edgecerts.report.plan_json import FORMAT_VERSION, Document, to_json


def render_import_json(adoption: Adoption, written: Written | None) -> str:
    """The document as text, with a line end.

    Args:
        written: None where there was nothing to take over.
    """
    authority = adoption.authority
    return to_json(
        {
            "format_version": FORMAT_VERSION,
            "created_at": rfc3339(adoption.created_at),
            "source": adoption.source,
            "files": adoption.files,
            "manifest": written.manifest if written is not None else None,
            "output": written.output if written is not None else None,
            "written": written is not None and not written.dry_run,
            "withheld": written.withheld if written is not None else None,
            "authority": _authority(adoption) if authority is not None else None,
            "entries": [_entry(entry) for entry in adoption.entries],
            "also_trust": [_other(other) for other in adoption.trusted],
            "left_out": [_left_out(entry) for entry in adoption.left_out],
            "summary": {
                "brokers": len(adoption.brokers),
                "clients": len(adoption.clients),
                "left_out": len(adoption.left_out),
                **_outcomes(adoption.findings),
            },
        }
    )


def _authority(adoption: Adoption) -> Document:
    authority = adoption.authority
    assert authority is not None  # noqa: S101 (asked before)
    found = authority.found
    return {
        "address": "ca",
        "common_name": authority.declared.common_name,
        "fingerprint": f"sha256:{found.facts.spki_sha256}",
        "certificate": _certificate(found.certificate),
        "private_key": _key(found.key),
        "findings": [_finding(finding) for finding in authority.findings],
    }


def _entry(entry: AdoptedEntry) -> Document:
    return {
        "address": entry.address,
        "common_name": entry.declared.common_name or entry.name,
        "evidence": entry.evidence.value,
        "key_held": (entry.declared.key_held or KeyHeld.HERE).value,
        "certificate": _certificate(entry.certificate),
        "private_key": _key(entry.key),
        "findings": [_finding(finding) for finding in entry.findings],
    }


def _certificate(found: FoundCertificate) -> Document:
    facts = found.facts
    return {
        "files": [place.path for place in found.places],
        "subject": name_text(facts.certificate.subject),
        "serial": facts.serial,
        "not_before": rfc3339(facts.not_before),
        "not_after": rfc3339(facts.not_after),
        "key_type": facts.key_type,
        "spki_sha256": facts.spki_sha256,
        "sha256": facts.sha256,
    }


def _key(key: FoundKey | None) -> Document | None:
    if key is None:
        return None
    return {
        "files": [place.path for place in key.places],
        "encrypted": key.opened_by is not None,
        "password": str(key.opened_by.source) if key.opened_by is not None else None,
    }


def _finding(finding: Finding) -> Document:
    return {
        "code": finding.code.value,
        "message": finding.message,
        "refused_by": finding.refused_by,
        "outcome": finding.outcome.value,
        "hint": finding.hint,
    }


def _other(other: OtherTrust) -> Document:
    return {
        "subject": name_text(other.certificate.facts.certificate.subject),
        "file": other.file,
        "active": other.active,
        "reason": other.reason,
    }


def _left_out(entry: LeftOut) -> Document:
    return {"code": entry.code.value, "files": list(entry.files), "message": entry.message, "hint": entry.hint}


def _outcomes(findings: Iterable[Finding]) -> dict[str, int]:
    counts = dict.fromkeys((outcome.value for outcome in Outcome), 0)
    for finding in findings:
        counts[finding.outcome.value] += 1
    return counts
