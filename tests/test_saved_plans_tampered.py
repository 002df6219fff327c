"""A plan file that somebody edited never makes `apply` do what a fresh plan with the same options would not."""

import copy as copying
import json
import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgecerts.cli.project import open_project
from edgecerts.desired.graph import CertificateArtifact, PrivateKeyArtifact
from edgecerts.errors import EdgecertsError
from edgecerts.observed import scan
from edgecerts.plan import make_plan
from edgecerts.plan.model import Action, Change, KeySource, Plan
from edgecerts.saved.document import parse_saved_plan
from edgecerts.saved.model import check_saved_plan
from edgecerts.saved.selection import select_saved
from tests.conftest import NOW, SMALL, Project
from tests.saved_plans import (
    WITH_GATEWAY,
    Document,
    Edit,
    carry_out,
    contents,
    plan_file,
    report,
    save,
    settle,
    stale,
    written,
)

BROKER = "broker/plant-a/certificate"


def edit(project: Project, change: Edit) -> None:
    document = json.loads(plan_file(project).read_text())
    change(document)
    plan_file(project).write_text(json.dumps(document))


def change_of(document: Document, address: str) -> Document:
    found: Document = next(change for change in document["plan"]["changes"] if change["address"] == address)
    return found


def set_change(**fields: object) -> Edit:
    return lambda document: change_of(document, BROKER).update(fields)


def set_basis(**fields: object) -> Edit:
    def change(document: Document) -> None:
        for identity in document["basis"]["identities"]:
            identity.update(fields)

    return change


@pytest.fixture
def spoiled(project: Project) -> Project:
    """A settled project that lacks the broker's certificate, with the plan to make it again."""
    settle(project)
    (project.output / "brokers/plant-a/server.pem").unlink()
    save(project)
    return project


ZERO = f"sha256:{'0' * 64}"
REASON = {"code": "missing", "field": None, "before": None, "after": None}
HARMLESS: dict[str, tuple[Edit, int]] = {
    "an absolute path": (set_change(path="/etc/passwd"), 4),
    "a path that leaves the folder": (set_change(path="../../outside.pem"), 4),
    "another file of ours": (set_change(path="ca/ca.pem"), 4),
    "an empty path": (set_change(path=""), 4),
    "another action": (set_change(action="delete"), 4),
    "no action": (set_change(action="no-op"), 0),
    "another address": (set_change(address="ca/private-key2", action="rekey"), 4),
    "an address without parts": (set_change(address="x"), 4),
    "other reasons": (set_change(reasons=[{**REASON, "code": "expired"}]), 4),
    "more reasons": (set_change(reasons=[REASON, REASON]), 4),
    "no reasons": (set_change(reasons=[]), 4),
    "another value of a reason": (set_change(reasons=[{**REASON, "before": ["x"]}]), 4),
    "another digest of the files": (set_basis(files=ZERO), 4),
    "another digest of the key": (set_basis(private_key=ZERO), 4),
    "no digest of the key": (set_basis(private_key=None), 4),
    "no identities": (lambda document: document["basis"].update(identities=[]), 4),
    "another digest of the manifest": (lambda document: document["basis"].update(manifest=ZERO), 4),
    "the same change twice": (lambda document: document["plan"]["changes"].append(change_of(document, BROKER)), 1),
    "an unknown key": (lambda document: document.update(run="rm"), 1),
    "an unknown key in a change": (set_change(mode="0777"), 1),
    "an unknown option": (lambda document: document["options"].update(output="/"), 1),
    "a number for an action": (set_change(action=1), 1),
    "an unknown action": (set_change(action="destroy"), 1),
    "an unknown reason": (set_change(reasons=[{**REASON, "code": "because"}]), 1),
    "a text for prune": (lambda document: document["options"].update(prune="yes"), 1),
    "a target that is not declared": (lambda document: document["options"].update(target=["client/none"]), 1),
    "a replacement that is not declared": (lambda document: document["options"].update(replace=["../ca"]), 1),
    "an unknown hazard": (lambda document: document["plan"].update(allowed=["everything"]), 1),
    "another version": (lambda document: document.update(format_version=2), 1),
}


@pytest.mark.parametrize(("change", "code"), HARMLESS.values(), ids=HARMLESS.keys())
def test_an_edited_plan_does_nothing(spoiled: Project, change: Edit, code: int) -> None:
    edit(spoiled, change)
    before, outside = spoiled.files(), set(spoiled.folder.parent.rglob("*"))
    result = carry_out(spoiled)
    assert result.code == code, result.out + result.err
    assert "bug" not in result.err
    assert spoiled.files() == before
    assert set(spoiled.folder.parent.rglob("*")) == outside


