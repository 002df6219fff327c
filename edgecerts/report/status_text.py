"""A status as text for people: when the next certificate ends, a table, and what is wrong with what."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from posixpath import basename

from edgecerts.plan.model import Reason, ReasonCode
from edgecerts.report.change_lines import MAX_IDENTITIES, hint_lines, reason_sentence
from edgecerts.report.change_rows import explain_reason
from edgecerts.report.month_lines import month_lines
from edgecerts.report.plan_text import remarks_block
from edgecerts.report.printable import printable
from edgecerts.report.style import Colour, Style, plural
from edgecerts.report.table import Column, lay_out
from edgecerts.status.model import IdentityState, KeyPlace, ListSummary, RevocationListRow, Status, StatusRow

SERIAL_DIGITS = 8
"""As many of a serial number as tell two certificates apart at a glance; `--format json` has all 40."""

_HOURS_MATTER = timedelta(days=2)

_NOTHING = "-"
_MARK = "! "
_TEXT, _HANGING = "      ", "        "

_COLUMNS = (
    Column(title="IDENTITY", least=18),
    Column(title="COMMON NAME", rank=4, least=11),
    Column(title="ENDS"),
    Column(title="DAYS", rank=1, right=True),
    Column(title="KEY TYPE", rank=3),
    Column(title="KEY", rank=2),
    Column(title="SERIAL", rank=5),
    Column(title="STATE"),
)

_PLACES = {KeyPlace.ON_HOST: "on host", KeyPlace.NOT_HERE: "not here"}

_COLOURS = {
    **{state: Colour.RED for state in IdentityState if state.is_finding},
    IdentityState.CHANGED: Colour.YELLOW,
    IdentityState.DUE: Colour.YELLOW,
    IdentityState.ENDING: Colour.YELLOW,
    IdentityState.UNJUDGED: Colour.CYAN,
    IdentityState.WAITING: Colour.CYAN,
    IdentityState.OK: Colour.GREEN,
}
"""Red is what needs somebody, yellow what the next apply mends or what has time."""


def render_status_text(status: Status, *, style: Style, output: str) -> str:
    """The whole status.

    Args:
        status: what to show.
        style: width and colour.
        output: the output folder as the user knows it.
    """
    first, *others = _headlines(status, output)
    # One line, however narrow the terminal: monitoring systems show the first line, and no more.
    lines = [style.paint(printable(first), Colour.BOLD)]
    lines += [style.paint(line, Colour.BOLD) for other in others for line in style.wrap(printable(other))]
    moment = f"{status.created_at:%Y-%m-%d %H:%M} UTC"
    lines += style.wrap(printable(f"Status of {status.manifest} at {moment}; files are in {output}."))
    lines += ["", *_table(status, style), ""]
    if len(status.rows) > MAX_IDENTITIES:
        lines += month_lines(status, style)
    lines += _findings(status, style)
    lines += remarks_block("Notices", status.notices, style)
    lines += _unmanaged(status, style)
    lines += [style.paint(line, Colour.BOLD) for line in style.wrap(_summary(status))]
    return "".join(f"{line}\n" for line in lines)


def _headlines(status: Status, output: str) -> list[str]:
    """When the next certificate ends, and the revocation list, before everything else; what ends first stands first."""
    lines = [_headline(status, output)]
    summary = next((row.summary for row in status.lists if row.summary is not None), None)
    if summary is None:
        return lines
    first = status.next_to_end[0].certificate if status.next_to_end else None
    is_first = first is not None and summary.next_update <= first.not_after
    lines.insert(0 if is_first else 1, _end_of_list(summary, status.created_at))
    return lines


def _headline(status: Status, output: str) -> str:
    """When the next certificate ends, before everything else."""
    ended = sum(row.certificate is not None and row.certificate.not_after < status.created_at for row in status.rows)
    first = status.next_to_end
    if first and first[0].certificate is not None:
        others = f" and {len(first) - 1:,} more" if len(first) > 1 else ""
        certificate = first[0].certificate
        when = f"on {certificate.not_after:%Y-%m-%d}, in {plural(certificate.days_left, 'day')}"
        if not certificate.days_left:
            when = f"today at {certificate.not_after:%H:%M} UTC"
        have = f"; {ended:,} {'has' if ended == 1 else 'have'} ended" if ended else ""
        return f"Next to end: {first[0].address}{others} {when}{have}."
    if any(row.certificate is not None for row in status.rows):
        return f"Every certificate in {output} has ended."
    if all(row.state in (IdentityState.MISSING, IdentityState.WAITING) for row in status.rows):
        return f"Nothing is here yet: {output} has no certificate, and the manifest asks for {len(status.rows):,}."
    return f"No certificate in {output} can be read."


def _end_of_list(summary: ListSummary, now: datetime) -> str:
    """When the revocation list ends: on that day nobody gets in any more."""
    left = summary.next_update - now
    day = f"{summary.next_update:%Y-%m-%d}"
    # So near to its end the hour matters: a list of hours has no other.
    moment = f"{day} at {summary.next_update:%H:%M} UTC" if abs(left) < _HOURS_MATTER else day
    if left < timedelta(0):
        return f"The revocation list ended on {moment}."
    in_days = "" if left < _HOURS_MATTER else f", in {plural(summary.days_left, 'day')}"
    return f"The revocation list ends on {moment}{in_days}."


def _table(status: Status, style: Style) -> Iterator[str]:
    """One line for each identity; of many the worst first, and the rest counted."""
    shown = _worst_first(status.rows)
    issuer = _usual_issuer(status)
    cells_of_lists = [_cells_of_list(row) for row in status.lists]
    heading, *lines = lay_out(_COLUMNS, [*(_cells(row) for row in shown), *cells_of_lists], style.width - len(_MARK))
    yield style.paint(" " * len(_MARK) + "".join(heading), Colour.DIM)
    for listed, cells in zip(status.lists, lines[len(shown) :], strict=True):
        colour = _COLOURS[listed.state]
        mark = style.paint(_MARK, colour) if status.is_finding(listed.state) else " " * len(_MARK)
        yield mark + "".join(cells[:-1]) + style.paint(cells[-1], colour)
    for row, cells in zip(shown, lines[: len(shown)], strict=True):
        colour = _COLOURS[row.state]
        mark = style.paint(_MARK, colour) if status.is_finding(row.state) else " " * len(_MARK)
        yield mark + "".join(cells[:-1]) + style.paint(cells[-1], colour)
        if row.certificate is not None and row.certificate.issuer != issuer:
            yield from style.wrap(printable(f"issued by {row.certificate.issuer}"), indent="    ", hanging="      ")
    if len(status.rows) > len(shown):
        counts = status.summary
        for row in shown:
            counts[row.state.value] -= 1
        rest = ", ".join(f"{counts[state.value]:,} {state}" for state in IdentityState if counts[state.value])
        yield f"  ... and {len(status.rows) - len(shown):,} more: {rest}; --format json has them all"
    if issuer is not None:
        others = any(row.certificate is not None and row.certificate.issuer != issuer for row in status.rows)
        unless = ", where a row does not say otherwise" if others else ""
        yield from style.wrap(printable(f"Issued by {issuer}{unless}."), indent="  ", hanging="    ")


def _worst_first(rows: tuple[StatusRow, ...]) -> list[StatusRow]:
    """The rows that are shown: all in the manifest's order, or the worst of many."""
    if len(rows) <= MAX_IDENTITIES:
        return list(rows)
    order = list(IdentityState)
    return sorted(rows, key=lambda row: order.index(row.state))[:MAX_IDENTITIES]


