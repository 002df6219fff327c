"""What an inventory means, and what is remembered of it."""

import hashlib
import json
from datetime import timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgecerts.desired import build_graph
from edgecerts.manifest import parse_manifest
from edgecerts.manifest.inventory_columns import _OTHER_KIND, columns_of
from edgecerts.manifest.model import EndEntityKind, InventoryFile, Mark, RenewJitter
from edgecerts.pki.key_types import KeyType
from tests.inventory_cases import HEAD, MANIFEST, clients, parse, printed, problems
from tests.test_manifest_schema import SCHEMA


def test_the_columns_are_the_keys_of_an_entry() -> None:
    """As the JSON Schema has them, with dots where they are nested."""
    definitions = SCHEMA["definitions"]
    for kind in EndEntityKind:
        keys = ["name"]
        for key, part in definitions[kind.value]["properties"].items():
            nested = definitions[key]["properties"] if key in ("subject", "password") else {}
            keys += [f"{key}.{inner}" for inner in nested] or [key]
            del part
        assert sorted(columns_of(kind)) == sorted(keys)
    assert set(_OTHER_KIND) == set(EndEntityKind)


def test_an_inventory_remembers_where_each_row_stands() -> None:
    manifest = clients('common_name,name\none,gw-1\n"two\n",gw-2\nthree , gw-3\n')
    marks = [client.mark for client in manifest.clients]
    assert marks == [
        Mark(file="devices.csv", line=2, column=5),
        Mark(file="devices.csv", line=4, column=3),
        Mark(file="devices.csv", line=5, column=9),
    ]


def test_a_message_names_the_inventory_as_an_editor_finds_it() -> None:
    files = {MANIFEST: f"{HEAD}clients_from: [{{csv: lists/a.csv}}]\n".encode(), "lists/a.csv": b"name\na b\n"}
    for source, name in (("pki.yaml", "lists/a.csv"), ("/srv/x/pki.yaml", "/srv/x/lists/a.csv")):
        assert printed(files, source).startswith(f"{name}:2:1: 'a b' cannot be the name")


def test_what_was_read_is_remembered() -> None:
    files = {
        MANIFEST: f"{HEAD}brokers_from: [{{csv: b.csv}}]\nclients_from: [{{csv: ./x//a.csv}}]\n".encode(),
        "x/a.csv": b"name\na\n,\nb\n",
        "b.csv": b"name,common_name\nc,h\n",
    }
    found = parse(files).inventories
    assert found == (InventoryFile(path="b.csv", entries=1), InventoryFile(path="x/a.csv", entries=2))


def test_the_digest_covers_inventories() -> None:
    def digest(rows: bytes) -> str:
        return clients(rows).digest

    assert digest(b"name\na\n") == digest(b"\xef\xbb\xbfname\r\na\r\n") != digest(b"name\nb\n")
    text = HEAD.encode()
    assert parse_manifest(text, source="pki.yaml").digest == hashlib.sha256(text).hexdigest()


def test_cells_are_text_as_they_stand() -> None:
    """No word is nothing, no number loses its zeros, and spaces around a cell are not in it."""
    rows = 'name,subject.state,subject.locality,subject.organization\na,null,~, x \nb,NO,012,"  1.10"\nc,"","  ",""""\n'
    found = [(c.subject.state, c.subject.locality, c.subject.organization) for c in clients(rows).clients]
    assert found == [("null", "~", "x"), ("NO", "012", "1.10"), (None, None, '"')]


def test_an_inventory_without_a_line_end_and_with_empty_rows() -> None:
    rows = "name,common_name\n\na,\n , \n,\nb,"
    assert [client.name for client in clients(rows).clients] == ["a", "b"]


def test_only_what_is_given_is_declared() -> None:
    rows = "name,common_name,key_type,validity\na,,,\nb,x,rsa-2048,\nc,,,90d\n"
    manifest = clients(rows, item=", role: r, usages: [client]", head="roles: {r: {renew_before: 10d}}\n")
    base = {"usages", "renew_before"}
    assert [set(client.declared) for client in manifest.clients] == [
        base,
        base | {"common_name", "key_type"},
        base | {"validity"},
    ]


def test_a_cell_with_the_name_in_braces_means_what_it_means_in_the_manifest() -> None:
    rows = "name,key_held,csr,password.file\na,csr,in/{name}.csr,secrets/{name}\n"
    (client,) = clients(rows).clients
    assert client.request and client.request.path == "in/a.csr"
    assert client.password and client.password.file == "secrets/a"


