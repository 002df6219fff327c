"""What belongs together is found by signatures and keys; names of files are a hint at most, and said to be one."""

import json
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from edgecerts.pki.private_keys import spki_sha256
from tests.adoption.sources import (
    CA,
    CLIENT,
    SERVER,
    Issued,
    Profile,
    begins,
    common_name,
    issue,
    name_of,
    openssl,
    write,
)
from tests.conftest import NOW, Project
from tests.readers import read_certificate

HOST = x509.DNSName("broker.plant.example")
ADDRESS = x509.IPAddress(ip_address("10.3.0.11"))
BROKER = Profile(usages=(SERVER,), alt_names=(HOST, ADDRESS))
GOOD_CLIENT = Profile(usages=(CLIENT,))


def take_over(project: Project, source: Path, *arguments: str) -> dict[str, Any]:
    """Imports, and returns the report; the manifest is valid then."""
    result = project.run("import", str(source), "--format", "json", *arguments)
    assert result.code == 0, result.out + result.err
    assert project.run("validate").code == 0
    document: dict[str, Any] = json.loads(result.out)
    return document


def planned(project: Project) -> dict[str, str]:
    """What the first plan changes, but for the log."""
    plan = json.loads(project.run("plan", "--format", "json").out)
    assert plan["hazards"] == plan["unmanaged"] == []
    changes = plan["changes"]
    return {c["address"]: c["action"] for c in changes if c["action"] != "no-op" and c["address"] != "log"}


def codes(document: dict[str, Any]) -> dict[str, list[str]]:
    """What is left out, by its first file."""
    found: dict[str, list[str]] = {}
    for entry in document["left_out"]:
        found.setdefault(entry["files"][0], []).append(entry["code"])
    return found


def found_codes(document: dict[str, Any], address: str) -> list[str]:
    entries = [*document["entries"], document["authority"]]
    return [finding["code"] for entry in entries if entry["address"] == address for finding in entry["findings"]]


def test_names_of_files_mean_nothing(project: Project, source: Path, authority: Issued) -> None:
    broker, client = issue("broker.plant.example", BROKER, by=authority), issue("MyEACM", GOOD_CLIENT, by=authority)
    write(
        source,
        {
            "client.key": authority.key_pem(),
            "server.pem": authority.pem,
            "ca.key": broker.key_pem(),
            "x/client.pem": broker.pem,
            "server.key": client.key_pem(),
            "ca.pem": client.pem,
        },
    )
    document = take_over(project, source)
    assert [entry["address"] for entry in document["entries"]] == ["broker/broker.plant.example", "client/MyEACM"]
    assert planned(project) == {}
    for path, owner in (
        ("ca/ca", authority),
        ("brokers/broker.plant.example/server", broker),
        ("clients/MyEACM/client", client),
    ):
        made = read_certificate(project.output / f"{path}.pem")
        assert made == owner.certificate
        assert (project.output / f"{path}.key").read_bytes() == owner.key_pem()


def test_the_authority_with_most_valid_certificates_is_chosen(
    project: Project, source: Path, authority: Issued
) -> None:
    other = issue("Other CA", CA)
    ended = Profile(usages=(CLIENT,), begins=NOW - timedelta(days=900), days=800)
    files = {"a.pem": authority.pem, "b.pem": other.pem}
    files |= {f"{n}.pem": issue(f"old-{n}", ended, by=other).pem for n in range(3)}
    files |= {"mine.pem": issue("unit", GOOD_CLIENT, by=authority).pem}
    document = take_over(project, write(source, files))
    assert document["authority"]["common_name"] == "Plant CA"
    assert codes(document) == {"b.pem": ["other-authority"], **{f"{n}.pem": ["of-other-authority"] for n in range(3)}}


@pytest.mark.parametrize("by_digest", [False, True])
def test_another_authority_can_be_named(project: Project, source: Path, authority: Issued, by_digest: bool) -> None:
    other = issue("Other CA", CA)
    files = {"a.pem": authority.pem, "b.pem": other.pem, "c.pem": issue("unit", GOOD_CLIENT, by=authority).pem}
    name = f"sha256:{spki_sha256(other.key.public_key())[:16]}" if by_digest else "Other CA"
    document = take_over(project, write(source, files), "--ca", name)
    assert document["authority"]["common_name"] == "Other CA"
    assert document["entries"] == []


def test_an_authority_that_is_not_there_is_a_usage_error(project: Project, source: Path, authority: Issued) -> None:
    write(source, {"a.pem": authority.pem})
    result = project.run("import", str(source), "--ca", "Nobody")
    assert result.code == 64
    assert "--ca: there is no authority 'Nobody'" in result.err
    assert "choose from Plant CA (sha256:" in result.err
    assert not project.manifest.exists()


