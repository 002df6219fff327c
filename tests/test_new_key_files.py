"""New private keys that do not go to the output folder: safe before anything is signed for them, never over a file."""

import errno
import json
import os
import stat
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from edgecerts.apply import carry_out, issuing, staging
from edgecerts.apply.file_system import FileSystem, Sync
from edgecerts.apply.interrupts import interrupts_held
from edgecerts.apply.output_folder import OutputFolder
from edgecerts.desired.graph import PRIVATE_KEY_MODE
from edgecerts.errors import StorageError
from edgecerts.pki import certificates
from edgecerts.schemas import schema_text
from tests.conftest import Project, Result
from tests.readers import key_and_certificate_match, read_certificate

PASSWORD = "canary-91aa-password"

MANIFEST = """\
version: 1
ca: {common_name: Test CA, private_key: {env: CA_KEY}}
brokers:
  plant-a: {common_name: 10.3.0.11, key_held: delivered}
clients:
  gateway: {key_held: delivered}
  meter: {}
"""
ENCRYPTED = MANIFEST.replace("{env: CA_KEY}", "{env: CA_KEY}, password: {env: CA_PASSWORD}")
PLAIN = MANIFEST.replace(", private_key: {env: CA_KEY}", "")
OFFLINE = MANIFEST.replace("{env: CA_KEY}", "{offline: true}")
LEAVES = ("brokers/plant-a/server", "clients/gateway/client", "clients/meter/client")


@pytest.fixture
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of somebody's own, outside the project."""
    return tmp_path_factory.mktemp("keys")


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def refused(project: Project, *arguments: str, code: int = 1) -> str:
    """What a run says that must not write anything."""
    before = project.files()
    result = project.run("apply", *arguments)
    assert (result.code, result.out) == (code, ""), result.out + result.err
    assert "Traceback" not in result.err
    assert project.files() == before
    return result.err


def make_authority(project: Project, file: Path, *arguments: str) -> Result:
    result = project.run("apply", "--new-ca-key-to", str(file), *arguments)
    assert result.code == 0, result.out + result.err
    return result


def document(project: Project, *arguments: str) -> Any:
    result = project.run("apply", "--format", "json", *arguments)
    found = json.loads(result.out)
    jsonschema.validate(found, json.loads(schema_text("apply")))
    return found


def git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=folder, capture_output=True, check=True)


