"""GnuTLS, a second library in C with a path validation of its own."""

from pathlib import Path

import pytest

from edgecerts.pki.key_types import KeyType
from tests.interop.plants import ADDRESSES, ALL_TYPES, BRIDGE_NAMES, NAMES, OTHER_ADDRESS, OTHER_NAMES, Plants
from tests.interop.programs import run_program

_SERVER = "1.3.6.1.5.5.7.3.1"
_CLIENT = "1.3.6.1.5.5.7.3.2"

_TRUSTED = "Chain verification output: Verified. The certificate is trusted."
_WRONG_NAME = "The name in the certificate does not match the expected."
_WRONG_PURPOSE = "The certificate chain does not match the intended purpose."
_NO_ISSUER = "The certificate issuer is unknown."

every_ca_type = pytest.mark.parametrize("ca_type", ALL_TYPES)
every_leaf_type = pytest.mark.parametrize("leaf_type", ALL_TYPES)


def verify(ca: Path, certificate: Path, purpose: str, *, host: str | None = None) -> str:
    """The closing line of `certtool --verify`."""
    host_options = () if host is None else ("--verify-hostname", host)
    done = run_program(
        "certtool",
        "--verify",
        *("--load-ca-certificate", ca, "--infile", certificate, "--verify-profile", "medium"),
        *("--verify-purpose", purpose, *host_options),
    )
    verdict = (done.stdout.strip().splitlines() or [done.stderr])[-1].strip()
    assert (done.returncode == 0) is verdict.startswith(_TRUSTED), done.stdout + done.stderr
    return verdict


@every_leaf_type
@every_ca_type
def test_gnutls_accepts_a_broker_under_each_of_its_names(plants: Plants, ca_type: KeyType, leaf_type: KeyType) -> None:
    plant = plants[ca_type]
    for host in NAMES + ADDRESSES:
        assert verify(plant.ca, plant.broker(leaf_type).certificate, _SERVER, host=host) == _TRUSTED, host


@every_leaf_type
@every_ca_type
def test_gnutls_accepts_a_client_as_a_client_and_not_as_a_server(
    plants: Plants, ca_type: KeyType, leaf_type: KeyType
) -> None:
    plant = plants[ca_type]
    client = plant.client(leaf_type).certificate
    assert verify(plant.ca, client, _CLIENT) == _TRUSTED
    assert _WRONG_PURPOSE in verify(plant.ca, client, _SERVER)


@every_ca_type
def test_gnutls_refuses_a_broker_where_it_does_not_belong(plants: Plants, ca_type: KeyType) -> None:
    plant = plants[ca_type]
    server = plant.broker(ca_type).certificate
    for host in (*OTHER_NAMES, OTHER_ADDRESS):
        assert _WRONG_NAME in verify(plant.ca, server, _SERVER, host=host), host
    assert _WRONG_PURPOSE in verify(plant.ca, server, _CLIENT)
    assert _NO_ISSUER in verify(plants.other_than(ca_type).ca, server, _SERVER)


@every_ca_type
def test_gnutls_accepts_a_bridge_in_both_roles(plants: Plants, ca_type: KeyType) -> None:
    plant = plants[ca_type]
    bridge = plant.broker("bridge").certificate
    assert verify(plant.ca, bridge, _CLIENT) == _TRUSTED
    for name in BRIDGE_NAMES:
        assert verify(plant.ca, bridge, _SERVER, host=name) == _TRUSTED, name


@every_ca_type
@pytest.mark.parametrize(("broker", "name"), [("localhost", "localhost"), ("container", "mqtt_broker")])
def test_gnutls_accepts_a_broker_with_a_name_of_a_small_network(
    plants: Plants, ca_type: KeyType, broker: str, name: str
) -> None:
    plant = plants[ca_type]
    assert verify(plant.ca, plant.broker(broker).certificate, _SERVER, host=name) == _TRUSTED


@every_ca_type
@pytest.mark.parametrize("name", ["mail", "device", "long"])
def test_gnutls_accepts_a_client_with_an_alternative_name(plants: Plants, ca_type: KeyType, name: str) -> None:
    plant = plants[ca_type]
    assert verify(plant.ca, plant.client(name).certificate, _CLIENT) == _TRUSTED
