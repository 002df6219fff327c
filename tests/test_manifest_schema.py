"""What an editor says of a manifest agrees with what edgecerts says."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

from edgecerts import schemas
from edgecerts.errors import UsageError
from edgecerts.manifest import durations, entry_names
from edgecerts.manifest.authority import _FINGERPRINT
from edgecerts.manifest.starter import STARTER
from edgecerts.pki.key_types import KeyType
from edgecerts.pki.names import SUBJECT_LENGTHS
from edgecerts.schemas import schema_names, schema_text

ROOT = Path(__file__).parent.parent
MANIFESTS = ROOT / "tests" / "manifests"
GOOD = sorted([*MANIFESTS.glob("good/*.yaml"), *ROOT.glob("examples/**/*.yaml")])
BAD = sorted(MANIFESTS.glob("bad/*.yaml"))
SCHEMA = json.loads(schema_text("pki"))


class CoreLoader(yaml.SafeLoader):
    """Loads as editors do: YAML 1.2 core schema (§10.3.2), in which NO and 12:30 are text."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        # JSON has no keys but text.
        return {str(key.value): self.construct_object(value, deep=True) for key, value in node.value}


CoreLoader.yaml_implicit_resolvers = {}
for tag, pattern, first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]+", list("-+0123456789")),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", list("-+.0123456789")),
):
    CoreLoader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(rf"^(?:{pattern})$"), first)
CoreLoader.add_constructor("tag:yaml.org,2002:int", lambda _, node: int(node.value))


def editor_errors(text: str) -> list[str]:
    """The messages that an editor would show; a text that is not YAML gives one, too."""
    try:
        document = yaml.load(text, Loader=CoreLoader)
    except yaml.YAMLError as error:
        return [str(error)]
    return [error.message for error in Draft7Validator(SCHEMA).iter_errors(document)]


def test_the_schema_is_a_schema() -> None:
    Draft7Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_an_editor_accepts_what_edgecerts_accepts(path: Path) -> None:
    assert editor_errors(path.read_text(encoding="utf-8")) == []


def test_an_editor_accepts_the_starting_manifest() -> None:
    assert editor_errors(STARTER) == []


UNSEEN = frozenset(
    (
        # the calendar, and arithmetic
        "a-moment-is-in-the-calendar",
        "a-validity-is-at-most-a-century",
        "renew-before-is-at-most-a-century",
        "renewal-begins-after-issue",
        "renewal-from-defaults-is-longer-than-the-lifetime",
        "renewal-in-defaults-is-shorter-than-the-lifetime",
        "renewal-of-the-authority-is-shorter-than-its-lifetime",
        # one entry and another
        "clients-have-different-common-names",
        "entry-names-differ-in-more-than-case",
        "every-client-of-a-shared-name-says-so",
        "the-authority-has-a-name-of-its-own",
        "the-first-client-of-a-shared-name-says-so",
        "a-broker-and-a-client-of-one-name-have-two-requests",
        "a-request-for-all-is-a-request-for-each",
        "two-entries-have-two-requests",
        "two-requests-differ-in-more-than-case",
        # one key and another, where an editor's message would say nothing
        "a-key-elsewhere-is-not-made-again",
        "a-private-key-lies-outside-the-output-folder",
        "a-request-for-each-is-not-among-our-own-files",
        "a-request-goes-with-a-key-on-its-host",
        "a-request-is-not-among-our-own-files",
        "a-request-is-not-the-manifest",
        "password-file-with-an-unknown-placeholder",
        "rekey-from-defaults-does-not-fit-a-key-elsewhere",
        "rekey-in-defaults-does-not-fit-a-key-elsewhere",
        "a-list-is-renewed-after-it-was-signed",
        "another-authority-has-a-list-where-there-is-one",
        "what-is-revoked-for-good-is-not-declared",
        "requests-are-not-in-an-output-folder-named-requests",
        # YAML that other tools allow
        "a-duration-has-no-leading-zero",
        "a-key-is-given-once",
        "a-tag-directive-is-refused",
        "an-entry-is-given-once",
        "an-escaped-control-character-is-refused",
        "an-unknown-directive-is-refused",
        # single characters
        "a-client-name-has-no-invisible-characters",
        "a-wildcard-is-a-whole-label",
        "the-output-is-not-the-manifest-folder",
        "the-output-is-not-the-repository",
    )
)
"""What no editor sees: a JSON Schema cannot say it, or YAML itself allows it."""


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_an_editor_sees_all_other_mistakes(path: Path) -> None:
    is_seen = editor_errors(path.read_text(encoding="utf-8")) != []
    assert is_seen == (path.stem not in UNSEEN)


def _described(part: dict[str, Any], where: str) -> dict[str, dict[str, Any]]:
    """Every key below a part of the schema, with what it says of it."""
    found = {}
    for key, value in part.get("properties", {}).items():
        target = SCHEMA["definitions"][value["$ref"].rpartition("/")[2]] if "$ref" in value else value
        found[f"{where}.{key}"] = target
        found |= _described(target, f"{where}.{key}")
        for inner in ("items", "additionalProperties"):
            if isinstance(target.get(inner), dict):
                entry = target[inner]
                entry = SCHEMA["definitions"][entry["$ref"].rpartition("/")[2]] if "$ref" in entry else entry
                found |= _described(entry, f"{where}.{key}[]")
    return found


