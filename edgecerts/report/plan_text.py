"""A plan as text for people: grouped by identity, readable at 80 columns and without colour."""

from collections.abc import Iterable, Iterator
from datetime import timedelta
from itertools import groupby

from edgecerts.desired.graph import CertificateArtifact, PrivateKeyArtifact
from edgecerts.plan.model import Action, Change, Plan, Reason, ReasonCode, Remark, Value
from edgecerts.report.printable import printable
from edgecerts.report.style import ACTION_COLOURS, Colour, Style, plural

MAX_IDENTITIES = 40
"""A plan for more identities than this is counted, not poured out; `--format json` has all of it."""

MAX_REMARKS = 40
PATH_COLUMN = 34


def render_plan_text(plan: Plan, *, style: Style, output: str) -> str:
    """The whole plan.

    Args:
        plan: what to show.
        style: width and colour.
        output: the output folder as the user knows it.
    """
    lines = [f"Plan for {plan.manifest}; files are in {output}.", ""]
    lines += _changes(plan, style)
    lines += _needs(plan, style)
    lines += remarks_block("Notices", plan.notices, style)
    lines += _unmanaged(plan, style)
    lines.append(style.paint(summary_line(plan), Colour.BOLD))
    return "".join(f"{line}\n" for line in lines)


def summary_line(plan: Plan) -> str:
    """The last line: how many changes of each kind there are."""
    counts = plan.summary
    unchanged = counts.pop(Action.NO_OP.value)
    blocked = counts.pop("blocked")
    pending = [f"{count:,} to {action}" for action, count in counts.items() if count]
    if not pending and not blocked:
        return f"Nothing to do: {plural(unchanged, 'file')} as declared."
    parts = pending or ["nothing to make"]
    parts.append(f"{unchanged:,} unchanged")
    parts.append(f"{blocked:,} blocked")
    return f"Plan: {', '.join(parts)}."


def remarks_block(title: str, remarks: Iterable[Remark], style: Style) -> list[str]:
    """A titled list of remarks, each with its hint, and an empty line after it; nothing where there are none."""
    remarks = list(remarks)
    if not remarks:
        return []
    lines = [style.paint(title, Colour.BOLD)]
    for remark in remarks[:MAX_REMARKS]:
        lines += style.wrap(printable(f"{remark.address}: {remark.message}"), indent="  ", hanging="      ")
        lines += hint_lines(remark.hint, style)
    if len(remarks) > MAX_REMARKS:
        lines.append(f"  ... and {len(remarks) - MAX_REMARKS:,} more; --format json has them all")
    return [*lines, ""]


def change_line(change: Change, style: Style, *, symbol: str | None = None, colour: Colour | None = None) -> str:
    """One file on one line: symbol, path, and what it is or will be."""
    mark = style.paint(f"{symbol or change.action.symbol:>3}", colour or ACTION_COLOURS[change.action])
    detail = _detail(change)
    return (
        f"{mark} {change.artifact.path:<{PATH_COLUMN}}  {detail}".rstrip()
        if detail
        else f"{mark} {change.artifact.path}"
    )


def _changes(plan: Plan, style: Style) -> Iterator[str]:
    blocked = {remark.address: remark for remark in plan.blocked}
    shown = [change for change in plan.changes if change.action is not Action.NO_OP or str(change.address) in blocked]
    groups = [(name, list(group)) for name, group in groupby(shown, key=lambda change: change.address.identity)]
    titles = _titles(plan)
    for name, changes in groups[:MAX_IDENTITIES]:
        title = titles.get(name)
        yield style.paint(name, Colour.BOLD) + (f"  {title}" if title else "")
        for change in changes:
            yield from _change_lines(change, blocked.get(str(change.address)), style)
        yield ""
    if len(groups) > MAX_IDENTITIES:
        yield f"... and {len(groups) - MAX_IDENTITIES:,} more; --format json has them all"
        yield ""


def _titles(plan: Plan) -> dict[str, str]:
    """The common name of each identity."""
    return {
        change.address.identity: change.artifact.spec.subject.common_name or ""
        for change in plan.changes
        if isinstance(change.artifact, CertificateArtifact)
    }


def _change_lines(change: Change, blocked: Remark | None, style: Style) -> Iterator[str]:
    if blocked is None:
        yield change_line(change, style)
    else:
        yield change_line(change, style, symbol="!", colour=Colour.RED)
        message = printable(f"blocked ({blocked.code}): {blocked.message}")
        yield from style.wrap(message, indent="      ", hanging="        ")
    yield from reason_lines(change, style)
    if blocked is not None:
        yield from hint_lines(blocked.hint, style)


def reason_lines(change: Change, style: Style) -> Iterator[str]:
    """Why a file differs, one paragraph a reason; that it is missing is plain from its symbol."""
    for reason in change.reasons:
        if reason.code is not ReasonCode.MISSING:
            yield from style.wrap(_sentence(reason), indent="      ", hanging="        ")


def hint_lines(hint: str | None, style: Style) -> list[str]:
    """What to do about it, set off by an arrow."""
    return style.wrap(f"-> {hint}", indent="      ", hanging="         ") if hint else []


def _detail(change: Change) -> str:
    artifact = change.artifact
    if isinstance(artifact, PrivateKeyArtifact) and change.action is Action.CREATE:
        return f"{artifact.key_type}, {'encrypted' if artifact.password else 'not encrypted'}"
    if change.period is not None:
        days = round((change.period.not_after - change.period.not_before) / timedelta(days=1))
        return f"until {change.period.not_after:%Y-%m-%d}, {plural(days, 'day')}"
    return ""


def _sentence(reason: Reason) -> str:
    """A reason in words: `alt-names-changed: alt_names: a.example -> a.example, b.example`."""
    words = reason.code.value
    if reason.field is not None:
        words += f": {reason.field}"
    if reason.before is None and reason.after is None:
        return words
    if reason.after is None and reason.field is not None:
        return f"{words} {_words(reason.before)}"
    return f"{words}: {_words(reason.before)} -> {_words(reason.after)}"


def _words(value: Value) -> str:
    if value is None or value == ():
        return "(none)"
    return printable(", ".join(value) if isinstance(value, tuple) else value)


def _needs(plan: Plan, style: Style) -> list[str]:
    if not plan.needs:
        return []
    lines = [style.paint("apply will need", Colour.BOLD)]
    for need in plan.needs[:MAX_REMARKS]:
        lines += style.wrap(f"the {need.kind} for {need.address}, from {need.source}", indent="  ", hanging="      ")
    if len(plan.needs) > MAX_REMARKS:
        lines.append(f"  ... and {len(plan.needs) - MAX_REMARKS:,} more; --format json has them all")
    return [*lines, ""]


def _unmanaged(plan: Plan, style: Style) -> list[str]:
    if not plan.unmanaged:
        return []
    lines = [style.paint("Not in the manifest, and left alone", Colour.BOLD)]
    lines += [f"  {printable(path)}" for path in plan.unmanaged[:MAX_REMARKS]]
    if len(plan.unmanaged) > MAX_REMARKS:
        lines.append(f"  ... and {len(plan.unmanaged) - MAX_REMARKS:,} more; --format json has them all")
    return [*lines, ""]
