"""Signing certificate revocation lists by the profile of RFC 5280 §5, and reading them into plain values."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding

from edgecerts.errors import InvalidCertificateError
from edgecerts.pki.certificates import Period, authority_key_identifier, signature_hash, usable_public_key
from edgecerts.pki.pem import split_pem
from edgecerts.pki.private_keys import PrivateKey
from edgecerts.pki.revocation_reasons import RevocationReason
from edgecerts.pki.x509_names import name_text

_FLAGS = {
    RevocationReason.KEY_COMPROMISE: x509.ReasonFlags.key_compromise,
    RevocationReason.CA_COMPROMISE: x509.ReasonFlags.ca_compromise,
    RevocationReason.AFFILIATION_CHANGED: x509.ReasonFlags.affiliation_changed,
    RevocationReason.SUPERSEDED: x509.ReasonFlags.superseded,
    RevocationReason.CESSATION_OF_OPERATION: x509.ReasonFlags.cessation_of_operation,
    RevocationReason.CERTIFICATE_HOLD: x509.ReasonFlags.certificate_hold,
    RevocationReason.PRIVILEGE_WITHDRAWN: x509.ReasonFlags.privilege_withdrawn,
    RevocationReason.AA_COMPROMISE: x509.ReasonFlags.aa_compromise,
}
"""`unspecified` is said by leaving the reason code out (RFC 5280 §5.3.1)."""
_REASONS = {flag: reason for reason, flag in _FLAGS.items()}

_Key = ec.EllipticCurvePublicKey | rsa.RSAPublicKey | ed25519.Ed25519PublicKey
EARLIEST = datetime(1950, 1, 1, tzinfo=UTC)
"""The earliest moment that a list can name (RFC 5280 §5.1.2.6)."""

_LABELS = ("X509 CRL",)
_CONFLICT = re.compile(
    rb"^<{7}[^\n]*\n(?P<ours>.*?)(?:^\|{7}[^\n]*\n.*?)?^={7}[^\n]*\n(?P<theirs>.*?)^>{7}[^\n]*(?:\n|\Z)",
    re.DOTALL | re.MULTILINE,
)
"""What git leaves where two branches each signed a list."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RevokedEntry:
    """One line of a list: a certificate by its serial number, why it was revoked, and when in UTC."""

    serial_number: int
    reason: RevocationReason
    at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class RevocationListFacts:
    """One parsed list. Two with the same `sha256` are the same list.

    Attributes:
        issuer_der: the issuer's name as encoded, which is the authority's subject byte for byte.
        authority_key_id: in hexadecimal, or None.
        number: its CRLNumber, or None.
        this_update: in UTC, as is `next_update`, after which every strict broker refuses all clients.
        entries: in the order of the list.
        url: the distribution point that it is for, where it says so (issuingDistributionPoint); else None.
        sha256: of the whole list, in hexadecimal.
    """

    issuer_der: bytes = field(repr=False)
    issuer_text: str
    authority_key_id: str | None
    number: int | None
    this_update: datetime
    next_update: datetime
    entries: tuple[RevokedEntry, ...] = field(repr=False)
    url: str | None
    sha256: str
    crl: x509.CertificateRevocationList = field(repr=False, compare=False)

    @property
    def period(self) -> Period:
        return Period(not_before=self.this_update, not_after=self.next_update)

    def is_signed_by(self, public_key: PublicKeyTypes) -> bool:
        """Whether it carries a signature of this key. Says nothing about names or dates."""
        if not isinstance(public_key, _Key):
            return False
        try:
            return self.crl.is_signature_valid(public_key)
        except (InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError):
            return False


def sign_revocation_list(
    entries: Sequence[RevokedEntry],
    *,
    issuer: x509.Certificate,
    private_key: PrivateKey,
    period: Period,
    number: int,
    url: str | None = None,
) -> x509.CertificateRevocationList:
    """Signs a list and checks it.

    Args:
        entries: each serial number once.
        issuer: the authority's certificate, whose subject is copied byte for byte. OpenSSL does not find a list whose
            issuer differs in the order of its parts.
        period: thisUpdate and nextUpdate.
        number: greater than that of every list before it (RFC 5280 §5.2.3).
        url: makes it a list for this distribution point alone (§5.2.5). The extension is critical: Mbed TLS cannot read
            such a list, and Mosquitto refuses clients whose certificates do not name the same address.

    Returns:
        the list, parsed again from its encoding and verified against its issuer.

    Raises:
        InvalidCertificateError: what was signed is not what was asked for; nothing may use it.
    """
    if len({entry.serial_number for entry in entries}) != len(entries):
        raise InvalidCertificateError("a new revocation list would have a certificate twice")
    builder = (
        x509.CertificateRevocationListBuilder(revoked_certificates=[_build_entry(entry) for entry in entries])
        .issuer_name(issuer.subject)
        .last_update(period.not_before)
        .next_update(period.not_after)
        .add_extension(authority_key_identifier(issuer), critical=False)
        .add_extension(x509.CRLNumber(number), critical=False)
    )
    if url is not None:
        builder = builder.add_extension(_distribution_point(url), critical=True)
    try:
        signed = builder.sign(private_key, signature_hash(private_key))
        facts = _describe(x509.load_der_x509_crl(signed.public_bytes(Encoding.DER)))
    except (ValueError, TypeError, OverflowError) as error:
        raise InvalidCertificateError(f"the revocation list cannot be signed: {error}") from error
    if not facts.is_signed_by(usable_public_key(issuer)):
        raise InvalidCertificateError("a new revocation list's signature does not fit its issuer")
    if facts.issuer_der != issuer.subject.public_bytes():
        raise InvalidCertificateError("a new revocation list's issuer differs from the authority's subject")
    if (facts.entries, facts.number, facts.period) != (tuple(entries), number, period):
        raise InvalidCertificateError("a new revocation list does not say what it was to say")
    return facts.crl


