"""Issuing certificates by the profile of RFC 5280, and checking each before anybody uses it."""

import functools
from collections.abc import Container
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InternalError, InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID

from edgecerts.errors import InvalidCertificateError
from edgecerts.pki.certificate_parts import split_certificate, split_signature
from edgecerts.pki.names import AltName, Subject
from edgecerts.pki.private_keys import PrivateKey
from edgecerts.pki.profiles import Usage
from edgecerts.pki.x509_names import build_general_names, build_name

PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey | ed25519.Ed25519PublicKey

_MOST_DRAWS = 10

NOT_RANDOM = "look at this machine's random number generator before anything is signed or any key is made on it"
"""The hint where serial numbers repeat themselves."""

USAGE_OIDS = {Usage.SERVER: ExtendedKeyUsageOID.SERVER_AUTH, Usage.CLIENT: ExtendedKeyUsageOID.CLIENT_AUTH}


@dataclass(frozen=True, kw_only=True, slots=True)
class CertificateSpec:
    """What a certificate says about its subject.

    Attributes:
        alt_names: in the order in which they are written; none leaves the extension out.
        usages: what an end entity may do; empty for an authority.
        name: the subject as it is to be encoded, where it must be the same as before byte for byte.
        subject_key_id: the subject key identifier, where it must be the same as before; else it is derived.
        crl_url: where a revocation list for it can be fetched; None leaves the extension out.
    """

    is_ca: bool
    subject: Subject
    alt_names: tuple[AltName, ...]
    usages: frozenset[Usage]
    name: x509.Name | None = None
    subject_key_id: bytes | None = None
    crl_url: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Period:
    """When a certificate is valid: both instants in UTC, in whole seconds, both included (RFC 5280 §4.1.2.5)."""

    not_before: datetime
    not_after: datetime

    @property
    def lifetime(self) -> timedelta:
        return self.not_after - self.not_before


@dataclass(frozen=True, kw_only=True, slots=True)
class Issuer:
    """Who signs: a certificate and its private key. A root that signs itself has no certificate yet."""

    certificate: x509.Certificate | None
    private_key: PrivateKey


def issue_certificate(
    spec: CertificateSpec,
    period: Period,
    *,
    public_key: PublicKey,
    issuer: Issuer,
    used_serials: Container[int] = frozenset(),
) -> x509.Certificate:
    """Signs a new certificate and checks it.

    The serial number is random, of 159 bits (RFC 5280 §4.1.2.2). The issuer's name is copied from the issuer's
    certificate; the authority key identifier names the issuer's key alone, so that the certificate stays valid when
    its issuer is renewed.

    Args:
        used_serials: the numbers that it does not get.

    Returns:
        the certificate, parsed again from its encoding and verified against its issuer.

    Raises:
        InvalidCertificateError: what was signed is not what was asked for; nothing may use it.
    """
    subject = spec.name or build_name(spec.subject)
    ski = _subject_key_identifier(spec, public_key)
    signer = issuer.certificate
    if period.not_after < period.not_before:
        raise InvalidCertificateError("a new certificate would end before it begins")
    is_rsa = isinstance(public_key, rsa.RSAPublicKey)
    builder = (
        _begin(period, is_ca=spec.is_ca, is_rsa=is_rsa, usages=spec.usages)
        .subject_name(subject)
        .issuer_name(signer.subject if signer else subject)
        .public_key(public_key)
        .serial_number(draw_serial(used_serials))
    )
    if spec.alt_names:
        names = x509.SubjectAlternativeName(build_general_names(spec.alt_names))
        builder = builder.add_extension(names, critical=False)
    builder = builder.add_extension(ski, critical=False)
    aki = authority_key_identifier(signer) if signer else _own_key_identifier(ski)
    builder = builder.add_extension(aki, critical=False)
    if spec.crl_url is not None:
        builder = builder.add_extension(_distribution_points(spec.crl_url), critical=False)
    try:
        signed = builder.sign(issuer.private_key, signature_hash(issuer.private_key))
    except ValueError as error:
        raise InvalidCertificateError(f"the certificate cannot be signed: {error}") from error
    der = signed.public_bytes(serialization.Encoding.DER)
    certificate = x509.load_der_x509_certificate(der)
    _verify_issued(certificate, der, period, public_key=public_key, issuer=_signer(signer or certificate))
    return certificate


