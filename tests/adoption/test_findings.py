"""What is said to be wrong is wrong, and what is said to become of it is what the first plan does."""

from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

from edgecerts.pki.private_keys import PrivateKey
from tests.adoption.sources import (
    CA,
    CLIENT,
    SERVER,
    Issued,
    Profile,
    begins,
    issue,
    make_vendor_folder,
    name_of,
    openssl,
    write,
)
from tests.adoption.test_matching import found_codes, planned, take_over
from tests.conftest import NOW, Project
from tests.long_serials import with_long_serial

ADDRESS = x509.IPAddress(ip_address("10.3.0.11"))
HOST = x509.DNSName("broker.plant.example")
OTHER = x509.DNSName("other.plant.example")
DIRECTORY = x509.DirectoryName(name_of((NameOID.COMMON_NAME, "x")))
PRINCIPAL = x509.OtherName(x509.ObjectIdentifier("1.3.6.1.4.1.311.20.2.3"), b"\x0c\x01x")
REGISTERED = x509.RegisteredID(x509.ObjectIdentifier("1.2.3.4"))
LIST = x509.CRLDistributionPoints(
    [x509.DistributionPoint([x509.UniformResourceIdentifier("http://pki.example/crl")], None, None, None)]
)
RESPONDER = x509.AuthorityInformationAccess(
    [x509.AccessDescription(AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier("http://pki.example"))]
)
SERVED = (SERVER,)
SIGNS_ALL = frozenset({"digital_signature", "key_cert_sign"})


def of(**changes: object) -> Profile:
    return Profile(**{"usages": SERVED, "alt_names": (HOST,), **changes})  # type: ignore[arg-type]


BROKERS: dict[str, tuple[x509.Name | str, Profile, list[str]]] = {
    "good": ("broker.plant.example", of(), []),
    "no-alt-name": ("broker.plant.example", of(alt_names=()), ["no-alt-name"]),
    "address-in-common-name": ("10.3.0.11", of(alt_names=()), ["address-in-common-name"]),
    "address-as-dns-name": ("10.3.0.11", of(alt_names=(x509.DNSName("10.3.0.11"),)), ["address-as-dns-name"]),
    "address-both-ways": ("10.3.0.11", of(alt_names=(ADDRESS, x509.DNSName("10.3.0.11"))), []),
    "other-address": ("10.3.0.11", of(alt_names=(ADDRESS, x509.DNSName("10.3.0.12"))), ["address-as-dns-name"]),
    "not-among-them": ("broker.plant.example", of(alt_names=(OTHER,)), ["common-name-not-in-alt-names"]),
    "no-common-name": (name_of((NameOID.ORGANIZATION_NAME, "ACME")), of(), ["no-common-name"]),
    "words": ("Broker of plant A", of(), ["name-not-declarable"]),
    "directory": ("broker.plant.example", of(alt_names=(HOST, DIRECTORY)), ["name-not-declarable"]),
    "user-principal": ("broker.plant.example", of(alt_names=(HOST, PRINCIPAL)), ["name-not-declarable"]),
    "registered": ("broker.plant.example", of(alt_names=(HOST, REGISTERED)), ["name-not-declarable"]),
    "no-key-id": ("broker.plant.example", of(key_id=None), ["no-authority-key-id"]),
    "serial-only": ("broker.plant.example", of(key_id="serial"), ["no-authority-key-id"]),
    "both": ("broker.plant.example", of(key_id="both"), ["authority-serial"]),
    "no-constraints": ("broker.plant.example", of(constraints=None), ["no-basic-constraints"]),
    "is-ca": ("broker.plant.example", of(is_ca=True), ["leaf-is-ca"]),
    "no-key-usage": ("broker.plant.example", of(key_usage=None), []),
    "no-signature": ("broker.plant.example", of(key_usage=frozenset({"key_encipherment"})), ["key-usage"]),
    "cert-sign": ("broker.plant.example", of(key_usage=SIGNS_ALL), ["key-usage"]),
    "expired": ("broker.plant.example", of(begins=NOW - timedelta(days=900), days=800), ["expired"]),
    "soon": ("broker.plant.example", of(begins=NOW - timedelta(days=800), days=900), ["ends-soon"]),
    "early": ("broker.plant.example", of(begins=NOW + timedelta(days=3)), ["not-yet-valid"]),
    "long": ("broker.plant.example", of(days=4000), ["outlives-ca"]),
    "made-together": ("broker.plant.example", of(days=3651), []),
    "short-serial": ("broker.plant.example", of(serial=7), ["short-serial"]),
    "both-usages": ("broker.plant.example", of(usages=(SERVER, CLIENT)), []),
    "more-usages": ("broker.plant.example", of(usages=(SERVER, ExtendedKeyUsageOID.CODE_SIGNING)), ["not-kept"]),
    "revocation-list": ("broker.plant.example", of(others=(LIST,)), ["not-kept"]),
    "ocsp": ("broker.plant.example", of(others=(RESPONDER,), key_id=None), ["no-authority-key-id", "not-kept"]),
    "hours": ("broker.plant.example", of(begins=NOW - timedelta(hours=1), days=0.5), []),
    "years": ("broker.plant.example", of(days=825.3), []),
}  # fmt: skip
"""By name: who it is, how it is made, and what is wrong with it."""


