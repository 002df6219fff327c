"""The planner, one small case a file: tests/plan_cases/NAME.yaml, where the name says what happens.

A case has a `manifest`, what is `observed` where that is not as declared, the `now` and `options` of the run, and what
is `expected`: every change that is no no-op as `ADDRESS: ACTION REASON ...`, some reasons in full under `reasons`, and
all hazards, blocks, notices and what waits as `ADDRESS: CODE ...`. `needs`, `unmanaged`, `refused` and `new_keys` are
compared where a case has them. The notices that nearly every case has are compared in those alone that name one.
"""

import json
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from edgecerts.desired import build_graph
from edgecerts.desired.graph import RevocationListArtifact, identity_of
from edgecerts.manifest import parse_manifest
from edgecerts.plan import make_plan
from edgecerts.plan.model import (
    Action,
    BlockCode,
    HazardCode,
    NoticeCode,
    Plan,
    Reason,
    ReasonCode,
    Remark,
)
from edgecerts.plan.options import PlanOptions
from edgecerts.plan.waiting import Waiting, WaitingCode
from tests.conftest import NOW
from tests.plan_scene import Scene, moment

CASES = sorted((Path(__file__).parent / "plan_cases").glob("*.yaml"))
USUAL_NOTICES = frozenset({"ca-not-pinned", "ca-key-unencrypted"})
PARTS = {"manifest", "observed", "now", "options", "expected"}
EXPECTATIONS = {
    *("changes", "reasons", "hazards", "blocked", "waiting", "notices"),
    *("needs", "unmanaged", "refused", "new_keys"),
}


@cache
def read_case(path: Path) -> dict[str, Any]:
    """A case, every scalar as text, as it was written."""
    case = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)
    assert isinstance(case, dict)
    assert case.keys() <= PARTS
    assert case["expected"].keys() <= EXPECTATIONS
    return case


def read_options(told: dict[str, Any]) -> PlanOptions:
    return PlanOptions(
        allow=frozenset(HazardCode(code) for code in told.pop("allow", ())),
        targets=frozenset(told.pop("targets", ())),
        replace=frozenset(told.pop("replace", ())),
        replace_missing_keys=told.pop("replace_missing_keys", "") == "true",
        prune=told.pop("prune", "") == "true",
        new_ca_key=told.pop("new_ca_key", "") == "true",
    )


def plan_case(case: dict[str, Any]) -> tuple[Plan, dict[str, str]]:
    """Plans a case, and names the digests that its reasons may have."""
    manifest = re.sub(r'"(true|false)"', r"\1", json.dumps({"version": 1, **case["manifest"]}))
    graph = build_graph(parse_manifest(manifest.encode(), source="pki.yaml"))
    now = moment(case["now"]) if "now" in case else NOW
    scene = Scene(graph=graph, observed=case.get("observed", {}), now=now)
    options = dict(case.get("options", {}))
    plan = make_plan(
        graph,
        scene.inventory(),
        now=now,
        manifest="pki.yaml",
        options=read_options(options),
        owners=frozenset({0}),
    )
    assert not options, "an option that does not exist"
    return plan, scene.digests()


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_a_case_is_planned_as_its_name_says(path: Path) -> None:
    case = read_case(path)
    plan, digests = plan_case(case)
    expected = case["expected"]
    assert planned_changes(plan) == expected.get("changes", {})
    assert by_address(plan.hazards) == expected.get("hazards", {})
    assert by_address(plan.blocked) == expected.get("blocked", {})
    assert by_address(plan.waiting) == expected.get("waiting", {})
    told = expected.get("notices", {})
    assert by_address(notices_to_compare(plan, told)) == told
    for address, reasons in expected.get("reasons", {}).items():
        assert reasons_in_full(plan, address, digests) == reasons
    found = {
        "needs": [f"{need.kind} {need.path}" for need in plan.needs],
        "unmanaged": list(plan.unmanaged),
        "refused": [str(change.address) for change in plan.refused],
        "new_keys": list(plan.new_keys),
    }
    for part in found.keys() & expected.keys():
        assert found[part] == expected[part]


def planned_changes(plan: Plan) -> dict[str, str]:
    """Every change but the no-ops that have no reason either."""
    return {
        str(change.address): " ".join([change.action.value, *(reason.code.value for reason in change.reasons)])
        for change in plan.changes
        if change.action is not Action.NO_OP or change.reasons
    }


def by_address(remarks: Iterable[Remark | Waiting]) -> dict[str, str]:
    found: dict[str, str] = {}
    for remark in remarks:
        found[remark.address] = f"{found[remark.address]} {remark.code}" if remark.address in found else remark.code
    return found


def notices_to_compare(plan: Plan, told: dict[str, str]) -> list[Remark]:
    named = {code for codes in told.values() for code in codes.split()}
    if named & USUAL_NOTICES:
        return list(plan.notices)
    return [notice for notice in plan.notices if notice.code not in USUAL_NOTICES]


def reasons_in_full(plan: Plan, address: str, digests: dict[str, str]) -> list[dict[str, Any]]:
    change = next(change for change in plan.changes if str(change.address) == address)
    return [_reason_in_full(reason, digests) for reason in change.reasons]


def _reason_in_full(reason: Reason, digests: dict[str, str]) -> dict[str, Any]:
    """A reason as a case writes it: without what it does not have, and digests by the name of what has them."""

    def write(value: str | tuple[str, ...]) -> str | list[str]:
        if isinstance(value, str):
            digest = value.removeprefix("sha256:")
            # Entries of a revocation list are an identity, a serial number and a reason.
            return digests.get(digest) or " ".join(digests.get(word, word) for word in value.split(" "))
        return sorted(str(write(item)) for item in value)

    full: dict[str, Any] = {"code": reason.code.value}
    full |= {"field": reason.field} if reason.field is not None else {}
    full |= {"before": write(reason.before)} if reason.before is not None else {}
    full |= {"after": write(reason.after)} if reason.after is not None else {}
    return full


