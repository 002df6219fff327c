"""The rows of a plan or report, built once: what becomes of each file, and why. Text and Markdown only lay them out."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import groupby
from posixpath import basename

from edgecerts.desired.graph import LOCAL_FOLDER, CertificateArtifact, LeftoverArtifact, PrivateKeyArtifact
from edgecerts.plan.model import Action, Change, Reason, ReasonCode, Value
from edgecerts.report.printable import printable
from edgecerts.report.style import plural

NOTHING = "(none)"
"""What stands for a field that was or will be empty."""

_LONG_DIGEST = re.compile(r"\b([0-9a-f]{12})[0-9a-f]{28,}\b")
"""A digest, key identifier or serial number, which nobody compares by eye beyond its first digits."""

_SENTENCES = {
    ReasonCode.MISSING: "is not there",
    ReasonCode.KEY_MISMATCH: "is for another key than the one beside it",
    ReasonCode.NOT_IN_MANIFEST: "no entry of the manifest has it",
    ReasonCode.SIGNATURE_INVALID: "the authority's key did not sign it",
    ReasonCode.REPLACE_REQUESTED: "--replace asks for it",
}
_PLAIN = {ReasonCode.MISSING: "not there yet", ReasonCode.NOT_IN_MANIFEST: "not in the manifest"}
"""What a reader of the symbol knows already."""

_MOST_REASONS = 10
"""More reasons of one file than this are counted; only the log ever has so many."""

_ENDS = {ReasonCode.EXPIRED: "ended on", ReasonCode.NEAR_EXPIRY: "is due, ends on"}
_REQUESTS = frozenset({ReasonCode.REQUESTED, ReasonCode.REQUEST_CHANGED})
"""Their new key is shown whole: two people compare it, one here and one at the host."""

_DEFECTS = frozenset({ReasonCode.CORRUPT, ReasonCode.NOT_ACCEPTABLE})


@dataclass(frozen=True, kw_only=True, slots=True)
class ReasonRow:
    """One reason in words.

    Attributes:
        code: the reason's code.
        words: what differs, in words of ours or as a name of the manifest.
        values: what was and will be, each after the word that introduces it, as in `("->", "10.3.0.12")`.
    """

    code: str
    words: str
    values: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class ChangeRow:
    """One file.

    Attributes:
        name: the file's name, without its folder.
        detail: what it will be, in words; may be empty.
        plain_reason: why, where the symbol alone says it; else empty.
        reasons: why, without that.
    """

    address: str
    action: Action
    name: str
    detail: str
    plain_reason: str
    reasons: tuple[ReasonRow, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class IdentityRows:
    """The files of one identity.

    Attributes:
        common_name: who it is; None where that is its name, or not known here.
    """

    name: str
    common_name: str | None
    changes: tuple[Change, ...]


def group_changes(changes: Iterable[Change]) -> list[IdentityRows]:
    """The changes by identity, in the order of the plan."""
    groups = [(name, tuple(group)) for name, group in groupby(changes, key=lambda change: change.address.identity)]
    return [
        IdentityRows(name=printable(name), common_name=_common_name(name, group), changes=group)
        for name, group in groups
    ]


def build_row(change: Change) -> ChangeRow:
    """What there is to say about a change."""
    return ChangeRow(
        address=str(change.address),
        action=change.action,
        name=printable(basename(change.artifact.path)),
        detail=_detail(change),
        plain_reason="; ".join(_PLAIN[reason.code] for reason in change.reasons if reason.code in _PLAIN),
        reasons=tuple(_explain_reasons([reason for reason in change.reasons if reason.code not in _PLAIN])),
    )


def join_values(values: Sequence[tuple[str, str]]) -> str:
    """`a -> b`, or `adds c; removes d`."""
    words = [f"{word} {value}".strip() for word, value in values]
    return ("; " if all(word for word, _ in values) else " ").join(words)


def _common_name(name: str, changes: Iterable[Change]) -> str | None:
    certificates = (change.artifact for change in changes if isinstance(change.artifact, CertificateArtifact))
    common_name = next((artifact.spec.subject.common_name for artifact in certificates), None)
    return printable(common_name) if common_name is not None and common_name != name.rpartition("/")[2] else None


def _detail(change: Change) -> str:
    artifact = change.artifact
    if change.action is Action.DELETE:
        is_key = isinstance(artifact, LeftoverArtifact) and artifact.is_private_key
        return f"kept in {LOCAL_FOLDER}/replaced" if is_key else ""
    if isinstance(artifact, PrivateKeyArtifact) and change.action in (Action.CREATE, Action.REKEY):
        return f"{artifact.key_type}, {'encrypted' if artifact.password else 'not encrypted'}"
    if change.records:
        return f"{plural(len(change.records), 'line')} for what is here and not in it"
    if change.period is not None:
        days = round((change.period.not_after - change.period.not_before) / timedelta(days=1))
        length = f"{days:,} days" if days > 1 else plural(round(change.period.lifetime / timedelta(hours=1)), "hour")
        listed = f", {_entries(len(change.listing.entries))}" if change.listing is not None else ""
        return f"until {change.period.not_after:%Y-%m-%d}, {length}{listed}"
    return ""


def _entries(count: int) -> str:
    return f"{count:,} entr{'y' if count == 1 else 'ies'}"


def _explain_reasons(reasons: Sequence[Reason]) -> Iterator[ReasonRow]:
    shown = reasons[:_MOST_REASONS]
    yield from map(explain_reason, shown)
    if len(reasons) > len(shown):
        rest = f"and {len(reasons) - len(shown):,} more; --format json has them all"
        yield ReasonRow(code=reasons[-1].code.value, words=rest)


def explain_reason(reason: Reason) -> ReasonRow:
    """One reason in words."""
    code = reason.code.value
    if reason.code is ReasonCode.NOT_IN_LOG:
        return ReasonRow(code=code, words=f"{reason.field},", values=(("serial", _text(reason.after)),))
    if reason.code is ReasonCode.REVOCATIONS_CHANGED:
        parts = (("adds", reason.after), ("removes", reason.before))
        values = tuple((word, _some(entries)) for word, entries in parts if entries)
        return ReasonRow(code=code, words="", values=values)
    if reason.code is ReasonCode.REVOKED:
        what = "its key is" if reason.field == "private-key" else "it is"
        words = f"{what} revoked as {_text(reason.after)}, and needs another key:"
        return ReasonRow(code=code, words=words, values=(("", _text(reason.before)),))
    if reason.code in _SENTENCES:
        return ReasonRow(code=code, words=_SENTENCES[reason.code])
    if reason.code in _ENDS:
        return ReasonRow(code=code, words=_ENDS[reason.code], values=(("", _text(reason.before)),))
    if reason.code in _DEFECTS:
        return ReasonRow(code=code, words=_text(reason.before))
    if reason.code in _REQUESTS and reason.after is not None:
        return ReasonRow(code=code, words=f"{printable(reason.field or '')}:", values=_requested_key(reason))
    words = f"{reason.field}:" if reason.field else ""
    if reason.before is None and reason.after is None:
        return ReasonRow(code=code, words=words.removesuffix(":"))
    return ReasonRow(code=code, words=words, values=_compare(reason.before, reason.after))


def _requested_key(reason: Reason) -> tuple[tuple[str, str], ...]:
    new = printable(str(reason.after))
    return (("", new),) if reason.before is None else (("", _text(reason.before)), ("->", new))


def _compare(before: Value, after: Value) -> tuple[tuple[str, str], ...]:
    """Both values; of two lists that share something only what is added and removed."""
    if isinstance(before, tuple) and isinstance(after, tuple) and set(before) & set(after):
        added = tuple(value for value in after if value not in before)
        removed = tuple(value for value in before if value not in after)
        if added or removed:
            parts = (("adds", added), ("removes", removed))
            return tuple((word, _text(values)) for word, values in parts if values)
    return (("", _text(before)), ("->", _text(after)))


def _some(entries: Value) -> str:
    """The first of what may be thousands, with their whole serial numbers: those are looked up, and copied."""
    if not isinstance(entries, tuple):
        return _text(entries)
    rest = len(entries) - _MOST_REASONS
    return printable(", ".join(entries[:_MOST_REASONS])) + (f" and {rest:,} more" if rest > 0 else "")


def _text(value: Value) -> str:
    if value is None or value == ():
        return NOTHING
    text = printable(", ".join(value) if isinstance(value, tuple) else value)
    return _LONG_DIGEST.sub(r"\1...", text)
