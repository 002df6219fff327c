"""`edgecerts status`: each word from real files, its exit codes and options, and that it touches nothing."""

import json
import shutil
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import jsonschema
import pytest

from edgecerts.schemas import schema_text
from edgecerts.status.chain import CHAIN
from edgecerts.status.model import IdentityState, KeyPlace
from tests.conftest import NOW, SMALL, Project
from tests.reissue import CLIENT_ONLY, reissue

SERVER = "brokers/plant-a/server"
BROKER, CLIENT = "broker/plant-a", "client/MyEACM"
Spoil = Callable[[Project], object]


def document(project: Project, *arguments: str) -> dict[str, Any]:
    """The JSON of a status, which keeps to its schema and to its exit code."""
    result = project.run("status", "--format", "json", *arguments)
    found: dict[str, Any] = json.loads(result.out)
    jsonschema.Draft7Validator(json.loads(schema_text("status"))).validate(found)
    assert result.err == ""
    assert result.code == (3 if found["summary"]["findings"] else 0)
    return found


def identity(found: dict[str, Any], address: str) -> dict[str, Any]:
    (row,) = (row for row in found["identities"] if row["address"] == address)
    return dict(row)


def declare(old: str, new: str) -> Spoil:
    return lambda project: project.write(SMALL.replace(old, new))


def broker(text: str) -> Spoil:
    return declare("alt_names: [broker.plant-a.example]", f"alt_names: [broker.plant-a.example], {text}")


def write(path: str, content: bytes) -> Spoil:
    return lambda project: (project.output / path).write_bytes(content)


def twice(path: str, other: str) -> Spoil:
    """Adds another file's content to a file."""
    return lambda project: write(path, (project.output / path).read_bytes() + (project.output / other).read_bytes())(
        project
    )


def remove(path: str) -> Spoil:
    return lambda project: (project.output / path).unlink()


def later(**delta: int) -> Spoil:
    def spoil(project: Project) -> None:
        project.now = NOW + timedelta(**delta)

    return spoil


def again(**changes: Any) -> Spoil:
    return lambda project: reissue(project.output, SERVER, **changes)


def both(*spoils: Spoil) -> Spoil:
    def spoil(project: Project) -> None:
        for one in spoils:
            one(project)

    return spoil


def from_elsewhere(*names: str) -> Spoil:
    """Puts files of another folder with an authority of the same name in place of ours."""

    def spoil(project: Project) -> None:
        other = Project(folder=project.folder / "other", capture=project.capture)
        other.folder.mkdir()
        other.write(SMALL)
        assert other.run("apply").code == 0
        for name in names:
            shutil.copy(other.output / name, project.output / name)

    return spoil


PINNED_ELSEWHERE = declare("Test CA}", f"Test CA, fingerprint: 'sha256:{'a' * 64}'}}")

OFFLINE = declare("Test CA}", "Test CA, private_key: {offline: true}}")
FROM_ENV = declare("Test CA}", "Test CA, private_key: {env: NOWHERE}}")

