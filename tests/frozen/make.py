"""Makes the folders of `tests/frozen`. Run once, for a version that is about to be released; what is there stays.

    python -m tests.frozen.make NAME

`settled` is a folder as this version's `apply` makes it. `older` is one whose certificates have other defaults: they
were signed with the cryptography library alone, as an earlier version, or another tool, may have done it.
"""

import os
import sys
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from edgecerts.apply import Run, run_apply
from edgecerts.apply.secrets import SecretSources
from edgecerts.desired import build_graph
from edgecerts.manifest import parse_manifest
from tests.conftest import NOW

HERE = Path(__file__).parent
PASSWORD = "a public test password"
ENVIRON = {"EDGECERTS_CA_PASSWORD": PASSWORD}

SETTLED = """\
version: 1
defaults:
  subject: {country: US, organization: THIS_COMPANY INC, email: pki@this-company.example}
ca:
  common_name: THIS_COMPANY Edge CA
  password: {env: EDGECERTS_CA_PASSWORD}
brokers:
  plant-a: {common_name: 10.3.0.11, alt_names: [broker.plant-a.example, "uri:urn:plant:a"], validity: 1y}
  plant-b: {common_name: broker.plant-b.example, key_type: rsa-2048, usages: [server, client], renew_before: 30d}
clients:
  MyEACM:
  delivered: {key_held: delivered, key_type: ec-p384}
  line-4: {common_name: LINE4, subject: {organization: ACME}, not_after: 2031-12-31T23:59:59Z}
"""

OLDER = """\
version: 1
defaults:
  subject: {organization: THIS_COMPANY INC, email: pki@this-company.example}
ca: {common_name: THIS_COMPANY Edge CA}
brokers:
  backdated: {common_name: a.example}
  rsa-by-default: {common_name: b.example}
  lives-longer: {common_name: c.example}
  declared: {common_name: d.example, validity: 825d, key_type: rsa-2048, usages: [server]}
clients:
  no-email-in-san:
  no-key-encipherment:
  other-key-identifier:
  no-key-identifier:
  any-usage:
  no-usage:
  may-do-more:
  other-backdating: {validity: 90d}
"""

_USAGES = {"server": ExtendedKeyUsageOID.SERVER_AUTH, "client": ExtendedKeyUsageOID.CLIENT_AUTH}


def make_settled(folder: Path) -> None:
    """A folder as `apply` makes it, less the private key of the client that keeps its own."""
    folder.mkdir()
    (folder / "pki.yaml").write_text(SETTLED, encoding="utf-8")
    run_apply(
        Run(
            graph=build_graph(parse_manifest(SETTLED.encode(), source="pki.yaml")),
            manifest="pki.yaml",
            manifest_folder=folder,
            output=folder / "pki",
            now=NOW,
            sources=SecretSources(folder=folder, environ=ENVIRON),
            job="user@host",
            on_plan=lambda plan: None,
        )
    )
    (folder / "pki/clients/delivered/client.key").unlink()
    (folder / "pki/.edgecerts/lock").unlink()


class Signer:
    """Signs as no version of today does."""

    def __init__(self, folder: Path) -> None:
        self._output = folder / "pki"
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        name = _name("THIS_COMPANY Edge CA")
        self._certificate = (
            self._builder(name, name, NOW - timedelta(days=200), timedelta(days=7300))
            .public_key(self._key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_key_usage(key_cert_sign=True, crl_sign=True, digital_signature=True), critical=True)
            .add_extension(_rfc7093(self._key.public_key()), critical=False)
            .sign(self._key, hashes.SHA512())
        )
        self._write("ca/ca", self._certificate, self._key)

    def sign(
        self,
        stem: str,
        common_name: str,
        *,
        names: list[x509.GeneralName] | None = None,
        usages: list[x509.ObjectIdentifier] | None = None,
        begin: datetime = NOW - timedelta(hours=1),
        lifetime: timedelta = timedelta(days=825),
        key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | None = None,
        identifier: str = "rfc5280",
    ) -> None:
        """One certificate, its key and the authority's certificate."""
        key = key or ec.generate_private_key(ec.SECP256R1())
        public_key = key.public_key()
        builder = (
            self._builder(_name(common_name), self._certificate.subject, begin, lifetime)
            .public_key(public_key)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=False)
            .add_extension(_key_usage(digital_signature=True), critical=True)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(_rfc7093(self._key.public_key())),
                critical=False,
            )
        )
        if usages is not None:
            builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        if identifier == "rfc7093":
            builder = builder.add_extension(_rfc7093(public_key), critical=False)
        elif identifier == "rfc5280":
            builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        self._write(stem, builder.sign(self._key, hashes.SHA256()), key)
        trust = self._output / stem.rpartition("/")[0] / "ca.pem"
        trust.write_bytes(self._certificate.public_bytes(Encoding.PEM))

    def _builder(
        self, subject: x509.Name, issuer: x509.Name, begin: datetime, lifetime: timedelta
    ) -> x509.CertificateBuilder:
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer)
        builder = builder.serial_number(int.from_bytes(os.urandom(8), "big") >> 1)
        return builder.not_valid_before(begin).not_valid_after(begin + lifetime)

    def _write(
        self, stem: str, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
    ) -> None:
        place = self._output / stem
        place.parent.mkdir(parents=True)
        place.with_suffix(".pem").write_bytes(certificate.public_bytes(Encoding.PEM))
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
        place.with_suffix(".key").write_bytes(pem)


