"""A plan as text for people: grouped by identity, readable at 80 columns and without colour."""

from collections.abc import Iterable, Iterator

from edgecerts.plan.model import Action, Change, HazardCode, Plan, Remark
from edgecerts.report.change_lines import (
    Obstruction,
    file_line,
    grouped_lines,
    hint_lines,
    obstructed_lines,
    reason_lines,
    repeated,
)
from edgecerts.report.printable import printable
from edgecerts.report.style import Colour, Style, plural
from edgecerts.report.waiting_text import waiting_block

MAX_REMARKS = 40
"""More remarks of one kind than this are counted; `--format json` has all of them."""


def render_plan_text(plan: Plan, *, style: Style, output: str, show_all: bool = False) -> str:
    """The whole plan.

    Args:
        plan: what to show.
        style: width and colour.
        output: the output folder as the user knows it.
        show_all: also what is as declared.
    """
    title = f"Plan for {plan.manifest} at {plan.created_at:%Y-%m-%d %H:%M} UTC; files are in {output}."
    lines = [*style.wrap(printable(title)), ""]
    lines += _hazards(plan, style)
    lines += _changes(plan, style, show_all=show_all)
    lines += waiting_block(plan.waiting, style)
    lines += _needs(plan, style)
    lines += remarks_block("Notices", plan.notices, style)
    lines += _unmanaged(plan, style)
    lines += style.bold(summary_line(plan))
    return "".join(f"{line}\n" for line in lines)


def summary_line(plan: Plan) -> str:
    """The last line: how many changes of each kind there are."""
    counts = dict(plan.summary)
    unchanged = counts.pop(Action.NO_OP.value)
    blocked, waiting = counts.pop("blocked"), counts.pop("waiting")
    pending = [f"{count:,} to {action}" for action, count in counts.items() if count]
    if not pending and not blocked:
        return f"Nothing to do: {plural(unchanged, 'file')} as declared{f', {waiting:,} waiting' if waiting else ''}."
    parts = pending or ["nothing to make"]
    parts.append(f"{unchanged:,} unchanged")
    parts.append(f"{blocked:,} blocked")
    parts += [f"{waiting:,} waiting"] if waiting else []
    refused = f"; apply refuses {len(plan.refused):,} of these" if plan.refused else ""
    return f"Plan: {', '.join(parts)}{refused}."


def remarks_block(title: str, remarks: Iterable[Remark], style: Style, *, colour: Colour = Colour.BOLD) -> list[str]:
    """A titled list of remarks, each with its hint, and an empty line after it; nothing where there are none."""
    remarks = list(remarks)
    if not remarks:
        return []
    lines = [style.paint(title, colour)]
    for remark in remarks[:MAX_REMARKS]:
        lines += style.wrap(printable(f"{remark.address}: {remark.message}"), indent="  ", hanging="      ")
        lines += hint_lines(remark.hint, style)
    return [*lines, *_rest(len(remarks)), ""]


def _hazards(plan: Plan, style: Style) -> list[str]:
    """What apply refuses, first; then what it accepts because it was allowed."""
    refusals = plan.refusals
    allowed = [hazard for hazard in plan.hazards if hazard not in refusals]
    lines = remarks_block("Hazards: apply refuses these", refusals, style, colour=Colour.RED)
    return lines + remarks_block("Hazards that were allowed", allowed, style, colour=Colour.YELLOW)


def _changes(plan: Plan, style: Style, *, show_all: bool) -> Iterator[str]:
    remarks = {remark.address: remark for remark in plan.blocked}
    blocked = {
        change.address: Obstruction(verdict=f"blocked ({remark.code})", message=remark.message, hint=remark.hint)
        for change in plan.changes
        if (remark := remarks.get(str(change.address))) is not None
    }
    again = repeated(blocked)
    single = (hazard for hazard in plan.refusals if not HazardCode(hazard.code).refuses_everything)
    refused = {hazard.address: hazard.code for hazard in single}

    def lines_of(change: Change) -> Iterator[str]:
        obstruction = blocked.get(change.address)
        if obstruction is not None:
            return obstructed_lines(change, obstruction, style, again=change.address in again)
        code = refused.get(change.address.identity) if change.action is not Action.NO_OP else None
        return iter([file_line(change, style, note=code and f"refused: {code}"), *reason_lines(change, style)])

    shown = [
        change for change in plan.changes if show_all or change.action is not Action.NO_OP or change.address in blocked
    ]
    return grouped_lines(shown, lines_of, style)


def _needs(plan: Plan, style: Style) -> list[str]:
    if not plan.needs:
        return []
    lines = [style.paint("apply will need", Colour.BOLD)]
    for need in plan.needs[:MAX_REMARKS]:
        lines += style.wrap(str(need), indent="  ", hanging="      ")
    return [*lines, *_rest(len(plan.needs)), ""]


def _unmanaged(plan: Plan, style: Style) -> list[str]:
    if not plan.unmanaged:
        return []
    lines = [style.paint("Not in the manifest, and left alone", Colour.BOLD)]
    lines += [f"  {printable(path)}" for path in plan.unmanaged[:MAX_REMARKS]]
    return [*lines, *_rest(len(plan.unmanaged)), ""]


def _rest(count: int) -> list[str]:
    return [f"  ... and {count - MAX_REMARKS:,} more; --format json has them all"] if count > MAX_REMARKS else []
