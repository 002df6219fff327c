"""The lines of the issuance log: one public JSON object for every certificate that was ever signed.

The log never decides whether a certificate is up to date. It is the memory of what cannot be read back: certificates
that were replaced or lost.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class LogEntry:
    """One issued certificate. All times are RFC 3339 in UTC, all digests and numbers lower-case hexadecimal.

    Attributes:
        address: the certificate's address when it was issued.
        issuer_key: SHA-256 of the issuer's subjectPublicKeyInfo.
        spki_sha256: SHA-256 of the certificate's subjectPublicKeyInfo.
        sha256: SHA-256 of the certificate.
        action: the plan's word for it.
        reasons: the plan's reason codes.
        issued_by: a CI job's address, or a user at a host.
        version: the version of edgecerts.
    """

    serial: str
    address: str
    issuer_key: str
    subject: str
    not_before: str
    not_after: str
    spki_sha256: str
    sha256: str
    action: str
    reasons: tuple[str, ...]
    issued_at: str
    issued_by: str
    version: str


def format_log_entry(entry: LogEntry) -> str:
    """The entry as one line with its line end."""
    return json.dumps(asdict(entry), ensure_ascii=False, separators=(", ", ": ")) + "\n"


def parse_log(text: str) -> Iterator[LogEntry]:
    """The entries of one log file. A line that is not an entry (torn by a crash, or edited) is passed over."""
    for line in text.splitlines():
        try:
            fields = json.loads(line)
            entry = LogEntry(**{**fields, "reasons": tuple(fields["reasons"])})
        except (ValueError, TypeError, KeyError):
            continue
        yield entry
