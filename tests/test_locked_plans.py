"""Planning needs no secret: with every private key locked it says what it says with all of them open."""

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from edgecerts.plan.options import PlanOptions
from edgecerts.report.plan_json import render_plan_json
from tests.histories import EVERYTHING, PASSWORDS, START, World, quick_encryption

Document = dict[str, Any]
Spoil = Callable[[World], None]
NOBODY = 65534


def plant() -> Document:
    return {
        "version": 1,
        "ca": {"common_name": "Test CA"},
        "brokers": {
            "plant-a": {"common_name": "10.3.0.11", "alt_names": ["broker.plant-a.example"]},
            "plant-b": {"common_name": "b.example", "key_type": "ec-p384", "usages": ["server", "client"]},
        },
        "clients": {
            "here": {},
            "delivered": {"key_held": "delivered"},
            "rekeyed": {"rekey": "on-renew", "validity": "90d"},
        },
    }


def later(**delta: int) -> Spoil:
    def spoil(world: World) -> None:
        world.now = START + timedelta(**delta)

    return spoil


def declare(kind: str, name: str, **properties: Any) -> Spoil:
    return lambda world: world.manifest[kind].setdefault(name, {}).update(properties)


def authority(**properties: Any) -> Spoil:
    return lambda world: world.manifest["ca"].update(properties)


def remove(*paths: str) -> Spoil:
    def spoil(world: World) -> None:
        for path in paths:
            (world.output / path).unlink()

    return spoil


def write(path: str, content: bytes) -> Spoil:
    def spoil(world: World) -> None:
        (world.output / path).write_bytes(content)

    return spoil


def drop(kind: str, name: str) -> Spoil:
    return lambda world: world.manifest[kind].pop(name)


def both(*spoils: Spoil) -> Spoil:
    def spoil(world: World) -> None:
        for one in spoils:
            one(world)

    return spoil


def other_authority(world: World) -> None:
    """The key and the certificate of another authority of the same name, which fit each other."""
    other = World(folder=world.folder / "other", manifest={"version": 1, "ca": world.manifest["ca"]})
    other.folder.mkdir()
    other.apply()
    for name in ("ca.key", "ca.pem"):
        shutil.copy(other.output / "ca" / name, world.output / "ca" / name)


SITUATIONS: dict[str, Spoil] = {
    "settled": lambda world: None,
    "due": later(days=60),
    "long due": later(days=600),
    "expired": later(days=900),
    "the authority is due": later(days=3000),
    "the authority has expired": later(days=4000),
    "the clock is a day behind": later(hours=-20),
    "the clock is a year behind": later(days=-365),
    "the clock is a year behind, and a client is new": both(later(days=-365), declare("clients", "new")),
    "another alternative name": declare("brokers", "plant-a", alt_names=["x.example"]),
    "another common name": declare("brokers", "plant-a", common_name="10.3.0.99"),
    "another subject": declare("clients", "delivered", subject={"organization": "ACME"}),
    "another lifetime": declare("clients", "here", validity="30d"),
    "an end that has passed": declare("clients", "here", not_after="2020-01-01T00:00:00Z"),
    "another usage": declare("brokers", "plant-b", usages=["server"]),
    "another key type": declare("brokers", "plant-b", key_type="ed25519"),
    "another key type, due": both(declare("brokers", "plant-b", key_type="ed25519"), later(days=600)),
    "rekeyed from now on": both(declare("clients", "here", rekey="on-renew"), later(days=600)),
    "another threshold": declare("clients", "here", renew_before="800d"),
    "a key that is delivered from now on": declare("clients", "here", key_held="delivered"),
    "a new client": declare("clients", "new"),
    "a new broker": declare("brokers", "new", common_name="new.example"),
    "an entry less": drop("clients", "here"),
    "a new defaults section": lambda world: world.manifest.update(defaults={"subject": {"country": "US"}}),
    "another name of the authority": authority(common_name="Other CA"),
    "another lifetime of the authority": authority(validity="365d"),
    "another key type of the authority": authority(key_type="ec-p384"),
    "another pin": authority(fingerprint="sha256:" + "ab" * 32),
    "another authority that is trusted, too": authority(also_trust=[{"ca": "not-there.pem"}]),
    "another authority in its place": other_authority,
    "another authority in its place, due": both(other_authority, later(days=600)),
    "the authority's certificate is gone": remove("ca/ca.pem"),
    "the authority's certificate is damaged": write("ca/ca.pem", b"nonsense"),
    "the authority's certificate is gone, due": both(remove("ca/ca.pem"), later(days=600)),
    "a certificate is gone": remove("brokers/plant-a/server.pem"),
    "a certificate is damaged": write("clients/here/client.pem", b"nonsense"),
    "a ca.pem is gone": remove("brokers/plant-a/ca.pem"),
    "a key and its certificate are gone": remove("clients/here/client.key", "clients/here/client.pem"),
    "a key is elsewhere": remove("clients/here/client.key"),
    "the authority's key is elsewhere": both(remove("ca/ca.key"), later(days=600)),
    "the log is gone": remove("issued/2026.jsonl"),
}
OPTIONS = {
    "plain": PlanOptions(),
    "everything allowed": PlanOptions(allow=EVERYTHING, prune=True),
    "replacing": PlanOptions(
        replace=frozenset({"broker/plant-a", "client/delivered", "broker/plant-b/certificate"}),
        replace_missing_keys=True,
    ),
}


def tell(world: World, options: PlanOptions) -> Document:
    document: Document = json.loads(render_plan_json(world.look(options)))
    return document


