"""Source folders: made by the programs that people use, or certificate by certificate with the library."""

import hashlib
import itertools
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from edgecerts.pki.certificates import PublicKey, signature_hash
from edgecerts.pki.private_keys import PrivateKey
from tests.conftest import NOW
from tests.interop.programs import run_program

SERVER, CLIENT = ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH
SUBJECT = "/C=US/ST=Texas/L=Houston/O=THIS_COMPANY INC/OU=SCADA"
VENDOR_PASSWORD = "correct horse battery"

_SERIALS = itertools.count(2**100 + 1)


def openssl(folder: Path, *arguments: str) -> None:
    """Runs one openssl command in a folder, and expects it to succeed."""
    result = run_program("openssl", *arguments, cwd=folder)
    assert result.returncode == 0, result.stderr


def make_vendor_folder(folder: Path, *, host: str = "10.3.0.11", clients: Iterable[str] = ("MyEACM",)) -> Path:
    """What somebody has who followed a vendor's page: every name in the common name, every file beside the others.

    The authority's key and a client's are encrypted with `VENDOR_PASSWORD`, the others are not.
    """
    folder.mkdir(parents=True, exist_ok=True)
    secret = f"pass:{VENDOR_PASSWORD}"
    openssl(folder, "genrsa", "-aes256", "-passout", secret, "-out", "ca.key", "2048")
    openssl(folder, "req", "-new", "-x509", "-days", "3650", "-sha256", "-key", "ca.key", "-out", "ca.pem",
            "-passin", secret, "-extensions", "v3_ca",
            "-subj", f"{SUBJECT}/CN=Jane Doe/emailAddress=pki@this-company.example")  # fmt: skip
    for stem, name, encrypted in (("server", host, False), *((client, client, True) for client in clients)):
        lock = ("-aes256", "-passout", secret) if encrypted else ()
        openssl(folder, "genrsa", *lock, "-out", f"{stem}.key", "2048")
        openssl(folder, "req", "-new", "-key", f"{stem}.key", "-passin", secret, "-out", f"{stem}.csr",
                "-subj", f"{SUBJECT}/CN={name}/emailAddress=pki@this-company.example")  # fmt: skip
        openssl(folder, "x509", "-req", "-in", f"{stem}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-passin", secret,
                "-CAcreateserial", "-days", "825", "-sha256", "-out", f"{stem}.pem")  # fmt: skip
    return folder


def begins(path: Path) -> datetime:
    """When a certificate that was just made begins."""
    return x509.load_pem_x509_certificate(path.read_bytes()).not_valid_before_utc


def snapshot(folder: Path) -> dict[str, tuple[int, int, str]]:
    """Everything in a folder: its mode, when it was changed, and a digest of its content."""
    found = {}
    for path in sorted((folder, *folder.rglob("*"))):
        status = path.lstat()
        content = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
        digest = hashlib.sha256(content).hexdigest()
        found[path.relative_to(folder).as_posix()] = (status.st_mode, status.st_mtime_ns, digest)
    return found


@dataclass(frozen=True)
class Issued:
    """A certificate with its key."""

    certificate: x509.Certificate
    key: PrivateKey

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)

    def key_pem(
        self, form: PrivateFormat = PrivateFormat.PKCS8, *, password: str | None = None, der: bool = False
    ) -> bytes:
        """The private key in one of the forms that people have."""
        lock = BestAvailableEncryption(password.encode()) if password is not None else NoEncryption()
        return self.key.private_bytes(Encoding.DER if der else Encoding.PEM, form, lock)

    def request(self) -> bytes:
        """A request of the key."""
        builder = x509.CertificateSigningRequestBuilder().subject_name(self.certificate.subject)
        return builder.sign(self.key, signature_hash(self.key)).public_bytes(Encoding.PEM)