def make_older(folder: Path) -> None:
    """Certificates with other defaults than today's."""
    folder.mkdir()
    (folder / "pki.yaml").write_text(OLDER, encoding="utf-8")
    signer = Signer(folder)
    email = [x509.RFC822Name("pki@this-company.example")]
    server, client = [_USAGES["server"]], [_USAGES["client"]]

    def host(name: str) -> list[x509.GeneralName]:
        return [x509.DNSName(name), *email]

    def broker(name: str) -> str:
        return f"brokers/{name}/server"

    def of_client(name: str) -> str:
        return f"clients/{name}/client"

    rsa_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    long_ago = NOW - timedelta(days=30)
    signer.sign(broker("backdated"), "a.example", names=host("a.example"), usages=server, begin=long_ago)
    signer.sign(broker("rsa-by-default"), "b.example", names=host("b.example"), usages=server, key=rsa_key)
    longer = timedelta(days=3000)
    signer.sign(broker("lives-longer"), "c.example", names=host("c.example"), usages=server, lifetime=longer)
    rsa_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    signer.sign(broker("declared"), "d.example", names=host("d.example"), usages=server, key=rsa_key)
    rsa_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    signer.sign(of_client("no-email-in-san"), "no-email-in-san", usages=client)
    name = "no-key-encipherment"
    signer.sign(of_client(name), name, names=[*email], usages=client, key=rsa_key)
    name = "other-key-identifier"
    signer.sign(of_client(name), name, names=[*email], usages=client, identifier="rfc7093")
    name = "no-key-identifier"
    signer.sign(of_client(name), name, names=[*email], usages=client, identifier="none")
    anything = [ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE]
    signer.sign(of_client("any-usage"), "any-usage", names=[*email], usages=anything)
    signer.sign(of_client("no-usage"), "no-usage", names=[*email])
    signer.sign(of_client("may-do-more"), "may-do-more", names=[*email], usages=[*client, *server])
    begin, lifetime = NOW - timedelta(minutes=5), timedelta(days=90, hours=1)
    name = "other-backdating"
    signer.sign(of_client(name), name, names=[*email], usages=client, begin=begin, lifetime=lifetime)


def _name(common_name: str) -> x509.Name:
    """In the order in which the program writes it: what is compared is the subject, and it has an order."""
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "THIS_COMPANY INC"),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
            x509.NameAttribute(NameOID.EMAIL_ADDRESS, "pki@this-company.example"),
        ]
    )


def _key_usage(
    *, key_cert_sign: bool = False, crl_sign: bool = False, digital_signature: bool = False
) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        encipher_only=False,
        decipher_only=False,
    )


def _rfc7093(key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey) -> x509.SubjectKeyIdentifier:
    """The leftmost 160 bits of a SHA-256 (RFC 7093 §2, method 1), of the whole key for brevity."""
    digest = hashes.Hash(hashes.SHA256())
    digest.update(x509.SubjectKeyIdentifier.from_public_key(key).digest)
    return x509.SubjectKeyIdentifier(digest.finalize()[:20])


if __name__ == "__main__":
    name = sys.argv[1]
    {"settled": make_settled, "older": make_older}[name.partition("-")[0]](HERE / name)
