"""When something is renewed, from what the manifest says of it."""

import hashlib
from dataclasses import replace
from datetime import timedelta

from edgecerts.desired.graph import RenewalRule
from edgecerts.manifest.model import RenewBefore, RenewJitter


def renewal_rule(declared: RenewBefore | None, default: RenewalRule) -> RenewalRule:
    """The declared rule, or the default."""
    if declared is None:
        return default
    if declared.percent is not None:
        return RenewalRule(share=declared.percent / 100)
    return RenewalRule(duration=declared.duration)


def ahead(rule: RenewalRule, jitter: RenewJitter | None, address: str) -> RenewalRule:
    """The rule for one identity of a fleet, which is due a little earlier than others."""
    if jitter is None:
        return rule
    part = jitter_part(address)
    if jitter.duration is not None:
        return replace(rule, ahead_duration=timedelta(seconds=int(jitter.duration.total_seconds() * part)))
    return replace(rule, ahead_share=(jitter.percent or 0) / 100 * part)


def jitter_part(address: str) -> float:
    """The part of `renew_jitter` that an identity has, from 0 up to 1: the same in every version, on every machine."""
    return int.from_bytes(hashlib.sha256(address.encode()).digest()[:4]) / 2**32
