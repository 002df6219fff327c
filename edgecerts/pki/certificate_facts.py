"""What a certificate says, read once into plain values that checks can compare and reports can print."""

import binascii
import functools
import hashlib
import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import SignatureAlgorithmOID

from edgecerts.errors import InvalidCertificateError
from edgecerts.pki.certificate_parts import CertificateParts, split_certificate
from edgecerts.pki.certificates import USAGE_OIDS, is_encoding_signed_by_key, is_signed_by
from edgecerts.pki.name_reading import NameReader
from edgecerts.pki.pem import split_pem
from edgecerts.pki.private_keys import digest_of_key, key_type_name, spki_sha256
from edgecerts.pki.x509_names import parse_general_names

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
_SUBJECT_KEY_ID = bytes.fromhex("0603551d0e 04")
"""The OID of subjectKeyIdentifier, and the tag of the octets that follow where it is not critical."""

_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\n]+)-----END CERTIFICATE-----\n?")
_MOST_KEPT = 256
_LIBRARY_ERRORS = (x509.UnsupportedGeneralNameType, x509.InvalidVersion, x509.DuplicateExtension)
_Extension = TypeVar("_Extension", bound=x509.ExtensionType)
_Value = TypeVar("_Value")


@dataclass(frozen=True, kw_only=True, slots=True)
class CertificateFacts:
    """One parsed certificate. Two with the same `sha256` are the same certificate.

    Attributes:
        version: 1 or 3, as people count.
        subject: the attributes in order, as (manifest's field name or dotted OID, value).
        subject_text: the subject for people and logs; `issuer_text` is the issuer so.
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
        der: the whole of it.
        crl_urls: where revocation lists for it can be fetched; empty where it does not say.
    """

    version: int
    serial_number: int
    subject: tuple[tuple[str, str], ...]
    subject_text: str
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
    der: bytes = field(repr=False, compare=False)

    @property
    def certificate(self) -> x509.Certificate:
        """The certificate itself, parsed anew each time: what the library keeps of one would fill the memory."""
        return x509.load_der_x509_certificate(self.der)

    def is_signed_by(self, public_key: PublicKeyTypes) -> bool:
        """Whether it carries a signature of this key. Says nothing about names, dates or usages."""
        known = _SIGNED.setdefault(_SIGNERS.digest(public_key), {})
        if self.sha256 not in known:
            known[self.sha256] = is_encoding_signed_by_key(self.der, public_key)
        return known[self.sha256]

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
        single = _read_single(pem)
        if single is not None:
            return (single,)
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
    return _describe(certificate.public_bytes(Encoding.DER), certificate)


def _read_single(pem: bytes) -> CertificateFacts | None:
    """The one certificate of a file that is as we write it; None where it is not, or where that is not sure."""
    plain = _PEM.fullmatch(pem)
    if plain is None:
        return None
    try:
        der = binascii.a2b_base64(plain[1].replace(b"\n", b""), strict_mode=True)
        certificate = x509.load_der_x509_certificate(der)
    except ValueError:
        return None
    return _describe(der, certificate)


def _describe(der: bytes, certificate: x509.Certificate) -> CertificateFacts:
    parts = split_certificate(der)
    subject = _NAMES.read(parts.subject, lambda: certificate.subject)
    issuer = _NAMES.read_again(parts.issuer, lambda: certificate.issuer)
    extensions, key_id = _read_extensions(parts, certificate)
    return CertificateFacts(
        version=certificate.version.value + 1,
        serial_number=certificate.serial_number,
        subject=subject.attributes,
        subject_text=subject.text,
        subject_der=parts.subject,
        issuer_der=_shared(parts.issuer),
        issuer_text=issuer.text,
        not_before=_shared(certificate.not_valid_before_utc),
        not_after=_shared(certificate.not_valid_after_utc),
        alt_names=extensions.alt_names,
        usages=extensions.usages,
        key_usage=extensions.key_usage,
        is_ca=extensions.is_ca,
        path_length=extensions.path_length,
        subject_key_id=key_id,
        authority_key_id=extensions.authority_key_id,
        authority_serial=extensions.authority_serial,
        key_type=key_type_name(certificate.public_key()),
        spki_sha256=digest_of_key(parts.public_key),
        sha256=hashlib.sha256(der).hexdigest(),
        weak_signature=certificate.signature_algorithm_oid in _SHA1,
        crl_urls=extensions.crl_urls,
        der=der,
    )


def remember_signature(sha256: str, issuer_key: str) -> None:
    """Says that a certificate was verified with a key, in this process or in a copy of it.

    Args:
        sha256: the certificate's digest.
        issuer_key: the digest of the public key.
    """
    _SIGNED.setdefault(issuer_key, {})[sha256] = True


