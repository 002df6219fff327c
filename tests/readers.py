"""Reading what was made with the cryptography library alone, not with the code under test."""

from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key


def read_certificate(path: Path) -> x509.Certificate:
    """The only certificate of a file."""
    certificates = x509.load_pem_x509_certificates(path.read_bytes())
    assert len(certificates) == 1
    return certificates[0]


def spki(public_key: PublicKeyTypes) -> bytes:
    """A public key's DER encoding."""
    return public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def key_and_certificate_match(key: Path, certificate: Path, password: bytes | None = None) -> bool:
    """Whether a private key and a certificate belong together."""
    private_key = load_pem_private_key(key.read_bytes(), password)
    return spki(private_key.public_key()) == spki(read_certificate(certificate).public_key())
