"""What is revoked: the entries of `revoked`, in the manifest and in the file beside it that `revoked_from` names.

Entries are checked here and not by the schema: a list of ten thousand is nothing unusual, and the file beside the
manifest has the same rules.
"""

import difflib
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from edgecerts.manifest import advice
from edgecerts.manifest.durations import read_moment
from edgecerts.manifest.entry_names import read_entry_name
from edgecerts.manifest.mistakes import Mistakes, cut, quoted
from edgecerts.manifest.model import EndEntity, EndEntityKind, Mark, Revocation
from edgecerts.manifest.nodes import FALSE, TRUE, Mapping, Node, Scalar, Sequence, key_mark
from edgecerts.pki.revocation_reasons import RevocationReason

KEYS = ("name", "serial", "reason", "since", "note", "unknown")
_REASONS = {reason.value: reason for reason in RevocationReason}
_KINDS = frozenset(kind.value for kind in EndEntityKind)
_EXAMPLE = "{name: client/gw-0412, reason: key-compromise}"
_SERIAL = re.compile("[0-9a-fA-F]{1,40}")
_DAY = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}")
_ALIASES: Final = {
    "name": ("client", "broker", "address", "identity", "cn", "common_name", "entry"),
    "serial": ("serial_number", "serialnumber", "number", "id"),
    "reason": ("why", "cause", "crl_reason", "reason_code"),
    "since": ("issued_before", "before", "date", "at", "revoked_at", "until"),
    "note": ("comment", "description", "ticket", "remark"),
    "unknown": ("force", "force_unknown", "unlogged"),
}


def read_revocations(node: Node | None, mistakes: Mistakes, *, file: str = "") -> tuple[Revocation, ...]:
    """Reads a list of revocations.

    Args:
        node: the list; None or empty gives none.
        mistakes: where mistakes are noted.
        file: the file that it stands in, as messages name it; empty for the manifest.
    """
    items = node if isinstance(node, Sequence) else ()
    read = (_read_entry(item, mistakes, file) for item in items)
    return tuple(entry for entry in read if entry is not None)


def check_still_declared(
    revocations: tuple[Revocation, ...], declared: tuple[EndEntity, ...], mistakes: Mistakes
) -> None:
    """Notes identities that are revoked for good and still declared: the next apply would issue them another one."""
    entities = {f"{entity.kind}/{entity.name}".casefold(): entity for entity in declared}
    for entry in revocations:
        if entry.name is None or entry.since is not None:
            continue
        entity = entities.get(entry.name.casefold())
        if entity is not None:
            mistakes.add(
                entry.mark,
                f"{entry.name} is revoked, and still declared {entity.mark.seen_from(entry.mark)}",
                f"remove it from `{entity.kind}s`; or, if another device has its name now, write"
                " `since: DATE`, and only certificates from before that day are revoked",
            )


def _read_entry(node: Node, mistakes: Mistakes, file: str) -> Revocation | None:
    before = len(mistakes)
    if not isinstance(node, Mapping):
        mistakes.add(node.mark, "an item of `revoked` must be a mapping", f"write {_EXAMPLE}")
        return None
    texts = dict(_texts(node, mistakes))
    named, numbered = texts.get("name"), texts.get("serial")
    _check_combination(node, texts, mistakes)
    reason, place = _read_reason(node, texts.get("reason"), mistakes), named or numbered or node
    entry = Revocation(
        name=_read_name(named, mistakes) if named is not None else None,
        serial=_read_serial(numbered, mistakes) if numbered is not None else None,
        reason=reason,
        since=_read_since(texts["since"], mistakes) if "since" in texts else None,
        note=str(texts["note"]) if "note" in texts else None,
        unknown=texts.get("unknown") in TRUE,
        mark=Mark(file=file, line=place.line, column=place.column),
    )
    return entry if len(mistakes) == before and not node.incomplete else None


