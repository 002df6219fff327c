"""docs/manifest.md knows every key, and no other."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from edgecerts.errors import ManifestError
from edgecerts.manifest import parse_manifest
from edgecerts.pki.revocation_reasons import RevocationReason
from edgecerts.schemas import schema_text

TEXT = (Path(__file__).parent.parent / "docs" / "manifest.md").read_text(encoding="utf-8")
SCHEMA: dict[str, Any] = json.loads(schema_text("pki"))
DEFINITIONS: dict[str, Any] = SCHEMA["definitions"]

PLACES: dict[str, Any] = {
    "Top level": SCHEMA,
    "`ca`": DEFINITIONS["ca"],
    "`defaults`": DEFINITIONS["defaults"],
    "Brokers": DEFINITIONS["broker"],
    "Clients": DEFINITIONS["client"],
    "Roles": DEFINITIONS["role"],
    "`subject`": DEFINITIONS["subject"],
    "`password`": DEFINITIONS["password"],
    "`private_key`": DEFINITIONS["private_key"],
    "`revoked`": DEFINITIONS["revocation"],
    "`crl`": DEFINITIONS["crl"],
}


def sections() -> dict[str, str]:
    """The text of each section by its heading."""
    parts = re.split(r"^## (.+)$", TEXT, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def tables(text: str) -> list[dict[str, list[str]]]:
    """Every table of keys in a text: each key with the other cells of its row."""
    found = []
    for table in re.findall(r"^\| key \|.*\n\|[-|]+\|\n((?:\|.*\n)+)", text, flags=re.MULTILINE):
        rows = [[cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:-1]] for row in table.splitlines()]
        found.append({key: row[1:] for row in rows for key in re.findall(r"`(\w+)`", row[0])})
    return found


@pytest.mark.parametrize("heading", sorted(PLACES))
def test_the_table_of_a_place_has_its_keys(heading: str) -> None:
    assert set(tables(sections()[heading])[0]) == set(PLACES[heading]["properties"])


def test_the_items_of_also_trust_have_a_table() -> None:
    assert set(tables(sections()["`ca`"])[1]) == set(DEFINITIONS["also_trust"]["items"]["properties"])


def test_the_table_of_inventories_has_the_keys_of_both_kinds() -> None:
    rows = tables(sections()["Inventories"])[0]
    kinds = [DEFINITIONS[f"{kind}_inventory"] for kind in ("broker", "client")]
    assert set(rows) == {key for kind in kinds for key in kind["properties"]}
    assert [key for key, row in rows.items() if row[1] == "required"] == ["csv"]
    assert [kind["required"] for kind in kinds] == [["csv"], ["csv"]]


@pytest.mark.parametrize("heading", sorted(PLACES))
def test_the_tables_say_what_is_required(heading: str) -> None:
    rows = tables(sections()[heading])[0]
    assert {key for key, row in rows.items() if row[1] == "required"} == set(PLACES[heading].get("required", ()))


@pytest.mark.parametrize("heading", ["Top level", "`ca`", "`defaults`", "`crl`"])
def test_the_tables_say_the_defaults_of_the_schema(heading: str) -> None:
    rows = tables(sections()[heading])[0]
    for key, part in PLACES[heading]["properties"].items():
        target = DEFINITIONS[part["$ref"].rpartition("/")[2]] if "$ref" in part else part
        if isinstance(target.get("default"), str) and key != "renew_before":
            assert rows[key][1] == f"`{target['default']}`", key


@pytest.mark.parametrize("name", ["key_type", "key_held", "rekey"])
def test_every_choice_is_named(name: str) -> None:
    assert [choice for choice in DEFINITIONS[name]["enum"] if f"`{choice}`" not in TEXT] == []


def test_every_reason_is_named() -> None:
    choices = DEFINITIONS["revocation"]["properties"]["reason"]["enum"]
    assert choices == [reason.value for reason in RevocationReason]
    assert [choice for choice in choices if f"`{choice}`" not in sections()["`revoked`"]] == []


def test_the_example_is_valid() -> None:
    (example,) = re.findall(r"```yaml\n(.*?)```", sections()["An example"], flags=re.DOTALL)
    manifest = parse_manifest(example.encode(), source="pki.yaml")
    assert (len(manifest.brokers), len(manifest.clients)) == (2, 4)


@pytest.mark.parametrize("written", ["90d", "36h", "2w", "10y", "400", "33%", "2035-12-31T23:59:59Z"])
def test_every_form_in_the_table_is_read(written: str) -> None:
    key = {"%": "renew_before", "Z": "not_after"}.get(written[-1], "validity")
    assert f"| `{written}` |" in TEXT
    parse_manifest(f"version: 1\nca: {{common_name: CA, {key}: {written}}}\n".encode(), source="pki.yaml")


def test_the_mistakes_shown_are_printed_like_that() -> None:
    with pytest.raises(ManifestError) as caught:
        parse_manifest(b"version: 1\nca: {common_name: CA}\nclients: {c: {san: [], validity: 90 days}}\n", source="")
    for problem in caught.value.problems:
        assert f": {problem.message}; {problem.hint}\n" in TEXT
