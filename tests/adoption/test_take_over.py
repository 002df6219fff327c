"""Writing: all or nothing, never over anything, and never in the source."""

import contextlib
import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes

from edgecerts.apply.file_system import FileSystem
from edgecerts.cli.app import app
from edgecerts.cli.exits import run
from edgecerts.desired.graph import JOURNAL
from tests.adoption.sources import CA, CLIENT, SERVER, Issued, Profile, issue, snapshot, write
from tests.conftest import NOW, Project
from tests.interop.programs import find_program
from tests.readers import key_and_certificate_match

PASSWORD = "correct horse battery"


@pytest.fixture(scope="module")
def pki() -> dict[str, Issued]:
    authority = issue("Plant CA", CA)
    return {
        "ca": authority,
        "broker": issue("10.3.0.11", Profile(usages=(SERVER,)), by=authority),
        "unit": issue("unit", Profile(usages=(CLIENT,)), by=authority),
        "asked": issue("asked", Profile(usages=(CLIENT,)), by=authority),
    }


@pytest.fixture
def source(tmp_path_factory: pytest.TempPathFactory, pki: dict[str, Issued]) -> Path:
    files = {f"{name}.pem": made.pem for name, made in pki.items()}
    files |= {f"{name}.key": pki[name].key_pem() for name in ("broker", "unit")}
    files |= {"ca.key": pki["ca"].key_pem(password=PASSWORD), "asked.csr": pki["asked"].request()}
    return write(tmp_path_factory.mktemp("source"), files)


@pytest.fixture(autouse=True)
def password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CA_PASSWORD", PASSWORD)


def take_over(project: Project, source: Path, *arguments: str) -> Any:
    return project.run("import", str(source), "--password", "env:CA_PASSWORD", *arguments)


def written(project: Project) -> dict[str, tuple[int, bytes]]:
    """Everything that is there: modes and contents; of a key that is encrypted, whether it is the right one."""
    found = {}
    for path in sorted(project.folder.rglob("*")):
        if path.is_file() and ".edgecerts" not in path.parts:
            content = path.read_bytes()
            if b"ENCRYPTED" in content:
                assert key_and_certificate_match(path, path.with_suffix(".pem"), PASSWORD.encode())
                content = b"the right key"
            found[path.relative_to(project.folder).as_posix()] = (path.stat().st_mode & 0o777, content)
    return found


def test_everything_is_written_in_its_place(project: Project, source: Path) -> None:
    before = snapshot(source)
    result = take_over(project, source)
    assert result.code == 0, result.err
    assert snapshot(source) == before
    files = written(project)
    assert {path: mode for path, (mode, _) in files.items()} == {
        "pki.yaml": 0o644,
        "requests/asked.csr": 0o644,
        **{f"pki/{name}": 0o644 for name in (".gitignore", ".gitattributes", "README.txt")},
        "pki/ca/ca.key": 0o600,
        "pki/ca/ca.pem": 0o644,
        **{f"pki/brokers/10.3.0.11/{name}": 0o644 for name in ("server.pem", "ca.pem")},
        "pki/brokers/10.3.0.11/server.key": 0o600,
        **{f"pki/clients/unit/{name}": 0o644 for name in ("client.pem", "ca.pem")},
        "pki/clients/unit/client.key": 0o600,
        **{f"pki/clients/asked/{name}": 0o644 for name in ("client.pem", "ca.pem")},
    }
    assert "Wrote" in result.out
    assert (project.output / ".gitignore").read_text().count("!/ca/ca.key") == 1


def test_a_manifest_is_never_written_over(project: Project, source: Path) -> None:
    project.write("version: 1\n")
    result = take_over(project, source)
    assert result.code == 1
    assert f"{project.manifest} exists already, and was left as it is" in result.err
    assert [path.name for path in project.folder.iterdir()] == ["pki.yaml"]


