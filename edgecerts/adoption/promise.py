"""What the first plan does to what is taken over, so that an import promises nothing else. Pure.

The checks of an import say in words what is wrong, and what would mend it at best. Whether that happens is for the
planner to say: it plans the files that the import writes, before they are written.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from edgecerts.adoption.findings import Finding, FindingCode, Outcome
from edgecerts.adoption.material import FoundKey, FoundRequest
from edgecerts.adoption.model import AdoptedEntry, Adoption
from edgecerts.adoption.requests import declares_request
from edgecerts.desired.folder_files import merge_section
from edgecerts.desired.graph import PRIVATE_FOLDER_MODE, PRIVATE_KEY_MODE, PUBLIC_MODE, Graph, Identity
from edgecerts.errors import InvalidRequestError
from edgecerts.observed.inventory import Inventory, Observed, State
from edgecerts.observed.scan import list_paths
from edgecerts.pki.certificate_facts import CertificateFacts
from edgecerts.pki.certificate_requests import RequestFacts, parse_request
from edgecerts.pki.private_keys import KeyFacts
from edgecerts.plan import make_plan
from edgecerts.plan.model import Action, Change, KeySource, Plan, Reason, ReasonCode

_APPLY = "edgecerts apply"
_MADE_AGAIN = frozenset({Outcome.UPDATED, Outcome.REKEYED})
_NO_CAUSES = frozenset(
    {
        *(FindingCode.SHORT_SERIAL, FindingCode.DUPLICATE_SERIAL, FindingCode.NOT_KEPT, FindingCode.NOT_YET_VALID),
        *(FindingCode.NO_KEY_USAGE, FindingCode.CONSTRAINTS_NOT_CRITICAL, FindingCode.NO_SUBJECT_KEY_ID),
        FindingCode.NAME_CONSTRAINTS,
    }
)
"""What goes with an old certificate, and for which none is made again."""

_NEW_KEYS = frozenset({KeySource.NEW_KEY, KeySource.REQUEST})
_ABSENT: Observed[KeyFacts] = Observed(state=State.ABSENT)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Fate:
    """What the plan does to a certificate.

    Attributes:
        outcome: `UPDATED` or `REKEYED`, `BLOCKED` or `WAITING` in their place, or `STAYS`.
        reasons: why it would be made again.
        hint: what to do about what blocks it, or what it waits for.
    """

    outcome: Outcome
    reasons: tuple[Reason, ...] = ()
    hint: str | None = None


def keep_promises(adoption: Adoption, graph: Graph, *, flags: str = "") -> Adoption:
    """The same adoption, whose findings say what the first `apply` does.

    Args:
        adoption: with an authority; each finding has the outcome that it has where its certificate is made again.
        graph: of the manifest that is written.
        flags: what every command needs to find the manifest and the output folder; a hint is run as it is printed.
    """
    plan = make_plan(graph, expected_inventory(adoption, graph), now=adoption.created_at, manifest="")
    fates = {identity.address: _find_fate(identity, plan) for identity in graph.identities}
    authority = adoption.authority
    assert authority is not None  # noqa: S101 (without one there is no graph)
    return replace(
        adoption,
        authority=replace(authority, findings=_settle(authority.findings, fates["ca"], flags)),
        entries=tuple(
            replace(entry, findings=_settle(entry.findings, fates[entry.address], flags)) for entry in adoption.entries
        ),
    )


def expected_inventory(adoption: Adoption, graph: Graph) -> Inventory:
    """What a scan finds when the import has written its files.

    Args:
        adoption: with an authority.
        graph: of the manifest that is written.
    """
    authority = adoption.authority
    assert authority is not None  # noqa: S101 (without one there is no graph)
    root = authority.found.facts
    entries = {entry.address: entry for entry in adoption.entries}
    active = {other.file: other.certificate.facts for other in adoption.trusted if other.active}
    keys: dict[str, FoundKey | None] = {address: entry.key for address, entry in entries.items()}
    certificates: dict[str, Observed[tuple[CertificateFacts, ...]]] = {}
    for identity in graph.identities:
        entry = entries.get(identity.address)
        own = entry.certificate.facts if entry is not None else root
        certificates[identity.certificate.path] = _public((own,))
        if identity.trust is not None:
            certificates[identity.trust.path] = _public((root, *active.values()))
    keys["ca"] = authority.found.key
    return Inventory(
        private_keys={identity.private_key.path: _key(keys[identity.address]) for identity in graph.identities},
        certificates=certificates,
        texts={
            text.path: Observed(state=State.PRESENT, value=merge_section("", text.content), mode=PUBLIC_MODE)
            for text in graph.folder_files
        },
        also_trusted={path: _public((facts,)) for path, facts in active.items()},
        log=(),
        log_files=(),
        unreadable={},
        leftovers=(),
        requests=dict(_requests(entries.values(), graph)),
        # The old lists stay where they are: the first apply signs one.
        revocation_lists={
            path: Observed(state=State.ABSENT) for identity in graph.identities for path in list_paths(identity)
        },
    )


def _public(certificates: tuple[CertificateFacts, ...]) -> Observed[tuple[CertificateFacts, ...]]:
    return Observed(state=State.PRESENT, value=certificates, mode=PUBLIC_MODE)


def _key(found: FoundKey | None) -> Observed[KeyFacts]:
    if found is None:
        return _ABSENT
    if found.opened_by is not None:
        return Observed(state=State.LOCKED, mode=PRIVATE_KEY_MODE, problem="it is encrypted", encrypted=True)
    return Observed(state=State.PRESENT, value=found.facts, mode=PRIVATE_KEY_MODE, folder_mode=PRIVATE_FOLDER_MODE)


def _requests(entries: Iterable[AdoptedEntry], graph: Graph) -> Iterator[tuple[str, Observed[RequestFacts]]]:
    found = {entry.address: entry.request for entry in entries if declares_request(entry)}
    for identity in graph.end_entities:
        if identity.request is not None:
            yield identity.request.path, _request(found.get(identity.address))


def _request(found: FoundRequest | None) -> Observed[RequestFacts]:
    if found is None:
        return Observed(state=State.ABSENT)
    try:
        return Observed(state=State.PRESENT, value=parse_request(found.pem), mode=PUBLIC_MODE)
    except InvalidRequestError as error:
        return Observed(state=State.UNREADABLE, problem=error.message, hint=error.hint, damaged=True)


def _find_fate(identity: Identity, plan: Plan) -> _Fate:
    address = str(identity.certificate.address)
    change = next(change for change in plan.changes if str(change.address) == address)
    if change.action is Action.NO_OP:
        waiting = next((entry for entry in plan.waiting if entry.address == address), None)
        if waiting is None:
            return _Fate(outcome=Outcome.STAYS)
        return _Fate(outcome=Outcome.WAITING, hint=f"{waiting.message}; {waiting.hint}")
    if change in plan.pending:
        return _Fate(outcome=_outcome(change), reasons=change.reasons)
    remarks = (
        remark for remark in (*plan.blocked, *plan.refusals) if remark.address in (address, identity.address, "ca")
    )
    told = next((f"{remark.message}: {remark.hint}" if remark.hint else remark.message for remark in remarks), None)
    return _Fate(outcome=Outcome.BLOCKED, reasons=change.reasons, hint=told)


def _outcome(change: Change) -> Outcome:
    new_key = change.issuance is not None and change.issuance.key in _NEW_KEYS
    return Outcome.REKEYED if new_key else Outcome.UPDATED


def _settle(findings: Iterable[Finding], fate: _Fate, flags: str) -> tuple[Finding, ...]:
    codes = {reason.code for reason in fate.reasons}
    # An authority that is renewed first ends later.
    kept = [
        finding
        for finding in findings
        if finding.code is not FindingCode.OUTLIVES_CA or ReasonCode.OUTLIVES_ISSUER in codes
    ]
    if fate.reasons and not any(_is_cause(finding) for finding in kept):
        message = f"a manifest cannot say what it is: {'; '.join(map(_describe, fate.reasons))}"
        kept.append(Finding(code=FindingCode.NOT_AS_DECLARED, message=message, outcome=Outcome.UPDATED))
    settled, hint = [], fate.hint
    for finding in kept:
        one = _settle_one(finding, fate, hint)
        settled.append(replace(one, hint=one.hint.replace(_APPLY, f"{_APPLY}{flags}")) if one.hint else one)
        # Once is enough: what blocks one blocks them all.
        hint = None if settled[-1].outcome in (Outcome.BLOCKED, Outcome.WAITING) else hint
    return tuple(settled)


def _is_cause(finding: Finding) -> bool:
    return finding.outcome in _MADE_AGAIN and finding.code not in _NO_CAUSES


def _settle_one(finding: Finding, fate: _Fate, hint: str | None) -> Finding:
    if finding.outcome not in _MADE_AGAIN or fate.outcome is Outcome.STAYS:
        stays = finding.outcome in _MADE_AGAIN
        return replace(finding, outcome=Outcome.STAYS) if stays else finding
    if finding.outcome is Outcome.REKEYED and fate.outcome is Outcome.UPDATED:
        return replace(finding, outcome=Outcome.STAYS)
    return replace(finding, outcome=fate.outcome, hint=hint)


def _describe(reason: Reason) -> str:
    before, after = (", ".join(value) if isinstance(value, tuple) else value for value in (reason.before, reason.after))
    what = f"{reason.code}: {reason.field}" if reason.field is not None else reason.code.value
    return f"{what} {before or 'none'}" + (f" -> {after}" if after else "")