def draw_serial(used: Container[int]) -> int:
    """A random serial number that no other certificate has.

    Among 159-bit numbers there is no second one by chance. A generator that repeats itself, as in two copies of one
    virtual machine, would else give one authority two certificates that cannot be revoked apart.

    Raises:
        InvalidCertificateError: only used ones were drawn.
    """
    for _ in range(_MOST_DRAWS):
        number = x509.random_serial_number()
        if number not in used:
            return number
    raise InvalidCertificateError(
        f"the random number generator gave {_MOST_DRAWS} serial numbers that are in use, so it is not random",
        hint=NOT_RANDOM,
    )


def signature_hash(key: PrivateKey) -> hashes.SHA256 | hashes.SHA384 | hashes.SHA512 | None:
    """The hash that a signature by this key uses: as strong as the curve, SHA-256 for RSA, none for Ed25519."""
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return None
    if isinstance(key, ec.EllipticCurvePrivateKey):
        if key.curve.key_size > 384:
            return hashes.SHA512()
        if key.curve.key_size > 256:
            return hashes.SHA384()
    return hashes.SHA256()


@functools.lru_cache(maxsize=16)
def _begin(period: Period, *, is_ca: bool, is_rsa: bool, usages: frozenset[Usage]) -> x509.CertificateBuilder:
    """What the certificates of a fleet have in common, and stands before what they do not."""
    builder = (
        x509.CertificateBuilder()
        .not_valid_before(period.not_before)
        .not_valid_after(period.not_after)
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
        .add_extension(_key_usage(is_ca=is_ca, is_rsa=is_rsa), critical=True)
    )
    if not usages:
        return builder
    oids = [USAGE_OIDS[usage] for usage in Usage if usage in usages]
    return builder.add_extension(x509.ExtendedKeyUsage(oids), critical=False)


@functools.cache
def _key_usage(*, is_ca: bool, is_rsa: bool) -> x509.KeyUsage:
    """RFC 5280 §4.2.1.3: an authority signs certificates and CRLs; an end entity signs, and with RSA also gets
    session keys sent (TLS 1.2's RSA key exchange, which some devices still use).
    """
    return x509.KeyUsage(
        digital_signature=not is_ca,
        content_commitment=False,
        key_encipherment=not is_ca and is_rsa,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=is_ca,
        crl_sign=is_ca,
        encipher_only=False,
        decipher_only=False,
    )


def _subject_key_identifier(spec: CertificateSpec, public_key: PublicKey) -> x509.SubjectKeyIdentifier:
    return x509.SubjectKeyIdentifier(spec.subject_key_id or derive_key_id(public_key))


def derive_key_id(public_key: PublicKey) -> bytes:
    """The key identifier that a new certificate gives to a key, unless it takes over another.

    The SHA-1 here is an identifier, not a signature: method 1 of RFC 5280 §4.2.1.2, which every tool expects.
    """
    return x509.SubjectKeyIdentifier.from_public_key(public_key).digest


def authority_key_identifier(signer: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    """The issuer's subject key identifier, copied (RFC 5280 §4.2.1.1)."""
    try:
        ski = signer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    except x509.ExtensionNotFound:
        return x509.AuthorityKeyIdentifier.from_issuer_public_key(usable_public_key(signer))
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(ski)


def _own_key_identifier(own: x509.SubjectKeyIdentifier) -> x509.AuthorityKeyIdentifier:
    """A root's, which is its own."""
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own)


def _distribution_points(url: str) -> x509.CRLDistributionPoints:
    """Where a revocation list for this certificate can be fetched (RFC 5280 §4.2.1.13)."""
    point = x509.DistributionPoint(
        full_name=[x509.UniformResourceIdentifier(url)], relative_name=None, reasons=None, crl_issuer=None
    )
    return x509.CRLDistributionPoints([point])


