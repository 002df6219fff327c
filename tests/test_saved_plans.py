"""A plan that was saved, reviewed and carried out later: what is done, what is stale, and what is left."""

import json
import shutil
from datetime import timedelta
from typing import Any

import jsonschema
import pytest
from referencing import Registry
from referencing.jsonschema import DRAFT7

from edgecerts.schemas import schema_text
from tests.conftest import NOW, SMALL, Project
from tests.saved_plans import (
    WITH_GATEWAY,
    carry_out,
    contents,
    copy,
    done,
    left,
    plan_file,
    planned,
    report,
    save,
    settle,
    stale,
    without_keys,
    written,
)

ENCRYPTED_CA = SMALL.replace("{common_name: Test CA}", "{common_name: Test CA, password: {env: CA_PASSWORD}}")
CANARY = "correct horse battery staple"


# What is saved, and what becomes of it.


def test_a_saved_plan_is_carried_out_and_then_nothing_is_left_to_do(project: Project) -> None:
    project.write(SMALL)
    document = save(project)
    applied = report(project, 0)
    assert done(applied) == {change["address"] for change in document["plan"]["changes"]}
    assert applied["stale"] == applied["left"] == []
    assert planned(project) == {}


def test_the_plan_is_printed_and_the_place_of_the_file_told(project: Project) -> None:
    project.write(SMALL)
    plain = project.run("plan")
    result = project.run("plan", "--out", str(plan_file(project)))
    assert result.out == plain.out
    assert result.err == f"saved the plan in {plan_file(project)}; after review: edgecerts apply {plan_file(project)}\n"
    assert plan_file(project).stat().st_mode & 0o777 == 0o644
    assert not project.output.exists()


def test_a_plan_with_nothing_to_do_is_saved_and_does_nothing(project: Project) -> None:
    settle(project)
    before = project.files()
    save(project)
    result = carry_out(project)
    assert (result.code, result.out) == (0, "Nothing to do: 11 files as declared.\n")
    assert project.files() == before


def test_the_file_is_as_its_schema_says_and_holds_the_printed_plan(project: Project) -> None:
    settle(project)
    project.write(WITH_GATEWAY)
    document = save(project, "--target", "client/gateway", "--replace", "missing-keys", "--prune")
    resource = DRAFT7.create_resource(json.loads(schema_text("plan")))
    registry: Registry[Any] = Registry().with_resource("plan.schema.json", resource)
    jsonschema.Draft7Validator(json.loads(schema_text("saved-plan")), registry=registry).validate(document)
    assert document["options"] == {"target": ["client/gateway"], "replace": ["missing-keys"], "prune": True}
    options = ("--target", "client/gateway", "--replace", "missing-keys", "--prune")
    assert document["plan"] == json.loads(project.run("plan", "--format", "json", *options).out)


def test_a_later_clock_moves_the_dates_and_nothing_else(project: Project) -> None:
    project.write(SMALL)
    document = save(project)
    project.now = NOW + timedelta(days=20)
    applied = report(project, 0)
    ends = [c["not_after"] for c in applied["changes"] if c["address"] == "client/MyEACM/certificate"]
    assert ends != [c["not_after"] for c in document["plan"]["changes"] if c["address"] == "client/MyEACM/certificate"]
    assert planned(project) == {}


def test_a_renewal_is_carried_out_days_later(project: Project) -> None:
    settle(project)
    project.now = NOW + timedelta(days=600)
    save(project)
    project.now += timedelta(days=5)
    assert done(report(project, 0)) == {"broker/plant-a/certificate", "client/MyEACM/certificate"}


def test_an_authority_and_what_outlives_it_are_renewed_at_a_later_clock(project: Project) -> None:
    """The end of an authority that is made in the same run moves with the clock, and no reason may go stale by it."""
    settle(project)
    project.write(SMALL.replace("{common_name: Test CA}", "{common_name: Test CA, validity: 400d}"))
    document = save(project)
    assert "outlives-issuer" in json.dumps(document)
    project.now += timedelta(hours=7)
    assert report(project, 0)["stale"] == []


def test_what_became_due_since_is_left_and_reported(project: Project) -> None:
    settle(project)
    project.now = NOW + timedelta(days=500)
    project.write(WITH_GATEWAY)
    save(project)
    project.now = NOW + timedelta(days=600)
    before = contents(project)
    applied = report(project, 0)
    assert left(applied) == {"broker/plant-a/certificate": "renew", "client/MyEACM/certificate": "renew"}
    folder = "clients/gateway"
    assert written(before, contents(project)) == {f"{folder}/client.key", f"{folder}/client.pem", f"{folder}/ca.pem"}
    assert planned(project) == left(applied)