STAY = {"more-usages", "revocation-list", "directory", "user-principal", "registered", "both", "early", "short-serial"}
"""Those of them in which nothing is changed."""


@pytest.mark.parametrize("name", BROKERS)
def test_a_finding_about_a_broker_is_what_the_plan_does(
    project: Project, source: Path, authority: Issued, name: str
) -> None:
    subject, profile, expected = BROKERS[name]
    leaf = issue(subject, profile, by=authority)
    files = {
        "ca.pem": authority.pem,
        "ca.key": authority.key_pem(),
        "server.pem": leaf.pem,
        "server.key": leaf.key_pem(),
    }
    document = take_over(project, write(source, files))
    (entry,) = document["entries"]
    assert [finding["code"] for finding in entry["findings"]] == expected
    updated = any(finding["outcome"] == "updated" for finding in entry["findings"])
    assert updated != (name in STAY or not expected)
    assert planned(project) == (
        {f"{entry['address']}/certificate": "renew" if expected in (["expired"], ["ends-soon"]) else "update"}
        if updated
        else {}
    )
    project.apply()
    assert planned(project) == {}


def test_a_serial_number_that_no_list_can_name_is_told(project: Project, source: Path, authority: Issued) -> None:
    """It cannot be revoked, and is good for everything else."""
    leaf = issue("broker.plant.example", of(), by=authority)
    server = with_long_serial(leaf.pem, authority.key)
    files = {"ca.pem": authority.pem, "ca.key": authority.key_pem(), "server.pem": server, "server.key": leaf.key_pem()}
    (entry,) = take_over(project, write(source, files))["entries"]
    assert [(one["code"], one["outcome"]) for one in entry["findings"]] == [("long-serial", "stays")]
    assert planned(project) == {}


KEYS: dict[str, tuple[PrivateKey, str, str]] = {
    "rsa-1024": (rsa.generate_private_key(65537, 1024), "weak-key", "rekeyed"),
    "exponent": (rsa.generate_private_key(3, 2048), "key-flaw", "stays"),
    "secp256k1": (ec.generate_private_key(ec.SECP256K1()), "uncommon-key", "stays"),
    "p192": (ec.generate_private_key(ec.SECP192R1()), "weak-key", "rekeyed"),
    "ed25519": (ed25519.Ed25519PrivateKey.generate(), "uncommon-key", "stays"),
}


