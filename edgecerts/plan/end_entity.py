"""The plan of one broker or client: its private key, its certificate and its copy of what it trusts."""

from collections.abc import Iterable
from datetime import datetime

from edgecerts.desired.graph import CertificateArtifact, Identity, IdentityKind
from edgecerts.manifest.model import KeyHeld
from edgecerts.observed.inventory import Inventory, Observed, State
from edgecerts.pki.certificate_facts import CertificateFacts
from edgecerts.pki.private_keys import KeyFacts
from edgecerts.plan.certificate_checks import CheckInput, check_certificate, is_weak_key
from edgecerts.plan.foreign_files import ForeignFiles
from edgecerts.plan.identity_plan import (
    LIFETIME_PASSED,
    MISSING,
    RENEWAL,
    REPLACE,
    IdentityPlan,
    certificate_key_source,
    extra_certificates,
    linked_key,
    note_declared_end,
    note_still_valid,
    unreadable,
)
from edgecerts.plan.issuer import IssuerView, Obstacle
from edgecerts.plan.listed_entries import find_refused
from edgecerts.plan.model import (
    Action,
    BlockCode,
    Issuance,
    KeySource,
    Lineage,
    NoticeCode,
    Reason,
    ReasonCode,
)
from edgecerts.plan.options import PlanOptions
from edgecerts.plan.periods import moves_end, plan_period
from edgecerts.plan.private_key_checks import check_private_key, other_type, unusable_key
from edgecerts.plan.revocations import Revocations
from edgecerts.plan.revoked_checks import (
    check_revoked,
    is_on_hold,
    keep_on_hold,
    refused_key,
    revoked_key,
    revoked_until,
)

_NOT_ITS_NAME = frozenset({ReasonCode.SUBJECT_CHANGED, ReasonCode.ISSUER_CHANGED, ReasonCode.SIGNATURE_INVALID})

_NEW_KEY_CAUSES = frozenset({ReasonCode.KEY_TYPE_CHANGED, ReasonCode.REPLACE_REQUESTED, ReasonCode.REVOKED, *RENEWAL})


