"""The plan of a broker or client whose private key is made on its host, which sends a certificate request.

Its private key is never ours, wherever it lies. Renewing needs neither the key nor a new request: the public key is in
the certificate that is renewed.
"""

from dataclasses import dataclass
from datetime import datetime

from edgecerts.desired.graph import Graph, Identity, RequestArtifact
from edgecerts.observed.inventory import Inventory, Observed, State
from edgecerts.pki.certificate_facts import CertificateFacts
from edgecerts.pki.certificate_requests import RequestFacts
from edgecerts.pki.private_keys import KeyFacts, describe_public_key
from edgecerts.plan.end_entity import EndEntityPlanner
from edgecerts.plan.identity_plan import MISSING, RENEWAL, REPLACE, IdentityPlan, unreadable
from edgecerts.plan.issuer import IssuerView, Obstacle
from edgecerts.plan.model import Action, BlockCode, KeySource, NoticeCode, Reason, ReasonCode
from edgecerts.plan.options import PlanOptions
from edgecerts.plan.request_checks import (
    NOBODY,
    check_request,
    describe_difference,
    find_key_owners,
    fingerprint,
    is_weak,
)
from edgecerts.plan.revocations import Revocations
from edgecerts.plan.revoked_checks import is_on_hold, keep_on_hold, refused_key
from edgecerts.plan.waiting import WaitingCode, on_host, wait_for

_NOT_HERE: Observed[KeyFacts] = Observed(state=State.ABSENT)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Sent:
    """What a host has sent.

    Attributes:
        found: the file.
        refusal: why nothing is certified for it; always set where it cannot be read.
    """

    artifact: RequestArtifact
    found: Observed[RequestFacts]
    refusal: Obstacle | None

    @property
    def facts(self) -> RequestFacts | None:
        return self.found.value

    @property
    def key(self) -> Observed[KeyFacts]:
        """The key that it is for. Its signature shows that the host has it, as a file would here."""
        facts = self.facts
        if facts is None or self.refusal is not None:
            return _NOT_HERE
        return Observed(state=State.PRESENT, value=describe_public_key(facts.public_key))

    def is_for(self, certificate: CertificateFacts) -> bool:
        """Whether its key is the certificate's already."""
        return self.facts is not None and self.facts.spki_sha256 == certificate.spki_sha256


