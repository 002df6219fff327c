"""Fleets from inventories, through the commands: planned, made, renewed bit by bit, and shown by month."""

import hashlib
import json
import os
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from edgecerts.desired import build_graph
from edgecerts.desired.graph import RenewalRule
from edgecerts.desired.renewal import jitter_part
from edgecerts.manifest import parse_manifest
from edgecerts.pki.certificate_facts import parse_certificates
from edgecerts.status.build import _renews_from
from tests.conftest import NOW, Project

HEAD = "version: 1\nca: {common_name: Test CA}\n"
COUNT = 60


def fleet(project: Project, *, rows: str | None = None, head: str = "", item: str = "") -> None:
    """Writes a manifest of one inventory, by default of sixty clients."""
    names = "".join(f"gw-{number}\n" for number in range(COUNT)) if rows is None else rows
    (project.folder / "devices.csv").write_text(f"name\n{names}", encoding="utf-8")
    project.write(f"{HEAD}{head}clients_from: [{{csv: devices.csv{item}}}]\n")


def plan(project: Project, *arguments: str) -> dict[str, Any]:
    """A plan as JSON."""
    result = project.run("plan", "--format", "json", *arguments)
    assert result.code == 0, result.err
    document: dict[str, Any] = json.loads(result.out)
    return document


def pending(document: dict[str, Any]) -> dict[str, str]:
    """What a plan would do, by address."""
    return {change["address"]: change["action"] for change in document["changes"] if change["action"] != "no-op"}


def test_a_fleet_is_made_and_stays(project: Project) -> None:
    fleet(project, rows="gw-1\ngw-2\n")
    said = project.run("validate").out
    assert said == f"{project.manifest} is valid: 0 brokers and 2 clients (2 from devices.csv).\n"
    project.apply()
    assert {path.name for path in (project.output / "clients").iterdir()} == {"gw-1", "gw-2"}
    assert pending(plan(project)) == {}
    fleet(project, rows="gw-2\ngw-3\n")
    document = plan(project)
    assert set(pending(document)) == {f"client/gw-3/{part}" for part in ("private-key", "certificate", "trust")}
    assert all(path.startswith("clients/gw-1/") for path in document["unmanaged"])


def test_one_row_is_a_target(project: Project) -> None:
    fleet(project, rows="gw-1\ngw-2\n")
    found = pending(plan(project, "--target", "client/gw-2"))
    assert {address for address in found if address.startswith("client/")} == {
        f"client/gw-2/{part}" for part in ("private-key", "certificate", "trust")
    }


def test_mistakes_are_printed_with_the_place_of_the_inventory(project: Project) -> None:
    fleet(project, rows="gw 1\n")
    for command in ("validate", "plan", "status", "apply"):
        result = project.run(command)
        assert result.code == 1
        assert (result.out + result.err).startswith(f"{project.folder / 'devices.csv'}:2:1: 'gw 1' cannot be")


def test_an_inventory_that_changed_makes_a_saved_plan_stale(project: Project, tmp_path: Path) -> None:
    saved = str(tmp_path / "saved.json")
    fleet(project, rows="gw-1\ngw-2\n")
    assert project.run("plan", "--out", saved).code == 0
    fleet(project, rows="gw-1\ngw-3\n")
    result = project.run("apply", saved)
    assert result.code == 4
    assert "declared otherwise than it was then: client/gw-2" in result.err
    assert not (project.output / "clients").exists()


@pytest.mark.parametrize(
    ("rows", "code", "words"),
    [
        ("gw-1\n", 4, "declared otherwise than it was then: client/gw-2"),
        ("gw-1\ngw-2\ngw-3\n", 4, "though not in what this plan would change"),
        ("gw-1\n../gw-2\n", 1, "devices.csv:3:1: "),
        ("gw-1\ngw-1\n", 1, "devices.csv:3:1: "),
        (None, 1, "devices.csv"),
    ],
    ids=["a row less", "a row more", "a bad row", "a row twice", "no inventory"],
)
def test_whatever_becomes_of_a_row_after_a_plan_was_saved_is_told_and_nothing_is_made(
    project: Project, tmp_path: Path, rows: str | None, code: int, words: str
) -> None:
    saved = str(tmp_path / "saved.json")
    fleet(project, rows="gw-1\ngw-2\n")
    assert project.run("plan", "--out", saved).code == 0
    if rows is None:
        (project.folder / "devices.csv").unlink()
    else:
        fleet(project, rows=rows)
    result = project.run("apply", saved)
    assert result.code == code
    assert words in result.err
    assert "bug" not in result.err
    assert "Traceback" not in result.err
    assert not (project.output / "clients").exists()


