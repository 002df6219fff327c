"""What the bare primitives cost, in tight loops: the programs that edgecerts is measured against.

    python -m benchmarks.floors issue FOLDER COUNT     key, sign, encode, three files for each; one sync at the end
    python -m benchmarks.floors rsa COUNT              RSA-2048 keys, on all cores
    python -m benchmarks.floors verify FOLDER          read, parse and verify every client's certificate

They plan nothing, compare nothing, check nothing that they wrote, and survive no crash.
"""

import ctypes
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_ONLY_SIGNS = x509.KeyUsage(
    digital_signature=True,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=False,
    crl_sign=False,
    encipher_only=False,
    decipher_only=False,
)


def _name(common_name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "US"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Bench"),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def issue(folder: Path, count: int) -> None:
    """An authority in memory, and for each client its key, its certificate with the same extensions as ours, and the
    authority's."""
    now = datetime.now(UTC).replace(microsecond=0)
    authority_key = ec.generate_private_key(ec.SECP256R1())
    issuer = _name("Bench CA")
    authority = (
        x509.CertificateBuilder(issuer, issuer, authority_key.public_key(), x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=3650))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(authority_key, hashes.SHA256())
        .public_bytes(Encoding.PEM)
    )
    key_id = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key())
    (folder / "clients").mkdir(parents=True)
    for number in range(count):
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = (
            x509.CertificateBuilder(issuer, _name(f"dev-{number:06}"), key.public_key(), x509.random_serial_number())
            .not_valid_before(now)
            .not_valid_after(now + timedelta(days=825))
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_ONLY_SIGNS, critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(key_id, critical=False)
            .sign(authority_key, hashes.SHA256())
        )
        home = folder / "clients" / f"dev-{number:06}"
        home.mkdir()
        _write(home / "client.key", key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        _write(home / "client.pem", certificate.public_bytes(Encoding.PEM))
        _write(home / "ca.pem", authority)
    _sync(folder)


def _sync(folder: Path) -> None:
    """Everything on this file system, as one call; others are none of ours."""
    library, descriptor = ctypes.CDLL(None), os.open(folder, os.O_RDONLY)
    if hasattr(library, "syncfs"):
        library.syncfs(descriptor)
    else:
        os.sync()


def _write(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    os.write(descriptor, content)
    os.close(descriptor)


def make_rsa_keys(count: int) -> None:
    """Making a key releases the interpreter's lock, so threads use all cores."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for _ in pool.map(lambda _: rsa.generate_private_key(public_exponent=65537, key_size=2048), range(count)):
            pass


def verify(folder: Path) -> None:
    """The certificates of every client in an output folder of ours."""
    authority = x509.load_pem_x509_certificate((folder / "ca" / "ca.pem").read_bytes())
    for entry in os.scandir(folder / "clients"):
        descriptor = os.open(f"{entry.path}/client.pem", os.O_RDONLY)
        content = os.read(descriptor, 65536)
        os.close(descriptor)
        x509.load_pem_x509_certificate(content).verify_directly_issued_by(authority)


def main() -> None:
    match sys.argv[1:]:
        case ["issue", folder, count]:
            issue(Path(folder), int(count))
        case ["rsa", count]:
            make_rsa_keys(int(count))
        case ["verify", folder]:
            verify(Path(folder))
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()