def test_an_authority_of_the_same_name_is_told_apart_by_its_key(
    project: Project, source: Path, authority: Issued
) -> None:
    twin = issue("Plant CA", CA)
    mine = [issue(f"unit-{n}", GOOD_CLIENT, by=authority) for n in range(2)]
    document = take_over(
        project,
        write(
            source,
            {
                "twin.pem": twin.pem,
                "ca.pem": authority.pem,
                "0.pem": mine[0].pem,
                "1.pem": mine[1].pem,
                "strange.pem": issue("strange", GOOD_CLIENT, by=twin).pem,
            },
        ),
    )
    assert [entry["address"] for entry in document["entries"]] == ["client/unit-0", "client/unit-1"]
    assert codes(document) == {"twin.pem": ["other-authority"], "strange.pem": ["of-other-authority"]}
    assert planned(project) == {}


def test_of_an_authority_that_was_renewed_the_newest_certificate_is_kept(project: Project, source: Path) -> None:
    old = issue("Plant CA", Profile(is_ca=True, key_usage=CA.key_usage, begins=NOW - timedelta(days=700), days=800))
    new = issue("Plant CA", CA, key=old.key)
    leaf = issue("unit", GOOD_CLIENT, by=old)
    document = take_over(
        project, write(source, {"1.pem": old.pem, "2.pem": new.pem, "3.pem": leaf.pem, "k": leaf.key_pem()})
    )
    assert read_certificate(project.output / "ca/ca.pem") == new.certificate
    assert codes(document) == {"1.pem": ["older-certificate"]}
    assert planned(project) == {}


def test_devices_go_on_trusting_an_authority_that_stands_beside_the_chosen_one(
    project: Project, source: Path, authority: Issued
) -> None:
    old = issue("Old CA", CA)
    files = {
        "bundle.pem": authority.pem + old.pem,
        "1.pem": issue("one", GOOD_CLIENT, by=authority).pem,
        "2.pem": issue("two", GOOD_CLIENT, by=authority).pem,
        "3.pem": issue("three", GOOD_CLIENT, by=old).pem,
    }
    document = take_over(project, write(source, files))
    assert [(other["file"], other["active"]) for other in document["also_trust"]] == [("also-trust/old-ca.pem", True)]
    assert (project.folder / "also-trust/old-ca.pem").read_bytes() == old.pem
    assert (project.output / "clients/one/ca.pem").read_bytes() == authority.pem + old.pem
    assert planned(project) == {}


def test_another_authority_is_only_proposed_where_nothing_shows_that_devices_trust_it(
    project: Project, source: Path, authority: Issued
) -> None:
    old = issue("Old CA", CA)
    files = {
        "ca.pem": authority.pem,
        "old.pem": old.pem,
        "1.pem": issue("one", GOOD_CLIENT, by=authority).pem,
        "2.pem": issue("two", GOOD_CLIENT, by=authority).pem,
        "3.pem": issue("three", GOOD_CLIENT, by=old).pem,
    }
    document = take_over(project, write(source, files))
    assert [(other["file"], other["active"]) for other in document["also_trust"]] == [("also-trust/old-ca.pem", False)]
    assert (project.output / "clients/one/ca.pem").read_bytes() == authority.pem
    text = project.manifest.read_text()
    proposed = "  # also_trust: [{ca: also-trust/old-ca.pem}]"
    assert proposed in text
    project.write(text.replace(proposed, proposed.replace("# ", "")))
    assert planned(project) == {"client/one/trust": "update", "client/two/trust": "update"}


def test_intermediate_authorities_are_listed_with_what_they_issued(
    project: Project, source: Path, authority: Issued
) -> None:
    middle = issue("Line 4 CA", CA, by=authority)
    below = issue("unit", GOOD_CLIENT, by=middle)
    direct = issue("direct", GOOD_CLIENT, by=authority)
    files = {"root.pem": authority.pem, "chain.pem": below.pem + middle.pem, "direct.pem": direct.pem}
    document = take_over(project, write(source, files))
    assert codes(document) == {"chain.pem": ["intermediate", "intermediate"]}
    assert [entry["address"] for entry in document["entries"]] == ["client/direct"]