def test_the_report_names_what_is_stale_and_what_is_left(project: Project) -> None:
    settle(project)
    (project.output / "brokers/plant-a/server.pem").unlink()
    save(project)
    project.apply()
    (project.output / "clients/MyEACM/ca.pem").unlink()
    result = carry_out(project)
    assert result.code == 4
    assert "broker/plant-a/certificate: create was saved, and nothing is planned for it" in result.out
    assert "Not in the saved plan, and left\n  client/MyEACM/trust: create\n" in result.out
    assert result.out.endswith("1 stale.\n")


# What makes a saved plan stale.


def test_a_plan_is_carried_out_once(project: Project) -> None:
    project.write(SMALL)
    document = save(project)
    assert carry_out(project).code == 0
    before = project.files()
    applied = report(project, 4)
    assert stale(applied) == {change["address"]: "not-planned" for change in document["plan"]["changes"]}
    assert project.files() == before


@pytest.mark.parametrize(
    ("manifest", "words"),
    [
        (SMALL.replace("10.3.0.11", "10.3.0.99"), "declared otherwise than it was then: broker/plant-a"),
        (SMALL.replace("MyEACM:", "MyEACM: {password: {env: PASSWORD}}"), "folder, client/MyEACM"),
        (SMALL.replace("  MyEACM:", "  Other:"), "client/MyEACM"),
        (WITH_GATEWAY, "though not in what this plan would change"),
        (SMALL.replace("{common_name: Test CA}", "{common_name: Test CA, renew_before: 20d}"), "then: ca"),
    ],
    ids=["a broker's address", "a password", "a name", "another client", "renew_before"],
)
def test_a_changed_manifest_makes_the_whole_plan_stale(project: Project, manifest: str, words: str) -> None:
    project.write(SMALL)
    save(project)
    project.write(manifest)
    result = carry_out(project)
    assert result.code == 4
    assert "is stale, and nothing was done: the manifest changed" in result.err
    assert words in result.err
    assert not project.output.exists()


def test_comments_line_ends_and_order_of_keys_do_not_matter(project: Project) -> None:
    trust = "{common_name: Test CA, also_trust: [{ca: other.pem}]}"
    settle(project)
    shutil.copy(project.output / "ca/ca.pem", project.folder / "other.pem")
    text = WITH_GATEWAY.replace("{common_name: Test CA}", trust)
    project.write(text)
    save(project)
    moved = "# reviewed\n\n" + text.replace("version: 1\n", "") + "version: 1\n"
    project.manifest.write_bytes(moved.replace("\n", "\r\n").encode())
    assert report(project, 0)["stale"] == []


def test_another_manifest_of_the_same_content_will_do_and_another_content_will_not(project: Project) -> None:
    project.write(SMALL)
    save(project)
    other = copy(project, "other")
    assert other.run("apply", str(plan_file(project))).code == 0
    other.write(WITH_GATEWAY)
    assert other.run("apply", str(plan_file(project))).code == 4


def test_a_plan_of_another_version_that_declares_otherwise_says_so(project: Project) -> None:
    project.write(SMALL)
    document = save(project)
    document["basis"].update(version="0.0.1", manifest=f"sha256:{'0' * 64}")
    plan_file(project).write_text(json.dumps(document))
    result = carry_out(project)
    assert result.code == 4
    assert "saved by edgecerts 0.0.1, and this is" in result.err


def test_a_file_that_changed_makes_its_identity_stale_and_the_rest_goes_on(project: Project) -> None:
    settle(project)
    for path in ("brokers/plant-a/server.pem", "brokers/plant-a/ca.pem", "clients/MyEACM/client.pem"):
        (project.output / path).unlink()
    save(project)
    shutil.copy(project.output / "ca/ca.pem", project.output / "brokers/plant-a/ca.pem")
    applied = report(project, 4)
    assert stale(applied) == {"broker/plant-a/trust": "not-planned", "broker/plant-a/certificate": "files-changed"}
    assert done(applied) == {"client/MyEACM/certificate"}
    assert not (project.output / "brokers/plant-a/server.pem").exists()


def test_a_change_for_the_same_reasons_of_another_certificate_is_stale(project: Project) -> None:
    """Both certificates lack the same alternative name; the reviewer saw the other one."""
    settle(project)
    declared = SMALL.replace("[broker.plant-a.example]", "[broker.plant-a.example, b2.example]")
    project.write(declared)
    save(project)
    project.write(SMALL)
    assert project.run("apply", "--replace", "broker/plant-a/certificate").code == 0
    project.write(declared)
    assert stale(report(project, 4)) == {"broker/plant-a/certificate": "files-changed"}


