"""The path validation of the `cryptography` library, which keeps to the Web PKI's rules more closely than others."""

import ipaddress
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.verification import (
    Criticality,
    ExtensionPolicy,
    PolicyBuilder,
    Store,
    Subject,
    VerificationError,
)

from edgecerts.pki.key_types import KeyType
from tests.interop.plants import ADDRESSES, ALL_TYPES, BRIDGE_NAMES, NAMES, OTHER_ADDRESS, OTHER_NAMES, Plants

every_leaf_type = pytest.mark.parametrize("leaf_type", ALL_TYPES)
every_ca_type = pytest.mark.parametrize("ca_type", ALL_TYPES)
every_usable_ca_type = pytest.mark.parametrize("ca_type", [key for key in ALL_TYPES if key is not KeyType.ED25519])


def load(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def builder(ca: Path) -> PolicyBuilder:
    return PolicyBuilder().store(Store([load(ca)])).time(datetime.now(UTC))


def as_subject(host: str) -> Subject:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def verify_server(ca: Path, certificate: Path, host: str) -> None:
    builder(ca).build_server_verifier(as_subject(host)).verify(load(certificate), [])


def verify_client(ca: Path, certificate: Path) -> None:
    # A client needs no alternative name: brokers look at its common name.
    leaf_policy = ExtensionPolicy.webpki_defaults_ee().may_be_present(
        x509.SubjectAlternativeName, Criticality.AGNOSTIC, None
    )
    relaxed = builder(ca).extension_policies(ca_policy=ExtensionPolicy.webpki_defaults_ca(), ee_policy=leaf_policy)
    relaxed.build_client_verifier().verify(load(certificate), [])


@every_leaf_type
@every_usable_ca_type
def test_cryptography_accepts_a_broker_under_each_of_its_names(
    plants: Plants, ca_type: KeyType, leaf_type: KeyType
) -> None:
    plant = plants[ca_type]
    for host in NAMES + ADDRESSES:
        verify_server(plant.ca, plant.broker(leaf_type).certificate, host)


@every_leaf_type
@every_usable_ca_type
def test_cryptography_accepts_a_client_without_an_alternative_name(
    plants: Plants, ca_type: KeyType, leaf_type: KeyType
) -> None:
    plant = plants[ca_type]
    verify_client(plant.ca, plant.client(leaf_type).certificate)


@every_usable_ca_type
def test_cryptography_refuses_a_broker_where_it_does_not_belong(plants: Plants, ca_type: KeyType) -> None:
    plant = plants[ca_type]
    server = plant.broker(ca_type).certificate
    for host in (*OTHER_NAMES, OTHER_ADDRESS):
        with pytest.raises(VerificationError, match="leaf certificate has no matching subjectAltName"):
            verify_server(plant.ca, server, host)
    with pytest.raises(VerificationError, match="required EKU not found"):
        verify_client(plant.ca, server)
    with pytest.raises(VerificationError, match="candidates exhausted"):
        verify_server(plants.other_than(ca_type).ca, server, NAMES[0])


@every_usable_ca_type
def test_cryptography_refuses_a_client_as_a_server(plants: Plants, ca_type: KeyType) -> None:
    plant = plants[ca_type]
    for name in (ca_type.value, "mail", "device", "long"):
        with pytest.raises(VerificationError):
            verify_server(plant.ca, plant.client(name).certificate, NAMES[0])


@every_usable_ca_type
def test_cryptography_accepts_a_bridge_in_both_roles(plants: Plants, ca_type: KeyType) -> None:
    plant = plants[ca_type]
    bridge = plant.broker("bridge").certificate
    verify_client(plant.ca, bridge)
    for name in BRIDGE_NAMES:
        verify_server(plant.ca, bridge, name)


def test_cryptography_still_refuses_a_name_with_an_underscore(plants: Plants) -> None:
    """Should this fail one day, what edgecerts says about underscores can be milder."""
    plant = plants[KeyType.EC_P256]
    with pytest.raises(ValueError, match="invalid domain name"):
        verify_server(plant.ca, plant.broker("container").certificate, "mqtt_broker")


@every_usable_ca_type
@pytest.mark.parametrize("name", ["mail", "device", "long"])
def test_cryptography_accepts_a_client_with_an_alternative_name_as_it_comes(
    plants: Plants, ca_type: KeyType, name: str
) -> None:
    plant = plants[ca_type]
    builder(plant.ca).build_client_verifier().verify(load(plant.client(name).certificate), [])


@every_leaf_type
def test_cryptography_still_refuses_an_authority_with_an_ed25519_key(plants: Plants, leaf_type: KeyType) -> None:
    """Should this fail one day, the library has learnt it: then what edgecerts says about Ed25519 can be milder."""
    plant = plants[KeyType.ED25519]
    with pytest.raises(VerificationError, match="Forbidden public key algorithm"):
        verify_server(plant.ca, plant.broker(leaf_type).certificate, NAMES[0])
    with pytest.raises(VerificationError, match="Forbidden public key algorithm"):
        verify_client(plant.ca, plant.client(leaf_type).certificate)


@every_ca_type
def test_a_client_without_an_alternative_name_is_refused_by_the_default_policy(
    plants: Plants, ca_type: KeyType
) -> None:
    """Should this fail one day, the relaxed policy above is no longer needed."""
    plant = plants[ca_type]
    with pytest.raises(VerificationError):
        builder(plant.ca).build_client_verifier().verify(load(plant.client(ca_type).certificate), [])
