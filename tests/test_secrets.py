"""Passwords: where they come from, when they are asked for, and that they are never seen."""

import os
import pickle
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from edgecerts.apply import secrets
from edgecerts.apply.secrets import Secret, SecretSources
from edgecerts.desired.graph import Address
from edgecerts.errors import SecretError
from edgecerts.manifest.model import PasswordSource
from tests.conftest import Project

CANARY = "canary-5fd1c4-password"
CA_KEY = Address(identity="ca", part="private-key")
CLIENT_KEY = Address(identity="client/gw", part="private-key")


def sources(folder: Path, environ: dict[str, str] | None = None, answers: Iterator[str] | None = None) -> SecretSources:
    return SecretSources(
        folder=folder, environ=environ or {}, ask=None if answers is None else lambda prompt: next(answers)
    )


def fetch(
    folder: Path,
    source: PasswordSource,
    *,
    environ: dict[str, str] | None = None,
    answers: Iterator[str] | None = None,
    address: Address = CLIENT_KEY,
    new: bool = True,
) -> bytes:
    return sources(folder, environ, answers).fetch(source, address, new=new).reveal()


def script(folder: Path, text: str) -> tuple[str, ...]:
    path = folder / "give-password"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o700)
    return (str(path),)


def test_a_hint_names_the_command_that_was_run(tmp_path: Path) -> None:
    answers = iter(["one", "another"])
    given = SecretSources(folder=tmp_path, environ={}, ask=lambda prompt: next(answers), command="edgecerts x")
    for source, words in (
        (PasswordSource(env="P"), "P=... edgecerts x"),
        (PasswordSource(prompt=True), "run edgecerts x again"),
    ):
        with pytest.raises(SecretError) as caught:
            given.fetch(source, CLIENT_KEY, new=True)
        assert words in (caught.value.hint or "")


def test_a_variable_is_taken_as_it_is(tmp_path: Path) -> None:
    assert fetch(tmp_path, PasswordSource(env="P"), environ={"P": " 0123"}) == b" 0123"


@pytest.mark.parametrize(
    ("content", "password"),
    [(b"secret\n", b"secret"), (b"secret\r\n", b"secret"), (b"\xef\xbb\xbfsecret", b"secret"),
     (b" spaces ", b" spaces "), (b"caf\xc3\xa9\n", "café".encode())],
)  # fmt: skip
def test_a_file_loses_its_bom_and_one_line_end(tmp_path: Path, content: bytes, password: bytes) -> None:
    (tmp_path / "p.txt").write_bytes(content)
    assert fetch(tmp_path, PasswordSource(file="p.txt")) == password


def test_a_command_runs_in_the_manifests_folder_without_a_shell(tmp_path: Path) -> None:
    (tmp_path / "p.txt").write_text("from the folder\n")
    assert fetch(tmp_path, PasswordSource(command=("cat", "p.txt"))) == b"from the folder"
    assert fetch(tmp_path, PasswordSource(command=("echo", "$HOME; `id`"))) == b"$HOME; `id`"


def test_a_command_does_not_get_the_other_password_variables(tmp_path: Path) -> None:
    given = SecretSources(
        folder=tmp_path, environ={**os.environ, "OTHER": CANARY, "PLAIN": "x"}, hidden=frozenset({"OTHER"})
    )
    command = PasswordSource(command=script(tmp_path, 'echo "[$OTHER][$PLAIN]"'))
    assert given.fetch(command, CLIENT_KEY, new=True).reveal() == b"[][x]"


@pytest.mark.parametrize(
    ("source", "environ", "words"),
    [
        (PasswordSource(env="P"), {}, "environment variable P, the password for client/gw/private-key, is not set"),
        (PasswordSource(env="P"), {"P": ""}, "is empty"),
        (PasswordSource(file="none.txt"), {}, "file none.txt, the password for client/gw/private-key, cannot be read"),
        (PasswordSource(file="."), {}, "is not a plain file"),
        (PasswordSource(command=("no-such-program",)), {}, "command no-such-program"),
        (PasswordSource(command=("false",)), {}, "failed with exit code 1"),
        (PasswordSource(command=("true",)), {}, "gives nothing"),
        (PasswordSource(prompt=True), {}, "asked for on a terminal, and there is none"),
        (PasswordSource(env="P", prompt=True), {}, "asked for on a terminal, and there is none"),
    ],
)
def test_a_source_that_gives_nothing_is_a_clear_error(
    tmp_path: Path, source: PasswordSource, environ: dict[str, str], words: str
) -> None:
    with pytest.raises(SecretError) as error:
        fetch(tmp_path, source, environ=environ)
    assert words in error.value.message


