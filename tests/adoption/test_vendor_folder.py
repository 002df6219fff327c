"""A folder that a vendor's OpenSSL commands produced, from the import to a broker that serves its old clients."""

import hashlib
import json
from datetime import timedelta
from pathlib import Path

import jsonschema
import pytest
from cryptography import x509

from edgecerts.schemas import schema_text
from tests.adoption.sources import VENDOR_PASSWORD, begins, make_vendor_folder, snapshot
from tests.brokers.mosquitto import mosquitto
from tests.brokers.paho import exchange_message
from tests.conftest import Project
from tests.interop.plants import Pair
from tests.interop.programs import run_program
from tests.readers import key_and_certificate_match, read_certificate, spki

OLD_FILES = ("ca.key", "ca.pem", "server.key", "server.csr", "server.pem")


@pytest.fixture(scope="module")
def vendor(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder, whose broker is this machine."""
    return make_vendor_folder(tmp_path_factory.mktemp("old") / "pki files", host="127.0.0.1")


@pytest.fixture
def imported(project: Project, vendor: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project that took it over an hour after it was made."""
    project.now = begins(vendor / "ca.pem") + timedelta(hours=1)
    monkeypatch.setenv("OLD_PASSWORD", VENDOR_PASSWORD)
    before = snapshot(vendor)
    result = project.run("import", str(vendor), "--password", "env:OLD_PASSWORD", "--client", "MyEACM")
    assert result.code == 0, result.out + result.err
    assert snapshot(vendor) == before
    assert VENDOR_PASSWORD not in result.out + result.err + project.manifest.read_text()
    return project


def test_the_manifest_says_what_was_there(imported: Project, vendor: Path) -> None:
    assert imported.run("validate").code == 0
    key = spki(read_certificate(vendor / "ca.pem").public_key())
    text = imported.manifest.read_text(encoding="utf-8")
    said = [line for line in text.splitlines() if line.strip() and not line.strip().startswith("#")]
    assert said == [
        "version: 1",
        "defaults:",
        "  subject:",
        "    country: US",
        "    state: Texas",
        "    locality: Houston",
        "    organization: THIS_COMPANY INC",
        "    organizational_unit: SCADA",
        "    email: pki@this-company.example",
        "  key_type: rsa-2048",
        "  validity: 825d",
        "ca:",
        "  common_name: Jane Doe",
        "  key_type: rsa-2048",
        "  validity: 3650d",
        f"  fingerprint: sha256:{hashlib.sha256(key).hexdigest()}",
        "  password: {env: OLD_PASSWORD}",
        "brokers:",
        "  127.0.0.1:",
        "    common_name: 127.0.0.1",
        "clients:",
        "  MyEACM:",
        "    password: {env: OLD_PASSWORD}",
    ]


def test_the_first_plan_updates_the_leaves_and_nothing_else(imported: Project, vendor: Path) -> None:
    del vendor
    plan = json.loads(imported.run("plan", "--format", "json").out)
    busy = {change["address"]: change["action"] for change in plan["changes"] if change["action"] != "no-op"}
    assert busy == {
        "log": "create",
        "broker/127.0.0.1/certificate": "update",
        "client/MyEACM/certificate": "update",
    }
    assert plan["hazards"] == plan["blocked"] == plan["unmanaged"] == []
    reasons = {
        change["address"]: [(reason["code"], reason["before"]) for reason in change["reasons"]]
        for change in plan["changes"]
    }
    assert reasons["broker/127.0.0.1/certificate"] == [("alt-names-changed", []), ("not-acceptable", "X.509 v1")]
    assert reasons["client/MyEACM/certificate"] == [("not-acceptable", "X.509 v1")]
    assert [need["source"] for need in plan["needs"]] == ["file:ca/ca.key", "env:OLD_PASSWORD"]


def test_apply_updates_the_leaves_for_their_same_keys(imported: Project, vendor: Path) -> None:
    imported.apply()
    assert imported.run("plan").out.endswith("Nothing to do: 11 files as declared.\n")
    password = VENDOR_PASSWORD.encode()
    output = imported.output
    assert (output / "ca/ca.pem").read_bytes() == (vendor / "ca.pem").read_bytes()
    assert key_and_certificate_match(output / "ca/ca.key", vendor / "ca.pem", password)
    server, client = output / "brokers/127.0.0.1/server", output / "clients/MyEACM/client"
    assert key_and_certificate_match(server.with_suffix(".key"), vendor / "server.pem")
    assert key_and_certificate_match(server.with_suffix(".key"), server.with_suffix(".pem"))
    assert key_and_certificate_match(client.with_suffix(".key"), vendor / "MyEACM.pem", password)
    assert key_and_certificate_match(client.with_suffix(".key"), client.with_suffix(".pem"), password)
    for old, new in (("server.pem", server), ("MyEACM.pem", client)):
        before, after = read_certificate(vendor / old), read_certificate(new.with_suffix(".pem"))
        assert after.subject.public_bytes() == before.subject.public_bytes()
        assert after.version is x509.Version.v3
        assert after.not_valid_after_utc <= read_certificate(vendor / "ca.pem").not_valid_after_utc
    checked = ("-x509_strict", "-purpose", "sslserver", "-verify_ip", "127.0.0.1")
    result = run_program("openssl", "verify", *checked, "-CAfile", vendor / "ca.pem", server.with_suffix(".pem"))
    assert "CA cert does not include key usage extension" in result.stderr, "the authority stays as it is"
    result = run_program("openssl", "verify", *checked[1:], "-CAfile", vendor / "ca.pem", server.with_suffix(".pem"))
    assert result.returncode == 0, result.stderr


def test_keys_are_pkcs8_and_as_private_as_they_should_be(imported: Project, vendor: Path) -> None:
    del vendor
    begin = {path: content[0].split(b"\n")[0] for path, content in imported.files().items() if path.endswith(".key")}
    assert begin == {
        "ca/ca.key": b"-----BEGIN ENCRYPTED PRIVATE KEY-----",
        "brokers/127.0.0.1/server.key": b"-----BEGIN PRIVATE KEY-----",
        "clients/MyEACM/client.key": b"-----BEGIN ENCRYPTED PRIVATE KEY-----",
    }
    assert {path: content[1] for path, content in imported.files().items() if path.endswith(".key")} == dict.fromkeys(
        begin, 0o600
    )
    asked = run_program("openssl", "asn1parse", "-in", imported.output / "ca/ca.key")
    assert "0927C0" in asked.stdout, "600,000 rounds"


def test_mosquitto_serves_clients_that_hold_the_old_files(imported: Project, vendor: Path, tmp_path: Path) -> None:
    """The broker gets its new certificate, and no client is touched."""
    imported.apply()
    folder = imported.output / "brokers/127.0.0.1"
    new = Pair(certificate=folder / "server.pem", private_key=folder / "server.key", trust=folder / "ca.pem")
    plain = tmp_path / "client.key"
    unlocked = run_program("openssl", "pkey", "-in", vendor / "MyEACM.key", "-passin", f"pass:{VENDOR_PASSWORD}",
                           "-out", plain)  # fmt: skip
    assert unlocked.returncode == 0, unlocked.stderr
    old = Pair(certificate=vendor / "MyEACM.pem", private_key=plain, trust=vendor / "ca.pem")
    with mosquitto(tmp_path / "broker", new, mutual=True) as broker:
        session = exchange_message("old", "127.0.0.1", broker.port, trust=old.trust, pair=old)
        assert session.received == [b"hello"], broker.log()
        assert broker.user_of("old") == "MyEACM"
        renewed = imported.output / "clients/MyEACM/client.pem"
        mixed = Pair(certificate=renewed, private_key=plain, trust=vendor / "ca.pem")
        assert exchange_message("new", "127.0.0.1", broker.port, trust=mixed.trust, pair=mixed).received == [b"hello"]


def test_before_the_update_python_refused_the_broker(vendor: Path, tmp_path: Path) -> None:
    """What the update is good for: the address stood in the common name alone."""
    old = Pair(certificate=vendor / "server.pem", private_key=vendor / "server.key", trust=vendor / "ca.pem")
    with mosquitto(tmp_path, old) as broker, pytest.raises(OSError, match="IP address mismatch"):
        exchange_message("refused", "127.0.0.1", broker.port, trust=vendor / "ca.pem")


def test_the_report_names_each_reason(imported: Project, vendor: Path) -> None:
    result = imported.run("import", str(vendor), "--dry-run", "--format", "json", "--password", "env:OLD_PASSWORD")
    assert result.code == 1, "the manifest is there already"
    imported.manifest.rename(imported.folder / "other.yaml")
    result = imported.run("import", str(vendor), "--dry-run", "--format", "json", "--password", "env:OLD_PASSWORD")
    assert result.code == 0, result.err
    document = json.loads(result.out)
    jsonschema.validate(document, json.loads(schema_text("import")))
    assert not imported.manifest.exists()
    found = {entry["address"]: [f["code"] for f in entry["findings"]] for entry in document["entries"]}
    assert found == {
        "broker/127.0.0.1": ["x509-v1", "address-in-common-name"],
        "client/MyEACM": ["x509-v1", "uncertain-role"],
    }
    assert [finding["code"] for finding in document["authority"]["findings"]] == ["no-key-usage"]
    assert document["authority"]["findings"][0]["outcome"] == "stays"
    assert document["authority"]["private_key"] == {
        "files": ["ca.key"], "encrypted": True, "password": "environment variable OLD_PASSWORD",
    }  # fmt: skip


def test_without_its_password_a_key_is_listed_and_nothing_is_written(project: Project, vendor: Path) -> None:
    """The manifest would say that the keys are on their hosts, and they lie here."""
    project.now = begins(vendor / "ca.pem") + timedelta(hours=1)
    result = project.run("import", str(vendor))
    assert result.code == 1
    assert "nothing was written: the private key of ca, client/MyEACM was not found, and may be" in result.err
    assert "--without-locked-keys" in result.err
    assert list(project.folder.iterdir()) == []
    document = json.loads(project.run("import", str(vendor), "--dry-run", "--format", "json").out)
    jsonschema.validate(document, json.loads(schema_text("import")))
    assert document["withheld"] in result.err
    assert not document["written"]
    (said,) = [f["message"] for f in document["authority"]["findings"] if f["code"] == "key-not-found"]
    assert said.endswith("it may be MyEACM.key, ca.key, which are locked")
    result = project.run("import", str(vendor), "--dry-run")
    assert result.code == 0
    assert "Nothing is written: " in result.out
    assert "Would write" not in result.out


def test_without_locked_keys_the_rest_is_taken_over(project: Project, vendor: Path) -> None:
    project.now = begins(vendor / "ca.pem") + timedelta(hours=1)
    result = project.run("import", str(vendor), "--without-locked-keys")
    assert result.code == 0
    assert "ca.key: an encrypted private key that no given password opens" in result.out
    assert "(locked-key)" in result.out
    assert not (project.output / "ca/ca.key").exists()
    plan = project.run("plan")
    assert "issuer-key-not-here" in plan.out
    manifest = project.manifest.read_text()
    assert "key_held: csr" in manifest, "a request of the client's key is there"
    assert (project.folder / "requests/MyEACM.csr").read_bytes() == (vendor / "MyEACM.csr").read_bytes()
