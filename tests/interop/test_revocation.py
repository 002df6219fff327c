"""Revocation lists, judged by every program and library that reads them: empty ones, usual ones and very long ones."""

import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import crypto
from pkilint import loader, pkix, validation  # type: ignore[import-untyped]
from pkilint.pkix import crl as crl_linter  # type: ignore[import-untyped]
from pkilint.pkix import extension, name

from edgecerts.pki.key_types import KeyType
from tests.interop.handshake import client_context, server_context, shake_hands
from tests.interop.plants import ALL_TYPES, Plant, make_plant
from tests.interop.programs import run_program

MANY = 10_000
_REVOKED = 23
"""X509_V_ERR_CERT_REVOKED of OpenSSL's x509_vfy.h."""

every_ca_type = pytest.mark.parametrize("ca_type", ALL_TYPES)


def manifest(ca_type: KeyType, clients: str, more: str) -> str:
    return f"""\
version: 1
defaults: {{subject: {{country: DE, organization: Kläranlage Süd GmbH}}}}
ca: {{common_name: Plant CA, key_type: {ca_type}}}
brokers:
  here: {{common_name: localhost}}
clients:
{clients}{more}"""


@dataclass(frozen=True)
class Revoking:
    """A plant with two clients, one of which is revoked later; and its list before, after, and with many entries."""

    plant: Plant
    empty: Path
    usual: Path
    long: Path

    @property
    def lists(self) -> tuple[Path, ...]:
        return self.empty, self.usual, self.long


@pytest.fixture(scope="module")
def revoking(tmp_path_factory: pytest.TempPathFactory) -> Iterator["Plants"]:
    """A plant for each key type of the authority."""
    yield Plants(tmp_path_factory.mktemp("revoking"))