def test_the_edits_are_what_keeps_it_from_being_done(spoiled: Project) -> None:
    assert carry_out(spoiled).code == 0
    assert (spoiled.output / "brokers/plant-a/server.pem").exists()


def test_a_no_op_that_is_made_a_deletion_deletes_nothing(spoiled: Project) -> None:
    def delete(document: Document) -> None:
        for change in document["plan"]["changes"]:
            change["action"] = "delete"

    edit(spoiled, delete)
    before = spoiled.files()
    assert len(stale(report(spoiled, 4))) == 11
    assert spoiled.files() == before


def test_prune_in_the_file_lets_through_only_deletions_that_are_listed(project: Project) -> None:
    settle(project, WITH_GATEWAY)
    project.write(SMALL)
    save(project)
    edit(project, lambda document: document["options"].update(prune=True))
    before = project.files()
    applied = report(project, 0)
    assert {change["action"] for change in applied["left"]} == {"delete"}
    assert project.files() == before


def test_an_allowed_hazard_that_was_not_listed_is_not_allowed(project: Project) -> None:
    settle(project)
    shutil.rmtree(project.output / "ca")
    save(project)

    def allow(document: Document) -> None:
        document["plan"].update(allowed=["ca-replaced"], hazards=[])

    edit(project, allow)
    before = project.files()
    assert report(project, 4)["allowed"] == []
    assert project.files() == before


def test_a_new_key_without_its_certificate_is_not_made(project: Project) -> None:
    """Whatever is taken out of the file, a private key never lies beside another key's certificate."""
    settle(project)
    before = project.files()
    for address in ("client/MyEACM/certificate", "client/MyEACM/private-key"):
        document = save(project, "--replace", "client/MyEACM")
        change_of(document, address).update(action="no-op")
        plan_file(project).write_text(json.dumps(document))
        assert "depends-on-unsaved" in stale(report(project, 4)).values()
        assert project.files() == before


