"""Every state of the files that is neither "missing" nor "as declared" is recognised, shown, and left alone."""

import json
import shutil
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509

from tests.conftest import NOW, SMALL, Project
from tests.reissue import ADDRESS_AS_NAME, CLIENT_ONLY, SERVER_AND_CLIENT, reissue

SERVER = "brokers/plant-a/server"
Spoil = Callable[[Project], None]

WITH_PASSWORD = SMALL.replace(
    "alt_names: [broker.plant-a.example]", "alt_names: [broker.plant-a.example], password: {env: BROKER_PASSWORD}"
)


def declare(old: str, new: str) -> Spoil:
    return lambda project: project.write(SMALL.replace(old, new))


def broker(text: str) -> Spoil:
    return declare("alt_names: [broker.plant-a.example]", f"alt_names: [broker.plant-a.example], {text}")


def write(path: str, content: bytes) -> Spoil:
    def spoil(project: Project) -> None:
        (project.output / path).write_bytes(content)

    return spoil


def swap(project: Project) -> None:
    """Puts the client's certificate where the broker's should be."""
    shutil.copy(project.output / "clients/MyEACM/client.pem", project.output / f"{SERVER}.pem")


def later(**delta: int) -> Spoil:
    def spoil(project: Project) -> None:
        project.now = NOW + timedelta(**delta)

    return spoil


def remove(path: str) -> Spoil:
    return lambda project: project.output.joinpath(path).unlink()


def chmod(path: str, mode: int) -> Spoil:
    return lambda project: project.output.joinpath(path).chmod(mode)


def again(**changes: Any) -> Spoil:
    return lambda project: reissue(project.output, SERVER, **changes)


def folder_in_place_of_the_certificate(project: Project) -> None:
    (project.output / f"{SERVER}.pem").unlink()
    (project.output / f"{SERVER}.pem").mkdir()


def foreign_trust(project: Project) -> None:
    shutil.copy(project.output / "clients/MyEACM/client.pem", project.output / "brokers/plant-a/ca.pem")


def other_authority(project: Project) -> None:
    """Replaces the authority by another of the same name, as a restore from the wrong backup does."""
    other = Project(folder=project.folder / "other", capture=project.capture)
    other.folder.mkdir()
    other.write(SMALL)
    assert other.run("apply").code == 0
    for name in ("ca.key", "ca.pem"):
        shutil.copy(other.output / "ca" / name, project.output / "ca" / name)


