"""What stands in the certificates, field by field (RFC 5280 §4)."""

from collections.abc import Iterator

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID

from edgecerts.pki.key_types import KeyType
from tests.interop.plants import ADDRESSES, ALL_TYPES, LONGEST, NAMES, Plant, Plants
from tests.interop.programs import run_program

every_ca_type = pytest.mark.parametrize("ca_type", ALL_TYPES)
every_leaf_type = pytest.mark.parametrize("leaf_type", ALL_TYPES)

_SERVER, _CLIENT = ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH

_HASHES: dict[KeyType, type[hashes.HashAlgorithm] | None] = {
    KeyType.RSA_2048: hashes.SHA256,
    KeyType.RSA_3072: hashes.SHA256,
    KeyType.RSA_4096: hashes.SHA256,
    KeyType.EC_P256: hashes.SHA256,
    KeyType.EC_P384: hashes.SHA384,
    KeyType.EC_P521: hashes.SHA512,
    KeyType.ED25519: None,
}


def certificates(plant: Plant) -> Iterator[x509.Certificate]:
    """The authority's and all others."""
    yield plant.load_ca()
    for path in plant.leaves():
        yield x509.load_pem_x509_certificate(path.read_bytes())


def leaves(plant: Plant) -> Iterator[x509.Certificate]:
    yield from (certificate for certificate in certificates(plant) if certificate != plant.load_ca())


def criticalities(certificate: x509.Certificate) -> dict[x509.ObjectIdentifier, bool]:
    return {extension.oid: extension.critical for extension in certificate.extensions}


def key_usage(certificate: x509.Certificate) -> set[str]:
    """The names of the bits that are set."""
    value = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    bits = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement")
    found = {bit for bit in (*bits, "key_cert_sign", "crl_sign") if getattr(value, bit)}
    # These two may only be asked for where there is key agreement.
    also = {bit for bit in ("encipher_only", "decipher_only") if value.key_agreement and getattr(value, bit)}
    return found | also


def extended_key_usage(certificate: x509.Certificate) -> list[x509.ObjectIdentifier]:
    return list(certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)


def alt_names(certificate: x509.Certificate) -> list[str]:
    """The alternative names in order, each as kind:value."""
    value = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return [f"{type(name).__name__}:{name.value}" for name in value]


def subject_key_id(certificate: x509.Certificate) -> bytes:
    return certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest


def test_every_serial_number_is_positive_random_and_used_once(plants: Plants) -> None:
    serials = [certificate.serial_number for ca_type in ALL_TYPES for certificate in certificates(plants[ca_type])]
    assert len(set(serials)) == len(serials)
    assert all(0 < serial < 1 << 159 for serial in serials)
    # 2^-96 is the chance that one of 2^159 is this small; a counter or a clock always is.
    assert all(serial.bit_length() > 63 for serial in serials)


@every_ca_type
def test_every_certificate_is_of_version_3(plants: Plants, ca_type: KeyType) -> None:
    for certificate in certificates(plants[ca_type]):
        assert certificate.version is x509.Version.v3


@every_ca_type
def test_an_authority_has_its_extensions_and_no_others(plants: Plants, ca_type: KeyType) -> None:
    certificate = plants[ca_type].load_ca()
    assert criticalities(certificate) == {
        ExtensionOID.BASIC_CONSTRAINTS: True,
        ExtensionOID.KEY_USAGE: True,
        ExtensionOID.SUBJECT_ALTERNATIVE_NAME: False,  # the subject's e-mail address
        ExtensionOID.SUBJECT_KEY_IDENTIFIER: False,
        ExtensionOID.AUTHORITY_KEY_IDENTIFIER: False,
    }
    constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    assert constraints == x509.BasicConstraints(ca=True, path_length=None)
    assert key_usage(certificate) == {"key_cert_sign", "crl_sign"}
    assert alt_names(certificate) == ["RFC822Name:pki@plant-a.example"]


