"""Certificate requests on the authority's side: whoever made them, they are good for their key and for nothing else."""

import json
import shutil
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.x509.oid import NameOID

from edgecerts.apply.lock import locked
from edgecerts.errors import InvalidRequestError
from edgecerts.pki.certificate_requests import MAX_REQUEST_BYTES, build_request, parse_request
from edgecerts.pki.certificates import CertificateSpec
from edgecerts.pki.key_types import KeyType
from edgecerts.pki.names import Subject, parse_alt_name
from edgecerts.pki.private_keys import PrivateKey, encode_private_key, generate_private_key, spki_sha256
from edgecerts.plan.request_checks import KeyOwners
from tests.conftest import NOW, Project
from tests.interop.programs import find_program
from tests.readers import read_certificate, spki

FIXTURES = Path(__file__).parent / "requests"
MANIFEST = """\
version: 1
ca: {common_name: Test CA}
defaults: {key_held: csr}
brokers:
  plant-a: {common_name: 10.3.0.11, alt_names: [broker.plant-a.example]}
clients:
  unit:
"""
BROKER, CLIENT = "brokers/plant-a/server", "clients/unit/client"


def send(project: Project, name: str, key: PrivateKey) -> None:
    """Puts a request where the manifest expects it."""
    spec = CertificateSpec(is_ca=False, subject=Subject(common_name=name), alt_names=(), usages=frozenset())
    place = project.folder / f"requests/{name}.csr"
    place.parent.mkdir(exist_ok=True)
    place.write_bytes(build_request(spec, key))


def plan_of(project: Project, *options: str) -> dict[str, object]:
    found = json.loads(project.run("plan", "--format", "json", *options).out)
    assert isinstance(found, dict)
    return found


def busy(project: Project) -> dict[str, str]:
    changes = json.loads(project.run("plan", "--format", "json").out)["changes"]
    return {change["address"]: change["action"] for change in changes if change["action"] != "no-op"}


@pytest.fixture
def settled(project: Project) -> Project:
    """Both hosts have sent their requests, and have their certificates."""
    project.write(MANIFEST)
    for name in ("plant-a", "unit"):
        key = generate_private_key(KeyType.EC_P256)
        (project.folder / f"{name}.key").write_bytes(encode_private_key(key, None))
        send(project, name, key)
    project.apply()
    return project


def host_key(project: Project, name: str) -> PrivateKey:
    key = load_pem_private_key((project.folder / f"{name}.key").read_bytes(), None)
    assert isinstance(key, PrivateKey)
    return key


@pytest.mark.parametrize("name", ["go", "java-ec", "java-rsa"])
def test_a_request_that_another_tool_made_is_as_good(project: Project, name: str) -> None:
    project.write(MANIFEST)
    (project.folder / "requests").mkdir()
    shutil.copy(FIXTURES / f"{name}.csr", project.folder / "requests/unit.csr")
    project.apply()
    certificate = read_certificate(project.output / f"{CLIENT}.pem")
    request = x509.load_pem_x509_csr((FIXTURES / f"{name}.csr").read_bytes())
    assert spki(certificate.public_key()) == spki(request.public_key())
    assert [attribute.value for attribute in certificate.subject] == ["unit"]
    assert busy(project) == {}


def test_what_was_requested_is_certified_and_no_key_is_here(settled: Project) -> None:
    for name, stem in (("plant-a", BROKER), ("unit", CLIENT)):
        certificate = read_certificate(settled.output / f"{stem}.pem")
        assert spki(certificate.public_key()) == spki(host_key(settled, name).public_key())
        certificate.verify_directly_issued_by(read_certificate(settled.output / "ca/ca.pem"))
        assert (settled.output / stem).parent.joinpath("ca.pem").read_bytes()
    broker = read_certificate(settled.output / f"{BROKER}.pem")
    names = broker.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(name.value) for name in names] == ["10.3.0.11", "broker.plant-a.example"]
    assert sorted(path.name for path in settled.output.rglob("*.key")) == ["ca.key"]
    assert settled.run("plan").out.endswith("Nothing to do: 11 files as declared.\n")
    log = [json.loads(line) for line in (settled.output / "issued/2026.jsonl").read_text().splitlines()]
    assert log[-1]["reasons"] == ["missing", "requested"]


def test_a_renewal_needs_neither_a_key_nor_a_request(settled: Project) -> None:
    shutil.rmtree(settled.folder / "requests")
    before = read_certificate(settled.output / f"{CLIENT}.pem")
    settled.now = NOW + timedelta(days=700)
    assert busy(settled) == {"broker/plant-a/certificate": "renew", "client/unit/certificate": "renew"}
    settled.apply()
    after = read_certificate(settled.output / f"{CLIENT}.pem")
    assert spki(after.public_key()) == spki(before.public_key())
    assert after.not_valid_after_utc > before.not_valid_after_utc
    assert busy(settled) == {}


