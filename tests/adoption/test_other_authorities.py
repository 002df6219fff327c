"""Which authority is taken over, and which of the others devices go on trusting."""

from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509

from tests.adoption.sources import CA, CLIENT, SERVER, Issued, Profile, issue, openssl, write
from tests.adoption.test_matching import codes, planned, take_over
from tests.conftest import NOW, Project

GOOD_CLIENT = Profile(usages=(CLIENT,))
ENDED = Profile(is_ca=True, key_usage=CA.key_usage, begins=NOW - timedelta(days=900), days=800)


def clients(by: Issued, *names: str) -> dict[str, bytes]:
    return {f"{name}.pem": issue(name, GOOD_CLIENT, by=by).pem for name in names}


def chosen(document: dict[str, object]) -> object:
    authority = document["authority"]
    assert isinstance(authority, dict)
    return authority["common_name"]


@pytest.mark.parametrize("other", [CA, ENDED], ids=["without its key", "ended"])
def test_an_authority_that_can_sign_goes_before_one_that_issued_more(
    project: Project, source: Path, authority: Issued, other: Profile
) -> None:
    old = issue("Old CA", other)
    files = {"ca.pem": authority.pem, "ca.key": authority.key_pem(), "old.pem": old.pem}
    if other is ENDED:
        files["old.key"] = old.key_pem()
    files |= clients(old, "one", "two", "three") | clients(authority, "mine")
    assert chosen(take_over(project, write(source, files))) == "Plant CA"


def test_a_key_of_an_authority_that_is_not_in_use_takes_nothing_over(
    project: Project, source: Path, authority: Issued
) -> None:
    """The plant's key is offline, and somebody's trial lies beside its certificates."""
    trial = issue("Trial CA", CA)
    files = {"ca.pem": authority.pem, "trial.pem": trial.pem, "trial.key": trial.key_pem()} | clients(authority, "unit")
    assert chosen(take_over(project, write(source, files))) == "Plant CA"


def test_another_authority_that_is_in_use_stands_on_the_first_lines(
    project: Project, source: Path, authority: Issued
) -> None:
    other = issue("Other CA", CA)
    files = {"a.pem": authority.pem, "a.key": authority.key_pem(), "b.pem": other.pem, "b.key": other.key_pem()}
    write(source, files | clients(authority, "one", "two") | clients(other, "three"))
    head = " ".join(project.run("import", str(source), "--dry-run").out.partition("\nca (")[0].split())
    before, _, rest = head.partition("Another authority issued 1 here, and its key is here: Other CA. --ca ")
    assert before.endswith("(7 files read). ")
    digest = rest.split()[0]
    assert chosen(take_over(project, source, "--ca", digest)) == "Other CA"


def test_what_stands_in_the_file_of_the_authority_is_trusted_also_where_it_issued_nothing(
    project: Project, source: Path, authority: Issued
) -> None:
    following, ended = issue("Next CA", CA), issue("Ended CA", ENDED)
    files = {"bundle.pem": authority.pem + following.pem + ended.pem} | clients(authority, "one")
    document = take_over(project, write(source, files))
    assert [(other["file"], other["active"]) for other in document["also_trust"]] == [("also-trust/next-ca.pem", True)]
    assert (project.output / "clients/one/ca.pem").read_bytes() == authority.pem + following.pem
    assert planned(project) == {}


def test_a_bundle_of_public_authorities_is_neither_trusted_nor_taken_over(
    project: Project, source: Path, authority: Issued
) -> None:
    public = [issue(f"Public Root {number}", Profile(is_ca=True, days=9000)) for number in range(9)]
    bundle = authority.pem + b"".join(root.pem for root in public)
    document = take_over(
        project, write(source, {"roots.pem": bundle, "ca.pem": authority.pem} | clients(authority, "one"))
    )
    assert chosen(document) == "Plant CA"
    assert document["also_trust"] == []
    (left_out,) = document["left_out"]
    assert left_out["code"] == "authority-bundle"
    assert "a bundle of 10 authorities" in left_out["message"]


def test_a_folder_with_public_authorities_alone_holds_none_to_take_over(project: Project, source: Path) -> None:
    roots = b"".join(issue(f"Public Root {number}", CA).pem for number in range(3))
    result = project.run("import", str(write(source, {"roots.pem": roots})))
    assert result.code == 1
    assert "whose key is not here, and which issued nothing here" in " ".join(result.out.split())
    assert not project.manifest.exists()


