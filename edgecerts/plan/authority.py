"""The plan of the authority: made once, renewed with its own key, and never replaced as a side effect."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import cast

from edgecerts.desired.graph import Graph, Identity
from edgecerts.observed.inventory import Inventory, Observed, State
from edgecerts.pki.certificate_facts import CertificateFacts
from edgecerts.pki.certificates import Period, PublicKey, derive_key_id
from edgecerts.pki.names import differing_fields
from edgecerts.pki.private_keys import KeyFacts
from edgecerts.pki.x509_names import build_name, name_attributes, name_text
from edgecerts.plan.certificate_checks import CheckInput, check_certificate
from edgecerts.plan.identity_plan import (
    MISSING,
    RENEWAL,
    REPLACE,
    IdentityPlan,
    certificate_action,
    certificate_key_source,
    extra_certificates,
    note_declared_end,
    unreadable,
)
from edgecerts.plan.issuer import NOT_JUDGED, IssuerView, Obstacle, find_lineage
from edgecerts.plan.model import Action, BlockCode, Issuance, KeySource, Lineage, NoticeCode, Reason, ReasonCode
from edgecerts.plan.new_authority import (
    NewKey,
    create_authority,
    find_new_key,
    note_unencrypted_key,
    pinned,
    replace_authority,
)
from edgecerts.plan.options import NEW_CA_KEY_TO, PlanOptions
from edgecerts.plan.periods import moves_end, plan_period

_RESTORE = "bring it back from the backup; copies of ca.pem lie beside every broker and client"
_WHERE_THE_KEY_IS = "run edgecerts apply where ca.key is"

_FETCHED: Observed[KeyFacts] = Observed(state=State.LOCKED, problem="it is fetched when it is needed")
"""A private key that comes from a source, which planning never opens: like one that is locked."""


def plan_authority(
    graph: Graph,
    inventory: Inventory,
    *,
    evidence: Sequence[str],
    unprotected: Obstacle | None,
    options: PlanOptions,
    now: datetime,
) -> tuple[IdentityPlan, IssuerView]:
    """Plans the authority's key and certificate.

    Args:
        graph: what should exist; its first authority is planned.
        inventory: what is there.
        evidence: what shows that an authority was at work here: paths, or lines of the log.
        unprotected: why no unencrypted private key may be made, or None.
        options: what the user asked for.
        now: in UTC.

    Returns:
        its plan, and what its end entities may count on.
    """
    identity = graph.authorities[0]
    plan = IdentityPlan(identity=identity)
    key = inventory.private_keys[identity.private_key.path]
    certificate = inventory.certificates[identity.certificate.path]
    if identity.private_key.source is not None:
        _note_unused_key(plan, key)
        key = _FETCHED
    replaced = options.replaces(identity.private_key)
    new = find_new_key(identity, key, unprotected, options)
    if certificate.value:
        remade = options.replaces(identity.certificate)
        return plan, _judge(plan, key, certificate.value, now, replaced=replaced, remade=remade, new=new)
    obstacle = unreadable(identity.certificate.path, certificate)
    if obstacle is not None:
        _plan_key(plan, key)
        corrupt = Reason(code=ReasonCode.CORRUPT, before=certificate.problem)
        plan.block(identity.certificate, Action.NO_OP, corrupt, obstacle=obstacle)
        return plan, NOT_JUDGED
    lost = MISSING
    if certificate.state is State.UNREADABLE:
        lost = Reason(code=ReasonCode.CORRUPT, before=certificate.problem)
    may_be_new = key.state is State.ABSENT or (key is _FETCHED and options.new_ca_key)
    if replaced or (certificate.state is State.ABSENT and may_be_new):
        there = key.state is not State.ABSENT and key is not _FETCHED
        return plan, create_authority(plan, lost, evidence, now, key_is_there=there, new=new)
    if key.state in (State.ABSENT, State.UNREADABLE):
        return plan, _block_both(plan, key, certificate.problem, lost)
    lineage = find_lineage(graph, inventory, key=key.value)
    if key is _FETCHED and lineage is None and evidence and identity.fingerprint is None:
        # Whose key the source gives is not known here, and neither is whose certificates were here.
        return plan, create_authority(plan, lost, evidence, now, key_is_there=False, new=new)
    return plan, _make_again(plan, key, lost, lineage, now)


def _make_again(
    plan: IdentityPlan, key: Observed[KeyFacts], lost: Reason, lineage: Lineage | None, now: datetime
) -> IssuerView:
    """The certificate is lost and the key is here: made again from the same key, so that leaves stay valid."""
    identity = plan.identity
    plan.plan_existing_key(key)
    spki = key.value.spki_sha256 if key.value else None
    if identity.fingerprint is not None and spki is not None and spki != identity.fingerprint:
        plan.block(identity.certificate, Action.CREATE, lost, obstacle=pinned(identity))
        return NOT_JUDGED
    declared = build_name(identity.certificate.spec.subject)
    subject = identity.certificate.spec.subject
    if lineage is not None and differing_fields(name_attributes(lineage.name), subject):
        # Another subject is declared: the same key under another name is another authority to every device.
        lineage = Lineage(name=declared, key_id=lineage.key_id)
    name = lineage.name if lineage else declared
    key_id = lineage.key_id if lineage else None
    if key_id is None and key.value is not None:
        key_id = derive_key_id(key.value.public_key).hex()
    period = plan_period(identity.certificate.lifetime, now=now, issuer=None)
    issuance = Issuance(period=period, key=KeySource.KEY_FILE, lineage=lineage) if period else None
    plan.issue(identity.certificate, lost, issuance=issuance, obstacle=plan.certifying_obstacle(key))
    note_unencrypted_key(plan)
    if key is _FETCHED and lineage is None:
        _note_new_authority(plan)
    blocked = NOT_JUDGED.obstacle if plan.blocked else None
    return IssuerView(
        judged=True,
        name=name_text(name),
        name_der=name.public_bytes(),
        key_id=key_id,
        spki_sha256=spki,
        public_key=key.value.public_key if key.value else None,
        period=period if blocked is None else None,
        obstacle=blocked,
    )


def _judge(
    plan: IdentityPlan,
    key: Observed[KeyFacts],
    certificates: tuple[CertificateFacts, ...],
    now: datetime,
    *,
    replaced: bool,
    remade: bool,
    new: NewKey,
) -> IssuerView:
    """An authority whose certificate can be read."""
    identity, facts = plan.identity, certificates[0]
    if key.value is not None and key.value.spki_sha256 != facts.spki_sha256 and not replaced:
        for artifact in (identity.private_key, identity.certificate):
            plan.block(artifact, Action.NO_OP, obstacle=_mismatch(identity))
        return NOT_JUDGED
    if identity.fingerprint not in (None, facts.spki_sha256):
        _plan_key(plan, key)
        plan.block(identity.certificate, Action.NO_OP, obstacle=_other_authority(facts))
        return NOT_JUDGED
    given = CheckInput(
        artifact=identity.certificate,
        facts=facts,
        issuer=None,
        key=None,
        key_type=identity.private_key.key_type if identity.private_key.key_type_declared else None,
        issuer_ends=frozenset(),
        now=now,
    )
    reasons = check_certificate(given) + extra_certificates(certificates)
    reasons += (REPLACE,) if replaced or remade else ()
    other_type = any(reason.code is ReasonCode.KEY_TYPE_CHANGED for reason in reasons)
    # A key that is damaged or elsewhere stays until somebody asks for another by name.
    if replaced or (other_type and new.follows_type):
        return replace_authority(plan, reasons, now, new)
    _notice_pin(plan, facts)
    return _renew(plan, key, facts, reasons, now)


def _renew(
    plan: IdentityPlan, key: Observed[KeyFacts], facts: CertificateFacts, reasons: tuple[Reason, ...], now: datetime
) -> IssuerView:
    """The authority as it is, or a new certificate for its same key."""
    identity = plan.identity
    _plan_key(plan, key)
    obstacle = _signing_obstacle(plan, key, reasons) or _not_yet_valid(facts, now)
    name = facts.certificate.subject
    if any(reason.code is ReasonCode.SUBJECT_CHANGED for reason in reasons):
        name = build_name(identity.certificate.spec.subject)
    view = IssuerView(
        judged=True,
        facts=facts,
        name=name_text(name),
        name_der=name.public_bytes(),
        key_id=facts.subject_key_id,
        spki_sha256=facts.spki_sha256,
        public_key=cast("PublicKey", facts.certificate.public_key()),
        period=Period(not_before=facts.not_before, not_after=facts.not_after),
        obstacle=_in_its_name(obstacle),
    )
    if key.state is State.PRESENT:
        note_unencrypted_key(plan)
    if not reasons:
        plan.keep(identity.certificate)
        return view
    period = plan_period(identity.certificate.lifetime, now=now, issuer=None)
    if {reason.code for reason in reasons} <= RENEWAL and not moves_end(period, facts.not_after):
        note_declared_end(plan, facts)
        plan.keep(identity.certificate)
        return view
    lineage = Lineage(name=name, key_id=facts.subject_key_id)
    issuance = Issuance(period=period, key=certificate_key_source(reasons), lineage=lineage) if period else None
    plan.issue(identity.certificate, *reasons, issuance=issuance, obstacle=obstacle)
    if str(identity.certificate.address) in {remark.address for remark in plan.blocked}:
        # Until it is renewed where its key is, it stays as it is, and so does its name.
        old = facts.certificate.subject
        blocked = _in_its_name(obstacle) or NOT_JUDGED.obstacle
        return replace(view, name=name_text(old), name_der=old.public_bytes(), obstacle=blocked)
    plan.notice(NoticeCode.TRUST_RENEWED, f"ca.pem is new; the old one works until {facts.not_after:%Y-%m-%d}")
    renamed = identity.certificate.path if name != facts.certificate.subject else None
    return replace(view, facts=None, replaces=renamed, period=period)


def _plan_key(plan: IdentityPlan, key: Observed[KeyFacts]) -> None:
    if key.state is State.ABSENT:
        plan.keep(plan.identity.private_key)
    else:
        plan.plan_existing_key(key)


def _signing_obstacle(plan: IdentityPlan, key: Observed[KeyFacts], reasons: tuple[Reason, ...]) -> Obstacle | None:
    artifact = plan.identity.private_key
    if key.state is State.ABSENT:
        return Obstacle(
            code=BlockCode.ISSUER_KEY_NOT_HERE,
            message=f"{artifact.path} is not here to sign with",
            hint=_WHERE_THE_KEY_IS if artifact.offline else f"{_WHERE_THE_KEY_IS}, or bring it back from the backup",
        )
    if key is _FETCHED and any(reason.code is ReasonCode.KEY_TYPE_CHANGED for reason in reasons):
        return Obstacle(
            code=BlockCode.KEY_UNUSABLE,
            message=f"the authority's private key, from {artifact.source}, is not {artifact.key_type} as declared",
            hint=f"make another authority: edgecerts apply {NEW_CA_KEY_TO} FILE; or declare the key type that it has",
        )
    return plan.opening_obstacle(key)


def _in_its_name(obstacle: Obstacle | None) -> Obstacle | None:
    """The authority's obstacle as its end entities meet it: it is not their key that is damaged."""
    if obstacle is None or obstacle.code is not BlockCode.CORRUPT:
        return obstacle
    return Obstacle(code=BlockCode.ISSUER_BLOCKED, message=obstacle.message, hint=obstacle.hint)