@pytest.mark.parametrize("path", ["x", "ca/ca.pem", "ca/ca.key", "clients/unit/notes.txt", ".gitignore"])
def test_an_output_folder_that_holds_anything_else_is_refused(project: Project, source: Path, path: str) -> None:
    write(project.output, {path: b"something"})
    before = snapshot(project.folder)
    result = take_over(project, source)
    assert result.code == 1
    assert f"is not empty: it holds {path}" in result.err
    assert "--output names another folder" in result.err
    assert snapshot(project.folder) == before


def test_an_empty_output_folder_is_filled(project: Project, source: Path) -> None:
    project.output.mkdir(mode=0o700)
    assert take_over(project, source).code == 0


def test_an_output_folder_that_everybody_may_write_to_is_refused(project: Project, source: Path) -> None:
    project.output.mkdir()
    project.output.chmod(0o777)
    result = take_over(project, source)
    assert result.code == 1
    assert "everybody may write to the output folder" in result.err
    assert not project.manifest.exists()
    assert not list(project.output.rglob("*.key"))


def test_a_file_in_place_of_the_output_folder_is_refused(project: Project, source: Path) -> None:
    project.output.write_text("x")
    result = take_over(project, source)
    assert result.code == 1
    assert "cannot be used" in result.err


@pytest.mark.parametrize("name", ["requests/asked.csr", "requests"])
def test_what_lies_beside_the_manifest_is_not_written_over(project: Project, source: Path, name: str) -> None:
    write(project.folder, {name: b"mine"})
    result = take_over(project, source)
    assert result.code == 1
    assert not project.manifest.exists()
    assert (project.folder / name).read_bytes() == b"mine"


def test_a_dry_run_writes_nothing(project: Project, source: Path) -> None:
    result = take_over(project, source, "--dry-run")
    assert result.code == 0, result.err
    assert "Would write" in result.out
    assert list(project.folder.iterdir()) == []