def test_another_authority_makes_everything_stale_that_it_would_sign(project: Project) -> None:
    project.write(SMALL)
    assert project.run("apply", "--target", "ca").code == 0
    save(project)
    assert project.run("apply", "--target", "ca", "--replace", "ca/certificate").code == 0
    before = contents(project)
    applied = report(project, 4)
    assert set(stale(applied).values()) == {"files-changed"}
    assert written(before, contents(project)) == set()


def test_a_private_key_that_is_replaced_must_be_the_one_that_was_seen(project: Project) -> None:
    settle(project)
    save(project, "--replace", "client/MyEACM")
    key, certificate = (project.output / f"clients/MyEACM/client.{name}" for name in ("key", "pem"))
    kept = certificate.read_bytes()
    assert project.run("apply", "--replace", "client/MyEACM").code == 0
    certificate.write_bytes(kept)
    before = project.files()
    codes = set(stale(report(project, 4)).values())
    assert codes <= {"key-changed", "planned-otherwise", "identity-stale"}
    assert project.files() == before
    assert key.exists()


def test_a_private_key_that_a_certificate_is_made_for_must_be_the_one_that_was_seen(project: Project) -> None:
    settle(project)
    (project.output / "clients/MyEACM/client.pem").unlink()
    save(project)
    shutil.copy(project.output / "brokers/plant-a/server.key", project.output / "clients/MyEACM/client.key")
    assert stale(report(project, 4)) == {"client/MyEACM/certificate": "key-changed"}


def test_what_would_be_signed_by_an_authority_that_became_due_waits_for_a_new_plan(project: Project) -> None:
    """A leaf that was planned below a renewed authority would outlive the one that is there."""
    settle(project)
    project.now = NOW + timedelta(days=2400)
    project.apply()
    project.write(WITH_GATEWAY)
    save(project)
    project.now = NOW + timedelta(days=2900)
    applied = report(project, 4)
    gateway = {f"client/gateway/{part}" for part in ("private-key", "certificate", "trust")}
    assert {a for a, code in stale(applied).items() if code in ("depends-on-unsaved", "identity-stale")} == gateway
    assert left(applied)["ca/certificate"] == "renew"
    assert not (project.output / "clients/gateway").exists()


# Plans that are made where the keys are not.


def test_a_plan_made_without_private_keys_is_carried_out_where_they_are(project: Project) -> None:
    settle(project)
    project.write(WITH_GATEWAY.replace("[broker.plant-a.example]", "[b2.example]"))
    checkout = without_keys(project)
    document = save(checkout)
    assert {remark["code"] for remark in document["plan"]["blocked"]} == {"issuer-key-not-here"}
    shutil.copy(plan_file(checkout), plan_file(project))
    applied = report(project, 0)
    assert done(applied) == {
        "broker/plant-a/certificate",
        *(f"client/gateway/{part}" for part in ("private-key", "certificate", "trust")),
    }
    assert applied["left"] == []


def test_a_plan_made_without_keys_stays_blocked_where_there_are_none(project: Project) -> None:
    settle(project)
    project.write(SMALL.replace("[broker.plant-a.example]", "[b2.example]"))
    checkout = without_keys(project)
    save(checkout)
    before = checkout.files()
    applied = report(checkout, 1)
    assert applied["stale"] == applied["left"] == []
    assert checkout.files() == before


def test_modes_of_keys_are_mended_later_and_nothing_else_waits_for_that(project: Project) -> None:
    settle(project)
    project.write(WITH_GATEWAY)
    checkout = without_keys(project)
    save(checkout)
    shutil.copy(plan_file(checkout), plan_file(project))
    (project.output / "ca/ca.key").chmod(0o644)
    applied = report(project, 0)
    assert left(applied) == {"ca/private-key": "chmod"}
    assert (project.output / "clients/gateway/client.pem").exists()


def test_a_plan_with_a_locked_authority(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CA_PASSWORD", CANARY)
    settle(project, ENCRYPTED_CA)
    project.write(ENCRYPTED_CA + "  gateway:\n")
    monkeypatch.delenv("CA_PASSWORD")
    save(project)
    refused = carry_out(project)
    assert refused.code == 1
    assert "CA_PASSWORD" in refused.err
    monkeypatch.setenv("CA_PASSWORD", CANARY)
    assert report(project, 0)["stale"] == []


def test_no_secret_is_in_the_file(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CA_PASSWORD", CANARY)
    settle(project, ENCRYPTED_CA)
    project.write(ENCRYPTED_CA + "  gateway: {password: {env: CA_PASSWORD}}\n")
    save(project, "--replace", "client/MyEACM")
    text = plan_file(project).read_text()
    assert CANARY not in text
    assert "PRIVATE" not in text
    for path in project.output.rglob("*.key"):
        assert not any(line in text for line in path.read_text().splitlines()[1:-1])
