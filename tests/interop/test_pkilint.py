"""pkilint finds nothing, except for two kinds of name that it takes for wrong and RFC 5280 does not."""

from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from pkilint import loader, validation  # type: ignore[import-untyped]
from pkilint.bin import lint_pkix_signer_signee_cert_chain as chain_linter  # type: ignore[import-untyped]
from pkilint.pkix import certificate, extension, name  # type: ignore[import-untyped]

from edgecerts.pki.key_types import KeyType
from tests.interop.plants import ALL_TYPES, Plants

every_ca_type = pytest.mark.parametrize("ca_type", ALL_TYPES)

_DOMAIN = "pkix.invalid_domain_name_syntax"
_URI = "pkix.invalid_uri_syntax"

_UNKNOWN_TO_PKILINT = {
    "*.lines.plant-a.example": ("domain name", _DOMAIN),
    "localhost": ("domain name", _DOMAIN),
    "mqtt_broker": ("domain name", _DOMAIN),
    "10.3.0.12": ("domain name", _DOMAIN),
    "2001:db8::12": ("domain name", _DOMAIN),
    "urn:dev:mac:0024befffe804ff1": ("URI", _URI),
}
"""Wildcards, names without a dot or with an underscore, addresses as dNSNames, and URIs other than http."""


def _load(path: Path, role: str | None = None, collection: dict[str, object] | None = None) -> object:
    der = x509.load_pem_x509_certificate(path.read_bytes()).public_bytes(Encoding.DER)
    document = loader.RFC5280CertificateDocumentLoader().load_der_document(der, str(path), role, collection)
    if collection is not None and role is not None:
        collection[role] = document
    return document.root


def _findings(results: list[validation.ValidationResult]) -> list[tuple[str, str]]:
    """(code, message) of each finding at severity NOTICE or above."""
    found = (finding for result in results for finding in result.finding_descriptions)
    # The worst severity has the lowest number.
    notice = validation.ValidationFindingSeverity.NOTICE
    return [(item.finding.code, item.message) for item in found if item.finding.severity <= notice]


def lint(path: Path) -> list[tuple[str, str]]:
    """What `lint_pkix_cert lint` finds."""
    linter = certificate.create_pkix_certificate_validator_container(
        certificate.create_decoding_validators(name.ATTRIBUTE_TYPE_MAPPINGS, extension.EXTENSION_MAPPINGS),
        [
            certificate.create_issuer_validator_container([]),
            certificate.create_validity_validator_container(),
            certificate.create_subject_validator_container([]),
            certificate.create_extensions_validator_container([]),
            certificate.create_spki_validator_container([]),
        ],
    )
    return _findings(linter.validate(_load(path)))


def lint_chain(issuer: Path, subject: Path) -> list[tuple[str, str]]:
    """What `lint_pkix_signer_signee_cert_chain lint` finds."""
    collection: dict[str, object] = {}
    roots = _load(issuer, "issuer", collection), _load(subject, "subject", collection)
    decoder = chain_linter.create_decoder_validation_container()
    results = decoder.validate(roots[0]) + decoder.validate(roots[1])
    results += chain_linter.create_issuer_validation_container().validate(roots[0])
    results += chain_linter.create_subject_validation_container().validate(roots[1])
    return _findings(results)


def expected_findings(path: Path) -> list[tuple[str, str]]:
    """What pkilint says of the names in a certificate that it does not know."""
    extensions = x509.load_pem_x509_certificate(path.read_bytes()).extensions
    try:
        names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    texts = [*names.get_values_for_type(x509.DNSName), *names.get_values_for_type(x509.UniformResourceIdentifier)]
    known = ((text, *_UNKNOWN_TO_PKILINT[text]) for text in texts if text in _UNKNOWN_TO_PKILINT)
    return [(code, f'Invalid {kind} syntax: "{text}"') for text, kind, code in known]


@every_ca_type
def test_pkilint_finds_nothing_in_an_authority(plants: Plants, ca_type: KeyType) -> None:
    plant = plants[ca_type]
    assert lint(plant.ca) == []
    assert lint_chain(plant.ca, plant.ca) == []


@every_ca_type
def test_pkilint_finds_nothing_in_a_leaf_but_the_names_it_does_not_know(plants: Plants, ca_type: KeyType) -> None:
    for path in plants[ca_type].leaves():
        assert lint(path) == expected_findings(path), path


@every_ca_type
def test_pkilint_finds_nothing_between_an_authority_and_its_leaves(plants: Plants, ca_type: KeyType) -> None:
    plant = plants[ca_type]
    for path in plant.leaves():
        assert lint_chain(plant.ca, path) == [], path


@every_ca_type
def test_pkilint_notices_another_authority_of_the_same_name(plants: Plants, ca_type: KeyType) -> None:
    """So that its silence above means something."""
    other, leaf = plants.other_than(ca_type), plants[ca_type].broker(ca_type).certificate
    codes = {code for code, _ in lint_chain(other.ca, leaf)}
    assert codes, "pkilint sees no difference"
