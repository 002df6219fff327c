"""The plan of one broker or client: its private key, its certificate and its copy of what it trusts."""

from datetime import datetime

from edgecerts.desired.graph import Identity
from edgecerts.manifest.model import KeyHeld
from edgecerts.observed.inventory import Inventory, Observed, State
from edgecerts.pki.certificate_facts import CertificateFacts
from edgecerts.pki.private_keys import KeyFacts
from edgecerts.plan.certificate_checks import CheckInput, check_certificate
from edgecerts.plan.identity_plan import MISSING, IdentityPlan, IssuerView, Obstacle, certificate_action
from edgecerts.plan.model import Action, BlockCode, NoticeCode, Reason, ReasonCode
from edgecerts.plan.periods import plan_period
from edgecerts.plan.trust import plan_trust


def plan_end_entity(identity: Identity, inventory: Inventory, *, issuer: IssuerView, now: datetime) -> IdentityPlan:
    """Plans one broker or client.

    Args:
        identity: the broker or client.
        inventory: what is there.
        issuer: the authority, as it is or will be.
        now: in UTC.
    """
    plan = IdentityPlan(identity=identity)
    key = inventory.private_keys[identity.private_key.path]
    certificate = inventory.certificates[identity.certificate.path]
    if certificate.state is State.ABSENT:
        _create(plan, key, issuer, now)
    else:
        _judge_key(plan, key)
        _judge_certificate(plan, key, certificate, issuer, now)
    if identity.trust is not None:
        plan_trust(plan, identity.trust, inventory, issuer)
    return plan


def _create(plan: IdentityPlan, key: Observed[KeyFacts], issuer: IssuerView, now: datetime) -> None:
    """No certificate: a new identity, or one whose key is already there.

    A new key and its certificate are one unit: where nothing can be signed, no key is made either.
    """
    identity = plan.identity
    make_key = key.state is State.ABSENT
    if not make_key and not _judge_key(plan, key):
        plan.block(identity.certificate, Action.CREATE, MISSING, hint=f"mend {identity.private_key.path} first")
        return
    made = (identity.private_key, identity.certificate) if make_key else (identity.certificate,)
    obstacle = _creation_obstacle(plan, key, issuer)
    if obstacle is not None:
        for artifact in made:
            plan.block(
                artifact, Action.CREATE, MISSING, code=obstacle.code, message=obstacle.message, hint=obstacle.hint
            )
        return
    period = plan_period(identity.certificate.lifetime, now=now, issuer=issuer.period)
    if period is None:
        plan.block_passed_lifetime(*made)
        return
    if make_key:
        plan.add(identity.private_key, Action.CREATE, MISSING)
    plan.add(identity.certificate, Action.CREATE, MISSING, period=period)
    uncapped = plan_period(identity.certificate.lifetime, now=now, issuer=None)
    if uncapped is not None and period.not_after < uncapped.not_after:
        plan.notice(
            NoticeCode.LIFETIME_CAPPED,
            f"ends on {period.not_after:%Y-%m-%d} with its authority, earlier than declared"
            f" ({uncapped.not_after:%Y-%m-%d})",
        )


def _creation_obstacle(plan: IdentityPlan, key: Observed[KeyFacts], issuer: IssuerView) -> Obstacle | None:
    artifact = plan.identity.private_key
    if artifact.held is KeyHeld.CSR:
        return Obstacle(
            code=BlockCode.NOT_YET,
            message="`key_held: csr` is not supported by this version",
            hint="write key_held: delivered to make the key here and carry it to its host",
        )
    if key.value is not None and artifact.key_type_declared and key.value.key_type != artifact.key_type.value:
        return Obstacle(
            code=BlockCode.NOT_YET,
            message=f"{artifact.path} is {key.value.key_type}, and the manifest declares {artifact.key_type}",
            hint=f"write key_type: {key.value.key_type}, or move the key away to have a new one made",
        )
    return plan.opening_obstacle(key) or issuer.obstacle


def _judge_key(plan: IdentityPlan, key: Observed[KeyFacts]) -> bool:
    artifact = plan.identity.private_key
    if key.state is not State.ABSENT:
        return plan.judge_private_key(key)
    if artifact.held is KeyHeld.HERE:
        plan.block(
            artifact,
            Action.NO_OP,
            Reason(code=ReasonCode.KEY_NOT_HERE),
            message=f"{artifact.path} is not here, and is not made again: it may be on its host",
            hint="bring it back, or write key_held: delivered if it lives on its host alone",
        )
        return False
    plan.keep(artifact)
    return True


def _judge_certificate(
    plan: IdentityPlan,
    key: Observed[KeyFacts],
    certificate: Observed[tuple[CertificateFacts, ...]],
    issuer: IssuerView,
    now: datetime,
) -> None:
    """A certificate that is there, readable or not."""
    identity = plan.identity
    artifact = identity.certificate
    remake = f"move {artifact.path} away to have it made again with the same key"
    if certificate.state is State.UNREADABLE or not certificate.value:
        corrupt = Reason(code=ReasonCode.CORRUPT, before=certificate.problem)
        plan.block(artifact, Action.UPDATE, corrupt, hint=remake if key.state is not State.ABSENT else None)
        return
    if issuer.facts is None:
        plan.block(
            artifact,
            Action.NO_OP,
            code=BlockCode.ISSUER_BLOCKED,
            message=f"{artifact.path} cannot be judged without its authority",
            hint="mend what is blocked under ca",
        )
        return
    facts, *others = certificate.value
    given = CheckInput(
        artifact=artifact,
        facts=facts,
        issuer=issuer.facts,
        key_spki=key.value.spki_sha256 if key.value else None,
        key_type=identity.private_key.key_type if identity.private_key.key_type_declared else None,
        issuer_ends=frozenset({issuer.facts.not_after}),
        now=now,
    )
    reasons = check_certificate(given)
    if others:
        reasons += (Reason(code=ReasonCode.CONTENT_CHANGED, before=f"{len(others) + 1} certificates", after="1"),)
    if reasons:
        hint = remake if key.state in (State.PRESENT, State.LOCKED) else None
        plan.block(artifact, certificate_action(reasons), *reasons, hint=hint)
    else:
        plan.keep(artifact)
    plan.notice_locked_pair(key)
