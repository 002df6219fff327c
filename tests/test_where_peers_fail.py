"""What other tools get wrong, by the reports of their users: each as a named test with real files."""

import json
import os
import shutil
import stat
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from edgecerts.pki import private_keys
from tests.conftest import NOW, SMALL, Project
from tests.histories import key_spki
from tests.readers import key_and_certificate_match, read_certificate, spki

SERVER = "brokers/plant-a/server"
CLIENT = "clients/MyEACM/client"
PASSWORD = "a long enough password"

TWO = SMALL.replace("clients:\n", "  plant-b: {common_name: 10.3.0.12}\nclients:\n")


def with_authority(text: str, manifest: str = SMALL) -> str:
    return manifest.replace("{common_name: Test CA}", f"{{common_name: Test CA, {text}}}")


def with_client(text: str) -> str:
    return SMALL.replace("  MyEACM:\n", f"  MyEACM: {{{text}}}\n")


def actions(project: Project) -> dict[str, str]:
    """What a plan would do, by address."""
    plan = json.loads(project.run("plan", "--format", "json").out)
    return {change["address"]: change["action"] for change in plan["changes"] if change["action"] != "no-op"}


def codes(project: Project, part: str) -> set[tuple[str, str]]:
    """The codes and addresses of a plan's hazards, blocked changes or notices."""
    plan = json.loads(project.run("plan", "--format", "json").out)
    return {(remark["code"], remark["address"]) for remark in plan[part]}


def public_files(project: Project) -> dict[str, tuple[bytes, int, int]]:
    """All files but local ones, and but the new client's ca.pem, which takes no signature."""
    apart = (".edgecerts", "clients/new/ca.pem")
    return {path: found for path, found in project.files().items() if not path.startswith(apart)}