# What is done to a settled folder or manifest; the address; the action that is planned; its reason; and whether
# apply carries it out ("done"), or the code of what blocks or refuses it, or of the notice that says it is left.
STATES: dict[str, tuple[Spoil, str, str, str | None, str]] = {
    "a subject field is declared anew": (
        broker("subject: {organization: ACME}"), "broker/plant-a/certificate", "update", "subject-changed", "done"),
    "the common name is another": (
        declare("10.3.0.11", "10.3.0.12"), "broker/plant-a/certificate", "update", "subject-changed", "done"),
    "an alternative name is added": (
        declare("[broker.plant-a.example]", "[broker.plant-a.example, b2.example]"),
        "broker/plant-a/certificate", "update", "alt-names-changed", "done"),
    "an alternative name is removed": (
        declare(", alt_names: [broker.plant-a.example]", ""),
        "broker/plant-a/certificate", "update", "alt-names-changed", "done"),
    "an address is declared as a host name, too": (
        broker("ip_as_dns: true"), "broker/plant-a/certificate", "update", "alt-names-changed", "done"),
    "the certificate has the address as a host name alone": (
        again(extensions={x509.SubjectAlternativeName: (ADDRESS_AS_NAME, False)}),
        "broker/plant-a/certificate", "update", "alt-names-changed", "done"),
    "the certificate's place is a folder": (
        folder_in_place_of_the_certificate,
        "broker/plant-a/certificate", "update", "corrupt", "unreadable"),
    "a usage is added": (
        broker("usages: [server, client]"), "broker/plant-a/certificate", "update", "usage-changed", "done"),
    "a lifetime is declared": (
        broker("validity: 90d"), "broker/plant-a/certificate", "update", "validity-changed", "done"),
    "an end is declared": (
        broker("not_after: 2027-06-01T00:00:00Z"), "broker/plant-a/certificate", "update", "validity-changed", "done"),
    "a key type is declared": (
        broker("key_type: ec-p384"), "broker/plant-a/private-key", "rekey", "key-type-changed", "done"),
    "a password is declared": (
        lambda project: project.write(WITH_PASSWORD),
        "broker/plant-a/private-key", "update", "encryption-changed", "done"),
    "the certificate is due": (later(days=600), "broker/plant-a/certificate", "renew", "near-expiry", "done"),
    "the certificate has expired": (later(days=900), "broker/plant-a/certificate", "renew", "expired", "done"),
    "the authority's certificate is due": (later(days=3000), "ca/certificate", "renew", "near-expiry", "done"),
    "the certificate is for another key": (
        again(own_key=False), "broker/plant-a/certificate", "update", "key-mismatch", "done"),
    "the certificate is another identity's": (
        swap, "broker/plant-a/certificate", "update", "key-mismatch", "done"),
    "the certificate is damaged": (
        write(f"{SERVER}.pem", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
        "broker/plant-a/certificate", "update", "corrupt", "done"),
    "the certificate is empty": (
        write(f"{SERVER}.pem", b""), "broker/plant-a/certificate", "update", "corrupt", "done"),
    "the certificate is gone": (
        remove(f"{SERVER}.pem"), "broker/plant-a/certificate", "create", "missing", "done"),
    "the certificate and its key are gone": (
        lambda project: shutil.rmtree(project.output / "brokers/plant-a"),
        "broker/plant-a/private-key", "create", "missing", "done"),
    "the certificate lacks its usage": (
        again(extensions={x509.ExtendedKeyUsage: (CLIENT_ONLY, False)}),
        "broker/plant-a/certificate", "update", "usage-changed", "done"),
    "the certificate is an authority's": (
        again(extensions={x509.BasicConstraints: (x509.BasicConstraints(ca=True, path_length=None), True)}),
        "broker/plant-a/certificate", "update", "usage-changed", "done"),
    "the certificate has no key identifier of its issuer": (
        again(extensions={x509.AuthorityKeyIdentifier: None}),
        "broker/plant-a/certificate", "update", "not-acceptable", "done"),
    "the certificate outlives its authority": (
        again(not_after=NOW + timedelta(days=4000)),
        "broker/plant-a/certificate", "update", "outlives-issuer", "done"),
    "the authority is another": (
        other_authority, "broker/plant-a/certificate", "update", "issuer-changed", "ca-replaced"),
    "the trusted authority is another": (
        foreign_trust, "broker/plant-a/trust", "update", "content-changed", "done"),
    "the trust file is damaged": (
        write("brokers/plant-a/ca.pem", b"nonsense"), "broker/plant-a/trust", "update", "corrupt", "done"),
    "the trust file is gone": (remove("brokers/plant-a/ca.pem"), "broker/plant-a/trust", "create", "missing", "done"),
    "the private key is damaged": (
        write(f"{SERVER}.key", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"),
        "broker/plant-a/private-key", "no-op", "corrupt", "corrupt"),
    "the private key is cut off": (
        lambda project: write(f"{SERVER}.key", (project.output / f"{SERVER}.key").read_bytes()[:80])(project),
        "broker/plant-a/private-key", "no-op", "corrupt", "corrupt"),
    "the private key is not here": (
        remove(f"{SERVER}.key"), "broker/plant-a/private-key", "no-op", None, "key-not-here"),
    "the private key is readable by others": (
        chmod(f"{SERVER}.key", 0o644), "broker/plant-a/private-key", "chmod", "mode-changed", "done"),
    "the private key's folder is open to others": (
        chmod("brokers/plant-a", 0o755), "broker/plant-a/private-key", "chmod", "mode-changed", "done"),
    "the authority's key is not here": (remove("ca/ca.key"), "ca/private-key", "no-op", None, "no change"),
    "the authority's key is damaged": (
        write("ca/ca.key", b"nonsense"), "ca/private-key", "no-op", "corrupt", "corrupt"),
    "the authority's certificate is damaged": (
        write("ca/ca.pem", b"nonsense"), "ca/certificate", "update", "corrupt", "done"),
    "the authority's certificate is gone": (remove("ca/ca.pem"), "ca/certificate", "create", "missing", "done"),
    "the authority's key and certificate are gone": (
        lambda project: shutil.rmtree(project.output / "ca"), "ca/private-key", "create", "missing", "ca-replaced"),
    "our lines in a file are not UTF-8": (
        write(".gitignore", b"\xff"), "folder/.gitignore", "update", "corrupt", "unreadable"),
    "our lines in a file were changed": (
        write(".gitignore", b"mine\n"), "folder/.gitignore", "update", "content-changed", "done"),
}  # fmt: skip


@pytest.mark.parametrize(("spoil", "address", "action", "reason", "verdict"), STATES.values(), ids=STATES.keys())
def test_a_state_is_planned_with_its_reason_carried_out_and_then_settled(
    project: Project,
    monkeypatch: pytest.MonkeyPatch,
    spoil: Spoil,
    address: str,
    action: str,
    reason: str | None,
    verdict: str,
) -> None:
    monkeypatch.setenv("BROKER_PASSWORD", "a password")
    project.write(SMALL)
    project.apply()
    spoil(project)
    before = project.files()

    planned = project.run("plan", "--format", "json")
    plan = json.loads(planned.out)
    change = next(change for change in plan["changes"] if change["address"] == address)
    assert planned.code == 0
    assert change["action"] == action
    assert reason in {entry["code"] for entry in change["reasons"]} | {None}

    applied = project.run("apply")
    if verdict == "done":
        assert applied.code == 0, applied.out
        again = json.loads(project.run("plan", "--format", "json").out)
        assert {entry["action"] for entry in again["changes"]} == {"no-op"}
        assert again["hazards"] == again["blocked"] == []
        return
    assert project.files() == before
    remarks = plan["hazards"] + plan["blocked"] + plan["notices"]
    assert verdict in {remark["code"] for remark in remarks} | {"no change"}
    expected = {"no change": 0, "key-not-here": 0, "ca-replaced": 4}
    assert applied.code == expected.get(verdict, 1)


def test_a_certificate_that_may_do_more_than_the_default_stays(project: Project) -> None:
    """Only what the manifest declares is compared: `usages` is not declared here."""
    project.write(SMALL)
    project.apply()
    reissue(project.output, SERVER, extensions={x509.ExtendedKeyUsage: (SERVER_AND_CLIENT, False)})
    assert project.run("plan").out.endswith("Plan: 1 to update, 11 unchanged, 0 blocked.\n")
    project.apply()
    assert project.run("plan").out.endswith("Nothing to do: 11 files as declared.\n")


def test_a_certificate_with_another_backdating_or_lifetime_than_todays_default_stays(project: Project) -> None:
    project.write(SMALL)
    project.apply()
    reissue(project.output, SERVER, not_before=NOW - timedelta(days=30), not_after=NOW + timedelta(days=1500))
    assert project.run("plan").code == 0


def test_a_key_of_another_type_than_todays_default_stays(project: Project) -> None:
    project.write(SMALL.replace("MyEACM:", "MyEACM: {key_type: ec-p384}"))
    project.apply()
    project.write(SMALL)
    assert project.run("plan").out.endswith("Nothing to do: 11 files as declared.\n")


def test_the_order_of_alternative_names_does_not_matter(project: Project) -> None:
    project.write(SMALL.replace("[broker.plant-a.example]", "[a.example, b.example]"))
    project.apply()
    project.write(SMALL.replace("[broker.plant-a.example]", "[b.example, a.example]"))
    assert project.run("plan").code == 0


def test_a_delivered_key_that_is_not_here_is_as_declared(project: Project) -> None:
    project.write(SMALL.replace("MyEACM:", "MyEACM: {key_held: delivered}"))
    project.apply()
    (project.output / "clients/MyEACM/client.key").unlink()
    assert project.run("plan").out.endswith("Nothing to do: 11 files as declared.\n")


def test_key_held_csr_makes_no_key_here(project: Project) -> None:
    project.write(SMALL.replace("MyEACM:", "MyEACM: {key_held: csr}"))
    result = project.apply()
    assert "  client/MyEACM/certificate: waits for the request of its host," in result.out
    assert not (project.output / "clients").exists()
    assert (project.output / "brokers/plant-a/server.pem").exists()


def test_a_pinned_authority_that_is_not_here_is_not_replaced_by_a_new_one(project: Project) -> None:
    pinned = f"{{common_name: Test CA, fingerprint: sha256:{'ab' * 32}}}"
    project.write(SMALL.replace("{common_name: Test CA}", pinned))
    result = project.run("apply", "--format", "json")
    assert result.code == 1
    codes = {remark["address"]: remark["code"] for remark in json.loads(result.out)["blocked"]}
    assert codes["ca/private-key"] == "fingerprint-mismatch"
    assert codes["broker/plant-a/private-key"] == "issuer-blocked"
    assert not (project.output / "ca").exists()


def test_an_authority_other_than_the_pinned_one_is_refused(project: Project) -> None:
    project.write(SMALL)
    project.apply()
    pinned = f"{{common_name: Test CA, fingerprint: sha256:{'ab' * 32}}}"
    project.write(SMALL.replace("{common_name: Test CA}", pinned) + "  line-4:\n")
    before = project.files()
    result = project.run("apply")
    assert result.code == 1
    assert project.files() == before


def test_entries_that_left_the_manifest_are_listed_and_left_alone(project: Project) -> None:
    project.write(SMALL)
    project.apply()
    project.write(SMALL.replace("  MyEACM:\n", "  Other:\n"))
    plan = json.loads(project.run("plan", "--format", "json").out)
    assert plan["unmanaged"] == [
        "clients/MyEACM/client.key",
        "clients/MyEACM/client.pem",
        "clients/MyEACM/ca.pem",
    ]
    project.apply()
    assert (project.output / "clients/MyEACM/client.key").exists()


def test_a_not_after_that_has_passed_blocks_creation(project: Project) -> None:
    project.write(SMALL.replace("MyEACM:", "MyEACM: {not_after: 2026-01-01T00:00:00Z}"))
    result = project.run("apply", "--format", "json")
    assert result.code == 1
    codes = {remark["address"]: remark["code"] for remark in json.loads(result.out)["blocked"]}
    assert codes == {
        "client/MyEACM/private-key": "not-after-passed",
        "client/MyEACM/certificate": "not-after-passed",
    }
    assert not (project.output / "clients/MyEACM/client.key").exists()


def test_planning_is_pure(project: Project) -> None:
    project.write(SMALL)
    project.apply()
    project.now = NOW + timedelta(days=600)
    first = project.run("plan", "--format", "json")
    assert project.run("plan", "--format", "json") == first


def test_line_ends_changed_by_a_checkout_do_not_matter(project: Project) -> None:
    project.write(SMALL)
    project.apply()
    for path in project.output.rglob("*"):
        if path.suffix in (".pem", ".txt", ".jsonl") or path.name.startswith(".git"):
            path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
            path.chmod(0o664)
    assert project.run("plan").out.endswith("Nothing to do: 11 files as declared.\n")
