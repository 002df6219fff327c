"""An authority whose private key comes from a variable, file or command, or is offline: used, checked, never kept."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from edgecerts.apply import secrets
from edgecerts.apply.secrets import MAX_KEY_BYTES
from tests.conftest import NOW, Project
from tests.readers import read_certificate, spki

ROOT = Path(__file__).parent.parent
PASSWORD = "canary-7be2-password"
Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

MANIFEST = """\
version: 1
ca: {common_name: Test CA, private_key: {env: CA_KEY}}
brokers:
  plant-a: {common_name: 10.3.0.11, key_held: delivered}
"""
ENCRYPTED = MANIFEST.replace("{env: CA_KEY}", "{env: CA_KEY}, password: {env: CA_PASSWORD}")
ONE_MORE = "clients: {late: {key_held: delivered}}\n"
"""What needs a signature, once everything is settled."""


def make_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def pem(key: Key, password: str | None = None, *, form: PrivateFormat = PrivateFormat.PKCS8) -> str:
    protection = BestAvailableEncryption(password.encode()) if password else NoEncryption()
    return key.private_bytes(Encoding.PEM, form, protection).decode("ascii")


def body(text: str) -> str:
    """A line of a key's text that nothing else has."""
    return text.splitlines()[1]


@pytest.fixture
def key() -> ec.EllipticCurvePrivateKey:
    return make_key()


