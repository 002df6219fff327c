"""What random histories of plants that revoke show, and what they have shown once."""

import shutil

import pytest

from tests.conftest import Project
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
