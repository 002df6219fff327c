"""Every state of an authority and of a client whose key is on its host, crossed: what is planned, and what is made."""

import contextlib
import os
import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from edgecerts.desired import build_graph
from edgecerts.manifest import parse_manifest
from edgecerts.pki.certificate_requests import build_request
from edgecerts.plan.model import HazardCode, Plan
from edgecerts.plan.options import PlanOptions
from tests.readers import read_certificate, spki
from tests.request_rows import CELLS, Request, RequestCell, expected_hazards, expected_host, expected_remarks
from tests.state_folders import build_folder, make_key
from tests.state_rows import (
    LOST,
    NO_OP,
    Authority,
    CaKey,
    Certificate,
    File,
    Standing,
    authority_of,
    expected_copy,
    expected_log,
)
from tests.test_every_state import Folder, check_what_must_stay, verify

OWNERS = {Request.FOR_UNIT: "unit", Request.FOR_NEXT: "the next of unit"}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("states")


@pytest.fixture(autouse=True)
def no_sync(monkeypatch: pytest.MonkeyPatch) -> None:
    """Thousands of synced writes would take minutes, and no power fails here."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@cache
def graph_text(*, ca_password: bool) -> str:
    ca_entry = ", password: {env: PASSWORD}" if ca_password else ""
    entry = "alt_names: [unit.example], key_held: csr, csr: unit.csr"
    return f"version: 1\nca: {{common_name: Test CA{ca_entry}}}\nclients:\n  unit: {{{entry}}}\n"


@contextlib.contextmanager
def built(state: RequestCell, place: Path) -> Iterator[Folder]:
    root = place / "pki"
    try:
        build_folder(state.cell, root)
        text = graph_text(ca_password=state.ca_key is CaKey.LOCKED)
        graph = build_graph(parse_manifest(text.encode(), source="pki.yaml"))
        if state.request is Request.REFUSED:
            (root / "unit.csr").write_bytes(b"damaged")
        elif state.request is not Request.ABSENT:
            spec = graph.end_entities[0].certificate.spec
            (root / "unit.csr").write_bytes(build_request(spec, make_key(OWNERS[state.request])))
        yield Folder(root=root, graph=graph)
    finally:
        shutil.rmtree(root, ignore_errors=True)


@pytest.mark.parametrize("state", CELLS, ids=str)
def test_a_state_is_planned_by_its_rule_and_apply_makes_it_whole_or_leaves_it(state: RequestCell, place: Path) -> None:
    authority = authority_of(state.cell)
    with built(state, place) as folder:
        plan = folder.plan(PlanOptions())
        check_plan(state, authority, plan)
        settle(folder, PlanOptions(), state, authority)
    if plan.refusals:
        with built(state, place) as folder:
            allowed = PlanOptions(allow=frozenset(HazardCode(hazard.code) for hazard in plan.refusals))
            settle(folder, allowed, state, authority)


def check_plan(state: RequestCell, authority: Authority, plan: Plan) -> None:
    host = expected_host(state, authority)
    expected = {
        "ca/private-key": authority.key,
        "ca/certificate": authority.certificate,
        "client/unit/private-key": host.key,
        "client/unit/certificate": host.certificate,
        "client/unit/trust": expected_copy(authority),
        "folder/.gitignore": NO_OP,
        "folder/.gitattributes": NO_OP,
        "folder/README.txt": NO_OP,
    }
    log = expected_log(state.cell, authority)
    expected |= {"log": log} if log is not None else {}
    blocked = {remark.address: remark.code for remark in plan.blocked}
    found = {
        str(change.address): File(
            action=change.action.value,
            reasons=frozenset(reason.code.value for reason in change.reasons),
            blocked=blocked.get(str(change.address)),
        )
        for change in plan.changes
    }
    assert found == expected
    assert [(entry.code.value, entry.address) for entry in plan.waiting] == (
        [("request-missing", "client/unit/certificate")] if host.waits else []
    )
    assert {(hazard.code, hazard.address) for hazard in plan.hazards} == expected_hazards(state, authority)
    assert {(notice.code, notice.address) for notice in plan.notices} == expected_remarks(state, authority)


def settle(folder: Folder, options: PlanOptions, state: RequestCell, authority: Authority) -> None:
    """Applies, and looks at every file that is then there."""
    before = folder.files()
    promised = folder.plan(options)
    folder.apply(options)
    check_what_must_stay(folder, promised, before)
    again = folder.plan(options)
    if again.pending and state.ca_key is CaKey.LOCKED and state.ca_certificate in LOST:
        # What was issued could not be compared with a key that nobody could look at; now it can.
        folder.apply(options)
        again = folder.plan(options)
    assert not again.pending, [f"{change.action} {change.address}" for change in again.pending]
    assert {remark.address for remark in again.blocked} == {remark.address for remark in promised.blocked}
    held_back = again.blocked_addresses | {str(change.address) for change in again.refused}
    if authority.standing is Standing.UNKNOWN or again.waiting or "client/unit/certificate" in held_back:
        return
    if any(change.address.identity == "ca" for change in again.refused):
        return
    certificate = read_certificate(folder.root / "clients/unit/client.pem")
    verify(certificate, read_certificate(folder.root / "ca/ca.pem"))
    assert spki(certificate.public_key()) == spki(make_key(owner_of(state)).public_key())


def owner_of(state: RequestCell) -> str:
    """Whose key is certified in the end: what was asked for, or the one that was in use."""
    if state.request in OWNERS and not state.brings_back:
        return OWNERS[state.request]
    return "another client" if state.certificate is Certificate.ANOTHER_KEYS else "unit"
