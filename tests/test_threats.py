"""One test for each threat of docs/security.md, named after it. The many ways of each are tested elsewhere."""

import base64
import json
import os
import re
import shutil
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID

from edgecerts.apply import issuing, key_maker
from edgecerts.apply.file_system import FileSystem
from edgecerts.errors import InvalidCertificateError
from tests.conftest import NOW, SMALL, Project
from tests.readers import read_certificate

CLIENT = "clients/MyEACM"
PASSWORD = "hunter2 is not long enough, this one is"


def mistakes(project: Project, text: str) -> str:
    """What `validate` says of a manifest, which it must refuse without a traceback."""
    project.write(text)
    result = project.run("validate")
    assert result.code == 1
    assert "Traceback" not in result.err
    return result.out


def remarks(project: Project, kind: str) -> set[tuple[str, str]]:
    plan = json.loads(project.run("plan", "--format", "json").out)
    return {(remark["code"], remark["address"]) for remark in plan[kind]}


def settled(project: Project) -> Project:
    project.write(SMALL)
    project.apply()
    return project


def test_threat_yaml_duplicate_keys(project: Project) -> None:
    text = "version: 1\nca: {common_name: A}\nclients:\n  gw:\n  gw:\n"
    assert re.search(r"pki\.yaml:5:3: .*line 4", mistakes(project, text))


def test_threat_yaml_aliases_and_bombs(project: Project) -> None:
    bomb = "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9) if n else 'lol'}]\n" for n in range(9))
    assert "anchor" in mistakes(project, bomb)
    assert "anchor" in mistakes(project, "version: 1\nca: &a [*a]\n")


def test_threat_yaml_depth(project: Project) -> None:
    assert "deep" in mistakes(project, "version: 1\nca: " + "[" * 30_000)


def test_threat_yaml_implicit_typing(project: Project) -> None:
    project.write(
        "version: 1\ndefaults: {subject: {country: NO, organizational_unit: 1.10, locality: 12:30:45}}\n"
        "ca: {common_name: 010}\nclients: {on: }\n"
    )
    project.apply()
    subject = read_certificate(project.output / "clients/on/client.pem").subject.rfc4514_string()
    assert subject == "CN=on,OU=1.10,L=12:30:45,C=NO"
    assert read_certificate(project.output / "ca/ca.pem").subject.rfc4514_string().startswith("CN=010,")


def test_threat_yaml_tags(project: Project) -> None:
    assert "tag" in mistakes(project, "version: 1\nca: !!python/object/apply:os.system [touch owned]\n")
    assert not (project.folder / "owned").exists()


@pytest.mark.parametrize("name", ["../x", "..", "a/b", "a\\\\b", "con", "nul.txt", "x.", "-x", "a:b"])
def test_threat_names_that_become_paths(project: Project, name: str) -> None:
    assert "pki.yaml:" in mistakes(project, f'version: 1\nca: {{common_name: A}}\nclients: {{"{name}": }}\n')


def test_threat_symbolic_links_out_of_the_output_folder(project: Project, tmp_path: Path) -> None:
    settled(project)
    shutil.rmtree(project.output / CLIENT)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (project.output / CLIENT).symlink_to(elsewhere)
    assert project.run("apply").code == 1
    assert list(elsewhere.iterdir()) == []


def test_threat_secrets_in_arguments_environments_and_outputs(project: Project) -> None:
    """What a password command sees of the others, what it gets as arguments, and what is printed and written."""
    project.write(
        "version: 1\nca: {common_name: Test CA, password: {env: CA_PASSWORD}}\n"
        "clients: {gw: {password: {command: [sh, -c, 'env; cat /proc/$PPID/cmdline']}}}\n".replace(
            "'env; cat /proc/$PPID/cmdline'", '\'env >seen; tr "\\\\0" " " </proc/$PPID/cmdline >>seen; echo pw\''
        )
    )
    done = subprocess.run(
        [sys.executable, "-m", "edgecerts", "apply", "-f", str(project.manifest), "--format", "json"],
        env={**os.environ, "CA_PASSWORD": PASSWORD},
        capture_output=True,
        text=True,
        check=True,
    )
    seen = (project.folder / "seen").read_text()
    assert "edgecerts" in seen
    assert PASSWORD not in seen
    assert PASSWORD not in done.stdout + done.stderr
    assert not [path for path in project.output.rglob("*") if path.is_file() and PASSWORD.encode() in path.read_bytes()]


