"""From what the plan found about one identity to one word: an ordered chain of small pure checks.

A plan asks what to do; this asks the same facts how things are. The first check that fires names the state.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from edgecerts.desired.graph import Identity
from edgecerts.manifest.model import KeyHeld
from edgecerts.observed.inventory import Observed, State
from edgecerts.pki.certificate_facts import CertificateFacts, is_issued_by
from edgecerts.pki.private_keys import KeyFacts
from edgecerts.plan.identity_plan import RENEWAL
from edgecerts.plan.model import BlockCode, HazardCode, ReasonCode, Remark
from edgecerts.plan.waiting import Waiting
from edgecerts.status.model import FileReason, IdentityState

_ISSUER = frozenset({ReasonCode.ISSUER_CHANGED, ReasonCode.SIGNATURE_INVALID})
_OTHER_AUTHORITY_DECLARED = frozenset({ReasonCode.KEY_TYPE_CHANGED, ReasonCode.SUBJECT_CHANGED})
_EXPOSED = frozenset({ReasonCode.MODE_CHANGED, ReasonCode.ENCRYPTION_CHANGED})


@dataclass(frozen=True, kw_only=True, slots=True)
class Look:
    """What a check may look at.

    Attributes:
        trust: its `ca.pem`; None for an authority.
        authority: the authority's certificate that is here; None where there is none, or none that can be read.
        judged: whether it is known which authority is here.
        reasons: of all its files, with those that the dates alone give.
        blocked, refusals: the plan's remarks about this identity.
        waiting: what its host has to send first.
        key_tracked: git has the private key, and it is not encrypted.
        stuck: something would have to change, and apply would not do it.
        within: how early an end is a finding; None for no more than its renewal window.
    """

    identity: Identity
    key: Observed[KeyFacts]
    certificate: Observed[tuple[CertificateFacts, ...]]
    trust: Observed[tuple[CertificateFacts, ...]] | None
    authority: CertificateFacts | None
    judged: bool
    reasons: tuple[FileReason, ...]
    blocked: tuple[Remark, ...]
    refusals: tuple[Remark, ...]
    waiting: tuple[Waiting, ...]
    key_tracked: bool
    stuck: bool
    now: datetime
    within: timedelta | None

    @property
    def facts(self) -> CertificateFacts | None:
        return self.certificate.value[0] if self.certificate.value else None

    @property
    def codes(self) -> frozenset[ReasonCode]:
        return frozenset(entry.reason.code for entry in self.reasons)


Check = Callable[[Look], bool]


def find_state(look: Look) -> IdentityState:
    """The one word for an identity."""
    return next((state for state, check in CHAIN if check(look)), IdentityState.OK)


def is_damaged(look: Look) -> bool:
    """A file is there and cannot be read. A key that lies here although it is its host's is none of ours."""
    key = look.key.state if look.identity.request is None else None
    return State.UNREADABLE in (key, look.certificate.state, look.trust.state if look.trust else None)


def is_missing(look: Look) -> bool:
    """The certificate, or the `ca.pem` that goes with it, is not there, and only `apply` is needed to make it."""
    if any(entry.is_first for entry in look.waiting) or (look.facts is None and _is_refused(look)):
        return False
    return State.ABSENT in (look.certificate.state, look.trust.state if look.trust else None)


def _is_refused(look: Look) -> bool:
    return any(remark.code == BlockCode.REQUEST_REFUSED.value for remark in look.blocked)


def is_expired(look: Look) -> bool:
    """The certificate has ended."""
    return ReasonCode.EXPIRED in look.codes


def is_early(look: Look) -> bool:
    """The certificate begins only later; most often it is the clock that is wrong."""
    return look.facts is not None and look.facts.not_before > look.now


def is_mismatched(look: Look) -> bool:
    """The certificate is for another key than the one beside it."""
    blocks = {remark.code for remark in look.blocked}
    return ReasonCode.KEY_MISMATCH in look.codes or BlockCode.KEY_MISMATCH.value in blocks


def is_foreign(look: Look) -> bool:
    """Another authority issued the certificate; or this authority is not the pinned one, or not the one in use.

    That the manifest declares a new authority makes nothing foreign before it is made.
    """
    facts, hazards = look.facts, {remark.code for remark in look.refusals}
    if facts is None:
        return False
    if look.identity.fingerprint not in (None, facts.spki_sha256) or HazardCode.FOREIGN_FILE.value in hazards:
        return True
    if look.trust is None:
        replaced = HazardCode.CA_REPLACED.value in hazards and not look.codes & _OTHER_AUTHORITY_DECLARED
        return replaced or ReasonCode.SIGNATURE_INVALID in look.codes
    return bool(look.codes & _ISSUER) and (look.authority is None or not is_issued_by(facts, look.authority))


def is_exposed(look: Look) -> bool:
    """The private key is open to others, is not encrypted as declared, or stands in a repository for all to read."""
    return bool(look.codes & _EXPOSED) or look.key_tracked


def is_blocked(look: Look) -> bool:
    """Something would have to change, and apply cannot or will not do it."""
    return look.stuck or bool(look.blocked) or bool(look.refusals)


def is_keyless(look: Look) -> bool:
    """The private key should be here and is not."""
    artifact = look.identity.private_key
    declared = artifact.held is not KeyHeld.HERE or artifact.offline or artifact.source is not None
    return look.key.state is State.ABSENT and not declared


def is_changed(look: Look) -> bool:
    """Something declared differs, and apply mends it."""
    return bool(look.codes - RENEWAL)


def is_due(look: Look) -> bool:
    """The certificate is inside its renewal window."""
    return ReasonCode.NEAR_EXPIRY in look.codes


def is_ending(look: Look) -> bool:
    """The certificate ends within the time that was asked for."""
    return look.within is not None and look.facts is not None and look.facts.not_after - look.now <= look.within


def is_unjudged(look: Look) -> bool:
    """Which authority is here cannot be said, so only the dates of what it issued were checked."""
    return not look.judged and look.trust is not None and look.facts is not None


def is_waiting(look: Look) -> bool:
    """Its host has to send a request first; until then nothing can be certified, or not as declared."""
    return bool(look.waiting)


CHAIN: tuple[tuple[IdentityState, Check], ...] = (
    (IdentityState.DAMAGED, is_damaged),
    (IdentityState.MISSING, is_missing),
    (IdentityState.EXPIRED, is_expired),
    (IdentityState.EARLY, is_early),
    (IdentityState.MISMATCH, is_mismatched),
    (IdentityState.FOREIGN, is_foreign),
    (IdentityState.EXPOSED, is_exposed),
    (IdentityState.BLOCKED, is_blocked),
    (IdentityState.KEYLESS, is_keyless),
    (IdentityState.CHANGED, is_changed),
    (IdentityState.DUE, is_due),
    (IdentityState.ENDING, is_ending),
    (IdentityState.UNJUDGED, is_unjudged),
    (IdentityState.WAITING, is_waiting),
)