# What is done to a settled folder or its manifest; whose state is looked at; the word; and where its key then is.
STATES: dict[str, tuple[Spoil, str, str, str]] = {
    "as declared": (lambda project: None, BROKER, "ok", "here"),
    "a damaged certificate": (write(f"{SERVER}.pem", b"nonsense"), BROKER, "damaged", "here"),
    "a damaged private key": (write(f"{SERVER}.key", b"nonsense"), BROKER, "damaged", "damaged"),
    "a damaged ca.pem": (write("brokers/plant-a/ca.pem", b""), BROKER, "damaged", "here"),
    "a damaged authority": (write("ca/ca.pem", b"nonsense"), "ca", "damaged", "here"),
    "no certificate": (remove(f"{SERVER}.pem"), BROKER, "missing", "here"),
    "no ca.pem": (remove("brokers/plant-a/ca.pem"), BROKER, "missing", "here"),
    "no folder": (lambda project: shutil.rmtree(project.output / "brokers"), BROKER, "missing", "not-here"),
    "no folder of what is delivered": (
        both(
            broker("key_held: delivered"), lambda project: shutil.rmtree(project.output / "brokers")
        ), BROKER, "missing", "not-here"),
    "no certificate for a key of another type": (
        both(broker("key_type: ec-p384"), remove(f"{SERVER}.pem")), BROKER, "missing", "here"),
    "no authority": (lambda project: shutil.rmtree(project.output / "ca"), "ca", "missing", "not-here"),
    "an end that has passed": (later(days=900), BROKER, "expired", "here"),
    "an authority that has ended": (later(days=3700), "ca", "expired", "here"),
    "an end that has passed below an authority that cannot be read": (
        both(write("ca/ca.key", b"nonsense"), write("ca/ca.pem", b"nonsense"), later(days=900)),
        BROKER, "expired", "here"),
    "a beginning that has not come": (again(not_before=NOW + timedelta(days=3)), BROKER, "early", "here"),
    "a certificate of another key": (again(own_key=False), BROKER, "mismatch", "here"),
    "an authority with another's key": (from_elsewhere("ca/ca.key"), "ca", "mismatch", "here"),
    "a certificate of another authority": (
        both(from_elsewhere(f"{SERVER}.pem"), remove(f"{SERVER}.key")), BROKER, "foreign", "not-here"),
    "another authority with its key": (from_elsewhere("ca/ca.key", "ca/ca.pem"), "ca", "foreign", "here"),
    "what the authority before it issued": (from_elsewhere("ca/ca.key", "ca/ca.pem"), BROKER, "foreign", "here"),
    "an authority that is not the pinned one": (PINNED_ELSEWHERE, "ca", "foreign", "here"),
    "a key that others may read": (
        lambda project: (project.output / f"{SERVER}.key").chmod(0o644), BROKER, "exposed", "here"),
    "a folder that others may list": (
        lambda project: (project.output / "brokers/plant-a").chmod(0o755), BROKER, "exposed", "here"),
    "a key without its password": (broker("password: {env: NOWHERE}"), BROKER, "exposed", "here"),
    "a renewal that nothing can sign": (
        both(remove("ca/ca.key"), later(days=600)), BROKER, "blocked", "here"),
    "an authority that is declared anew": (declare("Test CA", "Other CA"), "ca", "blocked", "here"),
    "what an authority issued that is declared anew": (declare("Test CA", "Other CA"), BROKER, "blocked", "here"),
    "an authority of another key type": (declare("Test CA}", "Test CA, key_type: ed25519}"), "ca", "blocked", "here"),
    "a clock that is behind": (
        both(later(days=-30), remove(f"{SERVER}.pem")), "ca", "early", "here"),
    "no private key": (remove(f"{SERVER}.key"), BROKER, "keyless", "not-here"),
    "no private key of the authority": (remove("ca/ca.key"), "ca", "keyless", "not-here"),
    "a name that is declared anew": (declare("10.3.0.11", "10.3.0.12"), BROKER, "changed", "here"),
    "a usage that is not declared": (
        again(extensions={type(CLIENT_ONLY): (CLIENT_ONLY, False)}), BROKER, "changed", "here"),
    "a ca.pem of another authority": (from_elsewhere("brokers/plant-a/ca.pem"), BROKER, "blocked", "here"),
    "a ca.pem with a certificate too many": (
        twice("brokers/plant-a/ca.pem", f"{SERVER}.pem"), BROKER, "changed", "here"),
    "an end that is near": (later(days=600), BROKER, "due", "here"),
    "an authority whose end is near": (later(days=3000), "ca", "due", "here"),
    "what an authority issued that cannot be read": (
        both(write("ca/ca.key", b"nonsense"), write("ca/ca.pem", b"nonsense")), BROKER, "unjudged", "here"),
    "a request that has not come": (
        both(broker("key_held: csr"), lambda project: shutil.rmtree(project.output / "brokers")),
        BROKER, "waiting", "on-host"),
    "an authority whose key is kept offline": (
        both(OFFLINE, remove("ca/ca.key")), "ca", "ok", "offline"),
    "an authority whose offline key is here": (
        OFFLINE, "ca", "ok", "here"),
    "an authority that nobody has made yet where its key is kept": (
        both(OFFLINE,
             lambda project: shutil.rmtree(project.output)), "ca", "missing", "not-here"),
    "an authority that is due where its key is not": (
        both(OFFLINE, remove("ca/ca.key"), later(days=3000)),
        "ca", "blocked", "offline"),
    "an authority whose key comes from elsewhere": (
        both(FROM_ENV, remove("ca/ca.key")), "ca", "ok", "supplied"),
    "a damaged file in place of a key that comes from elsewhere": (
        both(FROM_ENV, write("ca/ca.key", b"nonsense")),
        "ca", "ok", "supplied"),
    "a lost authority whose key comes from elsewhere": (
        both(FROM_ENV, remove("ca/ca.pem")),
        "ca", "missing", "supplied"),
    "an authority of another type than the key from elsewhere": (
        declare("Test CA}", "Test CA, key_type: ec-p384, private_key: {env: NOWHERE}}"), "ca", "blocked", "supplied"),
    "a key that was delivered": (
        both(broker("key_held: delivered"), remove(f"{SERVER}.key")), BROKER, "ok", "delivered"),
    "a key that stayed on its host": (both(broker("key_held: csr"), remove(f"{SERVER}.key")), BROKER, "ok", "on-host"),
}  # fmt: skip


