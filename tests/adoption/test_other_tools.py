"""Folders of easy-rsa, mkcert and cfssl: taken over, and nothing issued again that is good."""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from tests.adoption.sources import begins, snapshot
from tests.conftest import Project
from tests.interop.programs import run_program
from tests.readers import key_and_certificate_match

CFSSL_SUBJECT = {"C": "US", "ST": "Texas", "L": "Houston", "O": "ACME", "OU": "SCADA"}


def run(folder: Path, program: str, *arguments: str, given: str = "", **environ: str) -> str:
    result = run_program(program, *arguments, cwd=folder, given=given, timeout=120, **environ)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def make_with_easyrsa(folder: Path) -> Path:
    """Returns the authority's certificate."""
    batch = {"EASYRSA_BATCH": "1", "EASYRSA": "/usr/share/easy-rsa", "EASYRSA_PKI": str(folder / "pki")}
    run(folder, "easyrsa", "init-pki", **batch)
    run(folder, "easyrsa", "build-ca", "nopass", EASYRSA_REQ_CN="Plant CA", **batch)
    names = "--subject-alt-name=IP:10.3.0.11,DNS:broker.plant.example"
    run(folder, "easyrsa", names, "build-server-full", "broker.plant.example", "nopass", **batch)
    run(folder, "easyrsa", "build-client-full", "MyEACM", "nopass", **batch)
    return folder / "pki/ca.crt"


def make_with_mkcert(folder: Path) -> Path:
    """Returns the authority's certificate."""
    environ = {"CAROOT": str(folder), "TRUST_STORES": "none"}
    run(folder, "mkcert", "broker.plant.example", "10.3.0.11", **environ)
    run(folder, "mkcert", "-client", "MyEACM", **environ)
    return folder / "rootCA.pem"


def make_with_cfssl(folder: Path) -> Path:
    """Returns the authority's certificate."""
    usages = {"server": ["server auth"], "client": ["client auth"], "peer": ["server auth", "client auth"]}
    profiles = {
        name: {"expiry": "19800h", "usages": ["signing", "key encipherment", *own]} for name, own in usages.items()
    }
    config = {"signing": {"default": {"expiry": "19800h"}, "profiles": profiles}}
    (folder / "config.json").write_text(json.dumps(config))
    request = {"CN": "Plant CA", "key": {"algo": "rsa", "size": 2048}, "names": [CFSSL_SUBJECT]}
    made = run(folder, "cfssl", "gencert", "-initca", "-", given=json.dumps(request))
    run(folder, "cfssljson", "-bare", "ca", given=made)
    hosts = ["broker.plant.example", "10.3.0.11"]
    peer = ["10.3.0.12"]
    for profile, name, names in (("server", hosts[0], hosts), ("client", "MyEACM", []), ("peer", peer[0], peer)):
        request = {"CN": name, "hosts": names, "key": {"algo": "ecdsa", "size": 256}, "names": [CFSSL_SUBJECT]}
        signing = ("-ca", "ca.pem", "-ca-key", "ca-key.pem", "-config", "config.json", "-profile", profile)
        made = run(folder, "cfssl", "gencert", *signing, "-", given=json.dumps(request))
        run(folder, "cfssljson", "-bare", profile, given=made)
    return folder / "ca.pem"


def take_over(project: Project, source: Path, authority: Path) -> dict[str, str]:
    """Imports a folder and returns what the first plan would change."""
    project.now = begins(authority) + timedelta(hours=1)
    before = snapshot(source)
    result = project.run("import", str(source))
    assert result.code == 0, result.out + result.err
    assert snapshot(source) == before
    plan = json.loads(project.run("plan", "--format", "json").out)
    assert plan["blocked"] == plan["hazards"] == []
    return {change["address"]: change["action"] for change in plan["changes"] if change["action"] != "no-op"}


def applied(project: Project, authority: Path) -> None:
    """Applies, and expects the authority to be the same file and nothing to be left to do."""
    project.apply()
    assert (project.output / "ca/ca.pem").read_bytes().strip() == authority.read_bytes().strip()
    assert key_and_certificate_match(project.output / "ca/ca.key", authority)
    assert "Nothing to do" in project.run("plan").out
    assert project.run("status").code == 0


def test_a_folder_of_easy_rsa_is_good_as_it_is(project: Project, source: Path) -> None:
    authority = make_with_easyrsa(source)
    assert take_over(project, source, authority) == {"log": "create"}
    text = project.manifest.read_text()
    assert "  broker.plant.example:\n    common_name: broker.plant.example\n    alt_names:\n      - 10.3.0.11\n" in text
    assert "  MyEACM:\n" in text
    applied(project, authority)


def test_what_easy_rsa_made_is_issued_again_when_its_authority_is_renewed(project: Project, source: Path) -> None:
    """It names the authority by serial number as well, so that OpenSSL would not find the renewed one."""
    authority = make_with_easyrsa(source)
    take_over(project, source, authority)
    project.apply()
    assert project.run("apply", "--replace", "ca/certificate").code == 0
    for leaf, purpose in (("brokers/broker.plant.example/server", "sslserver"), ("clients/MyEACM/client", "sslclient")):
        trust = project.output / f"{leaf.rpartition('/')[0]}/ca.pem"
        result = run_program("openssl", "verify", "-x509_strict", "-purpose", purpose, "-CAfile", trust,
                             project.output / f"{leaf}.pem")  # fmt: skip
        assert result.returncode == 0, result.stderr
        assert key_and_certificate_match(project.output / f"{leaf}.key", project.output / f"{leaf}.pem")


def test_a_folder_of_mkcert_gets_common_names(project: Project, source: Path) -> None:
    authority = make_with_mkcert(source)
    assert take_over(project, source, authority) == {
        "log": "create",
        "broker/broker.plant.example/certificate": "update",
        "client/MyEACM/certificate": "update",
    }
    applied(project, authority)


def test_a_folder_of_cfssl_is_good_as_it_is(project: Project, source: Path) -> None:
    authority = make_with_cfssl(source)
    assert take_over(project, source, authority) == {"log": "create"}
    assert "usages: [server, client]" in project.manifest.read_text()
    applied(project, authority)


@pytest.mark.parametrize("make", [make_with_easyrsa, make_with_mkcert, make_with_cfssl])
def test_two_imports_of_a_folder_give_the_same_manifest(
    project: Project, source: Path, tmp_path_factory: pytest.TempPathFactory, make: Callable[[Path], Path]
) -> None:
    authority = make(source)
    take_over(project, source, authority)
    text = project.manifest.read_bytes()
    project.folder = tmp_path_factory.mktemp("again")
    take_over(project, source, authority)
    assert project.manifest.read_bytes() == text
