"""Private keys with a password: other programs open them, with that password alone, and see how they are protected."""

import ssl
import subprocess
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from edgecerts.pki.key_types import KeyType
from tests.interop.handshake import client_context, server_context, shake_hands
from tests.interop.plants import ALL_TYPES, Plant, make_plant
from tests.interop.programs import run_program

PASSWORD = "correct horse ✓ Schlüssel"

every_type = pytest.mark.parametrize("key_type", ALL_TYPES)


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Plant:
    """A plant in which every private key but the broker's is encrypted; a client for each key type."""
    clients = "\n".join(f"  {key_type}: {{key_type: {key_type}, password: {{env: KEY}}}}" for key_type in ALL_TYPES)
    return make_plant(
        tmp_path_factory.mktemp("locked"),
        "version: 1\n"
        "ca: {common_name: Test CA, password: {env: KEY}}\n"
        "brokers: {b: {common_name: localhost}}\n"
        f"clients:\n{clients}\n",
        KEY=PASSWORD,
    )


def keys(plant: Plant) -> list[Path]:
    """Every encrypted key."""
    return [plant.output / "ca" / "ca.key", *(plant.client(key_type).private_key for key_type in ALL_TYPES)]


def test_openssl_opens_every_key_with_its_password(locked: Plant) -> None:
    for path in keys(locked):
        opened = run_program("openssl", "pkey", "-in", path, "-passin", "env:KEY", "-check", KEY=PASSWORD)
        assert opened.returncode == 0, opened.stderr
        assert "Key is valid" in opened.stdout + opened.stderr


def test_openssl_does_not_open_a_key_with_another_password(locked: Plant) -> None:
    for path in keys(locked):
        opened = run_program("openssl", "pkey", "-in", path, "-passin", "env:KEY", KEY=PASSWORD + " ")
        assert opened.returncode != 0
        assert "PRIVATE KEY" not in opened.stdout


def test_every_key_has_pbes2_with_pbkdf2_sha_256_of_600000_rounds_and_aes_256(locked: Plant) -> None:
    salts = set()
    for path in keys(locked):
        assert path.read_bytes().startswith(b"-----BEGIN ENCRYPTED PRIVATE KEY-----\n")
        shown = run_program("openssl", "asn1parse", "-in", path).stdout
        values = [(line.partition(": ")[2].split()[0], line.rpartition(":")[2]) for line in shown.splitlines()]
        found = [value for kind, value in values if kind in ("OBJECT", "INTEGER")]
        assert found == ["PBES2", "PBKDF2", f"{600_000:06X}", "hmacWithSHA256", "aes-256-cbc"], shown
        random = [value for kind, value in values if kind == "OCTET"]
        salt, initial_vector = random[:2]
        assert len(salt) == len(initial_vector) == 32  # hexadecimal digits of 16 bytes
        salts |= {salt, initial_vector}
    assert len(salts) == 2 * len(keys(locked))


def test_gnutls_opens_every_key_with_its_password_and_with_no_other(locked: Plant) -> None:
    for certificate, path in [(locked.ca, keys(locked)[0]), *_client_files(locked)]:
        opened = _public_key(path, PASSWORD)
        assert opened.returncode == 0, opened.stderr
        public_key = x509.load_pem_x509_certificate(certificate.read_bytes()).public_key()
        pem = public_key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode("ascii")
        assert pem in opened.stdout
        refused = _public_key(path, PASSWORD + "x")
        assert refused.returncode != 0
        assert "Decryption has failed" in refused.stderr


def _client_files(plant: Plant) -> list[tuple[Path, Path]]:
    pairs = [plant.client(key_type) for key_type in ALL_TYPES]
    return [(pair.certificate, pair.private_key) for pair in pairs]


def _public_key(private_key: Path, password: str) -> subprocess.CompletedProcess[str]:
    return run_program("certtool", "--pubkey-info", "--load-privkey", private_key, "--password", password)


@every_type
def test_python_connects_with_an_encrypted_client_key(locked: Plant, key_type: KeyType) -> None:
    broker, client = locked.broker("b"), locked.client(key_type)
    server = server_context(broker, strict=True, mutual=True)
    dialling = client_context(client.trust, strict=True, pair=client, password=PASSWORD)
    shake_hands(server, dialling, "localhost")


@every_type
def test_python_does_not_open_a_client_key_with_another_password(locked: Plant, key_type: KeyType) -> None:
    client = locked.client(key_type)
    with pytest.raises(ssl.SSLError):
        client_context(client.trust, strict=True, pair=client, password="another")


def test_a_password_is_in_no_file(locked: Plant) -> None:
    for path in locked.output.rglob("*"):
        assert path.is_dir() or PASSWORD.encode("utf-8") not in path.read_bytes(), path