def usable_public_key(certificate: x509.Certificate) -> PublicKey:
    """A certificate's public key.

    Raises:
        InvalidCertificateError: it is of a kind that does not sign.
    """
    public_key = certificate.public_key()
    if not isinstance(public_key, PublicKey):
        raise InvalidCertificateError("the certificate's key is of a kind that cannot sign here")
    return public_key


@dataclass(frozen=True, kw_only=True, slots=True)
class _Signer:
    """What every certificate of an issuer is verified with.

    Attributes:
        subject: its name as encoded.
    """

    subject: bytes
    public_key: PublicKeyTypes
    not_before: datetime
    not_after: datetime


@functools.lru_cache(maxsize=4)
def _signer(certificate: x509.Certificate) -> _Signer:
    """Read once: a fleet has one issuer."""
    return _Signer(
        subject=split_certificate(certificate.public_bytes(serialization.Encoding.DER)).subject,
        public_key=certificate.public_key(),
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
    )


def _verify_issued(
    certificate: x509.Certificate, der: bytes, period: Period, *, public_key: PublicKey, issuer: _Signer
) -> None:
    """Raises InvalidCertificateError unless the parsed certificate is what was asked for."""
    if not _is_signed(der, certificate, issuer.public_key):
        raise InvalidCertificateError("a new certificate's signature does not fit its issuer")
    if certificate.public_key() != public_key:
        raise InvalidCertificateError("a new certificate holds another public key than asked for")
    if split_certificate(der).issuer != issuer.subject:
        raise InvalidCertificateError("a new certificate's issuer differs from the authority's subject")
    written = (certificate.not_valid_before_utc, certificate.not_valid_after_utc)
    if written != (period.not_before, period.not_after):
        raise InvalidCertificateError("a new certificate's dates are not those asked for")
    if written[0] < issuer.not_before or written[1] > issuer.not_after:
        raise InvalidCertificateError("a new certificate would not lie within its authority's lifetime")


def is_signed_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Whether the certificate names the issuer and carries its signature. Says nothing about dates or usages."""
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def is_signed_by_key(certificate: x509.Certificate, public_key: PublicKeyTypes) -> bool:
    """Whether the certificate carries a signature of this key. Says nothing about names, dates or usages."""
    return _is_signed(certificate.public_bytes(serialization.Encoding.DER), certificate, public_key)


def is_encoding_signed_by_key(der: bytes, public_key: PublicKeyTypes) -> bool:
    """The same for a certificate in DER that the library has accepted before."""
    return _is_signed(der, x509.load_der_x509_certificate(der), public_key)


def _is_signed(der: bytes, certificate: x509.Certificate, public_key: PublicKeyTypes) -> bool:
    signed, signature, unused_bits = split_signature(der)
    if unused_bits:
        # A signature is whole octets (RFC 5280 4.1.1.3). OpenSSL refuses others; the library drops the count.
        return False
    try:
        algorithm = certificate.signature_hash_algorithm
        if algorithm is not None and isinstance(public_key, ec.EllipticCurvePublicKey):
            public_key.verify(signature, signed, ec.ECDSA(algorithm))
        elif isinstance(public_key, ed25519.Ed25519PublicKey):
            public_key.verify(signature, signed)
        elif algorithm is None:
            return False
        elif isinstance(public_key, rsa.RSAPublicKey):
            scheme = certificate.signature_algorithm_parameters
            if not isinstance(scheme, padding.AsymmetricPadding):
                return False
            public_key.verify(signature, signed, scheme, algorithm)
        else:
            return False
    except (InvalidSignature, UnsupportedAlgorithm, InternalError, ValueError, TypeError):
        return False
    return True


def encode_certificates(*certificates: x509.Certificate) -> bytes:
    """PEM text of the certificates, in order."""
    return b"".join(certificate.public_bytes(serialization.Encoding.PEM) for certificate in certificates)