def test_a_command_that_hangs_is_ended_with_what_it_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secrets, "COMMAND_SECONDS", 2)
    command = script(tmp_path, f"sleep 600 & echo $! > {tmp_path}/child; wait")
    began = time.monotonic()
    with pytest.raises(SecretError, match="did not end within"):
        fetch(tmp_path, PasswordSource(command=command))
    assert time.monotonic() - began < 30
    child = int((tmp_path / "child").read_text())
    state = Path(f"/proc/{child}/stat")
    assert not state.exists() or state.read_text().split()[2] in "ZX"


@pytest.mark.parametrize("content", [b"two\n\n", b"a\0b", b"\xff\xfes\0e\0", b"   ", b"a\rb"])
def test_what_nobody_could_type_is_no_password(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "p.txt").write_bytes(content)
    with pytest.raises(SecretError, match=r"not one line that could be typed|not UTF-8 text"):
        fetch(tmp_path, PasswordSource(file="p.txt"))


def test_a_command_that_writes_without_end_is_ended_at_once(tmp_path: Path) -> None:
    with pytest.raises(SecretError, match="more than 1023 bytes"):
        fetch(tmp_path, PasswordSource(command=("yes", CANARY)))


def test_a_pipe_in_place_of_a_password_file_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "p.txt")
    with pytest.raises(SecretError, match="is not a plain file"):
        fetch(tmp_path, PasswordSource(file="p.txt"))


def test_every_missing_password_is_named_at_once(project: Project) -> None:
    project.write(PROTECTED)
    result = project.run("apply")
    for words in ("CANARY_CA", "by-file.txt", "./give-password"):
        assert words in result.err
    assert not project.output.exists()


def test_a_password_that_is_too_large_is_refused(tmp_path: Path) -> None:
    (tmp_path / "p.txt").write_bytes(b"x" * 70_000)
    with pytest.raises(SecretError, match="more than 1023 bytes"):
        fetch(tmp_path, PasswordSource(file="p.txt"))


def test_an_authoritys_password_has_at_least_twelve_characters(tmp_path: Path) -> None:
    with pytest.raises(SecretError, match="fewer than 12 characters") as error:
        fetch(tmp_path, PasswordSource(env="P"), environ={"P": "elevenchars"}, address=CA_KEY)
    assert "elevenchars" not in str(error.value)
    assert fetch(tmp_path, PasswordSource(env="P"), environ={"P": "twelve chars"}, address=CA_KEY) == b"twelve chars"
    short = fetch(tmp_path, PasswordSource(env="P"), environ={"P": "elevenchars"}, address=CA_KEY, new=False)
    assert short == b"elevenchars"


def test_a_new_password_is_asked_for_twice(tmp_path: Path) -> None:
    assert fetch(tmp_path, PasswordSource(prompt=True), answers=iter(["secret", "secret"])) == b"secret"
    assert fetch(tmp_path, PasswordSource(prompt=True), answers=iter(["secret"]), new=False) == b"secret"
    with pytest.raises(SecretError, match="differ"):
        fetch(tmp_path, PasswordSource(prompt=True), answers=iter(["secret", "other"]))


def test_a_variable_with_a_prompt_asks_only_where_the_variable_is_missing(tmp_path: Path) -> None:
    both = PasswordSource(env="P", prompt=True)
    assert fetch(tmp_path, both, environ={"P": "given"}, answers=iter([])) == b"given"
    assert fetch(tmp_path, both, environ={"P": ""}, answers=iter(["typed", "typed"])) == b"typed"


def test_a_secret_cannot_be_printed_or_pickled() -> None:
    secret = Secret(CANARY.encode())
    assert CANARY not in f"{secret} {secret!r} {[secret]}"
    assert CANARY not in repr(SecretSources(folder=Path(), environ={"P": CANARY}))
    with pytest.raises(TypeError):
        pickle.dumps(secret)


PROTECTED = """\
version: 1
ca: {common_name: Test CA, password: {env: CANARY_CA}}
brokers: {b: {common_name: mqtt.example}}
clients:
  by-file: {password: {file: "{name}.txt"}}
  by-command: {password: {command: [./give-password, "{name}"]}}
"""

PASSWORDS = {
    "ca/ca.key": f"{CANARY}-env",
    "clients/by-file/client.key": f"{CANARY}-file",
    "clients/by-command/client.key": f"{CANARY}-by-command",
}