def _not_yet_valid(facts: CertificateFacts, now: datetime) -> Obstacle | None:
    """An authority that begins later than now: what it would issue could not begin before it."""
    if facts.not_before <= now:
        return None
    begins = f"{facts.not_before:%Y-%m-%d %H:%M}"
    return Obstacle(
        code=BlockCode.NOT_YET_VALID,
        message=f"the authority's certificate begins on {begins}, and it is {now:%Y-%m-%d %H:%M}",
        hint="set the clock",
    )


def _block_both(plan: IdentityPlan, key: Observed[KeyFacts], problem: str | None, lost: Reason) -> IssuerView:
    """Neither the key nor the certificate can be used: only a backup helps."""
    identity = plan.identity
    if key.state is State.ABSENT:
        plan.keep(identity.private_key)
        message = f"{identity.certificate.path} cannot be used ({problem}), and {identity.private_key.path} is not here"
    else:
        plan.plan_existing_key(key)
        message = f"{identity.certificate.path} cannot be made from a damaged key"
    obstacle = Obstacle(code=BlockCode.CORRUPT, message=message, hint=_RESTORE)
    plan.block(identity.certificate, certificate_action((lost,)), lost, obstacle=obstacle)
    return NOT_JUDGED


def _other_authority(facts: CertificateFacts) -> Obstacle:
    return Obstacle(
        code=BlockCode.FINGERPRINT_MISMATCH,
        message=f"the authority here is sha256:{facts.spki_sha256}, not the one that the manifest pins",
        hint="bring back the authority that is pinned, or pin this one",
    )


