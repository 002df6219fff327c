"""When something is renewed, from what the manifest says of it."""

from edgecerts.desired.graph import RenewalRule
from edgecerts.manifest.model import RenewBefore


def renewal_rule(declared: RenewBefore | None, default: RenewalRule) -> RenewalRule:
    """The declared rule, or the default."""
    if declared is None:
        return default
    if declared.percent is not None:
        return RenewalRule(share=declared.percent / 100)
    return RenewalRule(duration=declared.duration)
