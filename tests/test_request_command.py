"""`edgecerts request`, run where the private key lives."""

import errno
import fcntl
import hashlib
import json
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import jsonschema
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from edgecerts.apply.file_system import FileSystem
from edgecerts.cli.console import Console
from edgecerts.observed.folder_reader import OpenFolder
from edgecerts.pki.key_types import KeyType
from edgecerts.pki.private_keys import encode_private_key, generate_private_key
from edgecerts.schemas import schema_text
from tests.conftest import NOW, SMALL, Project, Result
from tests.hosts import (
    CERTIFICATE,
    KEY,
    MANIFEST,
    NEXT,
    REQUEST,
    key_digest,
    replaced_keys,
    request,
    request_digest,
    told,
    tree,
)
from tests.readers import read_certificate, spki

PASSWORD = "a long enough password"
DAMAGED = b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"
DER_KEY = generate_private_key(KeyType.EC_P256).private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


@pytest.fixture
def host(project: Project) -> Project:
    """A folder with nothing but the manifest."""
    project.write(MANIFEST)
    return project


@pytest.fixture(autouse=True)
def never_sent_to_apply(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a host, `apply` would make an authority, so nothing that is printed there may lead to it."""
    run = Project.run

    def watch(self: Project, command: str, *arguments: str) -> Result:
        result = run(self, command, *arguments)
        assert command != "request" or "edgecerts apply" not in " ".join((result.out + result.err).split())
        return result

    monkeypatch.setattr(Project, "run", watch)


@pytest.fixture
def running(host: Project) -> Project:
    """A host that has its certificate. The authority is in the same folder, which nothing here makes use of."""
    request(host)
    host.apply()
    return host


# ----- the first request


def test_a_key_and_its_request_are_made_as_declared(host: Project) -> None:
    result = request(host)
    key = host.folder / KEY
    assert key.stat().st_mode & 0o7777 == 0o600
    for folder in (key.parent, key.parent.parent, host.output):
        assert folder.stat().st_mode & 0o7777 == 0o700
    assert key_digest(key) == request_digest(host.folder / REQUEST)
    found = x509.load_pem_x509_csr((host.folder / REQUEST).read_bytes())
    assert found.subject.rfc4514_string() == "CN=10.3.0.11,O=Plant"
    names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(name.value) for name in names] == ["10.3.0.11", "broker.plant-a.example"]
    assert (host.folder / REQUEST).stat().st_mode & 0o777 == 0o644
    assert f"\n  sha256:{key_digest(key)}\n" in result.out
    assert sorted(path.name for path in host.folder.rglob("*") if path.is_file()) == [
        "pki.yaml",
        "plant-a.csr",
        "server.key",
    ]


def test_both_sides_show_the_same_line_to_compare(host: Project) -> None:
    line = next(line for line in request(host).out.splitlines() if "sha256:" in line).strip()
    assert line in host.run("plan").out.split()
    assert line in host.run("plan", "--format", "markdown").out.replace("`", " ").split()


def test_the_same_again_does_nothing_and_says_so(host: Project) -> None:
    request(host)
    before = tree(host.folder)
    result = request(host)
    assert tree(host.folder) == before
    assert "Nothing to do:" in result.out
    document = told(host)
    assert document["key"]["action"] == "kept"
    assert document["request"]["action"] == "kept"


@pytest.mark.parametrize(
    ("old", "new", "asked"),
    [
        ("organization: Plant", "organization: Other", "CN=10.3.0.11,O=Other"),
        ("broker.plant-a.example", "other.example", "CN=10.3.0.11,O=Plant"),
    ],
)
def test_another_declared_name_is_asked_for_with_the_same_key(host: Project, old: str, new: str, asked: str) -> None:
    request(host)
    before = (host.folder / KEY).read_bytes()
    host.write(MANIFEST.replace(old, new))
    assert told(host)["request"]["action"] == "written"
    assert (host.folder / KEY).read_bytes() == before
    assert request_digest(host.folder / REQUEST) == key_digest(host.folder / KEY)
    found = x509.load_pem_x509_csr((host.folder / REQUEST).read_bytes())
    assert found.subject.rfc4514_string() == asked
    assert b"other" in (found.public_bytes(Encoding.DER)).lower()
    assert told(host)["request"]["action"] == "kept"


def test_a_lost_request_is_written_again_for_the_same_key(host: Project) -> None:
    request(host)
    (host.folder / REQUEST).unlink()
    assert told(host)["key"]["action"] == "kept"
    assert request_digest(host.folder / REQUEST) == key_digest(host.folder / KEY)


def test_a_client_has_a_request_like_a_broker(host: Project) -> None:
    request(host, address="client/unit")
    assert key_digest(host.output / "clients/unit/client.key") == request_digest(host.folder / "requests/unit.csr")


@pytest.mark.parametrize("key_type", [key_type for key_type in KeyType if key_type is not KeyType.RSA_4096])
def test_every_type_of_key_is_made(host: Project, key_type: KeyType) -> None:
    host.write(MANIFEST.replace("10.3.0.11,", f"10.3.0.11, key_type: {key_type},"))
    assert told(host)["key"]["key_type"] == key_type.value
    host.apply()
    certificate = read_certificate(host.folder / CERTIFICATE)
    assert spki(certificate.public_key()) == spki(
        load_pem_private_key((host.folder / KEY).read_bytes(), None).public_key()
    )


def test_other_places_can_be_named(host: Project) -> None:
    there = host.folder / "etc/certs"
    options = ("--key", f"{there}/broker.pem", "--out", f"{host.folder}/out/new.csr")
    request(host, *options)
    assert key_digest(there / "broker.pem") == request_digest(host.folder / "out/new.csr")
    assert there.stat().st_mode & 0o777 == 0o700
    assert not host.output.exists()
    assert not (host.folder / "requests").exists()
    assert "Nothing to do" in request(host, *options).out


@pytest.mark.parametrize("name", ["broker.pem", "broker", "broker.KEY", "broker.key.bak"])
def test_a_key_of_any_name_has_others_beside_it_that_end_in_key(host: Project, name: str) -> None:
    """A .gitignore and people know keys by that."""
    there = host.folder / "certs"
    options = ("--key", f"{there}/{name}")
    request(host, *options)
    for _ in range(2):
        request(host, *options, "--rekey")
    assert sorted(path.name for path in there.iterdir()) == sorted(
        [name, f"{name}.next.key", f"{name}.replaced-20261123T120000Z.key"]
    )
    host.apply()
    assert told(host, *options)["replaced"] == f"{there}/{name}.replaced-20261123T120000Z-2.key"
    assert key_digest(there / name) == request_digest(host.folder / REQUEST)


@pytest.mark.parametrize("umask", [0, 0o022, 0o077])
def test_every_folder_that_is_made_for_a_key_is_private_whatever_the_umask(host: Project, umask: int) -> None:
    before = os.umask(umask)
    try:
        request(host, "--key", f"{host.folder}/a/b/c/server.key", "--out", f"{host.folder}/out/side/new.csr")
        request(host, address="client/unit")
    finally:
        os.umask(before)
    for name in ("a", "a/b", "a/b/c", "pki", "pki/clients", "pki/clients/unit"):
        assert (host.folder / name).stat().st_mode & 0o7777 == 0o700
    # A request is there to be handed on.
    for name in ("out", "out/side", "requests"):
        assert (host.folder / name).stat().st_mode & 0o7777 == 0o755


def test_what_root_makes_in_somebodys_clone_is_theirs_but_for_the_key(
    host: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Giving a file away takes privileges that tests may lack, so the calls are looked at."""
    if os.geteuid() == 0:
        os.chown(host.folder, 1234, 2345)
    owner = (host.folder.stat().st_uid, host.folder.stat().st_gid)
    given: dict[str, tuple[int, int]] = {}

    def chown(self: FileSystem, descriptor: int, uid: int, gid: int) -> None:
        place = Path(f"/proc/self/fd/{descriptor}").readlink()
        given[place.relative_to(host.folder).as_posix()] = (uid, gid)
        if owner == (1234, 2345):
            os.fchown(descriptor, uid, gid)

    monkeypatch.setattr(FileSystem, "chown", chown)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    request(host)
    request(host, "--key", f"{host.folder}/a/b/server.key", "--out", f"{host.folder}/c/d/new.csr")
    assert given == dict.fromkeys(
        [
            *("pki", "pki/brokers", "pki/brokers/plant-a", "requests", "requests/.plant-a.csr.new"),
            *("a", "a/b", "c", "c/d", "c/d/.new.csr.new"),
        ],
        owner,
    )


def test_a_folder_that_took_the_place_of_a_new_one_is_not_given_away(
    host: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    if os.geteuid() == 0:
        os.chown(host.folder, 1234, 2345)
    theirs, make_root = host.folder / "theirs", FileSystem.make_root
    theirs.mkdir()
    (theirs / "file").write_text("")
    given: list[str] = []

    def race(self: FileSystem, path: Path, mode: int) -> None:
        make_root(self, path, mode)
        if path.name == "certs":
            path.rmdir()
            theirs.rename(path)

    def chown(self: FileSystem, descriptor: int, uid: int, gid: int) -> None:
        given.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)

    monkeypatch.setattr(FileSystem, "make_root", race)
    monkeypatch.setattr(FileSystem, "chown", chown)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    request(host, "--key", f"{host.folder}/certs/server.key")
    assert given == ["requests", ".plant-a.csr.new"]


def test_a_folder_that_is_there_keeps_its_permissions(host: Project) -> None:
    there = host.folder / "certs"
    there.mkdir(mode=0o755)
    there.chmod(0o755)
    request(host, "--key", f"{there}/server.key")
    assert there.stat().st_mode & 0o777 == 0o755


def test_a_key_is_private_from_its_first_byte(host: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    modes: list[tuple[Path, int]] = []
    write = FileSystem.write

    def watch(self: FileSystem, descriptor: int, content: bytes) -> None:
        if b"PRIVATE KEY" in content:
            modes.append((Path(f"/proc/self/fd/{descriptor}").readlink(), os.fstat(descriptor).st_mode & 0o777))
        write(self, descriptor, content)

    monkeypatch.setattr(FileSystem, "write", watch)
    before = os.umask(0)
    try:
        request(host)
        request(host, "--rekey")
    finally:
        os.umask(before)
    assert [mode for _, mode in modes] == [0o600, 0o600]
    assert all(path.suffix == ".key" for path, _ in modes)


# ----- a new key


def test_a_new_key_takes_over_only_when_its_certificate_is_here(running: Project) -> None:
    old = (running.folder / KEY).read_bytes()
    result = request(running, "--rekey")
    assert "The present one stays in use." in result.out
    assert (running.folder / KEY).read_bytes() == old
    assert (running.folder / NEXT).stat().st_mode & 0o777 == 0o600
    assert (
        request_digest(running.folder / REQUEST)
        == key_digest(running.folder / NEXT)
        != key_digest(running.folder / KEY)
    )
    waiting = told(running)
    assert waiting["key"]["action"] == "kept"
    assert [notice["code"] for notice in waiting["notices"]] == ["key-waits"]
    new = (running.folder / NEXT).read_bytes()
    running.apply()
    running.now = NOW + timedelta(hours=2)
    result = request(running)
    assert "reload the broker" in result.out
    assert (running.folder / KEY).read_bytes() == new
    assert not (running.folder / NEXT).exists()
    (kept,) = replaced_keys((running.folder / KEY).parent)
    assert kept.name == "server.replaced-20261123T140000Z.key"
    assert kept.read_bytes() == old
    assert kept.stat().st_mode & 0o777 == 0o600
    assert str(kept) in result.out.replace("\n      ", "")
    assert "Nothing to do" in request(running).out
    assert running.run("plan").out.endswith("as declared, 1 waiting.\n")


def test_a_next_key_makes_way_for_another_until_its_certificate_is_here(running: Project) -> None:
    request(running, "--rekey")
    waiting, used = (running.folder / NEXT).read_bytes(), (running.folder / KEY).read_bytes()
    again = told(running, "--rekey")
    assert again["key"]["action"] == "made-next"
    (kept,) = replaced_keys((running.folder / KEY).parent)
    assert again["replaced"] == str(kept)
    assert kept.read_bytes() == waiting
    assert (running.folder / KEY).read_bytes() == used
    assert (running.folder / NEXT).read_bytes() not in (waiting, used)
    assert request_digest(running.folder / REQUEST) == key_digest(running.folder / NEXT)
    running.apply()
    finished = told(running, "--rekey")
    assert finished["key"]["action"] == "put-in-place"
    assert [notice["code"] for notice in finished["notices"]] == ["rekey-not-begun"]
    assert told(running, "--rekey")["key"]["action"] == "made-next"


def test_the_certificate_for_a_new_key_may_arrive_elsewhere(host: Project) -> None:
    there = host.folder / "certs"
    options = ("--key", f"{there}/server.key")
    request(host, *options)
    host.apply()
    request(host, *options, "--rekey")
    host.apply()
    moved = host.folder / "inbox/new.pem"
    moved.parent.mkdir()
    shutil.move(host.folder / CERTIFICATE, moved)
    assert told(host, *options)["key"]["action"] == "kept"
    found = told(host, *options, "--certificate", str(moved))
    assert found["key"]["action"] == "put-in-place"
    assert found["certificate"] == str(moved)


@pytest.mark.parametrize("place", ["certs/server.pem", CERTIFICATE])
def test_a_certificate_is_looked_for_beside_the_key_and_in_the_output_folder(host: Project, place: str) -> None:
    options = ("--key", f"{host.folder}/certs/server.key")
    request(host, *options)
    host.apply()
    request(host, *options, "--rekey")
    host.apply()
    if place != CERTIFICATE:
        shutil.move(host.folder / CERTIFICATE, host.folder / place)
    assert told(host, *options)["key"]["action"] == "put-in-place"


@pytest.mark.parametrize("mode", [0o640, 0o644])
def test_who_could_read_the_key_in_use_can_read_the_new_one(running: Project, mode: int) -> None:
    """But for everybody: that was never meant."""
    (running.folder / KEY).chmod(mode)
    request(running, "--rekey")
    assert (running.folder / NEXT).stat().st_mode & 0o777 == 0o600
    running.apply()
    request(running)
    assert (running.folder / KEY).stat().st_mode & 0o777 == 0o640


def test_the_owner_of_the_key_in_use_is_that_of_the_new_one(running: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Giving a file away takes privileges that tests may lack, so the call is looked at."""
    given: list[tuple[int, int]] = []
    monkeypatch.setattr(FileSystem, "chown", lambda self, descriptor, uid, gid: given.append((uid, gid)))
    look = FileSystem.look

    def of_another(self: FileSystem, name: str, folder: int) -> os.stat_result | None:
        found = look(self, name, folder)
        if found is None or name != "server.key":
            return found
        fields = list(found)
        fields[stat.ST_UID], fields[stat.ST_GID] = 1234, 5678
        return os.stat_result(fields)

    request(running, "--rekey")
    running.apply()
    monkeypatch.setattr(FileSystem, "look", of_another)
    monkeypatch.setattr(os.path, "samestat", lambda one, other: False)
    request(running)
    assert given == [(1234, 5678)]


def test_no_other_file_is_given_to_the_owner_of_the_key(running: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who may write to the folder could exchange the next key for a name of somebody else's file."""
    request(running, "--rekey")
    running.apply()
    (running.folder / KEY).chmod(0o640)
    secret, open_file = running.folder / "secret", FileSystem.open_file

    def race(self: FileSystem, name: str, folder: int) -> int:
        if name == "server.next.key":
            secret.write_bytes((running.folder / NEXT).read_bytes())
            secret.chmod(0o600)
            (running.folder / NEXT).unlink()
            (running.folder / NEXT).hardlink_to(secret)
        return open_file(self, name, folder)

    with monkeypatch.context() as patch:
        patch.setattr(FileSystem, "open_file", race)
        result = running.run("request", "broker/plant-a")
    assert result.code == 1
    assert "server.next.key changed while edgecerts was at work" in result.err
    assert secret.stat().st_mode & 0o777 == 0o600
    # Nor what was that file's from the beginning.
    result = running.run("request", "broker/plant-a")
    assert result.code == 1
    assert "server.next.key has another name, whose permissions would change with it" in result.err
    assert secret.stat().st_mode & 0o777 == 0o600
    assert replaced_keys((running.folder / KEY).parent) == []
    secret.unlink()
    assert told(running)["key"]["action"] == "put-in-place"
    assert (running.folder / KEY).stat().st_mode & 0o777 == 0o640


def test_no_key_becomes_a_program(running: Project) -> None:
    (running.folder / KEY).chmod(0o6755)
    request(running, "--rekey")
    running.apply()
    request(running)
    assert (running.folder / KEY).stat().st_mode & 0o7777 == 0o640


def test_a_key_of_another_type_than_declared_is_said_and_stays(running: Project) -> None:
    running.write(MANIFEST.replace("10.3.0.11,", "10.3.0.11, key_type: ec-p384,"))
    before = tree(running.folder)
    result = running.run("request", "broker/plant-a")
    assert result.code == 1
    assert "server.key is ec-p256, and the manifest declares ec-p384" in result.err
    assert "--rekey" in result.err
    assert tree(running.folder) == before
    assert told(running, "--rekey")["key"]["key_type"] == "ec-p384"


def test_a_next_key_of_another_type_makes_way_for_another_and_is_kept(running: Project) -> None:
    request(running, "--rekey")
    waiting = (running.folder / NEXT).read_bytes()
    running.write(MANIFEST.replace("10.3.0.11,", "10.3.0.11, key_type: ec-p384,"))
    assert running.run("request", "broker/plant-a").code == 1
    found = told(running, "--rekey")
    assert found["key"]["action"] == "made-next"
    assert found["key"]["key_type"] == "ec-p384"
    (kept,) = replaced_keys((running.folder / KEY).parent)
    assert found["replaced"] == str(kept)
    assert kept.read_bytes() == waiting


def test_the_present_key_is_asked_for_again_where_the_next_one_is_taken_away(running: Project) -> None:
    request(running, "--rekey")
    (running.folder / NEXT).unlink()
    assert told(running)["request"]["action"] == "written"
    assert request_digest(running.folder / REQUEST) == key_digest(running.folder / KEY)


def test_a_next_key_takes_over_at_once_where_there_is_none_in_use(running: Project) -> None:
    request(running, "--rekey")
    waiting = (running.folder / NEXT).read_bytes()
    (running.folder / KEY).unlink()
    assert told(running)["key"]["action"] == "put-in-place"
    assert (running.folder / KEY).read_bytes() == waiting
    assert replaced_keys((running.folder / KEY).parent) == []


def test_another_key_is_made_where_the_one_in_use_is_lost_and_the_next_is_given_up(running: Project) -> None:
    request(running, "--rekey")
    waiting = (running.folder / NEXT).read_bytes()
    (running.folder / KEY).unlink()
    assert told(running, "--rekey")["key"]["action"] == "made"
    assert not (running.folder / NEXT).exists()
    (kept,) = replaced_keys((running.folder / KEY).parent)
    assert kept.read_bytes() == waiting
    assert request_digest(running.folder / REQUEST) == key_digest(running.folder / KEY)


@pytest.mark.parametrize("arrived", [False, True])
def test_a_next_key_whose_password_is_lost_makes_way_for_another(
    running: Project, monkeypatch: pytest.MonkeyPatch, arrived: bool
) -> None:
    """Whether its certificate is here, nobody can say then."""
    running.write(locked())
    monkeypatch.setenv("HOST_PASSWORD", PASSWORD)
    request(running, "--rekey")
    waiting = (running.folder / NEXT).read_bytes()
    if arrived:
        running.apply()
    monkeypatch.setenv("HOST_PASSWORD", "quite another password")
    result = running.run("request", "broker/plant-a")
    assert result.code == 1
    assert "--rekey" in result.err
    assert told(running, "--rekey")["key"]["action"] == "made-next"
    (kept,) = replaced_keys((running.folder / KEY).parent)
    assert kept.read_bytes() == waiting
    assert key_digest(running.folder / NEXT, b"quite another password") == request_digest(running.folder / REQUEST)


def test_a_password_that_opened_nothing_is_typed_again_for_another_key(
    running: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    running.write(locked("{prompt: true}"))
    typed = iter([PASSWORD, PASSWORD, "mistyped", "a new one", "a new one", "a new one"])
    monkeypatch.setattr(Console, "can_ask", True)
    monkeypatch.setattr("getpass.getpass", lambda prompt: next(typed))
    request(running, "--rekey")
    request(running, "--rekey")
    assert key_digest(running.folder / NEXT, b"a new one") == request_digest(running.folder / REQUEST)


def spoil_mode(running: Project) -> None:
    (running.folder / NEXT).chmod(0o644)


def spoil_encryption(running: Project) -> None:
    """It was made before a password was declared."""
    running.write(locked())


@pytest.mark.parametrize("spoil", [spoil_mode, spoil_encryption])
def test_a_next_key_that_is_not_as_it_should_be_makes_way_for_one_that_is(
    running: Project, monkeypatch: pytest.MonkeyPatch, spoil: Callable[[Project], None]
) -> None:
    monkeypatch.setenv("HOST_PASSWORD", PASSWORD)
    request(running, "--rekey")
    waiting = (running.folder / NEXT).read_bytes()
    spoil(running)
    (code,) = {notice["code"] for notice in told(running)["notices"]} - {"key-waits"}
    assert code in ("key-exposed", "key-not-encrypted")
    assert told(running, "--rekey")["key"]["action"] == "made-next"
    assert [notice["code"] for notice in told(running)["notices"]] == ["key-waits"]
    (kept,) = replaced_keys((running.folder / KEY).parent)
    assert kept.read_bytes() == waiting


def test_two_keys_that_are_replaced_in_the_same_second_are_both_kept(running: Project) -> None:
    folder, seen = (running.folder / KEY).parent, []
    for _ in range(2):
        seen.append((running.folder / KEY).read_bytes())
        request(running, "--rekey")
        running.apply()
        request(running)
    assert [path.read_bytes() for path in replaced_keys(folder)] in (seen, seen[::-1])
    assert [path.name for path in replaced_keys(folder)] == [
        "server.replaced-20261123T120000Z-2.key",
        "server.replaced-20261123T120000Z.key",
    ]


# ----- certificates that are not the key's


def strange_certificate(project: Project, place: str = CERTIFICATE) -> str:
    """Puts another host's certificate in a place. Returns the digest of its key."""
    request(project, address="client/unit")
    project.apply()
    other = project.output / "clients/unit/client.pem"
    shutil.copy(other, project.folder / place)
    return "sha256:" + hashlib.sha256(spki(read_certificate(other).public_key())).hexdigest()


def test_a_certificate_of_another_host_is_told_with_both_digests(running: Project) -> None:
    theirs = strange_certificate(running)
    found = told(running)
    (notice,) = found["notices"]
    assert notice["code"] == "certificate-of-another-key"
    for words in (theirs, f"sha256:{key_digest(running.folder / KEY)}", f"{running.folder / CERTIFICATE} is"):
        assert words in notice["message"]
    assert "it may be another host's: bring this one's own" in notice["hint"]
    assert found["certificate"] is None
    result = " ".join(request(running).out.split())
    assert "Nothing to do" not in result
    assert "Bring the certificate back" not in result
    assert "server.pem is for another key. Bring this host's own certificate" in result


def test_a_certificate_for_neither_key_is_told_while_a_key_waits(running: Project) -> None:
    request(running, "--rekey")
    assert [notice["code"] for notice in told(running)["notices"]] == ["key-waits"]
    theirs = strange_certificate(running)
    (told_,) = [n for n in told(running)["notices"] if n["code"] == "certificate-of-another-key"]
    for digest in (
        theirs,
        f"sha256:{key_digest(running.folder / KEY)}",
        f"sha256:{key_digest(running.folder / NEXT)}",
    ):
        assert digest in told_["message"]


@pytest.mark.parametrize("opens", [True, False])
def test_a_locked_key_in_use_is_compared_with_where_it_opens_without_another_password(
    host: Project, monkeypatch: pytest.MonkeyPatch, opens: bool
) -> None:
    host.write(locked())
    monkeypatch.setenv("HOST_PASSWORD", PASSWORD if opens else "an earlier password")
    request(host)
    host.apply()
    monkeypatch.setenv("HOST_PASSWORD", PASSWORD)
    request(host, "--rekey")
    strange_certificate(host)
    request(host, "--rekey")
    codes = [notice["code"] for notice in told(host)["notices"]]
    assert codes == (["key-waits", "certificate-of-another-key"] if opens else ["key-waits"])


def test_the_certificate_beside_a_new_key_is_asked_for_until_it_is_the_new_one(host: Project) -> None:
    there = host.folder / "certs"
    options = ("--key", f"{there}/server.key")
    request(host, *options)
    host.apply()
    shutil.copy(host.folder / CERTIFICATE, there)
    assert "Nothing to do" in request(host, *options).out
    request(host, *options, "--rekey")
    host.apply()
    wanted = f"Next: put {host.folder / CERTIFICATE} in the place of {there}/server.pem, then reload the broker"
    for _ in range(3):
        result = request(host, *options)
        assert wanted in " ".join(result.out.split())
        assert "Nothing to do" not in result.out
    found = told(host, *options)
    (notice,) = found["notices"]
    assert notice["code"] == "certificate-of-another-key"
    assert notice["hint"].startswith(f"{host.folder / CERTIFICATE} is the certificate for the key")
    assert found["certificate"] == str(host.folder / CERTIFICATE)
    shutil.copy(host.folder / CERTIFICATE, there)
    assert "Nothing to do" in request(host, *options).out
    # The broker is served; yet what the repository has by now would break it with the next copy.
    strange_certificate(host)
    result = request(host, *options)
    assert f"Its certificate is here: {there}/server.pem." in " ".join(result.out.split())
    assert [n["code"] for n in told(host, *options)["notices"]] == ["certificate-of-another-key"]


def test_after_two_requests_were_swapped_both_hosts_are_told(host: Project) -> None:
    host.write(MANIFEST.replace("clients:\n", "  plant-b: {common_name: 10.3.0.12}\nclients:\n"))
    # On hosts of their own: where the authority sees the keys, it sees whose they are.
    keys = {name: ("--key", f"{host.folder}/host-{name}/server.key") for name in ("a", "b")}
    for name in ("a", "b"):
        request(host, *keys[name], address=f"broker/plant-{name}")
    a, b, between = (host.folder / f"requests/{name}" for name in ("plant-a.csr", "plant-b.csr", "between"))
    a.rename(between)
    b.rename(a)
    between.rename(b)
    host.apply()
    for name in ("a", "b"):
        found = told(host, *keys[name], address=f"broker/plant-{name}")
        assert [notice["code"] for notice in found["notices"]] == ["certificate-of-another-key"]
        assert found["request"]["action"] == "written"


def held_by_the_authority(place: Path, host: Project) -> None:
    shutil.copy(host.output / "ca/ca.pem", place)


def held_by_nothing(place: Path, host: Project) -> None:
    """The name is free."""


def held_by_the_manifest(place: Path, host: Project) -> None:
    shutil.copy(host.manifest, place)


@pytest.mark.parametrize(
    ("hold", "words"),
    [
        (held_by_nothing, "is not there"),
        (held_by_the_authority, "cannot be used: it is an authority's certificate"),
        (held_by_the_manifest, "cannot be used: not a certificate: it holds no PEM block"),
    ],
)
def test_a_certificate_option_that_names_none_is_told(
    running: Project, hold: Callable[[Path, Project], None], words: str
) -> None:
    place = running.folder / "new.pem"
    hold(place, running)
    for options in ((), ("--rekey",), ()):
        notices = told(running, "--certificate", str(place), *options)["notices"]
        (notice,) = [notice for notice in notices if notice["code"] != "key-waits"]
        assert notice["code"] == "certificate-unusable"
        assert notice["message"] == f"--certificate names {place}, which {words}"


def test_the_authority_certificate_in_the_place_of_a_hosts_is_told(running: Project) -> None:
    shutil.copy(running.output / "ca/ca.pem", running.folder / CERTIFICATE)
    (notice,) = told(running)["notices"]
    assert notice["code"] == "certificate-unusable"
    assert notice["message"] == f"{running.folder / CERTIFICATE} cannot be used: it is an authority's certificate"


# ----- keys that are not as they should be


@pytest.mark.parametrize("trace", [REQUEST, CERTIFICATE])
def test_a_key_that_is_not_here_is_not_made_again_by_itself(running: Project, trace: str) -> None:
    """It may be on its host, and this another machine."""
    (running.folder / KEY).unlink()
    for other in {REQUEST, CERTIFICATE} - {trace}:
        (running.folder / other).unlink()
    before = tree(running.folder)
    result = running.run("request", "broker/plant-a")
    assert result.code == 1
    assert "server.key is not here, and " in result.err
    assert "--rekey" in result.err
    assert tree(running.folder) == before
    assert told(running, "--rekey")["key"]["action"] == "made"
    assert (running.folder / KEY).exists()


def test_a_request_of_another_identity_is_no_trace_of_a_key(host: Project) -> None:
    request(host, address="client/unit")
    (host.folder / "requests/unit.csr").rename(host.folder / REQUEST)
    before = tree(host.folder)
    result = host.run("request", "broker/plant-a")
    assert result.code == 1
    words = " ".join(result.err.split())
    assert f"{host.folder / REQUEST} is a request for unit, not for broker/plant-a" in words
    assert "shows that there was a key" not in words
    assert "move it away, or name another place with --out" in words
    assert tree(host.folder) == before
    request(host, "--out", f"{host.folder}/requests/other.csr")


@pytest.mark.parametrize("content", [b"", b"-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n"])
def test_a_damaged_request_without_its_key_is_called_damaged(host: Project, content: bytes) -> None:
    (host.folder / "requests").mkdir()
    (host.folder / REQUEST).write_bytes(content)
    result = host.run("request", "broker/plant-a")
    assert result.code == 1
    words = " ".join(result.err.split())
    assert f"nobody can say whether there was one: {host.folder / REQUEST} is a damaged request" in words
    assert "if there never was one, remove the request" in words
    assert not host.output.exists()
    (host.folder / REQUEST).unlink()
    request(host)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (DAMAGED, "the private key is damaged"),
        (DAMAGED[:40], "the last PEM block is cut off"),
        (DER_KEY, "it is a private key in DER"),
    ],
    ids=["damaged", "cut off", "in DER"],
)
def test_a_damaged_key_is_never_written_over(running: Project, content: bytes, words: str) -> None:
    (running.folder / KEY).write_bytes(content)
    before = tree(running.folder)
    result = running.run("request", "broker/plant-a")
    assert result.code == 1
    assert words in result.err
    assert tree(running.folder) == before
    assert told(running, "--rekey")["key"]["action"] == "made-next"
    assert (running.folder / KEY).read_bytes() == content
    running.apply()
    request(running)
    (kept,) = replaced_keys((running.folder / KEY).parent)
    assert kept.read_bytes() == content


def test_a_damaged_next_key_is_never_written_over(running: Project) -> None:
    request(running, "--rekey")
    (running.folder / NEXT).write_bytes(DAMAGED)
    assert running.run("request", "broker/plant-a").code == 1
    request(running, "--rekey")
    (kept,) = replaced_keys((running.folder / KEY).parent)
    assert kept.read_bytes() == DAMAGED
    assert request_digest(running.folder / REQUEST) == key_digest(running.folder / NEXT)


def other_files(running: Project) -> dict[str, tuple[bytes, str]]:
    """What may lie in the place of a key and is none of ours, and what is said of it."""
    key, certificate = (running.folder / KEY).read_bytes(), (running.folder / CERTIFICATE).read_bytes()
    return {
        "certificate": (certificate, "no private key: it holds a PEM block of another kind: CERTIFICATE"),
        "manifest": (MANIFEST.encode(), "no private key: it holds no PEM block"),
        "request": ((running.folder / REQUEST).read_bytes(), "no private key: it holds a PEM block of another kind"),
        "key and certificate": (key + certificate, "not a private key alone: it holds a PEM block of another kind"),
        "key of ssh": (
            key.replace(b" PRIVATE", b" OPENSSH PRIVATE"),
            "not a private key alone: it holds a PEM block of another kind: OPENSSH PRIVATE KEY",
        ),
        "nothing": (b"", "no private key: it holds no PEM block"),
    }


@pytest.mark.parametrize("kind", ["certificate", "manifest", "request", "key and certificate", "key of ssh", "nothing"])
@pytest.mark.parametrize("place", [KEY, NEXT])
def test_a_file_that_is_no_private_key_makes_way_for_none(running: Project, kind: str, place: str) -> None:
    """It is somebody else's, and may be in use; so --rekey is no way on, and nobody is told that it is."""
    request(running, "--rekey")
    running.apply()
    content, words = other_files(running)[kind]
    (running.folder / place).write_bytes(content)
    (running.folder / place).chmod(0o644)
    before = tree(running.folder)
    for options in ((), ("--rekey",)):
        result = running.run("request", "broker/plant-a", *options)
        assert result.code == 1
        assert f"{place} cannot be used: it is {words}" in " ".join(result.err.split())
        assert "--rekey" not in result.err
        assert "move away what is there" in " ".join(result.err.split())
        assert tree(running.folder) == before
    (running.folder / place).unlink()
    request(running, "--rekey")


def test_a_key_option_that_names_another_file_is_called_that(running: Project) -> None:
    for path in (running.manifest, running.folder / CERTIFICATE):
        before = tree(running.folder)
        result = running.run("request", "broker/plant-a", "--key", str(path), "--certificate", "none", "--rekey")
        assert result.code == 1
        assert f"--key names {path}, which cannot be used: it is no private key" in " ".join(result.err.split())
        assert tree(running.folder) == before


def test_no_device_makes_way_for_a_key(host: Project) -> None:
    result = host.run("request", "broker/plant-a", "--key", "/dev/null")
    assert result.code == 1
    words = " ".join(result.err.split())
    assert "--key names /dev/null, which cannot be used: it is not a plain file but a device" in words
    assert "name the private key's own file: --key" in words
    result = host.run("request", "broker/plant-a", "--out", "/dev/null")
    assert "/dev/null was left as it is: it is not a plain file but a device" in " ".join(result.err.split())


@pytest.mark.parametrize("options", [(), ("--rekey",)])
@pytest.mark.parametrize("closed", ["server.key", "plant-a"])
def test_sudo_is_the_way_to_a_key_of_another_user(
    running: Project, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], closed: str
) -> None:
    """Permissions do not stop root, as whom tests may run, so the system is spoken for."""
    open_ = os.open

    def deny(path: str, flags: int, *arguments: int, **options: int) -> int:
        if path == closed and flags & os.O_ACCMODE == os.O_RDONLY:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return open_(path, flags, *arguments, **options)

    before = tree(running.folder)
    with monkeypatch.context() as patch:
        patch.setattr(os, "open", deny)
        result = running.run("request", "broker/plant-a", *options)
    assert result.code == 1
    assert "run it as the user whose key it is, or as root, with sudo" in " ".join(result.err.split())
    assert "--rekey" not in result.err
    assert tree(running.folder) == before


def place_link(path: Path) -> None:
    moved = path.with_name("elsewhere")
    path.rename(moved)
    path.symlink_to(moved)


def place_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def place_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("spoil", [place_link, place_pipe, place_folder])
def test_what_is_no_plain_file_is_not_taken_for_a_key(running: Project, spoil: Callable[[Path], None]) -> None:
    spoil(running.folder / KEY)
    result = running.run("request", "broker/plant-a")
    assert result.code == 1
    assert "cannot be used: it is " in result.err
    found = (running.folder / KEY).lstat()
    assert running.run("request", "broker/plant-a", "--rekey").code == 1
    assert (running.folder / KEY).lstat() == found
    assert not (running.folder / NEXT).exists()


def test_a_weak_key_is_not_asked_for(host: Project) -> None:
    (host.folder / KEY).parent.mkdir(parents=True)
    weak = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    (host.folder / KEY).write_bytes(weak.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    result = host.run("request", "broker/plant-a")
    assert result.code == 1
    assert "server.key is rsa-1024, for which no certificate is made" in result.err
    assert not (host.folder / REQUEST).exists()


def test_a_key_that_everybody_may_read_is_remarked_on(host: Project) -> None:
    request(host)
    (host.folder / KEY).chmod(0o644)
    found = told(host)
    assert [notice["code"] for notice in found["notices"]] == ["key-exposed"]


def test_a_folder_that_a_group_may_write_to_is_remarked_on(host: Project) -> None:
    there = host.folder / "certs"
    there.mkdir()
    there.chmod(0o775)
    for options in ((), (), ("--rekey",)):
        found = told(host, "--key", f"{there}/server.key", *options)
        assert [notice["code"] for notice in found["notices"]] == ["folder-shared"]
    there.chmod(0o755)
    assert [n["code"] for n in told(host, "--key", f"{there}/server.key")["notices"]] == ["key-waits"]


@pytest.mark.parametrize(("user", "codes"), [(0, []), (4321, ["folder-shared"]), (1234, [])])
def test_a_folder_of_another_user_is_remarked_on_where_this_is_not_root(
    host: Project, monkeypatch: pytest.MonkeyPatch, user: int, codes: list[str]
) -> None:
    """A broker's folder is often its own, and its key is made there by root."""
    (host.folder / "certs").mkdir()
    folder_owner = 1234
    find = OpenFolder.__init__

    def of_another(self: OpenFolder, descriptor: int) -> None:
        find(self, descriptor)
        fields = list(self.status)
        fields[stat.ST_UID] = folder_owner
        self.status = os.stat_result(fields)

    monkeypatch.setattr(OpenFolder, "__init__", of_another)
    monkeypatch.setattr(FileSystem, "chown", lambda self, descriptor, uid, gid: None)
    monkeypatch.setattr(os, "geteuid", lambda: user)
    found = told(host, "--key", f"{host.folder}/certs/server.key")
    assert [notice["code"] for notice in found["notices"]] == codes


def test_no_key_is_made_where_everybody_may_write(host: Project) -> None:
    there = host.folder / "certs"
    there.mkdir()
    there.chmod(0o777)
    result = host.run("request", "broker/plant-a", "--key", f"{there}/server.key")
    assert result.code == 1
    assert "everybody on this host may write to the folder of" in result.err
    assert list(there.iterdir()) == []
    assert not (host.folder / REQUEST).exists()


# ----- passwords


def locked(text: str = "{env: HOST_PASSWORD}") -> str:
    return MANIFEST.replace("key_held: csr}", f"key_held: csr, password: {text}}}")


def test_a_declared_password_encrypts_the_key_on_its_host(host: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    host.write(locked())
    monkeypatch.setenv("HOST_PASSWORD", PASSWORD)
    result = request(host)
    assert result.err == "needs the password for broker/plant-a/private-key, from environment variable HOST_PASSWORD\n"
    assert b"ENCRYPTED" in (host.folder / KEY).read_bytes()
    assert key_digest(host.folder / KEY, PASSWORD.encode()) == request_digest(host.folder / REQUEST)
    assert "Nothing to do" in request(host).out
    request(host, "--rekey")
    assert b"ENCRYPTED" in (host.folder / NEXT).read_bytes()
    monkeypatch.delenv("HOST_PASSWORD")
    # Nothing of that is needed where the authority is.
    host.apply()
    monkeypatch.setenv("HOST_PASSWORD", PASSWORD)
    assert told(host)["key"]["action"] == "put-in-place"


def test_without_its_password_nothing_is_made(host: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    host.write(locked())
    monkeypatch.delenv("HOST_PASSWORD", raising=False)
    result = host.run("request", "broker/plant-a")
    assert result.code == 1
    assert "HOST_PASSWORD=... edgecerts request broker/plant-a" in result.err
    assert not host.output.exists()


def test_a_wrong_password_is_an_error_and_changes_nothing(host: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    host.write(locked())
    monkeypatch.setenv("HOST_PASSWORD", PASSWORD)
    request(host)
    before = tree(host.folder)
    monkeypatch.setenv("HOST_PASSWORD", "quite another password")
    result = host.run("request", "broker/plant-a")
    assert result.code == 1
    assert "the password does not open the private key" in result.err
    assert "quite another password" not in result.err
    assert tree(host.folder) == before


def test_a_locked_key_without_a_declared_password_is_said(host: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    host.write(locked())
    monkeypatch.setenv("HOST_PASSWORD", PASSWORD)
    request(host)
    host.write(MANIFEST)
    result = host.run("request", "broker/plant-a")
    assert result.code == 1
    assert "is encrypted, and the manifest names no password for it" in result.err
    # Who asks for a new key need not open the old one.
    assert told(host, "--rekey")["key"]["action"] == "made-next"


def test_a_key_that_is_open_although_a_password_is_declared_is_remarked_on(host: Project) -> None:
    request(host)
    host.write(locked())
    found = told(host)
    assert [notice["code"] for notice in found["notices"]] == ["key-not-encrypted"]


def test_no_key_and_no_password_is_ever_printed(host: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOST_PASSWORD", PASSWORD)
    for manifest in (MANIFEST, locked()):
        host.write(manifest)
        printed = ""
        for options in ((), ("--format", "json"), ("--rekey",), ("--debug",)):
            result = host.run("request", "broker/plant-a", *options)
            printed += result.out + result.err
        for path in (host.folder / KEY).parent.iterdir():
            lines = [line for line in path.read_text().splitlines() if "-----" not in line]
            assert lines
            assert not any(line in printed for line in lines)
        assert PASSWORD not in printed
        shutil.rmtree(host.output)
        shutil.rmtree(host.folder / "requests")


# ----- places that are taken


def held_by_a_key(place: Path, host: Project) -> None:
    shutil.copy(host.folder / KEY, place)


def held_by_text(place: Path, host: Project) -> None:
    place.write_text("notes\n")


def held_by_a_certificate(place: Path, host: Project) -> None:
    host.apply()
    shutil.copy(host.output / "ca/ca.pem", place)


def held_by_much(place: Path, host: Project) -> None:
    place.write_bytes((host.folder / REQUEST).read_bytes() + b"\n" * (1 << 20))


def held_by_a_link(place: Path, host: Project) -> None:
    (host.folder / "elsewhere").write_text("")
    place.symlink_to(host.folder / "elsewhere")


@pytest.mark.parametrize("hold", [held_by_a_key, held_by_text, held_by_a_certificate, held_by_much, held_by_a_link])
def test_nothing_but_a_request_is_written_over(host: Project, hold: Callable[[Path, Project], None]) -> None:
    request(host)
    place = host.folder / "taken"
    hold(place, host)
    before = tree(host.folder)
    result = host.run("request", "broker/plant-a", "--out", str(place))
    assert result.code == 1
    assert f"{place} " in result.err
    assert "was left as it is" in result.err
    assert tree(host.folder) == before


@pytest.mark.parametrize("form", [Encoding.PEM, Encoding.DER])
def test_a_private_key_in_the_place_of_a_request_is_called_one_before_anything_is_made(
    host: Project, form: Encoding
) -> None:
    key = generate_private_key(KeyType.EC_P256)
    (host.folder / "requests").mkdir()
    place = host.folder / REQUEST
    place.write_bytes(key.private_bytes(form, PrivateFormat.PKCS8, NoEncryption()))
    before = tree(host.folder)
    result = host.run("request", "broker/plant-a", "--rekey")
    assert result.code == 1
    assert f"{place} holds a private key, and was left as it is" in result.err
    assert "--key names the place" in result.err
    assert tree(host.folder) == before
    assert not any(line in result.err for line in encode_private_key(key, None).decode().splitlines()[1:-1])


@pytest.mark.parametrize("hold", [held_by_text, held_by_a_certificate, held_by_a_link])
def test_what_is_in_the_place_of_a_request_is_no_trace_of_a_key(
    host: Project, hold: Callable[[Path, Project], None]
) -> None:
    place = host.folder / "taken"
    hold(place, host)
    before = tree(host.folder)
    result = host.run("request", "broker/plant-a", "--out", str(place))
    assert result.code == 1
    assert f"{place} " in result.err
    assert "was left as it is" in result.err
    assert "shows that there was a key" not in result.err
    assert tree(host.folder) == before


@pytest.mark.parametrize("call", ["create", "write", "sync"])
def test_no_key_is_made_where_its_request_cannot_be_written(
    running: Project, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """A disk may be full or read-only, which nobody sees before."""
    before, original = tree(running.folder), getattr(FileSystem, call)

    def fail(self: FileSystem, first: str | int, *arguments: object) -> object:
        place = first if isinstance(first, str) else Path(f"/proc/self/fd/{first}").readlink().name
        if place == ".plant-a.csr.new":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return original(self, first, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(FileSystem, call, fail)
        result = running.run("request", "broker/plant-a", "--rekey")
    assert result.code == 1
    assert f"{running.folder / REQUEST} cannot be written: No space left on device" in " ".join(result.err.split())
    assert tree(running.folder) == before
    assert told(running)["key"]["action"] == "kept"


def test_not_even_a_folder_is_made_where_a_request_may_not_be_written(
    host: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Permissions do not stop root, as whom tests may run, so the system is spoken for."""
    closed = host.folder / "closed"
    closed.mkdir()
    asked = os.access
    monkeypatch.setattr(os, "access", lambda path, *a, **b: Path(path) != closed and asked(path, *a, **b))
    result = host.run("request", "broker/plant-a", "--out", f"{closed}/a/b/new.csr")
    assert result.code == 1
    words = " ".join(result.err.split())
    assert f"{closed}/a/b/new.csr cannot be written: this user may not write to {closed}" in words
    assert sorted(path.name for path in host.folder.rglob("*")) == ["closed", "pki.yaml"]
    request(host)


def test_a_request_whose_key_cannot_be_written_leaves_nothing_behind(
    host: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = FileSystem.write

    def fail(self: FileSystem, descriptor: int, content: bytes) -> None:
        if b"PRIVATE KEY" in content:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(self, descriptor, content)

    monkeypatch.setattr(FileSystem, "write", fail)
    result = host.run("request", "broker/plant-a")
    assert result.code == 1
    assert "server.key cannot be written: No space left on device" in " ".join(result.err.split())
    assert list((host.folder / "requests").iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n"])
def test_a_damaged_request_is_written_again(host: Project, content: bytes) -> None:
    request(host)
    (host.folder / REQUEST).write_bytes(content)
    request(host)
    assert request_digest(host.folder / REQUEST) == key_digest(host.folder / KEY)


def test_a_linked_folder_leads_no_request_out(host: Project) -> None:
    (host.folder / "outside").mkdir()
    (host.folder / "requests").symlink_to(host.folder / "outside")
    result = host.run("request", "broker/plant-a")
    assert result.code == 1
    assert list((host.folder / "outside").iterdir()) == []


def test_a_key_that_appears_meanwhile_is_not_written_over(host: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    link, theirs = FileSystem.link, b"somebody's key"

    def race(self: FileSystem, name: str, folder: int, new_name: str, new_folder: int) -> None:
        (host.folder / KEY).write_bytes(theirs)
        link(self, name, folder, new_name, new_folder)

    monkeypatch.setattr(FileSystem, "link", race)
    result = host.run("request", "broker/plant-a")
    assert result.code == 1
    assert "appeared while edgecerts was at work" in result.err
    assert (host.folder / KEY).read_bytes() == theirs
    assert not (host.folder / REQUEST).exists()


def test_a_key_that_appears_meanwhile_stays_where_there_are_no_links_either(
    host: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = b"somebody's key"

    def race(self: FileSystem, name: str, folder: int, new_name: str, new_folder: int) -> None:
        (host.folder / KEY).write_bytes(theirs)
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(FileSystem, "link", race)
    result = host.run("request", "broker/plant-a")
    assert result.code == 1
    assert "appeared while edgecerts was at work" in result.err
    assert (host.folder / KEY).read_bytes() == theirs


def test_files_that_change_before_the_lock_is_held_stop_the_run(
    running: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = FileSystem.lock

    def change(self: FileSystem, descriptor: int) -> None:
        (running.folder / REQUEST).write_bytes(b"")
        lock(self, descriptor)

    monkeypatch.setattr(FileSystem, "lock", change)
    result = running.run("request", "broker/plant-a", "--rekey")
    assert result.code == 1
    assert "changed while edgecerts was at work" in result.err
    assert not (running.folder / NEXT).exists()


def test_what_does_not_read_back_is_an_error(host: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    read = FileSystem.read
    with monkeypatch.context() as patch:
        patch.setattr(FileSystem, "read", lambda self, descriptor, offset=0: read(self, descriptor, offset)[:-1])
        result = host.run("request", "broker/plant-a")
    assert result.code == 1
    assert "does not read back as it was written" in result.err
    assert not (host.folder / KEY).exists()
    request(host)


def test_a_request_that_is_not_as_it_should_be_afterwards_is_an_error(
    host: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("edgecerts.apply.request_run.build_request", lambda spec, key: b"")
        result = host.run("request", "broker/plant-a")
    assert result.code == 1
    assert "not as it should be when it is read again" in result.err
    assert told(host)["request"]["action"] == "written"


def test_a_key_that_cannot_be_opened_again_is_not_written(host: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    other = encode_private_key(generate_private_key(KeyType.EC_P256), None)
    monkeypatch.setattr("edgecerts.pki.private_keys.encode_private_key", lambda key, password: other)
    result = host.run("request", "broker/plant-a")
    assert result.code == 1
    assert "does not read back as it was made" in result.err
    assert not host.output.exists()


# ----- repositories


def git(folder: Path, *arguments: str) -> None:
    program = shutil.which("git")
    assert program is not None
    subprocess.run([program, *arguments], cwd=folder, check=True, capture_output=True)


def test_no_open_key_is_made_where_git_would_take_it_in(host: Project) -> None:
    git(host.folder, "init", "-q")
    result = host.run("request", "broker/plant-a")
    assert result.code == 1
    assert "would not be encrypted, and git might take it into a repository; no line keeps it out" in result.err
    assert "write *.key at the end of the repository's .gitignore" in result.err
    assert not host.output.exists()
    (host.folder / ".gitignore").write_text("*.key\n")
    request(host)
    request(host, "--rekey")
    assert (host.folder / NEXT).exists()
    for name in ("server.key", "server.next.key", ".server.new.key", "server.replaced-20261123T140000Z.key"):
        git(host.folder, "check-ignore", "-q", f"pki/brokers/plant-a/{name}")


def test_the_output_folders_own_gitignore_keeps_all_keys_of_a_host_out(host: Project) -> None:
    git(host.folder, "init", "-q")
    host.apply()
    request(host)
    request(host, "--rekey")
    assert sorted(path.name for path in (host.folder / KEY).parent.iterdir()) == ["server.key", "server.next.key"]


def put_git(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    program = folder / "bin/git"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")


def test_no_open_key_is_made_where_git_cannot_say_whether_it_would_take_it_in(
    host: Project, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    git(host.folder, "init", "-q")
    (host.folder / ".gitignore").write_text("*.key\n")
    with monkeypatch.context() as patch:
        script = "echo 'fatal: detected dubious ownership in repository' >&2; exit 128"
        put_git(tmp_path_factory.mktemp("programs"), script, patch)
        result = host.run("request", "broker/plant-a")
        assert result.code == 1
        assert "git cannot be asked: detected dubious ownership in repository" in result.err
        assert "name a place outside the work tree, or declare `password`" in result.err
        assert not host.output.exists()
        outside = tmp_path_factory.mktemp("outside")
        request(host, "--key", f"{outside}/server.key", "--out", f"{outside}/new.csr")
        host.write(locked())
        patch.setenv("HOST_PASSWORD", PASSWORD)
        request(host)


def test_under_sudo_git_trusts_the_work_tree_of_who_called(
    host: Project, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    git(host.folder, "init", "-q")
    script = 'test "$SUDO_UID" = 4321 && exec /usr/bin/env PATH="${PATH#*:}" git "$@"; exit 1'
    put_git(tmp_path_factory.mktemp("programs"), script, monkeypatch)
    (host.folder / ".gitignore").write_text("*.key\n")
    monkeypatch.setenv("SUDO_UID", "1234")
    assert host.run("request", "broker/plant-a").code == 1
    monkeypatch.setenv("SUDO_UID", "4321")
    request(host)


def test_a_key_with_a_password_may_be_made_anywhere(host: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    git(host.folder, "init", "-q")
    host.write(locked())
    monkeypatch.setenv("HOST_PASSWORD", PASSWORD)
    request(host)


# ----- the command itself


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("broker/plant-b", "did you mean broker/plant-a?"),
        ("ca", "the authority has no request: it signs its own certificate"),
        ("ca/certificate", "the authority has no request"),
        ("car", "an address is broker/NAME or client/NAME"),
        ("broker/plant-a/certificate", "there is no broker or client"),
        ("", "there is no broker or client ''"),
    ],
)
def test_an_address_that_has_no_request_is_a_usage_error(host: Project, address: str, words: str) -> None:
    result = host.run("request", address)
    assert result.code == 64
    assert words in " ".join(result.err.split())


@pytest.mark.parametrize("option", ["--key", "--out", "--certificate"])
@pytest.mark.parametrize("path", ["/", ".", "..", "certs/", "certs/.", "certs/..", "there", "there/../"])
def test_a_folder_in_the_place_of_a_file_is_a_usage_error(
    host: Project, option: str, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(host.folder)
    (host.folder / "there").mkdir()
    result = host.run("request", "broker/plant-a", option, path)
    assert result.code == 64
    assert f"{path} is a folder; name the file in it" in " ".join(result.err.split())
    assert sorted(path.name for path in host.folder.rglob("*")) == ["pki.yaml", "there"]


@pytest.mark.parametrize(
    ("options", "which"),
    [
        (("--key", "a/x", "--out", "a/x"), "the private key and the request"),
        (("--key", "a/x", "--out", "b/../a/x"), "the private key and the request"),
        (("--key", "a/x.key", "--out", "a/x.next.key"), "the private key and the request"),
        (("--key", "a/.x.csr.new", "--out", "a/x.csr"), "the private key and the request"),
        (("--key", "a/x", "--certificate", "a/x"), "the private key and the certificate"),
        (("--key", "a/server.pem"), "the private key and the certificate"),
        (("--out", "a/x", "--certificate", "link/x"), "the request and the certificate"),
        (("--out", CERTIFICATE), "the request and the certificate"),
        (("--out", KEY), "the private key and the request"),
    ],
)
def test_the_files_of_a_host_are_different_ones(
    host: Project, options: tuple[str, ...], which: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything is made: a key that was taken for a request would be lost."""
    monkeypatch.chdir(host.folder)
    (host.folder / "a").mkdir()
    (host.folder / "link").symlink_to("a")
    result = host.run("request", "broker/plant-a", *options)
    assert result.code == 64
    assert f"{which} would be the same file" in result.err
    assert sorted(path.name for path in host.folder.rglob("*")) == ["a", "link", "pki.yaml"]


def test_two_names_of_one_file_are_one_file(host: Project) -> None:
    request(host)
    (host.folder / "other.csr").hardlink_to(host.folder / KEY)
    assert host.run("request", "broker/plant-a", "--out", f"{host.folder}/other.csr").code == 64


@pytest.mark.parametrize("held", ["here", "delivered"])
def test_a_key_that_is_made_elsewhere_is_a_usage_error(project: Project, held: str) -> None:
    project.write(SMALL.replace("MyEACM:", f"MyEACM: {{key_held: {held}}}"))
    result = project.run("request", "client/MyEACM")
    assert result.code == 64
    assert f"`key_held` is {held}" in result.err
    assert "write `key_held: csr`" in result.err


def test_what_is_printed_as_json_keeps_to_its_schema(running: Project) -> None:
    schema = json.loads(schema_text("request"))
    jsonschema.Draft7Validator.check_schema(schema)
    for options in ((), ("--rekey",), ()):
        jsonschema.validate(told(running, *options), schema)
    running.apply()
    jsonschema.validate(told(running), schema)


def test_no_key_of_the_authority_is_needed(running: Project) -> None:
    shutil.rmtree(running.output / "ca")
    running.write(MANIFEST.replace("broker.plant-a.example", "new.example"))
    request(running)
    request(running, "--rekey")


def test_two_at_once_are_one_after_the_other_or_one_error(host: Project) -> None:
    """Real processes: in the end there is one key, the request is for it, and whoever failed said why."""
    command = [sys.executable, "-m", "edgecerts", "request", "broker/plant-a", "-f", str(host.manifest)]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(6)]
    for process in processes:
        _, complaint = process.communicate(timeout=60)
        assert process.returncode in (0, 1)
        if process.returncode:
            assert "at work" in complaint
    (key,) = (host.folder / KEY).parent.iterdir()
    assert key_digest(key) == request_digest(host.folder / REQUEST)
    assert "Nothing to do" in request(host).out


def test_a_second_run_beside_one_at_work_says_so(host: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    write = FileSystem.write
    inner: list[int] = []

    def beside(self: FileSystem, descriptor: int, content: bytes) -> None:
        if not inner:
            inner.append(0)
            inner[0] = host.run("request", "broker/plant-a").code
        write(self, descriptor, content)

    monkeypatch.setattr(FileSystem, "write", beside)
    assert host.run("request", "broker/plant-a").code == 0
    assert inner == [1]
    assert key_digest(host.folder / KEY) == request_digest(host.folder / REQUEST)


def test_an_apply_at_work_in_the_same_folder_is_not_disturbed(running: Project) -> None:
    with (running.output / ".edgecerts/lock").open("r+b") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        before = tree(running.folder)
        result = running.run("request", "broker/plant-a", "--rekey")
        assert result.code == 1
        assert "another edgecerts is at work" in result.err
        assert tree(running.folder) == before
    request(running, "--rekey")


def test_a_killed_apply_is_still_known_afterwards(running: Project) -> None:
    """The lock's content shows the next apply that a run was killed; it is not wiped off here."""
    (running.output / ".edgecerts/lock").write_text("process 1, since ever")
    request(running, "--rekey")
    assert (running.output / ".edgecerts/lock").read_text() == "process 1, since ever"
