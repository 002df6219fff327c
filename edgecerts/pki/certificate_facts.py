"""What a certificate says, read once into plain values that checks can compare and reports can print."""

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import SignatureAlgorithmOID

from edgecerts.errors import InvalidCertificateError
from edgecerts.pki.certificates import USAGE_OIDS, is_signed_by
from edgecerts.pki.pem import split_pem
from edgecerts.pki.private_keys import key_type_name, spki_sha256
from edgecerts.pki.x509_names import name_attributes, name_text, parse_general_names

_USAGES = {oid: usage.value for usage, oid in USAGE_OIDS.items()}
_SHA1 = (SignatureAlgorithmOID.RSA_WITH_SHA1, SignatureAlgorithmOID.ECDSA_WITH_SHA1)
_KEY_USAGE_BITS = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
)
_LIBRARY_ERRORS = (x509.UnsupportedGeneralNameType, x509.InvalidVersion, x509.DuplicateExtension)
_Extension = TypeVar("_Extension", bound=x509.ExtensionType)


@dataclass(frozen=True, kw_only=True, slots=True)
class CertificateFacts:
    """One parsed certificate. Two with the same `sha256` are the same certificate.

    Attributes:
        version: 1 or 3, as people count.
        subject: the attributes in order, as (manifest's field name or dotted OID, value).
        issuer_text: the issuer's name for people.
        subject_der: the subject as encoded; names are equal where these bytes are (RFC 5280 §6.1.3).
        not_before: in UTC, as is `not_after`.
        alt_names: the entries of the SAN as text; empty where there is none.
        usages: extended key usages, `server`, `client` or a dotted OID; None without the extension.
        key_usage: the names of the bits that are set; None without the extension.
        is_ca: cA of basicConstraints; None without the extension.
        subject_key_id: in hexadecimal, or None; so is `authority_key_id`.
        authority_serial: the issuer's serial number, where the authority key identifier names that as well; or None.
        key_type: a `KeyType` value or another algorithm's name.
        spki_sha256: SHA-256 of the subjectPublicKeyInfo, in hexadecimal.
        sha256: SHA-256 of the whole certificate, in hexadecimal.
        weak_signature: signed with SHA-1.
        crl_urls: where revocation lists for it can be fetched; empty where it does not say.
    """

    version: int
    serial_number: int
    subject: tuple[tuple[str, str], ...]
    subject_der: bytes = field(repr=False)
    issuer_der: bytes = field(repr=False)
    issuer_text: str
    not_before: datetime
    not_after: datetime
    alt_names: frozenset[str]
    usages: frozenset[str] | None
    key_usage: frozenset[str] | None
    is_ca: bool | None
    path_length: int | None
    subject_key_id: str | None
    authority_key_id: str | None
    authority_serial: int | None
    key_type: str
    spki_sha256: str
    sha256: str
    weak_signature: bool
    crl_urls: tuple[str, ...] = ()
    certificate: x509.Certificate = field(repr=False, compare=False)

    @property
    def serial(self) -> str:
        """The serial number as 40 hexadecimal digits: 20 octets, the most that RFC 5280 §4.1.2.2 allows."""
        return f"{self.serial_number:040x}"


def parse_certificates(pem: bytes) -> tuple[CertificateFacts, ...]:
    """Reads a PEM file of certificates.

    Returns:
        all of them in order; at least one.

    Raises:
        InvalidCertificateError: a block is damaged, cut off or of another kind, or there is none.
    """
    try:
        blocks = split_pem(pem, ("CERTIFICATE",))
        return tuple(describe_certificate(x509.load_pem_x509_certificate(block)) for _, block in blocks)
    except (ValueError, TypeError, UnsupportedAlgorithm, *_LIBRARY_ERRORS) as error:
        # The library's own words about PEM are a link to its questions and answers.
        told = "its PEM text is damaged" if "PEM file" in str(error) else str(error)
        raise InvalidCertificateError(f"not a certificate: {told}".splitlines()[0]) from error


def describe_certificate(certificate: x509.Certificate) -> CertificateFacts:
    """Reads a parsed certificate.

    Raises:
        ValueError: one of its parts cannot be decoded.
        x509.UnsupportedGeneralNameType, UnsupportedAlgorithm: one of its parts is of an unknown kind.
    """
    extensions = certificate.extensions
    san = _extension(extensions, x509.SubjectAlternativeName)
    usages = _extension(extensions, x509.ExtendedKeyUsage)
    key_usage = _extension(extensions, x509.KeyUsage)
    constraints = _extension(extensions, x509.BasicConstraints)
    ski = _extension(extensions, x509.SubjectKeyIdentifier)
    aki = _extension(extensions, x509.AuthorityKeyIdentifier)
    points = _extension(extensions, x509.CRLDistributionPoints)
    public_key = certificate.public_key()
    der = certificate.public_bytes(Encoding.DER)
    return CertificateFacts(
        version=certificate.version.value + 1,
        serial_number=certificate.serial_number,
        subject=name_attributes(certificate.subject),
        subject_der=certificate.subject.public_bytes(),
        issuer_der=certificate.issuer.public_bytes(),
        issuer_text=name_text(certificate.issuer),
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        alt_names=parse_general_names(san) if san else frozenset(),
        usages=frozenset(_USAGES.get(oid, oid.dotted_string) for oid in usages) if usages else None,
        key_usage=frozenset(b for b in _KEY_USAGE_BITS if getattr(key_usage, b)) if key_usage else None,
        is_ca=constraints.ca if constraints else None,
        path_length=constraints.path_length if constraints else None,
        subject_key_id=ski.digest.hex() if ski else None,
        authority_key_id=aki.key_identifier.hex() if aki and aki.key_identifier else None,
        authority_serial=aki.authority_cert_serial_number if aki else None,
        key_type=key_type_name(public_key),
        spki_sha256=spki_sha256(public_key),
        sha256=hashlib.sha256(der).hexdigest(),
        weak_signature=certificate.signature_algorithm_oid in _SHA1,
        crl_urls=_urls(points) if points else (),
        certificate=certificate,
    )


def is_issued_by(facts: CertificateFacts, issuer: CertificateFacts) -> bool:
    """Whether `facts` names `issuer` by its subject and carries its signature."""
    return is_signed_by(facts.certificate, issuer.certificate)


def _urls(points: x509.CRLDistributionPoints) -> tuple[str, ...]:
    names = (name for point in points for name in point.full_name or ())
    return tuple(name.value for name in names if isinstance(name, x509.UniformResourceIdentifier))


def _extension(extensions: x509.Extensions, kind: type[_Extension]) -> _Extension | None:
    try:
        return extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None
