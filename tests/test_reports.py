"""What people and programs read, compared whole. `python -m tests.test_reports` writes the expected files again."""

import json
import re
import shutil
import sys
import tempfile
from datetime import timedelta
from pathlib import Path

import pytest

from edgecerts.apply import Run, run_apply
from edgecerts.apply.report import ApplyReport
from edgecerts.apply.secrets import SecretSources
from edgecerts.desired import build_graph
from edgecerts.manifest import parse_manifest
from edgecerts.observed import scan
from edgecerts.plan import make_plan
from edgecerts.plan.model import Plan
from edgecerts.report.apply_json import render_apply_json
from edgecerts.report.apply_text import render_apply_text
from edgecerts.report.plan_json import render_plan_json
from edgecerts.report.plan_text import render_plan_text
from edgecerts.report.style import Style
from tests.conftest import NOW

GOLDEN = Path(__file__).parent / "golden"

MANIFEST = """\
version: 1
defaults:
  subject: {country: US, organization: THIS_COMPANY INC}
ca:
  common_name: THIS_COMPANY Edge CA
  password: {env: EDGECERTS_CA_PASSWORD}
brokers:
  plant-a: {common_name: 10.3.0.11, alt_names: [broker.plant-a.example]}
  plant-b: {common_name: mqtt_b.example, key_type: ed25519}
clients:
  MyEACM:
  gateway-with-a-rather-long-name-on-line-4: {common_name: LINE4, validity: 20y}
"""

CHANGED = (
    MANIFEST.replace("[broker.plant-a.example]", "[broker.plant-a.example, 10.3.0.12]")
    .replace("  MyEACM:\n", "  MyEACM: {subject: {organization: ACME}}\n  new:\n")
    .replace("  plant-b: {common_name: mqtt_b.example, key_type: ed25519}\n", "")
)


def look(folder: Path, text: str, *, days: int = 0) -> Plan:
    graph = build_graph(parse_manifest(text.encode(), source="pki.yaml"))
    inventory = scan(graph, folder / "pki", manifest_folder=folder)
    return make_plan(graph, inventory, now=NOW + timedelta(days=days), manifest="pki.yaml")


def apply(folder: Path, text: str) -> ApplyReport:
    return run_apply(
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
    style, colours = Style(), Style(colour=True)
    first = look(folder, MANIFEST)
    applied = apply(folder, MANIFEST)
    settled = look(folder, MANIFEST)
    shutil.rmtree(folder / "pki/clients/MyEACM")
    (folder / "pki/brokers/plant-a/server.key").chmod(0o644)
    mixed = look(folder, CHANGED)
    mixed_report = apply(folder, CHANGED)
    texts = {
        "plan_first.txt": render_plan_text(first, style=style, output="pki"),
        "plan_first_colour.txt": render_plan_text(first, style=colours, output="pki"),
        "plan_first.json": render_plan_json(first),
        "plan_settled.txt": render_plan_text(settled, style=style, output="pki"),
        "plan_mixed.txt": render_plan_text(mixed, style=style, output="pki"),
        "plan_mixed_40_columns.txt": render_plan_text(mixed, style=Style(width=40), output="pki"),
        "plan_mixed.json": render_plan_json(mixed),
        "apply_first.txt": render_apply_text(applied, style=style, output="pki"),
        "apply_first.json": render_apply_json(applied),
        "apply_mixed.txt": render_apply_text(mixed_report, style=style, output="pki"),
    }
    return {name: re.sub(r"[0-9a-f]{40}([0-9a-f]{24})?", _placeholder, text) for name, text in texts.items()}


def _placeholder(digits: re.Match[str]) -> str:
    """Digests, key identifiers and serial numbers differ from run to run, but not in length."""
    return ("0123456789abcdef" * 4)[: len(digits[0])]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return reports(tmp_path_factory.mktemp("reports"))


@pytest.mark.parametrize("name", sorted(path.name for path in GOLDEN.iterdir()))
def test_a_report_is_as_expected(written: dict[str, str], name: str) -> None:
    assert written[name] == (GOLDEN / name).read_text(encoding="utf-8")


def test_every_report_has_an_expected_file(written: dict[str, str]) -> None:
    assert set(written) == {path.name for path in GOLDEN.iterdir()}


def test_no_line_is_too_wide_and_none_ends_in_a_space(written: dict[str, str]) -> None:
    for name, text in written.items():
        if name.endswith(".txt") and "colour" not in name and "40" not in name:
            for line in text.splitlines():
                assert len(line) <= 80 or "sha256:" in line, (name, line)
                assert line == line.rstrip(), (name, line)


def test_a_large_plan_is_counted_and_not_poured_out(tmp_path: Path) -> None:
    clients = "".join(f"  c{number}:\n" for number in range(3000))
    plan = look(tmp_path, f"version: 1\nca: {{common_name: CA}}\nclients:\n{clients}")
    text = render_plan_text(plan, style=Style(), output="pki")
    assert len(text.splitlines()) < 250
    assert "... and 2,962 more; --format json has them all" in text
    assert text.endswith("Plan: 9,005 to create, 0 unchanged, 0 blocked.\n")
    assert len(json.loads(render_plan_json(plan))["changes"]) == 9005


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        for name, text in reports(Path(folder)).items():
            (GOLDEN / name).write_text(text, encoding="utf-8")
    sys.stdout.write(f"wrote {len(list(GOLDEN.iterdir()))} files\n")
