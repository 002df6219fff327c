"""Whoever an authority has revoked is not taken over, and so never gets another certificate by accident."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from edgecerts.adoption.revocation_records import IndexDamagedError, read_index
from edgecerts.manifest import parse_manifest
from edgecerts.manifest.model import Revocation
from tests.adoption.sources import CA, CLIENT, SERVER, Issued, Profile, begins, issue, write
from tests.adoption.test_matching import codes, found_codes, planned, take_over
from tests.adoption.test_other_tools import make_with_easyrsa, run
from tests.conftest import NOW, Project
from tests.revocation_lists import entries

GOOD_CLIENT = Profile(usages=(CLIENT,))
GOOD_SERVER = Profile(usages=(SERVER,), alt_names=(x509.DNSName("broker.plant.example"),))
HOLD, STOLEN = x509.ReasonFlags.certificate_hold, x509.ReasonFlags.key_compromise


def revoke(
    authority: Issued,
    *leaves: Issued,
    by: Issued | None = None,
    reason: x509.ReasonFlags | None = None,
    at: datetime = NOW - timedelta(days=2),
    form: Encoding = Encoding.PEM,
) -> bytes:
    """A revocation list in an authority's name, which it has signed unless another one is named."""
    builder = x509.CertificateRevocationListBuilder().issuer_name(authority.certificate.subject)
    builder = builder.last_update(at).next_update(at + timedelta(days=1))
    for leaf in leaves:
        entry = x509.RevokedCertificateBuilder().serial_number(leaf.certificate.serial_number).revocation_date(at)
        if reason is not None:
            entry = entry.add_extension(x509.CRLReason(reason), critical=False)
        builder = builder.add_revoked_certificate(entry.build())
    return builder.sign((by or authority).key, SHA256()).public_bytes(form)


def index_line(leaf: Issued, state: str, *, revoked: str = "") -> bytes:
    certificate = leaf.certificate
    end = f"{certificate.not_valid_after_utc:%y%m%d%H%M%SZ}"
    return f"{state}\t{end}\t{revoked}\t{certificate.serial_number:X}\tunknown\t/CN=x\n".encode()


def files_of(authority: Issued, leaves: dict[str, Issued]) -> dict[str, bytes]:
    files = {"ca.pem": authority.pem, "ca.key": authority.key_pem()}
    for name, leaf in leaves.items():
        files |= {f"{name}.pem": leaf.pem, f"{name}.key": leaf.key_pem()}
    return files


def declared(project: Project) -> tuple[Revocation, ...]:
    """What the manifest says is revoked."""
    return parse_manifest(project.manifest.read_bytes(), source="pki.yaml").revocations


@pytest.mark.parametrize("form", [Encoding.PEM, Encoding.DER])
def test_who_stands_in_a_revocation_list_is_left_out(
    project: Project, source: Path, authority: Issued, form: Encoding
) -> None:
    leaves = {name: issue(name, GOOD_CLIENT, by=authority) for name in ("good", "stolen")}
    files = files_of(authority, leaves) | {"list": revoke(authority, leaves["stolen"], reason=STOLEN, form=form)}
    document = take_over(project, write(source, files))
    assert [entry["address"] for entry in document["entries"]] == ["client/good"]
    assert codes(document) == {"stolen.pem": ["revoked"], "list": ["revocation-list"]}
    (left_out,) = [entry for entry in document["left_out"] if entry["code"] == "revoked"]
    assert left_out["files"] == ["stolen.pem", "stolen.key"]
    assert "CN=stolen was revoked on 2026-11-21 (key-compromise), as list says" in left_out["message"]
    serial = f"{leaves['stolen'].certificate.serial_number:x}"
    (entry,) = declared(project)
    assert (f"{entry.serial:x}", entry.reason, entry.note) == (serial, "key-compromise", "CN=stolen; 2026-11-21; list")
    assert planned(project) == {"ca/crl": "create"}
    assert not (project.output / "clients/stolen").exists()


