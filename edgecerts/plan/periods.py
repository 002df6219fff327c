"""When a certificate that is about to be issued will be valid."""

from datetime import datetime

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
        None where the declared `not_after` has passed.
    """
    now = now.replace(microsecond=0)
    if lifetime.not_after is not None:
        if lifetime.not_after <= now:
            return None
        not_before = now - backdate(lifetime.not_after - now)
        not_after = lifetime.not_after
    else:
        assert lifetime.validity is not None  # noqa: S101 (one of the two is always set)
        not_before = now - backdate(lifetime.validity)
        not_after = not_before + lifetime.validity
    if issuer is None:
        return Period(not_before=not_before.replace(microsecond=0), not_after=not_after.replace(microsecond=0))
    return Period(
        not_before=max(not_before, issuer.not_before).replace(microsecond=0),
        not_after=min(not_after, issuer.not_after).replace(microsecond=0),
    )