def test_an_output_folder_elsewhere_is_named_or_has_to_be(
    project: Project, source: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    assert take_over(project, source, "--output", str(project.folder / "certs/plant")).code == 0
    assert "\noutput: certs/plant\n" in project.manifest.read_text()
    assert "Nothing to do" not in project.run("plan").out
    assert "Plan: 1 to create" in project.run("plan").out
    shutil.rmtree(project.folder)
    project.folder.mkdir()
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "pki"
    result = take_over(project, source, "--output", str(elsewhere))
    assert result.code == 0
    assert f"--output {elsewhere}" in " ".join(result.out.split())
    assert "output:" not in project.manifest.read_text()
    assert "Plan: 1 to create" in project.run("plan", "--output", str(elsewhere)).out


@pytest.mark.parametrize("flags", [("-f",), ("--output",)])
def test_nothing_is_written_into_the_source(project: Project, source: Path, flags: tuple[str]) -> None:
    before = snapshot(source)
    result = take_over(project, source, flags[0], str(source / "inside/pki.yaml"))
    assert result.code == 64
    assert "nothing is ever written there" in result.err
    assert snapshot(source) == before


@pytest.mark.parametrize("options", [(), ("--dry-run",)])
def test_nothing_is_written_into_the_source_through_a_link(
    project: Project, source: Path, options: tuple[str, ...]
) -> None:
    (source / "inside").mkdir()
    (project.folder / "requests").symlink_to(source / "inside")
    before = snapshot(source)
    result = take_over(project, source, *options)
    assert result.code == 64
    assert "nothing is ever written there" in result.err
    assert snapshot(source) == before
    assert not project.manifest.exists()


def test_a_manifest_names_its_schema_where_an_editor_finds_it(project: Project, source: Path) -> None:
    assert take_over(project, source).code == 0
    assert "$schema" not in project.manifest.read_text()
    shutil.rmtree(project.folder)
    write(project.folder, {"pki.schema.json": b"{}"})
    assert take_over(project, source).code == 0
    assert "$schema=pki.schema.json" in project.manifest.read_text().splitlines()[0]


def test_hints_run_as_they_are_printed(
    project: Project, source: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = issue("Other CA", CA)
    files = {"o.pem": other.pem, "o.key": other.key_pem()}
    write(source, files | {"u.pem": issue("u", Profile(usages=(CLIENT,)), by=other).pem})
    project.folder.mkdir(exist_ok=True)
    result = take_over(project, source, "--ca", "Plant CA", "--format", "json")
    assert result.code == 0, result.err
    hints = [entry["hint"] for entry in json.loads(result.out)["left_out"] if entry["code"] == "other-authority"]
    words = shlex.split(hints[0].partition(": ")[2])
    assert words[:2] == ["edgecerts", "import"]
    with contextlib.chdir(tmp_path_factory.mktemp("elsewhere")) as _:
        assert run(app, words[1:]) == 0
        assert Path("other-ca/pki.yaml").exists()
        assert Path("other-ca/pki/ca/ca.key").exists()


@pytest.mark.parametrize("notation", ["colons", "openssl", "lower"])
def test_an_authority_is_named_by_the_fingerprint_of_its_certificate_too(
    project: Project, source: Path, pki: dict[str, Issued], notation: str
) -> None:
    other = issue("Other CA", CA)
    write(source, {"o.pem": other.pem, "o.key": other.key_pem()})
    digest = pki["ca"].certificate.fingerprint(hashes.SHA256())
    colons = digest.hex(":").upper()
    said = {"colons": colons, "openssl": f"sha256 Fingerprint={colons}", "lower": digest.hex()[:12]}
    assert take_over(project, source, "--ca", said[notation]).code == 0
    assert "common_name: Plant CA" in project.manifest.read_text()


def test_a_damaged_key_is_not_relied_on(project: Project, source: Path, pki: dict[str, Issued]) -> None:
    """Its public half is right, and so it matches; but it cannot sign."""
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    key = rsa.generate_private_key(65537, 2048)
    numbers = key.private_numbers()
    wrong = rsa.RSAPrivateNumbers(
        p=numbers.p, q=numbers.q, d=numbers.d, dmp1=numbers.dmp1, dmq1=numbers.dmq1 + 2, iqmp=numbers.iqmp,
        public_numbers=numbers.public_numbers,
    ).private_key(unsafe_skip_rsa_key_validation=True)  # fmt: skip
    pem = wrong.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    leaf = issue("strange", Profile(usages=(CLIENT,)), by=pki["ca"], key=key)
    write(source, {"strange.pem": leaf.pem, "strange.key": pem})
    result = take_over(project, source)
    assert result.code == 1
    assert "the private key for clients/strange/client.key is damaged" in result.err
    assert "strange.key" in result.err
    assert not project.manifest.exists()
    assert not list(project.output.rglob("*.pem"))


def test_an_exposed_key_is_not_written_into_a_repository(project: Project, source: Path) -> None:
    find_program("git")
    subprocess.run(["git", "init", "-q", str(project.folder)], check=True)
    (project.output / "brokers").mkdir(parents=True)
    (project.folder / ".git/info/exclude").write_text("!*.key\n")
    result = take_over(project, source)
    assert result.code == 0, "the folder's own .gitignore keeps the keys out"
    status = subprocess.run(["git", "-C", str(project.folder), "status", "--porcelain", "-uall"], check=True,
                            capture_output=True, text=True)  # fmt: skip
    assert [line for line in status.stdout.splitlines() if line.endswith(".key")] == ["?? pki/ca/ca.key"]


class Killed(BaseException):
    """The process is gone."""


class Executioner:
    """Kills at one call that changes something, and lets nothing happen afterwards."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.left = -1
        self.count = 0
        self.dead = False
        for name in (
            "make_root",
            "make_folder",
            "create",
            "write",
            "rename",
            "exchange",
            "link",
            "unlink",
            "chmod",
            "sync",
        ):
            monkeypatch.setattr(FileSystem, name, self.guard(getattr(FileSystem, name)))
        monkeypatch.setattr("edgecerts.apply.new_file.os.link", self.guard(os.link))

    def guard(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def guarded(*arguments: Any, **words: Any) -> Any:
            self.count += 1
            if self.dead or self.count == self.left:
                self.dead = True
                raise Killed
            return call(*arguments, **words)

        return guarded

    def arm(self, left: int) -> None:
        self.left, self.count, self.dead = left, 0, False


@pytest.fixture
def executioner() -> Iterator[Executioner]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        # What is looked at here is when the files are written, and not how well a password protects them.
        monkeypatch.setattr("edgecerts.pki.private_keys.KDF_ROUNDS", 1000)
        yield Executioner(monkeypatch)


def test_an_import_that_is_killed_anywhere_is_finished_by_the_same_import(
    project: Project, source: Path, executioner: Executioner, record_property: Callable[[str, object], None]
) -> None:
    executioner.arm(-1)
    assert take_over(project, source).code == 0
    whole, calls = written(project), executioner.count
    before = snapshot(source)
    for left in range(1, calls + 1):
        shutil.rmtree(project.folder)
        project.folder.mkdir()
        executioner.arm(left)
        with pytest.raises(Killed):
            take_over(project, source)
        assert not project.manifest.exists() or left == calls
        for key in project.output.rglob("*.key"):
            if ".edgecerts" not in key.parts:
                assert key.with_suffix(".pem").exists(), f"{key} without its certificate, killed at {left}"
        executioner.arm(-1)
        if not project.manifest.exists():
            result = take_over(project, source)
            assert result.code == 0, (left, result.err)
        assert written(project) == whole, left
    assert snapshot(source) == before
    record_property("counted", f"{calls} calls of an import at which it was killed")


def test_beside_a_half_done_import_nobody_is_led_to_a_new_authority(
    project: Project, source: Path, executioner: Executioner
) -> None:
    executioner.arm(12)
    with pytest.raises(Killed):
        take_over(project, source)
    executioner.arm(-1)
    assert not project.manifest.exists()
    for command in ("plan", "apply", "init"):
        result = project.run(command)
        assert result.code == 1
        assert "run the same import again" in result.err, command
    assert not project.manifest.exists()
    assert take_over(project, source).code == 0


def test_an_interrupted_import_says_how_it_goes_on(
    project: Project, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*arguments: object, **words: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("edgecerts.cli.import_folder.take_over", interrupt)
    result = take_over(project, source)
    assert result.code == 130
    assert "run the same import again" in result.err
    assert "edgecerts plan" not in result.err


@pytest.mark.parametrize("how", ["in a repository", "where everybody may write"])
def test_what_an_interrupted_run_left_is_not_finished_where_others_could_have_left_it(
    project: Project, source: Path, executioner: Executioner, how: str
) -> None:
    journal = project.output / JOURNAL
    left = 0
    while not journal.exists():
        shutil.rmtree(project.output, ignore_errors=True)
        left += 1
        executioner.arm(left)
        with contextlib.suppress(Killed):
            assert take_over(project, source).code != 0, "no run was interrupted with a journal"
    executioner.arm(-1)
    if how == "in a repository":
        find_program("git")
        subprocess.run(["git", "init", "-q", str(project.folder)], check=True)
        subprocess.run(["git", "-C", str(project.folder), "add", "-f", str(journal)], check=True)
    else:
        project.output.chmod(0o777)
    before = written(project)
    result = take_over(project, source)
    assert result.code == 1
    assert ("git has files of" if how == "in a repository" else "everybody may write") in result.err
    assert journal.exists()
    assert written(project) == before


def test_what_another_import_left_is_not_taken_for_this_one(
    project: Project, source: Path, executioner: Executioner
) -> None:
    executioner.arm(-1)
    take_over(project, source, "--dry-run")
    assert take_over(project, source).code == 0
    project.manifest.unlink()
    write(source, {"unit.key": issue("unit", Profile()).key_pem()})
    result = take_over(project, source)
    assert result.code == 1
    assert "is not empty: it holds clients/unit/client.key" in result.err


def test_a_source_that_may_only_be_read_is_enough(
    project: Project, source: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """As a user who owns neither the folder nor the files, where this test may become one."""
    for path in source.rglob("*"):
        path.chmod(0o444)
    source.chmod(0o555)
    before = snapshot(source)
    workplace = tmp_path_factory.mktemp("work")
    # The first import loads everything, because an ordinary user may not even reach the folder of the tests.
    code = (
        "import os, sys\n"
        "from edgecerts.cli.app import app\n"
        "from edgecerts.cli.exits import run\n"
        f"command = ['import', {str(source)!r}, '--password', 'env:CA_PASSWORD', '-f']\n"
        "assert run(app, [*command, 'first/pki.yaml']) == 0\n"
        "if os.geteuid() == 0:\n    os.chown('.', 65534, 65534); os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "sys.exit(run(app, [*command, 'pki.yaml']))"
    )
    if os.geteuid() == 0:
        for parent in (workplace, *workplace.parents, source, *source.parents):
            if parent != Path("/tmp") and parent.is_relative_to("/tmp"):
                parent.chmod(parent.stat().st_mode | 0o055)
        before = snapshot(source)
    result = subprocess.run([sys.executable, "-c", code], cwd=workplace, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert snapshot(source) == before
    assert (workplace / "pki/clients/unit/client.key").stat().st_mode & 0o777 == 0o600


def test_two_imports_give_the_same_files(project: Project, source: Path) -> None:
    assert take_over(project, source).code == 0
    first = written(project)
    shutil.rmtree(project.folder)
    project.folder.mkdir()
    assert project.now == NOW
    assert take_over(project, source).code == 0
    assert written(project) == first


@pytest.mark.parametrize("place", ["pki.yaml", "not/there/yet/pki.yaml", "linked/pki.yaml"])
def test_the_manifest_names_the_file_of_a_password_from_where_it_lies(
    project: Project, source: Path, tmp_path_factory: pytest.TempPathFactory, place: str
) -> None:
    (project.folder / "password").write_text(f"{PASSWORD}\n")
    (project.folder / "linked").symlink_to(tmp_path_factory.mktemp("elsewhere"))
    home, project.folder = project.folder, (project.folder / place).parent
    with contextlib.chdir(source):
        result = project.run("import", str(source), "--password", f"file:{os.path.relpath(home)}/password")
    assert result.code == 0, result.err
    assert "opened by file" in result.out
    assert "password: {file: " in project.manifest.read_text()
    assert project.run("apply").code == 0, "the password opens the authority's key"


def test_passwords_are_asked_for_on_a_terminal_and_nowhere_else(
    project: Project, source: Path, pki: dict[str, Issued], monkeypatch: pytest.MonkeyPatch
) -> None:
    write(source, {"asked.key": pki["asked"].key_pem(password="another one")})
    asked = []

    def answer(question: str) -> str:
        asked.append(question)
        return answers.pop(0)

    monkeypatch.setattr("getpass.getpass", answer)
    assert "asked.key: an encrypted" in project.run("import", str(source), "--dry-run").out
    assert asked == []
    monkeypatch.setattr("edgecerts.cli.console.Console.can_ask", True)
    answers = ["wrong", "", "wrong", PASSWORD]
    result = project.run("import", str(source), "--without-locked-keys")
    assert result.code == 0, result.err
    assert asked == [f"Password for {name} (empty: leave it out): " for name in ("asked.key",) * 2 + ("ca.key",) * 2]
    assert result.err.count("that does not open it") == 2
    assert PASSWORD not in result.out + result.err + project.manifest.read_text()
    assert project.manifest.read_text().count("password: {prompt: true}") == 1
    assert key_and_certificate_match(project.output / "ca/ca.key", source / "ca.pem", PASSWORD.encode())
