"""The words for what is wrong with the shape of a manifest."""

import itertools
from dataclasses import dataclass
from typing import Any

from edgecerts.manifest import advice
from edgecerts.manifest.mistakes import ECHO_LENGTH, Mistakes, cut, quoted
from edgecerts.manifest.nodes import Mapping, Node, Scalar, Sequence, is_null, key_mark

_REFERENCES = {
    "password": "{env: NAME}, {file: PATH}, {command: [PROGRAM, ARGUMENT]} or {prompt: true}",
    "private_key": "{env: NAME}, {file: PATH}, {command: [PROGRAM, ARGUMENT]} or {offline: true}",
}
_SECRETS = {"password": "password", "private_key": "private key"}
_ENTRIES = {"brokers": "broker", "clients": "client", "roles": "role"}

_NEEDS = {
    ("", "version"): "add `version: 1` as the first line",
    ("", "ca"): "add `ca:` and below it `common_name:` with the name of the authority",
    ("ca", "common_name"): "give the authority a name, as in `common_name: Plant Edge CA`",
    ("broker", "common_name"): "give the host name or IP address that clients connect to",
    ("brokers_from", "csv"): "name a file beside the manifest, as in `csv: brokers.csv`",
    ("clients_from", "csv"): "name a file beside the manifest, as in `csv: devices.csv`",
    ("also_trust", "ca"): "name a PEM file, as in `ca: old-ca.pem`",
}
_LISTS = {
    "alt_names": "[broker.example, 10.3.0.12]",
    "usages": "[server, client]",
    "also_trust": "[{ca: old-ca.pem}]",
    "revoked": "[{name: client/gw-0412, reason: key-compromise}]",
    "command": "[PROGRAM, ARGUMENT]",
    "brokers_from": "[{csv: brokers.csv}]",
    "clients_from": "[{csv: devices.csv}]",
    "ignore": "[notes, location]",
}
_LISTS_OF_MAPPINGS = frozenset(("also_trust", "brokers_from", "clients_from", "revoked"))


@dataclass(frozen=True, kw_only=True, slots=True)
class Violation:
    """A place where the tree is not as the schema says.

    Attributes:
        keyword: the keyword of the schema that is violated.
        path: the keys and indices that lead to the node.
        node: what violates it; a mapping where the keyword is about keys.
        schema: the part of the schema that holds the keyword.
        key: the key that is missing or unknown; else empty.
    """

    keyword: str
    path: tuple[str | int, ...]
    node: Any
    schema: dict[str, Any]
    key: str

    @property
    def _route(self) -> tuple[str | int, ...]:
        """The path without the name of an entry, which is the user's word and not a key."""
        is_entry = len(self.path) > 1 and self.path[0] in _ENTRIES
        return (_ENTRIES[str(self.path[0])], *self.path[2:]) if is_entry else self.path

    @property
    def place(self) -> str:
        """Where it is, in the words of `advice.PLACES`."""
        keys = [step for step in self._route if isinstance(step, str)]
        return keys[-1] if keys else ""

    @property
    def is_secret(self) -> bool:
        """Whether it is under `password` or `private_key`, where nothing is repeated; also under an entry of that name,
        which is probably a key in the wrong place."""
        return any(key in self.path for key in _SECRETS)

    @property
    def subject(self) -> str:
        """The thing that is wrong, as a sentence begins with it."""
        if len(self.path) == 2 and self.path[0] in _ENTRIES:
            return f"{_ENTRIES[str(self.path[0])]} `{cut(str(self.path[1]))}`"
        if self.path and isinstance(self.path[-1], int):
            return f"an item of `{self.place}`"
        return f"`{self.place}`" if self.path else "the manifest"


class StructureWords:
    """Turns violations into mistakes."""

    def __init__(self, schema: dict[str, Any]) -> None:
        self._keys_of = _keys_by_place(schema)
        self._unknown_keys = 0

    def note(self, violation: Violation, mistakes: Mistakes) -> None:
        """Adds the mistake that a violation is."""
        match violation.keyword:
            case "additionalProperties":
                self._note_unknown_key(violation, mistakes)
            case "required":
                self._note_missing_key(violation, mistakes)
            case "type":
                _note_wrong_kind(violation, mistakes)
            case "const":
                _note_version(violation, mistakes)
            case _:
                _note_no_choice(violation, mistakes)

    def _note_unknown_key(self, violation: Violation, mistakes: Mistakes) -> None:
        value: Node = violation.node[violation.key]
        if violation.is_secret:
            references = _REFERENCES.get(violation.place)
            place = next(key for key in _SECRETS if key in violation.path)
            mistakes.add(key_mark(value), f"unknown key under `{place}`", references and f"write {references}")
            return
        self._unknown_keys += 1
        message = f"unknown key `{cut(violation.key)}`"
        if ":" in violation.key and is_null(value):
            hint = "a space is missing after the colon"
        elif self._unknown_keys > advice.AT_MOST:
            hint = None
        else:
            hint = advice.instead_of_key(violation.key, violation.place, self._keys_of)
            if any(violation.key in keys for keys in self._keys_of.values()):
                message = f"`{violation.key}` does not belong here"
        mistakes.add(key_mark(value), message, hint)

    def _note_missing_key(self, violation: Violation, mistakes: Mistakes) -> None:
        known = violation.schema["properties"]
        first_keys = itertools.islice(violation.node, advice.AT_MOST)
        if any(key not in known and advice.may_mean(key, violation.key) for key in first_keys):
            return  # the message about the unknown key says it
        place = violation.place
        mistakes.add(
            key_mark(violation.node),
            f"{violation.subject} has no `{violation.key}`",
            _NEEDS.get((place, violation.key)),
        )