def test_threat_a_core_dump_with_keys(project: Project) -> None:
    limit = "ulimit -c unlimited 2>/dev/null || ulimit -c $(ulimit -H -c); "
    project.write(SMALL + "  gw: {password: {command: [sh, -c, 'grep core /proc/$PPID/limits >limits; echo pw']}}\n")
    subprocess.run(
        ["sh", "-c", f"{limit}exec {sys.executable} -m edgecerts apply -f {project.manifest}"],
        check=True,
        capture_output=True,
    )
    assert (project.folder / "limits").read_text().split()[4] == "0"


def test_threat_a_traceback_with_a_secret(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: object, **words: object) -> None:
        secret = PASSWORD
        raise RuntimeError(secret)

    monkeypatch.setattr(key_maker, "generate_private_key", broken)
    project.write(SMALL)
    for options in ((), ("--debug",)):
        result = project.run("apply", *options)
        assert result.code == 1
        assert "this is a bug in edgecerts: RuntimeError" in result.err
        assert PASSWORD not in result.err
        assert ("issuing.py" in result.err and "in _make_private_key" in result.err) is bool(options)


def test_threat_a_key_that_is_committed_to_git(project: Project) -> None:
    settled(project)
    subprocess.run(["git", "init", "-q", str(project.folder)], check=True)
    subprocess.run(["git", "-C", str(project.folder), "add", "-A"], check=True, capture_output=True)
    listed = subprocess.run(
        ["git", "-C", str(project.folder), "ls-files"], check=True, capture_output=True, text=True
    ).stdout.split()
    assert f"pki/{CLIENT}/client.pem" in listed
    assert not [path for path in listed if path.endswith(".key") or ".edgecerts" in path]


def test_threat_a_line_that_lets_keys_into_a_repository(project: Project) -> None:
    """Before anything is written: the rule is somebody's own, and stands after ours."""
    subprocess.run(["git", "init", "-q", str(project.folder)], check=True)
    settled(project)
    with (project.output / ".gitignore").open("a") as ignore:
        ignore.write("!*.key\n")
    project.write(SMALL + "  late:\n")
    result = project.run("apply")
    assert result.code == 1
    assert "and git would take" in result.out
    assert not (project.output / "clients/late").exists()


def test_threat_a_key_that_git_has_already(project: Project) -> None:
    settled(project)
    subprocess.run(["git", "init", "-q", str(project.folder)], check=True)
    subprocess.run(
        ["git", "-C", str(project.folder), "add", "-f", f"pki/{CLIENT}/client.key"], check=True, capture_output=True
    )
    result = project.run("status", "--format", "json")
    assert result.code == 3
    states = {row["address"]: row["state"] for row in json.loads(result.out)["identities"]}
    assert states["client/MyEACM"] == "exposed"


def test_threat_an_output_folder_that_everybody_may_write_to(project: Project) -> None:
    settled(project)
    project.write(SMALL + "  late:\n")
    (project.output / "clients").chmod(0o777)
    assert project.run("apply").code == 4
    assert ("insecure-folder", "folder") in remarks(project, "hazards")
    assert not (project.output / "clients/late").exists()
    assert project.run("apply", "--allow-insecure-folder").code == 0


def test_threat_a_hard_link_to_a_key(project: Project) -> None:
    """What is done to the key would be done to the other name, and the other way round."""
    key = settled(project).output / CLIENT / "client.key"
    other = project.folder / "other"
    key.chmod(0o644)
    other.hardlink_to(key)
    assert project.run("apply", "--replace", "client/MyEACM").code == 1
    assert other.samefile(key)
    assert other.stat().st_mode & 0o777 == 0o644


