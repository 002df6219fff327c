"""The documentation, held against the program: what it lists, prints, links to and tells people to write."""

import enum
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import typer

from edgecerts.adoption.findings import FindingCode
from edgecerts.adoption.material import LeftOutCode
from edgecerts.apply.report import Status
from edgecerts.apply.secrets import COMMAND_SECONDS, MAX_SECRET_BYTES
from edgecerts.cli.app import app
from edgecerts.cli.exits import run
from edgecerts.cli.options import SchemaName
from edgecerts.errors import ExitCode
from edgecerts.manifest import parse_manifest
from edgecerts.observed.issuance_log import LINES, format_log_entry, parse_log_line
from edgecerts.pki.profiles import CA_PASSWORD_LENGTH, KDF_ROUNDS
from edgecerts.plan.certificate_checks import LIFETIME_TOLERANCE
from edgecerts.plan.model import Action, BlockCode, HazardCode, NoticeCode, ReasonCode
from edgecerts.plan.waiting import WaitingCode
from edgecerts.report.plan_markdown import MAX_LENGTH
from edgecerts.requests.model import RequestNotice
from edgecerts.schemas import schema_text
from edgecerts.status.history import Standing
from tests.conftest import Project

ROOT = Path(__file__).parent.parent
PAGES = sorted(path.relative_to(ROOT).as_posix() for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")))

SETUP_AND_RUN = (
    "python3 -m venv .venv && .venv/bin/pip install -q -e . && .venv/bin/edgecerts apply -f examples/pki.yaml"
)
SETUP_AND_TEST = "python3 -m venv .venv && .venv/bin/pip install -q -e '.[dev]' && .venv/bin/pytest -q"
CUT = "..."


def read(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def blocks(text: str, language: str) -> list[str]:
    """The contents of the fenced blocks of a language, in order."""
    return [block[1] for block in re.findall(r"^```(\w*)\n(.*?)^```$", text, re.M | re.S) if block[0] == language]


def without_blocks(text: str) -> str:
    return re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S)


def section(text: str, title: str) -> str:
    """What stands below a heading of the second level, up to the next one."""
    parts = re.split(r"^## (.*)$", text, flags=re.M)
    found = dict(zip(parts[1::2], parts[2::2], strict=True))
    assert title in found, f"there is no section '{title}'"
    return found[title]


def rows(text: str) -> list[list[str]]:
    """The rows of all tables, without their headings."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    heads = {index for index, line in enumerate(lines) if index + 1 < len(lines) and lines[index + 1].startswith("|--")}
    body = [line for index, line in enumerate(lines) if index not in heads and not line.startswith("|--")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in body]


def codes(text: str) -> list[str]:
    """Everything between back quotes in the first column of the tables."""
    return [code for row in rows(text) for code in re.findall(r"`([^`]+)`", row[0])]


def values(kind: type[enum.Enum]) -> list[str]:
    return [str(member.value) for member in kind]


def commands() -> dict[str, list[Any]]:
    """The parameters of every command that is shown in the help."""
    group: Any = typer.main.get_command(app)
    return {name: command.params for name, command in group.commands.items() if not command.hidden}


def options(parameters: Iterable[Any]) -> list[str]:
    shown = (parameter for parameter in parameters if not getattr(parameter, "hidden", False))
    return [option for parameter in shown for option in parameter.opts if option.startswith("-")]


def slugs(text: str) -> set[str]:
    """The anchors of a page's headings, as code forges make them."""
    titles = re.findall(r"^#+ (.*)$", without_blocks(text), re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def comparable(line: str) -> str:
    """A line without what differs between two runs: dates and digests."""
    line = re.sub(r"\b\d{4}-\d{2}-\d{2}\b", "DATE", line)
    return re.sub(r"\bsha256:[0-9a-f]{64}\b", "DIGEST", line).rstrip()


def position_of(part: list[str], lines: list[str], start: int) -> int:
    """Where the lines of `part` stand in `lines` without a gap, at `start` or later."""
    for index in range(start, len(lines) - len(part) + 1):
        if lines[index : index + len(part)] == part:
            return index
    raise AssertionError("not printed in this place:\n" + "\n".join(part))


def assert_shortened(shown: str, printed: str) -> None:
    """`shown` is `printed`, with lines left out only where it has a line of dots."""
    lines = [comparable(line) for line in printed.splitlines()]
    parts: list[list[str]] = [[]]
    for line in map(comparable, shown.splitlines()):
        if line.strip() == CUT:
            parts.append([])
        else:
            parts[-1].append(line)
    end = 0
    for index, part in enumerate(parts):
        begin = position_of(part, lines, end)
        assert begin == end or index > 0, "lines are left out at the beginning"
        end = begin + len(part)
    assert end == len(lines) or not parts[-1], "lines are left out at the end"


@pytest.fixture
def example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> str:
    """What the README's command prints, run where a checkout's example is; the current folder is that one."""
    (tmp_path / "examples").mkdir()
    (tmp_path / "examples/pki.yaml").write_text(read("examples/pki.yaml"), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert run(app, ["apply", "-f", "examples/pki.yaml"]) == 0
    return capsys.readouterr().out


def test_the_readme_begins_with_the_two_commands_of_a_checkout() -> None:
    assert [block.strip() for block in blocks(read("README.md"), "sh")][:2] == [SETUP_AND_RUN, SETUP_AND_TEST]
    assert all(block.count("\n") == 1 for block in blocks(read("README.md"), "sh")[:2])


def test_the_readme_shows_what_its_command_prints(example: str) -> None:
    assert_shortened(blocks(read("README.md"), "text")[0], example)


def test_the_readme_says_what_a_second_run_prints(example: str, capsys: pytest.CaptureFixture[str]) -> None:
    del example
    assert run(app, ["apply", "-f", "examples/pki.yaml"]) == 0
    assert f"`{capsys.readouterr().out.strip()}`" in read("README.md")


def test_the_readme_shows_the_files_that_are_made(example: str) -> None:
    del example
    head, *branches = blocks(read("README.md"), "text")[1].splitlines()
    root = Path(head.strip())
    shown: list[str] = []
    folders: list[str] = []
    for branch in branches:
        found = re.match(r"((?:│   |    )*)[├└]── (\S+)", branch)
        assert found is not None, branch
        del folders[len(found[1]) // 4 :]
        shown.append("".join(folders) + found[2])
        if found[2].endswith("/"):
            folders.append(found[2])
    made = {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}
    assert all((root / path).exists() for path in shown)
    whole = tuple(path for path in shown if not any(other.startswith(path) and other != path for other in shown))
    assert {path for path in made if not path.startswith(whole)} == set()


def test_the_smallest_manifest_has_the_lines_that_the_readme_says() -> None:
    assert "Five lines are enough" in read("README.md")
    assert len(blocks(read("README.md"), "yaml")[0].splitlines()) == 5


def test_the_sample_of_a_plan_is_what_is_printed(project: Project) -> None:
    manifest = blocks(read("README.md"), "yaml")[0]
    project.write(manifest)
    project.apply()
    project.write(manifest.replace("10.3.0.11", "10.3.0.12"))
    sample = blocks(read("docs/plan.md"), "text")[0]
    assert_shortened(f"{CUT}\n{sample}{CUT}\n", project.run("plan").out)


def whole_manifests() -> Iterator[tuple[str, str]]:
    for page in PAGES:
        for number, block in enumerate(blocks(read(page), "yaml")):
            if re.search(r"^version:", block, re.M):
                yield f"{page}#{number}", block


def test_there_are_manifests_in_the_documentation() -> None:
    found = {place.partition("#")[0] for place, _ in whole_manifests()}
    assert found >= {"README.md", "docs/from-openssl.md", "docs/mosquitto.md", "docs/autosol.md"}


@pytest.mark.parametrize(("place", "text"), list(whole_manifests()))
def test_a_manifest_in_the_documentation_is_valid(place: str, text: str) -> None:
    inventories = [block.encode() for block in blocks(read(place.partition("#")[0]), "csv")]
    parse_manifest(text.encode(), source=place, read_beside=lambda _name, _kind: inventories.pop(0))


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    folder = (ROOT / page).parent
    for link in re.findall(r"\]\(([^)\s]+)\)", without_blocks(read(page))):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = folder / path if path else ROOT / page
        assert target.exists(), f"{page} links to {link}"
        if anchor:
            assert anchor in slugs(target.read_text(encoding="utf-8")), f"{page} links to {link}"


def test_every_command_is_described() -> None:
    text = read("docs/cli.md")
    titles = re.findall(r"^## edgecerts (\S+)$", text, re.M)
    assert titles == list(commands())
    assert codes(text.partition("\n## ")[0]) == list(commands())
    assert all(option in text.partition("\n## ")[0] for option in ("--version", "-h", "--help"))


@pytest.mark.parametrize("command", list(commands()))
def test_every_option_of_a_command_is_described(command: str) -> None:
    described = codes(section(read("docs/cli.md"), f"edgecerts {command}"))
    assert [code for code in described if code.startswith("-")] == options(commands()[command])


def test_every_published_schema_is_described() -> None:
    assert codes(section(read("docs/cli.md"), "edgecerts schema")) == values(SchemaName)
    for name in SchemaName:
        assert json.loads(schema_text(name.value))


def test_every_exit_code_is_described() -> None:
    described = [row[0] for row in rows(section(read("docs/cli.md"), "Exit codes"))]
    assert described == [str(code.value) for code in ExitCode]


@pytest.mark.parametrize(
    ("title", "kind"),
    [
        ("Actions", Action),
        ("Reasons", ReasonCode),
        ("Hazards", HazardCode),
        ("Blocks", BlockCode),
        ("Waiting", WaitingCode),
        ("Notices", NoticeCode),
    ],
)
def test_every_code_of_a_plan_is_described(title: str, kind: type[enum.Enum]) -> None:
    assert codes(section(read("docs/plan.md"), title)) == values(kind)


@pytest.mark.parametrize(("title", "kind"), [("What may be wrong", FindingCode), ("What is left out", LeftOutCode)])
def test_every_code_of_an_import_is_described(title: str, kind: type[enum.Enum]) -> None:
    assert codes(section(read("docs/adopt.md"), title)) == values(kind)


def test_every_notice_of_a_request_is_described() -> None:
    described = codes(section(read("docs/cli.md"), "edgecerts request"))
    assert [code for code in described if not code.startswith("-")] == values(RequestNotice)


def test_the_modules_of_the_planner_are_those_of_the_code() -> None:
    described = set(codes(section(read("docs/architecture.md"), "The planner"))) - {"plan/"}
    assert described <= {path.stem for path in (ROOT / "edgecerts/plan").glob("*.py")}
    assert len(described) >= 15


def test_the_length_of_a_comment_is_that_of_the_code() -> None:
    assert f"below {MAX_LENGTH:,} characters" in read("docs/plan.md")


def test_a_line_of_the_log_is_as_described() -> None:
    text = section(read("docs/log.md"), "A line")
    (sample,) = blocks(text, "json")
    entry = parse_log_line(sample.replace("\n", ""))
    assert entry is not None
    assert format_log_entry(entry).strip() == re.sub(r"\n *", " ", sample).strip()
    assert codes(text) == [*LINES[0][:-1], "revokes", "check"]


def test_every_state_of_a_history_is_described() -> None:
    assert codes(section(read("docs/log.md"), "What was issued to an identity")) == values(Standing)


def test_every_symbol_of_a_plan_is_described() -> None:
    described = [row[1].strip("`") for row in rows(section(read("docs/plan.md"), "Actions"))]
    assert described == [action.symbol.strip() or "(none)" for action in Action]


def test_the_json_of_a_plan_is_as_described() -> None:
    text = section(read("docs/plan.md"), "JSON")
    (document,) = (json.loads(block) for block in blocks(text, "json"))
    jsonschema.validate(document, json.loads(schema_text("plan")))
    assert set(codes(text)) == set(document)
    assert all(f"`{status}`" in text for status in Status)
    added = set(json.loads(schema_text("apply"))["properties"]) - set(document)
    assert all(f"`{field}`" in text for field in added)


def test_numbers_in_the_documentation_are_those_of_the_code() -> None:
    cli = read("docs/cli.md")
    assert f"at most {COMMAND_SECONDS} seconds" in cli
    assert f"at least {CA_PASSWORD_LENGTH} characters" in cli
    assert f"at most {MAX_SECRET_BYTES:,} bytes" in cli
    assert f"at least {CA_PASSWORD_LENGTH} characters" in read("README.md")
    assert f"{LIFETIME_TOLERANCE.total_seconds() / 3600:.0f} hours" in read("docs/plan.md")
    for page in ("README.md", "docs/architecture.md", "CHANGELOG.md"):
        assert f"{KDF_ROUNDS:,} rounds" in read(page) or f"asks for {KDF_ROUNDS:,}" in read(page), page


def test_the_subjects_of_the_openssl_commands_are_those_of_their_manifest() -> None:
    text = read("docs/from-openssl.md")
    manifest = parse_manifest(blocks(text, "yaml")[0].encode(), source="from-openssl.md")
    subjects = [entity.subject for entity in manifest.authorities]
    subjects += [entity.subject for entity in manifest.brokers + manifest.clients]
    typed = [dict(part.split("=") for part in given.split("/")) for given in re.findall(r'-subj "/([^"]+)"', text)]
    short = ("C", "ST", "L", "O", "OU", "CN", "emailAddress")
    fields = ("country", "state", "locality", "organization", "organizational_unit", "common_name", "email")
    assert typed == [
        {name: value for name, field in zip(short, fields, strict=True) if (value := getattr(subject, field))}
        for subject in subjects
    ]


def test_the_files_that_mosquitto_is_given_exist(project: Project) -> None:
    text = read("docs/mosquitto.md")
    project.write(blocks(text, "yaml")[0])
    project.apply()
    configured = re.findall(r"^(?:cafile|certfile|keyfile) /etc/mosquitto/certs/(\S+)$", text, re.M)
    installed = re.findall(r" plant-a/(\S+)", "".join(blocks(text, "bash")))
    used = re.findall(r"--?(?:cafile|CAfile|cert|key) gateway-1/(\S+)", text)
    assert set(configured) == set(installed)
    assert {path.name for path in (project.output / "brokers/plant-a").iterdir()} == set(installed)
    assert {path.name for path in (project.output / "clients/gateway-1").iterdir()} == set(used)


def test_the_files_that_autosol_products_are_given_exist(project: Project) -> None:
    text = read("docs/autosol.md")
    named = set(re.findall(r"`(\S+\.(?:pem|key))`", text))
    manifest = blocks(text, "yaml")[0]
    project.write(manifest.replace("password: {env: EDGECERTS_CA_PASSWORD}", "validity: 10y"))
    project.apply()
    assert named == {path.name for path in (project.output / "clients/MyEACM").iterdir()}
