"""What random histories show, and what they have shown once."""

import base64
import copy
import json
import random
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from edgecerts.observed.issuance_log import parse_log
from tests.conftest import NOW, SMALL, Project
from tests.histories import (
    Manifest,
    World,
    entries,
    key_spki,
    quick_encryption,
    random_manifest,
    set_property,
    take_snapshot,
    tell_one,
)
from tests.readers import read_certificate

HISTORIES = 500
BATCHES = 20


@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
@pytest.mark.parametrize("batch", range(BATCHES))
def test_histories_keep_what_is_promised(batch: int) -> None:
    """`python -m tests.histories` tells more of them; .ci/long does so with a new seed each time."""
    for seed in range(batch, HISTORIES, BATCHES):
        tell_one(seed)


Expected = dict[str, str]


def one_change(chance: random.Random, plant: Manifest, kind: str, name: str) -> tuple[Manifest, Expected]:
    """Another manifest, in which one thing differs, and everything that a plan should do about it."""
    after = copy.deepcopy(plant)
    entry, address = after[kind][name], f"{kind.removesuffix('s')}/{name}"
    gitignore = {"folder/.gitignore": "update"}
    update = {f"{address}/certificate": "update"}
    create = {f"{address}x/{part}": "create" for part in ("private-key", "certificate", "trust")}
    effective = {**after["defaults"], **entry}
    rekey = {f"{address}/private-key": "rekey", **update}
    trusts = {f"{one.removesuffix('s')}/{other}/trust": "update" for one, other in entries(plant)}

    def put(key: str, value: Any, expected: Expected) -> Expected:
        set_property(entry, key, value)
        return expected

    def other_key_type() -> Expected:
        old = effective.get("key_type", "ec-p256")
        return put("key_type", "ec-p384" if old != "ec-p384" else "ec-p256", rekey)

    def other_usages() -> Expected:
        natural = "server" if kind == "brokers" else "client"
        both = set(effective.get("usages", [natural])) == {"server", "client"}
        return put("usages", [natural] if both else ["client", "server"], update)

    def password() -> Expected:
        if "password" in effective:
            return put("rekey", "never", {})
        key = {f"{address}/private-key": "update"}
        return put("password", {"env": "LEAF_PASSWORD"}, {**key, **gitignore})

    def no_password() -> Expected:
        if "password" not in entry or "password" in plant["defaults"]:
            return {}
        return put("password", None, gitignore)

    def renamed() -> Expected:
        after[kind][f"{name}x"] = after[kind].pop(name)
        return {**create, **(gitignore if "password" in effective else {})}

    def removed() -> Expected:
        del after[kind][name]
        return gitignore if "password" in effective else {}

    def longer_authority() -> Expected:
        set_property(after["ca"], "validity", "90y")
        return {"ca/certificate": "update", **trusts}

    def other_trust() -> Expected:
        if "also_trust" in after["ca"]:
            del after["ca"]["also_trust"]
        else:
            after["ca"]["also_trust"] = [{"ca": "third-ca.pem"}]
        return trusts

    changes: list[Callable[[], Expected]] = [
        lambda: put("alt_names", ["new.example", "10.9.9.9"], update),
        lambda: put("alt_names", list(reversed(entry["alt_names"])), {}) if "alt_names" in entry else {},
        lambda: put("subject", {"organizational_unit": "New"}, update),
        lambda: put("common_name", "new.example", update),
        lambda: put("validity", "83d", update),
        lambda: put("renew_before", "3h", {}),
        lambda: put("key_type", effective.get("key_type", "ec-p256"), {}),
        lambda: put("key_held", "here", {}),
        other_key_type,
        other_usages,
        password,
        no_password,
        renamed,
        removed,
        longer_authority,
        other_trust,
    ]
    return after, chance.choice(changes)()