def test_the_first_apply_signs_a_list_of_whom_the_authority_has_revoked(
    project: Project, source: Path, authority: Issued
) -> None:
    leaves = {name: issue(name, GOOD_CLIENT, by=authority) for name in ("good", "stolen")}
    gone = issue("gone", Profile(usages=(CLIENT,), begins=NOW - timedelta(days=900), days=800), by=authority)
    lost = issue("lost", GOOD_CLIENT, by=authority)
    server = issue("broker.plant.example", GOOD_SERVER, by=authority)
    files = files_of(authority, leaves | {"gone": gone, "server": server})
    files |= {"a.crl": revoke(authority, leaves["stolen"], gone, reason=STOLEN), "b.crl": revoke(authority, lost)}
    document = take_over(project, write(source, files))
    hints = {entry["code"]: entry["hint"] for entry in document["left_out"]}
    assert hints["revoked"].startswith("it stays revoked: the manifest says so")
    assert "until they have the crl.pem that apply makes" in hints["revocation-list"]
    assert "does not name" not in project.manifest.read_text()
    assert planned(project) == {"ca/crl": "create", "broker/broker.plant.example/crl": "create"}
    project.apply()
    # Whose certificate has ended is refused anyway.
    stolen, elsewhere = (leaf.certificate.serial_number for leaf in (leaves["stolen"], lost))
    assert entries(project) == {stolen: "keyCompromise", elsewhere: None}
    assert planned(project) == {}


@pytest.mark.parametrize("reason", ["no key", "no cRLSign", "trusts others"])
def test_nothing_is_declared_where_no_list_could_be_signed_or_would_lock_clients_out(
    project: Project, source: Path, reason: str
) -> None:
    usage = frozenset({"key_cert_sign"}) if reason == "no cRLSign" else CA.key_usage
    authority = issue("Plant CA", Profile(is_ca=True, key_usage=usage, days=3650))
    leaves = {name: issue(name, GOOD_CLIENT, by=authority) for name in ("good", "stolen")}
    files = files_of(authority, leaves) | {"a.crl": revoke(authority, leaves["stolen"], reason=STOLEN)}
    if reason == "no key":
        del files["ca.key"]
    elif reason == "trusts others":
        files["bundle.pem"] = authority.pem + issue("Old CA", CA).pem
    document = take_over(project, write(source, files))
    assert declared(project) == ()
    serial = f"{leaves['stolen'].certificate.serial_number:x}"
    text = " ".join(project.manifest.read_text().replace("#", " ").split())
    assert "revoked 1 certificate that `revoked` does not name:" in text
    assert f"- serial {serial}, key-compromise, 2026-11-21 (CN=stolen); a.crl" in text
    (hint,) = [entry["hint"] for entry in document["left_out"] if entry["code"] == "revoked"]
    assert hint.startswith("go on giving your brokers the revocation list")
    assert planned(project) == {}


def test_a_serial_number_that_is_in_use_as_well_is_not_declared(
    project: Project, source: Path, authority: Issued
) -> None:
    """The authority lost count: by that number the device that was not revoked would be locked out."""
    old = issue("unit", Profile(usages=(CLIENT,), serial=7, days=700), by=authority)
    new = issue("unit", Profile(usages=(CLIENT,), serial=7, days=900), by=authority)
    index = index_line(old, "R", revoked="261120120000Z,superseded")
    files = files_of(authority, {"old": old, "new": new}) | {"index.txt": index}
    document = take_over(project, write(source, files))
    assert [entry["address"] for entry in document["entries"]] == ["client/unit"]
    assert declared(project) == ()
    assert "- serial 7, superseded, 2026-11-20 (CN=unit); index.txt" in project.manifest.read_text()
    assert planned(project) == {}