def _usual_issuer(status: Status) -> str | None:
    """The authority's own name where it has one, so that not every row has to repeat it."""
    return next((row.certificate.issuer for row in status.rows if row.certificate is not None), None)


def _cells(row: StatusRow) -> tuple[str, ...]:
    certificate = row.certificate
    return (
        printable(row.address),
        printable(row.common_name),
        f"{certificate.not_after:%Y-%m-%d}" if certificate else _NOTHING,
        f"{certificate.days_left:,}" if certificate else _NOTHING,
        certificate.key_type if certificate else _NOTHING,
        _PLACES.get(row.key, row.key.value),
        certificate.serial[:SERIAL_DIGITS] if certificate else _NOTHING,
        row.state.value,
    )


def _cells_of_list(row: RevocationListRow) -> tuple[str, ...]:
    summary = row.summary
    return (
        printable(row.address),
        f"{summary.entries:,} revoked" if summary else _NOTHING,
        f"{summary.next_update:%Y-%m-%d}" if summary else _NOTHING,
        f"{summary.days_left:,}" if summary else _NOTHING,
        *(_NOTHING,) * 3,
        row.state.value,
    )


def _findings(status: Status, style: Style) -> Iterator[str]:
    findings = status.findings
    shown = _worst_first(findings)
    if shown or status.list_findings:
        yield style.paint("Findings", Colour.RED)
    for listed in status.list_findings:
        yield from _finding_lines(listed, style)
    for row in shown:
        yield from _finding_lines(row, style)
    if len(findings) > len(shown):
        yield f"  ... and {len(findings) - len(shown):,} more; --format json has them all"
    if shown or status.list_findings:
        yield ""
    yield from remarks_block("Findings about the folder", status.folder, style, colour=Colour.RED)