class Plants:
    """Each is made when it is first asked for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._made: dict[KeyType, Revoking] = {}

    def __getitem__(self, ca_type: KeyType) -> Revoking:
        if ca_type not in self._made:
            self._made[ca_type] = self._make(ca_type)
        return self._made[ca_type]

    def _make(self, ca_type: KeyType) -> Revoking:
        folder = self._folder / ca_type.value
        plant = make_plant(folder, manifest(ca_type, "  good:\n  stolen:\n", "crl:\n"))
        found = [self._keep(plant, "empty")]
        revoked = "revoked:\n  - {name: client/stolen, reason: key-compromise}\n"
        make_plant(folder, manifest(ca_type, "  good:\n", revoked))
        found.append(self._keep(plant, "usual"))
        unknown = "".join(
            f"  - {{serial: {number:x}, reason: superseded, unknown: true}}\n" for number in range(1, MANY)
        )
        make_plant(folder, manifest(ca_type, "  good:\n", revoked + unknown))
        found.append(self._keep(plant, "long"))
        return Revoking(plant=plant, empty=found[0], usual=found[1], long=found[2])

    def _keep(self, plant: Plant, as_name: str) -> Path:
        kept = plant.output / "ca" / f"{as_name}.kept"
        kept.write_bytes((plant.output / "ca/ca.crl.pem").read_bytes())
        return kept


def openssl_error(made: Revoking, crl: Path, client: str) -> int:
    """The number of the first error that the program finds at its strictest; 0 where it accepts the certificate."""
    strict = ("-x509_strict", "-check_ss_sig", "-auth_level", "2", "-no-CApath", "-no-CAstore", "-purpose", "sslclient")
    certificate = made.plant.client(client).certificate
    checks = ("-crl_check_all", "-CRLfile", crl, "-CAfile", made.plant.ca)
    done = run_program("openssl", "verify", *strict, *checks, certificate)
    _, _, rest = (done.stdout + done.stderr).partition("error ")
    assert (done.returncode == 0) is (not rest), done.stdout + done.stderr
    return int(rest.split()[0]) if rest else 0


@every_ca_type
def test_openssl_accepts_each_list_and_refuses_who_is_revoked(revoking: Plants, ca_type: KeyType) -> None:
    made = revoking[ca_type]
    assert [openssl_error(made, crl, "good") for crl in made.lists] == [0, 0, 0]
    assert [openssl_error(made, crl, "stolen") for crl in made.lists] == [0, _REVOKED, _REVOKED]
    for crl in made.lists:
        done = run_program("openssl", "crl", "-in", crl, "-noout", "-CAfile", made.plant.ca)
        assert "verify OK" in done.stderr, done.stderr


@every_ca_type
def test_gnutls_accepts_each_list_and_refuses_who_is_revoked(revoking: Plants, ca_type: KeyType) -> None:
    made = revoking[ca_type]
    for crl, count in zip(made.lists, (0, 1, MANY), strict=True):
        done = run_program("certtool", "--verify-crl", "--load-ca-certificate", made.plant.ca, "--infile", crl)
        assert "Verification output: Verified." in done.stdout, done.stdout + done.stderr
        # certtool counts in its own words, and says nothing of an empty list.
        assert (f"Revoked certificates ({count})" in done.stdout) is bool(count)
        for client in ("good", "stolen"):
            files = ("--load-ca-certificate", made.plant.ca, "--load-crl", crl)
            certificate = made.plant.client(client).certificate
            told = run_program("certtool", "--verify", *files, "--infile", certificate).stdout
            verdict = told.strip().splitlines()[-1]
            is_revoked = client == "stolen" and count > 0
            assert ("The certificate chain is revoked." in verdict) is is_revoked, told
            assert ("The certificate is trusted." in verdict) is not is_revoked, told


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=lambda v: v.name)
@every_ca_type
def test_python_refuses_who_is_revoked(revoking: Plants, ca_type: KeyType, version: ssl.TLSVersion) -> None:
    made = revoking[ca_type]
    broker = made.plant.broker("here")
    for crl, stolen_gets_in in zip(made.lists, (True, False, False), strict=True):
        for client, gets_in in (("good", True), ("stolen", stolen_gets_in)):
            server = server_context(broker, strict=True, mutual=True)
            server.verify_flags |= ssl.VERIFY_CRL_CHECK_CHAIN
            server.load_verify_locations(cafile=crl)
            shown = made.plant.client(client)
            own = client_context(shown.trust, strict=True, pair=shown)
            own.minimum_version = own.maximum_version = version
            if gets_in:
                shake_hands(server, own, "localhost")
            else:
                with pytest.raises(ssl.SSLError, match="revoked"):
                    shake_hands(server, own, "localhost")


@every_ca_type
def test_openssl_of_this_process_refuses_who_is_revoked(revoking: Plants, ca_type: KeyType) -> None:
    """The newest OpenSSL that there is for Python, with every check on."""
    made = revoking[ca_type]
    for crl, stolen_gets_in in zip(made.lists, (True, False, False), strict=True):
        store = crypto.X509Store()
        store.add_cert(crypto.X509.from_cryptography(made.plant.load_ca()))
        store.add_crl(x509.load_pem_x509_crl(crl.read_bytes()))
        flags = crypto.X509StoreFlags
        store.set_flags(flags.CRL_CHECK | flags.CRL_CHECK_ALL | flags.X509_STRICT | flags.CHECK_SS_SIGNATURE)
        for client, gets_in in (("good", True), ("stolen", stolen_gets_in)):
            certificate = crypto.X509.from_cryptography(made.plant.client(client).load())
            context = crypto.X509StoreContext(store, certificate)
            if gets_in:
                context.verify_certificate()
            else:
                with pytest.raises(crypto.X509StoreContextError, match="revoked"):
                    context.verify_certificate()


def lint(crl: Path) -> list[tuple[str, str]]:
    """What `lint_crl lint -t CRL -p PKIX` finds at severity NOTICE or above."""
    linter = crl_linter.create_pkix_crl_validator_container(
        [
            pkix.create_attribute_decoder(name.ATTRIBUTE_TYPE_MAPPINGS),
            pkix.create_extension_decoder(extension.EXTENSION_MAPPINGS),
        ],
        [
            crl_linter.create_issuer_validator_container([]),
            crl_linter.create_validity_validator_container([]),
            crl_linter.create_extensions_validator_container([]),
        ],
    )
    der = x509.load_pem_x509_crl(crl.read_bytes()).public_bytes(Encoding.DER)
    document = loader.RFC5280CertificateListDocumentLoader().load_der_document(der, str(crl))
    found = (item for result in linter.validate(document.root) for item in result.finding_descriptions)
    notice = validation.ValidationFindingSeverity.NOTICE
    return [(item.finding.code, item.message) for item in found if item.finding.severity <= notice]


@every_ca_type
def test_pkilint_finds_nothing_in_a_list(revoking: Plants, ca_type: KeyType) -> None:
    made = revoking[ca_type]
    assert [lint(crl) for crl in (made.empty, made.usual)] == [[], []]


def test_pkilint_finds_nothing_in_a_long_list(revoking: Plants) -> None:
    assert lint(revoking[KeyType.EC_P256].long) == []


def test_the_lists_have_as_many_entries_as_was_asked_for(revoking: Plants) -> None:
    made = revoking[KeyType.EC_P256]
    assert [len(x509.load_pem_x509_crl(crl.read_bytes())) for crl in made.lists] == [0, 1, MANY]
