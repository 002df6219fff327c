"""Durations, shares of a lifetime and moments, as the manifest writes them."""

import re
from datetime import UTC, datetime, timedelta

from edgecerts.manifest.mistakes import Mistakes, quoted
from edgecerts.manifest.model import RenewBefore, RenewJitter
from edgecerts.manifest.nodes import Scalar

LONGEST = timedelta(days=100 * 365)

_UNITS = {
    "": timedelta(days=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
    "y": timedelta(days=365),
}
_DURATION = re.compile(r"([1-9][0-9]*)([hdwy]?)")
_PERCENT = re.compile(r"([0-9]{1,2}(?:\.[0-9]{1,2})?)%")
_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(Z|[+-][0-9]{2}:[0-9]{2})")

_FORMS = "a number with h, d, w or y, for example 90d, or a plain number of days"
_MINUTE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(Z|[+-][0-9]{2}:[0-9]{2})")
_MOMENT_FORM = "write date, time and time zone as in 2035-12-31T23:59:59Z"


def read_validity(node: Scalar, mistakes: Mistakes) -> timedelta | None:
    """Reads how long a certificate lives; None after a mistake."""
    return read_duration(node, "validity", mistakes)


def read_renew_before(node: Scalar, mistakes: Mistakes) -> RenewBefore | None:
    """Reads how long before its end a certificate is renewed; None after a mistake."""
    found = _read_time_or_share(node, "renew_before", "33%", mistakes)
    return found and RenewBefore(duration=found[0], percent=found[1])


def read_renew_jitter(node: Scalar, mistakes: Mistakes) -> RenewJitter | None:
    """Reads by how much a renewal may come earlier; None after a mistake."""
    found = _read_time_or_share(node, "renew_jitter", "10%", mistakes)
    return found and RenewJitter(duration=found[0], percent=found[1])


def _read_time_or_share(
    node: Scalar, key: str, example: str, mistakes: Mistakes
) -> tuple[timedelta, None] | tuple[None, float] | None:
    """A duration or a percentage; None after a mistake."""
    if not node.endswith("%"):
        duration = read_duration(node, key, mistakes)
        return None if duration is None else (duration, None)
    match = _PERCENT.fullmatch(node)
    if match is None or float(match[1]) == 0:
        mistakes.add(
            node.mark,
            f"{quoted(node)} is not a share of a lifetime",
            f"write a percentage above 0 and below 100, for example {example}",
        )
        return None
    return None, float(match[1])


def read_not_after(node: Scalar, mistakes: Mistakes) -> datetime | None:
    """Reads the moment at which a certificate ends, as RFC 3339 §5.6 writes it; None after a mistake."""
    form = _MOMENT_FORM
    if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", node):
        form = f"add the time of day and the time zone: {node}T23:59:59Z"
    return read_moment(node, mistakes, form=form)


def read_moment(node: Scalar, mistakes: Mistakes, *, form: str, without_seconds: bool = False) -> datetime | None:
    """Reads a moment with its time zone; None after a mistake, to which `form` is the hint.

    Args:
        without_seconds: whether the seconds may be left out.
    """
    message = f"{quoted(node)} is not a moment"
    if not _MOMENT.fullmatch(node) and not (without_seconds and _MINUTE.fullmatch(node)):
        hint = form
        if re.search(r"\.[0-9]", node):
            hint = "write whole seconds: a certificate has no fractions of them (RFC 5280 §4.1.2.5)"
        mistakes.add(node.mark, message, hint)
        return None
    try:
        return datetime.fromisoformat(node).astimezone(UTC)
    except (ValueError, OverflowError):
        mistakes.add(node.mark, message, "the calendar or the clock does not have it, or it lies after the year 9999")
        return None


def read_duration(node: Scalar, key: str, mistakes: Mistakes) -> timedelta | None:
    """Reads the duration of a key; None after a mistake."""
    match = _DURATION.fullmatch(node)
    if match is None:
        mistakes.add(node.mark, f"{quoted(node)} is not a duration", _hint_for_duration(node))
        return None
    # Seven digits of hours are more than a century; a number of any length would cost time and memory.
    duration = int(match[1]) * _UNITS[match[2]] if len(match[1]) < 8 else None
    if duration is None or duration > LONGEST:
        hint = "write `not_after: 9999-12-31T23:59:59Z` for a certificate without an end" if key == "validity" else None
        mistakes.add(node.mark, f"`{key}` is {quoted(node)}; at most 100y are possible", hint)
        return None
    return duration


def _hint_for_duration(text: str) -> str:
    """What to write instead of something that is no duration."""
    text = text[:40].lower().strip()
    if re.fullmatch(r"0+[hdwy]?", text):
        return "it must be more than nothing"
    if re.match(r"0[0-9]", text):
        return f"leave out the zero: {text.lstrip('0')}"
    if re.match(r"[0-9]+[.,][0-9]", text):
        return "write a whole number, for example 36h for a day and a half"
    if re.fullmatch(r"[0-9]+ ?(mo|mon|months?)", text):
        return "months have no fixed length; write days, for example 90d"
    if re.fullmatch(r"[0-9]+ ?(m|s|secs?|seconds?|mins?|minutes?)", text):
        return f"the units are hours, days, weeks and years; write {_FORMS}"
    words = re.fullmatch(r"([1-9][0-9]*) ?(hours?|hrs?|h|days?|d|weeks?|wks?|w|years?|yrs?|y)", text)
    if words:
        return f"write {words[1]}{words[2][0]}"
    return f"write {_FORMS}"
