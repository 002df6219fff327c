"""docs/fleets.md, carried out: its inventory, what is printed for it, and the numbers that it names."""

import csv
import io
import re
from datetime import UTC, datetime, timedelta

import pytest

from edgecerts.desired import build_graph
from edgecerts.desired.graph import Identity, IdentityKind
from edgecerts.desired.renewal import jitter_part
from edgecerts.manifest.files_beside import INVENTORY
from edgecerts.manifest.inventory_columns import columns_of
from edgecerts.manifest.inventory_rows import MOST_ENTRIES, MOST_MISTAKES
from edgecerts.manifest.model import EndEntityKind
from edgecerts.plan.model import rfc3339
from edgecerts.report.month_lines import month_lines
from edgecerts.report.style import Style
from edgecerts.status.model import CertificateSummary, IdentityState, KeyPlace, Status, StatusRow
from tests.conftest import NOW, Project
from tests.inventory_cases import MANIFEST, parse, problems
from tests.test_docs import ROOT, blocks, read, section

PAGE = "docs/fleets.md"


def example() -> dict[str, bytes]:
    """The files of the example."""
    text = section(read(PAGE), "An example")
    return {MANIFEST: blocks(text, "yaml")[0].encode(), "devices.csv": blocks(text, "csv")[0].encode()}


@pytest.fixture
def plant(project: Project) -> Project:
    for name, data in example().items():
        (project.folder / name).write_bytes(data)
    return project


def test_the_example_is_valid_and_said_to_be(plant: Project) -> None:
    (said,) = (block for block in blocks(read(PAGE), "text") if "is valid" in block)
    assert plant.run("validate").out == said.replace("pki.yaml", str(plant.manifest))


def test_the_entry_that_is_shown_is_the_row() -> None:
    entry = blocks(section(read(PAGE), "An example"), "yaml")[1]
    typed = build_graph(parse({MANIFEST: f"version: 1\nca: {{common_name: X}}\n{entry}".encode()}))
    listed = {identity.address: identity for identity in build_graph(parse(example())).end_entities}
    assert listed["client/gw-0001"] == typed.end_entities[0]


def test_the_example_is_made(plant: Project) -> None:
    plant.apply()
    assert (plant.output / "clients/gw-0001/client.pem").exists()
    assert plant.run("plan").out.endswith("\nNothing to do: 20 files as declared.\n")


def test_renewals_of_the_example_come_when_the_page_says(plant: Project) -> None:
    """Between 180 and 120 days before the end."""
    identities: list[Identity] = list(build_graph(parse(example())).end_entities)
    for identity in identities:
        if identity.kind is IdentityKind.CLIENT and identity.address != "client/MyEACM":
            window = identity.certificate.renewal.window(timedelta(days=730))
            assert timedelta(days=120) <= window < timedelta(days=180)
    assert f"`client/gw-0` has {jitter_part('client/gw-0'):.6f}" in read(PAGE)
    del plant


def test_mistakes_are_printed_as_shown() -> None:
    shown = next(block for block in blocks(read(PAGE), "text") if "devices.csv:" in block)
    assert problems("name,common_name,subject.country\ngw-0001,x1,us\n\ngw-0001,x2,\n") == shown.splitlines()


def test_the_limits_are_those_of_the_code() -> None:
    text = read(PAGE)
    assert f"at most {INVENTORY.limit // 1024**2} MiB" in text
    assert f"at most {MOST_ENTRIES:,} rows" in text
    assert f"After {MOST_MISTAKES:,} in one inventory" in text


def test_the_columns_that_the_page_names_are_columns() -> None:
    known = {*columns_of(EndEntityKind.CLIENT), *columns_of(EndEntityKind.BROKER)}
    named = re.findall(r"`((?:subject|password)\.\w+)`", read(PAGE))
    assert set(named) <= known
    assert len(named) > 5


def test_the_example_of_the_repository_is_valid() -> None:
    folder = ROOT / "examples/fleet"
    files = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    rows = list(csv.DictReader(io.StringIO(files["devices.csv"].decode())))
    assert [client.name for client in parse(files).clients] == [row["name"] for row in rows]
    assert "/examples/fleet/pki/" in (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()


def row(address: str, ends: datetime, window: timedelta) -> StatusRow:
    """A row of a status of which only the dates matter."""
    certificate = CertificateSummary(
        issuer="",
        key_type="",
        serial="",
        not_before=NOW,
        not_after=ends,
        days_left=(ends - NOW).days,
        renews_from=ends - window,
    )
    return StatusRow(
        address=address,
        kind=IdentityKind.CLIENT,
        common_name="",
        state=IdentityState.OK,
        key=KeyPlace.HERE,
        certificate=certificate,
        reasons=(),
        remarks=(),
        hint=None,
    )


def status(rows: list[StatusRow]) -> Status:
    return Status(
        created_at=NOW,
        manifest="pki.yaml",
        within=None,
        fail_on=frozenset(),
        rows=tuple(rows),
        folder=(),
        notices=(),
        unmanaged=(),
    )


def large_fleet() -> Status:
    """Ten thousand clients with the settings of the example, that were made in one night, and their authority."""
    ends = NOW + timedelta(days=730)
    rows = [row("ca", NOW + timedelta(days=3650), timedelta(days=825))]
    for number in range(1, 10_001):
        address = f"client/gw-{number:05}"
        rows.append(row(address, ends, timedelta(days=120) + timedelta(days=60) * jitter_part(address)))
    return status(rows)


def test_the_months_that_are_shown_are_those_of_ten_thousand_clients() -> None:
    (shown,) = (block for block in blocks(read("docs/status.md"), "text") if block.startswith("By month"))
    assert "\n".join(month_lines(large_fleet(), Style())) == shown


def test_months_are_cut_and_counted() -> None:
    many = [row(f"client/c-{n}", NOW + timedelta(days=31 * n), timedelta()) for n in range(1, 1_000)]
    lines = list(month_lines(status(many), Style(width=40)))
    assert len(lines) == 2 + 36 + 2
    rest = re.fullmatch(r"  \.\.\. and ([\d,]+) more months: ([\d,]+) end, ([\d,]+) renewed; .*", lines[-2])
    assert rest and [int(part.replace(",", "")) for part in rest.groups()][1:] == [999 - 36, 999 - 36]
    assert max(map(len, lines[:-2])) <= 40


def test_nothing_is_said_of_months_where_there_is_no_certificate() -> None:
    assert list(month_lines(status([]), Style())) == []


def test_a_certificate_without_an_end_has_a_month() -> None:
    ends = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
    (first, last) = status([row("client/c", ends, timedelta(days=365))]).months
    assert (first.month, first.renewals, last.month, last.ends) == ("9998-12", 1, "9999-12", 1)
    assert rfc3339(ends - timedelta(days=365)).startswith("9998-12-31")