def test_a_request_for_another_key_is_a_rekey_of_that_identity_alone(settled: Project) -> None:
    key = generate_private_key(KeyType.EC_P256)
    send(settled, "plant-a", key)
    assert busy(settled) == {"broker/plant-a/certificate": "rekey"}
    delivery = plan_of(settled)["deliver"]
    assert isinstance(delivery, list)
    assert delivery == [
        {
            "address": "broker/plant-a",
            "host": "10.3.0.11",
            "files": [f"{BROKER}.pem"],
            "key_changed": True,
            "key_on_host": True,
            "trust_changed": False,
            "crl_changed": False,
            "restart": False,
        }
    ]
    result = settled.apply()
    assert "private key: the new one on its host, which edgecerts request broker/plant-a" in result.out
    assert spki(read_certificate(settled.output / f"{BROKER}.pem").public_key()) == spki(key.public_key())
    assert busy(settled) == {}


@pytest.mark.parametrize("form", ["text", "markdown"])
def test_the_key_is_shown_whole_so_that_two_people_can_compare_it(project: Project, form: str) -> None:
    project.write(MANIFEST)
    send(project, "unit", generate_private_key(KeyType.EC_P256))
    facts = parse_request((project.folder / "requests/unit.csr").read_bytes())
    assert f"sha256:{facts.spki_sha256}" in project.run("plan", "--format", form).out
    project.apply()
    send(project, "unit", generate_private_key(KeyType.EC_P256))
    facts = parse_request((project.folder / "requests/unit.csr").read_bytes())
    assert f"sha256:{facts.spki_sha256}" in project.run("plan", "--format", form).out


def test_a_lost_certificate_comes_back_from_the_request_and_a_lost_request_costs_nothing(settled: Project) -> None:
    (settled.folder / "requests/unit.csr").unlink()
    assert busy(settled) == {}
    (settled.output / f"{BROKER}.pem").unlink()
    assert busy(settled) == {"broker/plant-a/certificate": "create"}
    settled.apply()
    certificate = read_certificate(settled.output / f"{BROKER}.pem")
    assert spki(certificate.public_key()) == spki(host_key(settled, "plant-a").public_key())
    (settled.output / f"{CLIENT}.pem").unlink()
    plan = plan_of(settled)
    assert isinstance(plan["waiting"], list)
    assert [entry["code"] for entry in plan["waiting"]] == ["request-missing"]
    assert settled.run("plan").out.endswith("Nothing to do: 8 files as declared, 1 waiting.\n")
    assert settled.run("apply").code == 0


def test_a_key_that_lies_beside_is_never_touched(settled: Project) -> None:
    """Not closed, encrypted, replaced, opened or pruned: it is not ours."""
    settled.write(MANIFEST.replace("{key_held: csr}", "{key_held: csr, password: {env: NOWHERE}}"))
    key = settled.output / f"{CLIENT}.key"
    key.write_bytes(b"not even a key")
    key.chmod(0o644)
    key.parent.chmod(0o755)
    before = settled.files()
    for options in ((), ("--prune",), ("--replace", "missing-keys"), ("--replace", "client/unit/certificate")):
        assert settled.run("apply", *options).code == 0, options
    settled.now = NOW + timedelta(days=700)
    assert settled.run("apply").code == 0
    assert settled.run("apply", "--replace", "client/unit").code == 1
    assert settled.files()[f"{CLIENT}.key"] == before[f"{CLIENT}.key"]
    assert key.parent.stat().st_mode & 0o777 == 0o755
    assert settled.run("status").code == 0


def test_a_copy_of_a_hosts_key_that_everybody_can_read_is_a_finding(settled: Project) -> None:
    copy = settled.output / f"{CLIENT}.key"
    shutil.copy(settled.folder / "unit.key", copy)
    copy.chmod(0o600)
    assert settled.run("status").code == 0
    copy.chmod(0o644)
    result = settled.run("status", "--format", "json")
    row = next(row for row in json.loads(result.out)["identities"] if row["address"] == "client/unit")
    assert (result.code, row["state"]) == (3, "exposed")
    assert "chmod 600 clients/unit/client.key" in row["hint"]
    assert json.loads(settled.run("plan", "--format", "json").out)["summary"]["chmod"] == 0
    assert copy.stat().st_mode & 0o777 == 0o644