@every_leaf_type
@every_ca_type
def test_a_broker_has_its_extensions_and_no_others(plants: Plants, ca_type: KeyType, leaf_type: KeyType) -> None:
    certificate = plants[ca_type].broker(leaf_type).load()
    assert criticalities(certificate) == {
        ExtensionOID.BASIC_CONSTRAINTS: True,
        ExtensionOID.KEY_USAGE: True,
        ExtensionOID.EXTENDED_KEY_USAGE: False,
        ExtensionOID.SUBJECT_ALTERNATIVE_NAME: False,
        ExtensionOID.SUBJECT_KEY_IDENTIFIER: False,
        ExtensionOID.AUTHORITY_KEY_IDENTIFIER: False,
    }
    assert extended_key_usage(certificate) == [_SERVER]
    assert alt_names(certificate) == [
        f"DNSName:{NAMES[0]}",
        f"IPAddress:{ADDRESSES[0]}",
        f"IPAddress:{ADDRESSES[1]}",
        "DNSName:*.lines.plant-a.example",
        "RFC822Name:pki@plant-a.example",
    ]


@every_leaf_type
@every_ca_type
def test_a_client_has_its_extensions_and_no_others(plants: Plants, ca_type: KeyType, leaf_type: KeyType) -> None:
    certificate = plants[ca_type].client(leaf_type).load()
    assert criticalities(certificate) == {
        ExtensionOID.BASIC_CONSTRAINTS: True,
        ExtensionOID.KEY_USAGE: True,
        ExtensionOID.EXTENDED_KEY_USAGE: False,
        ExtensionOID.SUBJECT_KEY_IDENTIFIER: False,
        ExtensionOID.AUTHORITY_KEY_IDENTIFIER: False,
    }
    assert extended_key_usage(certificate) == [_CLIENT]


@every_leaf_type
@every_ca_type
def test_a_leaf_has_a_key_of_the_declared_type_and_may_use_it_as_that_type_can(
    plants: Plants, ca_type: KeyType, leaf_type: KeyType
) -> None:
    for pair in (plants[ca_type].broker(leaf_type), plants[ca_type].client(leaf_type)):
        certificate = pair.load()
        expected = (
            {"digital_signature", "key_encipherment"} if leaf_type.value.startswith("rsa") else {"digital_signature"}
        )
        assert key_usage(certificate) == expected
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
        assert constraints == x509.BasicConstraints(ca=False, path_length=None)
        described = run_program("openssl", "pkey", "-in", pair.private_key, "-noout", "-text").stdout
        assert _key_description(leaf_type) in described


def _key_description(key_type: KeyType) -> str:
    if key_type.value.startswith("rsa"):
        return f"Private-Key: ({key_type.removeprefix('rsa-')} bit, 2 primes)"
    curves = {KeyType.EC_P256: "NIST CURVE: P-256", KeyType.EC_P384: "NIST CURVE: P-384"}
    return {**curves, KeyType.EC_P521: "NIST CURVE: P-521", KeyType.ED25519: "ED25519 Private-Key:"}[key_type]


@every_ca_type
def test_every_rsa_key_has_the_exponent_that_every_stack_takes(plants: Plants, ca_type: KeyType) -> None:
    keys = [certificate.public_key() for certificate in certificates(plants[ca_type])]
    exponents = [key.public_numbers().e for key in keys if isinstance(key, rsa.RSAPublicKey)]
    # A broker and a client of each of the three sizes, and perhaps the authority.
    assert exponents == [65537] * (7 if ca_type.value.startswith("rsa") else 6)


@every_ca_type
def test_a_bridge_is_both_and_has_its_address_as_a_name_too(plants: Plants, ca_type: KeyType) -> None:
    certificate = plants[ca_type].broker("bridge").load()
    assert extended_key_usage(certificate) == [_SERVER, _CLIENT]
    assert alt_names(certificate) == [
        "IPAddress:10.3.0.12",
        "DNSName:xn--brcke-lva.plant-a.example",
        "IPAddress:2001:db8::12",
        "DNSName:10.3.0.12",
        "DNSName:2001:db8::12",
        "RFC822Name:pki@plant-a.example",
    ]


@every_ca_type
def test_a_client_has_the_alternative_names_that_it_was_given(plants: Plants, ca_type: KeyType) -> None:
    assert alt_names(plants[ca_type].client("mail").load()) == ["RFC822Name:pki@plant-a.example"]
    device = plants[ca_type].client("device").load()
    assert alt_names(device) == ["UniformResourceIdentifier:urn:dev:mac:0024befffe804ff1"]


