"""What an import promises is what the first plan does, whatever keys are missing and whatever is wrong."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from edgecerts.adoption.adopt import build_adoption
from edgecerts.adoption.promise import expected_inventory
from edgecerts.adoption.read_material import read_material
from edgecerts.adoption.source_files import read_source
from edgecerts.desired import build_graph
from edgecerts.manifest import parse_manifest
from edgecerts.observed import scan
from edgecerts.observed.folder_reader import NotReadableError, OpenFolder
from edgecerts.observed.inventory import Inventory
from tests.adoption.sources import CA, CLIENT, SERVER, Issued, Profile, issue, name_of, write
from tests.conftest import NOW, Project

HOST = x509.DNSName("broker.plant.example")
LATER = NOW + timedelta(days=3)
WEAK = rsa.generate_private_key(65537, 1024)
SHORT = ec.generate_private_key(ec.SECP192R1())


def of(**changes: object) -> Profile:
    return Profile(**{"usages": (SERVER,), "alt_names": (HOST,), **changes})  # type: ignore[arg-type]


AUTHORITIES = {
    "good": CA,
    "due": Profile(is_ca=True, key_usage=CA.key_usage, begins=NOW - timedelta(days=900), days=1000),
    "expired": Profile(is_ca=True, key_usage=CA.key_usage, begins=NOW - timedelta(days=900), days=890),
    "later": Profile(is_ca=True, key_usage=CA.key_usage, begins=LATER, days=3650),
    "bare": Profile(constraints=None, key_usage=None, days=3650),
}
LEAVES = {
    "good": of(),
    "x509": of(alt_names=()),
    "no-key-id": of(key_id=None),
    "both": of(key_id="both"),
    "serial": of(key_id="both", serial=7),
    "expired": of(begins=NOW - timedelta(days=900), days=800),
    "soon": of(begins=NOW - timedelta(days=800), days=900),
    "later": of(begins=LATER),
    "long": of(days=4000),
    "minutes": of(begins=NOW - timedelta(minutes=10), days=0.02),
    "no-constraints": of(constraints=None),
    "client": of(usages=(CLIENT,), alt_names=()),
    "old-end": of(begins=NOW - timedelta(days=10), days=40000),
}
MISSING = {"nothing": (), "ca": ("ca.key",), "leaf": ("s.key",), "both": ("ca.key", "s.key")}


def promised(document: dict[str, Any]) -> dict[str, str | None]:
    """By certificate what the findings say becomes of it; None where nothing does."""
    found = {}
    for entry in (document["authority"], *document["entries"]):
        outcomes = {f["outcome"] for f in entry["findings"]} & {"updated", "rekeyed", "blocked", "waiting"}
        assert len(outcomes) <= 1, entry["findings"]
        found[f"{entry['address']}/certificate"] = outcomes.pop() if outcomes else None
    return found


def done(project: Project) -> dict[str, str | None]:
    """By certificate what the first plan does to it."""
    plan = json.loads(project.run("plan", "--format", "json").out)
    blocked = {entry["address"] for entry in plan["blocked"]}
    waiting = {entry["address"] for entry in plan["waiting"]}
    refused = any(hazard["code"] not in plan["allowed"] for hazard in plan["hazards"])
    keys = {c["address"].removesuffix("/private-key") for c in plan["changes"]
            if c["address"].endswith("/private-key") and c["action"] in ("rekey", "create")}  # fmt: skip
    found: dict[str, str | None] = {}
    for change in plan["changes"]:
        address, action = change["address"], change["action"]
        if not address.endswith("/certificate"):
            continue
        if action == "no-op":
            found[address] = "waiting" if address in waiting else None
        elif address in blocked or refused:
            found[address] = "blocked"
        else:
            found[address] = "rekeyed" if address.removesuffix("/certificate") in keys else "updated"
    return found


def check(project: Project, files: dict[str, bytes], source: Path) -> dict[str, Any]:
    result = project.run("import", str(write(source, files)), "--format", "json")
    assert result.code == 0, result.out + result.err
    document: dict[str, Any] = json.loads(result.out)
    assert promised(document) == done(project)
    comments = " ".join(project.manifest.read_text().replace("#", " ").split())
    assert ("(apply: cannot make" in comments) == ("blocked" in promised(document).values())
    return document


def folder(root: Issued, leaf: Issued, missing: tuple[str, ...]) -> dict[str, bytes]:
    files = {"ca.pem": root.pem, "ca.key": root.key_pem(), "s.pem": leaf.pem, "s.key": leaf.key_pem()}
    return {name: content for name, content in files.items() if name not in missing}


@pytest.mark.parametrize("missing", MISSING)
@pytest.mark.parametrize("leaf", LEAVES)
@pytest.mark.parametrize("authority", ["good", "due"])
def test_what_is_promised_is_planned(
    project: Project, tmp_path_factory: pytest.TempPathFactory, authority: str, leaf: str, missing: str
) -> None:
    root = issue("Plant CA", AUTHORITIES[authority])
    made = issue("broker.plant.example", LEAVES[leaf], by=root)
    check(project, folder(root, made, MISSING[missing]), tmp_path_factory.mktemp("source"))


@pytest.mark.parametrize("missing", ["nothing", "ca"])
@pytest.mark.parametrize("leaf", ["good", "x509", "later", "both"])
@pytest.mark.parametrize("authority", ["expired", "later", "bare"])
def test_what_is_promised_below_an_odd_authority_is_planned(
    project: Project, tmp_path_factory: pytest.TempPathFactory, authority: str, leaf: str, missing: str
) -> None:
    root = issue("Plant CA", AUTHORITIES[authority])
    made = issue("broker.plant.example", LEAVES[leaf], by=root)
    check(project, folder(root, made, MISSING[missing]), tmp_path_factory.mktemp("source"))


@pytest.mark.parametrize("key", [WEAK, SHORT], ids=["rsa-1024", "p192"])
@pytest.mark.parametrize("missing", MISSING)
@pytest.mark.parametrize("request_here", [False, True])
def test_a_weak_key_is_replaced_only_where_that_is_possible(
    project: Project,
    tmp_path_factory: pytest.TempPathFactory,
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey,
    missing: str,
    request_here: bool,
) -> None:
    root = issue("Plant CA", CA)
    made = issue("broker.plant.example", of(), by=root, key=key)
    files = folder(root, made, MISSING[missing]) | ({"s.csr": made.request()} if request_here else {})
    document = check(project, files, tmp_path_factory.mktemp("source"))
    (entry,) = document["entries"]
    finding = next(f for f in entry["findings"] if f["code"] == "weak-key")
    if missing == "leaf" and request_here:
        assert finding["outcome"] == "waiting"
        assert "edgecerts request broker/broker.plant.example --rekey" in finding["hint"]
    elif missing in ("ca", "both") and not (missing == "both" and request_here):
        assert finding["outcome"] == "blocked"
        assert "ca/ca.key is not here to sign with" in finding["hint"]


def test_what_blocks_everything_is_said_once(project: Project, tmp_path_factory: pytest.TempPathFactory) -> None:
    root = issue("Plant CA", CA)
    made = issue("broker.plant.example", of(key_id=None, constraints=None, serial=7), by=root)
    document = check(project, folder(root, made, ("ca.key",)), tmp_path_factory.mktemp("source"))
    (entry,) = document["entries"]
    assert [f["outcome"] for f in entry["findings"]] == ["blocked"] * 3
    assert [f["hint"] is not None for f in entry["findings"]] == [True, False, False]


def test_what_no_check_has_a_word_for_is_said_in_the_planners(
    project: Project, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A manifest's shortest lifetime is an hour."""
    root = issue("Plant CA", CA)
    made = issue("broker.plant.example", of(begins=NOW - timedelta(minutes=1), days=0.02), by=root)
    document = check(project, folder(root, made, ()), tmp_path_factory.mktemp("source"))
    (entry,) = document["entries"]
    (finding,) = entry["findings"]
    assert (finding["code"], finding["outcome"]) == ("not-as-declared", "updated")
    assert "validity-changed: validity" in finding["message"]