def test_a_key_is_not_let_into_a_repository_before_it_is_encrypted(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PASSWORD", "a password")
    settle(project)
    project.write(SMALL.replace("MyEACM:", "MyEACM: {password: {env: PASSWORD}}"))
    save(project)
    edit(project, lambda document: change_of(document, "client/MyEACM/private-key").update(action="no-op"))
    before = project.files()
    assert stale(report(project, 4)) == {"folder/.gitignore": "depends-on-unsaved"}
    assert project.files() == before


def test_no_key_is_made_before_gitignore_keeps_it_out(project: Project) -> None:
    project.write(SMALL)
    save(project)
    edit(project, lambda document: change_of(document, "folder/.gitignore").update(action="no-op"))
    report(project, 4)
    assert not list(project.output.rglob("*.key"))
    assert not list(project.output.rglob("*.pem"))


# Random edits.


def places(value: Any, way: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Every place in a document."""
    found = [way]
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in items:
        found += places(part, (*way, key))
    return found


def at(document: Any, way: tuple[str | int, ...]) -> Any:
    for step in way:
        document = document[step]
    return document


class Scene:
    """A folder where much is to do, and a plan for all of it; made once, and only read by the random edits."""

    def __init__(self, folder: Path, project: Project) -> None:
        self.project = Project(folder=folder, capture=project.capture, now=project.now)
        settle(self.project, WITH_GATEWAY.replace("gateway:", "gateway: {validity: 100d}"))
        self.project.write(
            SMALL.replace("MyEACM:", "MyEACM: {key_type: ec-p384}").replace("broker.plant-a", "b2")
            + "  fresh: {password: {env: PASSWORD}}\n"
        )
        (self.project.output / "brokers/plant-a/ca.pem").unlink()
        project.now = NOW + timedelta(days=30)
        self.document = save(self.project, "--prune", "--replace", "ca/certificate", "--allow", "foreign-file")
        self.graph = open_project(self.project.manifest, None).graph
        self.inventory = scan(self.graph, self.project.output, manifest_folder=folder)
        self.places = [way for way in places(self.document) if way]
        self.values = [at(self.document, way) for way in self.places]

    def fresh(self, options: Any) -> Plan:
        now = NOW + timedelta(days=30, hours=1)
        return make_plan(self.graph, self.inventory, now=now, manifest="pki.yaml", options=options)


@pytest.fixture
def scene(project: Project, tmp_path: Path) -> Scene:
    (tmp_path / "scene").mkdir()
    return Scene(tmp_path / "scene", project)


def mutate(document: Document, scene: Scene, data: st.DataObject) -> None:
    """Puts one value of the document, or a foreign one, in another one's place, or takes one out."""
    way = data.draw(st.sampled_from(scene.places))
    try:
        parent = at(document, way[:-1])
        kind = data.draw(st.sampled_from(["replace", "remove", "repeat", "foreign"]))
        if kind == "remove":
            del parent[way[-1]]
        elif kind == "repeat" and isinstance(parent, list):
            parent.append(copying.deepcopy(parent[data.draw(st.integers(0, len(parent) - 1))]))
        elif kind == "foreign":
            words = st.sampled_from(
                ["no-op", "delete", "rekey", "create", "update", "ca", "ca-replaced", "missing-keys"]
            )
            parent[way[-1]] = data.draw(st.one_of(st.none(), st.booleans(), st.integers(), words, st.just([])))
        else:
            old = at(document, way)
            same = [value for value in scene.values if type(value) is type(old)]
            parent[way[-1]] = copying.deepcopy(data.draw(st.sampled_from(same)))
    except (KeyError, IndexError, TypeError):
        return  # an earlier edit took the place away


def assert_whole(pending: tuple[Change, ...], possible: tuple[Change, ...]) -> None:
    """What goes together stays together."""
    chosen = {str(change.address) for change in pending}
    among = {str(change.address): change for change in possible}
    for change in pending:
        identity = change.address.identity
        key = among.get(f"{identity}/private-key")
        renewed = key is not None and key.action in (Action.CREATE, Action.REKEY)
        if renewed and isinstance(change.artifact, PrivateKeyArtifact | CertificateArtifact):
            assert {f"{identity}/private-key", f"{identity}/certificate"} <= chosen
        if change.issuance is not None and change.issuance.key is KeySource.NEW_KEY:
            assert f"{identity}/private-key" in chosen
        if isinstance(change.artifact, CertificateArtifact) and "ca/certificate" in among:
            assert "ca/certificate" in chosen
        if change.action is Action.DELETE:
            together = {a for a, other in among.items() if other.address.identity == identity}
            assert together <= chosen


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(data=st.data())
def test_no_edit_widens_a_plan(scene: Scene, data: st.DataObject) -> None:
    document = copying.deepcopy(scene.document)
    for _ in range(data.draw(st.integers(0, 4))):
        mutate(document, scene, data)
    try:
        saved = parse_saved_plan(json.dumps(document).encode(), source="plan.json")
        check_saved_plan(saved, scene.graph)
    except EdgecertsError as error:
        assert error.exit_code in (1, 4)
        return
    fresh = scene.fresh(saved.options)
    selection = select_saved(fresh, saved, scene.graph, scene.inventory)
    pending = selection.plan.pending
    assert set(map(str, (change.address for change in pending))) <= {str(c.address) for c in fresh.pending}
    assert all(change in fresh.pending for change in pending)
    assert {need.address for need in selection.plan.needs} <= {need.address for need in fresh.needs}
    assert set(selection.plan.new_keys) <= {change.artifact.path for change in pending}
    paths = {path for delivery in selection.plan.deliver for path in delivery.files}
    assert paths <= {change.artifact.path for change in pending}
    assert_whole(pending, fresh.pending)
    accounted = {str(c.address) for c in (*pending, *selection.left)} | {remark.address for remark in selection.stale}
    assert {str(change.address) for change in fresh.pending} <= accounted


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(data=st.data())
def test_no_edit_makes_apply_write_another_file(scene: Scene, data: st.DataObject) -> None:
    document = copying.deepcopy(scene.document)
    for _ in range(data.draw(st.integers(0, 2))):
        mutate(document, scene, data)
    folder = scene.project.folder.parent / "try"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(scene.project.folder, folder)
    tried = Project(folder=folder, capture=scene.project.capture)
    before = contents(tried)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PASSWORD", "a password")
        plan_file(tried).write_text(json.dumps(document))
        result = carry_out(tried)
    assert "bug" not in result.err
    assert result.code in (0, 1, 4)
    changed = written(before, contents(tried))
    if result.err.startswith("edgecerts:"):
        assert changed == set()
        return
    saved = parse_saved_plan(plan_file(tried).read_bytes(), source="plan.json")
    assert changed <= {change.artifact.path for change in scene.fresh(saved.options).pending}
