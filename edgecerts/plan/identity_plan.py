"""The plan of one identity while it is being decided, and what authorities and end entities have in common."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from edgecerts.desired.graph import Artifact, Identity
from edgecerts.observed.inventory import Observed, State
from edgecerts.pki.certificate_facts import CertificateFacts
from edgecerts.pki.certificates import Period
from edgecerts.pki.private_keys import KeyFacts
from edgecerts.plan.model import Action, BlockCode, Change, NoticeCode, Reason, ReasonCode, Remark
from edgecerts.plan.private_key_checks import check_private_key

MISSING = Reason(code=ReasonCode.MISSING)

_RENEW = frozenset({ReasonCode.EXPIRED, ReasonCode.NEAR_EXPIRY})


@dataclass(frozen=True, kw_only=True, slots=True)
class Obstacle:
    """Why nothing can be signed."""

    code: BlockCode
    message: str
    hint: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class IssuerView:
    """The authority as its end entities see it: as it is, or as it will be after this plan.

    Attributes:
        facts: its certificate that is there and stays, or None.
        period: of its certificate, existing or planned; None where there will be none.
        obstacle: what keeps it from signing, or None.
        handed_out: whether its certificate may go to brokers and clients: not one that is itself in doubt.
    """

    facts: CertificateFacts | None
    period: Period | None
    obstacle: Obstacle | None
    handed_out: bool


@dataclass(kw_only=True, slots=True)
class IdentityPlan:
    """Collects the decisions about one identity."""

    identity: Identity
    changes: list[Change] = field(default_factory=list)
    blocked: list[Remark] = field(default_factory=list)
    notices: list[Remark] = field(default_factory=list)

    def add(self, artifact: Artifact, action: Action, *reasons: Reason, period: Period | None = None) -> None:
        """Plans one change."""
        self.changes.append(Change(artifact=artifact, action=action, reasons=reasons, period=period))

    def keep(self, artifact: Artifact) -> None:
        """Plans nothing for a file that is as declared."""
        self.add(artifact, Action.NO_OP)

    def block(
        self,
        artifact: Artifact,
        action: Action,
        *reasons: Reason,
        code: BlockCode = BlockCode.NOT_YET,
        message: str | None = None,
        hint: str | None = None,
    ) -> None:
        """Plans a change that cannot be made."""
        self.add(artifact, action, *reasons)
        text = message or f"{artifact.path} is not as declared; this version makes only what is missing"
        self.blocked.append(Remark(code=code.value, address=str(artifact.address), message=text, hint=hint))

    def notice(self, code: NoticeCode, message: str, *, hint: str | None = None) -> None:
        """Remarks on the identity as a whole."""
        self.notices.append(Remark(code=code.value, address=self.identity.address, message=message, hint=hint))

    def block_passed_lifetime(self, *artifacts: Artifact) -> None:
        """Plans nothing where the declared `not_after` has passed."""
        for artifact in artifacts:
            self.block(
                artifact,
                Action.CREATE,
                MISSING,
                code=BlockCode.NOT_AFTER_PASSED,
                message="the declared `not_after` has passed",
                hint="write a later `not_after`, or `validity` in its place",
            )

    def judge_private_key(self, found: Observed[KeyFacts]) -> bool:
        """Plans for a private key file that is there.

        Returns:
            whether it is as declared.
        """
        artifact = self.identity.private_key
        reasons = check_private_key(artifact, found)
        if not reasons:
            self.keep(artifact)
            return True
        self.block(artifact, private_key_action(reasons), *reasons, hint=self._key_hint(reasons))
        return False

    def notice_locked_pair(self, found: Observed[KeyFacts]) -> None:
        """Says which pair planning could not compare, because it opens no key."""
        if found.state is State.LOCKED:
            path = self.identity.private_key.path
            self.notice(NoticeCode.PAIR_NOT_COMPARED, f"{path} was not compared with its certificate: {found.problem}")

    def opening_obstacle(self, found: Observed[KeyFacts]) -> Obstacle | None:
        """Why `apply` could not open a private key that it needs, or None."""
        artifact = self.identity.private_key
        if found.state is State.LOCKED and not found.encrypted:
            return Obstacle(code=BlockCode.NOT_YET, message=f"{artifact.path}: {found.problem}")
        if found.encrypted and artifact.password is None:
            return Obstacle(
                code=BlockCode.PASSWORD_NOT_DECLARED,
                message=f"{artifact.path} is encrypted, and the manifest names no password for it",
                hint=f"write password: {{env: NAME}} for {self.identity.address}, or another source",
            )
        return None

    def _key_hint(self, reasons: Iterable[Reason]) -> str | None:
        """What the user can do by hand about a private key file that is not as declared."""
        codes = {reason.code for reason in reasons}
        if codes == {ReasonCode.MODE_CHANGED}:
            identity = self.identity
            return f"in the output folder: chmod 700 {identity.folder}; chmod 600 {identity.private_key.path}"
        if ReasonCode.CORRUPT in codes:
            return "bring it back from the backup; it is never replaced"
        return None


def certificate_action(reasons: Iterable[Reason]) -> Action:
    """The action for a certificate that differs: an update outranks a renewal."""
    codes = {reason.code for reason in reasons}
    if not codes:
        return Action.NO_OP
    return Action.RENEW if codes <= _RENEW else Action.UPDATE


def private_key_action(reasons: Iterable[Reason]) -> Action:
    """The action for a private key file that differs."""
    codes = {reason.code for reason in reasons}
    if not codes:
        return Action.NO_OP
    return Action.CHMOD if codes == {ReasonCode.MODE_CHANGED} else Action.UPDATE