def seen(inventory: Inventory) -> dict[str, Any]:
    """What the planner looks at."""
    keys = {path: (f.state, f.value, f.mode, f.encrypted) for path, f in inventory.private_keys.items()}
    certificates = {path: (f.state, f.value) for path, f in inventory.certificates.items()}
    texts = {path: (f.state, f.value) for path, f in inventory.texts.items()}
    others = {path: (f.state, f.value) for path, f in inventory.also_trusted.items()}
    requests = {path: (f.state, f.value, f.problem) for path, f in inventory.requests.items()}
    lists = {path: f.state for path, f in inventory.revocation_lists.items()}
    rest = (inventory.log, inventory.log_files, inventory.leftovers, dict(inventory.unreadable), inventory.interrupted)
    return {"keys": keys, "certificates": certificates, "texts": texts, "others": others, "requests": requests,
            "lists": lists, "rest": rest}  # fmt: skip


def test_what_is_expected_is_what_a_scan_finds(
    project: Project, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET", "correct horse")
    root, other = issue("Plant CA", CA), issue("Old CA", CA)
    plain = issue("broker.plant.example", of(), by=root)
    asked = issue("asked", Profile(usages=(CLIENT,)), by=root)
    weak = issue("weak", Profile(usages=(CLIENT,)), by=root, key=WEAK)
    far = issue(name_of((NameOID.COMMON_NAME, "far"), (NameOID.COUNTRY_NAME, "US")), of(usages=(CLIENT,)), by=root)
    old = issue("old", Profile(usages=(CLIENT,)), by=other)
    files = folder(root, plain, ()) | {
        "bundle.pem": root.pem + other.pem, "old.pem": old.pem, "asked.pem": asked.pem, "asked.csr": asked.request(),
        "weak.pem": weak.pem, "weak.csr": weak.request(), "far.pem": far.pem, "broken.csr": b"nothing",
    }  # fmt: skip
    source = write(tmp_path_factory.mktemp("source"), files)
    assert project.run("import", str(source), "--password", "env:SECRET", "--ca", "Plant CA").code == 0
    graph = build_graph(parse_manifest(project.manifest.read_bytes(), source="pki.yaml"))
    adoption = build_adoption(read_material(read_source(source)), source=str(source), now=NOW, wanted="Plant CA")
    expected = expected_inventory(adoption, graph)
    assert seen(expected) == seen(scan(graph, project.output, manifest_folder=project.folder))


def test_an_authority_whose_name_no_manifest_can_have_is_listed_with_what_is_wrong(
    project: Project, tmp_path_factory: pytest.TempPathFactory
) -> None:
    root = issue("Plant CA ", CA)
    leaf = issue("broker.plant.example", of(), by=root)
    source = write(tmp_path_factory.mktemp("source"), folder(root, leaf, ()))
    result = project.run("import", str(source))
    assert result.code == 1
    out = " ".join(result.out.split())
    assert "its common name begins or ends with a space, so that no manifest can declare it" in out
    assert "edgecerts init" in out
    assert "--ca" not in out
    assert "name the folder that has the authority's own certificate" in out


def test_a_folder_below_intermediates_does_not_look_like_a_success(
    project: Project, tmp_path_factory: pytest.TempPathFactory
) -> None:
    root = issue("Plant CA", CA)
    between = issue("Between", CA, by=root)
    leaf = issue("broker.plant.example", of(), by=between)
    files = folder(root, leaf, ()) | {"between.pem": between.pem}
    result = project.run("import", str(write(tmp_path_factory.mktemp("source"), files)), "--dry-run")
    assert " ".join(result.out.split()).startswith("Nothing but an authority can be taken over from ")
    assert "have to trust that one, and not the intermediate alone" in " ".join(result.out.split())


@pytest.mark.parametrize(("usage", "words"), [(SERVER, "pretend to be this broker"), (CLIENT, "one user to a broker")])
def test_copies_of_a_key_are_judged_by_whose_it_is(
    project: Project, tmp_path_factory: pytest.TempPathFactory, usage: x509.ObjectIdentifier, words: str
) -> None:
    root = issue("Plant CA", CA)
    leaf = issue("a.plant.example", of(usages=(usage,)), by=root)
    files = {"ca.pem": root.pem, "ca.key": root.key_pem()}
    files |= {
        f"{n}/{name}": content for n in "ab" for name, content in {"x.pem": leaf.pem, "x.key": leaf.key_pem()}.items()
    }
    document = check(project, files, tmp_path_factory.mktemp("source"))
    (hint,) = [f["hint"] for f in document["entries"][0]["findings"] if f["code"] == "shared-certificate"]
    assert words in hint


def test_a_file_that_may_not_be_read_may_be_the_key(
    project: Project, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = issue("Plant CA", CA)
    leaf = issue("broker.plant.example", of(), by=root)
    source = write(tmp_path_factory.mktemp("source"), folder(root, leaf, ()))
    read = OpenFolder.read

    def deny(self: OpenFolder, name: str, **words: Any) -> Any:
        if name == "ca.key" and self.id == (source.stat().st_dev, source.stat().st_ino):
            raise NotReadableError("this user may not read it", denied=True)
        return read(self, name, **words)

    monkeypatch.setattr(OpenFolder, "read", deny)
    result = project.run("import", str(source))
    assert result.code == 1
    assert "nothing was written: the private key of ca was not found, and may be ca.key, which is not readable" in (
        result.err
    )
    assert "let this user read it" in result.err
    assert not project.manifest.exists()
    assert project.run("import", str(source), "--without-locked-keys").code == 0
