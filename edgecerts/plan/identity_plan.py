"""The plan of one identity while it is being decided, and what authorities and end entities have in common."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from edgecerts.desired.graph import Artifact, CertificateArtifact, Identity
from edgecerts.observed.hard_links import COPY_IT, HARD_LINK
from edgecerts.observed.inventory import Observed, State
from edgecerts.pki.certificate_facts import CertificateFacts
from edgecerts.pki.private_keys import KeyFacts
from edgecerts.plan.issuer import Obstacle
from edgecerts.plan.model import (
    Action,
    BlockCode,
    Change,
    Issuance,
    KeySource,
    NoticeCode,
    Reason,
    ReasonCode,
    Remark,
)
from edgecerts.plan.private_key_checks import check_private_key, unusable_key
from edgecerts.plan.waiting import Waiting

MISSING = Reason(code=ReasonCode.MISSING)
REPLACE = Reason(code=ReasonCode.REPLACE_REQUESTED)

RENEWAL = frozenset({ReasonCode.EXPIRED, ReasonCode.NEAR_EXPIRY})
_LOST_CERTIFICATE = frozenset({ReasonCode.MISSING, ReasonCode.CORRUPT, ReasonCode.KEY_MISMATCH})


@dataclass(kw_only=True, slots=True)
class IdentityPlan:
    """Collects the decisions about one identity: in tuples, because nearly all of them stay empty in a fleet."""

    identity: Identity
    changes: tuple[Change, ...] = ()
    blocked: tuple[Remark, ...] = ()
    notices: tuple[Remark, ...] = ()
    hazards: tuple[Remark, ...] = ()
    waiting: tuple[Waiting, ...] = ()

    def add(self, artifact: Artifact, action: Action, *reasons: Reason, issuance: Issuance | None = None) -> None:
        """Plans one change."""
        self.changes += (Change(artifact=artifact, action=action, reasons=reasons, issuance=issuance),)

    def keep(self, artifact: Artifact) -> None:
        """Plans nothing for a file that is as declared, or is left as it is."""
        self.add(artifact, Action.NO_OP)

    def block(self, artifact: Artifact, action: Action, *reasons: Reason, obstacle: Obstacle) -> None:
        """Plans a change that cannot be made."""
        self.add(artifact, action, *reasons)
        self.blocked += (
            Remark(
                code=obstacle.code.value,
                address=str(artifact.address),
                message=obstacle.message,
                hint=obstacle.hint,
            ),
        )

    def issue(
        self, artifact: CertificateArtifact, *reasons: Reason, issuance: Issuance | None, obstacle: Obstacle | None
    ) -> None:
        """Plans a certificate, blocked where something keeps it from being signed."""
        action = certificate_action(reasons)
        if issuance is not None and issuance.key is KeySource.NEW_KEY and action is Action.RENEW:
            action = Action.UPDATE
        if obstacle is not None:
            self.block(artifact, action, *reasons, obstacle=obstacle)
        elif issuance is None:
            self.block(artifact, action, *reasons, obstacle=LIFETIME_PASSED)
        else:
            self.add(artifact, action, *reasons, issuance=issuance)

    def notice(self, code: NoticeCode, message: str, *, hint: str | None = None) -> None:
        """Remarks on the identity as a whole."""
        self.notices += (Remark(code=code.value, address=self.identity.address, message=message, hint=hint),)

    def plan_existing_key(self, found: Observed[KeyFacts]) -> None:
        """Plans for a private key file that is there and stays: its mode and its encryption."""
        artifact = self.identity.private_key
        if found.state is State.UNREADABLE:
            reason = Reason(code=ReasonCode.CORRUPT, field="private-key", before=found.problem)
            self.block(artifact, Action.NO_OP, reason, obstacle=self.damaged_key(found))
            return
        if found.encrypted and artifact.password is None:
            self.notice(
                NoticeCode.KEY_ENCRYPTED,
                f"{artifact.path} is encrypted, and the manifest names no password for it",
                hint=f"write password: {{env: NAME}} for {self.identity.address} before the key is needed",
            )
        reasons = check_private_key(artifact, found)
        self.add(artifact, private_key_action(reasons), *reasons)

    def damaged_key(self, found: Observed[KeyFacts]) -> Obstacle:
        """A private key file that is no key, or not only ours: never replaced by itself."""
        identity = self.identity
        if found.linked:
            return linked_key(identity.private_key.path)
        asked = "" if identity.address == "ca" else f", or ask for a new one: --replace {identity.private_key.address}"
        return Obstacle(
            code=BlockCode.CORRUPT,
            message=f"{identity.private_key.path} cannot be used: {found.problem}",
            hint=f"bring it back from the backup{asked}",
        )

    def opening_obstacle(self, found: Observed[KeyFacts]) -> Obstacle | None:
        """Why `apply` could not use a private key file that it needs, or None."""
        artifact = self.identity.private_key
        if found.state is State.UNREADABLE:
            return self.damaged_key(found)
        if found.encrypted and artifact.password is None:
            return Obstacle(
                code=BlockCode.KEY_ENCRYPTED,
                message=f"{artifact.path} is encrypted, and the manifest names no password for it",
                hint=f"write password: {{env: NAME}} for {self.identity.address}, or another source",
            )
        return None

    def certifying_obstacle(self, found: Observed[KeyFacts]) -> Obstacle | None:
        """Why no certificate can be made for a private key file that is there, or None."""
        artifact = self.identity.private_key
        if found.value is None:
            return self.opening_obstacle(found)
        problem = unusable_key(found.value.key_type, artifact)
        if problem is None:
            return None
        return Obstacle(
            code=BlockCode.KEY_UNUSABLE,
            message=f"{artifact.path} {problem}",
            hint=f"ask for a new key: --replace {artifact.address}",
        )

    def note_not_yet_valid(self, facts: CertificateFacts, now: datetime) -> None:
        """A certificate that begins later than now, which every TLS stack refuses until then."""
        if facts.not_before > now:
            self.notice(
                NoticeCode.NOT_YET_VALID,
                f"its certificate is valid from {facts.not_before:%Y-%m-%d %H:%M}, and it is {now:%Y-%m-%d %H:%M}",
                hint="set the clock, if it is behind",
            )


LIFETIME_PASSED = Obstacle(
    code=BlockCode.NOT_AFTER_PASSED,
    message="the declared `not_after` has passed",
    hint="write a later `not_after`, or `validity` in its place",
)


def note_declared_end(plan: IdentityPlan, facts: CertificateFacts) -> None:
    """A certificate that is due and already ends when the manifest wants it to end."""
    plan.notice(
        NoticeCode.ENDS_WITH_ISSUER,
        f"is due, but a renewal could not move its end, {facts.not_after:%Y-%m-%d}: the manifest declares it",
        hint="write a later `not_after`, or `validity` in its place",
    )


def note_still_valid(plan: IdentityPlan, facts: CertificateFacts, what: str) -> None:
    """A certificate that is out of use here and can still connect."""
    plan.notice(
        NoticeCode.STILL_VALID,
        f"the certificate that {what}, serial {facts.serial}, can connect until {facts.not_after:%Y-%m-%d}",
    )


def linked_key(path: str) -> Obstacle:
    """A private key file with another name: its permissions and its content are those of that name, too."""
    return Obstacle(code=BlockCode.CORRUPT, message=f"{path} is left as it is: {HARD_LINK}", hint=COPY_IT)


def unreadable(path: str, found: Observed[object]) -> Obstacle | None:
    """What lies in a file's place and could not be looked at is never replaced; what is damaged may be."""
    if found.state is not State.UNREADABLE or found.damaged:
        return None
    return Obstacle(
        code=BlockCode.UNREADABLE,
        message=f"{path} cannot be read: {found.problem}",
        hint="put a plain file that this user may read in its place, or take it away",
    )


