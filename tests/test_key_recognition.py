"""Private keys that lie where none should be, told without being opened."""

import subprocess

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from edgecerts.errors import InvalidRequestError
from edgecerts.pki.certificate_requests import build_request, parse_request
from edgecerts.pki.certificates import CertificateSpec
from edgecerts.pki.key_recognition import holds_private_key
from edgecerts.pki.key_types import KeyType
from edgecerts.pki.names import Subject
from edgecerts.pki.private_keys import PrivateKey, generate_private_key
from tests.conftest import NOW
from tests.interop.programs import find_program

KEYS = {key_type: generate_private_key(key_type) for key_type in (KeyType.EC_P256, KeyType.RSA_2048, KeyType.ED25519)}
PASSWORD = BestAvailableEncryption(b"a long enough password")


def forms(key: PrivateKey) -> list[bytes]:
    found = [key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, how) for how in (NoEncryption(), PASSWORD)]
    found.append(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, PASSWORD))
    found.append(key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
    if key is not KEYS[KeyType.ED25519]:
        found.append(key.private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption()))
    return found


@pytest.mark.parametrize("key_type", KEYS)
def test_a_private_key_in_the_place_of_a_request_is_called_one(key_type: KeyType) -> None:
    for data in forms(KEYS[key_type]):
        # What is cut off, or has something behind it, is one nevertheless.
        for content in (data, data + b"garbage", data[: len(data) * 3 // 4]):
            with pytest.raises(InvalidRequestError) as caught:
                parse_request(content)
            assert "it holds a private key, which must stay on its host" in caught.value.message
            assert "make a new key on the host" in (caught.value.hint or "")


def test_an_old_way_to_encrypt_is_recognised() -> None:
    data = KEYS[KeyType.EC_P256].private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    how = ("-v1", "PBE-SHA1-3DES", "-passout", "pass:a password")
    command = ("pkcs8", "-topk8", "-inform", "DER", "-outform", "DER", *how)
    done = subprocess.run([find_program("openssl"), *command], input=data, capture_output=True, check=True)
    assert holds_private_key(done.stdout)


def test_what_is_no_private_key_is_not_called_one() -> None:
    for key in KEYS.values():
        spec = CertificateSpec(is_ca=False, subject=Subject(common_name="x"), alt_names=(), usages=frozenset())
        request = x509.load_pem_x509_csr(build_request(spec, key))
        assert not holds_private_key(request.public_bytes(Encoding.PEM))
        assert not holds_private_key(request.public_bytes(Encoding.DER))
        with pytest.raises(InvalidRequestError) as caught:
            parse_request(request.public_bytes(Encoding.DER))
        assert "converts one in DER" in (caught.value.hint or "")
        assert not holds_private_key(key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "x")])
    own, builder = KEYS[KeyType.RSA_2048], x509.CertificateBuilder(name, name, None, 1, NOW, NOW)
    certificate = builder.public_key(own.public_key()).sign(own, hashes.SHA256())
    assert not holds_private_key(certificate.public_bytes(Encoding.DER))
    assert not holds_private_key(own.public_key().public_bytes(Encoding.DER, PublicFormat.PKCS1))


@given(st.binary(max_size=40) | st.binary(max_size=40).map(lambda rest: b"\x30\x82" + rest))
def test_anything_at_all_is_looked_at(data: bytes) -> None:
    assert holds_private_key(data) in (True, False)