@pytest.mark.parametrize("batch", range(4))
def test_one_declared_change_plans_exactly_its_actions(tmp_path: Path, batch: int) -> None:
    """From a settled folder, whatever else is declared in it."""
    chance = random.Random(batch)
    for number in range(8):
        plant = random_manifest(chance)
        plant["ca"] = {
            key: value for key, value in plant["ca"].items() if key in ("common_name", "subject", "also_trust")
        }
        for mapping in [plant["defaults"], *(plant[kind][name] for kind, name in entries(plant))]:
            for key in ("validity", "not_after", "renew_before", "rekey"):
                mapping.pop(key, None)
        if not entries(plant):
            continue
        folder = tmp_path / f"{number}"
        folder.mkdir()
        for name in ("third-ca.pem", "other-ca.pem"):
            other = World(folder=folder / name, manifest={"version": 1, "ca": {"common_name": name}})
            other.folder.mkdir()
            other.apply()
            shutil.copy(other.output / "ca/ca.pem", folder / "ca.pem")
            shutil.rmtree(other.folder)
            (folder / "ca.pem").rename(folder / name)
        world = World(folder=folder, manifest=plant)
        with quick_encryption():
            world.apply()
        settled = take_snapshot(folder)
        assert not world.look().pending
        for _ in range(20):
            changed, expected = one_change(chance, plant, *chance.choice(entries(plant)))
            world.manifest = changed
            plan = world.look()
            found = {str(change.address): change.action.value for change in plan.changes if change.action != "no-op"}
            assert found == expected, (plant, changed)
            assert not plan.blocked
            assert not plan.hazards
        assert take_snapshot(folder) == settled


@pytest.mark.parametrize("path", [".gitignore", "README.txt", "ca/ca.key", "brokers/plant-a/server.key"])
def test_a_folder_where_a_file_should_be_is_unreadable_and_stays(project: Project, path: str) -> None:
    project.write(SMALL)
    project.apply()
    place = project.output / path
    place.unlink()
    place.mkdir()
    (place / "inside").write_bytes(b"something")
    before = project.files()
    planned = project.run("plan")
    assert planned.code == 0
    assert "it is not a plain file" in " ".join(planned.out.split())
    assert project.run("apply").code == 1
    assert project.files() == before


@pytest.mark.parametrize("field", ["issued_at", "not_after", "not_before", "serial", "address", "reasons"])
@pytest.mark.parametrize("value", [None, 7, ["x"], [7], {"x": 1}, "nonsense", "2026-11-23T12:00:00"])
def test_a_line_of_the_log_with_a_wrong_value_is_passed_over_or_kept_as_text(
    project: Project, field: str, value: object
) -> None:
    project.write(SMALL)
    project.apply()
    log = project.output / f"issued/{NOW:%Y}.jsonl"
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    lines[-1][field] = value
    log.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    project.write(SMALL + "  new:\n")
    assert project.run("plan").code == 0
    project.apply()


@pytest.mark.parametrize("line", ["{}", "[]", "7", "null", "[" * 100_000, '{"serial": ' * 100_000, "", "\x00", "{"])
def test_a_line_of_the_log_that_is_no_entry_is_passed_over(line: str) -> None:
    assert parse_log(f"{line}\n".encode()).entries == ()


def test_a_gitignore_that_was_cut_off_is_mended_once_and_its_lines_stay(project: Project) -> None:
    project.write(SMALL)
    project.apply()
    place = project.output / ".gitignore"
    whole = place.read_text()
    for cut in range(len(whole)):
        place.write_text(f"mine\n{whole[:cut]}")
        project.apply()
        assert place.read_text().startswith(f"mine\n{whole[:cut]}")
        assert project.run("plan").out.endswith("Nothing to do: 11 files as declared.\n")


def test_a_gitignore_with_our_lines_twice_keeps_what_stands_between_them(project: Project) -> None:
    project.write(SMALL)
    project.apply()
    place = project.output / ".gitignore"
    whole = place.read_text()
    place.write_text(f"{whole}mine\n{whole.replace('*.key', '*.keys')}last\n")
    project.apply()
    assert place.read_text() == f"{whole}mine\n{whole}last\n"
    assert project.run("plan").out.endswith("Nothing to do: 11 files as declared.\n")


CLIENT = "clients/MyEACM/client"


def actions(project: Project, *options: str) -> dict[str, str]:
    """What a plan would do, by address."""
    plan = json.loads(project.run("plan", "--format", "json", *options).out)
    return {change["address"]: change["action"] for change in plan["changes"] if change["action"] != "no-op"}


