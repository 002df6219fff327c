"""When a certificate that is about to be issued will be valid."""

from datetime import datetime, timedelta

from edgecerts.manifest.model import Lifetime
from edgecerts.pki.certificates import Period
from edgecerts.pki.profiles import backdate


def plan_period(lifetime: Lifetime, *, now: datetime, issuer: Period | None) -> Period | None:
    """The period of a new certificate.

    It begins a little before now, for devices whose clock is slow, and lies within its issuer's.

    Args:
        lifetime: as declared.
        now: the moment of issue, in UTC.
        issuer: the authority's period; None for a root.

    Returns:
        None where the declared `not_after` has passed, or lies before the issuer begins.
    """
    now = now.replace(microsecond=0)
    if lifetime.not_after is not None:
        if lifetime.not_after <= now:
            return None
        not_before = _begin(now - backdate(lifetime.not_after - now), issuer)
        not_after = lifetime.not_after
    else:
        assert lifetime.validity is not None  # noqa: S101 (one of the two is always set)
        not_before = _begin(now - backdate(lifetime.validity), issuer)
        not_after = not_before + lifetime.validity
    if issuer is not None:
        not_after = min(not_after, issuer.not_after)
    period = Period(not_before=not_before.replace(microsecond=0), not_after=not_after.replace(microsecond=0))
    return period if period.not_before < period.not_after else None


def moves_end(period: Period | None, not_after: datetime) -> bool:
    """Whether a renewal would be good for anything: what ends when it ended before is due again the next night.

    Args:
        period: of the renewed certificate; None where there can be none, which is said elsewhere.
        not_after: the end of the one that is there.
    """
    return period is None or period.not_after > not_after


def in_words(left: timedelta) -> str:
    """How long that still is, for people, and no longer than it is: `89 days`, `30 hours`, `57 minutes`."""
    for unit, noun, least in _UNITS:
        count = left // unit
        if count >= least:
            return f"{count:,} {noun}{'' if count == 1 else 's'}"
    return "less than a minute"


_UNITS = ((timedelta(days=1), "day", 2), (timedelta(hours=1), "hour", 2), (timedelta(minutes=1), "minute", 1))
"""From how many of each on it is used: of a day and a half the hours matter."""


def _begin(moment: datetime, issuer: Period | None) -> datetime:
    """Not before the issuer, also where the clock is behind; a declared lifetime then counts from there."""
    return moment if issuer is None else max(moment, issuer.not_before)
