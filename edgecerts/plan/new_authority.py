"""The plan of an authority that is new: the first one here, or one that takes another's place."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from edgecerts.desired.graph import Identity
from edgecerts.observed.inventory import Observed, State
from edgecerts.pki.private_keys import KeyFacts
from edgecerts.pki.x509_names import build_name, name_text
from edgecerts.plan.identity_plan import LIFETIME_PASSED, MISSING, REPLACE, IdentityPlan, linked_key
from edgecerts.plan.issuer import NOT_JUDGED, IssuerView, Obstacle
from edgecerts.plan.model import Action, BlockCode, Issuance, KeySource, NoticeCode, Reason, ReasonCode
from edgecerts.plan.options import NEW_CA_KEY_TO, PlanOptions
from edgecerts.plan.periods import plan_period


@dataclass(frozen=True, kw_only=True, slots=True)
class NewKey:
    """How a new authority would come by its private key.

    Attributes:
        source: `NEW_KEY` where `apply` makes it, `KEY_FILE` where the manifest's source already gives it.
        follows_type: a key of another type than declared has one of that type put in its place.
        obstacle: why there may be none, or None.
    """

    source: KeySource
    follows_type: bool
    obstacle: Obstacle | None


def find_new_key(
    identity: Identity, key: Observed[KeyFacts], unprotected: Obstacle | None, options: PlanOptions
) -> NewKey:
    """Where a new authority's key would come from, and what stands against it.

    Args:
        key: the private key as it was found; locked where it comes from a source.
        unprotected: why no unencrypted private key may be made in the output folder, or None.
    """
    artifact = identity.private_key
    fetched = artifact.source is not None and not options.new_ca_key
    here = artifact.source is None and key.state not in (State.UNREADABLE, State.ABSENT)
    obstacle = None
    if key.linked:
        obstacle = linked_key(artifact.path)
    elif identity.fingerprint is not None:
        obstacle = pinned(identity)
    elif artifact.offline and key.state is State.ABSENT and not options.new_ca_key:
        obstacle = _made_elsewhere(identity)
    elif artifact.source is None and artifact.password is None:
        obstacle = unprotected
    return NewKey(
        source=KeySource.KEY_FILE if fetched else KeySource.NEW_KEY,
        follows_type=options.new_ca_key or here,
        obstacle=obstacle,
    )


def create_authority(
    plan: IdentityPlan, lost: Reason, evidence: Sequence[str], now: datetime, *, key_is_there: bool, new: NewKey
) -> IssuerView:
    """A new authority. Where another was at work, everything is refused until `ca-replaced` is allowed.

    Args:
        lost: why there is no certificate.
        evidence: what shows that an authority was at work here.
        key_is_there: something lies in the private key's place.
    """
    identity = plan.identity
    period = plan_period(identity.certificate.lifetime, now=now, issuer=None)
    obstacle = new.obstacle or (LIFETIME_PASSED if period is None else None)
    if obstacle is not None or period is None:
        for artifact in (identity.private_key, identity.certificate):
            plan.block(artifact, Action.CREATE, MISSING, obstacle=obstacle or LIFETIME_PASSED)
        return NOT_JUDGED
    if new.source is KeySource.KEY_FILE:
        plan.keep(identity.private_key)
    elif key_is_there:
        plan.add(identity.private_key, Action.REKEY, REPLACE)
    else:
        plan.add(identity.private_key, Action.CREATE, MISSING)
    plan.issue(identity.certificate, lost, issuance=Issuance(period=period, key=new.source), obstacle=None)
    note_unencrypted_key(plan)
    name = build_name(identity.certificate.spec.subject)
    return IssuerView(
        judged=True, name=name_text(name), name_der=name.public_bytes(), new_key=bool(evidence), period=period
    )


def replace_authority(plan: IdentityPlan, reasons: tuple[Reason, ...], now: datetime, new: NewKey) -> IssuerView:
    """Another key, because the manifest declares another type or the user asks: another authority to every device."""
    identity, obstacle = plan.identity, new.obstacle
    causes = (ReasonCode.KEY_TYPE_CHANGED, ReasonCode.REPLACE_REQUESTED)
    why = tuple(reason for reason in reasons if reason.code in causes)
    period = plan_period(identity.certificate.lifetime, now=now, issuer=None)
    if obstacle is None and period is None:
        # A new key without a certificate would be half an authority, and the old one would be gone.
        obstacle = LIFETIME_PASSED
    if obstacle is not None:
        plan.block(identity.private_key, Action.REKEY, *why, obstacle=obstacle)
    elif new.source is KeySource.KEY_FILE:
        plan.keep(identity.private_key)
    else:
        plan.add(identity.private_key, Action.REKEY, *why)
    issuance = Issuance(period=period, key=new.source) if period else None
    plan.issue(identity.certificate, *reasons, issuance=issuance, obstacle=obstacle)
    if plan.blocked:
        return NOT_JUDGED
    note_unencrypted_key(plan)
    name = build_name(identity.certificate.spec.subject)
    return IssuerView(
        judged=True,
        name=name_text(name),
        name_der=name.public_bytes(),
        new_key=True,
        replaces=identity.certificate.path,
        period=period,
    )


def pinned(identity: Identity) -> Obstacle:
    """The manifest pins an authority, so no other is made."""
    return Obstacle(
        code=BlockCode.FINGERPRINT_MISMATCH,
        message="the manifest pins an authority, and a new one would be another",
        hint=f"bring ca.key and ca.pem of sha256:{identity.fingerprint} here, or remove `fingerprint`",
    )


def _made_elsewhere(identity: Identity) -> Obstacle:
    """An authority whose key is offline is not made by whichever machine happens to run first."""
    return Obstacle(
        code=BlockCode.ISSUER_KEY_NOT_HERE,
        message="the manifest keeps the authority's private key offline, and there is none here",
        hint=f"on the machine that will sign: edgecerts apply {NEW_CA_KEY_TO} FILE, where FILE is"
        f" {identity.private_key.path} in its output folder",
    )


def note_unencrypted_key(plan: IdentityPlan) -> None:
    """A private key that lies in the output folder as it is. Of one that is fetched, nothing is known yet."""
    if plan.identity.private_key.password is None and plan.identity.private_key.source is None:
        plan.notice(
            NoticeCode.CA_KEY_UNENCRYPTED,
            "the authority's private key is not encrypted: whoever reads ca.key can pretend to be any broker",
            hint="under ca: write password: {env: EDGECERTS_CA_PASSWORD}, or another source",
        )