def test_certificates_without_their_authority_and_self_signed_ones_are_listed(
    project: Project, source: Path, authority: Issued
) -> None:
    files = {
        "ca.pem": authority.pem,
        "ca.key": authority.key_pem(),
        "stray.pem": issue("stray", GOOD_CLIENT, by=issue("Nowhere CA", CA)).pem,
        "own.pem": issue("own.plant.example", BROKER).pem,
        "lonely.key": issue("x", Profile()).key_pem(),
        "lonely.csr": issue("y", Profile()).request(),
    }
    document = take_over(project, write(source, files))
    assert codes(document) == {
        "stray.pem": ["no-issuer"],
        "own.pem": ["self-signed"],
        "lonely.key": ["key-without-certificate"],
        "lonely.csr": ["request-without-certificate"],
    }


def test_a_folder_without_an_authority_ends_with_an_error_and_says_what_is_there(
    project: Project, source: Path, authority: Issued
) -> None:
    leaf = issue("unit", GOOD_CLIENT, by=authority)
    write(source, {"unit.pem": leaf.pem, "unit.key": leaf.key_pem(), "authority.key": authority.key_pem()})
    result = project.run("import", str(source))
    assert result.code == 1
    assert result.out.startswith("No authority that can be taken over was found in")
    assert "a private key (ec-p256) of an authority whose certificate is" in result.out
    assert "every device has that certificate as its ca.pem; add a copy" in result.out
    assert list(project.folder.iterdir()) == []


@pytest.mark.parametrize(
    ("profile", "name", "file", "kind", "evidence"),
    [
        (Profile(usages=(SERVER,)), "broker", "client.pem", "broker", "usage"),
        (Profile(usages=(CLIENT,)), "10.3.0.11", "server.pem", "client", "usage"),
        (Profile(usages=(SERVER, CLIENT)), "10.3.0.11", "client.pem", "client", "files"),
        (Profile(usages=(SERVER, CLIENT)), "10.3.0.11", "x.pem", "broker", "names"),
        (Profile(usages=(SERVER, CLIENT), alt_names=(x509.DNSName("gw-07"),)), "gw-07", "x.pem", "client", "nothing"),
        (Profile(), "10.3.0.11", "devices/x.pem", "client", "files"),
        (Profile(), "10.3.0.11", "server.pem", "broker", "names-and-files"),
        (Profile(), "unit", "mosquitto/certs/x.pem", "client", "nothing"),
        (Profile(), "unit", "mosquitto/certs/mosquitto.pem", "broker", "files"),
        (Profile(usages=(SERVER, CLIENT)), "MyEACM", "a client/x.pem", "client", "files"),
        (Profile(), "10.3.0.11", "x.pem", "broker", "names"),
        (Profile(), "broker.plant.example", "x.pem", "broker", "names"),
        (Profile(), "localhost", "x.pem", "broker", "names"),
        (Profile(alt_names=(ADDRESS,)), "MyEACM", "x.pem", "broker", "names"),
        (Profile(alt_names=(x509.DNSName("10.3.0.11"),)), "MyEACM", "x.pem", "broker", "names"),
        (Profile(), "mqtt", "broker-4.pem", "broker", "files"),
        (Profile(), "mqtt", "brokers/4/x.pem", "broker", "files"),
        (Profile(), "unit", "server/client.pem", "client", "files"),
        (Profile(), "unit", "x.pem", "client", "nothing"),
    ],
)  # fmt: skip
def test_a_role_is_told_by_usages_then_files_then_names(
    project: Project, source: Path, authority: Issued, profile: Profile, name: str, file: str, kind: str, evidence: str
) -> None:
    leaf = issue(name, profile, by=authority)
    document = take_over(project, write(source, {"z.pem": authority.pem, file: leaf.pem}))
    (entry,) = document["entries"]
    assert (entry["address"].partition("/")[0], entry["evidence"]) == (kind, evidence)
    uncertain = "uncertain-role" in found_codes(document, entry["address"])
    assert uncertain == (evidence in ("files", "names", "nothing"))
    assert ("taken for a" in project.manifest.read_text()) == uncertain


def test_a_certificate_without_its_key_is_delivered_and_with_a_request_it_is_requested(
    project: Project, source: Path, authority: Issued
) -> None:
    away, asked = issue("away", GOOD_CLIENT, by=authority), issue("asked", GOOD_CLIENT, by=authority)
    files = {"ca.pem": authority.pem, "ca.key": authority.key_pem(), "1.pem": away.pem, "2.pem": asked.pem}
    document = take_over(project, write(source, files | {"2.csr": asked.request()}))
    assert {entry["address"]: entry["key_held"] for entry in document["entries"]} == {
        "client/asked": "csr",
        "client/away": "delivered",
    }
    assert (
        x509.load_pem_x509_csr((project.folder / "requests/asked.csr").read_bytes()).public_key()
        == asked.key.public_key()
    )
    assert planned(project) == {}