class RequestedPlanner(EndEntityPlanner):
    """Plans end entities, with and without requests."""

    def __init__(
        self,
        graph: Graph,
        inventory: Inventory,
        *,
        issuer: IssuerView,
        revocations: Revocations,
        ca_replaced: bool,
        unprotected: Obstacle | None,
        options: PlanOptions,
        now: datetime,
    ) -> None:
        super().__init__(
            inventory,
            addresses=frozenset(str(identity.certificate.address) for identity in graph.identities),
            issuer=issuer,
            revocations=revocations,
            ca_replaced=ca_replaced,
            unprotected=unprotected,
            options=options,
            now=now,
        )
        requested = any(identity.request is not None for identity in graph.end_entities)
        self._key_owners = find_key_owners(graph, inventory) if requested else NOBODY

    def plan(self, identity: Identity) -> IdentityPlan:
        """Plans one identity's private key and certificate."""
        if identity.request is None:
            return super().plan(identity)
        plan = IdentityPlan(identity=identity)
        sent = self._look_at(identity, identity.request)
        certificate = self._inventory.certificates[identity.certificate.path]
        if certificate.state is State.ABSENT and sent.found.state is State.ABSENT:
            plan.keep(identity.private_key)
            plan.keep(identity.certificate)
            plan.waiting += (wait_for(identity, WaitingCode.REQUEST_MISSING, "waits for the request of its host"),)
        elif self._options.replaces(identity.private_key):
            self._refuse_new_key(plan)
        elif not certificate.value:
            plan.keep(identity.private_key)
            self._certify(plan, sent, certificate)
        else:
            self._judge_with(plan, sent, certificate, certificate.value[0])
        return plan

    def _look_at(self, identity: Identity, request: RequestArtifact) -> _Sent:
        found = self._inventory.requests[request.path]
        refusal = None
        if found.state is not State.ABSENT:
            refusal = self._refuse(identity, found.value, request.path)
            refusal = refusal or check_request(identity, request, found, self._key_owners)
        return _Sent(artifact=request, found=found, refusal=refusal)

    def _refuse(self, identity: Identity, request: RequestFacts | None, path: str) -> Obstacle | None:
        """Why no request for its key is answered. One for the certificate that is here and on hold asks for nothing."""
        certificate = self._inventory.certificates[identity.certificate.path].value
        if request is None or (certificate and self._is_for_held(certificate[0], request)):
            return None
        return refused_key(describe_public_key(request.public_key), self._revocations, identity=identity, path=path)

    def _is_for_held(self, certificate: CertificateFacts, request: RequestFacts) -> bool:
        same = certificate.spki_sha256 == request.spki_sha256
        return same and is_on_hold(certificate, self._revocations, self._issuer)

    def _certify(self, plan: IdentityPlan, sent: _Sent, certificate: Observed[tuple[CertificateFacts, ...]]) -> None:
        """There is no certificate, or none that can be read: made for the key in the request."""
        obstacle = unreadable(plan.identity.certificate.path, certificate) or sent.refusal
        if obstacle is None and sent.facts is None:
            obstacle = Obstacle(
                code=BlockCode.CORRUPT,
                message="the certificate cannot be read, and its public key is nowhere else here",
                hint=f"bring it back, or send its request again, {on_host(plan.identity, new_key=False)}",
            )
        absent = certificate.state is State.ABSENT
        reason = MISSING if absent else Reason(code=ReasonCode.CORRUPT, before=certificate.problem)
        reasons: tuple[Reason, ...] = (reason,)
        if sent.facts is not None:
            # For which key, so that two people can compare it.
            after = fingerprint(sent.facts.spki_sha256)
            reasons += (Reason(code=ReasonCode.REQUESTED, field=sent.artifact.path, after=after),)
            self._note_difference(plan, sent)
        self._issue(plan, *reasons, source=KeySource.REQUEST, obstacle=obstacle)

    def _judge_with(
        self,
        plan: IdentityPlan,
        sent: _Sent,
        certificate: Observed[tuple[CertificateFacts, ...]],
        facts: CertificateFacts,
    ) -> None:
        """A certificate that can be read. Whatever was sent, the one in use goes on until another takes its place."""
        plan.note_not_yet_valid(facts, self._now)
        offers_key = sent.facts is not None and sent.refusal is None and not sent.is_for(facts)
        self._plan_key_of_host(plan, sent, facts)
        if self._issuer.judged and is_on_hold(facts, self._revocations, self._issuer):
            keep_on_hold(plan, facts)
            return
        reasons = self._reasons(plan, _NOT_HERE, certificate)
        if offers_key:
            self._note_difference(plan, sent)
            self._rekey(plan, sent, facts, reasons)
            return
        if not self._issuer.judged or self._waits_for_key(plan, facts):
            plan.keep(plan.identity.certificate)
            return
        reasons = _without_key_type(reasons)
        codes = {reason.code for reason in reasons}
        if ReasonCode.REVOKED in codes:
            message = "its certificate is revoked; waits for a request for another key"
            plan.waiting += (wait_for(plan.identity, WaitingCode.KEY_REVOKED, message),)
            plan.keep(plan.identity.certificate)
            return
        if not reasons or (codes <= RENEWAL and self._ends_with_issuer(plan, facts)):
            plan.keep(plan.identity.certificate)
            return
        self._note_foreign_file(plan, sent.key, facts, reasons)
        self._note_identity(plan, reasons)
        self._issue(plan, *reasons, source=KeySource.CERTIFICATE, obstacle=None)

    def _plan_key_of_host(self, plan: IdentityPlan, sent: _Sent, facts: CertificateFacts) -> None:
        """A request that is refused keeps the host from changing its key, and nothing else."""
        key = plan.identity.private_key
        if sent.refusal is None:
            plan.keep(key)
        elif sent.is_for(facts):
            plan.keep(key)
            plan.notice(NoticeCode.REQUEST_REFUSED, sent.refusal.message, hint=sent.refusal.hint)
        else:
            plan.block(key, Action.NO_OP, _key_changed(sent, facts), obstacle=sent.refusal)

    def _rekey(self, plan: IdentityPlan, sent: _Sent, facts: CertificateFacts, reasons: tuple[Reason, ...]) -> None:
        """The host has a new key, and asks for a certificate for it."""
        others = _without_key_type(reasons)
        if self._issuer.obstacle is None:
            self._note_still_valid(plan, facts)
        self._note_foreign_file(plan, sent.key, facts, others)
        self._note_identity(plan, others)
        self._issue(plan, _key_changed(sent, facts), *others, source=KeySource.REQUEST, obstacle=None, revokes=facts)

    def _waits_for_key(self, plan: IdentityPlan, facts: CertificateFacts) -> bool:
        """Another key is for the host to make; one of another type than declared is certified until then.

        Returns:
            whether the certificate stays as it is until then, because its key is weak.
        """
        identity, declared = plan.identity, plan.identity.private_key.key_type
        if is_weak(facts.key_type):
            message = f"its key is {facts.key_type}, which is not certified again; waits for a request for another key"
            plan.waiting += (wait_for(identity, WaitingCode.KEY_UNUSABLE, message),)
            return True
        if identity.private_key.key_type_declared and facts.key_type != declared.value:
            message = f"waits for a request for a key of the type {declared}"
            plan.waiting += (wait_for(identity, WaitingCode.KEY_TYPE_CHANGED, message),)
        return False

    def _refuse_new_key(self, plan: IdentityPlan) -> None:
        obstacle = Obstacle(
            code=BlockCode.KEY_ON_HOST,
            message="its private key is made on its host, and cannot be replaced from here",
            hint=on_host(plan.identity, new_key=True),
        )
        plan.block(plan.identity.private_key, Action.REKEY, REPLACE, obstacle=obstacle)
        self._issue(plan, REPLACE, source=KeySource.REQUEST, obstacle=obstacle)

    def _note_difference(self, plan: IdentityPlan, sent: _Sent) -> None:
        if sent.facts is None or sent.refusal is not None:
            return
        difference = describe_difference(plan.identity, sent.facts)
        if difference is not None:
            plan.notice(
                NoticeCode.REQUEST_DIFFERS,
                f"{sent.artifact.path} asks for {difference}; it gets what the manifest declares",
                hint="write csr_must_match: true to refuse such requests",
            )


def _without_key_type(reasons: tuple[Reason, ...]) -> tuple[Reason, ...]:
    """Only a host can mend that its key is of another type."""
    return tuple(reason for reason in reasons if reason.code is not ReasonCode.KEY_TYPE_CHANGED)


def _key_changed(sent: _Sent, facts: CertificateFacts) -> Reason:
    if sent.facts is None:
        return Reason(code=ReasonCode.REQUEST_CHANGED, field=sent.artifact.path)
    return Reason(
        code=ReasonCode.REQUEST_CHANGED,
        field=sent.artifact.path,
        before=fingerprint(facts.spki_sha256),
        after=fingerprint(sent.facts.spki_sha256),
    )