def test_what_a_server_signed_itself_is_no_authority(project: Project, source: Path) -> None:
    """`openssl req -x509` says of everything that it may sign others."""
    openssl(source, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "s.key", "-out", "s.pem",
            "-subj", "/CN=broker.plant.example", "-days", "300")  # fmt: skip
    result = project.run("import", str(source))
    assert result.code == 1
    assert "s.pem, s.key: CN=broker.plant.example signed itself" in " ".join(result.out.split())


def test_a_certificate_with_the_name_of_its_authority_is_told_why(
    project: Project, source: Path, authority: Issued
) -> None:
    names = x509.Name([*authority.certificate.subject, x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "ACME")])
    files = {"ca.pem": authority.pem, "same.pem": issue("Plant CA", GOOD_CLIENT, by=authority).pem,
             "other.pem": issue(names, GOOD_CLIENT, by=authority).pem}  # fmt: skip
    document = take_over(project, write(source, files))
    messages = {entry["files"][0]: entry["message"] for entry in document["left_out"]}
    assert codes(document) == {"same.pem": ["name-of-ca"], "other.pem": ["name-of-ca"]}
    assert "OpenSSL takes such a certificate for self-signed" in messages["same.pem"]
    assert "it works" in messages["other.pem"]
    assert "OpenSSL" not in messages["other.pem"]


def test_keys_and_requests_of_what_is_left_out_are_listed_with_it(
    project: Project, source: Path, authority: Issued
) -> None:
    """Every file that holds something is taken over or named."""
    other, used = issue("Other CA", CA), issue("used", GOOD_CLIENT, by=authority)
    leaves = {
        "stray": issue("stray", GOOD_CLIENT, by=issue("Nowhere", CA)),
        "theirs": issue("theirs", GOOD_CLIENT, by=other),
        "own": issue("own.example", Profile(usages=(SERVER,))),
        "topic": issue("line/4", GOOD_CLIENT, by=authority),
        "words": issue("Plant A", Profile(usages=(SERVER,)), by=authority),
        "middle": issue("Middle", CA, by=authority),
        "ended": issue("used", Profile(usages=(CLIENT,), begins=NOW - timedelta(days=900), days=800), by=authority),
    }
    before = issue("used", Profile(usages=(CLIENT,), days=300), by=authority, key=used.key)
    files = {"ca.pem": authority.pem, "ca.key": authority.key_pem(), "other.pem": other.pem, "before.pem": before.pem,
             "other.key": other.key_pem(), "used.pem": used.pem, "used.key": used.key_pem()}  # fmt: skip
    for name, leaf in leaves.items():
        files |= {f"{name}.pem": leaf.pem, f"{name}.key": leaf.key_pem(), f"{name}.csr": leaf.request()}
    document = take_over(project, write(source, files))
    found = {entry["files"][0]: entry["files"] for entry in document["left_out"]}
    assert found.pop("other.pem") == ["other.pem", "other.key"]
    assert found.pop("before.pem") == ["before.pem"], "its key is taken over"
    assert found == {f"{name}.pem": [f"{name}.pem", f"{name}.key", f"{name}.csr"] for name in leaves}


def test_one_host_of_several_brokers_is_said(project: Project, source: Path, authority: Issued) -> None:
    address = x509.IPAddress(ip_address("10.3.0.11"))
    brokers = {"a": "one.example", "b": "two.example"}
    files = {"ca.pem": authority.pem}
    for name, host in brokers.items():
        profile = Profile(usages=(SERVER,), alt_names=(x509.DNSName(host), address))
        files[f"{name}.pem"] = issue(host, profile, by=authority).pem
    alone = Profile(usages=(SERVER,), alt_names=(x509.DNSName("alone.example"),))
    files["c.pem"] = issue("alone.example", alone, by=authority).pem
    document = take_over(project, write(source, files))
    said = {
        entry["address"]: finding["message"]
        for entry in document["entries"]
        for finding in entry["findings"]
        if finding["code"] == "shared-host"
    }
    assert said == {
        "broker/one.example": "another broker has 10.3.0.11, too: b.pem",
        "broker/two.example": "another broker has 10.3.0.11, too: a.pem",
    }