def is_issued_by(facts: CertificateFacts, issuer: CertificateFacts) -> bool:
    """Whether `facts` names `issuer` by its subject and carries its signature."""
    return is_signed_by(facts.certificate, issuer.certificate)


@dataclass(frozen=True, kw_only=True, slots=True)
class _ExtensionFacts:
    """What the extensions say but for the key's own identifier, with the names of `CertificateFacts`."""

    alt_names: frozenset[str]
    usages: frozenset[str] | None
    key_usage: frozenset[str] | None
    is_ca: bool | None
    path_length: int | None
    authority_key_id: str | None
    authority_serial: int | None
    crl_urls: tuple[str, ...]


def _read_extensions(parts: CertificateParts, certificate: x509.Certificate) -> tuple[_ExtensionFacts, str | None]:
    """The extensions, and the subject key identifier. Those that many certificates have are looked at once."""
    others = tuple(extension for extension in parts.extensions if extension[2:8] != _SUBJECT_KEY_ID)
    own = [extension for extension in parts.extensions if extension[2:8] == _SUBJECT_KEY_ID]
    key_id = _plain_key_id(own[0]) if len(own) == 1 else None
    known = _EXTENSIONS.get((certificate.version, others)) if key_id is not None or not own else None
    if known is not None:
        return known, key_id
    extensions = certificate.extensions
    ski = _extension(extensions, x509.SubjectKeyIdentifier)
    found = _look_at(extensions)
    # One whose identifier has another form is among the others, and no certificate's but its own.
    if key_id is not None or ski is None:
        if len(_EXTENSIONS) >= _MOST_KEPT:
            _EXTENSIONS.clear()
        _EXTENSIONS[certificate.version, others] = found
    return found, ski.digest.hex() if ski else None


def _plain_key_id(extension: bytes) -> str | None:
    """The identifier in an extension whose lengths are of one byte each; None where they are not."""
    digest = extension[11:]
    is_plain = len(extension) > 11 and extension[9] == 0x04 and extension[10] == len(digest)
    return digest.hex() if is_plain else None


def _look_at(extensions: x509.Extensions) -> _ExtensionFacts:
    san = _extension(extensions, x509.SubjectAlternativeName)
    usages = _extension(extensions, x509.ExtendedKeyUsage)
    key_usage = _extension(extensions, x509.KeyUsage)
    constraints = _extension(extensions, x509.BasicConstraints)
    aki = _extension(extensions, x509.AuthorityKeyIdentifier)
    points = _extension(extensions, x509.CRLDistributionPoints)
    return _ExtensionFacts(
        alt_names=parse_general_names(san) if san else frozenset(),
        usages=frozenset(_USAGES.get(oid, oid.dotted_string) for oid in usages) if usages else None,
        key_usage=frozenset(b for b in _KEY_USAGE_BITS if getattr(key_usage, b)) if key_usage else None,
        is_ca=constraints.ca if constraints else None,
        path_length=constraints.path_length if constraints else None,
        authority_key_id=aki.key_identifier.hex() if aki and aki.key_identifier else None,
        authority_serial=aki.authority_cert_serial_number if aki else None,
        crl_urls=_urls(points) if points else (),
    )


def _urls(points: x509.CRLDistributionPoints) -> tuple[str, ...]:
    names = (name for point in points for name in point.full_name or ())
    return tuple(name.value for name in names if isinstance(name, x509.UniformResourceIdentifier))


def _extension(extensions: x509.Extensions, kind: type[_Extension]) -> _Extension | None:
    try:
        return extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


@functools.lru_cache(maxsize=4096)
def _shared(value: _Value) -> _Value:
    """The same object for equal values: ten thousand certificates of one night have the same dates and issuer."""
    return value


_SIGNED: dict[str, dict[str, bool]] = {}
"""Of each key's digest the certificates that were verified with it, by theirs: an `apply` asks twice about most."""


class _Signers:
    """The digest of a public key, which is nearly always the one that was asked about last."""

    def __init__(self) -> None:
        self._last: tuple[PublicKeyTypes, str] | None = None

    def digest(self, public_key: PublicKeyTypes) -> str:
        if self._last is None or self._last[0] is not public_key:
            self._last = public_key, spki_sha256(public_key)
        return self._last[1]


_SIGNERS = _Signers()
_NAMES = NameReader()
_EXTENSIONS: dict[tuple[x509.Version, tuple[bytes, ...]], _ExtensionFacts] = {}
