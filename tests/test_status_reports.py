"""What people and programs read of `edgecerts status`, compared whole.

`python -m tests.test_status_reports` writes the expected files in `golden_status/` again.
"""

import json
import os
import re
import shutil
import sys
import tempfile
from datetime import timedelta
from pathlib import Path

import jsonschema
import pytest

from edgecerts.apply import Run, run_apply
from edgecerts.apply.secrets import SecretSources
from edgecerts.desired import build_graph
from edgecerts.manifest import parse_manifest
from edgecerts.observed import scan
from edgecerts.plan import make_plan
from edgecerts.plan.model import ReasonCode
from edgecerts.report.status_json import render_status_json
from edgecerts.report.status_text import render_status_text
from edgecerts.report.style import Style
from edgecerts.report.table import Column, display_width, lay_out
from edgecerts.schemas import schema_text
from edgecerts.status.build import build_status
from edgecerts.status.model import IdentityState, KeyPlace, Status
from edgecerts.status.notices import FOLDER_FILES, FOLDER_FINDINGS, SHOWN
from edgecerts.status.tracked import RepositoryCode
from tests.conftest import NOW, SMALL, Project

GOLDEN = Path(__file__).parent / "golden_status"
DOCS = Path(__file__).parent.parent / "docs/status.md"

MANIFEST = """\
version: 1
defaults:
  subject: {country: US, organization: THIS_COMPANY INC}
ca:
  common_name: THIS_COMPANY Edge CA
  password: {env: EDGECERTS_CA_PASSWORD}
brokers:
  plant-a: {common_name: 10.3.0.11, alt_names: [broker.plant-a.example]}
  plant-b: {common_name: mqtt-b.example, key_type: rsa-2048}
clients:
  MyEACM:
  gone:
  short: {validity: 90d}
  delivered: {key_held: delivered}
  gateway-with-a-rather-long-name-on-line-4: {common_name: LINE4, validity: 9y}
"""
CHANGED = (
    MANIFEST.replace("[broker.plant-a.example]", "[broker.plant-a.example, 10.3.0.12]")
    .replace("  gone:\n", "  new:\n")
    .replace("  short:", "  request: {key_held: csr}\n  short:")
)


def look(folder: Path, text: str, *, days: int = 0, within: int | None = None) -> Status:
    graph = build_graph(parse_manifest(text.encode(), source="pki.yaml"))
    inventory = scan(graph, folder / "pki", manifest_folder=folder)
    now = NOW + timedelta(days=days)
    plan = make_plan(graph, inventory, now=now, manifest="pki.yaml")
    return build_status(graph, inventory, plan, now=now, within=timedelta(days=within) if within else None)


def apply(folder: Path, text: str) -> None:
    run_apply(
        Run(
            graph=build_graph(parse_manifest(text.encode(), source="pki.yaml")),
            manifest="pki.yaml",
            manifest_folder=folder,
            output=folder / "pki",
            now=NOW,
            sources=SecretSources(folder=folder, environ={"EDGECERTS_CA_PASSWORD": "a long enough one"}),
            job="user@host",
            on_plan=lambda plan: None,
        )
    )


def reports(folder: Path) -> dict[str, str]:
    """Every golden file's content, made in an empty folder."""

    def text(status: Status, *, width: int = 80, colour: bool = False) -> str:
        return render_status_text(status, style=Style(width=width, colour=colour), output="pki")

    first = look(folder, MANIFEST)
    apply(folder, MANIFEST)
    settled = look(folder, MANIFEST)
    (folder / "pki/clients/MyEACM/client.key").unlink()
    (folder / "pki/clients/delivered/client.key").unlink()
    (folder / "pki/brokers/plant-b/server.key").chmod(0o644)
    mixed = look(folder, CHANGED, days=89, within=800)
    texts = {
        "status_first.txt": text(first),
        "status_settled.txt": text(settled),
        "status_settled_100_columns.txt": text(settled, width=100),
        "status_mixed.txt": text(mixed),
        "status_mixed_colour.txt": text(mixed, colour=True),
        "status_mixed_40_columns.txt": text(mixed, width=40),
        "status_mixed.json": render_status_json(mixed),
    }
    return {name: re.sub(r"\b[0-9a-f]{8}(?:[0-9a-f]{32})?\b", _placeholder, text) for name, text in texts.items()}


def _placeholder(digits: re.Match[str]) -> str:
    """Serial numbers differ from run to run, but not in length."""
    return ("0123456789abcdef" * 3)[: len(digits[0])]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return reports(tmp_path_factory.mktemp("reports"))


@pytest.mark.parametrize("name", sorted(path.name for path in GOLDEN.iterdir()))
def test_a_status_is_as_expected(written: dict[str, str], name: str) -> None:
    assert written[name] == (GOLDEN / name).read_text(encoding="utf-8")


def test_every_status_has_an_expected_file(written: dict[str, str]) -> None:
    assert set(written) == {path.name for path in GOLDEN.iterdir()}


def test_no_line_is_too_wide_and_none_ends_in_a_space(written: dict[str, str]) -> None:
    for name, text in written.items():
        if name.endswith(".txt") and "colour" not in name:
            width = int(found[1]) if (found := re.search(r"_(\d+)_columns", name)) else 80
            # The first line stays one, however narrow the terminal.
            for line in text.splitlines()[1:]:
                # A word that is longer than a line is not cut, so that it can be copied.
                assert len(line) <= width or len(line.split()[-1]) > width - 12, (name, line)
                assert line == line.rstrip(), (name, line)


def test_colour_changes_nothing_but_the_colour(written: dict[str, str]) -> None:
    assert "\x1b[" in written["status_mixed_colour.txt"]
    assert re.sub(r"\x1b\[\d+m", "", written["status_mixed_colour.txt"]) == written["status_mixed.txt"]


