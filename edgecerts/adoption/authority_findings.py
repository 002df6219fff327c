"""What is wrong with the certificate of an authority. It stays wherever it can: every device holds a copy of it."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from cryptography import x509

from edgecerts.adoption import refusals
from edgecerts.adoption.findings import Finding, FindingCode, Outcome
from edgecerts.pki.certificate_facts import CertificateFacts

_RENEWAL_HINT = (
    "a renewal for the same key mends it, and devices may keep the ca.pem that they have:"
    " edgecerts apply --replace ca/certificate"
)


def find_authority_faults(facts: CertificateFacts, *, is_due: bool, now: datetime) -> tuple[Finding, ...]:
    """Everything that is wrong with an authority's certificate.

    Args:
        facts: the certificate.
        is_due: the manifest has it renewed now.
        now: in UTC.
    """
    return (
        *_check_constraints(facts),
        *_check_key_usage(facts),
        *_check_others(facts),
        *_check_end(facts, is_due, now),
    )


def _check_constraints(facts: CertificateFacts) -> Iterator[Finding]:
    if not facts.is_ca:
        message = "it does not say that it is an authority" + (": X.509 version 1" if facts.version < 3 else "")
        yield Finding(
            code=FindingCode.NO_BASIC_CONSTRAINTS,
            message=message,
            outcome=Outcome.UPDATED,
            refused_by=refusals.CA_WITHOUT_CONSTRAINTS,
        )
    elif not _is_critical(facts, x509.BasicConstraints):
        yield _stays(
            FindingCode.CONSTRAINTS_NOT_CRITICAL,
            "its basic constraints are not critical",
            refusals.CA_CONSTRAINTS_NOT_CRITICAL,
        )


def _check_key_usage(facts: CertificateFacts) -> Iterator[Finding]:
    if facts.key_usage is None:
        yield _stays(FindingCode.NO_KEY_USAGE, "no key usage", refusals.CA_WITHOUT_KEY_USAGE)
    elif "key_cert_sign" not in facts.key_usage:
        yield Finding(
            code=FindingCode.KEY_USAGE,
            message="its key usage does not allow it to sign certificates",
            outcome=Outcome.UPDATED,
            refused_by=refusals.CA_MAY_NOT_SIGN,
        )


def _check_others(facts: CertificateFacts) -> Iterator[Finding]:
    if facts.subject_key_id is None:
        yield _stays(FindingCode.NO_SUBJECT_KEY_ID, "no subject key identifier", refusals.CA_WITHOUT_KEY_ID)
    if _is_critical(facts, x509.NameConstraints):
        yield _stays(
            FindingCode.NAME_CONSTRAINTS,
            "it restricts the names that it may certify; edgecerts does not look at that",
            refusals.CA_NAME_CONSTRAINTS,
        )


def _check_end(facts: CertificateFacts, is_due: bool, now: datetime) -> Iterator[Finding]:
    if facts.not_after < now or is_due:
        code = FindingCode.EXPIRED if facts.not_after < now else FindingCode.ENDS_SOON
        word = "expired" if facts.not_after < now else "ends soon,"
        yield Finding(
            code=code,
            message=f"{word} on {facts.not_after:%Y-%m-%d}",
            outcome=Outcome.UPDATED,
            refused_by=refusals.EXPIRED if facts.not_after < now else None,
        )
    if facts.not_before - now > timedelta():
        yield Finding(
            code=FindingCode.NOT_YET_VALID,
            message=f"valid only from {facts.not_before:%Y-%m-%d} on",
            outcome=Outcome.UPDATED,
            refused_by=refusals.EXPIRED,
        )


def _stays(code: FindingCode, message: str, refused_by: str) -> Finding:
    """What no check of the planner looks at: it stays, unless the certificate is made again for another reason."""
    return Finding(code=code, message=message, outcome=Outcome.UPDATED, refused_by=refused_by, hint=_RENEWAL_HINT)


def _is_critical(facts: CertificateFacts, kind: type[x509.ExtensionType]) -> bool:
    try:
        return facts.certificate.extensions.get_extension_for_class(kind).critical
    except x509.ExtensionNotFound:
        return False