def _mismatch(identity: Identity) -> Obstacle:
    return Obstacle(
        code=BlockCode.KEY_MISMATCH,
        message=f"{identity.private_key.path} is not the key of {identity.certificate.path}",
        hint="bring back the two that belong together; neither is ever replaced to fit the other",
    )


def _notice_pin(plan: IdentityPlan, facts: CertificateFacts) -> None:
    if plan.identity.fingerprint is None:
        plan.notice(
            NoticeCode.CA_NOT_PINNED,
            "the authority is not pinned; a folder with another one would be accepted",
            hint=f"under ca: write fingerprint: sha256:{facts.spki_sha256}",
        )


def _note_unused_key(plan: IdentityPlan, found: Observed[KeyFacts]) -> None:
    artifact = plan.identity.private_key
    if found.state is not State.ABSENT:
        plan.notice(
            NoticeCode.CA_KEY_UNUSED,
            f"{artifact.path} is here and is not used: the manifest takes the key from {artifact.source}",
            hint="once that source gives the same key and a backup exists, remove the file",
        )


def _note_new_authority(plan: IdentityPlan) -> None:
    plan.notice(
        NoticeCode.CA_IS_NEW,
        f"there is no authority yet; it is made for the private key from {plan.identity.private_key.source}",
        hint=f"if there is no such key yet: edgecerts apply {NEW_CA_KEY_TO} FILE",
    )