def test_a_first_authority_has_its_key_in_the_file_and_nowhere_else(
    project: Project, keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.write(ENCRYPTED)
    monkeypatch.setenv("CA_PASSWORD", PASSWORD)
    umask = os.umask(0)
    result = make_authority(project, keys / "ca.key")
    os.umask(umask)
    assert mode_of(keys / "ca.key") == 0o600
    assert key_and_certificate_match(keys / "ca.key", project.output / "ca/ca.pem", PASSWORD.encode())
    assert b"ENCRYPTED PRIVATE KEY" in (keys / "ca.key").read_bytes()
    assert not (project.output / "ca/ca.key").exists()
    text = (keys / "ca.key").read_text().splitlines()
    assert not [line for line in text if len(line) > 30 and "-----" not in line and line in result.out + result.err]
    words = " ".join(result.out.split())
    assert f"Back up {keys}/ca.key" in words
    assert "Give its text to later runs as environment variable CA_KEY" in words
    pin = result.out.partition("fingerprint: ")[2].split()[0]
    monkeypatch.setenv("CA_KEY", (keys / "ca.key").read_text())
    project.write(ENCRYPTED.replace("Test CA", f"Test CA, fingerprint: '{pin}'") + "  late: {key_held: delivered}\n")
    assert "3 files made" in project.apply().out
    assert project.apply().out.startswith("Nothing to do")


def test_a_short_password_makes_no_authority(project: Project, keys: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project.write(ENCRYPTED)
    monkeypatch.setenv("CA_PASSWORD", "elevenchars")
    assert "fewer than 12 characters" in refused(project, "--new-ca-key-to", str(keys / "ca.key"))
    assert not list(keys.iterdir())
    assert not project.output.exists()


def test_no_file_is_written_over(project: Project, keys: Path) -> None:
    project.write(MANIFEST)
    (keys / "file").write_text("mine")
    (keys / "link").symlink_to("nowhere")
    os.mkfifo(keys / "pipe")
    (keys / "folder").mkdir()
    for name in ("file", "link", "pipe", "folder"):
        error = refused(project, "--new-ca-key-to", str(keys / name))
        assert "no private key is ever written over" in error
    assert (keys / "file").read_text() == "mine"
    assert not project.output.exists()


def test_a_file_that_comes_in_between_is_not_written_over(
    project: Project, keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.write(MANIFEST)
    create = FileSystem.create

    def race(self: FileSystem, name: str, folder: int, mode: int) -> int:
        if name == "new.key":
            (keys / "new.key").write_text("mine")
        return create(self, name, folder, mode)

    monkeypatch.setattr(FileSystem, "create", race)
    result = project.run("apply", "--new-ca-key-to", str(keys / "new.key"))
    assert result.code == 1
    assert "no private key is ever written over" in " ".join(result.out.split())
    assert (keys / "new.key").read_text() == "mine"
    assert not list(project.output.rglob("*.pem"))


def test_a_place_that_cannot_be_is_told_before_the_first_write(project: Project, keys: Path) -> None:
    project.write(MANIFEST)
    assert f"there is no folder {keys}/usb" in refused(project, "--new-ca-key-to", str(keys / "usb/ca.key"))
    project.output.mkdir(mode=0o700)
    (keys / "way").symlink_to(project.output)
    for place in (project.output / "ca.key", keys / "way/ca.key"):
        assert "lies in the output folder" in refused(project, "--new-ca-key-to", str(place))
    assert not list(project.output.iterdir())


def test_the_option_goes_with_a_key_that_is_kept_elsewhere_only(project: Project, keys: Path) -> None:
    project.write(PLAIN)
    assert "private_key" in refused(project, "--new-ca-key-to", str(keys / "ca.key"), code=64)
    project.write(MANIFEST)
    assert project.run("plan", "--out", str(project.folder / "plan.json")).code == 0
    error = refused(project, "--new-ca-key-to", str(keys / "ca.key"), str(project.folder / "plan.json"), code=64)
    assert "does not go with a saved plan" in error
    assert "the path is empty" in refused(project, "--new-ca-key-to", "", code=64)
    assert not list(keys.iterdir())


def test_an_authority_that_is_here_stays(project: Project, keys: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project.write(MANIFEST)
    make_authority(project, keys / "ca.key")
    assert "there is an authority already" in refused(project, "--new-ca-key-to", str(keys / "other.key"))
    result = project.run("apply", "--new-ca-key-to", str(keys / "other.key"), "--replace", "ca")
    assert (result.code, "ca-replaced" in result.out) == (4, True)
    assert not (keys / "other.key").exists()
    make_authority(project, keys / "other.key", "--replace", "ca", "--allow", "ca-replaced")
    assert key_and_certificate_match(keys / "other.key", project.output / "ca/ca.pem")
    authority = read_certificate(project.output / "ca/ca.pem")
    for leaf in LEAVES:
        read_certificate(project.output / f"{leaf}.pem").verify_directly_issued_by(authority)


def test_a_lost_authority_is_made_anew_only_where_that_is_allowed(project: Project, keys: Path) -> None:
    project.write(MANIFEST)
    make_authority(project, keys / "ca.key")
    (project.output / "ca/ca.pem").unlink()
    result = project.run("apply", "--new-ca-key-to", str(keys / "other.key"))
    assert (result.code, "ca-replaced" in result.out) == (4, True)
    assert not (keys / "other.key").exists()


def test_a_key_is_on_the_disk_before_anything_is_signed_with_it_or_for_it(
    project: Project, keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """First its content, then its name, then a signature; and no certificate is published before that."""
    project.write(MANIFEST)
    calls: list[str] = []
    sync, sign = FileSystem.sync, certificates.issue_certificate

    def record(self: FileSystem, descriptor: int, purpose: Sync) -> None:
        calls.append("commit" if purpose is Sync.COMMIT else str(Path(f"/proc/self/fd/{descriptor}").readlink()))
        sync(self, descriptor, purpose)

    def issue(*arguments: Any, **more: Any) -> Any:
        calls.append("signature")
        return sign(*arguments, **more)

    monkeypatch.setattr(FileSystem, "sync", record)
    monkeypatch.setattr(issuing, "issue_certificate", issue)
    make_authority(project, keys / "ca.key", "--new-keys-to", str(keys / "new"))
    signatures = [index for index, call in enumerate(calls) if call == "signature"]
    commits = [index for index, call in enumerate(calls) if call == "commit"]
    places = [keys / "ca.key", *(keys / "new" / f"{leaf}.key" for leaf in LEAVES)]
    for place, signature in zip(places, signatures, strict=True):
        content = calls.index(str(place))
        name = calls.index(str(place.parent), content)
        assert content < name < signature
    # The folder's own files need no journal, and the authority has a commit of its own.
    assert [sum(signature < commit for signature in signatures) for commit in commits] == [1, len(signatures)]


def test_a_crash_before_the_certificate_leaves_a_key_that_the_next_run_takes(
    project: Project, keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.write(MANIFEST)

    def crash(*arguments: object, **more: object) -> None:
        os._exit(9)

    child = os.fork()
    if child == 0:
        monkeypatch.setattr(issuing, "issue_certificate", crash)
        project.run("apply", "--new-ca-key-to", str(keys / "ca.key"))
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    assert not (project.output / "ca/ca.pem").exists()
    assert "no private key is ever written over" in refused(project, "--new-ca-key-to", str(keys / "ca.key"))
    monkeypatch.setenv("CA_KEY", (keys / "ca.key").read_text())
    project.apply()
    assert key_and_certificate_match(keys / "ca.key", project.output / "ca/ca.pem")


def test_a_key_that_does_not_read_back_signs_nothing(
    project: Project, keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.write(MANIFEST)
    write = FileSystem.write

    def damage(self: FileSystem, descriptor: int, content: bytes) -> None:
        write(self, descriptor, content[:-9] if b"PRIVATE KEY" in content else content)

    monkeypatch.setattr(FileSystem, "write", damage)
    result = project.run("apply", "--new-ca-key-to", str(keys / "ca.key"), "--new-keys-to", str(keys / "new"))
    assert result.code == 1
    assert "does not read back as it was written" in " ".join(result.out.split())
    assert not list(project.output.rglob("*.pem"))
    assert not [path for path in keys.rglob("*") if path.is_file()]


def test_an_offline_authority_is_made_in_the_output_folder_of_its_machine(project: Project) -> None:
    project.write(OFFLINE)
    git(project.folder, "init", "-q")
    assert "--new-ca-key-to FILE, where FILE is ca/ca.key in its output folder" in " ".join(
        project.run("plan").out.split()
    )
    assert project.run("apply").code == 1
    assert not (project.output / "ca").exists()
    own = project.output / "ca/ca.key"
    result = make_authority(project, own)
    assert (mode_of(own), mode_of(own.parent)) == (0o600, 0o700)
    assert "Give its text" not in result.out
    assert key_and_certificate_match(own, project.output / "ca/ca.pem")
    assert project.apply().out.startswith("Nothing to do")
    assert "there is an authority already" in refused(project, "--new-ca-key-to", str(own))
    again = ("--replace", "ca", "--allow", "ca-replaced")
    assert "ca/ca.key is here already" in refused(project, "--new-ca-key-to", str(own), *again)


def test_an_offline_key_is_not_written_where_a_users_line_lets_it_into_a_repository(project: Project) -> None:
    project.write(OFFLINE)
    git(project.folder, "init", "-q")
    assert project.run("apply").code == 1
    with (project.output / ".gitignore").open("a") as file:
        file.write("!/ca/ca.key\n")
    result = project.run("apply", "--new-ca-key-to", str(project.output / "ca/ca.key"))
    assert result.code == 1
    assert "git would take it in" in " ".join(result.out.split())
    assert not (project.output / "ca/ca.key").exists()


@pytest.mark.parametrize("option", ["--new-ca-key-to", "--new-keys-to"])
def test_no_open_key_is_written_where_git_would_take_it_in(
    project: Project, keys: Path, option: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = keys / "new"
    git(keys, "init", "-q")
    project.write(MANIFEST if option == "--new-ca-key-to" else PLAIN)
    error = refused(project, option, str(place))
    assert "git might take it into a repository; no line keeps it out" in error
    assert not place.exists()
    assert not project.output.exists()
    (keys / ".gitignore").write_text("/new\n")
    assert project.run("apply", option, str(place)).code == 0
    assert place.exists()


def test_an_encrypted_key_may_lie_in_a_repository(
    project: Project, keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git(keys, "init", "-q")
    project.write(ENCRYPTED)
    monkeypatch.setenv("CA_PASSWORD", PASSWORD)
    make_authority(project, keys / "ca.key")


def test_where_git_cannot_be_asked_no_open_key_is_written_into_a_work_tree(
    project: Project, keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git(keys, "init", "-q")
    project.write(MANIFEST)
    monkeypatch.setenv("PATH", "")
    assert "git cannot be asked: git is not installed" in refused(project, "--new-ca-key-to", str(keys / "ca.key"))


def test_new_keys_go_to_the_folder_and_their_certificates_to_the_output_folder(project: Project, keys: Path) -> None:
    project.write(PLAIN.replace("meter: {}", "meter: {password: {command: [echo, secret]}}"))
    folder = keys / "deep/new"
    umask = os.umask(0)
    found = document(project, "--new-keys-to", str(folder))
    os.umask(umask)
    for leaf in LEAVES:
        password = b"secret" if "meter" in leaf else None
        assert key_and_certificate_match(folder / f"{leaf}.key", project.output / f"{leaf}.pem", password)
        assert mode_of(folder / f"{leaf}.key") == 0o600
        assert not (project.output / f"{leaf}.key").exists()
    assert {mode_of(path) for path in (folder, *folder.rglob("*")) if path.is_dir()} == {0o700}
    assert (project.output / "ca/ca.key").exists(), "the authority's is no broker's and no client's"
    assert found["keys_elsewhere"] == [{"path": f"{leaf}.key", "file": str(folder / f"{leaf}.key")} for leaf in LEAVES]
    assert found["new_keys"] == ["ca/ca.key", *(f"{leaf}.key" for leaf in LEAVES)]
    for delivery in found["deliver"]:
        assert delivery["key_changed"]
        assert not [path for path in delivery["files"] if path.endswith(".key")]
    states = json.loads(project.run("status", "--format", "json").out)["identities"]
    assert [(row["state"], row["key"]) for row in states[1:]] == [
        ("ok", "delivered"),
        ("ok", "delivered"),
        ("keyless", "not-here"),
    ]
    assert project.apply().out.startswith("Nothing to do")


def test_the_report_says_where_each_file_for_a_host_is(project: Project, keys: Path) -> None:
    project.write(PLAIN)
    words = " ".join(project.run("apply", "--new-keys-to", str(keys / "new")).out.split())
    assert (
        f"from {project.output}/brokers/plant-a: server.pem, ca.pem from {keys}/new/brokers/plant-a: server.key"
        in words
    )
    assert "server.key mode 0600, server.pem mode 0644" in words
    assert (
        f"New private keys, which exist only here {project.output}/ca/ca.key {keys}/new/brokers/plant-a/server.key"
        in words
    )


def test_keys_that_are_there_stop_the_run_before_it_begins(project: Project, keys: Path) -> None:
    project.write(PLAIN)
    for leaf in LEAVES:
        (keys / leaf).parent.mkdir(parents=True, mode=0o700)
        (keys / f"{leaf}.key").write_text("mine")
    error = refused(project, "--new-keys-to", str(keys))
    assert all(f"{keys}/{leaf}.key" in error for leaf in LEAVES)
    assert {(keys / f"{leaf}.key").read_text() for leaf in LEAVES} == {"mine"}
    assert not project.output.exists()


def test_a_key_that_lies_in_the_output_folder_is_replaced_there(project: Project, keys: Path) -> None:
    """Else the old one would lie beside the new one's certificate."""
    project.write(PLAIN)
    project.apply()
    (project.output / "clients/gateway/client.key").unlink()
    arguments = ("--replace", "client/gateway", "--replace", "client/meter")
    assert project.run("apply", "--new-keys-to", str(keys), *arguments).code == 0
    meter, gateway = "clients/meter/client", "clients/gateway/client"
    assert key_and_certificate_match(project.output / f"{meter}.key", project.output / f"{meter}.pem")
    assert key_and_certificate_match(keys / f"{gateway}.key", project.output / f"{gateway}.pem")
    assert [path.name for path in keys.rglob("*.key")] == ["client.key"]


def test_a_run_that_makes_no_key_does_not_touch_the_folder(project: Project, keys: Path) -> None:
    project.write(PLAIN)
    project.apply()
    project.write(PLAIN.replace("10.3.0.11", "10.3.0.12"))
    assert project.run("apply", "--new-keys-to", str(keys / "new")).code == 0
    assert not (keys / "new").exists()


def test_a_saved_plan_goes_with_the_folder(project: Project, keys: Path) -> None:
    project.write(PLAIN)
    plan = project.folder / "plan.json"
    assert project.run("plan", "--out", str(plan)).code == 0
    assert project.run("apply", str(plan), "--new-keys-to", str(keys / "new")).code == 0
    assert len(list(keys.rglob("*.key"))) == len(LEAVES)


def test_a_folder_that_is_not_ours_alone_is_refused(project: Project, keys: Path) -> None:
    project.write(PLAIN)
    (keys / "file").write_text("x")
    (keys / "open").mkdir()
    (keys / "open").chmod(0o777)
    project.output.mkdir(mode=0o700)
    for name, words in (("file", "is no folder"), ("open", "others may write to"), ("file/x", "cannot be used")):
        assert words in refused(project, "--new-keys-to", str(keys / name))
    assert "lies in the output folder" in refused(project, "--new-keys-to", str(project.output / "new"))


@pytest.mark.parametrize(("mode", "is_refused"), [(0o770, True), (0o707, True), (0o1777, False), (0o755, False)])
def test_the_folder_of_a_new_authority_is_as_sure(project: Project, keys: Path, mode: int, is_refused: bool) -> None:
    project.write(MANIFEST)
    keys.chmod(mode)
    if is_refused:
        assert f"others may write to {keys}" in refused(project, "--new-ca-key-to", str(keys / "ca.key"))
        assert not project.output.exists()
    else:
        make_authority(project, keys / "ca.key")


def test_no_authority_is_made_in_the_folder_of_another_user(
    project: Project, keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.write(MANIFEST)
    if os.geteuid() == 0:
        os.chown(keys, 1234, 1234)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: 4321)
    assert f"others may write to {keys}" in refused(project, "--new-ca-key-to", str(keys / "ca.key"))


def test_a_key_without_a_certificate_is_removed_again(
    project: Project, keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A certificate cannot be staged, or another file of the same client: nobody has seen a certificate for the key."""
    project.write(PLAIN)

    def fail(folder: OutputFolder, draft: staging.Draft, path: str, *, syncs_each: bool) -> staging.Staged:
        if "gateway" in draft.folder:
            raise StorageError(f"{draft.folder} cannot be written: No space left on device")
        return staging.stage_draft(folder, draft, path, syncs_each=syncs_each)

    monkeypatch.setattr(carry_out, "stage_draft", fail)
    result = project.run("apply", "--new-keys-to", str(keys))
    assert result.code == 1
    assert sorted(path.parent.name for path in keys.rglob("*.key")) == ["meter", "plant-a"]
    assert not (project.output / "clients/gateway/client.pem").exists()
    monkeypatch.undo()
    assert project.run("apply", "--new-keys-to", str(keys)).code == 0
    gateway = "clients/gateway/client"
    assert key_and_certificate_match(keys / f"{gateway}.key", project.output / f"{gateway}.pem")


def test_an_interrupt_before_the_commit_leaves_no_key(
    project: Project, keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.write(PLAIN)
    # The folder's own files come first, then the authority.
    monkeypatch.setattr(carry_out, "interrupts_held", _interrupting(3))
    assert project.run("apply", "--new-keys-to", str(keys)).code == 130
    assert not [path for path in keys.rglob("*") if path.is_file()]
    assert not list(project.output.rglob("client.pem"))


def _interrupting(group: int) -> Any:
    """What holds interrupts back during a commit, and meets one just before that of a later group."""
    seen = 0

    def held() -> Any:
        nonlocal seen
        seen += 1
        if seen == group:
            raise KeyboardInterrupt
        return interrupts_held()

    return held


def test_a_key_stays_and_is_named_where_the_commit_itself_failed(
    project: Project, keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then nobody can say here whether its certificate is on the disk."""
    project.write(PLAIN)
    project.run("apply", "--target", "ca")
    sync = FileSystem.sync

    def fail(self: FileSystem, descriptor: int, purpose: Sync) -> None:
        if purpose is Sync.PUBLISHED:
            raise OSError(errno.EIO, "Input/output error")
        sync(self, descriptor, purpose)

    monkeypatch.setattr(FileSystem, "sync", fail)
    result = project.run("apply", "--new-keys-to", str(keys), "--target", "client/gateway")
    assert result.code == 1
    place = keys / "clients/gateway/client.key"
    assert f"its new private key is {place}" in " ".join(result.out.split())
    load_pem_private_key(place.read_bytes(), None)
    assert mode_of(place) == PRIVATE_KEY_MODE
