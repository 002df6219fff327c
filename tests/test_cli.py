"""The commands as a user meets them: exit codes, streams, and what is imported before anything happens."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import jsonschema
import pytest

from edgecerts import __version__
from edgecerts.cli.app import app
from edgecerts.cli.exits import run
from edgecerts.cli.options import HazardName
from edgecerts.plan.model import HazardCode
from edgecerts.schemas import schema_names, schema_text
from tests.conftest import SMALL, Project

PROGRAM = [sys.executable, "-m", "edgecerts"]


def edgecerts(*arguments: str, folder: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    """Runs the program as a process of its own."""
    return subprocess.run(
        [*PROGRAM, *arguments],
        cwd=folder,
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )


def test_version_imports_nothing_heavy(tmp_path: Path) -> None:
    """The list is pinned: what is not in it costs every command its time."""
    code = (
        "import sys; before = set(sys.modules); sys.argv = ['edgecerts', '--version']\n"
        "from edgecerts.cli.start import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "names = set(sys.modules) - before\n"
        "print(sorted({name.partition('.')[0] for name in names} - set(sys.stdlib_module_names)))\n"
        "print(sorted(n for n in names if n in ('importlib.metadata', 'asyncio', 'email', 'ssl', 'logging', 'json')))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    version, third_party, standard = done.stdout.splitlines()
    assert version == f"edgecerts {__version__}"
    assert third_party == "['annotated_doc', 'edgecerts', 'shellingham', 'typer']"
    assert standard == "[]"


@pytest.mark.parametrize(
    ("command", "absent"),
    [
        (["init"], {"cryptography", "jsonschema", "rich", "pydantic"}),
        (["schema"], {"cryptography", "jsonschema", "yaml", "rich", "pydantic"}),
        (["validate"], {"cryptography", "rich", "pydantic"}),
        (["plan"], {"rich", "pydantic"}),
        (["plan", "--wrong"], {"cryptography", "jsonschema", "yaml", "rich", "pydantic"}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_heavy_modules_are_imported_only_by_the_commands_that_use_them(
    tmp_path: Path, command: list[str], absent: set[str]
) -> None:
    if command[0] != "init":
        (tmp_path / "pki.yaml").write_text(SMALL)
    code = (
        f"import sys; sys.argv = ['edgecerts', *{command!r}]\n"
        "from edgecerts.cli.start import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print(*{name.partition('.')[0] for name in sys.modules}, file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert absent & set(done.stderr.splitlines()[-1].split()) == set()


def test_init_writes_a_manifest_that_applies_as_it_stands(tmp_path: Path) -> None:
    assert edgecerts("init", folder=tmp_path).returncode == 0
    assert edgecerts("validate", folder=tmp_path).returncode == 0
    done = edgecerts("apply", folder=tmp_path, EDGECERTS_CA_PASSWORD="correct horse battery")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "pki/ca/ca.pem").exists()


def test_init_never_writes_over_a_file(tmp_path: Path) -> None:
    (tmp_path / "pki.yaml").write_text("mine")
    done = edgecerts("init", folder=tmp_path)
    assert done.returncode == 1
    assert "exists already" in done.stderr
    assert (tmp_path / "pki.yaml").read_text() == "mine"


def test_validate_prints_every_mistake_with_its_position(project: Project) -> None:
    project.write(SMALL.replace("alt_names", "san").replace("10.3.0.11", "10.3.0.256"))
    result = project.run("validate")
    assert result.code == 1
    assert result.err == ""
    lines = result.out.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith(f"{project.manifest}:4:26: '10.3.0.256' is neither a host name nor an IP address; ")
    assert lines[1] == f"{project.manifest}:4:38: unknown key `san`; did you mean `alt_names`?"


@pytest.mark.parametrize("command", ["validate", "plan", "apply"])
def test_a_manifest_that_is_not_there_is_a_folder_or_is_not_a_file_is_a_clear_error(
    tmp_path: Path, command: str
) -> None:
    (tmp_path / "folder.yaml").mkdir()
    os.mkfifo(tmp_path / "pipe.yaml")
    for name, words in (
        ("none.yaml", "there is no none.yaml"),
        ("folder.yaml", "folder.yaml is a folder"),
        ("pipe.yaml", "pipe.yaml is not a plain file"),
        ("none.yaml/pki.yaml", "there is no"),
        ("folder.yaml/pki.yaml", "there is no"),
    ):
        done = edgecerts(command, "-f", name, folder=tmp_path)
        assert done.returncode == 1
        assert words in done.stderr
        assert "Traceback" not in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder.yaml", "pipe.yaml"]


def test_a_manifest_that_may_not_be_read_is_a_clear_error(tmp_path: Path) -> None:
    manifest = tmp_path / "pki.yaml"
    manifest.write_text(SMALL)
    manifest.chmod(0)
    # Everything is imported before, because an ordinary user may not even reach the folder of the tests.
    code = (
        "import os, sys, edgecerts.cli.validate, edgecerts.report.printable\n"
        "from edgecerts.cli.app import app\n"
        "from edgecerts.cli.exits import run\n"
        "if os.geteuid() == 0:\n    os.setgid(65534); os.setuid(65534)\n"
        "sys.exit(run(app, ['validate']))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == "edgecerts: pki.yaml cannot be read: Permission denied\n"


@pytest.mark.parametrize(
    "arguments",
    [[], ["--nonsense"], ["nonsense"], ["plan", "--format", "xml"], ["plan", "extra"], ["apply", "--yes"],
     ["schema", "nonsense"], ["plan", "-f"]],
    ids=" ".join,
)  # fmt: skip
def test_a_usage_error_exits_with_64(tmp_path: Path, arguments: list[str]) -> None:
    done = edgecerts(*arguments, folder=tmp_path)
    assert done.returncode == 64
    assert done.stdout == ""
    assert "Traceback" not in done.stderr


def test_results_go_to_standard_output_and_the_story_to_standard_error(tmp_path: Path) -> None:
    (tmp_path / "pki.yaml").write_text(SMALL.replace("Test CA}", "Test CA, password: {env: CA_PASSWORD}}"))
    done = edgecerts("apply", "--format", "json", folder=tmp_path, CA_PASSWORD="a long enough one")
    assert json.loads(done.stdout)["format_version"] == 1
    assert done.stderr == "needs the password for ca/private-key, from environment variable CA_PASSWORD\n"


@pytest.mark.parametrize("name", ["plan", "apply"])
def test_json_output_keeps_to_its_schema(project: Project, name: str) -> None:
    schema = json.loads(schema_text(name))
    jsonschema.Draft7Validator.check_schema(schema)
    validator = jsonschema.Draft7Validator(schema)
    project.write(SMALL.replace("MyEACM:", "MyEACM: {password: {command: [echo, secret]}}"))
    validator.validate(json.loads(project.run(name, "--format", "json").out))
    project.apply()
    (project.output / "brokers/plant-a/server.pem").write_text("damaged")
    project.write(
        SMALL.replace("MyEACM:", "MyEACM: {common_name: Another}")
        + "  line-4: {key_held: csr}\n  line-5: {key_held: csr}\n"
    )
    (project.folder / "requests").mkdir(exist_ok=True)
    (project.folder / "requests/line-5.csr").write_text("damaged")
    document = json.loads(project.run(name, "--format", "json").out)
    validator.validate(document)
    assert document["blocked"]
    assert document["waiting"]
    # A host that has sent nothing yet has a certificate that waits; its private key and ca.pem are not counted.
    assert sum(document["summary"].values()) == len(document["changes"]) - 2


def test_schema_prints_each_schema(tmp_path: Path) -> None:
    assert {"apply", "pki", "plan"} <= set(schema_names())
    assert edgecerts("schema", folder=tmp_path).stdout == schema_text("pki")
    for name in schema_names():
        assert edgecerts("schema", name, folder=tmp_path).stdout == schema_text(name)


def test_a_reader_that_has_had_enough_is_no_error(tmp_path: Path) -> None:
    clients = "".join(f"  c{number}:\n" for number in range(2000))
    (tmp_path / "pki.yaml").write_text(f"version: 1\nca: {{common_name: CA}}\nclients:\n{clients}")
    command = f"{sys.executable} -m edgecerts plan --format json; echo $? >&2"
    done = subprocess.run(["bash", "-c", f"({command}) | head -1"], cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout == "{\n"
    assert done.stderr == "0\n"


@pytest.mark.parametrize("stream", [">&-", ">/dev/full"])
def test_an_output_that_takes_nothing_is_no_bug(tmp_path: Path, stream: str) -> None:
    (tmp_path / "pki.yaml").write_text(SMALL)
    for command in ("plan", "apply"):
        line = f"{sys.executable} -m edgecerts {command} {stream}"
        done = subprocess.run(["bash", "-c", line], cwd=tmp_path, capture_output=True, text=True)
        assert "bug" not in done.stderr
        assert "Traceback" not in done.stderr
        assert done.returncode == (0 if stream == ">&-" else 1)
    assert (tmp_path / "pki/clients/MyEACM/client.pem").exists()


def test_colour_is_for_terminals_alone(tmp_path: Path) -> None:
    (tmp_path / "pki.yaml").write_text(SMALL)
    assert "\x1b[" not in edgecerts("plan", folder=tmp_path).stdout


def test_no_line_of_a_plan_is_wider_than_80_columns_in_a_pipe(tmp_path: Path) -> None:
    (tmp_path / "pki.yaml").write_text(SMALL)
    for command in ("plan", "apply", "plan"):
        lines = edgecerts(command, folder=tmp_path).stdout.splitlines()
        wide = [line for line in lines if len(line) > 80 and "sha256:" not in line]
        assert wide == []


@pytest.mark.parametrize("wanted", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_apply_exits_with_130_and_the_next_goes_on(tmp_path: Path, wanted: signal.Signals) -> None:
    clients = "".join(f"  c{number}: {{key_type: rsa-4096}}\n" for number in range(50))
    (tmp_path / "pki.yaml").write_text(f"version: 1\nca: {{common_name: CA}}\nclients:\n{clients}")
    process = subprocess.Popen([*PROGRAM, "apply"], cwd=tmp_path, stderr=subprocess.PIPE, stdout=subprocess.PIPE)
    deadline = time.monotonic() + 60
    # The clients come in one transaction after the authority's.
    while not (tmp_path / "pki/ca/ca.pem").exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(wanted)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert b"Traceback" not in err
    assert b"interrupted" in err
    authority = (tmp_path / "pki/ca/ca.pem").read_bytes()
    assert not (tmp_path / "pki/clients").exists()
    (tmp_path / "pki.yaml").write_text("version: 1\nca: {common_name: CA}\nclients: {c0: }\n")
    done = edgecerts("apply", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "pki/ca/ca.pem").read_bytes() == authority
    assert (tmp_path / "pki/clients/c0/client.pem").exists()


def test_a_bug_is_reported_by_kind_and_place_without_its_message(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(path: Path) -> int:
        raise RuntimeError("canary: a value that may be secret")

    monkeypatch.setattr("edgecerts.cli.validate.validate", broken)
    assert run(app, ["validate"]) == 1
    err = capsys.readouterr().err
    assert "this is a bug in edgecerts: RuntimeError at app.py:" in err
    assert "canary" not in err
    assert "Traceback" not in err


def test_a_terminals_encoding_that_lacks_a_letter_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "pki.yaml").write_text("version: 1\nca: {common_name: Zażółć CA}\n", encoding="utf-8")
    done = edgecerts("plan", folder=tmp_path, PYTHONIOENCODING="ascii")
    assert done.returncode == 0
    assert "\\u017c" in done.stdout


def test_a_file_name_that_a_terminal_would_obey_is_escaped(project: Project) -> None:
    project.write(SMALL)
    project.apply()
    folder = project.output / "clients" / os.fsdecode(b"\x1b[31m\xff")
    folder.mkdir()
    (folder / "client.pem").write_text("x")
    result = project.run("plan")
    assert "clients/\\x1b[31m\\udcff/client.pem" in result.out
    assert json.loads(project.run("plan", "--format", "json").out)["unmanaged"]


def test_every_hazard_can_be_allowed_by_its_name() -> None:
    """The command line has the names of its own, so that it starts without the planner."""
    assert [name.value for name in HazardName] == [code.value for code in HazardCode]