def _texts(node: Mapping, mistakes: Mistakes) -> Iterator[tuple[str, Scalar]]:
    """The keys with their values; what has another shape is noted and left out."""
    for key, value in node.items():
        if key not in KEYS:
            mistakes.add(key_mark(value), f"unknown key `{cut(key)}`", _instead_of(key))
        elif not isinstance(value, Scalar):
            mistakes.add(value.mark, f"`{key}` must be one value", "write it without brackets or dashes")
        elif not value or value.is_null:
            if key != "note":
                mistakes.add(key_mark(value), f"`{key}` is empty", "give it a value, or remove it")
        elif key == "unknown" and not (value.plain and (value in TRUE or value in FALSE)):
            mistakes.add(value.mark, "`unknown` must be true or false", "write it without quotes")
        else:
            yield key, value


def _instead_of(key: str) -> str:
    word = key.lower().replace("-", "_")
    meant = [name for name, aliases in _ALIASES.items() if word in aliases]
    meant = meant or difflib.get_close_matches(word[:40], KEYS, n=1, cutoff=0.7)
    return f"did you mean `{meant[0]}`?" if meant else f"the keys here are {', '.join(KEYS)}"


def _check_combination(node: Mapping, texts: dict[str, Scalar], mistakes: Mistakes) -> None:
    if "name" in node and "serial" in node:
        hint = "keep one of them: a name revokes all its certificates, a serial number one"
        mistakes.add(key_mark(node["serial"]), "`name` and `serial` are both given", hint)
        return
    if "name" not in node and "serial" not in node and not _has_other_word(node):
        mistakes.add(node.mark, "an item of `revoked` names no certificate", f"write {_EXAMPLE}, or {{serial: ...}}")
    if "since" in texts and "serial" in node:
        hint = "remove it: a serial number is one certificate, whenever it was issued"
        mistakes.add(key_mark(texts["since"]), "`since` goes with `name`", hint)


def _has_other_word(node: Mapping) -> bool:
    """Whether an unknown key, which has been noted, may be the one that is missing."""
    return node.incomplete or any(key not in KEYS for key in node)


def _read_name(node: Scalar, mistakes: Mistakes) -> str:
    kind, slash, name = node.partition("/")
    if node == "ca" or kind == "ca":
        hint = "nobody looks for it in a list that it signs itself; plan another authority, see docs/revocation.md"
        mistakes.add(node.mark, "the authority cannot be revoked", hint)
    elif not slash or kind not in _KINDS:
        guess = f"client/{kind}" if not slash else "client/NAME"
        mistakes.add(node.mark, f"{quoted(node)} is not an address", f"write {cut(guess)}, or broker/NAME")
    else:
        read_entry_name(name, node.mark, mistakes)
    return str(node)


def _read_serial(node: Scalar, mistakes: Mistakes) -> int | None:
    digits = node.replace(":", "").removeprefix("0x").removeprefix("0X")
    if not _SERIAL.fullmatch(digits) or int(digits, 16) == 0:
        hint = "write its hexadecimal digits, at most 40, as plans and `openssl x509 -serial` show them"
        mistakes.add(node.mark, f"{quoted(node)} is not a serial number", hint)
        return None
    return int(digits, 16)


def _read_reason(node: Mapping, text: Scalar | None, mistakes: Mistakes) -> RevocationReason:
    if text is None:
        if "reason" not in node and not _has_other_word(node):
            hint = f"with key-compromise its key is not accepted again; choose from {', '.join(_REASONS)}"
            mistakes.add(node.mark, "an item of `revoked` has no `reason`", hint)
        return RevocationReason.UNSPECIFIED
    if text in _REASONS:
        return _REASONS[text]
    if re.sub("[^a-z]", "", text[:40].lower()) == "removefromcrl":
        hint = "to let a certificate back in, remove its entry"
    else:
        hint = advice.instead_of_choice(text, tuple(_REASONS))
    mistakes.add(text.mark, f"`reason` cannot be {quoted(text)}", hint)
    return RevocationReason.UNSPECIFIED


def _read_since(node: Scalar, mistakes: Mistakes) -> datetime | None:
    if not _DAY.fullmatch(node):
        form = "write a day as in 2026-11-20, or a moment as in 2026-11-20T14:30Z"
        return read_moment(node, mistakes, form=form, without_seconds=True)
    try:
        return datetime.fromisoformat(node).replace(tzinfo=UTC)
    except ValueError:
        mistakes.add(node.mark, f"{quoted(node)} is not a day", "the calendar does not have it")
        return None