def test_an_authority_without_its_key_signs_nothing_here(project: Project, source: Path, authority: Issued) -> None:
    leaf = issue("10.3.0.11", Profile(usages=(SERVER,)), by=authority)
    document = take_over(project, write(source, {"ca.pem": authority.pem, "server.pem": leaf.pem}))
    assert found_codes(document, "ca") == ["key-not-found"]
    plan = json.loads(project.run("plan", "--format", "json").out)
    assert [(remark["address"], remark["code"]) for remark in plan["blocked"]] == [
        ("broker/10.3.0.11/certificate", "issuer-key-not-here")
    ]


def test_of_several_certificates_of_a_client_the_newest_counts(
    project: Project, source: Path, authority: Issued
) -> None:
    ended = Profile(usages=(CLIENT,), begins=NOW - timedelta(days=900), days=800)
    shorter = Profile(usages=(CLIENT,), days=400)
    oldest = issue("unit", ended, by=authority)
    now = issue("unit", GOOD_CLIENT, by=authority)
    before = issue("unit", shorter, by=authority, key=now.key)
    files = {"ca.pem": authority.pem, "0.pem": oldest.pem, "1.pem": before.pem, "2.pem": now.pem, "k": now.key_pem()}
    document = take_over(project, write(source, files))
    assert [entry["certificate"]["files"] for entry in document["entries"]] == [["2.pem"]]
    assert codes(document) == {"0.pem": ["older-certificate"], "1.pem": ["older-certificate"]}
    assert planned(project) == {}


def test_clients_that_share_a_common_name_say_so(project: Project, source: Path, authority: Issued) -> None:
    files = {"ca.pem": authority.pem}
    files |= {f"{n}.pem": issue("Line 4", GOOD_CLIENT, by=authority).pem for n in range(2)}
    document = take_over(project, write(source, files))
    assert [entry["address"] for entry in document["entries"]] == ["client/Line-4", "client/Line-4-2"]
    assert project.manifest.read_text().count("shared_common_name: true") == 2
    assert "shared-common-name" in found_codes(document, "client/Line-4")
    assert planned(project) == {}


def test_one_certificate_in_the_folders_of_several_devices_is_said_to_be_shared(
    project: Project, source: Path, authority: Issued
) -> None:
    unit, single = issue("unit", GOOD_CLIENT, by=authority), issue("single", GOOD_CLIENT, by=authority)
    files = {f"device-{n}/{name}": content for n in range(5) for name, content in
             (("ca.pem", authority.pem), ("client.pem", unit.pem), ("client.key", unit.key_pem()))}  # fmt: skip
    files |= {"keys/single.key": single.key_pem(), "issued/single.pem": single.pem, "archive/1.pem": single.pem}
    document = take_over(project, write(source, files))
    assert found_codes(document, "client/unit") == ["shared-certificate"]
    assert found_codes(document, "client/single") == []
    text = project.manifest.read_text()
    assert "the same key lies in 5 folders: device-0, device-1, device-2 and 2 more" in text


def test_one_key_of_several_clients_is_said_to_be_shared(project: Project, source: Path, authority: Issued) -> None:
    one = issue("one", GOOD_CLIENT, by=authority)
    two = issue("two", GOOD_CLIENT, by=authority, key=one.key)
    own = issue("own", GOOD_CLIENT, by=authority, key=authority.key)
    files = {
        "ca.pem": authority.pem,
        "ca.key": authority.key_pem(),
        "1.pem": one.pem,
        "2.pem": two.pem,
        "3.pem": own.pem,
    }
    document = take_over(project, write(source, files | {"key": one.key_pem()}))
    assert [found_codes(document, f"client/{name}") for name in ("one", "two", "own")] == [["shared-key"]] * 3
    assert planned(project) == {}


def test_names_of_entries_are_made_of_what_there_is(project: Project, source: Path, authority: Issued) -> None:
    files = {"ca.pem": authority.pem}
    brokers = {"plant-a.pem": "10.3.0.11", "server.pem": "10.3.0.12", "line 4/server-cert.pem": "10.3.0.13",
               "w.pem": "*.plant.example"}  # fmt: skip
    for file, host in brokers.items():
        names = (x509.DNSName(host) if "*" in host else x509.IPAddress(ip_address(host)),)
        files[file] = issue(host, Profile(usages=(SERVER,), alt_names=names), by=authority).pem
    for number, name in enumerate(("Gerät 4", "con", "LINE4", "line4", "-x-", "ü")):
        files[f"{number:020}.pem"] = issue(name, GOOD_CLIENT, by=authority).pem
    document = take_over(project, write(source, files))
    assert [entry["address"] for entry in document["entries"]] == [
        *("broker/10.3.0.12", "broker/line-4", "broker/plant-a", "broker/wildcard.plant.example"),
        *("client/con-1", "client/entry", "client/Ger-t-4", "client/LINE4", "client/line4-2", "client/x"),
    ]
    assert planned(project) == {}


