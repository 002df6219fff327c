"""Options and hazards of a saved plan: what was given to `plan` holds for `apply`, and nothing more."""

import json
import shutil

from tests.conftest import SMALL, Project
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


def foreign(project: Project, name: str) -> None:
    """Puts the certificate of another authority in a client's place, without its key."""
    other = Project(folder=project.folder / f"foreign-{name}", capture=project.capture)
    other.folder.mkdir()
    settle(other, SMALL.replace("MyEACM", name))
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
