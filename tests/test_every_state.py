"""Every state of an authority and a client, crossed with every other: what is planned, and what apply makes of it."""

import contextlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from OpenSSL import crypto

from edgecerts.apply import Run, run_apply
from edgecerts.apply.report import Status
from edgecerts.apply.secrets import SecretSources
from edgecerts.desired.graph import Graph
from edgecerts.observed import scan
from edgecerts.plan import make_plan
from edgecerts.plan.model import HazardCode, Plan
from edgecerts.plan.options import PlanOptions
from tests.conftest import NOW
from tests.readers import read_certificate, spki
from tests.state_folders import DAMAGED_KEY_PEM, PASSWORD, build_folder
from tests.state_rows import (
    CELLS,
    LOST,
    NO_OP,
    Authority,
    CaKey,
    Cell,
    Certificate,
    File,
    Held,
    Key,
    Standing,
    authority_of,
    client_of,
    expected_copy,
    expected_hazards,
    expected_log,
    expected_notices,
)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("states")


@pytest.fixture(autouse=True)
def no_sync(monkeypatch: pytest.MonkeyPatch) -> None:
    """Thousands of synced writes would take minutes, and no power fails here."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@dataclass(frozen=True, kw_only=True)
class Folder:
    """One output folder and its graph."""

    root: Path
    graph: Graph

    def plan(self, options: PlanOptions) -> Plan:
        inventory = scan(self.graph, self.root, manifest_folder=self.root)
        return make_plan(self.graph, inventory, now=NOW, manifest="pki.yaml", options=options)

    def apply(self, options: PlanOptions) -> None:
        """Carries out the plan; nothing that is tried fails."""
        report = run_apply(
            Run(
                graph=self.graph,
                manifest="pki.yaml",
                manifest_folder=self.root,
                output=self.root,
                now=NOW,
                sources=SecretSources(folder=self.root, environ={"PASSWORD": PASSWORD.decode()}),
                job="test",
                on_plan=lambda plan: None,
                options=options,
            )
        )
        wrong = [
            f"{o.change.address}: {o.error}" for o in report.outcomes if o.status in (Status.FAILED, Status.SKIPPED)
        ]
        assert not wrong

    def content(self, path: str) -> bytes | None:
        file = self.root / path
        return file.read_bytes() if file.exists() else None

    def files(self) -> dict[str, bytes]:
        found = (path for path in self.root.rglob("*") if path.is_file() and ".edgecerts" not in path.parts)
        return {path.relative_to(self.root).as_posix(): path.read_bytes() for path in found}


@contextlib.contextmanager
def built(cell: Cell, place: Path) -> Iterator[Folder]:
    root = place / "pki"
    try:
        yield Folder(root=root, graph=build_folder(cell, root))
    finally:
        shutil.rmtree(root, ignore_errors=True)


@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_a_state_is_planned_by_its_row_and_apply_makes_it_whole_or_leaves_it(cell: Cell, place: Path) -> None:
    authority = authority_of(cell)
    with built(cell, place) as folder:
        plan = folder.plan(PlanOptions())
        check_plan(cell, authority, plan)
        settle(folder, PlanOptions(), cell, authority)
    if plan.refusals:
        with built(cell, place) as folder:
            allowed = PlanOptions(allow=frozenset(HazardCode(hazard.code) for hazard in plan.refusals))
            settle(folder, allowed, cell, authority)


def check_plan(cell: Cell, authority: Authority, plan: Plan) -> None:
    client = client_of(cell, authority)
    expected = {
        "ca/private-key": authority.key,
        "ca/certificate": authority.certificate,
        "client/unit/private-key": client.key,
        "client/unit/certificate": client.certificate,
        "client/unit/trust": expected_copy(authority),
        "folder/.gitignore": NO_OP,
        "folder/.gitattributes": NO_OP,
        "folder/README.txt": NO_OP,
    }
    log = expected_log(cell, authority)
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
    assert {(hazard.code, hazard.address) for hazard in plan.hazards} == expected_hazards(cell, authority)
    assert {(notice.code, notice.address) for notice in plan.notices} == expected_notices(cell, authority)
    assert len(plan.blocked) == len(blocked)
    assert len(plan.notices) == len(set(plan.notices))


def settle(folder: Folder, options: PlanOptions, cell: Cell, authority: Authority) -> None:
    """Applies, and looks at every file that is then there."""
    before = folder.files()
    promised = folder.plan(options)
    folder.apply(options)
    check_what_must_stay(folder, promised, before)
    again = folder.plan(options)
    if again.pending and cell.ca_key is CaKey.LOCKED and cell.ca_certificate in LOST:
        # What was issued could not be compared with a key that nobody could look at; now it can.
        folder.apply(options)
        again = folder.plan(options)
    assert not again.pending, [f"{change.action} {change.address}" for change in again.pending]
    assert {remark.address for remark in again.blocked} == {remark.address for remark in promised.blocked}
    if authority.standing is not Standing.UNKNOWN:
        check_certificates(folder, cell, again)


def check_what_must_stay(folder: Folder, plan: Plan, before: dict[str, bytes]) -> None:
    """No key that was there is another now, and what was not to be changed was not."""
    after = folder.files()
    for path, content in before.items():
        if path.endswith(".key"):
            assert after[path] == content, path
    changing = {change.artifact.path for change in plan.pending}
    for path in before.keys() | after.keys():
        if path not in changing and not path.startswith("issued/"):
            assert after.get(path) == before.get(path), path
    assert {path for path in after if path.endswith(".key")} == {
        *(path for path in before if path.endswith(".key")),
        *plan.new_keys,
    }


def check_certificates(folder: Folder, cell: Cell, plan: Plan) -> None:
    """Every certificate that nothing holds back is one that OpenSSL's strict checks take, for the key beside it."""
    held_back = plan.blocked_addresses | {str(change.address) for change in plan.refused}
    if any(change.address.identity == "ca" for change in plan.refused):
        return
    ca = read_certificate(folder.root / "ca/ca.pem")
    check_key(folder, "ca/ca.key", ca)
    if "client/unit/trust" not in held_back:
        assert read_certificate(folder.root / "clients/unit/ca.pem") == ca
    if "client/unit/certificate" in held_back:
        return
    client = read_certificate(folder.root / "clients/unit/client.pem")
    verify(client, ca)
    # A locked key is not opened to compare it (a notice says so), and a delivered one is on its host.
    if cell.held is Held.HERE and (cell.key is not Key.LOCKED or cell.certificate is not Certificate.ANOTHER_KEYS):
        check_key(folder, "clients/unit/client.key", client)


def check_key(folder: Folder, path: str, certificate: x509.Certificate) -> None:
    content = folder.content(path)
    if content is None or content == DAMAGED_KEY_PEM:
        return
    key = load_pem_private_key(content, PASSWORD if b"ENCRYPTED" in content else None)
    assert spki(key.public_key()) == spki(certificate.public_key())


def verify(certificate: x509.Certificate, ca: x509.Certificate) -> None:
    store = crypto.X509Store()
    store.add_cert(crypto.X509.from_cryptography(ca))
    store.set_flags(crypto.X509StoreFlags.X509_STRICT | crypto.X509StoreFlags.CHECK_SS_SIGNATURE)
    store.set_time(NOW)
    crypto.X509StoreContext(store, crypto.X509.from_cryptography(certificate)).verify_certificate()