@pytest.mark.parametrize(("spoil", "address", "state", "key"), STATES.values(), ids=STATES.keys())
def test_a_state_has_its_word_its_exit_code_and_its_reasons(
    project: Project, spoil: Spoil, address: str, state: str, key: str
) -> None:
    project.write(SMALL)
    project.apply()
    spoil(project)
    found = document(project)
    row = identity(found, address)
    assert (row["state"], row["key"]) == (state, key)
    assert row["finding"] is IdentityState(state).is_finding
    assert found["summary"]["findings"] == sum(row["finding"] for row in found["identities"]) > 0 or state in (
        "ok",
        "waiting",
    )
    if row["finding"]:
        assert row["reasons"] or row["remarks"]
        assert row["hint"] or any(remark["hint"] for remark in row["remarks"])
    text = project.run("status").out
    assert f"\n  {address}: {state}\n" in text or not row["finding"]


def test_every_word_is_made_by_some_state_and_every_check_is_in_order() -> None:
    assert {state for _, _, state, _ in STATES.values()} | {"ending"} == {state.value for state in IdentityState}
    assert {key for _, _, _, key in STATES.values()} | {"locked"} == {place.value for place in KeyPlace}
    assert [state for state, _ in CHAIN] == [state for state in IdentityState if state is not IdentityState.OK]


@pytest.mark.parametrize("spoil", [spoil for spoil, *_ in STATES.values()], ids=STATES.keys())
def test_a_status_without_findings_leaves_a_plan_nothing_to_do(project: Project, spoil: Spoil) -> None:
    """The same facts: what a plan would change, or cannot, is a finding of an identity."""
    project.write(SMALL)
    project.apply()
    spoil(project)
    found, plan = document(project), json.loads(project.run("plan", "--format", "json").out)
    waiting = {row["address"] for row in found["identities"] if row["state"] == "waiting"}
    busy = {change["address"] for change in plan["changes"] if change["action"] != "no-op"}
    busy |= {remark["address"] for remark in plan["hazards"] + plan["blocked"]}
    busy = {address for address in busy if not address.startswith("folder/")} - {"log"}
    owners = {"/".join(address.split("/")[: 1 if address.startswith("ca") else 2]) for address in busy} - waiting
    findings = {row["address"] for row in found["identities"] if row["finding"]}
    unjudged = {row["address"] for row in found["identities"] if row["state"] == "unjudged"}
    assert owners - findings - unjudged == set()