def protect(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.write(PROTECTED)
    monkeypatch.setenv("CANARY_CA", PASSWORDS["ca/ca.key"])
    (project.folder / "by-file.txt").write_text(PASSWORDS["clients/by-file/client.key"] + "\n")
    script(project.folder, f'touch command-ran; echo {CANARY} >&2; echo "{CANARY}-$1"')


def test_keys_are_encrypted_with_their_own_passwords_and_nothing_shows_them(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    protect(project, monkeypatch)
    for command in (("plan",), ("plan", "--format", "json"), ("apply", "--format", "json"), ("apply",), ("plan",)):
        result = project.run(*command)
        assert result.code == 0
        assert CANARY not in result.out + result.err
    for path, password in PASSWORDS.items():
        pem = (project.output / path).read_bytes()
        load_pem_private_key(pem, password.encode())
        with pytest.raises(ValueError, match="password"):
            load_pem_private_key(pem, b"another password")
    assert [path for path, (data, _, _) in project.files().items() if CANARY.encode() in data] == []
    ignored = (project.output / ".gitignore").read_text().splitlines()
    assert "!/ca/ca.key" in ignored
    assert "!/brokers/b/server.key" not in ignored


def test_validate_and_plan_open_no_source_and_run_no_command(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    protect(project, monkeypatch)
    (project.folder / "by-file.txt").unlink()
    monkeypatch.delenv("CANARY_CA")
    assert project.run("validate").code == 0
    assert project.run("plan").code == 0
    assert project.run("plan", "--format", "json").code == 0
    assert not (project.folder / "command-ran").exists()


@pytest.mark.parametrize("missing", ["variable", "file", "command", "short"])
def test_a_missing_password_is_an_error_before_the_first_write(
    project: Project, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    protect(project, monkeypatch)
    if missing == "variable":
        monkeypatch.delenv("CANARY_CA")
    elif missing == "file":
        (project.folder / "by-file.txt").unlink()
    elif missing == "command":
        (project.folder / "give-password").unlink()
    else:
        monkeypatch.setenv("CANARY_CA", "elevenchars")
    result = project.run("apply")
    assert result.code == 1
    assert "Traceback" not in result.err
    assert CANARY not in result.out + result.err
    assert not project.output.exists()


def test_signing_later_takes_the_authoritys_password_and_no_other(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    protect(project, monkeypatch)
    project.apply()
    (project.folder / "command-ran").unlink()
    (project.folder / "by-file.txt").unlink()
    project.write(PROTECTED + "  plain:\n")
    result = project.apply()
    assert "needs the password for ca/private-key, from environment variable CANARY_CA" in result.err
    assert not (project.folder / "command-ran").exists()
    monkeypatch.delenv("CANARY_CA")
    assert project.apply().out.startswith("Nothing to do")


def test_a_wrong_password_is_an_error_and_nothing_is_written(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    protect(project, monkeypatch)
    project.apply()
    project.write(PROTECTED + "  plain:\n")
    before = project.files()
    monkeypatch.setenv("CANARY_CA", f"{CANARY}-wrong")
    result = project.run("apply")
    assert result.code == 1
    assert "ca/ca.key: the password does not open the private key" in result.err
    assert "environment variable CANARY_CA" in result.err
    assert CANARY not in result.out + result.err
    assert project.files() == before


def test_an_encrypted_authority_key_of_another_pair_is_found_when_it_is_opened(
    project: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Planning opens no key, so the plan only says that it could not compare; apply does, before the first write."""
    protect(project, monkeypatch)
    project.apply()
    other = Project(folder=tmp_path / "other", capture=project.capture)
    other.folder.mkdir()
    other.write("version: 1\nca: {common_name: Test CA, password: {env: CANARY_CA}}\n")
    assert other.run("apply").code == 0
    (project.output / "ca/ca.key").write_bytes((other.output / "ca/ca.key").read_bytes())
    assert "locked, and so not compared with their certificates" in project.run("plan").out
    project.write(PROTECTED + "  plain:\n")
    before = project.files()
    result = project.run("apply")
    assert result.code == 1
    assert "ca/ca.key is not the key of ca/ca.pem" in result.err
    assert project.files() == before


def test_an_encrypted_key_without_a_declared_password_blocks_only_what_needs_it(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    protect(project, monkeypatch)
    project.apply()
    undeclared = PROTECTED.replace(", password: {env: CANARY_CA}", "")
    project.write(undeclared)
    assert "0 blocked" in project.run("plan").out
    project.write(undeclared + "  plain:\n")
    result = project.run("apply")
    assert result.code == 1
    assert "key-encrypted" in project.run("plan").out
    assert not (project.output / "clients/plain/client.key").exists()


def test_a_process_with_its_secrets_shows_them_in_no_stream(tmp_path: Path) -> None:
    """The whole program, with a password that is too short."""
    (tmp_path / "pki.yaml").write_text("version: 1\nca: {common_name: CA, password: {env: CANARY_CA}}\n")
    environ = {**os.environ, "CANARY_CA": "short-c4n4ry"[:11]}
    done = subprocess.run(
        [sys.executable, "-m", "edgecerts", "apply"], cwd=tmp_path, env=environ, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "short-c4n4r" not in done.stdout + done.stderr
    assert not (tmp_path / "pki").exists()