@every_ca_type
def test_the_authority_key_identifier_names_the_authoritys_key_and_nothing_more(
    plants: Plants, ca_type: KeyType
) -> None:
    """With issuer and serial number in it, a renewed authority would break every leaf."""
    plant = plants[ca_type]
    expected = x509.AuthorityKeyIdentifier(
        key_identifier=subject_key_id(plant.load_ca()), authority_cert_issuer=None, authority_cert_serial_number=None
    )
    for certificate in certificates(plant):
        assert certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value == expected


@every_ca_type
def test_a_key_identifier_is_the_sha_1_of_the_key(plants: Plants, ca_type: KeyType) -> None:
    for certificate in certificates(plants[ca_type]):
        expected = x509.SubjectKeyIdentifier.from_public_key(certificate.public_key())
        assert subject_key_id(certificate) == expected.digest


@every_ca_type
def test_the_issuer_is_the_authoritys_subject_byte_for_byte(plants: Plants, ca_type: KeyType) -> None:
    plant = plants[ca_type]
    subject = plant.load_ca().subject.public_bytes()
    assert all(certificate.issuer.public_bytes() == subject for certificate in certificates(plant))


@every_ca_type
def test_the_signature_uses_the_hash_that_fits_the_authoritys_key(plants: Plants, ca_type: KeyType) -> None:
    expected = _HASHES[ca_type]
    for certificate in certificates(plants[ca_type]):
        used = certificate.signature_hash_algorithm
        assert (type(used) if used else None) is expected
        parameters = certificate.signature_algorithm_parameters
        kind = (
            padding.PKCS1v15
            if ca_type.value.startswith("rsa")
            else ec.ECDSA
            if ca_type.startswith("ec-")
            else type(None)
        )
        assert isinstance(parameters, kind)


@every_ca_type
def test_a_name_is_written_in_the_string_types_of_the_rfc_and_in_order(plants: Plants, ca_type: KeyType) -> None:
    """RFC 5280 §4.1.2.4 and appendix A: UTF8String, but PrintableString for the country and IA5String for e-mail."""
    plant = plants[ca_type]
    for path, common_name in ((plant.ca, "Plant CA"), (plant.broker(ca_type).certificate, NAMES[0])):
        options = ("-noout", "-subject", "-nameopt", "multiline,utf8,-esc_msb,-align,show_type")
        shown = run_program("openssl", "x509", "-in", path, *options).stdout
        assert [line.strip() for line in shown.splitlines()] == [
            "subject=",
            "countryName = PRINTABLESTRING:DE",
            "stateOrProvinceName = UTF8STRING:Bayern",
            "organizationName = UTF8STRING:Kläranlage Süd GmbH",
            f"commonName = UTF8STRING:{common_name}",
            "emailAddress = IA5STRING:pki@plant-a.example",
        ]


@every_ca_type
def test_an_empty_e_mail_address_takes_the_default_away(plants: Plants, ca_type: KeyType) -> None:
    subject = plants[ca_type].client(ca_type).load().subject.rfc4514_string()
    assert subject == f"CN={ca_type},O=Kläranlage Süd GmbH,ST=Bayern,C=DE"


@every_ca_type
def test_a_subject_of_the_greatest_lengths_is_written_whole(plants: Plants, ca_type: KeyType) -> None:
    subject = plants[ca_type].client("long").load().subject
    names = {"common_name": "CN", "organization": "O", "state": "ST", "email": "1.2.840.113549.1.9.1"}
    expected = [f"{names[key]}={LONGEST[key]}" for key in ("email", "common_name", "organization", "state")]
    assert subject.rfc4514_string() == ",".join([*expected, "C=DE"])


@every_ca_type
def test_a_file_holds_one_certificate_and_trust_is_the_authoritys(plants: Plants, ca_type: KeyType) -> None:
    plant = plants[ca_type]
    for path in plant.leaves():
        assert path.read_bytes().count(b"-----BEGIN ") == 1
        assert (path.parent / "ca.pem").read_bytes() == plant.ca.read_bytes()


@every_ca_type
def test_every_certificate_reads_back_as_it_is_encoded(plants: Plants, ca_type: KeyType) -> None:
    """PEM as RFC 7468 §3 has it: lines of 64 characters, one newline at the end, no carriage return."""
    plant = plants[ca_type]
    for path in (plant.ca, *plant.leaves()):
        pem = path.read_bytes()
        certificate = x509.load_pem_x509_certificate(pem)
        assert certificate.public_bytes(Encoding.PEM) == pem
        assert run_program("openssl", "x509", "-in", path).stdout.encode("ascii") == pem
