"""What must never happen, each by the way in which it once did or could."""

import errno
import json
import shutil
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from edgecerts.apply.file_system import FileSystem
from tests.conftest import NOW, SMALL, Project, Result
from tests.reissue import reissue_authority

ONLY_CA = "version: 1\nca: {common_name: Test CA}\n"


def refused_codes(result: Result) -> set[str]:
    document = json.loads(result.out)
    return {remark["code"] for remark in document["hazards"] + document["blocked"]}


def lose_authority(project: Project) -> None:
    for folder in ("ca", "brokers", "clients"):
        shutil.rmtree(project.output / folder, ignore_errors=True)


def test_an_authority_of_which_only_its_own_log_line_is_left_is_not_replaced_in_silence(project: Project) -> None:
    project.write(ONLY_CA)
    project.apply()
    lose_authority(project)
    result = project.run("apply", "--format", "json")
    assert result.code == 4
    assert refused_codes(result) == {"ca-replaced"}
    assert not (project.output / "ca").exists()


@pytest.mark.parametrize("place", ["issued", "brokers", "clients"])
def test_what_cannot_be_read_may_be_an_authoritys_work(project: Project, tmp_path: Path, place: str) -> None:
    project.write(SMALL)
    project.apply()
    lose_authority(project)
    shutil.rmtree(project.output / "issued")
    (tmp_path / "elsewhere").mkdir()
    (project.output / place).symlink_to(tmp_path / "elsewhere")
    result = project.run("apply", "--format", "json")
    assert result.code == 4
    assert "ca-replaced" in refused_codes(result)
    assert not (project.output / "ca").exists()


def test_a_log_of_which_no_line_can_be_read_still_shows_an_authority(project: Project) -> None:
    project.write(ONLY_CA)
    project.apply()
    lose_authority(project)
    (project.output / "issued/2026.jsonl").write_text("torn\n")
    assert project.run("apply").code == 4