@pytest.fixture(autouse=True)
def quick_encryption(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(private_keys, "KDF_ROUNDS", 1000)
    monkeypatch.setenv("CA_PASSWORD", PASSWORD)
    yield


@pytest.fixture
def settled(project: Project) -> Project:
    project.write(SMALL)
    project.apply()
    return project


def another_plant(project: Project, manifest: str = SMALL) -> Project:
    """A plant of the same names with an authority of its own."""
    other = Project(folder=project.folder / "other", capture=project.capture, now=project.now)
    other.folder.mkdir()
    other.write(manifest)
    assert other.run("apply").code == 0
    return other


# ----- what is declared reaches the certificate


def test_a_changed_alternative_name_reaches_the_certificate_and_the_key_stays(settled: Project) -> None:
    before = read_certificate(settled.output / f"{SERVER}.pem")
    settled.write(SMALL.replace("broker.plant-a.example", "mqtt.plant-a.example"))
    assert actions(settled) == {"broker/plant-a/certificate": "update"}
    settled.apply()
    after = read_certificate(settled.output / f"{SERVER}.pem")
    assert spki(before.public_key()) == spki(after.public_key())
    assert b"mqtt.plant-a.example" in after.public_bytes(Encoding.DER)
    assert actions(settled) == {}


def test_a_changed_lifetime_reaches_the_certificate(settled: Project) -> None:
    settled.write(with_client("validity: 90d"))
    assert actions(settled) == {"client/MyEACM/certificate": "update"}
    settled.apply()
    certificate = read_certificate(settled.output / f"{CLIENT}.pem")
    assert certificate.not_valid_after_utc - certificate.not_valid_before_utc == timedelta(days=90)
    assert actions(settled) == {}


@pytest.mark.parametrize("text", ["renew_before: 10d", "renew_before: 80%", "renew_before: 1%"])
def test_a_changed_renewal_threshold_issues_nothing_and_moves_the_day(settled: Project, text: str) -> None:
    settled.write(with_client(text))
    assert actions(settled) == {}
    days = {"renew_before: 10d": 815, "renew_before: 80%": 165, "renew_before: 1%": 817}[text]
    settled.now = NOW + timedelta(days=days - 1)
    assert "client/MyEACM/certificate" not in actions(settled)
    settled.now = NOW + timedelta(days=days + 1)
    assert actions(settled)["client/MyEACM/certificate"] == "renew"


def test_an_expired_certificate_is_renewed_with_its_key(settled: Project) -> None:
    before = read_certificate(settled.output / f"{SERVER}.pem")
    settled.now = NOW + timedelta(days=826)
    assert actions(settled) == {"broker/plant-a/certificate": "renew", "client/MyEACM/certificate": "renew"}
    plan = json.loads(settled.run("plan", "--format", "json").out)
    assert {reason["code"] for change in plan["changes"] for reason in change["reasons"]} == {"expired"}
    settled.apply()
    after = read_certificate(settled.output / f"{SERVER}.pem")
    assert spki(before.public_key()) == spki(after.public_key())
    assert after.not_valid_after_utc > settled.now
    assert actions(settled) == {}


# ----- an authority is never lost or replaced by the way


def test_an_authority_whose_files_are_gone_is_not_made_anew_while_its_leaves_are_there(settled: Project) -> None:
    shutil.rmtree(settled.output / "ca")
    before = public_files(settled)
    assert codes(settled, "hazards") == {("ca-replaced", "ca")}
    assert settled.run("apply").code == 4
    assert public_files(settled) == before


def test_an_authority_whose_files_are_gone_is_not_made_anew_while_the_log_knows_it(settled: Project) -> None:
    for folder in ("ca", "brokers", "clients"):
        shutil.rmtree(settled.output / folder)
    before = public_files(settled)
    assert settled.run("apply").code == 4
    assert public_files(settled) == before


@pytest.mark.parametrize("due", [False, True])
def test_an_authority_from_the_wrong_backup_is_handed_out_to_nobody(settled: Project, due: bool) -> None:
    other = another_plant(settled)
    for name in ("ca.key", "ca.pem"):
        shutil.copy(other.output / "ca" / name, settled.output / "ca" / name)
    settled.now = NOW + timedelta(days=600 if due else 0)
    before = public_files(settled)
    assert codes(settled, "hazards") == {("ca-replaced", "ca")}
    assert settled.run("apply").code == 4
    assert public_files(settled) == before


@pytest.mark.parametrize("declared", [True, False])
def test_an_encrypted_key_of_an_authority_is_never_taken_for_an_absent_one(
    project: Project, monkeypatch: pytest.MonkeyPatch, declared: bool
) -> None:
    locked = with_authority("password: {env: CA_PASSWORD}")
    project.write(locked)
    project.apply()
    key = (project.output / "ca/ca.key").read_bytes()
    assert b"ENCRYPTED" in key
    monkeypatch.delenv("CA_PASSWORD")
    project.write((locked if declared else SMALL) + "  new:\n")
    before = public_files(project)
    assert project.run("apply").code == 1
    assert (project.output / "ca/ca.key").read_bytes() == key
    if declared:
        assert public_files(project) == before
    assert not list(project.output.glob("clients/new/client.*"))


@pytest.mark.parametrize("damage", ["nonsense", "cut off", "empty", "a flipped bit"])
@pytest.mark.parametrize("flags", [(), ("--allow", "ca-replaced")])
def test_a_damaged_key_of_an_authority_is_never_written_over(
    settled: Project, damage: str, flags: tuple[str, ...]
) -> None:
    place = settled.output / "ca/ca.key"
    whole = place.read_bytes()
    flipped = whole.replace(b"\nMI", b"\nNI", 1)
    content = {"nonsense": b"nonsense", "cut off": whole[:100], "empty": b"", "a flipped bit": flipped}[damage]
    place.write_bytes(content)
    settled.write(SMALL + "  new:\n")
    before = public_files(settled)
    assert settled.run("apply", *flags).code == 1
    assert place.read_bytes() == content
    assert public_files(settled) == before


def test_a_damaged_certificate_of_an_authority_is_made_again_for_its_key_and_leaves_stay_valid(
    settled: Project,
) -> None:
    before = read_certificate(settled.output / "ca/ca.pem")
    leaf = (settled.output / f"{SERVER}.pem").read_bytes()
    (settled.output / "ca/ca.pem").write_bytes(b"nonsense")
    settled.apply()
    after = read_certificate(settled.output / "ca/ca.pem")
    assert spki(before.public_key()) == spki(after.public_key())
    assert before.subject.public_bytes() == after.subject.public_bytes()
    assert (settled.output / f"{SERVER}.pem").read_bytes() == leaf
    read_certificate(settled.output / f"{SERVER}.pem").verify_directly_issued_by(after)
    assert actions(settled) == {}


# ----- names and places


@pytest.mark.parametrize(
    ("manifest", "words"),
    [
        (SMALL + "  MyEACM:\n", "MyEACM"),
        (SMALL + "  myeacm:\n", "myeacm"),
        (SMALL + "  ../brokers/plant-a:\n", "plant-a"),
        (SMALL + "  other: {common_name: MyEACM}\n", "MyEACM"),
    ],
    ids=["the same name", "the same name on a disk without case", "out of its folder", "the same user name"],
)
def test_two_entries_with_one_target_are_a_mistake_with_a_position(settled: Project, manifest: str, words: str) -> None:
    settled.write(manifest)
    before = public_files(settled)
    for command in ("validate", "plan", "apply"):
        result = settled.run(command)
        assert result.code == 1
        assert "pki.yaml:7:" in result.out + result.err
        assert words in result.out + result.err
    assert public_files(settled) == before


def test_a_removed_entry_keeps_its_files_and_is_listed(settled: Project) -> None:
    before = public_files(settled)
    settled.write(SMALL.replace("  MyEACM:\n", "  {}\n"))
    plan = json.loads(settled.run("plan", "--format", "json").out)
    assert plan["unmanaged"] == [f"{CLIENT}.key", f"{CLIENT}.pem", "clients/MyEACM/ca.pem"]
    assert actions(settled) == {}
    settled.apply()
    assert public_files(settled) == before


def test_a_renamed_entry_is_a_new_one_beside_the_old(settled: Project) -> None:
    before = public_files(settled)
    settled.write(SMALL.replace("MyEACM", "gateway"))
    assert set(actions(settled).values()) == {"create"}
    settled.apply()
    after = public_files(settled)
    assert {path: found for path, found in after.items() if "gateway" not in path and "issued" not in path} == {
        path: found for path, found in before.items() if "issued" not in path
    }
    assert ("still-valid", "client/MyEACM") in codes(settled, "notices")


# ----- files in the wrong place


def test_pairs_that_were_exchanged_between_two_brokers_are_certified_anew_and_no_key_is_lost(project: Project) -> None:
    """Each key stays where somebody put it, and gets the names of that place."""
    project.write(TWO)
    project.apply()
    one, other = (project.output / f"brokers/{name}" for name in ("plant-a", "plant-b"))
    for name in ("server.key", "server.pem"):
        content = (one / name).read_bytes()
        shutil.copy(other / name, one / name)
        (other / name).write_bytes(content)
    keys = [(folder / "server.key").read_bytes() for folder in (one, other)]
    assert actions(project) == {"broker/plant-a/certificate": "update", "broker/plant-b/certificate": "update"}
    project.apply()
    assert [(folder / "server.key").read_bytes() for folder in (one, other)] == keys
    for folder in (one, other):
        assert key_and_certificate_match(folder / "server.key", folder / "server.pem")
    assert actions(project) == {}


@pytest.mark.parametrize("suffix", ["key", "pem"])
def test_half_of_a_pair_exchanged_between_two_brokers_is_a_mismatch_and_is_certified_anew(
    project: Project, suffix: str
) -> None:
    project.write(TWO)
    project.apply()
    one, other = (project.output / f"brokers/{name}/server.{suffix}" for name in ("plant-a", "plant-b"))
    content = one.read_bytes()
    shutil.copy(other, one)
    other.write_bytes(content)
    keys = {key_spki((project.output / f"brokers/{name}/server.key").read_bytes()) for name in ("plant-a", "plant-b")}
    assert actions(project) == {"broker/plant-a/certificate": "update", "broker/plant-b/certificate": "update"}
    project.apply()
    folders = [project.output / f"brokers/{name}" for name in ("plant-a", "plant-b")]
    assert {key_spki((folder / "server.key").read_bytes()) for folder in folders} == keys
    assert all(key_and_certificate_match(folder / "server.key", folder / "server.pem") for folder in folders)
    assert actions(project) == {}


def test_a_certificate_of_another_authority_without_its_key_is_refused_and_the_rest_goes_on(settled: Project) -> None:
    other = another_plant(settled)
    shutil.copy(other.output / f"{SERVER}.pem", settled.output / f"{SERVER}.pem")
    (settled.output / f"{SERVER}.key").unlink()
    before = (settled.output / f"{SERVER}.pem").read_bytes()
    settled.write(SMALL + "  new:\n")
    assert codes(settled, "hazards") == {("foreign-file", "broker/plant-a")}
    assert settled.run("apply").code == 4
    assert (settled.output / f"{SERVER}.pem").read_bytes() == before
    assert (settled.output / "clients/new/client.pem").exists()


def test_a_certificate_of_another_authority_beside_our_key_is_never_signed_for_the_strangers_key(
    settled: Project,
) -> None:
    other = another_plant(settled)
    shutil.copy(other.output / f"{SERVER}.pem", settled.output / f"{SERVER}.pem")
    assert settled.run("apply").code == 4
    assert settled.run("apply", "--allow", "foreign-file").code == 0
    assert key_and_certificate_match(settled.output / f"{SERVER}.key", settled.output / f"{SERVER}.pem")
    assert actions(settled) == {}


def test_a_certificate_of_another_authority_with_its_key_moves_to_this_one_with_that_key(settled: Project) -> None:
    other = another_plant(settled)
    for suffix in ("key", "pem"):
        shutil.copy(other.output / f"{SERVER}.{suffix}", settled.output / f"{SERVER}.{suffix}")
    assert actions(settled) == {"broker/plant-a/certificate": "update"}
    assert codes(settled, "hazards") == set()
    settled.apply()
    assert (settled.output / f"{SERVER}.key").read_bytes() == (other.output / f"{SERVER}.key").read_bytes()
    certificate = read_certificate(settled.output / f"{SERVER}.pem")
    certificate.verify_directly_issued_by(read_certificate(settled.output / "ca/ca.pem"))
    assert actions(settled) == {}


# ----- time


def test_a_clock_that_is_a_year_behind_plans_nothing_and_signs_nothing(settled: Project) -> None:
    settled.now = NOW - timedelta(days=365)
    assert actions(settled) == {}
    settled.write(SMALL + "  new:\n")
    before = public_files(settled)
    result = settled.run("apply")
    assert result.code in (1, 4)
    assert public_files(settled) == before


def test_a_clock_that_is_a_year_behind_signs_nothing_below_an_older_authority_either(project: Project) -> None:
    project.now = NOW - timedelta(days=600)
    project.write(SMALL)
    project.apply()
    project.now = NOW
    project.apply()
    project.write(SMALL + "  new:\n")
    project.now = NOW - timedelta(days=365)
    before = public_files(project)
    assert codes(project, "hazards") == {("clock-behind", "ca")}
    assert project.run("apply").code == 4
    assert public_files(project) == before
    assert project.run("apply", "--allow", "clock-behind").code == 0


def test_a_second_authority_is_trusted_from_the_day_it_is_declared_to_the_day_it_is_not(settled: Project) -> None:
    """Trust first, then issue, then retire: the way to another authority without an outage."""
    shutil.copy(another_plant(settled).output / "ca/ca.pem", settled.folder / "next-ca.pem")
    trusts = {"broker/plant-a/trust": "update", "client/MyEACM/trust": "update"}
    settled.write(with_authority("also_trust: [{ca: next-ca.pem}]"))
    assert actions(settled) == trusts
    settled.apply()
    assert actions(settled) == {}
    settled.write(SMALL)
    assert actions(settled) == trusts
    settled.apply()
    assert actions(settled) == {}


def test_a_clock_that_was_a_year_ahead_once_does_not_bind_for_ever(project: Project) -> None:
    project.now = NOW + timedelta(days=365)
    project.write(SMALL)
    project.apply()
    project.now = NOW
    shutil.rmtree(project.output)
    project.apply()
    assert actions(project) == {}


@pytest.mark.parametrize("rekey", ["never", "on-renew"])
def test_a_leaf_that_cannot_outlive_its_authority_is_not_issued_again_every_night(project: Project, rekey: str) -> None:
    project.write(with_authority("validity: 400d, renew_before: 2d", with_client(f"rekey: {rekey}")))
    project.apply()
    settled = public_files(project)
    for day in range(300, 330):
        project.now = NOW + timedelta(days=day)
        assert project.apply().out.startswith("Nothing to do")
    assert public_files(project) == settled
    assert codes(project, "notices") >= {("ends-with-issuer", "broker/plant-a"), ("ends-with-issuer", "client/MyEACM")}
    project.now = NOW + timedelta(days=399)
    assert actions(project)["ca/certificate"] == "renew"
    project.apply()
    assert actions(project) == {}
    assert read_certificate(project.output / f"{SERVER}.pem").not_valid_after_utc > NOW + timedelta(days=700)


@pytest.mark.parametrize("end", ["not_after: 2027-12-01T00:00:00Z", "validity: 30d"])
def test_an_authority_that_runs_for_years_issues_each_certificate_once_per_period(project: Project, end: str) -> None:
    project.write(with_client(end))
    project.apply()
    for day in range(0, 366, 5):
        project.now = NOW + timedelta(days=day)
        project.apply()
    lines = [json.loads(line) for path in project.output.glob("issued/*") for line in path.read_text().splitlines()]
    issued = [line for line in lines if line["address"] == "client/MyEACM/certificate"]
    assert len(issued) <= (1 if "not_after" in end else 366 // 20 + 1)


# ----- a repository


def git(folder: Path, *arguments: str) -> str:
    """Runs git without anything of this machine's or user's configuration."""
    environ = {
        **{key: value for key, value in os.environ.items() if not key.startswith("GIT_")},
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_SYSTEM": os.devnull,
    }
    identity = ("-c", "user.name=Test", "-c", "user.email=test@plant.example", "-c", "init.defaultBranch=main")
    done = subprocess.run(
        ["git", *identity, *arguments], cwd=folder, env=environ, check=True, capture_output=True, text=True, timeout=60
    )
    return done.stdout


def commit_everything(project: Project) -> None:
    git(project.folder, "init", "-q")
    git(project.folder, "add", "-A")
    git(project.folder, "commit", "-q", "-m", "all")


@pytest.mark.parametrize("umask", [0o000, 0o002, 0o022, 0o077])
@pytest.mark.parametrize("autocrlf", ["true", "false", "input"])
@pytest.mark.parametrize("attributes", ["ours", "none"])
def test_a_fresh_clone_plans_nothing(project: Project, umask: int, autocrlf: str, attributes: str) -> None:
    """Other modes, no private keys but the encrypted one, and line ends of another system."""
    project.write(with_authority("password: {env: CA_PASSWORD}"))
    project.apply()
    if attributes == "none":
        (project.output / ".gitattributes").unlink()
    commit_everything(project)
    before = os.umask(umask)
    try:
        git(project.folder, "clone", "-q", "-c", f"core.autocrlf={autocrlf}", ".", "clone")
    finally:
        os.umask(before)
    clone = Project(folder=project.folder / "clone", capture=project.capture)
    present = {path.relative_to(clone.output).as_posix() for path in clone.output.rglob("*.key")}
    assert present == {"ca/ca.key"}
    assert stat.S_IMODE((clone.output / "ca/ca.key").stat().st_mode) == 0o666 & ~umask
    if attributes == "none":
        crlf = b"\r\n" in (clone.output / f"{SERVER}.pem").read_bytes()
        assert crlf is (autocrlf == "true")
        assert actions(clone) == {"folder/.gitattributes": "create"}
    else:
        assert actions(clone) == {}
        assert clone.apply().out.startswith("Nothing to do")
    # With no umask everybody may write to a checkout's folders; while nothing would be written, that is a notice.
    open_to_all = {("insecure-folder", "folder")} if umask == 0 else set()
    assert codes(clone, "blocked") == set()
    assert codes(clone, "hazards") == (open_to_all if attributes == "none" else set())
    project.now = NOW + timedelta(days=600)
    assert actions(clone)["broker/plant-a/certificate"] == "renew"
    assert codes(clone, "hazards") == open_to_all
    for folder in (clone.output, *clone.output.rglob("*/")):
        folder.chmod(stat.S_IMODE(folder.stat().st_mode) & ~0o002)
    clone.apply()
    assert set(actions(clone)) == set()
    assert git(clone.folder, "status", "--porcelain", "--", "pki/brokers/plant-a/server.key") == ""


def test_no_unencrypted_key_and_nothing_local_gets_into_a_repository(project: Project) -> None:
    project.write(with_authority("password: {env: CA_PASSWORD}"))
    project.apply()
    commit_everything(project)
    committed = git(project.folder, "ls-files").splitlines()
    assert [path for path in committed if path.endswith(".key")] == ["pki/ca/ca.key"]
    assert not any(".edgecerts" in path for path in committed)
    assert "pki/issued/2026.jsonl" in committed


def test_a_broker_renamed_together_with_its_folder_is_not_issued_again(project: Project) -> None:
    project.write(SMALL)
    project.apply()
    commit_everything(project)
    git(project.folder, "mv", "pki/brokers/plant-a", "pki/brokers/plant-one")
    project.write(SMALL.replace("plant-a:", "plant-one:"))
    before = public_files(project)
    assert actions(project) == {}
    assert project.apply().out.startswith("Nothing to do")
    assert public_files(project) == before


@pytest.mark.parametrize("named", [False, True], ids=["by its entry", "by a common name"])
def test_a_client_renamed_together_with_its_folder_is_another_user_unless_it_has_a_common_name(
    project: Project, named: bool
) -> None:
    """Without a common name a client is called by its entry: a rename changes its subject, and the key stays."""
    entry = "MyEACM: {common_name: EACM}" if named else "MyEACM:"
    manifest = SMALL.replace("MyEACM:", entry)
    project.write(manifest)
    project.apply()
    (project.output / "clients/MyEACM").rename(project.output / "clients/gateway")
    key = (project.output / "clients/gateway/client.key").read_bytes()
    project.write(manifest.replace("  MyEACM:", "  gateway:"))
    if named:
        assert actions(project) == {}
        return
    assert actions(project) == {"client/gateway/certificate": "update"}
    assert ("identity-changed", "client/gateway") in codes(project, "notices")
    project.apply()
    assert (project.output / "clients/gateway/client.key").read_bytes() == key
    assert actions(project) == {}