def test_an_inventory_that_was_only_written_otherwise_keeps_a_saved_plan(project: Project, tmp_path: Path) -> None:
    saved = str(tmp_path / "saved.json")
    fleet(project, rows="gw-1\ngw-2\n")
    assert project.run("plan", "--out", saved).code == 0
    (project.folder / "devices.csv").write_bytes(b'\xef\xbb\xbf"name"\r\n\r\ngw-1\r\n"gw-2"\r\n')
    assert project.run("apply", saved).code == 0
    assert (project.output / "clients/gw-2/client.pem").exists()


OUTSIDE = "devices.csv is a symbolic link that leads out of the manifest's folder"


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("absent", "there is no "),
        ("folder", "devices.csv is a folder, and an inventory is a file; name the file itself"),
        ("pipe", "devices.csv is not a plain file, and an inventory is a file; name the file itself"),
        ("link outside", f"{OUTSIDE}; an inventory comes with the manifest; put the file itself there"),
        ("folder outside", "is a symbolic link that leads out of the manifest's folder"),
        ("loop", "devices.csv"),
    ],
)
def test_what_is_no_inventory_is_a_mistake(
    project: Project, tmp_path_factory: pytest.TempPathFactory, kind: str, words: str
) -> None:
    """Nothing of a file elsewhere is repeated: the manifest may be a stranger's."""
    fleet(project)
    file = project.folder / "devices.csv"
    file.unlink()
    outside = tmp_path_factory.mktemp("outside") / "secret.csv"
    outside.write_text("c4n4ry,c4n4ry\n", encoding="utf-8")
    match kind:
        case "folder":
            file.mkdir()
        case "pipe":
            os.mkfifo(file)
        case "link outside":
            file.symlink_to(outside)
        case "folder outside":
            (project.folder / "lists").symlink_to(outside.parent)
            project.write(f"{HEAD}clients_from: [{{csv: lists/secret.csv}}]\n")
        case "loop":
            file.symlink_to(file)
    result = project.run("plan")
    assert result.code == 1
    assert result.err.startswith(f"{project.manifest}:3:22: ")
    assert words in result.err
    assert "c4n4ry" not in result.err + result.out


def test_a_link_to_another_file_beside_the_manifest_is_fine(project: Project) -> None:
    fleet(project, rows="gw-1\n")
    (project.folder / "devices.csv").rename(project.folder / "export-7.csv")
    (project.folder / "devices.csv").symlink_to("export-7.csv")
    assert project.run("validate").code == 0


def test_the_manifest_itself_may_be_reached_by_a_link(
    project: Project, tmp_path_factory: pytest.TempPathFactory
) -> None:
    fleet(project, rows="gw-1\n")
    link = tmp_path_factory.mktemp("links") / "plant"
    link.symlink_to(project.folder)
    project.folder = link
    assert project.run("validate").code == 0


def test_the_part_of_an_identity_never_changes() -> None:
    """Docs promise it: another one would renew a whole fleet anew at an upgrade."""
    assert [round(jitter_part(f"client/gw-{number}"), 6) for number in range(3)] == PARTS
    digest = hashlib.sha256(b"client/gw-0").digest()
    assert jitter_part("client/gw-0") == int.from_bytes(digest[:4], "big") / 2**32


PARTS = [0.416933, 0.628191, 0.764797]


def test_parts_are_spread_evenly() -> None:
    tenths = Counter(int(jitter_part(f"client/device-{number}") * 10) for number in range(10_000))
    assert set(tenths) == set(range(10))
    assert all(900 < count < 1_100 for count in tenths.values())


@pytest.mark.parametrize(
    ("rule", "days"),
    [
        (RenewalRule(duration=timedelta(days=30)), 30),
        (RenewalRule(duration=timedelta(days=30), ahead_duration=timedelta(days=5)), 35),
        (RenewalRule(share=0.5, ahead_share=0.25), 75),
        (RenewalRule(duration=timedelta(days=365), share=0.1, ahead_duration=timedelta(days=1)), 11),
    ],
)
def test_a_window_begins_earlier_by_the_jitter(rule: RenewalRule, days: int) -> None:
    assert rule.window(timedelta(days=100)) == timedelta(days=days)


def moment(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("jitter", "longest"), [("30d", timedelta(days=30)), ("10%", timedelta(days=10))], ids=["duration", "share"]
)
def test_renewals_are_spread(project: Project, jitter: str, longest: timedelta) -> None:
    """Earlier than `renew_before` and never later, each by its own part; the plan and the status say the same."""
    fleet(project, head=f"defaults: {{validity: 100d, renew_before: 20d, renew_jitter: {jitter}}}\n")
    project.apply()
    status = json.loads(project.run("status", "--format", "json").out)
    rows = {row["address"]: row for row in status["identities"] if row["kind"] == "client"}
    due = {address: moment(row["renews_from"]) for address, row in rows.items()}
    latest = moment(rows["client/gw-0"]["not_after"]) - timedelta(days=20)
    for address, found in due.items():
        assert abs(latest - longest * jitter_part(address) - found) < timedelta(seconds=2)
    assert len(set(due.values())) == COUNT
    for day in (0, 10, 20, 30):
        at = latest - longest + timedelta(days=day)
        document = plan(project, "--at", at.strftime("%Y-%m-%dT%H:%M:%SZ"))
        renewed = {address.removesuffix("/certificate") for address in pending(document)}
        assert renewed == {address for address, found in due.items() if found <= at}
    assert len(renewed) == COUNT