def test_the_worst_word_is_shown_and_all_reasons_are(project: Project) -> None:
    project.write(SMALL)
    project.apply()
    (project.output / f"{SERVER}.key").chmod(0o644)
    project.write(SMALL.replace("10.3.0.11", "10.3.0.12"))
    project.now = NOW + timedelta(days=600)
    row = identity(document(project), BROKER)
    codes = {reason["code"] for reason in row["reasons"]}
    assert row["state"] == "exposed"
    assert codes == {"mode-changed", "subject-changed", "alt-names-changed", "near-expiry"}
    assert {reason["path"] for reason in row["reasons"]} == {f"{SERVER}.key", f"{SERVER}.pem"}
    project.now = NOW + timedelta(days=900)
    assert identity(document(project), BROKER)["state"] == "expired"


def test_a_certificate_that_ends_with_its_authority_is_due_although_nothing_is_planned(project: Project) -> None:
    project.write(SMALL.replace("Test CA}", "Test CA, validity: 900d, renew_before: 1d}"))
    project.apply()
    project.now = NOW + timedelta(days=500)
    project.write(SMALL.replace("Test CA}", "Test CA, validity: 900d, renew_before: 1d}") + "  late: {validity: 10y}\n")
    assert project.run("apply").code == 0
    project.now = NOW + timedelta(days=880)
    assert "client/late/certificate" not in {
        change["address"]
        for change in json.loads(project.run("plan", "--format", "json").out)["changes"]
        if change["action"] != "no-op"
    }
    row = identity(document(project), "client/late")
    assert row["state"] == "due"
    assert {remark["code"] for remark in row["remarks"]} == {"ends-with-issuer"}


def test_a_row_says_who_issued_it_where_that_is_not_the_usual_one(project: Project) -> None:
    project.write(SMALL.replace("Test CA", "Other CA"))
    project.apply()
    foreign = (project.output / f"{SERVER}.pem").read_bytes()
    shutil.rmtree(project.output)
    project.write(SMALL)
    project.apply()
    assert "\n  Issued by CN=Test CA.\n" in project.run("status").out
    (project.output / f"{SERVER}.pem").write_bytes(foreign)
    text = project.run("status").out
    row, issuer = text.partition(f"! {BROKER} ")[2].splitlines()[:2]
    assert row.split()[-1] == "mismatch"
    assert issuer == "    issued by CN=Other CA"
    assert "\n  Issued by CN=Test CA, where a row does not say otherwise.\n" in text
    assert identity(document(project), BROKER)["issuer"] == "CN=Other CA"


def test_exit_codes(project: Project) -> None:
    project.write(SMALL)
    assert project.run("status").code == 3
    project.apply()
    assert project.run("status").code == 0
    assert project.run("status", "--at", "2028-12-01").code == 3
    for arguments in (("--at", "soon"), ("--within", "soon"), ("--format", "xml"), ("--nonsense",)):
        assert project.run("status", *arguments).code == 64
    project.write("nonsense")
    result = project.run("status")
    assert (result.code, result.out) == (1, "")


def test_a_folder_that_does_not_exist_yet_has_everything_missing(project: Project) -> None:
    project.write(SMALL)
    result = project.run("status")
    assert result.code == 3
    assert result.out.startswith(f"Nothing is here yet: {project.output} has")
    assert result.out.splitlines()[0].endswith("pki has no certificate, and the manifest asks for 3.")
    found = document(project)
    assert found["next_to_end"] is None
    assert [row["state"] for row in found["identities"]] == ["missing"] * 3
    assert not project.output.exists()


def test_the_first_line_says_when_the_next_certificate_ends(project: Project) -> None:
    project.write(SMALL.replace("MyEACM:", "MyEACM: {validity: 90d}"))
    project.apply()

    def first(at: str) -> str:
        return " ".join(project.run("status", "--at", at).out.partition("\nStatus of")[0].split())

    assert first("2026-11-23T12:00:00Z") == "Next to end: client/MyEACM on 2027-02-21, in 90 days."
    assert first("2027-02-20") == "Next to end: client/MyEACM on 2027-02-21, in 1 day."
    assert first("2027-02-21T10:59:59Z") == "Next to end: client/MyEACM today at 11:00 UTC."
    assert first("2027-02-21T11:00:00Z") == "Next to end: client/MyEACM today at 11:00 UTC."
    ended = first("2027-02-21T11:00:01Z")
    assert ended == "Next to end: broker/plant-a on 2029-02-25, in 735 days; 1 has ended."
    assert first("2040-01-01") == f"Every certificate in {project.output} has ended."
    for path in project.output.rglob("*.pem"):
        path.write_text("nonsense")
    assert first("2026-11-23") == f"No certificate in {project.output} can be read."