def test_certificates_that_no_manifest_can_declare_are_listed(
    project: Project, source: Path, authority: Issued
) -> None:
    two_names = name_of((NameOID.COMMON_NAME, "one"), (NameOID.COMMON_NAME, "two"))
    leaves = {
        "words.pem": issue("Plant A Broker", Profile(usages=(SERVER,)), by=authority),
        "topic.pem": issue("line/4", GOOD_CLIENT, by=authority),
        "two.pem": issue(two_names, GOOD_CLIENT, by=authority),
        "same.pem": issue("plant ca", GOOD_CLIENT, by=authority),
        "good.pem": issue("good", GOOD_CLIENT, by=authority),
    }
    document = take_over(
        project, write(source, {"ca.pem": authority.pem, **{f: leaf.pem for f, leaf in leaves.items()}})
    )
    assert codes(document) == {
        "words.pem": ["no-host"],
        "topic.pem": ["name-not-declarable"],
        "two.pem": ["name-not-declarable"],
        "same.pem": ["name-of-ca"],
    }
    assert [entry["address"] for entry in document["entries"]] == ["client/good"]


def test_an_authority_without_a_common_name_is_listed(project: Project, source: Path) -> None:
    nameless = issue(name_of((NameOID.ORGANIZATION_NAME, "ACME")), CA)
    result = project.run("import", str(write(source, {"ca.pem": nameless.pem})))
    assert result.code == 1
    assert "it has no common name" in result.out


def test_a_v1_root_is_an_authority_where_it_issued_something(project: Project, source: Path) -> None:
    """OpenSSL makes such a root where nobody names extensions."""
    root = issue("Old Root", Profile(constraints=None, key_usage=None, own_key_id=False, days=3650))
    leaf = issue("unit", GOOD_CLIENT, by=root)
    files = {"root.pem": root.pem, "root.key": root.key_pem(), "leaf.pem": leaf.pem}
    document = take_over(project, write(source, files))
    assert document["authority"]["common_name"] == "Old Root"
    assert planned(project)["ca/certificate"] == "update"


def test_a_broker_with_the_extensions_of_an_authority_is_no_intermediate(
    project: Project, source: Path, authority: Issued
) -> None:
    leaf = issue(
        "10.3.0.11", Profile(is_ca=True, alt_names=(ADDRESS,)), by=authority, key=rsa.generate_private_key(65537, 2048)
    )
    document = take_over(
        project, write(source, {"ca.pem": authority.pem, "ca.key": authority.key_pem(), "server.pem": leaf.pem})
    )
    assert found_codes(document, "broker/10.3.0.11") == ["leaf-is-ca", "key-not-found"]
    assert planned(project) == {"broker/10.3.0.11/certificate": "update"}


def test_a_certificate_with_the_subject_of_its_authority_is_not_taken_for_one(
    project: Project, source: Path, authority: Issued
) -> None:
    leaf = issue(
        common_name("Plant CA"),
        Profile(usages=(SERVER,), alt_names=(ADDRESS,)),
        by=authority,
        key=ec.generate_private_key(ec.SECP256R1()),
    )
    document = take_over(project, write(source, {"ca.pem": authority.pem, "server.pem": leaf.pem}))
    assert document["authority"]["certificate"]["files"] == ["ca.pem"]
    assert [entry["address"] for entry in document["entries"]] == ["broker/10.3.0.11"]
    assert found_codes(document, "broker/10.3.0.11")[0] == "name-not-declarable"


def test_a_certificate_signed_with_md5_is_listed_as_one(project: Project, source: Path) -> None:
    """The library does not check such a signature, and it would show nothing."""
    openssl(source, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.pem",
            "-subj", "/CN=Plant CA", "-days", "3650")  # fmt: skip
    openssl(source, "req", "-new", "-newkey", "rsa:2048", "-nodes", "-keyout", "u.key", "-out", "u.csr",
            "-subj", "/CN=u")  # fmt: skip
    openssl(source, "x509", "-req", "-in", "u.csr", "-md5", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
            "-out", "u.pem", "-days", "300")  # fmt: skip
    project.now = begins(source / "ca.pem") + timedelta(hours=1)
    document = take_over(project, source)
    (left_out,) = document["left_out"]
    assert left_out["code"] == "no-issuer"
    assert "signed with MD5" in left_out["message"]
    assert document["entries"] == []
