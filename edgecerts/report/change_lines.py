"""Changes as lines, grouped by identity: what plans and reports of `apply` have in common."""

from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from itertools import groupby
from posixpath import basename

from edgecerts.desired.graph import CertificateArtifact, PrivateKeyArtifact
from edgecerts.plan.model import Action, Change, Reason, ReasonCode, Value
from edgecerts.report.printable import printable
from edgecerts.report.style import ACTION_COLOURS, Colour, Style

MAX_IDENTITIES = 40
"""A report on more identities than this is counted, not poured out; `--format json` has all of it."""

_NAME_COLUMN = 12
_TEXT, _HANGING = "      ", "        "


def grouped_lines(
    changes: Iterable[Change], lines_of: Callable[[Change], Iterator[str]], style: Style
) -> Iterator[str]:
    """The lines of each change below a heading for its identity, with an empty line after each group.

    Args:
        changes: in the order of the plan.
        lines_of: the lines of one change.
        style: width and colour.
    """
    groups = [(name, list(group)) for name, group in groupby(changes, key=lambda change: change.address.identity)]
    for name, group in groups[:MAX_IDENTITIES]:
        yield _heading(name, group, style)
        for change in group:
            yield from lines_of(change)
        yield ""
    if len(groups) > MAX_IDENTITIES:
        yield f"... and {len(groups) - MAX_IDENTITIES:,} more; --format json has them all"
        yield ""


def file_line(change: Change, style: Style) -> str:
    """One file on one line: symbol, name, and what it will be."""
    mark = style.paint(f"{change.action.symbol:>3}", ACTION_COLOURS[change.action])
    return f"{mark} {basename(change.artifact.path):<{_NAME_COLUMN}}  {_detail(change)}".rstrip()


def obstructed_lines(change: Change, message: str, hint: str | None, style: Style) -> Iterator[str]:
    """One file that is not made: why not, how it differs, and what to do about it."""
    yield f"{style.paint('  !', Colour.RED)} {basename(change.artifact.path)}"
    yield from style.wrap(printable(message), indent=_TEXT, hanging=_HANGING)
    yield from reason_lines(change, style)
    yield from hint_lines(hint, style)


def reason_lines(change: Change, style: Style) -> Iterator[str]:
    """Why a file differs, one paragraph a reason; that it is missing is plain from its symbol."""
    for reason in change.reasons:
        if reason.code is not ReasonCode.MISSING:
            yield from style.wrap(_sentence(reason), indent=_TEXT, hanging=_HANGING)


def hint_lines(hint: str | None, style: Style) -> list[str]:
    """What to do about it, set off by an arrow."""
    return style.wrap(f"-> {hint}", indent=_TEXT, hanging=_HANGING + " ") if hint else []


def _heading(name: str, changes: list[Change], style: Style) -> str:
    """The identity's address, and who it is where that is not its name."""
    certificates = (change.artifact for change in changes if isinstance(change.artifact, CertificateArtifact))
    common_name = next((artifact.spec.subject.common_name for artifact in certificates), None)
    differs = common_name is not None and common_name != name.rpartition("/")[2]
    return style.paint(name, Colour.BOLD) + (f" ({common_name})" if differs else "")


def _detail(change: Change) -> str:
    artifact = change.artifact
    if isinstance(artifact, PrivateKeyArtifact) and change.action is Action.CREATE:
        return f"{artifact.key_type}, {'encrypted' if artifact.password else 'not encrypted'}"
    if change.period is not None:
        days = round((change.period.not_after - change.period.not_before) / timedelta(days=1))
        length = f"{days:,} days" if days > 1 else f"{round(change.period.lifetime / timedelta(hours=1))} hours"
        return f"until {change.period.not_after:%Y-%m-%d}, {length}"
    return ""


def _sentence(reason: Reason) -> str:
    """A reason in words: `alt-names-changed: alt_names: a.example -> a.example, b.example`."""
    words = reason.code.value
    if reason.field is not None:
        words += f": {reason.field}"
    if reason.before is None and reason.after is None:
        return words
    if reason.after is None:
        return f"{words}: {_words(reason.before)}"
    return f"{words}: {_words(reason.before)} -> {_words(reason.after)}"


def _words(value: Value) -> str:
    if value is None or value == ():
        return "(none)"
    return printable(", ".join(value) if isinstance(value, tuple) else value)