@pytest.fixture
def given(project: Project, key: ec.EllipticCurvePrivateKey, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A settled project; then one more client is declared, and the key is taken away."""
    project.write(MANIFEST)
    monkeypatch.setenv("CA_KEY", pem(key))
    project.apply()
    project.write(MANIFEST + ONE_MORE)
    monkeypatch.delenv("CA_KEY")
    return project


def holds(project: Project, text: str) -> list[str]:
    """The files of the project, wherever they are, that have a text in them."""
    files = (path for path in project.folder.rglob("*") if path.is_file())
    return [path.name for path in files if text.encode() in path.read_bytes()]


def refused(project: Project, *arguments: str) -> str:
    """What a run says that must not write anything."""
    before = project.files()
    result = project.run("apply", *arguments)
    assert result.code == 1, result.out + result.err
    assert result.out == ""
    assert "Traceback" not in result.err
    assert project.files() == before
    return result.err


def give_file(project: Project, text: str) -> str:
    (project.folder / "somewhere.key").write_text(text)
    return "{file: somewhere.key}"


def give_command(project: Project, text: str) -> str:
    give_file(project, text)
    return "{command: [cat, somewhere.key]}"


@pytest.mark.parametrize("give", [give_file, give_command])
@pytest.mark.parametrize(
    "form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL], ids=["pkcs8", "as OpenSSL used to write it"]
)
def test_each_source_signs(
    project: Project, key: ec.EllipticCurvePrivateKey, give: Callable[[Project, str], str], form: PrivateFormat
) -> None:
    text = pem(key, form=form)
    project.write(MANIFEST.replace("{env: CA_KEY}", give(project, text)))
    result = project.apply()
    certificate = read_certificate(project.output / "ca/ca.pem")
    assert spki(certificate.public_key()) == spki(key.public_key())
    leaf = read_certificate(project.output / "brokers/plant-a/server.pem")
    leaf.verify_directly_issued_by(certificate)
    assert not (project.output / "ca/ca.key").exists()
    assert holds(project, body(text)) == ["somewhere.key"]
    assert "needs the authority's private key, from " in result.err


def test_a_variable_signs_and_its_key_is_nowhere_afterwards(
    project: Project, key: ec.EllipticCurvePrivateKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = pem(key, PASSWORD)
    monkeypatch.setenv("CA_KEY", text)
    monkeypatch.setenv("CA_PASSWORD", PASSWORD)
    project.write(ENCRYPTED)
    for command in (("plan",), ("plan", "--format", "json"), ("apply", "--format", "json"), ("apply",), ("status",)):
        result = project.run(*command)
        assert result.code == 0
        assert not [secret for secret in (body(text), body(pem(key)), PASSWORD) if secret in result.out + result.err]
    for secret in (body(text), body(pem(key)), PASSWORD):
        assert holds(project, secret) == []
    ignored = (project.output / ".gitignore").read_text()
    assert "ca.key" not in ignored
    assert "ca/ca.key" not in (project.output / "README.txt").read_text()


def test_nothing_but_apply_fetches_the_key(given: Project) -> None:
    touched = given.folder / "touched"
    given.write((MANIFEST + ONE_MORE).replace("{env: CA_KEY}", f"{{command: [touch, '{touched}']}}"))
    for command in ("validate", "plan", "status"):
        assert given.run(command).code in (0, 3)
    assert not touched.exists()
    assert "gives nothing" in refused(given)
    assert touched.exists()


def test_a_key_is_fetched_only_where_something_is_signed(given: Project) -> None:
    given.write(MANIFEST)
    (given.output / "brokers/plant-a/ca.pem").unlink()
    assert "1 file made" in given.apply().out
    assert given.apply().out.startswith("Nothing to do")


def test_what_apply_will_need_is_named_by_its_source(given: Project) -> None:
    given.write(ENCRYPTED + ONE_MORE)
    found = json.loads(given.run("plan", "--format", "json").out)["needs"]
    assert [(need["kind"], need["source"]) for need in found] == [
        ("key", "env:CA_KEY"),
        ("password", "env:CA_PASSWORD"),
    ]
    for source, named in (("{file: /run/secrets/ca.key}", "file:/run/secrets/ca.key"),
                          ("{command: [pass, show, canary]}", "command:pass")):  # fmt: skip
        given.write((MANIFEST + ONE_MORE).replace("{env: CA_KEY}", source))
        text = given.run("plan", "--format", "json").out
        assert [need["source"] for need in json.loads(text)["needs"]] == [named]
        assert "canary" not in text


@pytest.mark.parametrize("value", [None, ""])
def test_a_job_without_its_secret_invents_no_authority(
    project: Project, value: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.write(ENCRYPTED)
    if value is not None:
        monkeypatch.setenv("CA_KEY", value)
    error = refused(project)
    assert "environment variable CA_KEY, the authority's private key, is" in error
    assert "edgecerts apply --new-ca-key-to FILE" in error
    assert "environment variable CA_PASSWORD" in error, "everything that is missing is told at once"
    assert not project.output.exists()


def test_a_job_without_its_secret_signs_nothing(given: Project) -> None:
    error = refused(given)
    assert "environment variable CA_KEY, the authority's private key, is not set" in error
    assert "--new-ca-key-to" not in error


def test_a_key_file_that_is_not_there_is_where_a_new_one_could_go(project: Project) -> None:
    project.write(MANIFEST.replace("{env: CA_KEY}", "{file: ../keys/ca.key}"))
    error = refused(project)
    assert "file ../keys/ca.key, the authority's private key, cannot be read" in error
    assert f"--new-ca-key-to {project.folder}/../keys/ca.key" in error


WRONG: dict[str, tuple[Callable[[], str], str, str]] = {
    "another key": (lambda: pem(make_key()), MANIFEST, "CA_KEY is not the key of ca/ca.pem"),
    "an encrypted key without a password": (
        lambda: pem(make_key(), PASSWORD), MANIFEST, "is encrypted, and the manifest names no password for it"),
    "an open key with a password": (
        lambda: pem(make_key()), ENCRYPTED, "is not encrypted, and the manifest declares a password for it"),
    "another password": (
        lambda: pem(make_key(), "something else"), ENCRYPTED, "the password does not open the private key"),
    "a certificate": (lambda: "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", MANIFEST,
                      "it holds a PEM block of another kind: CERTIFICATE"),
    "two keys": (lambda: pem(make_key()) + pem(make_key()), MANIFEST, "not one private key but 2"),
    "a key that is cut off": (lambda: pem(make_key())[:-9], MANIFEST, "cut off"),
    "a path": (lambda: "/builds/secret.tmp", MANIFEST, "it holds no PEM block"),
    "nonsense in PEM": (lambda: "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", MANIFEST, "damaged"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_is_not_the_key_is_an_error_before_the_first_write(
    given: Project, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    make, manifest, words = WRONG[name]
    text = make()
    given.write(manifest + ONE_MORE)
    monkeypatch.setenv("CA_KEY", text)
    monkeypatch.setenv("CA_PASSWORD", PASSWORD)
    error = refused(given)
    assert words in error
    assert "environment variable CA_KEY" in error
    assert "-> " in error
    assert not [line for line in text.splitlines() if len(line) > 30 and line in error]
    assert PASSWORD not in error


@pytest.mark.parametrize(
    ("make", "declared", "words"),
    [
        (make_key, ", key_type: ec-p384", "is ec-p256, and the manifest declares ec-p384"),
        (lambda: rsa.generate_private_key(65537, 1024), "", "is rsa-1024, for which no certificate is made"),
        (make_key, f", fingerprint: 'sha256:{'ab' * 32}'", "not the authority that the manifest pins"),
    ],
)
def test_a_first_authority_is_made_only_for_a_key_as_declared(
    project: Project, make: Callable[[], Key], declared: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CA_KEY", pem(make()))
    project.write(MANIFEST.replace("Test CA", f"Test CA{declared}"))
    assert words in refused(project)
    assert not project.output.exists()


def test_a_pinned_authority_signs_with_its_own_key_only(
    given: Project, key: ec.EllipticCurvePrivateKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CA_KEY", pem(key))
    result = given.run("plan", "--format", "json")
    (pin,) = [notice["hint"] for notice in json.loads(result.out)["notices"] if notice["code"] == "ca-not-pinned"]
    fingerprint = pin.rpartition("fingerprint: ")[2]
    given.write((MANIFEST + ONE_MORE).replace("Test CA", f"Test CA, fingerprint: '{fingerprint}'"))
    monkeypatch.setenv("CA_KEY", pem(make_key()))
    assert "is not the key of ca/ca.pem" in refused(given) or "pins" in refused(given)
    shutil.rmtree(given.output)
    assert "not the authority that the manifest pins" in refused(given)
    monkeypatch.setenv("CA_KEY", pem(key))
    given.apply()
    assert given.apply().out.startswith("Nothing to do")


def test_a_lost_authority_certificate_is_made_again_for_the_same_key_and_for_no_other(
    given: Project, key: ec.EllipticCurvePrivateKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    given.write(MANIFEST)
    leaf = (given.output / "brokers/plant-a/server.pem").read_bytes()
    (given.output / "ca/ca.pem").unlink()
    monkeypatch.setenv("CA_KEY", pem(make_key()))
    assert "is not the key of the authority that brokers and clients trust" in refused(given)
    monkeypatch.setenv("CA_KEY", pem(key))
    given.apply()
    assert (given.output / "brokers/plant-a/server.pem").read_bytes() == leaf
    read_certificate(given.output / "brokers/plant-a/server.pem").verify_directly_issued_by(
        read_certificate(given.output / "ca/ca.pem")
    )


def test_another_key_takes_over_only_where_that_is_said_twice(
    given: Project, key: ec.EllipticCurvePrivateKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    another = make_key()
    monkeypatch.setenv("CA_KEY", pem(another))
    assert given.run("apply", "--replace", "ca").code == 4
    monkeypatch.setenv("CA_KEY", pem(key))
    assert "is still that of ca/ca.pem" in refused(given, "--replace", "ca", "--allow", "ca-replaced")
    monkeypatch.setenv("CA_KEY", pem(another))
    result = given.run("apply", "--replace", "ca", "--allow", "ca-replaced")
    assert (result.code, "A new certificate authority was made" in result.out) == (0, True)
    authority = read_certificate(given.output / "ca/ca.pem")
    assert spki(authority.public_key()) == spki(another.public_key())
    for name in ("brokers/plant-a/server.pem", "clients/late/client.pem"):
        read_certificate(given.output / name).verify_directly_issued_by(authority)
    assert given.apply().out.startswith("Nothing to do")


def test_the_variables_of_key_and_passwords_are_hidden_from_commands(
    project: Project, key: ec.EllipticCurvePrivateKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = project.folder / "give"
    script.write_text('#!/bin/sh\nenv > seen-by-$1\ntest "$1" = client && echo a-password || cat ca.pem\n')
    script.chmod(0o700)
    monkeypatch.setenv("CA_KEY", pem(key))
    monkeypatch.setenv("CLIENT_PASSWORD", PASSWORD)
    project.write(MANIFEST + "clients: {c: {password: {command: [./give, client]}}}\n")
    project.apply()
    assert body(pem(key)) not in (project.folder / "seen-by-client").read_text()
    (project.folder / "ca.pem").write_text(pem(key))
    project.write(
        MANIFEST.replace("{env: CA_KEY}", "{command: [./give, ca]}")
        + "clients: {c: {password: {command: [./give, client]}}, d: {password: {env: CLIENT_PASSWORD}}}\n"
    )
    project.apply()
    seen = (project.folder / "seen-by-ca").read_text()
    assert "PATH=" in seen
    assert PASSWORD not in seen


def test_a_command_for_the_key_is_bounded_in_time_and_size(given: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secrets, "COMMAND_SECONDS", 1)
    for command, words in (
        ("[yes, canary]", f"gives more than {MAX_KEY_BYTES:,} bytes"),
        ("[sleep, '60']", "did not end within 1 seconds"),
        ("['false']", "failed with exit code 1"),
        ("['true']", "gives nothing"),
        ("[no-such-program]", "cannot be run"),
    ):
        given.write((MANIFEST + ONE_MORE).replace("{env: CA_KEY}", f"{{command: {command}}}"))
        error = refused(given)
        assert words in error
        assert "canary" not in error


def test_a_key_file_is_a_plain_file_of_a_sensible_size(given: Project, key: ec.EllipticCurvePrivateKey) -> None:
    given.write((MANIFEST + ONE_MORE).replace("{env: CA_KEY}", "{file: ../{name}.key}".replace("{name}", "ca")))
    place = given.folder.parent / "ca.key"
    os.mkfifo(place)
    assert "is not a plain file" in refused(given)
    place.unlink()
    place.write_text("x" * (MAX_KEY_BYTES + 1))
    assert f"gives more than {MAX_KEY_BYTES:,} bytes" in refused(given)
    place.unlink()
    (given.folder.parent / "real.key").write_text(pem(key))
    place.symlink_to("real.key")
    given.apply()


def test_a_key_file_is_not_in_the_output_folder_by_any_way(
    project: Project, key: ec.EllipticCurvePrivateKey, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("keys")
    (elsewhere / "ca.key").write_text(pem(key))
    project.write(MANIFEST.replace("{env: CA_KEY}", f"{{file: {elsewhere}/ca.key}}"))
    for command in ("plan", "apply", "status"):
        result = project.run(command, "--output", str(elsewhere))
        assert (result.code, result.out) == (1, "")
        assert "lies in the output folder" in result.err
    project.output.symlink_to(elsewhere)
    assert "lies in the output folder" in project.run("apply").err
    assert sorted(path.name for path in elsewhere.iterdir()) == ["ca.key"]


def test_a_key_in_the_output_folder_is_never_used_in_place_of_the_declared_one(
    project: Project, key: ec.EllipticCurvePrivateKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From `ca/ca.key` to a secret of a CI system: the same authority, and the old file is only remarked on."""
    project.write(MANIFEST.replace(", private_key: {env: CA_KEY}", ""))
    project.apply()
    text = (project.output / "ca/ca.key").read_text()
    project.write(MANIFEST + ONE_MORE)
    monkeypatch.setenv("CA_KEY", pem(make_key()))
    assert "is not the key of ca/ca.pem" in refused(project)
    monkeypatch.setenv("CA_KEY", text)
    assert "ca/ca.key is here and is not used" in project.apply().out
    (project.output / "ca/ca.key").unlink()
    assert project.run("status").code == 0
    assert "ca/ca.key" not in project.run("plan").out


def test_a_plan_that_was_saved_without_the_key_is_carried_out_with_it(
    given: Project, key: ec.EllipticCurvePrivateKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved = given.folder / "plan.json"
    assert given.run("plan", "--out", str(saved)).code == 0
    assert "CA_KEY" in saved.read_text()
    refused(given, str(saved))
    monkeypatch.setenv("CA_KEY", pem(key))
    result = given.run("apply", str(saved))
    assert (result.code, "3 files made" in result.out) == (0, True)


def test_an_authority_from_elsewhere_is_renewed_in_time(
    given: Project, key: ec.EllipticCurvePrivateKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CA_KEY", pem(key))
    given.apply()
    given.now = NOW + timedelta(days=3000)
    assert "due" in given.run("status").out
    given.apply()
    authority = read_certificate(given.output / "ca/ca.pem")
    assert authority.not_valid_after_utc > NOW + timedelta(days=6000)
    assert spki(authority.public_key()) == spki(key.public_key())
    assert given.apply().out.startswith("Nothing to do")


def test_an_offline_authority_signs_on_its_machine_and_the_rest_goes_on_elsewhere(project: Project) -> None:
    """Two folders that exchange public files alone."""
    text = MANIFEST.replace("{env: CA_KEY}", "{offline: true}")
    project.write(text)
    other = Project(folder=project.folder / "ca-machine", capture=project.capture, now=project.now)
    other.folder.mkdir()
    other.write(text)
    assert other.run("apply", "--new-ca-key-to", str(other.output / "ca/ca.key")).code == 0
    key = (other.output / "ca/ca.key").read_bytes()
    public = shutil.ignore_patterns("*.key", ".edgecerts")
    shutil.copytree(other.output, project.output, ignore=public)

    assert project.run("status").code == 0
    assert "offline" in project.run("status").out
    project.write(text + ONE_MORE)
    (project.output / "brokers/plant-a/ca.pem").unlink()
    result = project.run("apply")
    assert result.code == 1
    assert "run edgecerts apply where ca.key is" in result.out
    assert (project.output / "brokers/plant-a/ca.pem").exists()
    assert not list(project.output.glob("clients/late/client.*"))

    other.write(text + ONE_MORE)
    other.apply()
    shutil.copytree(other.output, project.output, ignore=public, dirs_exist_ok=True)
    assert project.run("status").code == 0
    assert project.apply().out.startswith("Nothing to do")
    assert key not in {path.read_bytes() for path in project.output.rglob("*") if path.is_file()}


def test_no_key_is_in_what_a_bug_shows(
    given: Project, key: ec.EllipticCurvePrivateKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CA_KEY", pem(key))

    def fail(*arguments: object, **more: object) -> None:
        raise RuntimeError(os.environ["CA_KEY"])

    monkeypatch.setattr("edgecerts.apply.fetched_key.load_private_key", fail)
    for arguments in ((), ("--debug",)):
        result = given.run("apply", *arguments)
        assert result.code == 1
        assert "this is a bug in edgecerts" in result.err
        assert body(pem(key)) not in result.out + result.err


def test_a_process_shows_the_key_in_no_stream_and_in_no_argument(tmp_path: Path) -> None:
    """The whole program, with a key that is not the authority's in the end."""
    key = make_key()
    (tmp_path / "pki.yaml").write_text(MANIFEST)
    environ = {**os.environ, "CA_KEY": pem(key), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "edgecerts", "apply"]
    first = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True)
    (tmp_path / "pki.yaml").write_text(MANIFEST + ONE_MORE)
    environ["CA_KEY"] = pem(make_key())
    second = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True)
    assert (first.returncode, second.returncode) == (0, 1)
    shown = first.stdout + first.stderr + second.stdout + second.stderr
    assert body(pem(key)) not in shown
    assert body(environ["CA_KEY"]) not in shown