def _note_wrong_kind(violation: Violation, mistakes: Mistakes) -> None:
    node: Node = violation.node
    if is_null(node):
        needed = _NEEDS.get((violation.place, "common_name"), "give it a value, or remove the line")
        references = _REFERENCES.get(violation.place)
        mistakes.add(key_mark(node), f"{violation.subject} is empty", f"write {references}" if references else needed)
    elif (place := violation.place) in _SECRETS and violation.path[-1] == place:
        message = f"`{place}` is a reference to a {_SECRETS[place]}, never the {_SECRETS[place]} itself"
        mistakes.add(node.mark, message, f"write {_REFERENCES[place]}")
    else:
        what, hint = _expectation(violation)
        mistakes.add(node.mark, f"{violation.subject} must be {what}", hint)


def _expectation(violation: Violation) -> tuple[str, str | None]:
    """What should stand in place of the node, and how to write it."""
    types = violation.schema["type"]
    kinds = {types} if isinstance(types, str) else set(types)
    if "array" in kinds:
        return "a list", _list_hint(violation)
    if "object" in kinds:
        return "a mapping", _mapping_hint(violation)
    if kinds == {"boolean"}:
        return "true or false", _boolean_hint(violation.node)
    if kinds == {"integer"}:
        return "the number 1", "write `version: 1`, without quotes"
    if isinstance(violation.node, Mapping):
        return "one value", "text that begins with a brace or holds a colon and a space needs quotes"
    return "one value", "write it without brackets or dashes"


def _list_hint(violation: Violation) -> str:
    node, key = violation.node, violation.place
    if (
        isinstance(node, Scalar)
        and not violation.is_secret
        and len(node) <= ECHO_LENGTH
        and key not in _LISTS_OF_MAPPINGS
    ):
        return f"write [{node}]"
    return f"write {_LISTS[key]}"


def _boolean_hint(node: Node) -> str | None:
    if not isinstance(node, Scalar):
        return None
    # YAML 1.1 had more words for it, and many people still write them.
    meant = {"yes": "true", "on": "true", "true": "true", "no": "false", "off": "false", "false": "false"}
    word = meant.get(node.lower())
    return f"write {word}, without quotes" if word else None


def _mapping_hint(violation: Violation) -> str:
    node, key = violation.node, violation.place
    if key in _LISTS_OF_MAPPINGS:
        return f"write {_LISTS[key]}"
    if isinstance(node, Sequence) and key in _ENTRIES:
        return "write each name with a colon and without a dash, as in `plant-a:`"
    if isinstance(node, Sequence):
        return "write its keys without dashes"
    if ":" in node:
        return "a space is missing after the colon"
    return "write its keys on lines of their own, indented by two spaces"


def _note_version(violation: Violation, mistakes: Mistakes) -> None:
    message = f"this manifest is of version {cut(violation.node)}"
    mistakes.add(violation.node.mark, message, "this edgecerts reads version 1")


def _note_no_choice(violation: Violation, mistakes: Mistakes) -> None:
    choices = violation.schema["enum"]
    mistakes.add(
        violation.node.mark,
        f"{violation.subject} cannot be {quoted(violation.node)}",
        advice.instead_of_choice(violation.node, choices),
    )


def _keys_by_place(schema: dict[str, Any]) -> dict[str, tuple[str, ...]]:
    """The keys that each place of `advice.PLACES` knows."""
    top = schema["properties"]
    broker = top["brokers"]["additionalProperties"]
    parts = {
        "": schema,
        "defaults": top["defaults"],
        "ca": top["ca"],
        "broker": broker,
        "client": top["clients"]["additionalProperties"],
        "subject": broker["properties"]["subject"],
        "password": broker["properties"]["password"],
        "private_key": top["ca"]["properties"]["private_key"],
        "also_trust": top["ca"]["properties"]["also_trust"]["items"],
        "role": top["roles"]["additionalProperties"],
        "brokers_from": top["brokers_from"]["items"],
        "clients_from": top["clients_from"]["items"],
        "crl": top["crl"],
    }
    return {place: tuple(part["properties"]) for place, part in parts.items()}
