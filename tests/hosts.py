"""What tests ask about a host: its keys, its request, and the two by the library alone."""

import json
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from tests.conftest import Project, Result
from tests.readers import spki

MANIFEST = """\
version: 1
ca: {common_name: Test CA}
defaults: {subject: {organization: Plant}, key_held: csr}
brokers:
  plant-a: {common_name: 10.3.0.11, alt_names: [broker.plant-a.example]}
clients:
  unit:
"""
KEY, NEXT, CERTIFICATE = (f"pki/brokers/plant-a/server{suffix}" for suffix in (".key", ".next.key", ".pem"))
REQUEST = "requests/plant-a.csr"


def request(project: Project, *options: str, address: str = "broker/plant-a") -> Result:
    """Runs `edgecerts request` on the host, and expects it to succeed."""
    result = project.run("request", address, *options)
    assert result.code == 0, result.out + result.err
    return result


def told(project: Project, *options: str, address: str = "broker/plant-a") -> Any:
    """The same, as JSON."""
    return json.loads(request(project, "--format", "json", *options, address=address).out)


def key_digest(path: Path, password: bytes | None = None) -> str:
    """The SHA-256 of a private key file's public key."""
    return _digest(spki(load_pem_private_key(path.read_bytes(), password).public_key()))


def request_digest(path: Path) -> str:
    """The SHA-256 of the public key in a request, whose signature is checked."""
    found = x509.load_pem_x509_csr(path.read_bytes())
    assert found.is_signature_valid
    return _digest(spki(found.public_key()))


def _digest(data: bytes) -> str:
    digest = hashes.Hash(hashes.SHA256())
    digest.update(data)
    return digest.finalize().hex()


def replaced_keys(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.replaced-*"))


def tree(folder: Path) -> dict[str, tuple[bytes, int, int]]:
    """Every file with its content, mode and time."""
    return {
        path.relative_to(folder).as_posix(): (path.read_bytes(), path.stat().st_mode, path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