@dataclass(frozen=True, kw_only=True)
class Profile:
    """What a certificate gets; each default is as good tools make it.

    Attributes:
        key_id: the authority key identifier: by "key", by "serial", by "both", or None.
        constraints: whether it is critical; None leaves basic constraints out.
    """

    is_ca: bool = False
    alt_names: tuple[x509.GeneralName, ...] = ()
    usages: tuple[x509.ObjectIdentifier, ...] = ()
    key_id: str | None = "key"
    own_key_id: bool = True
    constraints: bool | None = True
    key_usage: frozenset[str] | None = frozenset({"digital_signature"})
    begins: datetime = NOW - timedelta(days=100)
    days: float = 825
    serial: int | None = None
    others: tuple[x509.ExtensionType, ...] = field(default=())


CA = Profile(is_ca=True, key_usage=frozenset({"key_cert_sign", "crl_sign"}), days=3650)


def name_of(*attributes: tuple[x509.ObjectIdentifier, str]) -> x509.Name:
    """A name of these attributes in this order."""
    return x509.Name([x509.NameAttribute(oid, value) for oid, value in attributes])


def common_name(text: str) -> x509.Name:
    """A name that is a common name alone."""
    return name_of((NameOID.COMMON_NAME, text))


def issue(
    subject: x509.Name | str, profile: Profile, *, by: Issued | None = None, key: PrivateKey | None = None
) -> Issued:
    """Signs a certificate as an older or careless tool might have.

    Args:
        subject: a name, or its common name.
        by: the authority; None for one that signs itself.
        key: its own key; None for a new EC P-256 key.
    """
    key = key or ec.generate_private_key(ec.SECP256R1())
    subject = common_name(subject) if isinstance(subject, str) else subject
    signer = by.key if by else key
    public_key = key.public_key()
    assert isinstance(public_key, PublicKey)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(by.certificate.subject if by else subject)
        .public_key(public_key)
        .serial_number(profile.serial if profile.serial is not None else next(_SERIALS))
        .not_valid_before(profile.begins)
        .not_valid_after(profile.begins + timedelta(days=profile.days))
    )
    for extension, critical in _extensions(profile, public_key, by):
        builder = builder.add_extension(extension, critical=critical)
    algorithm = None if isinstance(signer, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return Issued(certificate=builder.sign(signer, algorithm), key=key)


def _extensions(
    profile: Profile, public_key: PublicKey, by: Issued | None
) -> Iterable[tuple[x509.ExtensionType, bool]]:
    if profile.constraints is not None:
        yield x509.BasicConstraints(ca=profile.is_ca, path_length=None), profile.constraints
    if profile.key_usage is not None:
        bits = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
                "key_cert_sign", "crl_sign", "encipher_only", "decipher_only")  # fmt: skip
        yield x509.KeyUsage(**{bit: bit in profile.key_usage for bit in bits}), True
    if profile.usages:
        yield x509.ExtendedKeyUsage(profile.usages), False
    if profile.alt_names:
        yield x509.SubjectAlternativeName(profile.alt_names), False
    if profile.own_key_id:
        yield x509.SubjectKeyIdentifier.from_public_key(public_key), False
    if by is not None and profile.key_id is not None:
        yield _authority_key_id(profile.key_id, by), False
    for extension in profile.others:
        yield extension, True


def _authority_key_id(how: str, by: Issued) -> x509.AuthorityKeyIdentifier:
    public_key = by.key.public_key()
    digest = x509.AuthorityKeyIdentifier.from_issuer_public_key(public_key).key_identifier
    named = [x509.DirectoryName(by.certificate.issuer)]
    return x509.AuthorityKeyIdentifier(
        digest if how in ("key", "both") else None,
        named if how in ("serial", "both") else None,
        by.certificate.serial_number if how in ("serial", "both") else None,
    )


def write(folder: Path, files: dict[str, bytes], *, mode: int = 0o600) -> Path:
    """Writes files by their paths, keys as private as they should be."""
    for path, content in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        target.chmod(mode)
    return folder