def test_a_pinned_authoritys_certificate_is_not_made_from_another_key(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CA_PASSWORD", "a long enough one")
    pinned = f"version: 1\nca: {{common_name: Test CA, fingerprint: sha256:{'0' * 64}"
    for password in ("", ", password: {env: CA_PASSWORD}"):
        shutil.rmtree(project.output, ignore_errors=True)
        project.write(f"version: 1\nca: {{common_name: Test CA{password}}}\n")
        project.apply()
        (project.output / "ca/ca.pem").unlink()
        project.write(f"{pinned}{password}}}\n")
        result = project.run("apply")
        assert result.code == 1
        assert not (project.output / "ca/ca.pem").exists()


def test_a_key_that_is_not_encrypted_stays_ignored_when_gitignore_is_made_again(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CA_PASSWORD", "a long enough one")
    project.write(SMALL)
    project.apply()
    (project.output / ".gitignore").unlink()
    key = project.output / "ca/ca.key"
    key.write_bytes(b"damaged, or of a kind that cannot be looked into")
    project.write(SMALL.replace("Test CA}", "Test CA, password: {env: CA_PASSWORD}}"))
    project.run("apply")
    assert "!/ca/ca.key" not in (project.output / ".gitignore").read_text()


def test_where_nothing_keeps_keys_out_of_a_repository_none_is_made(project: Project, tmp_path: Path) -> None:
    project.write(SMALL)
    project.output.mkdir()
    (project.output / ".gitignore").symlink_to(tmp_path / "elsewhere")
    result = project.run("apply", "--format", "json")
    assert result.code == 1
    assert "key-exposed" in refused_codes(result)
    assert not list(project.output.rglob("*.key"))


def test_a_folder_that_is_named_like_a_key_is_not_ignored(project: Project) -> None:
    project.write(ONLY_CA + "clients: {gw.key: }\n")
    project.apply()
    subprocess.run(["git", "init", "-q", str(project.folder)], check=True)
    command = ["git", "ls-files", "--others", "--exclude-standard"]
    done = subprocess.run(command, cwd=project.output, capture_output=True, text=True, check=True)
    kept = set(done.stdout.split())
    assert "clients/gw.key/client.pem" in kept
    assert "clients/gw.key/client.key" not in kept


def test_the_lock_is_not_taken_through_a_symbolic_link(project: Project, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "lock").write_text("mine")
    (elsewhere / "lock").chmod(0o644)
    project.output.mkdir()
    (project.output / ".edgecerts").symlink_to(elsewhere)
    project.write(SMALL)
    result = project.run("apply")
    assert result.code == 1
    assert (elsewhere / "lock").stat().st_mode & 0o777 == 0o644
    assert [path.name for path in elsewhere.iterdir()] == ["lock"]


def test_the_local_folder_is_narrowed_before_a_key_is_staged_in_it(project: Project) -> None:
    staging = project.output / ".edgecerts/staging"
    staging.mkdir(parents=True)
    for folder in (staging, staging.parent):
        folder.chmod(0o777)
    project.write(SMALL)
    assert project.run("apply").code == 4
    assert not list(project.output.rglob("*.key"))
    assert project.run("apply", "--allow-insecure-folder").code == 0
    assert {folder.stat().st_mode & 0o777 for folder in (staging, staging.parent)} == {0o700}


def plain(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@pytest.mark.parametrize(
    "key",
    [plain(rsa.generate_private_key(65537, 1024)), plain(ec.generate_private_key(ec.SECP256K1()))],
    ids=["rsa-1024", "secp256k1"],
)
def test_nothing_is_certified_for_a_weak_or_odd_key(project: Project, key: bytes) -> None:
    project.write(SMALL)
    project.apply()
    folder = project.output / "clients/MyEACM"
    (folder / "client.key").write_bytes(key)
    (folder / "client.pem").unlink()
    result = project.run("apply", "--format", "json")
    assert result.code == 1
    assert refused_codes(result) == {"key-unusable"}
    assert not (folder / "client.pem").exists()


def test_an_authoritys_key_of_another_type_than_declared_gets_no_certificate(project: Project) -> None:
    project.write(ONLY_CA)
    project.apply()
    (project.output / "ca/ca.pem").unlink()
    project.write(ONLY_CA.replace("Test CA}", "Test CA, key_type: ec-p384}"))
    result = project.run("apply", "--format", "json")
    assert result.code == 1
    assert refused_codes(result) == {"key-unusable"}
    assert not (project.output / "ca/ca.pem").exists()


def test_a_damaged_rsa_key_is_found_before_the_first_write(project: Project) -> None:
    project.write(ONLY_CA + "clients: {a: {key_type: rsa-2048}}\n")
    project.apply()
    folder = project.output / "clients/a"
    key = rsa.generate_private_key(65537, 2048)
    numbers = key.private_numbers()
    broken = rsa.RSAPrivateNumbers(
        p=numbers.p, q=numbers.q, d=numbers.d ^ 2, dmp1=numbers.dmp1 ^ 2, dmq1=numbers.dmq1, iqmp=numbers.iqmp,
        public_numbers=numbers.public_numbers,
    ).private_key(unsafe_skip_rsa_key_validation=True)  # fmt: skip
    (folder / "client.key").write_bytes(plain(broken))
    (folder / "client.pem").unlink()
    before = project.files()
    result = project.run("apply")
    assert result.code == 1
    assert "clients/a/client.key: the private key is damaged" in result.out
    assert project.files() == before


def test_a_device_that_thinks_it_is_1970_signs_nothing(project: Project) -> None:
    project.write(SMALL)
    project.apply()
    project.write(SMALL + "  line-4:\n")
    project.now = NOW.replace(year=1970)
    result = project.run("apply", "--format", "json")
    assert result.code in (1, 4)
    assert "clock-behind" in refused_codes(result) or "not-yet-valid" in refused_codes(result)
    assert not (project.output / "clients/line-4/client.key").exists()


def test_a_certificate_that_is_not_valid_yet_is_said(project: Project) -> None:
    project.write(SMALL)
    project.apply()
    project.now = NOW - timedelta(hours=3)
    plan = project.run("plan", "--format", "json")
    assert "not-yet-valid" in {notice["code"] for notice in json.loads(plan.out)["notices"]}


def test_an_authority_that_openssl_made_without_the_subjects_e_mail_as_a_name_stays(project: Project) -> None:
    project.write(ONLY_CA.replace("Test CA}", "Test CA, subject: {email: PKI@Plant.Example}}"))
    project.apply()
    reissue_authority(project.output)
    plan = project.run("plan").out
    assert "not-in-log: ca/ca.pem" in plan
    assert plan.endswith("Plan: 1 to update, 5 unchanged, 0 blocked.\n")


def test_a_locked_key_of_another_authority_makes_no_certificate_in_the_name_of_the_lost_one(
    project: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Planning opens no locked key and so cannot see it; apply does, before the first write."""
    monkeypatch.setenv("CA_PASSWORD", "a long enough one")
    protected = SMALL.replace("Test CA}", "Test CA, password: {env: CA_PASSWORD}}")
    project.write(protected)
    project.apply()
    other = Project(folder=tmp_path / "other", capture=project.capture)
    other.folder.mkdir()
    other.write(protected)
    assert other.run("apply").code == 0
    shutil.copy(other.output / "ca/ca.key", project.output / "ca/ca.key")
    (project.output / "ca/ca.pem").unlink()
    before = project.files()
    result = project.run("apply")
    assert result.code == 1
    assert "is not the key of the authority that brokers and clients trust" in result.err
    assert project.files() == before


def test_a_delivered_clients_name_is_not_given_to_another_clients_key(project: Project) -> None:
    project.write(SMALL.replace("MyEACM:", "MyEACM: {key_held: delivered}\n  other: {key_held: delivered}"))
    project.apply()
    for name in ("MyEACM", "other"):
        (project.output / f"clients/{name}/client.key").unlink()
    shutil.copy(project.output / "clients/other/client.pem", project.output / "clients/MyEACM/client.pem")
    result = project.run("apply", "--format", "json")
    assert result.code == 4
    assert refused_codes(result) == {"foreign-file"}


def test_an_authority_whose_key_is_elsewhere_gets_no_other_key(project: Project) -> None:
    project.write(ONLY_CA)
    project.apply()
    (project.output / "ca/ca.key").unlink()
    shutil.rmtree(project.output / "issued")
    before = project.files()
    project.write(ONLY_CA.replace("Test CA}", "Test CA, key_type: ec-p384}"))
    result = project.run("apply", "--format", "json")
    assert result.code == 1
    assert refused_codes(result) == {"issuer-key-not-here"}
    assert {path: found for path, found in project.files().items() if not path.startswith("issued/")} == before


@pytest.mark.parametrize("change", ["common_name: Other CA", "common_name: Test CA, key_type: ec-p384"])
def test_an_authority_is_not_replaced_in_silence_where_nothing_of_it_is_handed_out_here(
    project: Project, change: str
) -> None:
    project.write(ONLY_CA)
    project.apply()
    project.write(ONLY_CA.replace("common_name: Test CA", change))
    result = project.run("apply", "--format", "json")
    assert result.code == 4
    assert refused_codes(result) == {"ca-replaced"}


@pytest.mark.parametrize("failing", ["open_to_append", "create", "exchange", "sync"])
def test_a_new_key_that_gets_no_certificate_is_taken_back(
    project: Project, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    project.write(SMALL)
    project.apply()
    paths = ("ca/ca.key", "clients/MyEACM/client.key", "brokers/plant-a/server.key")
    before = {path: (project.output / path).read_bytes() for path in paths}

    def fail(*arguments: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(FileSystem, failing, fail)
    for address in ("ca", "client/MyEACM"):
        result = project.run("apply", "--replace", address, "--allow", "ca-replaced")
        assert result.code == 1
    assert {path: (project.output / path).read_bytes() for path in paths} == before
    monkeypatch.undo()
    for module in ("edgecerts.cli.plan", "edgecerts.cli.apply"):
        monkeypatch.setattr(f"{module}.current_time", lambda: project.now)
    assert project.run("plan").out.endswith("Nothing to do: 11 files as declared.\n")


def test_a_replaced_key_is_kept_for_its_owner_alone(project: Project) -> None:
    project.write(SMALL)
    project.apply()
    key = project.output / "clients/MyEACM/client.key"
    old = key.read_bytes()
    key.chmod(0o644)
    assert project.run("apply", "--replace", "client/MyEACM").code == 0
    (kept,) = (project.output / ".edgecerts/replaced").iterdir()
    assert (kept / "client.key").read_bytes() == old
    assert (kept / "client.key").stat().st_mode & 0o777 == 0o600


def test_a_target_is_never_half_a_pair(project: Project) -> None:
    project.write(SMALL)
    result = project.run("apply", "--target", "client/MyEACM/private-key")
    assert result.code == 0
    assert (project.output / "clients/MyEACM/client.pem").exists()


@pytest.mark.parametrize("when", ["9999-12-31T23:59:59Z", "0001-01-01", "9999-12-31T23:59:59-05:00", "yesterday"])
def test_a_time_out_of_range_is_a_usage_error(project: Project, when: str) -> None:
    project.write(SMALL)
    for command in ("plan", "status"):
        assert project.run(command, "--at", when).code == 64


def test_a_leaf_is_not_handed_out_as_an_authority(project: Project) -> None:
    project.write(SMALL)
    project.apply()
    shutil.copy(project.output / "clients/MyEACM/client.pem", project.folder / "old.pem")
    project.write(SMALL.replace("Test CA}", "Test CA, also_trust: [{ca: old.pem}]}"))
    before = project.files()
    result = project.run("apply", "--format", "json")
    assert result.code == 1
    assert refused_codes(result) == {"also-trust-unreadable"}
    assert project.files() == before


def test_an_authority_gets_no_other_key_where_it_can_have_no_certificate(project: Project) -> None:
    project.write(ONLY_CA)
    project.apply()
    before = project.files()
    project.write(ONLY_CA.replace("Test CA}", "Test CA, key_type: ec-p384, not_after: 2026-01-01T00:00:00Z}"))
    for flags in ((), ("--allow", "ca-replaced")):
        result = project.run("apply", "--format", "json", *flags)
        assert result.code == 1
        assert refused_codes(result) == {"not-after-passed"}
        assert project.files() == before