def client(text: str) -> str:
    return SMALL.replace("  MyEACM:\n", f"  MyEACM: {{{text}}}\n")


@pytest.mark.parametrize("rekey", ["never", "on-renew"])
@pytest.mark.parametrize("end", ["validity: 825d", "not_after: 2027-11-23T12:00:00Z"])
def test_what_would_end_when_it_ends_is_neither_renewed_nor_rekeyed(project: Project, rekey: str, end: str) -> None:
    small = client(f"{end}, rekey: {rekey}").replace("{common_name: Test CA}", "{common_name: Test CA, AUTHORITY}")
    project.write(small.replace("AUTHORITY", "validity: 365d, renew_before: 1d"))
    project.apply()
    project.now = NOW + timedelta(days=300)
    plan = json.loads(project.run("plan", "--format", "json").out)
    assert {change["action"] for change in plan["changes"]} == {"no-op"}
    assert ("ends-with-issuer", "client/MyEACM") in {(n["code"], n["address"]) for n in plan["notices"]}


def test_an_authority_with_a_declared_end_is_not_renewed_every_night(project: Project) -> None:
    small = SMALL.replace("{common_name: Test CA}", "{common_name: Test CA, not_after: 2027-11-23T12:00:00Z}")
    project.write(small)
    project.apply()
    project.now = NOW + timedelta(days=300)
    plan = json.loads(project.run("plan", "--format", "json").out)
    assert {change["action"] for change in plan["changes"]} == {"no-op"}
    assert ("ends-with-issuer", "ca") in {(notice["code"], notice["address"]) for notice in plan["notices"]}
    project.now = NOW + timedelta(days=366)
    assert project.run("apply").code == 1
    project.write(small.replace("2027", "2037"))
    assert project.run("apply").code == 0


def test_a_declared_lifetime_is_whole_where_the_clock_is_a_little_behind(project: Project) -> None:
    project.write(SMALL)
    project.apply()
    project.now = NOW - timedelta(minutes=40)
    project.write(client("validity: 4h"))
    project.apply()
    assert actions(project) == {}


@pytest.mark.parametrize("damage", ["swapped", "corrupt", "gone"])
def test_a_key_beside_of_another_type_than_declared_is_replaced_at_once(project: Project, damage: str) -> None:
    project.write(client("key_type: ec-p384"))
    project.apply()
    place = project.output / f"{CLIENT}.pem"
    if damage == "swapped":
        shutil.copy(project.output / "brokers/plant-a/server.key", project.output / f"{CLIENT}.key")
    elif damage == "corrupt":
        place.write_bytes(b"nonsense")
        project.write(client("key_type: ed25519"))
    else:
        place.unlink()
        project.write(client("key_type: ed25519"))
    assert actions(project)["client/MyEACM/private-key"] == "rekey"
    project.apply()
    assert actions(project) == {}


def test_a_key_beside_of_the_declared_type_is_certified_and_not_replaced(project: Project) -> None:
    project.write(SMALL)
    project.apply()
    other = Project(folder=project.folder / "other", capture=project.capture)
    other.folder.mkdir()
    other.write(client("key_type: ec-p384"))
    assert other.run("apply").code == 0
    shutil.copy(other.output / f"{CLIENT}.key", project.output / f"{CLIENT}.key")
    project.write(client("key_type: ec-p384"))
    before = (project.output / f"{CLIENT}.key").read_bytes()
    assert actions(project) == {"client/MyEACM/certificate": "update"}
    project.apply()
    assert (project.output / f"{CLIENT}.key").read_bytes() == before
    assert actions(project) == {}


def test_a_damaged_key_of_an_authority_stays_where_another_type_is_declared(project: Project) -> None:
    project.write(SMALL)
    project.apply()
    (project.output / "ca/ca.key").write_bytes(b"nonsense")
    project.write(SMALL.replace("{common_name: Test CA}", "{common_name: Test CA, key_type: ec-p384}"))
    assert project.run("apply", "--allow", "ca-replaced").code == 1
    assert (project.output / "ca/ca.key").read_bytes() == b"nonsense"


