"""Options and hazards of a saved plan: what was given to `plan` holds for `apply`, and nothing more."""

import json
import shutil
from datetime import timedelta

from tests.conftest import NOW, SMALL, Project
from tests.saved_plans import (
    WITH_GATEWAY,
    contents,
    done,
    left,
    plan_file,
    planned,
    report,
    save,
    settle,
    stale,
    without_keys,
)


def test_the_options_of_the_plan_are_those_of_apply(project: Project) -> None:
    settle(project, WITH_GATEWAY)
    project.write(SMALL)
    document = save(project, "--prune")
    assert {c["action"] for c in document["plan"]["changes"]} == {"no-op", "delete"}
    assert len(done(report(project, 0))) == 3
    assert not (project.output / "clients/gateway").exists()


def test_a_deletion_takes_the_key_along_or_is_not_made(project: Project) -> None:
    settle(project, WITH_GATEWAY)
    project.write(SMALL)
    checkout = without_keys(project)
    save(checkout, "--prune")
    shutil.copy(plan_file(checkout), plan_file(project))
    before = contents(project)
    applied = report(project, 4)
    assert set(stale(applied).values()) <= {"depends-on-unsaved", "identity-stale"}
    assert left(applied) == {"client/gateway/private-key": "delete"}
    assert contents(project) == before


def test_a_target_of_the_plan_stays_its_target(project: Project) -> None:
    project.write(SMALL)
    save(project, "--target", "client/MyEACM")
    applied = report(project, 0)
    assert applied["left"] == []
    assert not (project.output / "brokers").exists()


def lose_authority(project: Project) -> None:
    settle(project)
    shutil.rmtree(project.output / "ca")


def test_a_hazard_that_the_reviewed_plan_allows_is_accepted(project: Project) -> None:
    lose_authority(project)
    save(project, "--allow", "ca-replaced")
    report(project, 0)
    assert planned(project) == {}


def test_a_hazard_that_the_reviewed_plan_shows_and_does_not_allow_is_refused(project: Project) -> None:
    lose_authority(project)
    save(project)
    before = project.files()
    assert {c["outcome"] for c in report(project, 4)["changes"] if c["action"] != "no-op"} == {"refused"}
    assert project.files() == before


def test_a_hazard_that_appears_later_is_refused_although_its_name_was_allowed(project: Project) -> None:
    """The flag was given, but the plan that was reviewed had nothing to allow."""
    settle(project)
    project.write(SMALL.replace("MyEACM:", "MyEACM: {key_type: ec-p384}"))
    save(project, "--allow", "ca-replaced", "--replace", "broker/plant-a")
    shutil.rmtree(project.output / "ca")
    before = project.files()
    report(project, 4)
    assert project.files() == before


def another_authority(project: Project, name: str) -> Project:
    other = Project(folder=project.folder / f"foreign-{name}", capture=project.capture)
    other.folder.mkdir()
    settle(other, SMALL.replace("MyEACM", name))
    return other


def foreign(project: Project, name: str) -> None:
    """Puts the certificate of another authority in a client's place, without its key."""
    other = another_authority(project, name)
    shutil.copy(other.output / f"clients/{name}/client.pem", project.output / f"clients/{name}/client.pem")


def test_a_foreign_file_is_allowed_where_it_was_seen_alone(project: Project) -> None:
    settle(project, WITH_GATEWAY)
    foreign(project, "MyEACM")
    (project.output / "clients/gateway/ca.pem").unlink()
    save(project, "--allow", "foreign-file")
    foreign(project, "gateway")
    shutil.copy(project.output / "ca/ca.pem", project.folder / "kept.pem")
    applied = report(project, 4)
    assert "client/gateway/trust" in stale(applied)
    assert done(applied) == {"client/MyEACM/certificate"}


def test_the_digest_alone_does_not_hide_a_hazard_that_nobody_saw(project: Project) -> None:
    settle(project, WITH_GATEWAY)
    foreign(project, "MyEACM")
    foreign(project, "gateway")
    document = save(project, "--allow", "foreign-file")
    hazards = document["plan"]["hazards"]
    document["plan"]["hazards"] = [hazard for hazard in hazards if hazard["address"] == "client/MyEACM"]
    plan_file(project).write_text(json.dumps(document))
    applied = report(project, 4)
    assert stale(applied) == {"client/gateway/certificate": "hazard-appeared"}
    assert done(applied) == {"client/MyEACM/certificate"}


def test_what_was_refused_in_review_was_not_agreed_to(project: Project) -> None:
    """The clock is right again, so nothing is refused any more; but nobody said yes to it either."""
    settle(project)
    project.now = NOW + timedelta(days=10)
    assert project.run("apply", "--replace", "client/MyEACM/certificate").code == 0
    project.write(SMALL.replace("broker.plant-a.example", "b2.example"))
    project.now = NOW + timedelta(days=5)
    assert save(project)["plan"]["hazards"][0]["code"] == "clock-behind"
    project.now = NOW + timedelta(days=10)
    before = project.files()
    assert left(report(project, 0)) == {"broker/plant-a/certificate": "update"}
    assert project.files() == before


def test_a_foreign_file_that_was_refused_in_review_is_left_when_it_is_known_later(project: Project) -> None:
    settle(project)
    foreign(project, "MyEACM")
    save(project)
    other = project.folder / "foreign-MyEACM/pki/issued"
    shutil.copytree(other, project.output / "issued/other", dirs_exist_ok=True)
    log = project.output / "issued" / next(other.iterdir()).name
    log.write_text(log.read_text() + (other / log.name).read_text())
    before = project.files()
    assert left(report(project, 0)) == {"client/MyEACM/certificate": "update"}
    assert project.files() == before


def test_what_was_blocked_in_review_is_left_when_it_can_be_done_later(project: Project) -> None:
    settle(project)
    project.write(SMALL.replace("{common_name: Test CA}", "{common_name: Test CA, also_trust: [{ca: other.pem}]}"))
    save(project)
    shutil.copy(another_authority(project, "x").output / "ca/ca.pem", project.folder / "other.pem")
    assert "broker/plant-a/trust" in left(report(project, 0))