def test_jitter_moves_dates_and_issues_nothing(project: Project) -> None:
    fleet(project, rows="gw-1\ngw-2\n")
    project.apply()
    fleet(project, rows="gw-1\ngw-2\n", head="defaults: {renew_jitter: 10%}\n")
    assert pending(plan(project)) == {}


def test_a_new_device_moves_nobody_elses_date(project: Project) -> None:
    fleet(project, rows="gw-1\ngw-2\n", head="defaults: {renew_jitter: 10%}\n")
    project.apply()

    def dates() -> dict[str, str]:
        rows = json.loads(project.run("status", "--format", "json").out)["identities"]
        return {row["address"]: row["renews_from"] for row in rows}

    before = dates()
    fleet(project, rows="gw-0\ngw-2\ngw-1\n", head="defaults: {renew_jitter: 10%}\n")
    after = dates()
    assert {address: after[address] for address in before} == before
    assert after["client/gw-0"] is None


def test_a_renewal_of_a_part_leaves_the_others(project: Project) -> None:
    fleet(project, head="defaults: {validity: 100d, renew_before: 20d, renew_jitter: 30d}\n")
    project.apply()
    before = project.files()
    project.now = NOW + timedelta(days=65)
    renewed = set(pending(plan(project)))
    assert 0 < len(renewed) < COUNT
    project.apply()
    changed = {path for path, content in project.files().items() if before.get(path) != content}
    assert {path for path in changed if path.startswith("clients/")} == {
        f"clients/{address.split('/')[1]}/client.pem" for address in renewed
    }
    assert pending(plan(project)) == {}


def test_a_large_fleet_is_shown_by_month(project: Project) -> None:
    fleet(project, head="defaults: {validity: 1y, renew_before: 90d, renew_jitter: 90d}\n")
    project.apply()
    lines = project.run("status").out.splitlines()
    start = lines.index("By month")
    shown = [line.split() for line in lines[start + 2 : lines.index("", start)]]
    months = json.loads(project.run("status", "--format", "json").out)["months"]
    assert [[month, int(ends), int(renewed)] for month, ends, renewed, *_ in shown] == [
        [month["month"], month["ends"], month["renewals"]] for month in months
    ]
    assert sum(month["ends"] for month in months) == sum(month["renewals"] for month in months) == COUNT + 1
    spread = {month["month"]: month["renewals"] for month in months if month["month"] < "2028"}
    assert set(spread) == {"2027-05", "2027-06", "2027-07", "2027-08", "2027-11"}
    bars = {line[0]: line[3].count("#") for line in shown if len(line) > 3}
    assert max(bars.values()) == 40


def test_what_is_due_counts_in_the_month_of_the_status(project: Project) -> None:
    fleet(project, rows="gw-1\n", head="defaults: {validity: 1y}\n")
    project.apply()
    months = json.loads(project.run("status", "--format", "json", "--at", "2028-03-01T00:00:00Z").out)["months"]
    assert months[:2] == [
        {"month": "2027-11", "ends": 1, "renewals": 0},
        {"month": "2028-03", "ends": 0, "renewals": 1},
    ]


def test_a_small_plant_is_not_shown_by_month(project: Project) -> None:
    fleet(project, rows="".join(f"gw-{number}\n" for number in range(39)))
    project.apply()
    assert "By month" not in project.run("status").out
    fleet(project, rows="".join(f"gw-{number}\n" for number in range(40)))
    assert "By month" in project.run("status").out


def test_a_certificate_that_ended_in_the_first_year_has_a_date_for_its_renewal(project: Project) -> None:
    fleet(project, rows="gw-1\n", head="defaults: {renew_before: 800d, validity: 825d}\n")
    project.apply()
    (facts,) = parse_certificates((project.output / "clients/gw-1/client.pem").read_bytes())
    ancient = replace(facts, not_before=datetime(1, 1, 1, tzinfo=UTC), not_after=datetime(1, 2, 1, tzinfo=UTC))
    graph = build_graph(parse_manifest(f"{HEAD}clients: {{gw-1: {{renew_before: 800d}}}}".encode(), source=""))
    assert _renews_from(graph.end_entities[0], ancient) == datetime(1, 1, 1, tzinfo=UTC)