def test_a_pair_that_planning_found_apart_keeps_nobody_else_from_being_mended(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PASSWORD", "a password")
    project.write(SMALL)
    project.apply()
    shutil.copy(project.output / "brokers/plant-a/server.key", project.output / f"{CLIENT}.key")
    (project.output / "ca/ca.key").unlink()
    (project.output / "brokers/plant-a/ca.pem").unlink()
    project.write(client("password: {env: PASSWORD}"))
    spki = key_spki((project.output / f"{CLIENT}.key").read_bytes())
    assert project.run("apply").code == 1
    assert (project.output / "brokers/plant-a/ca.pem").exists()
    assert key_spki((project.output / f"{CLIENT}.key").read_bytes()) in (spki, None)


def test_gitignore_lets_no_key_in_that_stays_as_it_is_because_of_a_refusal(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PASSWORD", "a password")
    project.write(SMALL)
    project.apply()
    other = Project(folder=project.folder / "other", capture=project.capture)
    other.folder.mkdir()
    other.write(SMALL)
    assert other.run("apply").code == 0
    shutil.copy(other.output / f"{CLIENT}.pem", project.output / f"{CLIENT}.pem")
    project.write(client("password: {env: PASSWORD}"))
    assert project.run("apply").code == 4
    assert b"ENCRYPTED" not in (project.output / f"{CLIENT}.key").read_bytes()
    assert "client.key" not in (project.output / ".gitignore").read_text()
    assert project.run("apply", "--allow", "foreign-file").code == 0
    assert f"!/{CLIENT}.key" in (project.output / ".gitignore").read_text()
    assert actions(project) == {}


def test_gitignore_lets_a_key_in_that_is_replaced_by_an_encrypted_one(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PASSWORD", "a password")
    project.write(SMALL)
    project.apply()
    project.write(client("password: {env: PASSWORD}, key_type: ec-p384"))
    project.apply()
    assert f"!/{CLIENT}.key" in (project.output / ".gitignore").read_text()
    assert actions(project) == {}


@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
@pytest.mark.parametrize("path", [f"{CLIENT}.pem", "ca/ca.pem", "brokers/plant-a/ca.pem"])
def test_a_certificate_with_any_one_bit_flipped_is_planned_for(project: Project, path: str) -> None:
    """Damage inside a certificate may leave one that can be read, and names an algorithm that nobody knows."""
    project.write(SMALL)
    project.apply()
    place = project.output / path
    der = read_certificate(place).public_bytes(Encoding.DER)
    chance = random.Random(path)
    for at in {*range(0, 40), *range(len(der) - 100, len(der)), *(chance.randrange(len(der)) for _ in range(100))}:
        damaged = bytearray(der)
        damaged[at] ^= 1 << chance.randrange(8)
        text = base64.encodebytes(damaged).replace(b"\n", b"")
        lines = b"\n".join(text[begin : begin + 64] for begin in range(0, len(text), 64))
        place.write_bytes(b"-----BEGIN CERTIFICATE-----\n" + lines + b"\n-----END CERTIFICATE-----\n")
        result = project.run("plan", "--format", "json")
        assert result.code == 0, (at, result.err)
        assert json.loads(result.out)["summary"]["no-op"] < 11


def test_a_signature_whose_last_bit_is_said_to_be_unused_is_none(project: Project) -> None:
    """Where the last bit is zero, the damaged octet still makes sense, and the library drops it."""
    project.write(SMALL)
    project.apply()
    place = project.output / f"{CLIENT}.pem"
    while read_certificate(place).signature[-1] & 1:
        assert project.run("apply", "--replace", "client/MyEACM/certificate").code == 0
    certificate = read_certificate(place)
    damaged = bytearray(certificate.public_bytes(Encoding.DER))
    assert damaged[-len(certificate.signature) - 1] == 0
    damaged[-len(certificate.signature) - 1] = 1
    place.write_bytes(x509.load_der_x509_certificate(bytes(damaged)).public_bytes(Encoding.PEM))
    assert actions(project) == {"client/MyEACM/certificate": "update"}
