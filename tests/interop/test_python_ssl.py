"""Python's `ssl`, which is what paho-mqtt, Home Assistant and many gateways use, by default and as strict as 3.13."""

import ssl

import pytest

from edgecerts.pki.key_types import KeyType
from tests.interop.handshake import client_context, server_context, shake_hands
from tests.interop.plants import ADDRESSES, ALL_TYPES, BRIDGE_NAMES, NAMES, OTHER_ADDRESS, OTHER_NAMES, Plants

every_ca_type = pytest.mark.parametrize("ca_type", ALL_TYPES)
every_leaf_type = pytest.mark.parametrize("leaf_type", ALL_TYPES)
strict_or_not = pytest.mark.parametrize("strict", [True, False], ids=["strict", "lenient"])


@strict_or_not
@every_leaf_type
@every_ca_type
def test_python_connects_to_a_broker_under_each_of_its_names(
    plants: Plants, ca_type: KeyType, leaf_type: KeyType, strict: bool
) -> None:
    broker, client = plants[ca_type].broker(leaf_type), plants[ca_type].client(leaf_type)
    server = server_context(broker, strict=strict)
    for host in NAMES + ADDRESSES:
        shake_hands(server, client_context(client.trust, strict=strict), host)


@strict_or_not
@every_leaf_type
@every_ca_type
def test_python_connects_with_mutual_tls(plants: Plants, ca_type: KeyType, leaf_type: KeyType, strict: bool) -> None:
    broker, client = plants[ca_type].broker(leaf_type), plants[ca_type].client(leaf_type)
    server = server_context(broker, strict=strict, mutual=True)
    end = shake_hands(server, client_context(client.trust, strict=strict, pair=client), NAMES[0])
    peer = end.getpeercert()
    assert peer is not None
    assert (("commonName", leaf_type.value),) in peer["subject"]


@strict_or_not
@every_ca_type
def test_a_bridge_connects_to_another_broker_with_its_server_certificate(
    plants: Plants, ca_type: KeyType, strict: bool
) -> None:
    broker, bridge = plants[ca_type].broker("localhost"), plants[ca_type].broker("bridge")
    dialling = client_context(bridge.trust, strict=strict, pair=bridge)
    shake_hands(server_context(broker, strict=strict, mutual=True), dialling, "localhost")
    for name in ("brücke.plant-a.example", *BRIDGE_NAMES):
        shake_hands(server_context(bridge, strict=strict), client_context(broker.trust, strict=strict), name)


@strict_or_not
@every_ca_type
def test_python_connects_to_a_broker_whose_name_has_an_underscore(
    plants: Plants, ca_type: KeyType, strict: bool
) -> None:
    broker, client = plants[ca_type].broker("container"), plants[ca_type].client("long")
    dialling = client_context(client.trust, strict=strict, pair=client)
    shake_hands(server_context(broker, strict=strict, mutual=True), dialling, "mqtt_broker")


@strict_or_not
@every_ca_type
def test_python_refuses_a_broker_under_a_name_that_it_does_not_have(
    plants: Plants, ca_type: KeyType, strict: bool
) -> None:
    broker = plants[ca_type].broker(ca_type)
    server = server_context(broker, strict=strict)
    for host in OTHER_NAMES:
        with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
            shake_hands(server, client_context(broker.trust, strict=strict), host)
    with pytest.raises(ssl.SSLCertVerificationError, match="IP address mismatch"):
        shake_hands(server, client_context(broker.trust, strict=strict), OTHER_ADDRESS)


@strict_or_not
@every_ca_type
def test_python_refuses_a_broker_and_a_client_of_another_authority(
    plants: Plants, ca_type: KeyType, strict: bool
) -> None:
    plant, other = plants[ca_type], plants.other_than(ca_type)
    broker, stranger = plant.broker(ca_type), other.client(ca_type)
    with pytest.raises(ssl.SSLCertVerificationError, match="unable to get local issuer certificate"):
        shake_hands(server_context(broker, strict=strict), client_context(stranger.trust, strict=strict), NAMES[0])
    dialling = client_context(plant.ca, strict=strict, pair=stranger)
    with pytest.raises(ssl.SSLCertVerificationError, match="unable to get local issuer certificate"):
        shake_hands(server_context(broker, strict=strict, mutual=True), dialling, NAMES[0])


@strict_or_not
@every_ca_type
def test_python_refuses_a_client_that_shows_nothing_or_a_servers_certificate(
    plants: Plants, ca_type: KeyType, strict: bool
) -> None:
    broker = plants[ca_type].broker(ca_type)
    server = server_context(broker, strict=strict, mutual=True)
    with pytest.raises(ssl.SSLError, match="PEER_DID_NOT_RETURN_A_CERTIFICATE"):
        shake_hands(server, client_context(broker.trust, strict=strict), NAMES[0])
    with pytest.raises(ssl.SSLCertVerificationError, match=r"(unsuitable|unsupported) certificate purpose"):
        shake_hands(server, client_context(broker.trust, strict=strict, pair=broker), NAMES[0])


@every_ca_type
def test_python_refuses_a_client_that_plays_a_broker(plants: Plants, ca_type: KeyType) -> None:
    client = plants[ca_type].client(ca_type)
    with pytest.raises(ssl.SSLCertVerificationError, match=r"(unsuitable|unsupported) certificate purpose"):
        shake_hands(server_context(client, strict=False), client_context(client.trust, strict=False), NAMES[0])
