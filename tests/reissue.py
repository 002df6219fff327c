"""Certificates with chosen defects, built with the cryptography library directly."""

from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.readers import read_certificate


def reissue(
    output: Path,
    stem: str,
    *,
    not_before: datetime | None = None,
    not_after: datetime | None = None,
    common_name: str | None = None,
    extensions: dict[type[x509.ExtensionType], tuple[x509.ExtensionType, bool] | None] | None = None,
    own_key: bool = True,
) -> None:
    """Signs the certificate of `stem` again with the folder's own authority, with something changed.

    Args:
        output: the output folder.
        stem: such as `brokers/plant-a/server`.
        extensions: replaced by class; None leaves one out.
        own_key: certify the key beside it; else a new one.
    """
    old = read_certificate(output / f"{stem}.pem")
    authority = read_certificate(output / "ca/ca.pem")
    signer = load_pem_private_key((output / "ca/ca.key").read_bytes(), None)
    assert isinstance(signer, ec.EllipticCurvePrivateKey)
    subject = [
        x509.NameAttribute(a.oid, common_name if common_name and a.oid == NameOID.COMMON_NAME else str(a.value))
        for a in old.subject
    ]
    key = old.public_key() if own_key else ec.generate_private_key(ec.SECP256R1()).public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name(subject))
        .issuer_name(authority.subject)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(not_before or old.not_valid_before_utc)
        .not_valid_after(not_after or old.not_valid_after_utc)
    )
    replaced = extensions or {}
    for extension in old.extensions:
        new = replaced.get(type(extension.value), (extension.value, extension.critical))
        if new is not None:
            builder = builder.add_extension(new[0], critical=new[1])
    certificate = builder.sign(signer, hashes.SHA256())
    (output / f"{stem}.pem").write_bytes(certificate.public_bytes(Encoding.PEM))


def reissue_authority(output: Path) -> None:
    """Signs the authority again with its own key as `openssl req -x509` does: no alternative names, no keyUsage."""
    old = read_certificate(output / "ca/ca.pem")
    signer = load_pem_private_key((output / "ca/ca.key").read_bytes(), None)
    assert isinstance(signer, ec.EllipticCurvePrivateKey)
    builder = (
        x509.CertificateBuilder()
        .subject_name(old.subject)
        .issuer_name(old.subject)
        .public_key(signer.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(old.not_valid_before_utc)
        .not_valid_after(old.not_valid_after_utc)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(signer.public_key()), critical=False)
    )
    (output / "ca/ca.pem").write_bytes(builder.sign(signer, hashes.SHA256()).public_bytes(Encoding.PEM))


SERVER_AND_CLIENT = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])
CLIENT_ONLY = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
ADDRESS_AS_NAME = x509.SubjectAlternativeName([x509.DNSName("10.3.0.11"), x509.DNSName("broker.plant-a.example")])
