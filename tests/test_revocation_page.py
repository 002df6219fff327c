"""The commands of docs/revocation.md, really run: five minutes from a stolen gateway to a list that locks it out."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography import x509

from edgecerts.manifest import parse_manifest
from tests.interop.programs import find_program
from tests.readers import read_certificate

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs/revocation.md").read_text(encoding="utf-8")

STANDS_IN = {
    "edgecerts": f'exec "{sys.executable}" -m edgecerts "$@"',
    "sudo": 'exec "$@"',
    "systemctl": 'echo "$@" >>"$SERVICE"',
}
"""Programs that the tests have in their own way, or that take privileges."""

MANIFEST = """\
version: 1
ca: {common_name: Plant CA}
brokers:
  plant-a: {common_name: 10.3.0.11}
clients:
  gw-0412:
  gw-0413:
"""


def blocks(language: str, heading: str) -> list[str]:
    """The code blocks of a section, without the indentation of a list."""
    text = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    assert text, heading
    found = re.findall(rf"^( *)```{language}\n(.*?)^ *```$", text, flags=re.MULTILINE | re.DOTALL)
    return ["".join(line.removeprefix(indent) for line in block.splitlines(keepends=True)) for indent, block in found]


@pytest.fixture
def plant(tmp_path: Path) -> Path:
    """A folder with a plant and an empty list, as the page says that it should be before anything is stolen."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, line in STANDS_IN.items():
        (programs / name).write_text(f"#!/bin/sh\n{line}\n")
        (programs / name).chmod(0o755)
    (tmp_path / "certs").mkdir()
    heading = "Once, before anything is stolen"
    (once,), (begin,) = blocks("yaml", heading), blocks("bash", heading)
    (tmp_path / "pki.yaml").write_text(MANIFEST + once)
    run(begin, tmp_path)
    assert revoked(tmp_path / "pki/brokers/plant-a/crl.pem") == []
    return tmp_path


def run(command: str, folder: Path) -> str:
    """Runs commands of the page."""
    # Only root may give files away, and that they end up as they should is not what is looked at.
    command = command.replace("-o root -g root ", "").replace("/etc/mosquitto/certs", str(folder / "certs"))
    environ = {
        **os.environ,
        "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "SERVICE": str(folder / "service"),
    }
    done = subprocess.run(
        [find_program("bash"), "-euo", "pipefail", "-c", command],
        cwd=folder,
        env=environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


def revoked(path: Path) -> list[int]:
    return [entry.serial_number for entry in x509.load_pem_x509_crl(path.read_bytes())]


def test_the_incident(plant: Path) -> None:
    heading = "A gateway was stolen"
    stolen = read_certificate(plant / "pki/clients/gw-0412/client.pem").serial_number
    (entry,) = blocks("yaml", heading)
    manifest = (plant / "pki.yaml").read_text()
    (plant / "pki.yaml").write_text(manifest.replace("  gw-0412:\n", ""))
    (plant / "revoked.yaml").write_text(entry)
    sign, deliver, look = blocks("bash", heading)
    assert f"client/gw-0412 {stolen:x} key-compromise" in " ".join(run(sign, plant).split())
    run(deliver, plant)
    assert revoked(plant / "certs/crl.pem") == [stolen]
    assert (plant / "service").read_text() == "reload mosquitto\n"
    assert read_certificate(plant / "pki/clients/gw-0413/client.pem").serial_number != stolen
    seen = run(look, plant)
    assert "1 revoked" in seen
    assert "client/gw-0412: 1 certificate; 1 is revoked." in seen
    assert f"{stolen:x}".upper() in seen
    # Its folder may go, and it stays on the list.
    run("edgecerts apply --prune", plant)
    assert not (plant / "pki/clients/gw-0412").exists()
    run("edgecerts apply --replace ca/crl", plant)
    assert revoked(plant / "pki/brokers/plant-a/crl.pem") == [stolen]


def test_the_moment_that_the_page_advises_is_one() -> None:
    (since,) = re.findall(r"`(since: \S+Z)`", PAGE)
    parse_manifest(
        f"version: 1\nca: {{common_name: CA}}\nrevoked: [{{name: client/a, reason: superseded, {since}}}]\n".encode(),
        source="pki.yaml",
    )


def test_a_line_that_cannot_be_read_stops_everything_and_loses_nothing(plant: Path) -> None:
    before = (plant / "pki/ca/ca.crl.pem").read_bytes()
    (entry,) = blocks("yaml", "A gateway was stolen")
    (plant / "revoked.yaml").write_text(entry.replace("reason", "reasn"))
    with pytest.raises(AssertionError, match=r"revoked\.yaml:1:"):
        run("edgecerts apply", plant)
    assert (plant / "pki/ca/ca.crl.pem").read_bytes() == before


def test_every_manifest_on_the_page_is_valid() -> None:
    for block in re.findall(r"^ *```yaml\n(.*?)^ *```$", PAGE, flags=re.MULTILINE | re.DOTALL):
        lines = block.strip()
        text = f"revoked: [{lines.removeprefix('- ')}]" if lines.startswith("- ") else lines
        parse_manifest(
            f"version: 1\nca: {{common_name: CA}}\n{text}\n".encode(), source="pki.yaml", read_beside=lambda *_: b"[]\n"
        )


def test_the_brokers_of_the_page_have_their_lines() -> None:
    for words in ("crlfile", "SIGHUP", "listener.ssl.default.crlfile", "enable_crl_check", "RabbitMQ", "HiveMQ"):
        assert words in PAGE
