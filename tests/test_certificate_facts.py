"""What is read of a certificate by its bytes is what the library says of it."""

import datetime
import hashlib
import itertools
from collections.abc import Iterator

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.name import _ASN1Type
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from edgecerts.errors import InvalidCertificateError
from edgecerts.pki.certificate_facts import describe_certificate, parse_certificates
from edgecerts.pki.x509_names import name_attributes, name_text

NOW = datetime.datetime(2026, 3, 1, tzinfo=datetime.UTC)
KEY = ec.generate_private_key(ec.SECP256R1())


def name(*parts: tuple[x509.ObjectIdentifier, str] | list[tuple[x509.ObjectIdentifier, str]]) -> x509.Name:
    """A name; a list among the parts is one relative distinguished name with several attributes."""
    return x509.Name(
        x509.RelativeDistinguishedName(x509.NameAttribute(oid, value) for oid, value in part)
        if isinstance(part, list)
        else x509.RelativeDistinguishedName([x509.NameAttribute(*part)])
        for part in parts
    )


CN, ORGANIZATION = NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME
NAMES = (
    name((CN, "dev-000001")),
    name((CN, "dev-000002")),
    name((NameOID.COUNTRY_NAME, "US"), (ORGANIZATION, "Bench"), (CN, "a.b_c-d")),
    name((ORGANIZATION, "Plant, East + West"), (CN, " leading, and #escaped ")),
    name((CN, "#dev")),
    name((CN, "grün")),
    name((CN, "x" * 64)),
    name([(CN, "dev"), (NameOID.SERIAL_NUMBER, "7")]),
    name([(CN, "dev"), (ORGANIZATION, "Bench")], (CN, "dev")),
    name((NameOID.EMAIL_ADDRESS, "pki@plant.example"), (CN, "dev")),
    name((NameOID.USER_ID, "u" * 200), (CN, "dev")),
    x509.Name([x509.NameAttribute(CN, "printable", _type=_ASN1Type.PrintableString)]),
    x509.Name([x509.NameAttribute(CN, "wide", _type=_ASN1Type.BMPString)]),
    x509.Name([]),
)
SKI = x509.SubjectKeyIdentifier.from_public_key(KEY.public_key())
AKI = x509.AuthorityKeyIdentifier.from_issuer_public_key(KEY.public_key())
SAN = x509.SubjectAlternativeName([x509.DNSName("Plant.example"), x509.RFC822Name("a@B.example")])
CLIENT = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
LEAF = x509.BasicConstraints(ca=False, path_length=None)
AUTHORITY = x509.BasicConstraints(ca=True, path_length=3)
Extensions = tuple[tuple[x509.ExtensionType, bool], ...]
EXTENSIONS: tuple[Extensions, ...] = (
    (),
    ((SKI, False),),
    ((SKI, True),),
    ((x509.SubjectKeyIdentifier(b""), False), (LEAF, True)),
    ((x509.SubjectKeyIdentifier(b"k" * 130), False), (LEAF, True)),
    ((LEAF, True), (CLIENT, False), (SKI, False), (AKI, False)),
    ((LEAF, True), (CLIENT, False), (AKI, False)),
    ((LEAF, True), (SAN, False), (SKI, False), (AKI, False)),
    ((AUTHORITY, True), (SKI, False), (AKI, False)),
    ((x509.AuthorityKeyIdentifier(None, [x509.DirectoryName(NAMES[0])], 7), False), (SKI, False)),
)


def certificates() -> Iterator[x509.Certificate]:
    """Each name and each set of extensions, twice over: what is known from before is no different."""
    for subject, extensions in (*itertools.product(NAMES, EXTENSIONS), *itertools.product(NAMES, EXTENSIONS)):
        yield sign(KEY.public_key(), subject, extensions)
    for public_key in (
        rsa.generate_private_key(65537, 1024).public_key(),
        ed25519.Ed25519PrivateKey.generate().public_key(),
        ec.generate_private_key(ec.SECP521R1()).public_key(),
    ):
        yield sign(public_key, NAMES[0], EXTENSIONS[5])


