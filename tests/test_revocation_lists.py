"""Revocation lists as bytes and values: the profile, and reading what may lie in their place."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from edgecerts.errors import InvalidCertificateError
from edgecerts.pki.certificates import CertificateSpec, Issuer, Period, issue_certificate
from edgecerts.pki.key_types import KeyType
from edgecerts.pki.names import Subject
from edgecerts.pki.private_keys import PrivateKey, generate_private_key
from edgecerts.pki.revocation_lists import (
    RevokedEntry,
    encode_revocation_lists,
    parse_revocation_lists,
    sign_revocation_list,
)
from edgecerts.pki.revocation_reasons import RevocationReason
from tests.conftest import NOW

PERIOD = Period(not_before=NOW - timedelta(hours=1), not_after=NOW + timedelta(days=90))
ENTRIES = tuple(
    RevokedEntry(serial_number=number, reason=reason, at=NOW - timedelta(days=number))
    for number, reason in enumerate(RevocationReason, start=1)
)


def make_authority(
    key_type: KeyType = KeyType.EC_P256, name: x509.Name | None = None
) -> tuple[x509.Certificate, PrivateKey]:
    key = generate_private_key(key_type)
    spec = CertificateSpec(
        is_ca=True, subject=Subject(country="US", common_name="Test CA"), alt_names=(), usages=frozenset(), name=name
    )
    period = Period(not_before=NOW - timedelta(days=1), not_after=NOW + timedelta(days=3650))
    issuer = Issuer(certificate=None, private_key=key)
    return issue_certificate(spec, period, public_key=key.public_key(), issuer=issuer), key


def sign(*entries: RevokedEntry, number: int = 7, url: str | None = None) -> bytes:
    certificate, key = make_authority()
    crl = sign_revocation_list(entries, issuer=certificate, private_key=key, period=PERIOD, number=number, url=url)
    return encode_revocation_lists(crl)


@pytest.mark.parametrize("key_type", KeyType)
def test_a_list_reads_back_as_it_was_signed(key_type: KeyType) -> None:
    certificate, key = make_authority(key_type)
    crl = sign_revocation_list(ENTRIES, issuer=certificate, private_key=key, period=PERIOD, number=1_800_000_000)
    (facts,) = parse_revocation_lists(encode_revocation_lists(crl))
    assert (facts.entries, facts.number, facts.period, facts.url) == (ENTRIES, 1_800_000_000, PERIOD, None)
    assert facts.issuer_der == certificate.subject.public_bytes()
    ski = certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    assert facts.authority_key_id == ski.hex()
    assert facts.is_signed_by(certificate.public_key())
    assert not facts.is_signed_by(make_authority(key_type)[0].public_key())


def test_the_profile_is_that_of_rfc_5280() -> None:
    (facts,) = parse_revocation_lists(sign(*ENTRIES))
    assert {extension.oid: extension.critical for extension in facts.crl.extensions} == {
        x509.AuthorityKeyIdentifier.oid: False,
        x509.CRLNumber.oid: False,
    }
    aki = facts.crl.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    assert (aki.authority_cert_issuer, aki.authority_cert_serial_number) == (None, None)
    reasons = [[extension.oid for extension in entry.extensions] for entry in facts.crl]
    # An unspecified reason is said by saying none (§5.3.1).
    assert reasons == [[], *([[x509.CRLReason.oid]] * (len(ENTRIES) - 1))]


def test_a_list_for_a_distribution_point_says_so() -> None:
    (facts,) = parse_revocation_lists(sign(url="http://pki.example/ca.crl"))
    extension = facts.crl.extensions.get_extension_for_class(x509.IssuingDistributionPoint)
    assert (facts.url, extension.critical) == ("http://pki.example/ca.crl", True)


def test_the_issuer_is_copied_byte_for_byte() -> None:
    """An authority of another tool may have other string types and another order."""
    name = x509.Name(
        [
            x509.NameAttribute(x509.NameOID.COMMON_NAME, "Plant", x509.name._ASN1Type.PrintableString),
            x509.NameAttribute(x509.NameOID.COUNTRY_NAME, "US"),
            x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "Ö", x509.name._ASN1Type.BMPString),
        ]
    )
    certificate, key = make_authority(name=name)
    crl = sign_revocation_list((), issuer=certificate, private_key=key, period=PERIOD, number=1)
    assert crl.issuer.public_bytes() == certificate.subject.public_bytes() == name.public_bytes()


def test_no_certificate_stands_in_it_twice() -> None:
    with pytest.raises(InvalidCertificateError, match="twice"):
        sign(ENTRIES[0], ENTRIES[0])


def test_another_key_does_not_sign() -> None:
    certificate, _ = make_authority()
    with pytest.raises(InvalidCertificateError, match="does not fit"):
        sign_revocation_list(
            (), issuer=certificate, private_key=generate_private_key(KeyType.EC_P256), period=PERIOD, number=1
        )


def test_several_lists_of_one_file_are_read_in_order() -> None:
    first, second = sign(ENTRIES[0]), sign(ENTRIES[1])
    found = parse_revocation_lists(b"# ours\n" + first + second + first)
    assert [facts.entries for facts in found] == [(ENTRIES[0],), (ENTRIES[1],)]


@pytest.mark.parametrize("style", ["merge", "diff3"])
def test_both_sides_of_a_merge_are_read(style: str) -> None:
    """git puts its markers between the lines of the two texts, the first of which both have."""
    ours, theirs = sign(ENTRIES[0]).splitlines(), sign(ENTRIES[1]).splitlines()
    base = [b"||||||| base", *sign().splitlines()[1:-1]] if style == "diff3" else []
    lines = [b"-----BEGIN X509 CRL-----", b"<<<<<<< HEAD", *ours[1:-1], *base, b"=======", *theirs[1:-1]]
    found = parse_revocation_lists(b"\n".join([*lines, b">>>>>>> gateway", b"-----END X509 CRL-----", b""]))
    assert [facts.entries for facts in found] == [(ENTRIES[0],), (ENTRIES[1],)]


@pytest.mark.parametrize(
    "damage",
    [
        lambda pem: b"",
        lambda pem: pem[: len(pem) // 2],
        lambda pem: pem.replace(b"X509 CRL", b"CERTIFICATE"),
        lambda pem: pem.replace(b"\nMI", b"\nMM"),
        lambda pem: pem + pem[:40],
        lambda pem: b"\x30\x03\x02\x01\x01",
        lambda pem: pem.replace(pem[60:90], b"\x00" * 30),
    ],
)
def test_what_is_damaged_is_said_to_be(damage: object) -> None:
    with pytest.raises(InvalidCertificateError, match=r"^not a revocation list: "):
        parse_revocation_lists(damage(sign(*ENTRIES)))  # type: ignore[operator]


def test_a_delta_list_is_none() -> None:
    """It holds only the newest entries, and whoever took it for the whole would let the others in."""
    certificate, key = make_authority()
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(certificate.subject)
        .last_update(datetime(2026, 1, 1, tzinfo=UTC))
        .next_update(datetime(2026, 2, 1, tzinfo=UTC))
        .add_extension(x509.DeltaCRLIndicator(1), critical=True)
    )
    pem = encode_revocation_lists(builder.sign(key, hashes.SHA256()))
    with pytest.raises(InvalidCertificateError, match="delta"):
        parse_revocation_lists(pem)