def encode_revocation_lists(*lists: x509.CertificateRevocationList) -> bytes:
    """PEM text of the lists, in order. Mosquitto reads no other form."""
    return b"".join(crl.public_bytes(Encoding.PEM) for crl in lists)


def parse_revocation_lists(pem: bytes) -> tuple[RevocationListFacts, ...]:
    """Reads a PEM file of revocation lists.

    Where git left both sides of a merge in it, the lists of both are read: neither side's entries may be lost.

    Returns:
        all of them in order, each once; at least one.

    Raises:
        InvalidCertificateError: a block is damaged, cut off or of another kind, or there is none.
    """
    try:
        found = [facts for side in _sides(pem) for facts in _parse_side(side)]
    except (ValueError, TypeError, OverflowError, UnsupportedAlgorithm, x509.DuplicateExtension) as error:
        # The library's own words about PEM are a link to its questions and answers.
        told = "its PEM text is damaged" if "PEM file" in str(error) else str(error)
        raise InvalidCertificateError(f"not a revocation list: {told}".splitlines()[0]) from error
    return tuple({facts.sha256: facts for facts in found}.values())


def _sides(pem: bytes) -> tuple[bytes, ...]:
    if not _CONFLICT.search(pem):
        return (pem,)
    return _CONFLICT.sub(rb"\g<ours>", pem), _CONFLICT.sub(rb"\g<theirs>", pem)


def _parse_side(pem: bytes) -> list[RevocationListFacts]:
    return [_describe(x509.load_pem_x509_crl(block)) for _, block in split_pem(pem, _LABELS)]


def _describe(crl: x509.CertificateRevocationList) -> RevocationListFacts:
    if crl.next_update_utc is None:
        raise ValueError("it does not say when the next one comes")
    if any(extension.oid == x509.DeltaCRLIndicator.oid for extension in crl.extensions):
        raise ValueError("it is a delta list, which holds only the newest entries")
    number = aki = url = None
    for extension in crl.extensions:
        value = extension.value
        if isinstance(value, x509.CRLNumber):
            number = value.crl_number
        elif isinstance(value, x509.AuthorityKeyIdentifier):
            aki = value.key_identifier
        elif isinstance(value, x509.IssuingDistributionPoint):
            url = next((str(name.value) for name in value.full_name or ()), "")
    return RevocationListFacts(
        issuer_der=crl.issuer.public_bytes(),
        issuer_text=name_text(crl.issuer),
        authority_key_id=aki.hex() if aki else None,
        number=number,
        this_update=crl.last_update_utc,
        next_update=crl.next_update_utc,
        entries=tuple(_read_entry(entry) for entry in crl),
        url=url,
        sha256=hashlib.sha256(crl.public_bytes(Encoding.DER)).hexdigest(),
        crl=crl,
    )


def _read_entry(entry: x509.RevokedCertificate) -> RevokedEntry:
    reason = RevocationReason.UNSPECIFIED
    for extension in entry.extensions:
        if isinstance(extension.value, x509.CRLReason):
            reason = _REASONS.get(extension.value.reason, RevocationReason.UNSPECIFIED)
    return RevokedEntry(serial_number=entry.serial_number, reason=reason, at=entry.revocation_date_utc)


def _build_entry(entry: RevokedEntry) -> x509.RevokedCertificate:
    builder = (
        x509.RevokedCertificateBuilder().serial_number(entry.serial_number).revocation_date(entry.at.astimezone(UTC))
    )
    if entry.reason in _FLAGS:
        builder = builder.add_extension(x509.CRLReason(_FLAGS[entry.reason]), critical=False)
    return builder.build()


def _distribution_point(url: str) -> x509.IssuingDistributionPoint:
    return x509.IssuingDistributionPoint(
        full_name=[x509.UniformResourceIdentifier(url)],
        relative_name=None,
        only_contains_user_certs=False,
        only_contains_ca_certs=False,
        only_some_reasons=None,
        indirect_crl=False,
        only_contains_attribute_certs=False,
    )