def certificate_action(reasons: Iterable[Reason]) -> Action:
    """The action for a certificate: what is missing is created, and an update outranks a renewal."""
    codes = {reason.code for reason in reasons}
    if not codes:
        return Action.NO_OP
    if ReasonCode.MISSING in codes:
        return Action.CREATE
    if ReasonCode.REQUEST_CHANGED in codes:
        return Action.REKEY
    return Action.RENEW if codes <= RENEWAL else Action.UPDATE


def certificate_key_source(reasons: Iterable[Reason]) -> KeySource:
    """Where the public key comes from while the private key stays: renewing needs no private key."""
    codes = {reason.code for reason in reasons}
    return KeySource.KEY_FILE if codes & _LOST_CERTIFICATE else KeySource.CERTIFICATE


def private_key_action(reasons: Iterable[Reason]) -> Action:
    """The action for a private key file that stays the same key."""
    codes = {reason.code for reason in reasons}
    if not codes:
        return Action.NO_OP
    return Action.CHMOD if codes == {ReasonCode.MODE_CHANGED} else Action.UPDATE


def extra_certificates(certificates: tuple[CertificateFacts, ...]) -> tuple[Reason, ...]:
    """Certificates in a file that holds one."""
    if len(certificates) == 1:
        return ()
    return (Reason(code=ReasonCode.CONTENT_CHANGED, before=f"{len(certificates)} certificates", after="1"),)
