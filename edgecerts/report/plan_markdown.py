"""A plan as Markdown, for a comment on a pull request: the verdict, what stands in the way, then what changes."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from posixpath import basename

from edgecerts.plan.handover import Delivery
from edgecerts.plan.model import Action, HazardCode, Plan, Remark
from edgecerts.plan.waiting import Waiting
from edgecerts.report.change_rows import IdentityRows, ReasonRow, build_row, group_changes, join_values
from edgecerts.report.markdown_text import code, command, html_code, prose
from edgecerts.report.style import plural
from edgecerts.report.waiting_text import MANY, MOST_COMMANDS, TITLE, WITHOUT_EDGECERTS

MAX_LENGTH = 60_000
"""Characters. GitHub refuses a comment of more than 65,536 ("Body is too long"); the rest is for what a CI job adds."""

_LIST_LENGTH = MAX_LENGTH // 10
"""What each of the lists beside the changes may use; there are eight of them."""

_MOST_ADDRESSES = 6
"""Of which the same is said; more are counted."""

_MOST_UNFOLDED = 5
"""Where more identities change than this, their tables are folded."""

_ROOM_FOR_NOTE = 300


def render_plan_markdown(plan: Plan, *, output: str) -> str:
    """The whole comment.

    Args:
        plan: what to show.
        output: the output folder as the user knows it.
    """
    head = [f"## edgecerts plan: {_verdict(plan)}", "", _origin(plan, output), ""]
    head += _obstacles(plan)
    head += _summary(plan)
    tail = [
        *_folded(TITLE, _waiting(plan.waiting), lead=MANY if len(plan.waiting) > MOST_COMMANDS else None),
        *_folded("apply will need", [prose(str(need)) for need in plan.needs]),
        *_folded("What hosts must be given after apply", [_delivery(delivery) for delivery in plan.deliver]),
        *_folded("Notices", _remarks(plan.notices)),
        *_folded("Not in the manifest, and left alone", [code(path) for path in plan.unmanaged]),
    ]
    room = MAX_LENGTH - _length(head) - _length(tail)
    return "\n".join([*head, *_changes(plan, room), *tail]).rstrip() + "\n"


def _verdict(plan: Plan) -> str:
    """The line that everybody reads."""
    codes = [hazard.code for hazard in plan.refusals if HazardCode(hazard.code).refuses_everything]
    if codes and plan.refused:
        return f"apply refuses to run, because of {' and '.join(codes)}"
    parts = [f"{plural(len(plan.pending), 'file')} to change"] if plan.pending else []
    parts += [f"{len(plan.refused):,} refused"] if plan.refused else []
    parts += ["entries of the revocation list refused"] if plan.refuses_entries else []
    parts += [f"{len(plan.blocked):,} blocked"] if plan.blocked else []
    parts = parts or [f"nothing to do, {plural(plan.summary[Action.NO_OP.value], 'file')} as declared"]
    return ", ".join([*parts, *([f"{len(plan.waiting):,} waiting"] if plan.waiting else [])])


def _origin(plan: Plan, output: str) -> str:
    return f"{code(plan.manifest)}, files in {code(output)}, at {plan.created_at:%Y-%m-%d %H:%M} UTC"


def _obstacles(plan: Plan) -> Iterator[str]:
    """What keeps changes from being made, each cause once, and what was allowed although it is dangerous."""
    refusals = plan.refusals
    allowed = [hazard for hazard in plan.hazards if hazard not in refusals]
    sections = (("Hazards: apply refuses these", refusals), ("Hazards that were allowed", allowed))
    for title, remarks in (*sections, ("Blocked", plan.blocked)):
        if remarks:
            yield from (f"### {title}", "", *_list(_remarks(remarks)), "")


def _remarks(remarks: Iterable[Remark]) -> list[str]:
    """Remarks as list items; those that say the same of several addresses are one."""
    alike: dict[tuple[str, str, str | None], list[str]] = {}
    for remark in remarks:
        alike.setdefault((remark.code, remark.message, remark.hint), []).append(remark.address)
    return [_remark(addresses, *said) for said, addresses in alike.items()]


def _remark(addresses: list[str], name: str, message: str, hint: str | None) -> str:
    named = ", ".join(code(address) for address in addresses[:_MOST_ADDRESSES])
    rest = f" and {len(addresses) - _MOST_ADDRESSES:,} more" if len(addresses) > _MOST_ADDRESSES else ""
    advice = f"<br>→ {prose(hint)}" if hint else ""
    return f"**{name}** {named}{rest}: {prose(message)}{advice}"


def _summary(plan: Plan) -> Iterator[str]:
    """How many files of each action there are; those that stay are only counted here."""
    counts = dict(plan.summary)
    unchanged, blocked = counts.pop(Action.NO_OP.value), counts.pop("blocked")
    waiting = counts.pop("waiting")
    if not any(counts.values()) and not blocked:
        return
    yield from ("| action | | files |", "|---|---|--:|")
    for action in Action:
        if counts.get(action.value):
            yield f"| {action} | {code(action.symbol)} | {counts[action.value]:,} |"
    others = (("refused, of these", len(plan.refused)), ("blocked", blocked), ("waiting", waiting))
    for words, count in (*others, ("unchanged", unchanged)):
        if count:
            yield f"| {words} | | {count:,} |"
    yield ""


def _changes(plan: Plan, room: int) -> Iterator[str]:
    """A table for each identity with a change, as many as there is room for."""
    blocked = plan.blocked_addresses
    marks = dict.fromkeys(blocked, "blocked") | {str(change.address): "refused" for change in plan.refused}
    shown = (change for change in plan.changes if change.action is not Action.NO_OP or str(change.address) in blocked)
    groups = group_changes(shown)
    if not groups:
        return
    room -= _ROOM_FOR_NOTE
    yield from ("### Changes", "")
    for number, group in enumerate(groups):
        lines = [*_identity(group, marks, unfolded=len(groups) <= _MOST_UNFOLDED)]
        room -= _length(lines)
        if room < 0:
            yield from (_cut_note(groups[number:]), "")
            return
        yield from lines


def _cut_note(rest: list[IdentityRows]) -> str:
    files = sum(len(group.changes) for group in rest)
    return (
        f"**... and {len(rest):,} more, with {plural(files, 'file')}.** A comment has no room for them;"
        " `edgecerts plan --format json` has all of it."
    )


def _identity(group: IdentityRows, marks: Mapping[str, str], *, unfolded: bool) -> Iterator[str]:
    rows = [(build_row(change), marks.get(str(change.address))) for change in group.changes]
    counts = Counter(mark or row.action.value for row, mark in rows)
    words = ", ".join(f"{count} {word}" for word, count in counts.items())
    who = f" ({html_code(group.common_name)})" if group.common_name else ""
    yield f"<details{' open' if unfolded else ''}>"
    yield f"<summary>{html_code(group.name)}{who}: {words}</summary>"
    yield from ("", "| | file | why | will be |", "|---|---|---|---|")
    for row, mark in rows:
        action = f"{code(row.action.symbol)} {row.action}" if row.action is not Action.NO_OP else ""
        what = f"**{mark}** {action}".strip() if mark else action
        why = "<br>".join(_reason(reason) for reason in row.reasons) or row.plain_reason
        yield f"| {what} | {code(row.name)} | {why} | {prose(row.detail)} |"
    yield from ("", "</details>", "")


def _reason(reason: ReasonRow) -> str:
    values = join_values([("→" if word == "->" else word, code(value)) for word, value in reason.values])
    words = f"{prose(reason.words)} {values}".strip()
    return f"{reason.code}: {words}" if words else reason.code


def _waiting(waiting: tuple[Waiting, ...]) -> list[str]:
    """Each with what to run on its host; of many, only what is waited for."""
    if len(waiting) > MOST_COMMANDS:
        return [f"{code(entry.address)}: {prose(entry.message)}" for entry in waiting]
    return [
        f"{code(entry.address)}: {prose(entry.message)}<br>→ {prose(entry.hint)}"
        f"<br>→ {WITHOUT_EDGECERTS} {command(entry.command)}"
        for entry in waiting
    ]


def _delivery(delivery: Delivery) -> str:
    files = ", ".join(code(basename(path)) for path in delivery.files)
    host = f" ({code(delivery.host)})" if delivery.host != delivery.address.partition("/")[2] else ""
    key = ", for the new key on that host" if delivery.key_on_host and delivery.key_changed else ""
    is_broker = delivery.address.startswith("broker/")
    then = f"; then {'restart' if delivery.restart else 'reload'} the broker" if is_broker else ""
    return f"{code(delivery.address)}{host}: {files}{key}{then}"


def _folded(title: str, items: list[str], *, lead: str | None = None) -> Iterator[str]:
    """A list behind a fold, perhaps with a sentence before it; nothing where it is empty."""
    if items:
        yield from ("<details>", f"<summary>{title} ({len(items):,})</summary>", "")
        yield from (prose(lead), "") if lead else ()
        yield from (*_list(items), "", "</details>", "")


def _list(items: list[str]) -> Iterator[str]:
    room = _LIST_LENGTH
    for number, item in enumerate(items):
        room -= len(item) + len("- \n")
        if room < 0:
            yield f"- ... and {len(items) - number:,} more; `edgecerts plan --format json` has all of them"
            return
        yield f"- {item}"


def _length(lines: Iterable[str]) -> int:
    return sum(len(line) + len("\n") for line in lines)