def _finding_lines(row: StatusRow | RevocationListRow, style: Style) -> Iterator[str]:
    """One finding: its word, every reason with the files that it is about, what blocks it, and what to do."""
    yield from style.wrap(printable(f"{row.address}: {row.state}"), indent="  ", hanging="      ")
    files: dict[str, list[str]] = {}
    for entry in row.reasons:
        files.setdefault(_sentence(entry.reason), []).append(basename(entry.path))
    for sentence, names in files.items():
        yield from style.wrap(printable(f"{', '.join(names)}: {sentence}"), indent=_TEXT, hanging=_HANGING)
    for remark in row.remarks:
        yield from style.wrap(printable(f"{remark.code}: {remark.message}"), indent=_TEXT, hanging=_HANGING)
        yield from hint_lines(remark.hint, style)
    yield from hint_lines(row.hint, style)


def _sentence(reason: Reason) -> str:
    return ReasonCode.MISSING.value if reason.code is ReasonCode.MISSING else reason_sentence(explain_reason(reason))


def _unmanaged(status: Status, style: Style) -> Iterable[str]:
    """Folders that nothing in the manifest asks for, where what lies in them can still connect."""
    valid = [folder for folder in status.unmanaged if folder.still_valid and folder.not_after is not None]
    if not valid:
        return
    yield style.paint("Not in the manifest, and still valid", Colour.BOLD)
    for folder in valid[:MAX_IDENTITIES]:
        text = f"{folder.address}: can connect until {folder.not_after:%Y-%m-%d}, serial {folder.serial}"
        yield from style.wrap(printable(text), indent="  ", hanging="      ")
    if len(valid) > MAX_IDENTITIES:
        yield f"  ... and {len(valid) - MAX_IDENTITIES:,} more; --format json has them all"
    yield ""


def _summary(status: Status) -> str:
    counts = status.summary
    found = [
        f"{counts[state.value]:,} {state}"
        for state in IdentityState
        if counts[state.value] and status.is_finding(state)
    ]
    found += [f"{len(status.list_findings):,} about the revocation list"] if status.list_findings else []
    found += [f"{len(status.folder):,} about the folder"] if status.folder else []
    fine = [
        f"{counts[state.value]:,} {state}"
        for state in IdentityState
        if counts[state.value] and not status.is_finding(state)
    ]
    rest = f"; {', '.join(fine)}" if found and fine else ", ".join(fine)
    if not found:
        return f"No findings: {rest}."
    return f"{plural(counts['findings'], 'finding')}: {', '.join(found)}{rest}."