@pytest.mark.parametrize("name", KEYS)
@pytest.mark.parametrize("found", [True, False], ids=["here", "elsewhere"])
def test_a_weak_key_is_replaced_and_an_uncommon_one_stays(
    project: Project, source: Path, authority: Issued, name: str, found: bool
) -> None:
    key, code, outcome = KEYS[name]
    leaf = issue("broker.plant.example", of(), by=authority, key=key)
    files = {"ca.pem": authority.pem, "ca.key": authority.key_pem(), "server.pem": leaf.pem}
    document = take_over(project, write(source, files | ({"server.key": leaf.key_pem()} if found else {})))
    (entry,) = document["entries"]
    finding = entry["findings"][0]
    assert (finding["code"], finding["outcome"]) == (code, outcome)
    changes = planned(project)
    address = entry["address"]
    if outcome == "stays":
        assert changes == {}
    else:
        assert changes[f"{address}/certificate"] == "update"
        assert changes[f"{address}/private-key"] in ("rekey", "create")
    project.apply()
    assert planned(project) == {}


@pytest.mark.parametrize("day", [825, 3660])
def test_what_openssl_makes_without_extensions_is_updated(
    project: Project, source: Path, day: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Version 1, once within the life of its authority and once beyond."""
    del monkeypatch
    openssl(source, "ecparam", "-genkey", "-name", "prime256v1", "-noout", "-out", "ca.key")
    openssl(
        source, "req", "-new", "-x509", "-days", "3650", "-key", "ca.key", "-out", "ca.pem", "-subj", "/CN=Plant CA"
    )
    openssl(source, "ecparam", "-genkey", "-name", "prime256v1", "-noout", "-out", "s.key")
    openssl(source, "req", "-new", "-key", "s.key", "-out", "s.csr", "-subj", "/CN=10.3.0.11")
    openssl(source, "x509", "-req", "-in", "s.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-set_serial", "1", "-sha1",
            "-days", str(day + 1), "-out", "s.pem")  # fmt: skip
    project.now = begins(source / "ca.pem") + timedelta(hours=1)
    document = take_over(project, source, "--broker", "10.3.0.11")
    (entry,) = document["entries"]
    codes = ["x509-v1", "address-in-common-name", "weak-signature"]
    codes += [*(["outlives-ca"] if day > 825 else []), "short-serial"]
    found = [(f["code"], f["outcome"]) for f in entry["findings"] if f["code"] != "uncertain-role"]
    assert found == [(code, "updated") for code in codes]
    assert planned(project) == {f"{entry['address']}/certificate": "update"}


AUTHORITIES = {
    "good": (CA, [], None),
    "no-key-usage": (Profile(is_ca=True, key_usage=None, days=3650), [("no-key-usage", "stays")], None),
    "not-critical": (
        Profile(is_ca=True, constraints=False, key_usage=CA.key_usage, days=3650),
        [("constraints-not-critical", "stays")],
        None,
    ),
    "no-key-id": (
        Profile(is_ca=True, own_key_id=False, key_usage=CA.key_usage, days=3650),
        [("no-subject-key-id", "stays")],
        None,
    ),
    "names": (
        Profile(is_ca=True, key_usage=CA.key_usage, days=3650, others=(x509.NameConstraints([HOST], None),)),
        [("name-constraints", "stays")],
        None,
    ),
    "may-not-sign": (
        Profile(is_ca=True, key_usage=frozenset({"crl_sign"}), days=3650), [("key-usage", "updated")], "update",
    ),
    "no-constraints": (
        Profile(constraints=None, key_usage=None, days=3650),
        [("no-basic-constraints", "updated"), ("no-key-usage", "updated")],
        "update",
    ),
    "expired": (
        Profile(is_ca=True, key_usage=CA.key_usage, begins=NOW - timedelta(days=900), days=890),
        [("expired", "updated")],
        "renew",
    ),
    "soon": (
        Profile(is_ca=True, key_usage=CA.key_usage, begins=NOW - timedelta(days=900), days=1000),
        [("ends-soon", "updated")],
        "renew",
    ),
    "half-way": (Profile(is_ca=True, key_usage=CA.key_usage, begins=NOW - timedelta(days=2000), days=3650), [], None),
    "a-year-left": (
        Profile(is_ca=True, key_usage=CA.key_usage, begins=NOW - timedelta(days=3200), days=3650), [], None,
    ),
    "for-ever": (Profile(is_ca=True, key_usage=CA.key_usage, days=40000), [], None),
}  # fmt: skip


@pytest.mark.parametrize("name", AUTHORITIES)
def test_a_usable_authority_stays_and_any_other_keeps_its_key(project: Project, source: Path, name: str) -> None:
    profile, expected, action = AUTHORITIES[name]
    root = issue("Plant CA", profile)
    within = Profile(usages=(CLIENT,), days=min(3650, profile.days), begins=profile.begins)
    leaf = issue("unit", within if name != "for-ever" else Profile(usages=(CLIENT,)), by=root)
    files = {"ca.pem": root.pem, "ca.key": root.key_pem(), "unit.pem": leaf.pem, "unit.key": leaf.key_pem()}
    document = take_over(project, write(source, files))
    assert [(f["code"], f["outcome"]) for f in document["authority"]["findings"]] == expected
    assert planned(project).get("ca/certificate") == action
    assert "ca/private-key" not in planned(project)
    project.apply()
    assert (project.output / "ca/ca.key").read_bytes() == root.key_pem()
    assert ((project.output / "ca/ca.pem").read_bytes() == root.pem) == (action is None)
    assert planned(project) == {}


def test_two_certificates_of_one_serial_number_cannot_be_revoked_apart(
    project: Project, source: Path, authority: Issued
) -> None:
    files = {"ca.pem": authority.pem}
    files |= {
        f"{n}.pem": issue(f"unit-{n}", Profile(usages=(CLIENT,), serial=2**90), by=authority).pem for n in range(2)
    }
    document = take_over(project, write(source, files))
    assert [found_codes(document, f"client/unit-{n}")[0] for n in range(2)] == ["duplicate-serial"] * 2


def test_a_key_that_others_could_read_is_closed_in_the_copy(project: Project, source: Path, authority: Issued) -> None:
    leaf = issue("unit", Profile(usages=(CLIENT,)), by=authority)
    write(source, {"ca.pem": authority.pem, "unit.pem": leaf.pem, "unit.key": leaf.key_pem()}, mode=0o644)
    document = take_over(project, source)
    assert found_codes(document, "client/unit") == ["key-readable"]
    assert document["entries"][0]["findings"][0]["outcome"] == "mended"
    assert (project.output / "clients/unit/client.key").stat().st_mode & 0o777 == 0o600
    assert planned(project) == {}


@pytest.mark.parametrize("order", [[0, 1, 2, 3, 4], [4, 3, 2, 1, 0], [2, 4, 0, 1, 3]])
def test_subjects_in_any_order_and_with_unknown_attributes_are_as_declared(
    project: Project, source: Path, order: list[int]
) -> None:
    def named(name: str) -> x509.Name:
        attributes = [
            (NameOID.COUNTRY_NAME, "US"),
            (NameOID.ORGANIZATION_NAME, "ACME"),
            (NameOID.COMMON_NAME, name),
            (NameOID.SERIAL_NUMBER, "4711"),
            (NameOID.ORGANIZATIONAL_UNIT_NAME, "SCADA"),
        ]
        return name_of(*(attributes[index] for index in order))

    root = issue(named("Plant CA"), CA)
    leaf = issue(named("unit"), Profile(usages=(CLIENT,)), by=root)
    files = {"ca.pem": root.pem, "ca.key": root.key_pem(), "unit.pem": leaf.pem, "unit.key": leaf.key_pem()}
    take_over(project, write(source, files))
    assert planned(project) == {}


def test_an_open_key_of_the_vendors_folder_is_found(project: Project, source: Path) -> None:
    folder = make_vendor_folder(source / "old", clients=())
    (folder / "server.key").chmod(0o644)
    project.now = begins(folder / "ca.pem") + timedelta(hours=1)
    document = take_over(project, folder, "--without-locked-keys")
    assert "key-readable" in found_codes(document, "broker/10.3.0.11")