class EndEntityPlanner:
    """Plans brokers and clients below one authority.

    Attributes:
        addresses: of every certificate in the manifest.
        issuer: the authority, as it will be.
        revocations: what is revoked.
        ca_replaced: whether another authority takes the place of the one that existing files chain to.
        unprotected: why no unencrypted private key may be made, or None.
    """

    def __init__(
        self,
        inventory: Inventory,
        *,
        addresses: frozenset[str],
        issuer: IssuerView,
        revocations: Revocations,
        ca_replaced: bool,
        unprotected: Obstacle | None,
        options: PlanOptions,
        now: datetime,
    ) -> None:
        self._inventory = inventory
        self._revocations = revocations
        self._refused = find_refused(revocations, options)
        self._unprotected = unprotected
        self._issuer = issuer
        self._options = options
        self._now = now
        self._foreign = ForeignFiles(inventory, addresses=addresses, ca_replaced=ca_replaced)
        own = {
            entry.not_after for entry in inventory.log if entry.spki_sha256 == entry.issuer_key == issuer.spki_sha256
        }
        ends = {datetime.fromisoformat(end) for end in own}
        self._issuer_ends = frozenset(ends | ({issuer.period.not_after} if issuer.period else set()))

    def plan(self, identity: Identity) -> IdentityPlan:
        """Plans one identity's private key and certificate."""
        plan = IdentityPlan(identity=identity)
        key = self._inventory.private_keys[identity.private_key.path]
        certificate = self._inventory.certificates[identity.certificate.path]
        facts = certificate.value[0] if certificate.value else None
        if self._asks_for_new_key(identity, key):
            self._new_key(plan, key, facts, REPLACE, *self._reasons(plan, key, certificate))
        elif certificate.state is State.ABSENT:
            self._create(plan, key)
        elif facts is None:
            self._remake_damaged(plan, key, certificate)
        elif not self._issuer.judged:
            self._plan_key(plan, key)
            plan.keep(identity.certificate)
        else:
            self._judge(plan, key, certificate, facts)
        return plan

    def _asks_for_new_key(self, identity: Identity, key: Observed[KeyFacts]) -> bool:
        if self._options.replaces(identity.private_key):
            return True
        here = identity.private_key.held is KeyHeld.HERE
        certificate = self._inventory.certificates[identity.certificate.path]
        missing = key.state is State.ABSENT and certificate.state is not State.ABSENT
        held = certificate.value and is_on_hold(certificate.value[0], self._revocations, self._issuer)
        return self._options.replace_missing_keys and here and missing and not held

    def _create(self, plan: IdentityPlan, key: Observed[KeyFacts]) -> None:
        """No certificate: a new identity, or one whose private key is already here."""
        identity = plan.identity
        if key.state is State.ABSENT:
            self._new_key(plan, key, None, MISSING)
            return
        other = other_type(identity.private_key, key)
        if other is not None:
            self._new_key(plan, key, None, MISSING, other)
            return
        self._plan_key(plan, key)
        self._issue(plan, MISSING, source=KeySource.KEY_FILE, obstacle=self._certifying_obstacle(plan, key))

    def _remake_damaged(
        self, plan: IdentityPlan, key: Observed[KeyFacts], certificate: Observed[tuple[CertificateFacts, ...]]
    ) -> None:
        """The certificate cannot be read: made again for the private key, if that is here."""
        reason = Reason(code=ReasonCode.CORRUPT, before=certificate.problem)
        obstacle = unreadable(plan.identity.certificate.path, certificate)
        if obstacle is not None:
            self._plan_key(plan, key)
            self._issue(plan, reason, source=KeySource.KEY_FILE, obstacle=obstacle)
            return
        other = other_type(plan.identity.private_key, key)
        if other is not None:
            self._new_key(plan, key, None, reason, other)
            return
        self._plan_key(plan, key)
        obstacle = self._certifying_obstacle(plan, key)
        if key.state is State.ABSENT:
            obstacle = Obstacle(
                code=BlockCode.CORRUPT,
                message="the certificate cannot be read, and its public key is nowhere else here",
                hint=f"bring one of the two back, or ask for a new key: --replace {plan.identity.address}",
            )
        self._issue(plan, reason, source=KeySource.KEY_FILE, obstacle=obstacle)

    def _judge(
        self,
        plan: IdentityPlan,
        key: Observed[KeyFacts],
        certificate: Observed[tuple[CertificateFacts, ...]],
        facts: CertificateFacts,
    ) -> None:
        """A certificate that can be read, below an authority that is known."""
        plan.note_not_yet_valid(facts, self._now)
        if is_on_hold(facts, self._revocations, self._issuer):
            self._plan_key(plan, key)
            keep_on_hold(plan, facts)
            return
        reasons = self._reasons(plan, key, certificate)
        codes = {reason.code for reason in reasons}
        if reasons and codes <= RENEWAL and self._ends_with_issuer(plan, facts):
            self._plan_key(plan, key)
            plan.keep(plan.identity.certificate)
            return
        rekeys_now = (
            plan.identity.private_key.rekey_on_renew and bool(codes & RENEWAL) and key.state is not State.ABSENT
        )
        needs_new_key = bool(codes & {ReasonCode.KEY_TYPE_CHANGED, ReasonCode.REVOKED}) or rekeys_now
        if needs_new_key and key.state is not State.UNREADABLE:
            self._new_key(plan, key, facts, *reasons)
            return
        self._plan_key(plan, key)
        if not reasons:
            plan.keep(plan.identity.certificate)
            return
        self._note_foreign_file(plan, key, facts, reasons)
        self._note_identity(plan, reasons)
        source = certificate_key_source(reasons)
        # A damaged key is not replaced by one of the declared type, so the old one's type is not certified again.
        needs_key = source is KeySource.KEY_FILE or ReasonCode.KEY_TYPE_CHANGED in codes
        obstacle = self._certifying_obstacle(plan, key) if needs_key else self._weak_key_obstacle(plan, facts)
        if ReasonCode.REVOKED in codes:
            obstacle = revoked_key(identity=plan.identity, path=plan.identity.certificate.path)
        revokes = facts if needs_key and key.value and key.value.spki_sha256 != facts.spki_sha256 else None
        self._issue(plan, *reasons, source=source, obstacle=obstacle, revokes=revokes)

    def _weak_key_obstacle(self, plan: IdentityPlan, facts: CertificateFacts) -> Obstacle | None:
        """A new certificate for a key that is too short would be as unacceptable as the old one, every night."""
        problem = unusable_key(facts.key_type, plan.identity.private_key) if is_weak_key(facts.key_type) else None
        if problem is None:
            return None
        return Obstacle(
            code=BlockCode.KEY_UNUSABLE,
            message=f"the key of {plan.identity.certificate.path} {problem}",
            hint=f"ask for a new key: --replace {plan.identity.private_key.address}, or declare a key_type",
        )

    def _reasons(
        self, plan: IdentityPlan, key: Observed[KeyFacts], certificate: Observed[tuple[CertificateFacts, ...]]
    ) -> tuple[Reason, ...]:
        if certificate.state is State.ABSENT:
            return (MISSING,)
        if not certificate.value:
            return (Reason(code=ReasonCode.CORRUPT, before=certificate.problem),)
        if not self._issuer.judged:
            return ()
        identity, facts = plan.identity, certificate.value[0]
        must_fit = key.value
        if identity.private_key.held is KeyHeld.DELIVERED and must_fit and must_fit.spki_sha256 != facts.spki_sha256:
            plan.notice(
                NoticeCode.KEY_MISMATCH,
                f"{identity.private_key.path} is not the key of its certificate; the one in use is on its host",
                hint="remove the file, or write key_held: here to certify it",
            )
            must_fit = None
        given = CheckInput(
            artifact=identity.certificate,
            facts=facts,
            issuer=self._issuer,
            key=must_fit,
            key_type=identity.private_key.key_type if identity.private_key.key_type_declared else None,
            issuer_ends=self._issuer_ends,
            now=self._now,
        )
        reasons = check_certificate(given) + extra_certificates(certificate.value)
        reasons += check_revoked(facts, self._revocations)
        return reasons + ((REPLACE,) if self._options.replaces(identity.certificate) else ())

    def _new_key(
        self, plan: IdentityPlan, key: Observed[KeyFacts], facts: CertificateFacts | None, *reasons: Reason
    ) -> None:
        """A new private key and its certificate are one unit: where nothing can be signed, no key is made either."""
        identity = plan.identity
        reasons = tuple(dict.fromkeys(reasons))
        period = plan_period(identity.certificate.lifetime, now=self._now, issuer=self._issuer.period)
        obstacle = self._issuer.obstacle or revoked_until(identity, self._revocations, self._now)
        if key.linked:
            # Nobody may ask for it either: the old file would be moved and closed, and with it whatever else it is.
            obstacle = linked_key(identity.private_key.path)
        if obstacle is None and identity.private_key.password is None:
            obstacle = self._unprotected
        certificate = self._inventory.certificates[identity.certificate.path]
        both_absent = key.state is State.ABSENT and certificate.state is State.ABSENT
        action = Action.CREATE if both_absent else Action.REKEY
        causes = tuple(reason for reason in reasons if reason.code in _NEW_KEY_CAUSES)
        causes += (MISSING,) if action is Action.CREATE else check_private_key(identity.private_key, key)
        if obstacle is None and period is None:
            obstacle = LIFETIME_PASSED
        if obstacle is not None:
            plan.block(identity.private_key, action, *causes, obstacle=obstacle)
        else:
            plan.add(identity.private_key, action, *causes)
        self._note_identity(plan, reasons)
        if facts is not None:
            self._note_foreign_file(plan, key, facts, reasons)
            if obstacle is None:
                self._note_still_valid(plan, facts)
        self._issue(plan, *reasons, source=KeySource.NEW_KEY, obstacle=obstacle, revokes=facts)

    def _note_still_valid(self, plan: IdentityPlan, facts: CertificateFacts) -> None:
        """A certificate whose key is replaced can still connect, unless a list has it, or will."""
        revoked = self._revokes(plan, facts) or facts.serial_number in self._refused
        if facts.not_after > self._now and self._issuer.judged and not revoked:
            note_still_valid(plan, facts, "is replaced")

    def _revokes(self, plan: IdentityPlan, facts: CertificateFacts | None) -> bool:
        """Whether a certificate is revoked because its key is replaced; one of another authority is not ours to."""
        if facts is None or not plan.identity.revoke_on_rekey or facts.not_after <= self._now:
            return False
        return self._issuer.judged and not self._issuer.issuer_reasons(facts)

    def _certifying_obstacle(self, plan: IdentityPlan, key: Observed[KeyFacts]) -> Obstacle | None:
        path = plan.identity.private_key.path
        refused = refused_key(key.value, self._revocations, identity=plan.identity, path=path)
        return refused or plan.certifying_obstacle(key)

    def _issue(
        self,
        plan: IdentityPlan,
        *reasons: Reason,
        source: KeySource,
        obstacle: Obstacle | None,
        revokes: CertificateFacts | None = None,
    ) -> None:
        artifact = plan.identity.certificate
        obstacle = obstacle or self._issuer.obstacle or revoked_until(plan.identity, self._revocations, self._now)
        period = plan_period(artifact.lifetime, now=self._now, issuer=self._issuer.period)
        serial = revokes.serial if revokes is not None and self._revokes(plan, revokes) else None
        lineage = self._lineage(artifact, reasons)
        issuance = Issuance(period=period, key=source, lineage=lineage, revokes=serial) if period else None
        plan.issue(artifact, *reasons, issuance=issuance, obstacle=obstacle)
        uncapped = plan_period(artifact.lifetime, now=self._now, issuer=None)
        if obstacle is None and period and uncapped and period.not_after < uncapped.not_after:
            plan.notice(
                NoticeCode.LIFETIME_CAPPED,
                f"ends on {period.not_after:%Y-%m-%d} with its authority, earlier than declared"
                f" ({uncapped.not_after:%Y-%m-%d})",
            )

    def _lineage(self, artifact: CertificateArtifact, reasons: Iterable[Reason]) -> Lineage | None:
        """The subject of the certificate that goes, byte for byte where it is as declared: a broker may take it as the
        user name, with what another tool wrote into it. What this authority never signed it does not repeat.
        """
        found = self._inventory.certificates[artifact.path].value
        if not found or not self._issuer.judged or _NOT_ITS_NAME & {reason.code for reason in reasons}:
            return None
        return Lineage(name=found[0].certificate.subject, key_id=None)

    def _plan_key(self, plan: IdentityPlan, key: Observed[KeyFacts]) -> None:
        identity = plan.identity
        if key.state is not State.ABSENT:
            plan.plan_existing_key(key)
            return
        plan.keep(identity.private_key)
        if identity.private_key.held is KeyHeld.HERE:
            plan.notice(
                NoticeCode.KEY_NOT_HERE,
                f"{identity.private_key.path} is not here; it may be on its host, so it is not made again",
                hint=f"if it is lost: --replace {identity.private_key.address}; if it lives on its host: "
                "key_held: delivered",
            )

    def _ends_with_issuer(self, plan: IdentityPlan, facts: CertificateFacts) -> bool:
        """Whether a renewal could not move the end: it would be issued again every night, for nothing."""
        artifact = plan.identity.certificate
        period = plan_period(artifact.lifetime, now=self._now, issuer=self._issuer.period)
        if moves_end(period, facts.not_after):
            return False
        if artifact.lifetime.not_after is not None and artifact.lifetime.not_after <= facts.not_after:
            note_declared_end(plan, facts)
            return True
        plan.notice(
            NoticeCode.ENDS_WITH_ISSUER,
            f"is due, but a renewal could not move its end, {facts.not_after:%Y-%m-%d}: its authority ends then",
            hint="renew the authority first",
        )
        return True

    def _note_foreign_file(
        self, plan: IdentityPlan, key: Observed[KeyFacts], facts: CertificateFacts, reasons: tuple[Reason, ...]
    ) -> None:
        hazard = self._foreign.find(plan.identity, key, facts, reasons)
        plan.hazards += (hazard,) if hazard is not None else ()

    def _note_identity(self, plan: IdentityPlan, reasons: tuple[Reason, ...]) -> None:
        changed = any(reason.code is ReasonCode.SUBJECT_CHANGED for reason in reasons)
        if changed and plan.identity.kind is IdentityKind.CLIENT:
            plan.notice(
                NoticeCode.IDENTITY_CHANGED,
                "the client's subject changes; a broker that takes it as the user name sees another user",
                hint="change the broker's access list together with it",
            )
