"""What must hold in an output folder at every instant, looked at with the cryptography library and the file system."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from tests.readers import spki

_NAMES = {"ca": "ca", "brokers": "server", "clients": "client"}
"""By folder: how the key and the certificate in it, or in the folders in it, are called."""


@dataclass(frozen=True)
class Identity:
    """The folder of an authority, a broker or a client, as it is found."""

    path: str
    folder: Path
    stem: str

    @property
    def key(self) -> Path:
        return self.folder / f"{self.stem}.key"

    @property
    def certificate(self) -> Path:
        return self.folder / f"{self.stem}.pem"

    @property
    def missing(self) -> list[str]:
        """Which of its files are not there."""
        names = {self.key.name, self.certificate.name, "ca.pem"}
        return sorted(name for name in names if not (self.folder / name).exists())

    def read_certificate(self) -> x509.Certificate:
        """Its certificate, which is there."""
        return _read_certificate(self.certificate)


def find_identities(output: Path) -> dict[str, Identity]:
    """Every identity's folder below an output folder, by its path."""
    folders = [output / "ca", *output.glob("brokers/*"), *output.glob("clients/*")]
    found = {}
    for folder in folders:
        if folder.is_dir():
            path = folder.relative_to(output).as_posix()
            found[path] = Identity(path=path, folder=folder, stem=_NAMES[path.partition("/")[0]])
    return found


def find_violations(output: Path) -> Iterator[str]:
    """Says where something is half done. A folder that is not there is not: who made it knows what has to be."""
    logged = {entry["sha256"] for entry in read_log(output)}
    for path, identity in find_identities(output).items():
        if identity.missing:
            yield f"{path} is half there: {identity.missing} are missing"
            continue
        certificate = _read_certificate(identity.certificate)
        key = load_pem_private_key(identity.key.read_bytes(), None)
        if spki(key.public_key()) != spki(certificate.public_key()):
            yield f"{path} has a key beside another key's certificate"
        if certificate.fingerprint(hashes.SHA256()).hex() not in logged:
            yield f"the certificate of {path} is not in the log"
        certificate.verify_directly_issued_by(_read_certificate(identity.folder / "ca.pem"))
    yield from _find_locked_out(output)
    for file in output.rglob("*"):
        if file.is_file() and file.stat().st_mode & 0o077 and b"PRIVATE KEY" in file.read_bytes():
            yield f"{file.relative_to(output)} can be read by others"
    serials = [entry["serial"] for entry in read_log(output)]
    if len(serials) != len(set(serials)):
        yield "the log has a serial number twice"


def _find_locked_out(output: Path) -> Iterator[str]:
    """Says which list is not whole or not the authority's, and whom it locks out who has nothing else."""
    for file in (output / "ca/ca.crl.pem", *output.glob("brokers/*/crl.pem")):
        if not file.exists():
            continue
        crl = x509.load_pem_x509_crl(file.read_bytes())
        if not crl.is_signature_valid(_read_certificate(output / "ca/ca.pem").public_key()):  # type: ignore[arg-type]
            yield f"{file.relative_to(output)} is not the authority's"
        revoked = {entry.serial_number for entry in crl}
        for path, identity in find_identities(output).items():
            if identity.certificate.exists() and _read_certificate(identity.certificate).serial_number in revoked:
                yield f"{file.relative_to(output)} revokes what {path} has in use"


def visible_keys(output: Path) -> set[bytes]:
    """The public keys of all certificates that can be seen."""
    found = find_identities(output).values()
    certificates = (identity.certificate for identity in found if identity.certificate.exists())
    return {spki(_read_certificate(certificate).public_key()) for certificate in certificates}


def kept_keys(output: Path) -> set[bytes]:
    """The public keys of all private keys that are anywhere in the folder, also of those that were set aside."""
    return {spki(load_pem_private_key(key.read_bytes(), None).public_key()) for key in output.rglob("*.key")}


def read_log(output: Path) -> list[dict[str, str]]:
    """The lines of the log. One that a crash tore is not counted."""
    entries = []
    for file in sorted(output.glob("issued/*.jsonl")):
        for line in file.read_text(encoding="utf-8").split("\n"):
            if line.endswith("}"):
                entries.append(json.loads(line))
    return entries


def _read_certificate(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())