@pytest.mark.parametrize("name", ['a"], b: {c', "# x: y\n- z", "\u202eevil\u2028", "x" * 58 + ", O=y"])
def test_no_name_breaks_the_manifest(project: Project, source: Path, authority: Issued, name: str) -> None:
    leaf = issue(name, GOOD_CLIENT, by=authority)
    files = files_of(authority, {"1": leaf}) | {"crl.pem": revoke(authority, leaf)}
    take_over(project, write(source, files))
    (entry,) = declared(project)
    assert (entry.serial, entry.reason, entry.unknown) == (leaf.certificate.serial_number, "unspecified", True)


def test_who_stands_in_an_index_is_left_out(project: Project, source: Path, authority: Issued) -> None:
    leaves = {name: issue(name, GOOD_CLIENT, by=authority) for name in ("good", "gone")}
    index = index_line(leaves["good"], "V") + index_line(leaves["gone"], "R", revoked="261120120000Z,superseded")
    old = index_line(leaves["good"], "R", revoked="261120120000Z")
    files = files_of(authority, leaves) | {"index.txt": index, "index.txt.old": old}
    document = take_over(project, write(source, files))
    assert [entry["address"] for entry in document["entries"]] == ["client/good"]
    assert codes(document) == {"gone.pem": ["revoked"]}
    assert "revoked on 2026-11-20 (superseded), as index.txt says" in document["left_out"][0]["message"]


def test_an_index_of_another_authority_revokes_nobody(project: Project, source: Path, authority: Issued) -> None:
    """Both began to count at 1."""
    other = issue("Other CA", CA)
    mine, theirs = (
        issue("unit", Profile(usages=(CLIENT,), serial=1, days=days), by=by)
        for by, days in ((authority, 800), (other, 400))
    )
    more = issue("more", GOOD_CLIENT, by=authority)
    files = {"a/ca.pem": authority.pem, "a/ca.key": authority.key_pem(), "a/1.pem": mine.pem, "a/more.pem": more.pem,
             "b/ca.pem": other.pem, "b/1.pem": theirs.pem,
             "b/index.txt": index_line(theirs, "R", revoked="261120120000Z")}  # fmt: skip
    document = take_over(project, write(source, files))
    assert [entry["address"] for entry in document["entries"]] == ["client/more", "client/unit"]
    assert codes(document)["b/index.txt"] == ["revocation-list"]


def test_a_list_that_another_key_signed_revokes_nobody_and_is_named(
    project: Project, source: Path, authority: Issued
) -> None:
    unit = issue("unit", GOOD_CLIENT, by=authority)
    files = files_of(authority, {"unit": unit}) | {"crl.pem": revoke(authority, unit, by=issue("Plant CA", CA))}
    document = take_over(project, write(source, files))
    assert [entry["address"] for entry in document["entries"]] == ["client/unit"]
    (left_out,) = document["left_out"]
    assert left_out["code"] == "revocation-list"
    assert "that its key has not signed; it would revoke CN=unit" in left_out["message"]


@pytest.mark.parametrize(
    "damage", [lambda pem: pem[:-40], lambda pem: pem.replace(b"MI", b"!!"), lambda _: b"V\t290225203130Z\t\n"]
)
def test_a_list_that_cannot_be_read_is_said_to_hide_something(
    project: Project, source: Path, authority: Issued, damage: object
) -> None:
    unit = issue("unit", GOOD_CLIENT, by=authority)
    assert callable(damage)
    files = files_of(authority, {"unit": unit}) | {"crl.pem": damage(revoke(authority, unit))}
    document = take_over(project, write(source, files))
    (left_out,) = document["left_out"]
    assert (left_out["code"], left_out["files"]) == ("revocation-list", ["crl.pem"])
    assert "any certificate of its authority may be among it" in left_out["message"]