def test_the_line_for_openssl_never_writes_over_a_key(project: Project, tmp_path: Path) -> None:
    project.write(MANIFEST)
    project.apply()
    waiting = json.loads(project.run("plan", "--format", "json").out)["waiting"]
    command = next(entry["command"] for entry in waiting if entry["address"] == "client/unit/certificate")
    host = tmp_path / "host"
    host.mkdir()
    environ = {"PATH": f"{Path(find_program('openssl')).parent}:/usr/bin:/bin"}
    subprocess.run(["sh", "-c", command], cwd=host, env=environ, check=True, capture_output=True)
    key, request = (host / "client.key").read_bytes(), (host / "unit.csr").read_bytes()
    assert parse_request(request).spki_sha256 == spki_sha256(load_pem_private_key(key, None).public_key())
    again = subprocess.run(["sh", "-c", command], cwd=host, env=environ, capture_output=True)
    assert again.returncode == 1
    assert ((host / "client.key").read_bytes(), (host / "unit.csr").read_bytes()) == (key, request)


@pytest.mark.parametrize("shared", [2, 300])
def test_cloned_devices_each_hear_of_another(shared: int) -> None:
    names = [f"client/{number:03}" for number in range(shared)]
    owners = KeyOwners(holders={}, logged={}, requesters={"aa": tuple(names)})
    assert owners.other_requester("aa", names[0]) == names[1]
    assert {owners.other_requester("aa", name) for name in names[1:]} == {names[0]}
    held = KeyOwners(holders={"aa": (names[1],)}, logged={}, requesters={"aa": tuple(names)})
    assert (held.other_owner("aa", names[1]), held.other_owner("aa", names[0])) == (None, names[1])
    assert (held.other_requester("aa", names[1]), held.other_requester("aa", names[0])) == (None, None)


def test_only_what_is_waited_for_is_nothing_to_do_and_no_error(project: Project) -> None:
    project.write(MANIFEST)
    project.apply()
    for command in ("plan", "apply"):
        result = project.run(command)
        assert result.code == 0
        assert result.out.endswith("Nothing to do: 5 files as declared, 2 waiting.\n")
        assert "edgecerts request broker/plant-a\n" in result.out
        lines = result.out.splitlines()
        assert "         " + plan_of(project)["waiting"][0]["command"] in lines  # type: ignore[index]
    assert project.run("plan", "--detailed-exitcode").code == 0
    assert project.run("apply", "--detailed-exitcode").code == 0
    assert project.run("plan", "--format", "markdown").out.startswith(
        "## edgecerts plan: nothing to do, 5 files as declared, 2 waiting\n"
    )


def test_status_tells_waiting_missing_and_refused_apart(project: Project) -> None:
    project.write(MANIFEST)
    project.apply()

    def state() -> tuple[str, int, int]:
        rows = json.loads(project.run("status", "--format", "json").out)["identities"]
        (found,) = [row["state"] for row in rows if row["address"] == "client/unit"]
        return found, project.run("status").code, project.run("status", "--fail-on", "waiting").code

    assert state() == ("waiting", 0, 3)
    send(project, "unit", generate_private_key(KeyType.EC_P256))
    assert state() == ("missing", 3, 3)
    (project.folder / "requests/unit.csr").write_text("damaged")
    assert state() == ("blocked", 3, 3)


def test_a_finding_that_was_asked_for_is_shown_as_one(project: Project) -> None:
    project.write(MANIFEST)
    project.apply()
    text = project.run("status", "--fail-on", "waiting").out
    assert "Findings\n  broker/plant-a: waiting\n" in text
    assert "      -> on its host: edgecerts request client/unit\n" in text
    assert text.endswith("2 findings: 2 waiting; 1 ok.\n")
    document = json.loads(project.run("status", "--fail-on", "waiting", "--format", "json").out)
    assert document["fail_on"] == ["waiting"]
    assert [row["finding"] for row in document["identities"]] == [False, True, True]
    assert project.run("status", "--fail-on", "ok").code == 64


def test_a_certificate_in_use_is_renewed_while_a_request_is_refused(settled: Project) -> None:
    (settled.folder / "requests/unit.csr").write_text("damaged")
    settled.now = NOW + timedelta(days=700)
    before = read_certificate(settled.output / f"{CLIENT}.pem")
    result = settled.run("apply")
    assert result.code == 1
    assert read_certificate(settled.output / f"{CLIENT}.pem").serial_number != before.serial_number
    rows = json.loads(settled.run("status", "--format", "json").out)["identities"]
    assert [row["state"] for row in rows] == ["ok", "ok", "blocked"]


def test_a_request_that_was_exchanged_after_review_is_stale(settled: Project) -> None:
    send(settled, "unit", generate_private_key(KeyType.EC_P256))
    saved = settled.folder / "plan.json"
    assert settled.run("plan", "--out", str(saved)).code == 0
    send(settled, "unit", generate_private_key(KeyType.EC_P256))
    before = (settled.output / f"{CLIENT}.pem").read_bytes()
    result = settled.run("apply", str(saved))
    assert result.code == 4
    assert "Stale" in result.out
    assert (settled.output / f"{CLIENT}.pem").read_bytes() == before


