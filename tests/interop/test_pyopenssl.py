"""The newest OpenSSL, which `cryptography` carries with it: stricter in some points than the system's."""

import contextlib
from pathlib import Path

import pytest
from cryptography import x509
from OpenSSL import SSL
from OpenSSL.crypto import X509, X509Store, X509StoreContext, X509StoreContextError, X509StoreFlags

from edgecerts.pki.key_types import KeyType
from tests.interop.plants import ALL_TYPES, Pair, Plants

every_ca_type = pytest.mark.parametrize("ca_type", ALL_TYPES)
every_leaf_type = pytest.mark.parametrize("leaf_type", ALL_TYPES)


def load(path: Path) -> X509:
    return X509.from_cryptography(x509.load_pem_x509_certificate(path.read_bytes()))


def verify_chain(ca: X509, certificate: X509) -> None:
    store = X509Store()
    store.add_cert(ca)
    store.set_flags(X509StoreFlags.X509_STRICT | X509StoreFlags.CHECK_SS_SIGNATURE)
    X509StoreContext(store, certificate).verify_certificate()


def context(pair: Pair) -> SSL.Context:
    """A context that shows the pair's certificate and demands one of the peer."""
    made = SSL.Context(SSL.TLS_METHOD)
    made.use_certificate_chain_file(str(pair.certificate))
    made.use_privatekey_file(str(pair.private_key))
    made.check_privatekey()
    store = made.get_cert_store()
    assert store is not None
    store.set_flags(X509StoreFlags.X509_STRICT | X509StoreFlags.CHECK_SS_SIGNATURE)
    made.load_verify_locations(str(pair.trust))
    made.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT)
    return made


def shake_hands(server: SSL.Connection, client: SSL.Connection) -> None:
    """Carries the handshake's bytes from one to the other until both are done."""
    server.set_accept_state()
    client.set_connect_state()
    for _ in range(10):
        for end, other in ((client, server), (server, client)):
            with contextlib.suppress(SSL.WantReadError):
                end.do_handshake()
            _carry(end, other)
    client.send(b"ping")
    _carry(client, server)
    assert server.recv(4) == b"ping"


def _carry(source: SSL.Connection, target: SSL.Connection) -> None:
    with contextlib.suppress(SSL.WantReadError):
        target.bio_write(source.bio_read(1 << 16))


def connect(server: Pair, client: Pair) -> None:
    shake_hands(SSL.Connection(context(server), None), SSL.Connection(context(client), None))


@every_ca_type
def test_the_newest_openssl_accepts_every_certificate_and_its_authority(plants: Plants, ca_type: KeyType) -> None:
    plant = plants[ca_type]
    ca = load(plant.ca)
    verify_chain(ca, ca)
    for path in plant.leaves():
        verify_chain(ca, load(path))


@every_ca_type
def test_the_newest_openssl_refuses_every_certificate_of_another_authority(plants: Plants, ca_type: KeyType) -> None:
    other = load(plants.other_than(ca_type).ca)
    for path in plants[ca_type].leaves():
        with pytest.raises(X509StoreContextError, match="unable to get local issuer certificate"):
            verify_chain(other, load(path))


@every_leaf_type
@every_ca_type
def test_the_newest_openssl_connects_with_mutual_tls(plants: Plants, ca_type: KeyType, leaf_type: KeyType) -> None:
    plant = plants[ca_type]
    connect(plant.broker(leaf_type), plant.client(leaf_type))


@every_ca_type
def test_the_newest_openssl_refuses_a_swap_of_roles_and_a_stranger(plants: Plants, ca_type: KeyType) -> None:
    plant = plants[ca_type]
    broker, client = plant.broker(ca_type), plant.client(ca_type)
    for server, dialling in ((client, client), (broker, broker), (broker, plants.other_than(ca_type).client(ca_type))):
        with pytest.raises(SSL.Error, match="certificate verify failed"):
            connect(server, dialling)