def test_at_looks_from_another_time(project: Project) -> None:
    project.write(SMALL)
    project.apply()
    found = document(project, "--at", "2028-12-01T08:00:00+02:00")
    assert found["created_at"] == "2028-12-01T06:00:00Z"
    assert identity(found, BROKER)["state"] == "due"
    assert identity(found, BROKER)["days_left"] == 86
    assert identity(document(project, "--at", "2030-01-01"), BROKER)["days_left"] == -310


@pytest.mark.parametrize(
    ("within", "state", "said"),
    [("825d", "ending", "825d"), ("824", "ok", "824d"), ("3y", "ending", "1095d"), ("12h", "ok", "12h"),
     ("117w", "ok", "819d"), ("118w", "ending", "826d")],
)  # fmt: skip
def test_within_makes_what_ends_soon_a_finding(project: Project, within: str, state: str, said: str) -> None:
    project.write(SMALL)
    project.apply()
    found = document(project, "--within", within)
    assert [row["state"] for row in found["identities"]] == ["ok", state, state]
    assert found["within"] == said


def test_what_ends_at_the_very_moment_ends_within(project: Project) -> None:
    project.write(SMALL)
    project.apply()
    end = datetime.fromisoformat(identity(document(project), BROKER)["not_after"])
    project.now = end - timedelta(days=500)
    assert identity(document(project, "--within", "500d"), BROKER)["state"] == "ending"
    project.now -= timedelta(seconds=1)
    assert identity(document(project, "--within", "500d"), BROKER)["state"] == "ok"


@pytest.mark.parametrize(
    ("within", "words"),
    [("0d", "more than nothing"), ("90 days", "write 90d"), ("-1d", "not a duration"), ("33%", "not a duration"),
     ("200y", "at most 100y"), ("", "not a duration"), ("9" * 400, "at most 100y"), ("3 months", "no fixed length")],
)  # fmt: skip
def test_within_takes_the_durations_of_the_manifest(project: Project, within: str, words: str) -> None:
    project.write(SMALL)
    result = project.run("status", f"--within={within}")
    assert result.code == 64
    assert result.err.startswith("edgecerts: --within: ")
    assert words in result.err


def test_what_left_the_manifest_and_can_still_connect_is_a_notice(project: Project) -> None:
    project.write(SMALL)
    project.apply()
    project.write(SMALL.replace("clients:\n  MyEACM:\n", ""))
    found = document(project)
    (folder,) = found["unmanaged"]
    assert (folder["address"], folder["still_valid"]) == (CLIENT, True)
    assert folder["files"] == [f"clients/MyEACM/{name}" for name in ("client.key", "client.pem", "ca.pem")]
    result = project.run("status")
    assert result.code == 0
    words = " ".join(result.out.split())
    assert f"{CLIENT}: can connect until 2029-02-25, serial {folder['serial']}" in words
    later = project.run("status", "--at", "2029-03-01")
    assert "can connect" not in later.out


def test_the_folders_own_files_are_a_notice_until_they_are_blocked(project: Project) -> None:
    project.write(SMALL)
    project.apply()
    (project.output / "README.txt").write_text("mine\n")
    found = document(project)
    assert [remark["code"] for remark in found["notices"]] == ["folder-files"]
    assert found["summary"]["findings"] == 0
    (project.output / ".gitignore").write_bytes(b"\xff")
    found = document(project)
    assert [remark["address"] for remark in found["folder"]] == ["folder/.gitignore"]
    assert found["summary"]["findings"] == 1
    assert "1 finding: 1 about the folder; 3 ok.\n" in project.run("status").out