def test_there_is_no_colour_without_a_terminal(project: Project) -> None:
    project.write(SMALL)
    assert "\x1b[" not in project.run("status").out


def test_the_json_keeps_to_its_schema(written: dict[str, str]) -> None:
    schema = json.loads(schema_text("status"))
    jsonschema.Draft7Validator.check_schema(schema)
    jsonschema.Draft7Validator(schema).validate(json.loads(written["status_mixed.json"]))
    assert schema["definitions"]["state"]["enum"] == [state.value for state in IdentityState]
    assert schema["definitions"]["identity"]["properties"]["key"]["enum"] == [place.value for place in KeyPlace]


def test_the_same_facts_give_the_same_status(tmp_path: Path) -> None:
    apply(tmp_path, MANIFEST)
    assert look(tmp_path, CHANGED, within=800) == look(tmp_path, CHANGED, within=800)
    graph = build_graph(parse_manifest(CHANGED.encode(), source="pki.yaml"))
    inventory = scan(graph, tmp_path / "pki", manifest_folder=tmp_path)
    plan = make_plan(graph, inventory, now=NOW, manifest="pki.yaml")
    shutil.rmtree(tmp_path / "pki")
    first, second = (build_status(graph, inventory, plan, now=NOW) for _ in range(2))
    assert first == second
    assert first.summary["missing"] == 1


def test_thousands_of_identities_are_counted_and_the_worst_are_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Nothing here is about durability, and a busy disk takes a minute for that many files.
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    text = "version: 1\nca: {common_name: CA}\nclients:\n" + "".join(f"  c{number}:\n" for number in range(3000))
    apply(tmp_path, text)
    for number in (1500, 2900):
        (tmp_path / f"pki/clients/c{number}/client.pem").write_text("nonsense")
    for number in range(2000, 2100):
        (tmp_path / f"pki/clients/c{number}/client.key").unlink()
    status = look(tmp_path, text)
    lines = render_status_text(status, style=Style(), output="pki").splitlines()
    assert len(lines) < 300
    assert [line.split()[1] for line in lines[4:6]] == ["client/c1500", "client/c2900"]
    assert "  ... and 2,961 more: 62 keyless, 2,899 ok; --format json has them all" in lines
    assert "  ... and 62 more; --format json has them all" in lines
    assert lines[-1] == "102 findings: 2 damaged, 100 keyless; 2,899 ok."
    assert len(json.loads(render_status_json(status))["identities"]) == 3001


def test_a_table_fits_whatever_its_names_are() -> None:
    columns = (Column(title="NAME", least=8), Column(title="DAYS", rank=1, right=True), Column(title="STATE"))
    rows = [("x" * 50, "1", "ok"), ("界" * 20, "22", "ok"), ("e\u0301" * 30, "3", "missing")]
    for width in (18, 25, 40, 200):
        lines = ["".join(cells) for cells in lay_out(columns, rows, width)]
        assert max(map(display_width, lines)) <= width
        assert len({display_width(line.rpartition(" ")[0]) for line in lines}) == 1
    assert [display_width(text) for text in ("abc", "界", "e\u0301", "é")] == [3, 2, 1, 1]
    wide = ["".join(cells) for cells in lay_out(columns, [("abc", "1", "ok")], 17)]
    assert wide == ["NAME  DAYS  STATE", "abc      1  ok"]
    assert next("".join(cells) for cells in lay_out(columns, [("abc", "1", "ok")], 16)) == "NAME DAYS STATE"
    narrow = ["".join(cells) for cells in lay_out(columns, rows[:1], 16)]
    assert narrow == ["NAME       STATE", "xxxx..xxxx ok"]


def test_every_word_is_described() -> None:
    text = DOCS.read_text(encoding="utf-8")
    described = re.findall(r"^\| `([a-z-]+)` \|.*\| (yes|no) \|$", text, re.M)
    assert described == [(state.value, "yes" if state.is_finding else "no") for state in IdentityState]
    keys = text.partition("## Keys")[2].partition("## ")[0]
    assert re.findall(r"^\| `([a-z-]+)`", keys, re.M) == [place.value for place in KeyPlace]


def test_every_code_about_the_folder_is_described() -> None:
    about = DOCS.read_text(encoding="utf-8").partition("## The folder")[2].partition("\n## ")[0]
    described = {code for row in re.findall(r"^\| (`.*?) \|", about, re.M) for code in re.findall(r"`([a-z-]+)`", row)}
    own = {FOLDER_FILES, ReasonCode.NOT_IN_LOG.value}
    assert described == {*FOLDER_FINDINGS, *SHOWN, *(code.value for code in RepositoryCode), *own}


def test_the_sample_in_the_documentation_is_what_is_printed(project: Project) -> None:
    project.write(SMALL.replace("Test CA", "Plant CA").replace("MyEACM:", "MyEACM: {validity: 110d}"))
    project.apply()
    printed = project.run("status", "--within", "120d").out
    printed = printed.replace(str(project.manifest), "pki.yaml").replace(str(project.output), "pki")
    sample = re.findall(r"^```text\n(.*?)^```$", DOCS.read_text(encoding="utf-8"), re.M | re.S)[0]

    def plain(text: str) -> list[str]:
        return re.sub(r"\b[0-9a-f]{8}\b", "SERIAL", text).split()

    assert plain(printed) == plain(sample)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        for name, text in reports(Path(folder)).items():
            (GOLDEN / name).write_text(text, encoding="utf-8")
    sys.stdout.write(f"wrote {len(list(GOLDEN.iterdir()))} files\n")
