"""What random histories of plants that revoke show, and what they have shown once."""

import json
import shutil
from datetime import timedelta

import pytest

from tests.conftest import NOW, Project
from tests.listed_histories import tell_one
from tests.revocation_lists import HEAD, entries, serial

HISTORIES = 60
BATCHES = 12


@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
@pytest.mark.parametrize("batch", range(BATCHES))
def test_histories_keep_what_is_promised(batch: int) -> None:
    """`python -m tests.listed_histories` tells more of them."""
    for seed in range(batch, HISTORIES, BATCHES):
        tell_one(seed)


def test_another_plants_certificate_in_the_folder_is_no_serial_number_that_is_known(project: Project) -> None:
    """It is replaced in the run that finds it, and the next run would say of its number what this one did not."""
    project.write(HEAD + "  gw-1:\n")
    project.apply()
    place = project.output / "clients/gw-1/client.pem"
    strange, content = serial(project, "clients/gw-1/client.pem"), place.read_bytes()
    shutil.rmtree(project.output)
    project.write(HEAD + f"  gw-1:\ncrl:\nrevoked: [{{serial: '{strange:x}', reason: superseded}}]\n")
    project.run("apply")
    place.write_bytes(content)
    consent = ("--allow", "unknown-serial", "--allow", "foreign-file")
    assert project.run("apply", *consent).code == 0
    assert entries(project) == {strange: "superseded"}
    crl = project.files()["ca/ca.crl.pem"]
    assert project.run("apply", *consent).code == 0
    assert project.files()["ca/ca.crl.pem"] == crl


def test_an_end_that_somebody_wrote_into_the_log_takes_no_entry_out(project: Project) -> None:
    """What has ended gets no entry; so a line that says so of an entry was changed since."""
    project.write(HEAD + "  gw-1:\n  gw-2:\ncrl:\n")
    project.apply()
    stolen = serial(project, "clients/gw-1/client.pem")
    project.write(HEAD + "  gw-2:\nrevoked: [{name: client/gw-1, reason: key-compromise}]\n")
    assert project.run("apply", "--prune").code == 0
    (log,) = project.output.glob("issued/*.jsonl")
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    for line in lines:
        if line["serial"] == f"{stolen:040x}":
            line["not_after"] = f"{NOW - timedelta(days=3):%Y-%m-%dT%H:%M:%SZ}"
    log.write_text("".join(json.dumps(line) + "\n" for line in lines))
    for _ in range(2):
        notices = json.loads(project.run("plan", "--format", "json").out)["notices"]
        assert "revoked-not-in-log" in [notice["code"] for notice in notices]
        project.now += timedelta(days=70)
        project.apply()
        assert entries(project) == {stolen: "keyCompromise"}
