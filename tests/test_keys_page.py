"""The commands of docs/keys.md, really run on two machines: with a repository in the middle, and with a stick."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.interop.programs import find_program
from tests.readers import key_and_certificate_match, read_certificate

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs/keys.md").read_text(encoding="utf-8")

HOST, AUTHORITY = "on the host of plant-a", "where the authority is"
CERTS, STICK = "/etc/mosquitto/certs", "/media/stick"

STANDS_IN = {
    "edgecerts": f'exec "{sys.executable}" -m edgecerts "$@"',
    "sudo": 'exec "$@"',
    "chown": "",
    "systemctl": 'echo "$@" >>"$SERVICE"',
}
"""Programs that the tests have in their own way, or that take privileges."""


class Desk:
    """The two machines, and what is between them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.certs, self.stick = folder / "certs", folder / "stick"
        self.programs, self.service = folder / "bin", folder / "service"
        for made in (self.certs, self.stick, self.programs):
            made.mkdir()
        for name, line in STANDS_IN.items():
            program = self.programs / name
            program.write_text(f"#!/bin/sh\n{line}\n")
            program.chmod(0o755)

    def run(self, command: str, where: str) -> str:
        """Runs commands of the page in one machine's folder."""
        command = command.replace(CERTS, str(self.certs)).replace(STICK, str(self.stick))
        environ = {
            **{name: value for name, value in os.environ.items() if not name.startswith("GIT_")},
            "PATH": f"{self.programs}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "HOME": str(self.folder),
            "SERVICE": str(self.service),
            "EDGECERTS_CA_PASSWORD": "a long enough password",
            **{f"GIT_{who}_{what}": "test" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "push.autoSetupRemote",
            "GIT_CONFIG_VALUE_0": "true",
        }
        done = subprocess.run(
            [find_program("bash"), "-euo", "pipefail", "-c", command],
            cwd=self.folder / where,
            env=environ,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        return done.stdout

    def follow(self, *titles: str) -> list[tuple[str, str]]:
        """Runs every block below these headings on the machine that its first line names."""
        told = []
        for block in re.findall(r"^```bash\n(.*?)^```$", "".join(section(title) for title in titles), re.M | re.S):
            place = re.match(r"# (.*)\n", block)
            assert place is not None
            where = {HOST: "host", AUTHORITY: "authority"}[place[1]]
            told.append((where, self.run(block, where)))
        return told

    def is_pair(self) -> bool:
        return key_and_certificate_match(self.certs / "server.key", self.certs / "server.pem")


def section(title: str) -> str:
    parts = re.split(r"^(?:##|###) (.*)$", PAGE, flags=re.M)
    return dict(zip(parts[1::2], parts[2::2], strict=True))[title]


def manifest() -> str:
    (text,) = re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.M | re.S)
    assert isinstance(text, str)
    return text


def digests(told: list[tuple[str, str]]) -> dict[str, set[str]]:
    """The whole digests that each machine showed."""
    shown: dict[str, set[str]] = {"host": set(), "authority": set()}
    for where, text in told:
        shown[where] |= set(re.findall(r"^\s+(sha256:[0-9a-f]{64})$", text, re.M))
    return shown


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_the_round_with_a_repository_and_a_new_key(desk: Desk) -> None:
    find_program("git")
    desk.run("git init -q --bare -b main middle && git clone -q middle authority && git clone -q middle host", ".")
    (desk.folder / "authority/pki.yaml").write_text(manifest(), encoding="utf-8")
    told = desk.follow("With a repository in the middle")
    assert desk.is_pair()
    assert digests(told)["host"] <= digests(told)["authority"]
    assert "waits for the request of its host" in told[0][1]
    first = read_certificate(desk.certs / "server.pem").serial_number
    told = desk.follow("A new key on a host")
    assert desk.is_pair()
    assert read_certificate(desk.certs / "server.pem").serial_number != first
    assert digests(told)["host"] <= digests(told)["authority"]
    assert desk.service.read_text().splitlines() == ["restart mosquitto", "reload mosquitto"]
    assert len(list(desk.certs.glob("server.replaced-*.key"))) == 1
    # What everybody has who has the repository, with all its history.
    history = desk.run("git log -p --all", "middle")
    assert "BEGIN CERTIFICATE REQUEST" in history
    assert "PRIVATE KEY" not in history
    assert desk.run("git ls-files '*.key'", "authority") == ""
    assert desk.run("git status --porcelain", "host") == desk.run("git status --porcelain", "authority") == ""
    assert "Nothing to do" in desk.run("edgecerts plan", "authority")
    # Neither machine reports what is on the other one.
    for where in ("authority", "host"):
        desk.run("edgecerts status", where)
    # Until the broker reads the new certificate, its host is told.
    again = f"edgecerts request broker/plant-a --key {CERTS}/server.key"
    assert "Nothing to do" in desk.run(again, "host")


def test_the_round_with_a_stick(desk: Desk) -> None:
    (desk.folder / "authority").mkdir()
    (desk.folder / "host").mkdir()
    (desk.folder / "authority/pki.yaml").write_text(manifest(), encoding="utf-8")
    shutil.copy(desk.folder / "authority/pki.yaml", desk.stick)
    told = desk.follow("With a USB stick")
    assert len(digests(told)["host"]) == 1
    assert digests(told)["host"] <= digests(told)["authority"]
    folder = desk.folder / "host/pki/brokers/plant-a"
    assert key_and_certificate_match(folder / "server.key", folder / "server.pem")
    assert not any(b"PRIVATE KEY" in path.read_bytes() for path in desk.stick.iterdir())


def test_a_host_without_edgecerts_puts_its_next_key_in_place(desk: Desk) -> None:
    (desk.folder / "host").mkdir()
    for name in ("server.key", "server.next.key"):
        desk.run(f"{find_program('openssl')} genpkey -algorithm ed25519 -out {name}", "host")
    old, new = ((desk.folder / "host" / name).read_bytes() for name in ("server.key", "server.next.key"))
    (desk.folder / "host/server.key").chmod(0o640)
    desk.follow("Hosts without edgecerts")
    assert (desk.folder / "host/server.key").read_bytes() == new
    assert (desk.folder / "host/server.key").stat().st_mode & 0o777 == 0o640
    assert (desk.folder / "host/server.replaced.key").read_bytes() == old
    assert not (desk.folder / "host/server.next.key").exists()


def test_every_way_is_on_the_page() -> None:
    ways = re.findall(r"^\| `([a-z]+)` \|", PAGE, re.M)
    assert ways == ["here", "delivered", "csr"]