def sign(public_key: CertificatePublicKeyTypes, subject: x509.Name, extensions: Extensions) -> x509.Certificate:
    builder = (
        x509.CertificateBuilder(name((CN, "Bench CA")), subject, public_key, x509.random_serial_number())
        .not_valid_before(NOW)
        .not_valid_after(NOW + datetime.timedelta(days=90))
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return builder.sign(KEY, hashes.SHA256())


def value(certificate: x509.Certificate, kind: type[x509.ExtensionType]) -> x509.ExtensionType | None:
    return next((extension.value for extension in certificate.extensions if isinstance(extension.value, kind)), None)


@pytest.mark.parametrize("as_file", [False, True], ids=["parsed", "from a file"])
def test_every_fact_is_the_librarys(as_file: bool) -> None:
    for certificate in certificates():
        if as_file:
            (facts,) = parse_certificates(certificate.public_bytes(Encoding.PEM))
        else:
            facts = describe_certificate(certificate)
        assert facts.certificate == certificate
        assert facts.subject == name_attributes(certificate.subject)
        assert facts.subject_text == name_text(certificate.subject)
        assert facts.subject_der == certificate.subject.public_bytes()
        assert facts.issuer_der == certificate.issuer.public_bytes()
        assert facts.issuer_text == name_text(certificate.issuer)
        assert (facts.not_before, facts.not_after) == (
            certificate.not_valid_before_utc,
            certificate.not_valid_after_utc,
        )
        ski, aki = value(certificate, x509.SubjectKeyIdentifier), value(certificate, x509.AuthorityKeyIdentifier)
        constraints = value(certificate, x509.BasicConstraints)
        assert facts.subject_key_id == (ski.digest.hex() if isinstance(ski, x509.SubjectKeyIdentifier) else None)
        named = aki.key_identifier if isinstance(aki, x509.AuthorityKeyIdentifier) else None
        assert facts.authority_key_id == (named.hex() if named else None)
        assert facts.is_ca == (constraints.ca if isinstance(constraints, x509.BasicConstraints) else None)
        assert facts.usages == (frozenset({"client"}) if value(certificate, x509.ExtendedKeyUsage) else None)
        san = value(certificate, x509.SubjectAlternativeName)
        assert facts.alt_names == (frozenset({"plant.example", "email:a@b.example"}) if san else frozenset())
        spki = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        assert facts.spki_sha256 == hashlib.sha256(spki).hexdigest()
        assert facts.sha256 == certificate.fingerprint(hashes.SHA256()).hex()
        assert facts.is_signed_by(KEY.public_key())
        assert not facts.is_signed_by(ec.generate_private_key(ec.SECP256R1()).public_key())


def test_a_second_subject_key_identifier_is_refused_whatever_was_read_before() -> None:
    certificate = sign(KEY.public_key(), NAMES[0], EXTENSIONS[5])
    describe_certificate(certificate)
    der = certificate.public_bytes(Encoding.DER)
    # The second extension gets the identifier of the third, and with it the same length.
    own = bytes.fromhex("0603551d0e")
    doubled = der.replace(bytes.fromhex("0603551d23"), own)
    assert doubled.count(own) == 2
    with pytest.raises(InvalidCertificateError, match=r"[Dd]uplicate"):
        parse_certificates(x509.load_der_x509_certificate(doubled).public_bytes(Encoding.PEM))


def test_a_damaged_file_is_told_as_before() -> None:
    pem = sign(KEY.public_key(), NAMES[0], EXTENSIONS[5]).public_bytes(Encoding.PEM)
    for damaged in (pem.replace(b"M", b"!", 1), pem.replace(b"=", b"", 1), pem[:200] + pem[210:]):
        if damaged != pem:
            with pytest.raises(InvalidCertificateError, match="not a certificate"):
                parse_certificates(damaged)
