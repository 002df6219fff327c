"""What has been revoked is not handed out again, and a key that is in other hands is never certified again."""

from datetime import datetime

from edgecerts.desired.graph import Identity
from edgecerts.pki.certificate_facts import CertificateFacts
from edgecerts.pki.private_keys import KeyFacts
from edgecerts.pki.revocation_reasons import RevocationReason
from edgecerts.plan.identity_plan import IdentityPlan
from edgecerts.plan.issuer import IssuerView, Obstacle
from edgecerts.plan.model import BlockCode, NoticeCode, Reason, ReasonCode
from edgecerts.plan.revocations import Revocations
from edgecerts.plan.waiting import on_host


def check_revoked(facts: CertificateFacts, revocations: Revocations) -> tuple[Reason, ...]:
    """Why the certificate that is here is good for nothing any more; none where it is not revoked."""
    revoked = revocations.certificates.get(facts.serial_number)
    if revoked is not None:
        return (Reason(code=ReasonCode.REVOKED, field="serial", before=facts.serial, after=revoked.reason.value),)
    if facts.spki_sha256 in revocations.compromised:
        key = f"sha256:{facts.spki_sha256}"
        return (Reason(code=ReasonCode.REVOKED, field="private-key", before=key, after="key-compromise"),)
    return ()


def is_on_hold(facts: CertificateFacts, revocations: Revocations, issuer: IssuerView) -> bool:
    """Whether a certificate of this authority may come back: it stays as it is, and nothing takes its place."""
    revoked = revocations.certificates.get(facts.serial_number)
    if revoked is None or revoked.reason is not RevocationReason.CERTIFICATE_HOLD:
        return False
    return facts.spki_sha256 not in revocations.compromised and not issuer.issuer_reasons(facts)


def keep_on_hold(plan: IdentityPlan, facts: CertificateFacts) -> None:
    """Leaves a certificate that is on hold as it is, and says so."""
    identity = plan.identity
    plan.keep(identity.certificate)
    another = (
        f"for another key: --replace {identity.address}"
        if identity.request is None
        else "for another key give another reason"
    )
    plan.notice(
        NoticeCode.ON_HOLD,
        f"its certificate, serial {facts.serial}, is on hold: brokers refuse it, and nothing is issued to it",
        hint=f"to let it in again, remove its entry from `revoked`; {another}",
    )


def revoked_until(identity: Identity, revocations: Revocations, now: datetime) -> Obstacle | None:
    """Why nothing is issued to an identity: it would be revoked from its first moment on."""
    since = revocations.since.get(identity.address)
    if since is None or since <= now:
        return None
    return Obstacle(
        code=BlockCode.SINCE_IN_FUTURE,
        message=f"`revoked` revokes what is issued to it before {since:%Y-%m-%d %H:%M} UTC,"
        f" and it is {now:%Y-%m-%d %H:%M} now",
        hint="write the day from which on the device is the new one, and no later one, as `since`",
    )


def revoked_key(*, identity: Identity, path: str) -> Obstacle:
    """Why nothing is certified for a key.

    Args:
        identity: whose it would be.
        path: the file that has the key, or is for it.
    """
    hint = f"have a new key made: --replace {identity.private_key.address}"
    if identity.request is not None:
        hint = f"make another key, {on_host(identity, new_key=True)}"
    return Obstacle(
        code=BlockCode.KEY_REVOKED,
        message=f"{path} is for a key that was revoked, and such a key is not certified again",
        hint=hint,
    )


def refused_key(facts: KeyFacts | None, revocations: Revocations, *, identity: Identity, path: str) -> Obstacle | None:
    """Why nothing is certified for a key, or None.

    One whose certificate is on hold waits with it: that certificate may come back, and another would not be refused.

    Args:
        facts: the key; None where it cannot be read.
        revocations: what is revoked.
        identity: whose it would be.
        path: the file that has the key, or is for it.
    """
    if facts is None:
        return None
    if facts.spki_sha256 in revocations.compromised:
        return revoked_key(identity=identity, path=path)
    if facts.spki_sha256 in revocations.held:
        return Obstacle(
            code=BlockCode.ON_HOLD,
            message=f"{path} is for a key whose certificate is on hold, and is not certified until that is over",
            hint=f"remove its entry from `revoked`, or bring back {identity.certificate.path} from the backup",
        )
    return None