KEYS = _described(SCHEMA, "")


@pytest.mark.parametrize("key", sorted(KEYS))
def test_every_key_has_a_description_and_every_value_an_example(key: str) -> None:
    part = KEYS[key]
    assert part["description"].endswith(".")
    assert "examples" in part or "properties" in part


@pytest.mark.parametrize("key", sorted(KEYS))
def test_every_example_and_default_is_valid(key: str) -> None:
    part = {**KEYS[key], "definitions": SCHEMA["definitions"]}
    values = [*part.get("examples", []), *([part["default"]] if "default" in part else [])]
    assert [error.message for value in values for error in Draft7Validator(part).iter_errors(value)] == []


@pytest.mark.parametrize("key", sorted(KEYS))
def test_every_default_is_told_in_the_description(key: str) -> None:
    default = KEYS[key].get("default")
    if default is not None and key not in (".version", ".defaults.renew_before") and "renew_before" not in key:
        told = str(default).lower() if isinstance(default, bool) else default
        told = f"[{', '.join(told)}]" if isinstance(told, list) else told
        assert f"Default: {told}." in KEYS[key]["description"]


def test_no_mapping_takes_unknown_keys() -> None:
    parts = [SCHEMA, *SCHEMA["definitions"].values()]
    assert [part for part in parts if "properties" in part and part.get("additionalProperties") is not False] == []


def test_the_schema_lists_the_key_types_that_there_are() -> None:
    assert SCHEMA["definitions"]["key_type"]["enum"] == [key_type.value for key_type in KeyType]


def test_the_schema_has_the_limits_of_the_subject() -> None:
    limits = {key: part["maxLength"] for key, part in SCHEMA["definitions"]["subject"]["properties"].items()}
    assert limits == {key: limit for key, limit in SUBJECT_LENGTHS.items() if key != "common_name"}


TEXTS = [
    *("90d", "12h", "2w", "10y", "1", "0", "0d", "012", "1.5y", "90 d", "d", "", "-1", "33%", "0%", "100%", "12.5%"),
    *("1.234%", "%", "sha256:" + "ab" * 32, "SHA256:" + "AB:" * 31 + "AB", "sha256:" + "ab" * 31, "ab" * 32),
    *(
        "2035-12-31T23:59:59Z",
        "2035-12-31T23:59:59+02:00",
        "2035-12-31 23:59:59Z",
        "2035-12-31",
        "a",
        "a.b",
        "a.",
        ".a",
    ),
    *("a" * 64, "a" * 65, "con", "CON.txt", "con1", "com1", "COM", "nul", "nulx", "a-", "-a", "_a", "a_", "ä", "a/b"),
]


@pytest.mark.parametrize("text", TEXTS)
def test_patterns_of_the_schema_are_those_of_the_code(text: str) -> None:
    definitions = SCHEMA["definitions"]
    pairs = {
        "validity": durations._DURATION.fullmatch(text),
        "ca_validity": durations._DURATION.fullmatch(text),
        "not_after": durations._MOMENT.fullmatch(text),
        "fingerprint": _FINGERPRINT.fullmatch(text),
        "name": entry_names._NAME.fullmatch(text) and not entry_names._DEVICE.fullmatch(text),
    }
    for name, match in pairs.items():
        assert Draft7Validator(definitions[name]).is_valid(text) == bool(match), name


def test_schemas_are_found_by_name() -> None:
    assert "pki" in schema_names()
    assert json.loads(schema_text("pki"))["title"] == "pki.yaml"


@pytest.mark.parametrize("name", ["", "nothing", "../schemas/pki", "/etc/passwd", "PKI", "pki.schema.json"])
def test_other_schemas_do_not_exist(name: str) -> None:
    """A name is never taken for a path."""
    with pytest.raises(UsageError) as caught:
        schema_text(name)
    assert (caught.value.hint or "").startswith("choose from ")


def test_an_installed_package_has_its_own_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a wheel the schemas lie inside the package, and there is no folder beside it."""
    inside = tmp_path / "edgecerts" / "_schemas"
    inside.mkdir(parents=True)
    (inside / "pki.schema.json").write_text("{}", encoding="utf-8")
    monkeypatch.setattr(schemas, "_FOLDERS", (inside, tmp_path / "schemas"))
    assert (schema_names(), schema_text("pki")) == (("pki",), "{}")


def test_a_source_tree_has_no_copy_that_could_grow_old() -> None:
    assert [folder.is_dir() for folder in schemas._FOLDERS] == [False, True]


def test_the_wheel_is_told_to_carry_the_schemas() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    target = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert target["force-include"] == {"schemas": "edgecerts/_schemas"}


def test_a_broken_installation_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schemas, "_FOLDERS", ())
    with pytest.raises(UsageError):
        schema_text("pki")