def test_what_was_on_hold_and_is_not_any_more_is_taken_over(project: Project, source: Path, authority: Issued) -> None:
    held, back = issue("held", GOOD_CLIENT, by=authority), issue("back", GOOD_CLIENT, by=authority)
    files = files_of(authority, {"held": held, "back": back})
    files["1.crl"] = revoke(authority, held, back, reason=HOLD, at=NOW - timedelta(days=9))
    files["2.crl"] = revoke(authority, held, reason=HOLD)
    document = take_over(project, write(source, files))
    assert [entry["address"] for entry in document["entries"]] == ["client/back"]


def test_a_key_that_was_stolen_is_not_taken_over_with_another_certificate(
    project: Project, source: Path, authority: Issued
) -> None:
    first = issue("unit", GOOD_CLIENT, by=authority)
    second = issue("unit", Profile(usages=(CLIENT,), days=900), by=authority, key=first.key)
    files = files_of(authority, {"1": first, "2": second}) | {"crl.pem": revoke(authority, first, reason=STOLEN)}
    document = take_over(project, write(source, files))
    assert document["entries"] == []
    assert codes(document)["2.pem"] == ["revoked"]
    assert not list(project.output.glob("clients/*"))


def test_a_folder_named_revoked_is_a_remark(project: Project, source: Path, authority: Issued) -> None:
    unit, good = issue("unit", GOOD_CLIENT, by=authority), issue("good", GOOD_CLIENT, by=authority)
    files = {"ca.pem": authority.pem, "Revoked/by/unit.pem": unit.pem, "good.pem": good.pem}
    document = take_over(project, write(source, files))
    assert "revoked-folder" in found_codes(document, "client/unit")
    assert "revoked-folder" not in found_codes(document, "client/good")


def test_whom_easy_rsa_revoked_is_left_out(project: Project, source: Path) -> None:
    ca = make_with_easyrsa(source)
    batch = {"EASYRSA_BATCH": "1", "EASYRSA": "/usr/share/easy-rsa", "EASYRSA_PKI": str(source / "pki")}
    run(source, "easyrsa", "build-client-full", "stays", "nopass", **batch)
    run(source, "easyrsa", "revoke", "MyEACM", "keyCompromise", **batch)
    project.now = begins(ca) + timedelta(hours=1)
    document = take_over(project, source)
    assert [entry["address"] for entry in document["entries"]] == ["broker/broker.plant.example", "client/stays"]
    revoked = [entry for entry in document["left_out"] if entry["code"] == "revoked"]
    assert len(revoked) == 1
    assert any("private" in path for path in revoked[0]["files"])
    plan = json.loads(project.run("plan", "--format", "json").out)
    assert not any("MyEACM" in change["address"] for change in plan["changes"])


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("261120120000Z", None),
        ("20261120120000Z,keyCompromise", "key-compromise"),
        ("261120120000Z,keyTime,20261101000000Z", "key-compromise"),
        ("261120120000Z,CACompromise", "ca-compromise"),
        ("261120120000Z,holdInstruction,1.2.3", "certificate-hold"),
    ],
)
def test_every_line_of_an_index_is_read(said: str, reason: str | None) -> None:
    lines = (
        "V\t290225203130Z\t\t0A\tunknown\t/CN=x\u2028y\r\n"
        f"R\t490225203130Z\t{said}\tfF\tunknown\t/CN=z\r\n\n"
        "E\t010225203130Z\t\t01\tx\t/\n"
    )
    issued, (revoked,) = read_index(lines.encode())
    assert {serial: end.year for serial, end in issued.items()} == {10: 2029, 255: 2049, 1: 2001}
    assert (revoked.serial_number, revoked.at, revoked.reason) == (255, datetime(2026, 11, 20, 12, tzinfo=UTC), reason)


@pytest.mark.parametrize(
    "line", ["R\t290225203130Z\t1\t0A\tx\t/", "V\t299925203130Z\t\t0A\tx\t/", "V\t290225203130Z\t\tg\tx\t/"]
)
def test_a_line_of_an_index_that_is_wrong_is_an_error(line: str) -> None:
    with pytest.raises(IndexDamagedError, match="line 2 cannot be read"):
        read_index(f"\n{line}\n".encode())