def test_jitter_is_read() -> None:
    manifest = clients("name,renew_jitter\na,\nb,10d\nc,5%\n", head="defaults: {renew_jitter: 2w}\n")
    assert [client.renew_jitter for client in manifest.clients] == [
        RenewJitter(duration=timedelta(days=14)),
        RenewJitter(duration=timedelta(days=10)),
        RenewJitter(percent=5.0),
    ]


def test_no_inventory_is_read_unless_somebody_reads_it() -> None:
    """`parse_manifest` touches no file by itself."""
    text = f"{HEAD}clients_from: [{{csv: devices.csv}}]\n".encode()
    assert printed({MANIFEST: text}).startswith("pki.yaml:3:22: there is no devices.csv")


NAMES = st.lists(st.from_regex(r"[a-z][a-z0-9]{0,5}-[0-9]", fullmatch=True), unique=True, min_size=1, max_size=6)
TEXT = st.text(alphabet="abcXYZ äöü'\",;{}#:-~\u00a0€", max_size=12).map(str.strip)
COLUMNS = {
    "common_name": TEXT.filter(lambda text: not set("+#/") & set(text)),
    "alt_names": st.lists(st.sampled_from(["a.example", "10.0.0.1", "::1", "uri:urn:x"]), max_size=3).map(" ".join),
    "subject.organization": TEXT,
    "subject.country": st.sampled_from(["", "DE", "NO"]),
    "subject.email": st.sampled_from(["", "a@b.example"]),
    "key_type": st.sampled_from(["", *KeyType]),
    "validity": st.sampled_from(["", "90d", "2y"]),
    "renew_before": st.sampled_from(["", "20d", "25%"]),
    "renew_jitter": st.sampled_from(["", "5d", "5%"]),
    "key_held": st.sampled_from(["", "here", "delivered", "csr"]),
    "password.env": st.sampled_from(["", "PW"]),
    "password.prompt": st.sampled_from(["", "true"]),
    "usages": st.sampled_from(["", "client", "client server"]),
    "role": st.sampled_from(["", "r", "s"]),
}
SHARED = """\
defaults: {subject: {organization: D, state: S}, validity: 300d}
roles:
  r: {key_type: rsa-2048}
  s: {validity: 2y}
"""


def _typed(row: dict[str, str]) -> dict[str, object]:
    """The row as an entry."""
    entry: dict[str, object] = {}
    for column, text in row.items():
        if not text or column == "name":
            continue
        above, _, last = column.rpartition(".")
        value: object = text.split() if column in ("alt_names", "usages") else text
        value = True if column == "password.prompt" else value
        if above:
            inner = entry.setdefault(above, {})
            assert isinstance(inner, dict)
            inner[last] = value
        else:
            entry[column] = value
    return entry


@settings(max_examples=200, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(st.data(), NAMES, st.lists(st.sampled_from(sorted(COLUMNS)), unique=True), st.sampled_from(",;\t"))
def test_rows_and_the_same_entries_give_the_same_graph(
    data: st.DataObject, names: list[str], columns: list[str], delimiter: str
) -> None:
    rows = []
    for number, name in enumerate(names):
        row = {"name": name} | {column: data.draw(COLUMNS[column]) for column in columns}
        if row.get("common_name"):
            row["common_name"] += f" no {number}"  # two of one name are another test's business
        rows.append(row)
    header = data.draw(st.permutations(["name", *columns]))
    lines = [header, *([row[column] for column in header] for row in rows)]
    text = "\n".join(delimiter.join('"' + cell.replace('"', '""') + '"' for cell in line) for line in lines)
    listed = f"{HEAD}{SHARED}clients_from: [{{csv: devices.csv}}]\n".encode()
    entries = json.dumps({row["name"]: _typed(row) for row in rows}, ensure_ascii=False)
    typed = f"{HEAD}{SHARED}clients: {entries}\n"
    first = build_graph(parse({MANIFEST: listed, "devices.csv": text.encode()}))
    second = build_graph(parse_manifest(typed.encode(), source="pki.yaml"))
    assert first == second


def test_a_mistake_is_the_same_in_both() -> None:
    """Where one of the two refuses something, so does the other, in the same words."""
    rows = "name,subject.country,validity\na,de,9\nb,,90 days\n"
    typed = f"{HEAD}clients:\n  a: {{subject: {{country: de}}, validity: 9}}\n  b: {{validity: 90 days}}\n"
    words = [line.split(": ", 1)[1] for line in problems(rows)]
    assert words == [line.split(": ", 1)[1] for line in printed({MANIFEST: typed.encode()}).splitlines()]
    assert len(words) == 2
