"""The plan of a broker or client whose private key is made on its host, which sends a certificate request.

Its private key is never ours, wherever it lies. Renewing needs neither the key nor a new request: the public key is in
the certificate that is renewed.
"""

from datetime import datetime

from edgecerts.desired.graph import Graph, Identity, RequestArtifact
from edgecerts.observed.inventory import Inventory, Observed, State
from edgecerts.pki.certificate_facts import CertificateFacts
from edgecerts.pki.certificate_requests import RequestFacts
from edgecerts.pki.private_keys import KeyFacts
from edgecerts.plan.end_entity import EndEntityPlanner, note_still_valid
from edgecerts.plan.identity_plan import MISSING, RENEWAL, IdentityPlan, unreadable
from edgecerts.plan.issuer import IssuerView, Obstacle
from edgecerts.plan.model import BlockCode, KeySource, NoticeCode, Reason, ReasonCode, Remark, WaitingCode
from edgecerts.plan.options import PlanOptions
from edgecerts.plan.request_checks import (
    check_request,
    describe_difference,
    find_key_owners,
    fingerprint,
    openssl_command,
)

_NOT_HERE: Observed[KeyFacts] = Observed(state=State.ABSENT)


class RequestedPlanner(EndEntityPlanner):
    """Plans end entities, with and without requests."""

    def __init__(
        self,
        graph: Graph,
        inventory: Inventory,
        *,
        issuer: IssuerView,
        ca_replaced: bool,
        unprotected: Obstacle | None,
        options: PlanOptions,
        now: datetime,
    ) -> None:
        super().__init__(
            inventory,
            addresses=frozenset(str(identity.certificate.address) for identity in graph.identities),
            issuer=issuer,
            ca_replaced=ca_replaced,
            unprotected=unprotected,
            options=options,
            now=now,
        )
        requested = any(identity.request is not None for identity in graph.end_entities)
        self._key_owners = find_key_owners(graph, inventory) if requested else {}

    def plan(self, identity: Identity) -> IdentityPlan:
        """Plans one identity's private key and certificate."""
        if identity.request is None:
            return super().plan(identity)
        plan = IdentityPlan(identity=identity)
        plan.keep(identity.private_key)
        found = self._inventory.requests[identity.request.path]
        refusal = None
        if found.state is not State.ABSENT:
            refusal = check_request(identity, identity.request, found, self._key_owners)
        if found.value is not None and refusal is None:
            self._note_difference(plan, identity.request, found.value)
        certificate = self._inventory.certificates[identity.certificate.path]
        if self._options.replaces(identity.private_key):
            self._refuse_new_key(plan)
        elif certificate.state is State.ABSENT:
            self._create_for(plan, found, refusal)
        elif not certificate.value:
            self._remake_for(plan, found, refusal, certificate)
        elif not self._issuer.judged:
            plan.keep(identity.certificate)
        else:
            self._judge_with(plan, found, refusal, certificate, certificate.value[0])
        return plan

    def _create_for(self, plan: IdentityPlan, found: Observed[RequestFacts], refusal: Obstacle | None) -> None:
        if found.state is State.ABSENT:
            plan.keep(plan.identity.certificate)
            self._wait(plan, WaitingCode.REQUEST_MISSING, "waits for the request of its host")
            return
        self._issue(plan, MISSING, *_requested(plan, found), source=KeySource.REQUEST, obstacle=refusal)

    def _remake_for(
        self,
        plan: IdentityPlan,
        found: Observed[RequestFacts],
        refusal: Obstacle | None,
        certificate: Observed[tuple[CertificateFacts, ...]],
    ) -> None:
        """The certificate cannot be read: made again for the key in the request."""
        obstacle = unreadable(plan.identity.certificate.path, certificate) or refusal
        if obstacle is None and found.state is State.ABSENT:
            obstacle = Obstacle(
                code=BlockCode.CORRUPT,
                message="the certificate cannot be read, and its public key is nowhere else here",
                hint=f"bring it back, or send its request again, {_on_host(plan.identity)}",
            )
        reason = Reason(code=ReasonCode.CORRUPT, before=certificate.problem)
        self._issue(plan, reason, *_requested(plan, found), source=KeySource.REQUEST, obstacle=obstacle)

    def _judge_with(
        self,
        plan: IdentityPlan,
        found: Observed[RequestFacts],
        refusal: Obstacle | None,
        certificate: Observed[tuple[CertificateFacts, ...]],
        facts: CertificateFacts,
    ) -> None:
        plan.note_not_yet_valid(facts, self._now)
        reasons = self._reasons(plan, _NOT_HERE, certificate)
        is_new = found.value is not None and found.value.spki_sha256 != facts.spki_sha256
        if is_new and refusal is None:
            self._rekey_for(plan, found, facts, reasons)
            return
        if refusal is not None and (is_new or found.value is None) and not reasons:
            self._issue(plan, *_changed(facts, found), source=KeySource.REQUEST, obstacle=refusal)
            return
        if refusal is not None:
            plan.notice(NoticeCode.REQUEST_REFUSED, refusal.message, hint=refusal.hint)
        reasons = self._wait_for_key_type(plan, reasons)
        codes = {reason.code for reason in reasons}
        if not reasons or (codes <= RENEWAL and self._ends_with_issuer(plan, facts)):
            plan.keep(plan.identity.certificate)
            return
        self._note_foreign_file(plan, _NOT_HERE, facts, reasons)
        self._note_identity(plan, reasons)
        self._issue(plan, *reasons, source=KeySource.CERTIFICATE, obstacle=None)

    def _rekey_for(
        self,
        plan: IdentityPlan,
        found: Observed[RequestFacts],
        facts: CertificateFacts,
        reasons: tuple[Reason, ...],
    ) -> None:
        """The host has a new key, and asks for a certificate for it."""
        others = tuple(reason for reason in reasons if reason.code is not ReasonCode.KEY_TYPE_CHANGED)
        if facts.not_after > self._now and self._issuer.obstacle is None:
            note_still_valid(plan, facts, "is replaced")
        self._note_foreign_file(plan, _NOT_HERE, facts, others)
        self._note_identity(plan, others)
        self._issue(plan, *_changed(facts, found), *others, source=KeySource.REQUEST, obstacle=None)

    def _wait_for_key_type(self, plan: IdentityPlan, reasons: tuple[Reason, ...]) -> tuple[Reason, ...]:
        """Another declared key type is for the host to make; until then the key in use stays."""
        rest = tuple(reason for reason in reasons if reason.code is not ReasonCode.KEY_TYPE_CHANGED)
        if rest != reasons:
            declared = plan.identity.private_key.key_type
            self._wait(plan, WaitingCode.KEY_TYPE_CHANGED, f"waits for a request for a key of the type {declared}")
        return rest

    def _refuse_new_key(self, plan: IdentityPlan) -> None:
        obstacle = Obstacle(
            code=BlockCode.KEY_ON_HOST,
            message="its private key is made on its host, and cannot be replaced from here",
            hint=f"{_on_host(plan.identity)} --rekey",
        )
        self._issue(plan, Reason(code=ReasonCode.REPLACE_REQUESTED), source=KeySource.REQUEST, obstacle=obstacle)

    def _wait(self, plan: IdentityPlan, code: WaitingCode, message: str) -> None:
        identity = plan.identity
        rekey = " --rekey" if code is WaitingCode.KEY_TYPE_CHANGED else ""
        path = identity.request.path if identity.request is not None else ""
        plan.waiting.append(
            Remark(
                code=code.value,
                address=str(identity.certificate.address),
                message=f"{message}, {path}",
                hint=f"{_on_host(identity)}{rekey}; or, where edgecerts is not installed: {openssl_command(identity)}",
            )
        )

    def _note_difference(self, plan: IdentityPlan, request: RequestArtifact, facts: RequestFacts) -> None:
        difference = describe_difference(plan.identity, facts)
        if difference is not None:
            plan.notice(
                NoticeCode.REQUEST_DIFFERS,
                f"{request.path} asks for {difference}; it gets what the manifest declares",
                hint="write csr_must_match: true to refuse such requests",
            )


def _on_host(identity: Identity) -> str:
    return f"on its host: edgecerts request {identity.address}"


def _requested(plan: IdentityPlan, found: Observed[RequestFacts]) -> tuple[Reason, ...]:
    """For which key: so that two people can compare it."""
    request = plan.identity.request
    if found.value is None or request is None:
        return ()
    return (Reason(code=ReasonCode.REQUESTED, field=request.path, after=fingerprint(found.value.spki_sha256)),)


def _changed(facts: CertificateFacts, found: Observed[RequestFacts]) -> tuple[Reason, ...]:
    after = fingerprint(found.value.spki_sha256) if found.value is not None else None
    return (Reason(code=ReasonCode.REQUEST_CHANGED, before=fingerprint(facts.spki_sha256), after=after),)