def test_threat_what_changes_between_look_and_use(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """A certificate that appears after the plan was made is not overwritten, and its key is not lost."""
    settled(project)
    shutil.rmtree(project.output / CLIENT)
    lock = FileSystem.lock

    def another_was_here(self: FileSystem, descriptor: int) -> None:
        lock(self, descriptor)
        folder = project.output / CLIENT
        folder.mkdir(parents=True)
        (folder / "client.pem").write_text("a stranger's")

    monkeypatch.setattr(FileSystem, "lock", another_was_here)
    assert project.run("apply").code == 1
    assert (project.output / CLIENT / "client.pem").read_text() == "a stranger's"
    assert not (project.output / CLIENT / "client.key").exists()


def test_threat_a_key_with_wide_permissions(project: Project) -> None:
    key = settled(project).output / CLIENT / "client.key"
    key.chmod(0o644)
    plan = json.loads(project.run("plan", "--format", "json").out)
    (change,) = [change for change in plan["changes"] if change["action"] != "no-op"]
    assert (change["action"], change["path"]) == ("chmod", f"{CLIENT}/client.key")
    project.apply()
    assert key.stat().st_mode & 0o777 == 0o600


def test_threat_a_weak_key_that_somebody_brought(project: Project) -> None:
    weak = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    folder = settled(project).output / CLIENT
    (folder / "client.key").write_bytes(weak.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    (folder / "client.pem").unlink()
    assert ("key-unusable", "client/MyEACM/certificate") in remarks(project, "blocked")
    assert project.run("apply").code == 1
    assert not (folder / "client.pem").exists()


def test_threat_an_authority_that_ends_first(project: Project) -> None:
    project.write(SMALL.replace("{common_name: Test CA}", "{common_name: Test CA, validity: 100d}"))
    project.apply()
    project.now = NOW + timedelta(days=40)
    project.write(project.manifest.read_text() + "  late:\n")
    assert ("lifetime-capped", "client/late") in remarks(project, "notices")
    project.apply()
    authority = read_certificate(project.output / "ca/ca.pem")
    late = read_certificate(project.output / "clients/late/client.pem")
    assert late.not_valid_after_utc == authority.not_valid_after_utc


def test_threat_a_clock_that_is_behind(project: Project) -> None:
    settled(project)
    project.now = NOW + timedelta(days=40)
    project.write(SMALL + "  newest:\n")
    project.apply()
    project.now = NOW + timedelta(days=10)
    project.write(SMALL + "  newest:\n  late:\n")
    result = project.run("apply", "--format", "json")
    assert result.code == 4
    assert [hazard["code"] for hazard in json.loads(result.out)["hazards"]] == ["clock-behind"]
    assert not (project.output / "clients/late").exists()


def test_threat_a_saved_plan_that_was_tampered_with(project: Project, tmp_path: Path) -> None:
    settled(project)
    project.write(SMALL + "  late:\n")
    saved = tmp_path / "plan.json"
    assert project.run("plan", "--out", str(saved)).code == 0
    document = json.loads(saved.read_text())
    document["plan"]["changes"][-1]["path"] = "../../owned.key"
    saved.write_text(json.dumps(document))
    project.run("apply", str(saved))
    assert not list(tmp_path.rglob("owned*"))
    assert not (project.folder.parent / "owned.key").exists()


def test_threat_files_that_are_trusted_because_they_are_there(project: Project) -> None:
    """A pair of another authority, complete and in the right place, is not handed out as ours."""
    other = Project(folder=project.folder / "other", capture=project.capture)
    other.folder.mkdir()
    settled(other)
    settled(project)
    shutil.copy(other.output / CLIENT / "client.pem", project.output / CLIENT / "client.pem")
    assert ("foreign-file", "client/MyEACM") in remarks(project, "hazards")
    assert project.run("apply").code == 4


def test_threat_a_failed_signature_that_passes_for_success(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*arguments: object, **words: object) -> None:
        raise InvalidCertificateError("what was signed is not what was asked for")

    monkeypatch.setattr(issuing, "issue_certificate", failing)
    project.write(SMALL)
    result = project.run("apply")
    assert result.code == 1
    assert not (project.output / "ca").exists()
    assert not (project.output / "issued").exists()


def requested(project: Project, key: ec.EllipticCurvePrivateKey, name: str, *, forged: bool = False) -> None:
    """A request for the client that asks for a name, perhaps with its content changed afterwards."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    request = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    der = request.public_bytes(Encoding.DER)
    pem = base64.encodebytes(der.replace(name.encode(), name[::-1].encode()) if forged else der).decode()
    place = project.folder / "requests/MyEACM.csr"
    place.parent.mkdir(exist_ok=True)
    place.write_text(f"-----BEGIN CERTIFICATE REQUEST-----\n{pem}-----END CERTIFICATE REQUEST-----\n")


def test_threat_a_forged_request(project: Project) -> None:
    project.write(SMALL.replace("MyEACM:", "MyEACM: {key_held: csr}"))
    requested(project, ec.generate_private_key(ec.SECP256R1()), "admin", forged=True)
    assert project.run("apply").code == 1
    assert not (project.output / CLIENT / "client.pem").exists()
    requested(project, ec.generate_private_key(ec.SECP256R1()), "admin")
    project.apply()
    certificate = read_certificate(project.output / CLIENT / "client.pem")
    assert certificate.subject.rfc4514_string() == "CN=MyEACM"


def test_threat_a_request_for_anothers_key(project: Project) -> None:
    project.write(SMALL.replace("MyEACM:", "MyEACM: {key_held: csr}"))
    project.apply()
    key = load_pem_private_key((project.output / "brokers/plant-a/server.key").read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    requested(project, key, "MyEACM")
    assert project.run("apply").code == 1
    assert ("request-refused", f"client/{CLIENT.partition('/')[2]}/certificate") in remarks(project, "blocked")


def test_threat_the_authoritys_key_where_plans_are_read(project: Project) -> None:
    """plan, status and validate need no private key, so that it can be on one machine alone."""
    settled(project)
    for key in project.output.rglob("*.key"):
        key.unlink()
    assert project.run("validate").code == 0
    plan = project.run("plan", "--format", "json")
    assert plan.code == 0
    assert json.loads(plan.out)["summary"]["no-op"] == 11
    assert project.run("status").code in (0, 3)


def test_threat_a_serial_number_that_can_be_guessed(project: Project) -> None:
    settled(project)
    serials = [read_certificate(path).serial_number for path in project.output.glob("*/**/*.pem")]
    assert all(2**120 < serial < 2**159 for serial in serials)
    assert len(set(serials)) == 3


def test_threat_a_pem_file_with_more_than_it_should_have(project: Project) -> None:
    folder = settled(project).output / CLIENT
    certificate = folder / "client.pem"
    good = certificate.read_bytes()
    key = (folder / "client.key").read_bytes()
    for text in (key + good, good + good[: len(good) // 2], good + key):
        certificate.write_bytes(text)
        plan = json.loads(project.run("plan", "--format", "json").out)
        changed = {change["address"]: change["reasons"] for change in plan["changes"] if change["action"] != "no-op"}
        assert [reason["code"] for reason in changed["client/MyEACM/certificate"]] == ["corrupt"]
    assert len(x509.load_pem_x509_certificates(good)) == 1


def test_threat_a_stolen_device(project: Project) -> None:
    key = (settled(project).output / CLIENT / "client.key").read_bytes()
    stolen = read_certificate(project.output / CLIENT / "client.pem")
    revoked = "revoked: [{name: client/MyEACM, reason: key-compromise}]\n"
    project.write(SMALL.replace("  MyEACM:\n", "  other:\n") + revoked)
    project.apply()
    crl = x509.load_pem_x509_crl((project.output / "brokers/plant-a/crl.pem").read_bytes())
    assert [entry.serial_number for entry in crl] == [stolen.serial_number]
    # Whoever has it asks for a certificate under another name.
    private_key = load_pem_private_key(key, None)
    assert isinstance(private_key, ec.EllipticCurvePrivateKey)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "new")])
    request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(private_key, hashes.SHA256())
    (project.folder / "requests").mkdir()
    (project.folder / "requests/new.csr").write_bytes(request.public_bytes(Encoding.PEM))
    project.write(SMALL.replace("  MyEACM:\n", "  new: {key_held: csr}\n") + revoked)
    assert ("key-revoked", "client/new/certificate") in remarks(project, "blocked")


def test_threat_a_revocation_list_that_runs_out_or_loses_somebody(project: Project) -> None:
    project.write(SMALL + "crl:\nrevoked: [{serial: 4b28, reason: superseded, unknown: true}]\n")
    project.apply()
    project.write(SMALL + "crl:\n")
    (project.output / "ca/ca.crl.pem").unlink()
    shutil.rmtree(project.output / "issued")
    project.now += timedelta(days=61)
    assert project.run("status").code == 3
    project.run("apply")
    crl = x509.load_pem_x509_crl((project.output / "ca/ca.crl.pem").read_bytes())
    assert [entry.serial_number for entry in crl] == [0x4B28]
    assert crl.next_update_utc is not None
    assert crl.next_update_utc > project.now + timedelta(days=80)
    (project.output / "ca/ca.key").unlink()
    assert ("crl-ends", "ca") in remarks(project, "notices")


def test_threat_imported_folder(project: Project, tmp_path_factory: pytest.TempPathFactory) -> None:
    settled(project)
    before, secret = project.files(), tmp_path_factory.mktemp("elsewhere") / "secret.key"
    shutil.copy(project.output / "ca/ca.key", secret)
    source = tmp_path_factory.mktemp("source")
    shutil.copy(project.output / "ca/ca.pem", source / "x\x1b[31m\nbrokers: {evil: {common_name: evil.example}}")
    shutil.copy(next((project.output / "clients").glob("*/client.pem")), source / "device.pem")
    (source / "ca.key").symlink_to(secret)
    os.mkfifo(source / "pipe")
    with (source / "huge").open("wb") as huge:
        huge.truncate(2**30)
    target = tmp_path_factory.mktemp("target")
    home, project.folder = project.folder, target
    result = project.run("import", str(source))
    assert result.code == 0, result.err
    assert not list(target.rglob("*.key"))
    assert "\x1b" not in result.out + project.manifest.read_text()
    assert project.run("validate").out.endswith("0 brokers and 1 client.\n")
    project.folder = home
    assert project.files() == before