def counted_twice(plan: Plan) -> int:
    """Certificates that wait for a better key and are made for the present one until then."""
    waiting = {entry.address for entry in plan.waiting}
    return sum(str(change.address) in waiting and change.action is not Action.NO_OP for change in plan.changes)


def not_counted(plan: Plan) -> int:
    """The private key and `ca.pem` of who has not sent a first request."""
    nothing_yet = {identity_of(entry.address) for entry in plan.waiting if entry.code is WaitingCode.REQUEST_MISSING}
    return sum(
        change.address.identity in nothing_yet
        and change.address.part != "certificate"
        and change.action is Action.NO_OP
        and str(change.address) not in plan.blocked_addresses
        for change in plan.changes
    )


def test_there_are_enough_cases() -> None:
    """A folder that is not found would make every test above pass."""
    assert len(CASES) >= 60


def mentioned(*parts: str) -> set[str]:
    """Every word that stands as an action or code in these parts of the expectations."""
    words: set[str] = set()
    for path in CASES:
        expected = read_case(path)["expected"]
        words |= {word for part in parts for text in expected.get(part, {}).values() for word in text.split()}
    return words


def test_every_action_and_code_has_a_case() -> None:
    codes = mentioned("changes")
    assert {action.value for action in Action} <= codes
    assert {code.value for code in ReasonCode} <= codes
    assert {code.value for code in HazardCode} <= mentioned("hazards")
    assert {code.value for code in BlockCode} <= mentioned("blocked")
    assert {code.value for code in WaitingCode} <= mentioned("waiting")
    assert {code.value for code in NoticeCode} <= mentioned("notices")


def test_a_renewed_authority_takes_over_its_name_and_key_identifier() -> None:
    """What it issued stays valid only with both; the key identifier here is one that nobody would derive."""
    identifier = "0123456789"
    case = {
        "manifest": {"ca": {"common_name": "Test CA"}, "clients": {"unit": {}}},
        "observed": {
            "ca/certificate": {"not_before": "2016-01-01", "not_after": "2026-01-01", "subject_key_id": identifier},
            "client/unit/certificate": {"authority_key_id": identifier},
        },
        "expected": {},
    }
    plan, _ = plan_case(case)
    assert planned_changes(plan) == {
        "ca/certificate": "renew expired",
        "client/unit/trust": "update content-changed",
    }
    lineages = [change.issuance.lineage for change in plan.changes if change.issuance]
    assert [(lineage.name.rfc4514_string(), lineage.key_id) for lineage in lineages if lineage] == [
        ("CN=Test CA", identifier)
    ]


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_what_is_planned_is_a_sum_of_its_parts(path: Path) -> None:
    """Whatever the case: the parts of a plan fit each other, and nothing is signed or made that is held back."""
    plan, _ = plan_case(read_case(path))
    addresses = [str(change.address) for change in plan.changes]
    assert len(set(addresses)) == len(addresses)
    assert plan.blocked_addresses <= set(addresses)
    assert sum(plan.summary.values()) == len(plan.changes) + counted_twice(plan) - not_counted(plan)
    assert not {change.address for change in plan.pending} & {change.address for change in plan.refused}
    for change in plan.changes:
        held_back = str(change.address) in plan.blocked_addresses
        certificate = change.address.part == "certificate"
        signed = change.action not in (Action.NO_OP, Action.DELETE) and certificate and not held_back
        assert (change.issuance is not None) == signed
        is_list = isinstance(change.artifact, RevocationListArtifact)
        assert (change.listing is not None) == (is_list and change.action is not Action.NO_OP and not held_back)
        assert change.reasons or change.action is Action.NO_OP
    made = {change.artifact.path for change in plan.pending if change.action in (Action.CREATE, Action.REKEY)}
    assert set(plan.new_keys) <= made


def with_authority_key(case: dict[str, Any], *, elsewhere: bool) -> dict[str, Any]:
    """A case whose authority's key is locked, or comes from a variable."""
    observed = {**case.get("observed", {}), "ca/private-key": "absent" if elsewhere else "locked"}
    authority = {**case["manifest"]["ca"], "password": {"env": "PASSWORD"}}
    if elsewhere:
        authority["private_key"] = {"env": "KEY"}
    return {**case, "manifest": {**case["manifest"], "ca": authority}, "observed": observed}


def told(plan: Plan) -> tuple[object, ...]:
    """A plan, but for the notices about what cannot be looked into."""
    about_keys = {"pair-not-compared", "ca-is-new"}
    notices = {(notice.address, notice.code) for notice in plan.notices if notice.code not in about_keys}
    needs = [(str(need.address), need.kind) for need in plan.needs]
    return planned_changes(plan), by_address(plan.blocked), by_address(plan.hazards), notices, needs


def test_an_authority_key_from_elsewhere_is_planned_like_one_that_is_locked() -> None:
    """Only a new key is another matter: one that is locked is replaced where it lies."""
    compared = 0
    for path in CASES:
        case = read_case(path)
        if "private_key" in case["manifest"]["ca"] or isinstance(case.get("observed", {}).get("ca"), str):
            continue
        locked, _ = plan_case(with_authority_key(case, elsewhere=False))
        if "rekey" in planned_changes(locked).get("ca/private-key", ""):
            continue
        fetched, _ = plan_case(with_authority_key(case, elsewhere=True))
        assert told(fetched) == told(locked), path.stem
        compared += 1
    assert compared > 150
