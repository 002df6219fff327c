"""The `openssl` program at its strictest accepts what it should, and refuses what it should for the right reason."""

from pathlib import Path

import pytest

from edgecerts.pki.key_types import KeyType
from tests.interop.plants import ADDRESSES, ALL_TYPES, BRIDGE_NAMES, NAMES, OTHER_ADDRESS, OTHER_NAMES, Plants
from tests.interop.programs import run_program

_NO_ISSUER, _WRONG_PURPOSE, _WRONG_NAME, _WRONG_ADDRESS = 20, 26, 62, 64
"""X509_V_ERR_… of OpenSSL's x509_vfy.h."""

every_ca_type = pytest.mark.parametrize("ca_type", ALL_TYPES)
every_leaf_type = pytest.mark.parametrize("leaf_type", ALL_TYPES)


def verify(ca: Path, certificate: Path, *options: str) -> str:
    """What `openssl verify` says of the certificate, with every check on that it has."""
    strict = ("-x509_strict", "-check_ss_sig", "-auth_level", "2", "-no-CApath", "-no-CAstore", "-CAfile", ca)
    done = run_program("openssl", "verify", *strict, *options, certificate)
    assert done.returncode == (0 if done.stdout.endswith(": OK\n") else 2), done.stdout + done.stderr
    return done.stdout + done.stderr


def is_accepted(ca: Path, certificate: Path, *options: str) -> bool:
    return verify(ca, certificate, *options) == f"{certificate}: OK\n"


def refusal(ca: Path, certificate: Path, *options: str) -> int:
    """The number of the first error that `openssl verify` finds; 0 where it accepts the certificate."""
    _, _, rest = verify(ca, certificate, *options).partition("error ")
    return int(rest.split()[0]) if rest else 0


@every_leaf_type
@every_ca_type
def test_openssl_accepts_a_broker_under_each_of_its_names(plants: Plants, ca_type: KeyType, leaf_type: KeyType) -> None:
    plant = plants[ca_type]
    server = plant.broker(leaf_type).certificate
    for name, address in zip(NAMES, ADDRESSES, strict=True):
        options = ("-purpose", "sslserver", "-verify_hostname", name, "-verify_ip", address)
        assert is_accepted(plant.ca, server, *options), verify(plant.ca, server, *options)


@every_leaf_type
@every_ca_type
def test_openssl_accepts_a_client_as_a_client_and_not_as_a_server(
    plants: Plants, ca_type: KeyType, leaf_type: KeyType
) -> None:
    plant = plants[ca_type]
    client = plant.client(leaf_type).certificate
    assert is_accepted(plant.ca, client, "-purpose", "sslclient"), verify(plant.ca, client, "-purpose", "sslclient")
    assert refusal(plant.ca, client, "-purpose", "sslserver") == _WRONG_PURPOSE


@every_leaf_type
@every_ca_type
def test_openssl_refuses_a_broker_where_it_does_not_belong(
    plants: Plants, ca_type: KeyType, leaf_type: KeyType
) -> None:
    plant = plants[ca_type]
    server = plant.broker(leaf_type).certificate
    for name in OTHER_NAMES:
        assert refusal(plant.ca, server, "-purpose", "sslserver", "-verify_hostname", name) == _WRONG_NAME
    assert refusal(plant.ca, server, "-purpose", "sslserver", "-verify_ip", OTHER_ADDRESS) == _WRONG_ADDRESS
    assert refusal(plant.ca, server, "-purpose", "sslclient") == _WRONG_PURPOSE
    assert refusal(plants.other_than(ca_type).ca, server, "-purpose", "sslserver") == _NO_ISSUER


@every_ca_type
def test_openssl_accepts_a_bridge_in_both_roles(plants: Plants, ca_type: KeyType) -> None:
    plant = plants[ca_type]
    bridge = plant.broker("bridge").certificate
    assert is_accepted(plant.ca, bridge, "-purpose", "sslclient")
    for name in BRIDGE_NAMES:
        option = "-verify_hostname" if name.endswith(".example") else "-verify_ip"
        assert is_accepted(plant.ca, bridge, "-purpose", "sslserver", option, name), name


@every_ca_type
@pytest.mark.parametrize(("broker", "name"), [("localhost", "localhost"), ("container", "mqtt_broker")])
def test_openssl_accepts_a_broker_with_a_name_of_a_small_network(
    plants: Plants, ca_type: KeyType, broker: str, name: str
) -> None:
    plant = plants[ca_type]
    server = plant.broker(broker).certificate
    assert is_accepted(plant.ca, server, "-purpose", "sslserver", "-verify_hostname", name)


@every_ca_type
@pytest.mark.parametrize("name", ["mail", "device", "long"])
def test_openssl_accepts_a_client_with_an_alternative_name(plants: Plants, ca_type: KeyType, name: str) -> None:
    plant = plants[ca_type]
    assert is_accepted(plant.ca, plant.client(name).certificate, "-purpose", "sslclient")


@every_ca_type
def test_openssl_finds_that_an_authority_signed_itself_and_may_sign(plants: Plants, ca_type: KeyType) -> None:
    plant = plants[ca_type]
    assert is_accepted(plant.ca, plant.ca, "-purpose", "crlsign")
    purposes = run_program("openssl", "x509", "-in", plant.ca, "-noout", "-purpose").stdout
    assert "SSL server CA : Yes\n" in purposes
    assert "SSL client CA : Yes\n" in purposes
    assert "SSL server : No\n" in purposes
