"""The line for hosts without edgecerts, really run: its request is what the manifest declares, and is certified."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from edgecerts.pki.key_types import KeyType
from tests.conftest import Project
from tests.interop.programs import find_program
from tests.readers import key_and_certificate_match

ENTRY = "{{key_held: csr, csr_must_match: true, key_type: {key_type}, common_name: {name}, alt_names: [a.example]}}"
NAMES = ("unit", "LINE 4", 'a\'b "c" $HOME `id`; x', r"back\slash = equal", "Größe ž 線")


def command_of(project: Project) -> str:
    (entry,) = json.loads(project.run("plan", "--format", "json").out)["waiting"]
    assert isinstance(entry["command"], str)
    return entry["command"]


def run_on_a_host(command: str, folder: Path) -> None:
    find_program("openssl")
    bash = shutil.which("bash")
    assert bash is not None
    folder.mkdir()
    done = subprocess.run([bash, "-c", command], cwd=folder, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stderr


def declare(project: Project, *, kind: str, key_type: str, name: str) -> None:
    entry = ENTRY.format(key_type=key_type, name=json.dumps(name, ensure_ascii=False))
    project.write(
        f"version: 1\nca: {{common_name: CA}}\ndefaults: {{subject: {{country: US}}}}\n{kind}:\n  it: {entry}\n"
    )
    project.apply()


@pytest.mark.parametrize("key_type", [key_type for key_type in KeyType if key_type is not KeyType.RSA_4096])
def test_every_type_of_key_is_made_and_certified(project: Project, key_type: KeyType) -> None:
    declare(project, kind="brokers", key_type=key_type.value, name="10.3.0.11")
    run_on_a_host(command_of(project), project.folder / "host")
    assert (project.folder / "host/server.key").stat().st_mode & 0o777 == 0o600
    (project.folder / "requests").mkdir()
    shutil.copy(project.folder / "host/it.csr", project.folder / "requests")
    assert "request-differs" not in project.run("plan", "--format", "json").out
    project.apply()
    assert key_and_certificate_match(project.folder / "host/server.key", project.output / "brokers/it/server.pem")


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_nothing_but_a_name_to_the_shell_and_to_openssl(project: Project, name: str) -> None:
    declare(project, kind="clients", key_type="ec-p256", name=name)
    run_on_a_host(command_of(project), project.folder / "host")
    assert sorted(path.name for path in (project.folder / "host").iterdir()) == ["client.key", "it.csr"]
    (project.folder / "requests").mkdir()
    shutil.copy(project.folder / "host/it.csr", project.folder / "requests")
    project.apply()
    assert key_and_certificate_match(project.folder / "host/client.key", project.output / "clients/it/client.pem")


def test_a_key_with_a_password_is_not_made_without_one(project: Project) -> None:
    project.write("version: 1\nca: {common_name: CA}\nclients: {it: {key_held: csr, password: {env: NOWHERE}}}\n")
    project.apply()
    assert "-nodes" not in command_of(project)


def test_a_host_with_a_key_makes_the_next_beside_it(project: Project) -> None:
    declare(project, kind="clients", key_type="ec-p256", name="unit")
    run_on_a_host(command_of(project), project.folder / "host")
    (project.folder / "requests").mkdir()
    shutil.copy(project.folder / "host/it.csr", project.folder / "requests")
    project.apply()
    project.write(project.manifest.read_text().replace("ec-p256", "ec-p384"))
    assert "-keyout client.next.key -out it.csr" in command_of(project)