def test_a_saved_plan_rests_on_the_key_in_the_request(settled: Project) -> None:
    def basis() -> object:
        settled.run("plan", "--out", str(settled.folder / "plan.json"))
        identities = json.loads((settled.folder / "plan.json").read_text())["basis"]["identities"]
        return next(identity for identity in identities if identity["address"] == "client/unit")

    settled.now = NOW + timedelta(days=700)
    before = basis()
    send(settled, "unit", host_key(settled, "unit"))
    assert basis() == before
    # Refused, because it is the other host's; what is planned stays the same.
    send(settled, "unit", host_key(settled, "plant-a"))
    assert basis() != before


def test_a_reviewed_renewal_is_carried_out_while_a_request_is_refused(settled: Project) -> None:
    (settled.folder / "requests/unit.csr").write_text("damaged")
    settled.now = NOW + timedelta(days=700)
    before = read_certificate(settled.output / f"{CLIENT}.pem")
    saved = settled.folder / "plan.json"
    assert settled.run("plan", "--out", str(saved)).code == 0
    result = settled.run("apply", str(saved))
    assert result.code == 1
    assert read_certificate(settled.output / f"{CLIENT}.pem").serial_number != before.serial_number


def test_a_request_that_came_after_review_is_left(project: Project) -> None:
    project.write(MANIFEST)
    project.apply()
    saved = project.folder / "plan.json"
    assert project.run("plan", "--out", str(saved)).code == 0
    send(project, "unit", generate_private_key(KeyType.EC_P256))
    result = project.run("apply", str(saved))
    assert result.code == 0
    assert "client/unit/certificate: create" in result.out
    assert not (project.output / f"{CLIENT}.pem").exists()


def test_a_reviewed_request_is_carried_out(project: Project) -> None:
    project.write(MANIFEST)
    project.apply()
    key = generate_private_key(KeyType.EC_P256)
    send(project, "unit", key)
    saved = project.folder / "plan.json"
    assert project.run("plan", "--out", str(saved)).code == 0
    # Asked for again: the request is another file, and its key is the one that was reviewed.
    send(project, "unit", key)
    assert project.run("apply", str(saved)).code == 0
    assert (project.output / f"{CLIENT}.pem").exists()


def test_a_request_that_is_exchanged_while_apply_prepares_is_not_certified_unseen(
    settled: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was planned without the lock is read again with it, and what is certified is what was told."""
    send(settled, "unit", generate_private_key(KeyType.EC_P256))
    last = generate_private_key(KeyType.EC_P256)

    def exchange(*arguments: object, **named: object) -> object:
        send(settled, "unit", last)
        return locked(*arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr("edgecerts.apply.run.locked", exchange)
    document = json.loads(settled.run("apply", "--format", "json").out)
    (change,) = [change for change in document["changes"] if change["action"] == "rekey"]
    facts = parse_request((settled.folder / "requests/unit.csr").read_bytes())
    assert change["reasons"][0]["after"] == f"sha256:{facts.spki_sha256}"
    assert spki(read_certificate(settled.output / f"{CLIENT}.pem").public_key()) == spki(last.public_key())


def test_a_request_has_at_most_64_kib(settled: Project) -> None:
    pem = (settled.folder / "requests/unit.csr").read_bytes()
    parse_request(b" " * (MAX_REQUEST_BYTES - len(pem)) + pem)
    with pytest.raises(InvalidRequestError, match="it has more than 64 KiB"):
        parse_request(b" " * (MAX_REQUEST_BYTES - len(pem) + 1) + pem)


@pytest.mark.parametrize("key_type", list(KeyType))
def test_a_request_for_every_type_of_key_is_written_and_read(key_type: KeyType) -> None:
    subject = Subject(country="US", organization="Plant", common_name="10.3.0.11", email="pki@plant.example")
    names = tuple(parse_alt_name(name) for name in ("10.3.0.11", "broker.plant-a.example", "uri:urn:plant:a"))
    key = generate_private_key(key_type)
    pem = build_request(CertificateSpec(is_ca=False, subject=subject, alt_names=names, usages=frozenset()), key)
    request = x509.load_pem_x509_csr(pem)
    assert request.is_signature_valid
    assert spki(request.public_key()) == spki(key.public_key())
    assert request.subject.get_attributes_for_oid(NameOID.EMAIL_ADDRESS)[0].value == "pki@plant.example"
    facts = parse_request(pem)
    assert facts.key_type == key_type.value
    assert facts.subject == subject.items()
    assert facts.alt_names == {str(name) for name in names}
    assert not facts.wants_authority
    # Whether the request is one is decided by its text, not by what comes with it.
    assert parse_request(b"\r\n some words\r\n" + pem.replace(b"\n", b"\r\n")) == facts
    assert request.public_bytes(Encoding.PEM) == pem
