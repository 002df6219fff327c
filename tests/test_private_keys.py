"""Private keys: all seven types, plain and encrypted, and files that are something else."""

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, x25519
from hypothesis import given
from hypothesis import strategies as st

from edgecerts.errors import InvalidKeyError, WrongPasswordError
from edgecerts.pki.key_encryption import encrypt_private_key
from edgecerts.pki.key_types import KeyType
from edgecerts.pki.pem import split_pem
from edgecerts.pki.private_keys import (
    encode_private_key,
    generate_private_key,
    is_encrypted,
    load_private_key,
    read_key_facts,
)

PASSWORD = b"a password"


@pytest.mark.parametrize("key_type", [k for k in KeyType if k not in (KeyType.RSA_3072, KeyType.RSA_4096)])
def test_a_key_reads_back_as_it_was_made(key_type: KeyType) -> None:
    key = generate_private_key(key_type)
    plain, encrypted = encode_private_key(key, None), encode_private_key(key, PASSWORD)
    assert plain.startswith(b"-----BEGIN PRIVATE KEY-----\n")
    assert encrypted.startswith(b"-----BEGIN ENCRYPTED PRIVATE KEY-----\n")
    assert load_private_key(plain, None).public_key() == key.public_key()
    assert load_private_key(encrypted, PASSWORD).public_key() == key.public_key()
    assert read_key_facts(plain).key_type == key_type.value
    assert (is_encrypted(plain), is_encrypted(encrypted)) == (False, True)


@given(st.binary(min_size=1, max_size=200), st.integers(min_value=1, max_value=70_000))
def test_any_password_and_any_number_of_rounds_open_what_they_closed(password: bytes, rounds: int) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    pkcs8 = key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    pem = encrypt_private_key(pkcs8, password, rounds=rounds)
    assert serialization.load_pem_private_key(pem, password).public_key() == key.public_key()


def test_a_wrong_or_missing_password_is_its_own_error() -> None:
    pem = encode_private_key(generate_private_key(KeyType.EC_P256), PASSWORD)
    for password in (b"another", None):
        with pytest.raises(WrongPasswordError):
            load_private_key(pem, password)


@pytest.mark.parametrize("form", [serialization.PrivateFormat.TraditionalOpenSSL, serialization.PrivateFormat.PKCS8])
def test_keys_of_other_tools_are_read(form: serialization.PrivateFormat) -> None:
    key = ec.generate_private_key(ec.SECP384R1())
    plain = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
    encrypted = key.private_bytes(serialization.Encoding.PEM, form, serialization.BestAvailableEncryption(PASSWORD))
    assert read_key_facts(plain).key_type == "ec-p384"
    assert is_encrypted(encrypted)
    assert load_private_key(encrypted, PASSWORD).public_key() == key.public_key()


def pem_of(key: x25519.X25519PrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


PLAIN = encode_private_key(generate_private_key(KeyType.EC_P256), None)


@pytest.mark.parametrize(
    "content",
    [
        b"", b"nonsense", PLAIN[:-20], PLAIN + PLAIN, PLAIN.replace(b"PRIVATE", b"PUBLIC"),
        PLAIN + b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", pem_of(x25519.X25519PrivateKey.generate()),
        b"-----END PRIVATE KEY-----\n" + PLAIN, b"\xff\xfe",
    ],
    ids=["empty", "text", "cut off", "two keys", "a public key", "key and certificate", "no key inside",
         "a kind that cannot sign", "an end without a beginning", "bytes"],
)  # fmt: skip
def test_what_is_not_one_private_key_is_refused(content: bytes) -> None:
    with pytest.raises(InvalidKeyError):
        read_key_facts(content)


def test_the_last_block_of_a_pem_file_may_not_be_cut_off() -> None:
    """The library's own loader passes over it in silence."""
    block = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    assert len(split_pem(b"a comment\n" + block + b"\r\n" + block, ("CERTIFICATE",))) == 2
    with pytest.raises(ValueError, match="cut off"):
        split_pem(block + block[:30], ("CERTIFICATE",))
