"""Which of several certificates count, and what the entries of those that share a name are called."""

from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509

from tests.adoption.sources import CLIENT, SERVER, Issued, Profile, issue, write
from tests.adoption.test_matching import codes, planned, take_over
from tests.conftest import NOW, Project

GOOD_CLIENT = Profile(usages=(CLIENT,))


def broker(*hosts: str, days: float = 825, age: int = 100) -> Profile:
    names = tuple(x509.DNSName(host) for host in hosts)
    return Profile(usages=(SERVER,), alt_names=names, days=days, begins=NOW - timedelta(days=age))


@pytest.mark.parametrize("expired", [False, True])
def test_brokers_of_one_common_name_with_other_hosts_are_brokers_of_their_own(
    project: Project, source: Path, authority: Issued, expired: bool
) -> None:
    one = issue("mosquitto", broker("a.example"), by=authority)
    other = broker("b.example", days=50) if expired else broker("b.example")
    two = issue("mosquitto", other, by=authority, key=None if expired else one.key)
    document = take_over(project, write(source, {"ca.pem": authority.pem, "1.pem": one.pem, "2.pem": two.pem}))
    assert len(document["entries"]) == 2
    assert document["left_out"] == []


def test_a_broker_that_got_another_host_replaced_what_it_had(project: Project, source: Path, authority: Issued) -> None:
    one = issue("a.example", broker("a.example", days=500), by=authority)
    two = issue("a.example", broker("a.example", "b.example"), by=authority, key=one.key)
    ended = issue("a.example", broker("a.example", "c.example", days=50), by=authority)
    files = {"ca.pem": authority.pem, "1.pem": one.pem, "2.pem": two.pem, "3.pem": ended.pem}
    document = take_over(project, write(source, files))
    assert [entry["certificate"]["files"] for entry in document["entries"]] == [["2.pem"]]
    assert codes(document) == {"1.pem": ["older-certificate"], "3.pem": ["older-certificate"]}
    message = next(entry["message"] for entry in document["left_out"] if entry["files"] == ["1.pem"])
    assert message == (
        "another certificate of broker a.example, from 2026-08-15 until 2027-12-28; the one that is taken over has the"
        " same key, from 2026-08-15 until 2028-11-17"
    )


def test_of_two_that_end_on_one_day_the_one_without_faults_counts(
    project: Project, source: Path, authority: Issued
) -> None:
    good = issue("a.example", broker("a.example"), by=authority)
    bare = Profile(usages=(SERVER,), key_id=None, days=825 + 1 / 24)
    faulty = issue("a.example", bare, by=authority, key=good.key)
    files = {"ca.pem": authority.pem, "1.pem": good.pem, "2.pem": faulty.pem}
    document = take_over(project, write(source, files))
    assert [entry["certificate"]["files"] for entry in document["entries"]] == [["1.pem"]]
    assert planned(project) == {}


def test_those_who_share_a_name_are_called_by_their_folders(project: Project, source: Path, authority: Issued) -> None:
    files = {f"device-{number}/certs/client.pem": issue("Line 4", GOOD_CLIENT, by=authority).pem for number in (1, 2)}
    document = take_over(project, write(source, files | {"ca.pem": authority.pem}))
    assert [entry["address"] for entry in document["entries"]] == ["client/device-1", "client/device-2"]
    assert project.manifest.read_text().count("common_name: Line 4") == 2
    assert planned(project) == {}


def test_the_newest_of_those_who_share_a_name_has_it(project: Project, source: Path, authority: Issued) -> None:
    old = Profile(usages=(CLIENT,), begins=NOW - timedelta(days=300), days=2000)
    files = {"1.pem": issue("Line 4", old, by=authority).pem, "2.pem": issue("Line 4", GOOD_CLIENT, by=authority).pem}
    document = take_over(project, write(source, files | {"ca.pem": authority.pem}))
    found = {entry["address"]: entry["certificate"]["files"] for entry in document["entries"]}
    assert found == {"client/Line-4": ["2.pem"], "client/Line-4-2": ["1.pem"]}


def test_a_folder_of_edgecerts_is_taken_over_as_it_is(project: Project, source: Path) -> None:
    """Replaced keys and certificates in its own folder are none of anybody's."""
    project.write(
        "version: 1\nca: {common_name: Plant CA}\nbrokers: {plant-a: {common_name: a.example}}\n"
        "clients:\n"
        "  one: {common_name: Line 4, shared_common_name: true}\n"
        "  two: {common_name: Line 4, shared_common_name: true}\n"
    )
    project.apply()
    assert project.run("apply", "--replace", "client/one").code == 0
    project.output.rename(source / "pki")
    project.manifest.unlink()
    assert list((source / "pki/.edgecerts/replaced").rglob("*.key"))
    document = take_over(project, source)
    assert [entry["address"] for entry in document["entries"]] == ["broker/a.example", "client/one", "client/two"]
    assert [(entry["code"], entry["files"]) for entry in document["left_out"]] == [
        ("edgecerts-records", ["pki/.edgecerts"])
    ]
    assert planned(project) == {}