def without_comparison(document: Document) -> Document:
    """A plan without the notices that may differ: which pairs were not compared, and that a key was seen open."""
    apart = ("pair-not-compared", "ca-key-unencrypted")
    notices = [notice for notice in document["notices"] if notice["code"] not in apart]
    return {**document, "notices": notices}


@contextmanager
def ordinary_user(world: World) -> Iterator[None]:
    """This user, or nobody where this is root, whom no permission stops; the files belong to whoever it is."""
    if os.geteuid() != 0:
        yield
        return
    for path in [world.folder, *world.folder.rglob("*")]:
        os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
    os.setegid(NOBODY)
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)


@pytest.fixture
def folder() -> Iterator[Path]:
    """An empty folder that any user can get to; the one that pytest gives is this user's alone."""
    with tempfile.TemporaryDirectory() as name, quick_encryption():
        Path(name).chmod(0o755)
        yield Path(name)


def keys(world: World) -> list[Path]:
    return sorted(world.output.rglob("*.key"))


@pytest.mark.parametrize("spoil", SITUATIONS.values(), ids=SITUATIONS.keys())
def test_keys_that_this_user_may_not_read_change_nothing_in_a_plan(folder: Path, spoil: Spoil) -> None:
    world = World(folder=folder, manifest=plant())
    world.apply()
    spoil(world)
    with ordinary_user(world):
        opened = {name: tell(world, options) for name, options in OPTIONS.items()}
    for key in keys(world):
        key.chmod(0)
    with ordinary_user(world):
        assert not any(os.access(key, os.R_OK, effective_ids=True) for key in keys(world))
        locked = {name: tell(world, options) for name, options in OPTIONS.items()}
    for name in OPTIONS:
        assert without_comparison(locked[name]) == without_comparison(opened[name])
    compared = [key for key in keys(world) if list(key.parent.glob("[csa]*.pem"))]
    notices = [notice for notice in locked["plain"]["notices"] if notice["code"] == "pair-not-compared"]
    assert len(notices) == bool(compared)


def encrypted_plant() -> Document:
    manifest = plant()
    manifest["ca"]["password"] = {"env": "CA_PASSWORD"}
    for kind in ("brokers", "clients"):
        for entry in manifest[kind].values():
            entry["password"] = {"env": "LEAF_PASSWORD"}
    return manifest


@pytest.mark.parametrize("spoil", SITUATIONS.values(), ids=SITUATIONS.keys())
def test_encrypted_keys_change_nothing_in_a_plan_but_what_is_said_of_passwords(folder: Path, spoil: Spoil) -> None:
    """The same folder, once with encrypted keys and once with the same keys open and no password declared."""
    world = World(folder=folder, manifest=encrypted_plant())
    world.apply()
    spoil(world)
    locked = {name: tell(world, options) for name, options in OPTIONS.items()}
    for key in keys(world):
        if b"ENCRYPTED" in key.read_bytes():
            password = PASSWORDS["CA_PASSWORD" if key.name == "ca.key" else "LEAF_PASSWORD"]
            private_key = load_pem_private_key(key.read_bytes(), password.encode())
            pem = private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            key.write_bytes(pem)
    for mapping in [world.manifest["ca"], *world.manifest["brokers"].values(), *world.manifest["clients"].values()]:
        mapping.pop("password", None)
    opened = {name: tell(world, options) for name, options in OPTIONS.items()}
    for name in OPTIONS:
        assert apart_from_passwords(locked[name]) == apart_from_passwords(opened[name])


def apart_from_passwords(document: Document) -> Document:
    """A plan without what follows from a password being declared: who must give it, and what it does to a key."""
    about_passwords = ("pair-not-compared", "ca-key-unencrypted", "encrypted-broker-key")

    def is_apart(change: Document) -> bool:
        return {reason["code"] for reason in change["reasons"]} == {"encryption-changed"}

    changes = [
        change for change in document["changes"] if not is_apart(change) and change["address"] != "folder/.gitignore"
    ]
    return {
        "changes": changes,
        "hazards": document["hazards"],
        "blocked": document["blocked"],
        "notices": [notice for notice in document["notices"] if notice["code"] not in about_passwords],
        "needs": [need for need in document["needs"] if need["kind"] != "password"],
        **{key: document[key] for key in ("unmanaged", "new_keys", "waiting") if key in document},
    }


@pytest.mark.parametrize("spoil", SITUATIONS.values(), ids=SITUATIONS.keys())
def test_encrypted_keys_that_this_user_may_not_read_give_the_same_plan(folder: Path, spoil: Spoil) -> None:
    """Whether it is known that a key is encrypted, or only that it may not be read."""
    world = World(folder=folder, manifest=encrypted_plant())
    world.apply()
    spoil(world)
    with ordinary_user(world):
        readable = {name: tell(world, options) for name, options in OPTIONS.items()}
    for key in keys(world):
        key.chmod(0)
    with ordinary_user(world):
        locked = {name: tell(world, options) for name, options in OPTIONS.items()}
    for name in OPTIONS:
        assert locked[name]["changes"] == readable[name]["changes"]
        for part in ("hazards", "blocked", "new_keys", "deliver", "unmanaged", "summary"):
            assert locked[name][part] == readable[name][part]


def test_planning_asks_no_source_and_runs_no_command(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    marker = folder / "was-run"
    manifest = encrypted_plant()
    manifest["clients"]["new"] = {"password": {"command": ["touch", str(marker)]}}
    manifest["clients"]["other"] = {"password": {"file": "not-there.txt"}}
    for name in PASSWORDS:
        monkeypatch.delenv(name, raising=False)
    world = World(folder=folder, manifest=manifest)
    document = tell(world, PlanOptions())
    assert document["summary"]["create"] > 0
    assert not marker.exists()
