"""The folder of every state of an authority and a client, put together from pieces that are made once."""

import json
from datetime import datetime, timedelta
from functools import cache
from hashlib import sha256
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from edgecerts.desired import build_graph
from edgecerts.desired.folder_files import merge_section
from edgecerts.desired.graph import Graph
from edgecerts.manifest import parse_manifest
from tests.conftest import NOW
from tests.readers import spki
from tests.state_rows import LOST, CaCertificate, CaKey, Cell, Certificate, Held, Key

PASSWORD = b"a password of the test"
DAMAGED_PEM = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
DAMAGED_KEY_PEM = b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"
DAY = timedelta(days=1)


@cache
def make_key(owner: str) -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@cache
def key_pem(owner: str, *, locked: bool = False) -> bytes:
    encryption = BestAvailableEncryption(PASSWORD) if locked else NoEncryption()
    return make_key(owner).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)


def sign(
    subject: str,
    signer: str,
    *,
    key: str,
    begins: datetime,
    ends: datetime,
    alt_name: str | None,
) -> x509.Certificate:
    """A certificate by the profile, made with the library alone; an authority's where subject and signer are one."""
    is_ca = subject == signer
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, signer)]))
        .public_key(make_key(key).public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
        .add_extension(
            x509.KeyUsage(
                digital_signature=not is_ca,
                content_commitment=False,
                key_encipherment=False,
                data_encipherment=False,
                key_agreement=False,
                key_cert_sign=is_ca,
                crl_sign=is_ca,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(make_key(key).public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(make_key(signer).public_key()), critical=False
        )
    )
    if alt_name is not None:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(alt_name)]), critical=False)
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
    return builder.sign(make_key(signer), hashes.SHA256())


@cache
def ca_certificate(state: CaCertificate) -> x509.Certificate:
    begins, ends = NOW - 10 * DAY, NOW + 3640 * DAY
    if state is CaCertificate.NEAR_EXPIRY:
        begins, ends = NOW - 3000 * DAY, NOW + 650 * DAY
    return sign("Test CA", "Test CA", key="Test CA", begins=begins, ends=ends, alt_name=None)


@cache
def client_certificate(state: Certificate) -> x509.Certificate:
    expired = state is Certificate.EXPIRED
    # The one for another key came later than what the log has.
    begins = NOW - {Certificate.EXPIRED: 800, Certificate.ANOTHER_KEYS: 90}.get(state, 100) * DAY
    return sign(
        "unit",
        "Other CA" if state is Certificate.ANOTHER_CAS else "Test CA",
        key="another client" if state is Certificate.ANOTHER_KEYS else "unit",
        begins=begins,
        ends=NOW - 10 * DAY if expired else NOW + 600 * DAY,
        alt_name="old.example" if state is Certificate.CHANGED else "unit.example",
    )


def pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.PEM)


def log_line(address: str, certificate: x509.Certificate) -> str:
    return json.dumps(
        {
            "serial": f"{certificate.serial_number:040x}",
            "address": address,
            "issuer_key": sha256(spki(make_key("Test CA").public_key())).hexdigest(),
            "subject": certificate.subject.rfc4514_string(),
            "not_before": f"{certificate.not_valid_before_utc:%Y-%m-%dT%H:%M:%SZ}",
            "not_after": f"{certificate.not_valid_after_utc:%Y-%m-%dT%H:%M:%SZ}",
            "spki_sha256": sha256(spki(certificate.public_key())).hexdigest(),
            "sha256": certificate.fingerprint(hashes.SHA256()).hex(),
            "action": "create",
            "reasons": ["missing"],
            "issued_at": f"{certificate.not_valid_before_utc:%Y-%m-%dT%H:%M:%SZ}",
            "issued_by": "test",
            "version": "1",
        }
    )


@cache
def graph_of(*, ca_password: bool, client_password: bool, held: Held) -> Graph:
    """A password is declared where the key is locked, and nowhere else."""
    ca_entry = "password: {env: PASSWORD}" if ca_password else ""
    entry = f"alt_names: [unit.example], key_held: {held}" + (", password: {env: PASSWORD}" if client_password else "")
    text = f"version: 1\nca: {{common_name: Test CA, {ca_entry}}}\nclients:\n  unit: {{{entry}}}\n"
    return build_graph(parse_manifest(text.encode(), source="pki.yaml"))


def build_folder(cell: Cell, folder: Path) -> Graph:
    """Lays out the files of one state. The client's `ca.pem` and the log are those of the authority as it was."""
    graph = graph_of(ca_password=cell.ca_key is CaKey.LOCKED, client_password=cell.key is Key.LOCKED, held=cell.held)
    trusted = CaCertificate.PRESENT if cell.ca_certificate in LOST else cell.ca_certificate
    files: dict[str, bytes] = {
        "clients/unit/ca.pem": pem(ca_certificate(trusted)),
        "issued/2026.jsonl": "".join(
            f"{line}\n"
            for line in (
                log_line("ca/certificate", ca_certificate(trusted)),
                log_line("client/unit/certificate", client_certificate(Certificate.PRESENT)),
            )
        ).encode(),
    }
    for artifact in graph.folder_files:
        files[artifact.path] = merge_section("", artifact.content).encode()
    if cell.ca_key is CaKey.DAMAGED:
        files["ca/ca.key"] = DAMAGED_KEY_PEM
    elif cell.ca_key is not CaKey.ABSENT:
        owner = "Other CA" if cell.ca_key is CaKey.ANOTHERS else "Test CA"
        files["ca/ca.key"] = key_pem(owner, locked=cell.ca_key is CaKey.LOCKED)
    if cell.ca_certificate is CaCertificate.DAMAGED:
        files["ca/ca.pem"] = DAMAGED_PEM
    elif cell.ca_certificate is not CaCertificate.ABSENT:
        files["ca/ca.pem"] = pem(ca_certificate(cell.ca_certificate))
    if cell.key is Key.DAMAGED:
        files["clients/unit/client.key"] = DAMAGED_KEY_PEM
    elif cell.key is not Key.ABSENT:
        files["clients/unit/client.key"] = key_pem("unit", locked=cell.key is Key.LOCKED)
    if cell.certificate is Certificate.DAMAGED:
        files["clients/unit/client.pem"] = DAMAGED_PEM
    elif cell.certificate is not Certificate.ABSENT:
        files["clients/unit/client.pem"] = pem(client_certificate(cell.certificate))
    for path, content in files.items():
        place = folder / path
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        place.write_bytes(content)
        place.chmod(0o600 if path.endswith(".key") else 0o644)
    return graph
