"""Changes as lines, grouped by identity: what plans and reports of `apply` have in common."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

from edgecerts.desired.graph import Address
from edgecerts.plan.model import Action, Change, ReasonCode
from edgecerts.report.change_rows import IdentityRows, ReasonRow, build_row, group_changes, join_values
from edgecerts.report.printable import printable
from edgecerts.report.style import ACTION_COLOURS, Colour, Style

MAX_IDENTITIES = 40
"""A report on more identities than this is counted, not poured out; `--format json` has all of it."""

_NAME_COLUMN = 12
_TEXT, _HANGING = "      ", "        "


@dataclass(frozen=True, kw_only=True, slots=True)
class Obstruction:
    """Why one file is not made: blocked, failed and the like, in words, and what to do about it."""

    verdict: str
    message: str
    hint: str | None


def grouped_lines(
    changes: Iterable[Change], lines_of: Callable[[Change], Iterator[str]], style: Style
) -> Iterator[str]:
    """The lines of each change below a heading for its identity, with an empty line after each group.

    Args:
        changes: in the order of the plan.
        lines_of: the lines of one change.
        style: width and colour.
    """
    groups = group_changes(changes)
    for group in groups[:MAX_IDENTITIES]:
        yield _heading(group, style)
        for change in group.changes:
            yield from lines_of(change)
        yield ""
    if len(groups) > MAX_IDENTITIES:
        yield f"... and {len(groups) - MAX_IDENTITIES:,} more; --format json has them all"
        yield ""


def file_line(change: Change, style: Style, *, note: str | None = None) -> str:
    """One file on one line: symbol, name, and what it will be, or why it stays."""
    row = build_row(change)
    mark = style.paint(f"{row.action.symbol:>3}", ACTION_COLOURS[row.action])
    words = note or "; ".join(filter(None, (row.plain_reason if row.action is Action.DELETE else "", row.detail)))
    return f"{mark} {row.name:<{_NAME_COLUMN}}  {words}".rstrip()


def obstructed_lines(change: Change, obstruction: Obstruction, style: Style, *, again: bool) -> Iterator[str]:
    """One file that is not made: why not, how it differs, and what to do about it.

    Args:
        again: the same was said about the file before it, so it is only referred to.
    """
    yield f"{style.paint('  !', Colour.RED)} {build_row(change).name}"
    message = f"{obstruction.verdict}, like the file before it"
    if not again:
        message = f"{obstruction.verdict}: {obstruction.message}"
    yield from style.wrap(printable(message), indent=_TEXT, hanging=_HANGING)
    for reason in build_row(change).reasons:
        if reason.values or reason.words not in message:
            yield from style.wrap(reason_sentence(reason), indent=_TEXT, hanging=_HANGING)
    if not again:
        yield from hint_lines(obstruction.hint, style)


def repeated(obstructions: Mapping[Address, Obstruction]) -> frozenset[Address]:
    """The files, in the order of the plan, that are kept from being made like the one before them in their identity."""
    return frozenset(
        address
        for before, address in pairwise(obstructions)
        if before.identity == address.identity and obstructions[before] == obstructions[address]
    )


def reason_lines(change: Change, style: Style, *, only: ReasonCode | None = None) -> Iterator[str]:
    """Why a file differs, one paragraph a reason; or only the reasons of one code."""
    for reason in build_row(change).reasons:
        if only is not None and reason.code != only.value:
            continue
        yield from style.wrap(reason_sentence(reason), indent=_TEXT, hanging=_HANGING)


def hint_lines(hint: str | None, style: Style) -> list[str]:
    """What to do about it, set off by an arrow."""
    return style.wrap(printable(f"-> {hint}"), indent=_TEXT, hanging=_HANGING + " ") if hint else []


def _heading(group: IdentityRows, style: Style) -> str:
    """The identity's address, and who it is where that is not its name."""
    return style.paint(group.name, Colour.BOLD) + (f" ({group.common_name})" if group.common_name else "")


def reason_sentence(reason: ReasonRow) -> str:
    """A reason in words: `alt-names-changed: alt_names: adds b.example`."""
    text = f"{reason.words} {join_values(reason.values)}".strip()
    return f"{reason.code}: {text}" if text else reason.code
