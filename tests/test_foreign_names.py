"""Subjects that another tool wrote: what no manifest can say stays, also in the certificate that takes the place."""

from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.x509.name import _ASN1Type
from cryptography.x509.oid import NameOID

from edgecerts.pki.certificates import PublicKey, encode_certificates, signature_hash
from edgecerts.pki.private_keys import PrivateKey
from tests.conftest import NOW, Project
from tests.readers import read_certificate

MANIFEST = """\
version: 1
ca: {common_name: Test CA}
clients:
  unit: {subject: {organization: ACME, country: US}}
"""

FOREIGN = x509.Name(
    [
        x509.NameAttribute(NameOID.COMMON_NAME, "unit", _type=_ASN1Type.PrintableString),
        x509.NameAttribute(NameOID.USER_ID, "4711"),
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, "ACME"),
        x509.NameAttribute(NameOID.COUNTRY_NAME, "US"),
    ]
)
"""In another order than ours, with another string type and an attribute that no manifest has."""


def load_key(path: Path) -> PrivateKey:
    key = load_pem_private_key(path.read_bytes(), None)
    assert isinstance(key, PrivateKey)
    return key


def sign_with_foreign_name(project: Project, signer: Path) -> None:
    """Replaces the client's certificate by one with the foreign name for the same key."""
    path = project.output / "clients/unit/client.pem"
    old, key = read_certificate(path), load_key(signer)
    public_key = old.public_key()
    assert isinstance(public_key, PublicKey)
    builder = x509.CertificateBuilder(
        issuer_name=old.issuer,
        subject_name=FOREIGN,
        public_key=public_key,
        serial_number=4711,
        not_valid_before=NOW,
        not_valid_after=NOW + timedelta(days=825),
        extensions=list(old.extensions),
    )
    path.write_bytes(encode_certificates(builder.sign(key, signature_hash(key))))


@pytest.fixture
def foreign(project: Project) -> Project:
    project.write(MANIFEST)
    project.apply()
    sign_with_foreign_name(project, project.output / "ca/ca.key")
    project.apply()
    return project


def test_a_foreign_name_is_as_declared_and_stays(foreign: Project) -> None:
    assert "Nothing to do" in foreign.run("plan").out


def test_a_certificate_that_is_made_again_has_the_same_foreign_name(foreign: Project) -> None:
    foreign.write(MANIFEST.replace("unit: {", "unit: {alt_names: [unit.example], "))
    foreign.apply()
    certificate = read_certificate(foreign.output / "clients/unit/client.pem")
    assert certificate.serial_number != 4711
    assert certificate.subject.public_bytes() == FOREIGN.public_bytes()
    assert "Nothing to do" in foreign.run("plan").out


def test_another_declared_subject_replaces_the_foreign_name(foreign: Project) -> None:
    foreign.write(MANIFEST.replace("ACME", "Acme Inc"))
    foreign.apply()
    subject = read_certificate(foreign.output / "clients/unit/client.pem").subject
    assert subject.rfc4514_string() == "CN=unit,O=Acme Inc,C=US"


def test_a_name_that_this_authority_never_signed_is_not_repeated(project: Project) -> None:
    project.write(MANIFEST)
    project.apply()
    sign_with_foreign_name(project, project.output / "clients/unit/client.key")
    project.apply()
    certificate = read_certificate(project.output / "clients/unit/client.pem")
    assert certificate.serial_number != 4711
    assert certificate.subject.rfc4514_string() == "CN=unit,O=ACME,C=US"


def test_a_key_of_another_type_keeps_the_foreign_name(foreign: Project) -> None:
    foreign.write(MANIFEST.replace("unit: {", "unit: {key_type: ec-p384, "))
    foreign.apply()
    certificate = read_certificate(foreign.output / "clients/unit/client.pem")
    assert certificate.public_bytes(Encoding.DER).find(FOREIGN.public_bytes()) > 0
