"""The plan of the authority: made once, never replaced as a side effect."""

from collections.abc import Sequence
from datetime import datetime

from edgecerts.desired.graph import CertificateArtifact, Identity, PrivateKeyArtifact
from edgecerts.observed.inventory import Inventory, Observed, State
from edgecerts.pki.certificate_facts import CertificateFacts
from edgecerts.pki.certificates import Period
from edgecerts.pki.private_keys import KeyFacts
from edgecerts.plan.certificate_checks import CheckInput, check_certificate
from edgecerts.plan.identity_plan import MISSING, IdentityPlan, IssuerView, Obstacle, certificate_action
from edgecerts.plan.model import Action, BlockCode, NoticeCode, Reason, ReasonCode
from edgecerts.plan.periods import plan_period

_RESTORE = "bring it back from the backup"
_WHERE_THE_KEY_IS = "run edgecerts apply where ca.key is, or bring it back from the backup"
_BLOCKED = Obstacle(
    code=BlockCode.ISSUER_BLOCKED, message="the authority cannot sign: see ca", hint="mend what is blocked under ca"
)
_NO_ISSUER = IssuerView(facts=None, period=None, obstacle=_BLOCKED, handed_out=False)


def plan_authority(
    identity: Identity, inventory: Inventory, *, evidence: Sequence[str], now: datetime
) -> tuple[IdentityPlan, IssuerView]:
    """Plans the authority's key and certificate.

    Args:
        identity: the authority.
        inventory: what is there.
        evidence: what shows that an authority was at work here: paths, or lines of the log.
        now: in UTC.

    Returns:
        its plan, and what its end entities may count on.
    """
    plan = IdentityPlan(identity=identity)
    key = inventory.private_keys[identity.private_key.path]
    certificate = inventory.certificates[identity.certificate.path]
    if certificate.state is State.PRESENT:
        return plan, _judge(plan, key, certificate, now)
    if certificate.state is State.UNREADABLE:
        _judge_key(plan, key)
        corrupt = Reason(code=ReasonCode.CORRUPT, before=certificate.problem)
        plan.block(identity.certificate, Action.UPDATE, corrupt, hint=_RESTORE)
        return plan, _NO_ISSUER
    if evidence:
        _block_lost_authority(plan, key, evidence[0])
        return plan, _NO_ISSUER
    return plan, _create(plan, key, now)


def _create(plan: IdentityPlan, key: Observed[KeyFacts], now: datetime) -> IssuerView:
    """A new authority; or, where its key is already there, the end of a first run that was interrupted."""
    identity = plan.identity
    if key.state is State.ABSENT and identity.fingerprint is not None:
        _block_pinned_authority(plan)
        return _NO_ISSUER
    period = plan_period(identity.certificate.lifetime, now=now, issuer=None)
    if period is None:
        plan.block_passed_lifetime(identity.private_key, identity.certificate)
        return _NO_ISSUER
    if key.state is State.ABSENT:
        plan.add(identity.private_key, Action.CREATE, MISSING)
    elif not plan.judge_private_key(key):
        plan.block(identity.certificate, Action.CREATE, MISSING, hint="mend ca/private-key first")
        return _NO_ISSUER
    obstacle = plan.opening_obstacle(key)
    if obstacle is not None:
        plan.block(
            identity.certificate,
            Action.CREATE,
            MISSING,
            code=obstacle.code,
            message=obstacle.message,
            hint=obstacle.hint,
        )
        return _NO_ISSUER
    plan.add(identity.certificate, Action.CREATE, MISSING, period=period)
    _notice_unencrypted_key(plan)
    return IssuerView(facts=None, period=period, obstacle=None, handed_out=True)


def _judge(
    plan: IdentityPlan, key: Observed[KeyFacts], certificate: Observed[tuple[CertificateFacts, ...]], now: datetime
) -> IssuerView:
    """An authority whose certificate can be read."""
    identity = plan.identity
    facts, *others = certificate.value or ()
    given = CheckInput(
        artifact=identity.certificate,
        facts=facts,
        issuer=facts,
        key_spki=key.value.spki_sha256 if key.value else None,
        key_type=identity.private_key.key_type if identity.private_key.key_type_declared else None,
        issuer_ends=frozenset(),
        now=now,
    )
    reasons = check_certificate(given)
    if others:
        reasons += (Reason(code=ReasonCode.CONTENT_CHANGED, before=f"{len(others) + 1} certificates", after="1"),)
    _judge_key(plan, key)
    if identity.fingerprint not in (None, facts.spki_sha256):
        plan.block(
            identity.certificate,
            Action.NO_OP,
            code=BlockCode.FINGERPRINT_MISMATCH,
            message=f"the authority here is sha256:{facts.spki_sha256}, not the one that the manifest pins",
            hint="bring back the authority that is pinned, or pin this one",
        )
    elif reasons:
        plan.block(identity.certificate, certificate_action(reasons), *reasons)
    else:
        plan.keep(identity.certificate)
    if identity.fingerprint is None:
        plan.notice(
            NoticeCode.CA_NOT_PINNED,
            "the authority is not pinned; a folder with another one would be accepted",
            hint=f"under ca: write fingerprint: sha256:{facts.spki_sha256}",
        )
    plan.notice_locked_pair(key)
    if key.state is State.PRESENT:
        _notice_unencrypted_key(plan)
    return IssuerView(
        facts=facts,
        period=Period(not_before=facts.not_before, not_after=facts.not_after),
        obstacle=_BLOCKED if plan.blocked else plan.opening_obstacle(key),
        handed_out=str(identity.certificate.address) not in {remark.address for remark in plan.blocked},
    )


def _judge_key(plan: IdentityPlan, key: Observed[KeyFacts]) -> None:
    if key.state is not State.ABSENT:
        plan.judge_private_key(key)
        return
    artifact = plan.identity.private_key
    plan.block(
        artifact,
        Action.NO_OP,
        Reason(code=ReasonCode.KEY_NOT_HERE),
        message=f"{artifact.path} is not here, and is never made again",
        hint=_WHERE_THE_KEY_IS,
    )


def _block_lost_authority(plan: IdentityPlan, key: Observed[KeyFacts], evidence: str) -> None:
    """Certificates of an authority exist, and its own is gone: never answered by a new authority."""
    identity = plan.identity
    missing: list[PrivateKeyArtifact | CertificateArtifact] = [identity.private_key, identity.certificate]
    if key.state is not State.ABSENT:
        plan.judge_private_key(key)
        missing.remove(identity.private_key)
    for artifact in missing:
        plan.block(
            artifact,
            Action.CREATE,
            MISSING,
            message=f"{artifact.path} is not here, but an authority was at work in this folder: {evidence}",
            hint=f"{_RESTORE}; a new authority is trusted by no device that has the old ca.pem",
        )


def _block_pinned_authority(plan: IdentityPlan) -> None:
    identity = plan.identity
    for artifact in (identity.private_key, identity.certificate):
        plan.block(
            artifact,
            Action.CREATE,
            MISSING,
            code=BlockCode.FINGERPRINT_MISMATCH,
            message="the manifest pins an authority that is not here, and a new one would be another",
            hint=f"bring ca.key and ca.pem of sha256:{identity.fingerprint} here, or remove `fingerprint`",
        )


def _notice_unencrypted_key(plan: IdentityPlan) -> None:
    if plan.identity.private_key.password is None:
        plan.notice(
            NoticeCode.CA_KEY_UNENCRYPTED,
            "the authority's private key is not encrypted: whoever reads ca.key can pretend to be any broker",
            hint="under ca: write password: {env: EDGECERTS_CA_PASSWORD}, or another source",
        )
