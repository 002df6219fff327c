"""Random histories of small plants: `python -m tests.histories --runs 20000 --seed 1`.

A history is a manifest and a list of things that people, clocks and disks do to it and to its files. After each of
them `plan` and `apply` run, and what they promise is looked at from outside, with the cryptography library, OpenSSL
and the file system. A history that fails is told again with as few steps as show it.
"""

import argparse
import hashlib
import json
import os
import random
import shutil
import stat
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from pathlib import Path
from typing import Any
from unittest import mock

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from OpenSSL import crypto

from edgecerts.apply import Run, run_apply
from edgecerts.apply.report import ApplyReport, Status
from edgecerts.apply.secrets import SecretSources
from edgecerts.desired import build_graph
from edgecerts.desired.graph import Graph
from edgecerts.errors import EdgecertsError, ManifestError, StorageError
from edgecerts.manifest import parse_manifest
from edgecerts.observed import scan
from edgecerts.observed.inventory import State
from edgecerts.pki import private_keys
from edgecerts.plan import make_plan
from edgecerts.plan.model import Action, Change, HazardCode, NoticeCode, Plan
from edgecerts.plan.options import PlanOptions
from edgecerts.report.apply_json import render_apply_json
from edgecerts.report.apply_text import render_apply_text
from edgecerts.report.plan_json import render_plan_json
from edgecerts.report.plan_text import render_plan_text
from edgecerts.report.style import Style
from tests.readers import spki

START = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)
LATEST = datetime(2200, 1, 1, tzinfo=UTC)
PASSWORDS = {"CA_PASSWORD": "a long enough one", "LEAF_PASSWORD": "a leaf's password", "OTHER": "another password"}
EVERYTHING = frozenset(HazardCode)
LISTS = ("ca.crl.pem", "published.crl.pem", "crl.pem")

Manifest = dict[str, Any]
Snapshot = dict[str, tuple[bytes | None, int, int]]
"""By path: content (None for a folder, a link's target for a link), mode, modification time."""


class BrokenPromiseError(AssertionError):
    """What `plan` or `apply` did and must not do."""


def promise(kept: bool, what: str) -> None:
    """Raises BrokenPromiseError unless the promise was kept."""
    if not kept:
        raise BrokenPromiseError(what)


@dataclass
class World:
    """A folder with a manifest, and the time.

    Attributes:
        story: what happened, for the reader.
        ends: how each apply ended.
    """

    folder: Path
    manifest: Manifest
    now: datetime = START
    story: list[str] = field(default_factory=list)
    ends: Counter[str] = field(default_factory=Counter)

    @property
    def output(self) -> Path:
        return self.folder / "pki"

    @property
    def graph(self) -> Graph:
        return read_graph(self.manifest)

    def look(self, options: PlanOptions | None = None) -> Plan:
        """Plans from what is on the disk."""
        graph = self.graph
        inventory = scan(graph, self.output, manifest_folder=self.folder)
        return make_plan(graph, inventory, now=self.now, manifest="pki.yaml", options=options or PlanOptions())

    def apply(self, options: PlanOptions | None = None) -> ApplyReport:
        """Runs `apply` in this process."""
        return run_apply(
            Run(
                graph=self.graph,
                manifest="pki.yaml",
                manifest_folder=self.folder,
                output=self.output,
                now=self.now,
                sources=SecretSources(folder=self.folder, environ={**PASSWORDS, "PATH": os.environ["PATH"]}),
                job="user@host",
                on_plan=lambda plan: None,
                options=options or PlanOptions(),
            )
        )


def read_graph(manifest: Manifest) -> Graph:
    """The graph of a manifest that is written as JSON, which YAML can read."""
    return parse_graph("\n".join(f"{key}: {json.dumps(value)}" for key, value in manifest.items()))


@lru_cache(maxsize=8)
def parse_graph(text: str) -> Graph:
    """The graph of a manifest's text; it is asked for a dozen times for each step."""
    return build_graph(parse_manifest(text.encode(), source="pki.yaml"))


@contextmanager
def quick_encryption() -> Iterator[None]:
    """Encrypted keys with few rounds: what is asked here does not depend on how long guessing takes."""
    with mock.patch.object(private_keys, "KDF_ROUNDS", 1000):
        yield


# ----- what is there, seen from outside


def take_snapshot(root: Path) -> Snapshot:
    """Everything below a folder, and the folder itself."""
    found: Snapshot = {}
    for path in [root, *root.rglob("*")] if root.exists() else []:
        status = path.lstat()
        content = None
        if stat.S_ISLNK(status.st_mode):
            content = os.fsencode(path.readlink())
        elif stat.S_ISREG(status.st_mode):
            content = read_anyway(path)
        found[path.relative_to(root).as_posix()] = (content, stat.S_IMODE(status.st_mode), status.st_mtime_ns)
    return found


def read_anyway(path: Path) -> bytes:
    """A file's content, also where its owner has no permission to read it."""
    try:
        return path.read_bytes()
    except PermissionError:
        mode = stat.S_IMODE(path.stat().st_mode)
        path.chmod(0o600)
        try:
            return path.read_bytes()
        finally:
            path.chmod(mode)


@cache
def open_key(pem: bytes) -> tuple[PrivateKeyTypes | None, str | None]:
    """A private key and the password that opened it; (None, None) where it is no key."""
    for password in (None, *PASSWORDS.values()):
        with suppress(ValueError, TypeError, UnsupportedAlgorithm):
            return load_pem_private_key(pem, password.encode() if password else None), password
    return None, None


def key_spki(pem: bytes | None) -> bytes | None:
    """The public key of a private key file, or None."""
    key = open_key(pem)[0] if pem else None
    return spki(key.public_key()) if key else None


@cache
def first_certificate(pem: bytes | None) -> x509.Certificate | None:
    """The first certificate of a file, or None where it or its key cannot be read."""
    with suppress(ValueError, UnsupportedAlgorithm):
        certificate = x509.load_pem_x509_certificates(pem or b"")[0]
        certificate.public_key()
        return certificate
    return None


def verify_strictly(leaf: x509.Certificate, trust: bytes, when: datetime) -> str | None:
    """What OpenSSL has against a certificate, or None."""
    anchors = x509.load_pem_x509_certificates(trust)
    store = crypto.X509Store()
    for anchor in anchors:
        store.add_cert(crypto.X509.from_cryptography(anchor))
    store.set_flags(crypto.X509StoreFlags.X509_STRICT)
    begin = max(leaf.not_valid_before_utc, *(anchor.not_valid_before_utc for anchor in anchors[:1]))
    store.set_time(max(when, begin))  # a clock that is behind is the clock's fault
    try:
        crypto.X509StoreContext(store, crypto.X509.from_cryptography(leaf)).verify_certificate()
    except crypto.X509StoreContextError as error:
        return str(error)
    return None


# ----- what is promised


def check_plan(world: World, options: PlanOptions) -> Plan:
    """Plans, and checks that planning changes nothing and gives the same each time."""
    before = take_snapshot(world.folder)
    plan = world.look(options)
    promise(plan == world.look(options), "the same plan for the same files")
    promise(before == take_snapshot(world.folder), "planning touches nothing")
    document = json.loads(render_plan_json(plan))
    promise(len({change["address"] for change in document["changes"]}) == len(plan.changes), "each file stands once")
    render_plan_text(plan, style=Style(), output="pki", show_all=True)
    return plan


def check_apply(world: World, options: PlanOptions) -> Plan:
    """Applies until nothing is left that could be done, and checks each run. Returns the plan that remains."""
    runs = 2 if a_key_must_be_opened_first(world) else 1
    for _ in range(runs):
        plan = check_plan(world, options)
        before = take_snapshot(world.output)
        try:
            report = world.apply(options)
        except EdgecertsError as error:
            promise(excused(world, error), f"no error: {error}")
            promise(without_local(before) == without_local(take_snapshot(world.output)), "an error comes before writes")
            world.ends[type(error).__name__] += 1
            return plan
        check_report(world, report, may_differ=runs > 1)
        check_files(world, plan, report, before, take_snapshot(world.output), options)
        world.ends.update(status.value for status in {outcome.status for outcome in report.outcomes})
    again = check_plan(world, options)
    if any(outcome.status is Status.FAILED for outcome in report.outcomes) and has_odd_files(world):
        return again
    promise(not again.pending, f"nothing is left to do, and not {describe(again.pending)}")
    check_certificates(world, again)
    return again


def describe(changes: Sequence[Change]) -> list[str]:
    return [f"{c.action} {c.address} ({', '.join(str(r.code) for r in c.reasons)})" for c in changes]


def without_local(snapshot: Snapshot) -> Snapshot:
    """Without the folder for the lock, and without folders: only their times differ."""
    return {path: found for path, found in snapshot.items() if found[0] is not None and ".edgecerts" not in path}


def a_key_must_be_opened_first(world: World) -> bool:
    """What takes two runs: which authority, or what type of key this is, is only known once a locked key is open.

    An authority whose certificate is lost is made again from its key, also where another type is declared by now:
    that is another authority, and so a question of its own.
    """
    inventory = scan(world.graph, world.output, manifest_folder=world.folder)
    for identity in world.graph.identities:
        key = inventory.private_keys[identity.private_key.path]
        certificate = inventory.certificates[identity.certificate.path]
        if certificate.value or (not identity.private_key.key_type_declared and identity.address != "ca"):
            continue
        if key.state is State.LOCKED or (identity.address == "ca" and key.state is State.PRESENT):
            return True
    return False


def has_odd_files(world: World) -> bool:
    """Whether something stands where a file or folder of ours should, and is none."""
    names = ("server.key", "server.pem", "client.key", "client.pem", "ca.pem", "ca.key", "README.txt", *LISTS)
    for path in world.output.rglob("*"):
        if path.is_symlink() or (path.is_dir() and path.name in (*names, ".gitignore", ".gitattributes")):
            return True
    return any(path.is_dir() for path in world.output.glob("issued/*"))


def excused(world: World, error: EdgecertsError) -> bool:
    """Whether an error is one that planning could not know: it lies within a locked key, or the folder is odd."""
    if isinstance(error, StorageError):
        return has_odd_files(world)
    for identity in world.graph.identities:
        path = world.output / identity.private_key.path
        if not path.is_file():
            continue
        pem = read_anyway(path)
        key, password = open_key(pem)
        declared = identity.private_key.password
        expected = PASSWORDS.get(declared.env or "") if declared else None
        certificate = world.output / identity.certificate.path
        beside = first_certificate(certificate.read_bytes()) if certificate.is_file() else None
        mismatch = beside is not None and key_spki(pem) != spki(beside.public_key())
        locked = b"ENCRYPTED" in pem or not os.access(path, os.R_OK)
        if locked and (key is None or password != expected or mismatch or not os.access(path, os.R_OK)):
            return True
    return False


def check_report(world: World, report: ApplyReport, *, may_differ: bool) -> None:
    """Nothing fails but what the system refuses, and the report can be printed."""
    json.loads(render_apply_json(report))
    render_apply_text(report, style=Style(), output="pki")
    for outcome in report.outcomes:
        if outcome.status is Status.FAILED:
            differs = "not as declared when read again" in (outcome.error or "")
            promise(
                (may_differ and differs) or has_odd_files(world), f"{outcome.change.address} failed: {outcome.error}"
            )


def check_files(
    world: World, plan: Plan, report: ApplyReport, before: Snapshot, after: Snapshot, options: PlanOptions
) -> None:
    """Only what was planned was written; keys stay; every certificate is on record."""
    pending = {change.artifact.path: change for change in plan.pending}
    failed = {o.change.artifact.path for o in report.outcomes if o.status in (Status.FAILED, Status.SKIPPED)}
    for path, found in before.items():
        ours = path in pending or path.startswith((".edgecerts", "issued"))
        if not ours and found[0] is not None:
            promise(after.get(path) == found, f"{path} was not in the plan, and is as it was")
    for path in after:
        parents = any(planned.startswith(f"{path}/") for planned in pending)
        known = path in before or path in pending or parents or path == "." or path.startswith((".edgecerts", "issued"))
        promise(known, f"{path} is new, and was not in the plan")
    if HazardCode.CA_REPLACED not in options.allow and "also_trust" not in world.manifest["ca"]:
        check_trust(before, after)
    log = check_log(before, after)
    for path, change in pending.items():
        old, new = before.get(path, (None, 0, 0))[0], after.get(path, (None, 0, 0))[0]
        if path.endswith(".key"):
            check_key(path, change, old, new, after, options)
        elif change.issuance is not None and path not in failed:
            check_issued(path, change, old, new, after, log)


def check_trust(before: Snapshot, after: Snapshot) -> None:
    """What devices hold goes on working: no `ca.pem` loses its authority without being allowed to."""
    for path, (old, _, _) in before.items():
        new = after.get(path, (None, 0, 0))[0]
        former, present = first_certificate(old), first_certificate(new)
        if not path.endswith("/ca.pem") or path == "ca/ca.pem" or old == new or former is None or present is None:
            continue
        with suppress(x509.ExtensionNotFound, ValueError):
            if former.extensions.get_extension_for_class(x509.BasicConstraints).value.ca:
                same = spki(former.public_key()) == spki(present.public_key())
                promise(same, f"{path} has the authority that it had")


def check_log(before: Snapshot, after: Snapshot) -> dict[str, dict[str, Any]]:
    """Nothing on record was changed; the readable lines by the certificate's digest."""
    entries = {}
    for path, (content, _, _) in after.items():
        if path.startswith("issued/") and content is not None:
            # A piece of a line, as a crash leaves it, is cut off.
            lines = (before.get(path, (b"", 0, 0))[0] or b"").rpartition(b"\n")[0]
            promise(content.startswith(lines), f"{path} only ever grows")
            for line in content.decode(errors="replace").splitlines():
                with suppress(ValueError, TypeError, KeyError, RecursionError):
                    entry = json.loads(line)
                    entries[entry["sha256"]] = entry
    return entries


def check_key(
    path: str, change: Change, old: bytes | None, new: bytes | None, after: Snapshot, options: PlanOptions
) -> None:
    """A private key is replaced only by a rekey, and never where it cannot be read."""
    if old is None or old == new:
        return
    promise(open_key(old)[0] is not None, f"{path} could not be read, and was left alone")
    promise(new is not None, f"{path} did not vanish")
    if key_spki(old) == key_spki(new):
        promise(change.action in (Action.UPDATE, Action.CHMOD), f"{path} is the same key, by {change.action}")
        return
    promise(change.action is Action.REKEY, f"{path} is another key, by {change.action}")
    promise(path != "ca/ca.key" or HazardCode.CA_REPLACED in options.allow, "the authority's key was replaced")
    kept = {content for name, (content, _, _) in after.items() if name.startswith(".edgecerts/replaced/")}
    promise(old in kept, f"the key that was at {path} is kept")


def check_issued(
    path: str, change: Change, old: bytes | None, new: bytes | None, after: Snapshot, log: dict[str, dict[str, Any]]
) -> None:
    """A new certificate is on record, is for the key beside it, and has the old one's key where that is promised."""
    certificate, former = first_certificate(new), first_certificate(old)
    assert certificate is not None, path
    digest = hashlib.sha256(certificate.public_bytes(Encoding.DER)).hexdigest()
    promise(digest in log, f"{path} is on record")
    promise(log[digest]["serial"] == f"{certificate.serial_number:040x}", f"{path} is on record with its serial number")
    folder = path.rpartition("/")[0]
    keys = {
        name: content for name, (content, _, _) in after.items() if name == f"{folder}/{path.split('/')[-1][:-4]}.key"
    }
    own = key_spki(next(iter(keys.values()), None))
    codes = {reason.code.value for reason in change.reasons}
    if former is not None and spki(former.public_key()) != spki(certificate.public_key()):
        promise(change.action is not Action.RENEW, f"{path} was renewed with its key")
        promise(own == spki(certificate.public_key()), f"{path} is for the key beside it")
        renewed = {"expired", "near-expiry", "replace-requested"}
        causes = renewed | {"key-mismatch", "key-type-changed", "corrupt", "revoked"}
        promise(bool(codes & causes), f"{path} got another key because of {codes}")
    if former is None:
        promise(own == spki(certificate.public_key()), f"{path} is for the key beside it")


def check_certificates(world: World, plan: Plan) -> None:
    """Whatever is neither blocked nor refused is accepted by a strict verifier, now."""
    if any(notice.code == NoticeCode.NOT_JUDGED for notice in plan.notices):
        return
    held = plan.blocked_addresses | {str(change.address) for change in plan.refused}
    if "ca/certificate" in held:
        return
    # What is on hold is not renewed, and nobody else is held up by it.
    on_hold = {notice.address for notice in plan.notices if notice.code == NoticeCode.ON_HOLD}
    revoked = world.manifest.get("revoked", ())
    promise(not on_hold or any(entry["reason"] == "certificate-hold" for entry in revoked), "a hold was declared")
    authority = (world.output / "ca/ca.pem").read_bytes()
    for identity in world.graph.end_entities:
        if str(identity.certificate.address) in held or identity.address in on_hold:
            continue
        pem = (world.output / identity.certificate.path).read_bytes()
        certificate = first_certificate(pem)
        assert certificate is not None
        issuer = first_certificate(authority)
        assert issuer is not None
        promise(
            certificate.not_valid_after_utc <= issuer.not_valid_after_utc,
            f"{identity.certificate.path} ends no later than its authority",
        )
        problem = verify_strictly(certificate, authority, world.now)
        promise(problem is None, f"{identity.certificate.path} verifies, and not: {problem}")
        if identity.trust is not None and str(identity.trust.address) not in held:
            handed_out = (world.output / identity.trust.path).read_bytes()
            problem = verify_strictly(certificate, handed_out, world.now)
            promise(problem is None, f"{identity.certificate.path} verifies with its ca.pem, and not: {problem}")
        key = world.output / identity.private_key.path
        if key.is_file() and str(identity.private_key.address) not in held and not is_locked(key):
            same = key_spki(read_anyway(key)) == spki(certificate.public_key())
            promise(same or identity.private_key.held.value == "delivered", f"{identity.address} has a pair")


def is_locked(key: Path) -> bool:
    return b"ENCRYPTED" in read_anyway(key) or not os.access(key, os.R_OK)


def check(world: World, chance: random.Random) -> None:
    """Everything that is promised of the world as it is now."""
    plan = check_apply(world, PlanOptions())
    if plan.refusals and chance.random() < 0.5:
        world.story.append(f"  --allow {', '.join(sorted({hazard.code for hazard in plan.refusals}))}")
        check_apply(world, PlanOptions(allow=EVERYTHING))


# ----- what happens

HOSTS = ["broker.a.example", "b.example", "10.3.0.11", "fd00::1", "c.example", "broker.d.example"]
PROPERTIES: dict[str, list[Any]] = {
    "alt_names": [None, ["x.example"], ["x.example", "10.0.0.1"], ["10.0.0.1", "x.example"], ["uri:urn:plant:1"]],
    "usages": [None, ["server"], ["client"], ["server", "client"]],
    "subject": [
        None, {"organization": "A"}, {"organization": "B", "email": "me@b.example"}, {"country": "US"},
        {"organization": None},
    ],
    "validity": [None, "825d", "824d", "90d", "36h", "2h", "7d", "20y"],
    "not_after": [None, "2027-06-01T00:00:00Z", "2031-01-01T00:00:00Z", "2060-01-01T00:00:00Z", "9999-12-31T23:59:59Z"],
    "renew_before": [None, "10d", "50%", "1%", "99%", "24h", "400d"],
    "key_type": [None, "ec-p256", "ec-p384", "ed25519"],
    "key_held": [None, "here", "delivered"],
    "rekey": [None, "never", "on-renew"],
    "password": [None, {"env": "LEAF_PASSWORD"}, {"command": ["printf", "%s", "another password"]}, {"env": "OTHER"}],
    "ip_as_dns": [None, True],
}  # fmt: skip
CA_PROPERTIES: dict[str, list[Any]] = {
    "common_name": ["Test CA", "Test CA", "Other CA"],
    "subject": [None, {"organization": "A"}, {"email": "ca@a.example"}],
    "validity": [None, "3650d", "365d", "30d", "30y"],
    "not_after": [None, "2027-06-01T00:00:00Z", "2031-01-01T00:00:00Z", "9999-12-31T23:59:59Z"],
    "renew_before": [None, "10d", "50%", "400d"],
    "key_type": [None, "ec-p256", "ec-p384"],
    "password": [None, {"env": "CA_PASSWORD"}, {"command": ["printf", "%s", "another password"]}],
    "also_trust": [None, [{"ca": "other-ca.pem"}], [{"ca": "other-ca.pem"}, {"ca": "third-ca.pem"}]],
}
DEFAULTS = {key: PROPERTIES[key] for key in ("subject", "validity", "key_type", "renew_before", "key_held", "password")}

Step = Callable[[World, random.Random], str]


def entries(manifest: Manifest) -> list[tuple[str, str]]:
    return [(kind, name) for kind in ("brokers", "clients") for name in manifest[kind]]


def set_property(mapping: dict[str, Any], key: str, value: Any) -> None:
    """Sets or removes one property; a lifetime has one form."""
    if key in ("validity", "not_after"):
        mapping.pop("validity", None)
        mapping.pop("not_after", None)
    mapping[key] = value
    if value is None:
        del mapping[key]


def random_properties(chance: random.Random, table: dict[str, list[Any]], probability: float) -> dict[str, Any]:
    chosen: dict[str, Any] = {}
    for key, values in table.items():
        if chance.random() < probability:
            set_property(chosen, key, chance.choice(values))
    return chosen


def new_entry(chance: random.Random, kind: str) -> dict[str, Any]:
    entry = random_properties(chance, PROPERTIES, 0.12)
    if kind == "brokers":
        entry["common_name"] = chance.choice(HOSTS)
    return entry


def random_manifest(chance: random.Random) -> Manifest:
    """One authority, up to three brokers and three clients."""
    while True:
        manifest: Manifest = {"version": 1, "defaults": random_properties(chance, DEFAULTS, 0.1)}
        manifest["ca"] = {"common_name": "Test CA", **random_properties(chance, CA_PROPERTIES, 0.12)}
        for kind, stem in (("brokers", "b"), ("clients", "c")):
            count = chance.randint(0, 3)
            manifest[kind] = {f"{stem}{number}": new_entry(chance, kind) for number in range(count)}
        if is_valid(manifest):
            return manifest


def is_valid(manifest: Manifest) -> bool:
    try:
        read_graph(manifest)
    except ManifestError:
        return False
    return True


def edit(world: World, chance: random.Random) -> str:
    """Another value for one property of one entry, of the authority or of the defaults."""
    places = [*entries(world.manifest)] * 3 + [("ca", ""), ("defaults", "")]
    kind, name = chance.choice(places)
    mapping = world.manifest[kind][name] if name else world.manifest[kind]
    table = {"ca": CA_PROPERTIES, "defaults": DEFAULTS}.get(kind, PROPERTIES)
    if kind == "brokers" and chance.random() < 0.15:
        table = {"common_name": HOSTS}
    elif kind == "clients" and chance.random() < 0.15:
        table = {"common_name": [None, "LINE4", "LINE5"]}
    key = chance.choice(sorted(table))
    value = chance.choice(table[key])
    set_property(mapping, key, value)
    return f"{kind} {name} {key} = {value}"


def pin(world: World, chance: random.Random) -> str:
    """The authority's fingerprint, a wrong one, or none."""
    certificate = first_certificate(content_of(world, "ca/ca.pem"))
    digest = hashlib.sha256(spki(certificate.public_key())).hexdigest() if certificate else "ab" * 32
    value = chance.choice([None, digest, digest, "cd" * 32])
    set_property(world.manifest["ca"], "fingerprint", value and f"sha256:{value}")
    return f"fingerprint = {value}"


def content_of(world: World, path: str) -> bytes | None:
    place = world.output / path
    return read_anyway(place) if place.is_file() else None


def add(world: World, chance: random.Random) -> str:
    kind = chance.choice(["brokers", "clients"])
    name = f"{kind[0]}{chance.randrange(5)}"
    if name in world.manifest[kind]:
        return "nothing"
    world.manifest[kind][name] = new_entry(chance, kind)
    return f"add {kind} {name} {world.manifest[kind][name]}"


def remove(world: World, chance: random.Random) -> str:
    if not entries(world.manifest):
        return "nothing"
    kind, name = chance.choice(entries(world.manifest))
    del world.manifest[kind][name]
    return f"remove {kind} {name}"


def rename(world: World, chance: random.Random) -> str:
    """Another name for an entry, with or without its folder."""
    if not entries(world.manifest):
        return "nothing"
    kind, name = chance.choice(entries(world.manifest))
    new = f"{kind[0]}{chance.randrange(9)}"
    if new in world.manifest[kind]:
        return "nothing"
    world.manifest[kind][new] = world.manifest[kind].pop(name)
    old_folder, new_folder = world.output / kind / name, world.output / kind / new
    moved = chance.random() < 0.5 and old_folder.is_dir() and not new_folder.exists()
    if moved:
        old_folder.rename(new_folder)
    return f"rename {kind} {name} to {new}{' with its folder' if moved else ''}"


def advance(world: World, chance: random.Random) -> str:
    delta = chance.choice(
        [
            timedelta(minutes=chance.randint(1, 90)),
            timedelta(hours=chance.randint(1, 48)),
            timedelta(days=chance.randint(1, 60)),
            timedelta(days=chance.randint(60, 900)),
            timedelta(days=chance.randint(900, 30 * 365)),
        ]
    )
    world.now = min(world.now + delta, LATEST)
    return f"{delta} later"


def set_back(world: World, chance: random.Random) -> str:
    delta = chance.choice([timedelta(hours=chance.randint(1, 30)), timedelta(days=chance.randint(2, 800))])
    world.now -= delta
    return f"the clock is set back by {delta}"


def our_files(world: World) -> list[Path]:
    files = (path for path in sorted(world.output.rglob("*")) if path.is_file() and not path.is_symlink())
    return [path for path in files if ".edgecerts" not in path.parts]


def delete(world: World, chance: random.Random) -> str:
    files = our_files(world)
    if not files:
        return "nothing"
    path = chance.choice(files)
    if chance.random() < 0.25 and path.parent != world.output:
        shutil.rmtree(path.parent)
        return f"delete {path.parent.relative_to(world.output)}"
    path.unlink()
    return f"delete {path.relative_to(world.output)}"


def damage(world: World, chance: random.Random) -> str:
    """Cuts a file off, flips a bit, adds something, empties it, or changes its line ends."""
    files = our_files(world)
    if not files:
        return "nothing"
    path = chance.choice(files)
    data = bytearray(read_anyway(path))
    match chance.randrange(6):
        case 0:
            how, data = "cut off", data[: chance.randrange(len(data) + 1)]
        case 1 if data:
            how = "flip"
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        case 2:
            how, data = "twice", data + data
        case 3:
            how, data = "empty", bytearray()
        case 4:
            how, data = "CRLF", bytearray(bytes(data).replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))
        case _:
            how, data = "more", data + chance.choice([b"\n\n", b"nonsense\n", b"\xff\x00", b"-----BEGIN X-----\n"])
    mode = stat.S_IMODE(path.stat().st_mode)
    path.chmod(0o600)
    path.write_bytes(data)
    path.chmod(mode)
    return f"{how} {path.relative_to(world.output)}"


LINES = [
    "{}", "[]", "7", "null", '{"sha256": 1}', "[" * 100_000,
    '{"serial": 1, "address": 2, "issuer_key": 3, "subject": 4, "not_before": 5, "not_after": 6, "spki_sha256": 7,'
    ' "sha256": 8, "action": 9, "reasons": [], "issued_at": 10, "issued_by": 11, "version": 12}',
]  # fmt: skip


def edit_log(world: World, chance: random.Random) -> str:
    """A line of the log with another value, or a line that was never one."""
    logs = [path for path in our_files(world) if path.suffix == ".jsonl"]
    if not logs:
        return "nothing"
    path = chance.choice(logs)
    lines = path.read_bytes().decode(errors="replace").splitlines()
    if lines and chance.random() < 0.6:
        at = chance.randrange(len(lines))
        with suppress(ValueError, TypeError, AttributeError):
            entry = json.loads(lines[at])
            key = chance.choice(sorted(entry))
            entry[key] = chance.choice([None, 7, "nonsense", "2026-11-23T12:00:00", "2026-11-23", ["x"], {"x": 1}])
            lines[at] = json.dumps(entry)
    else:
        lines.append(chance.choice(LINES))
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return f"edit {path.relative_to(world.output)}: {lines[-1][:60]}"


def swap(world: World, chance: random.Random) -> str:
    """Exchanges two files of one kind, or copies one over the other."""
    files = our_files(world)
    if len(files) < 2:
        return "nothing"
    first = chance.choice(files)
    second = chance.choice([path for path in files if path.suffix == first.suffix])
    one, other = read_anyway(first), read_anyway(second)
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (first, second)]
    both = chance.random() < 0.6
    for path, data, mode in ((second, one, modes[1]), (first, other, modes[0])) if both else ((second, one, modes[1]),):
        path.chmod(0o600)
        path.write_bytes(data)
        path.chmod(mode)
    what = "exchange" if both else "copy"
    return f"{what} {first.relative_to(world.output)} and {second.relative_to(world.output)}"


def chmod(world: World, chance: random.Random) -> str:
    files = our_files(world)
    if not files:
        return "nothing"
    path = chance.choice(files)
    if chance.random() < 0.3:
        path, mode = path.parent, chance.choice([0o755, 0o770, 0o700])
    else:
        mode = chance.choice([0o644, 0o666, 0o640, *([0o400, 0o000] if path.suffix == ".key" else [])])
    path.chmod(mode)
    return f"chmod {mode:o} {path.relative_to(world.output)}"


def put_oddity(world: World, chance: random.Random) -> str:
    """A folder or a link where a file should be."""
    files = our_files(world)
    if not files:
        return "nothing"
    path = chance.choice(files)
    data = read_anyway(path)
    path.unlink()
    if chance.random() < 0.5:
        path.mkdir()
        (path / "inside").write_bytes(b"something")
        return f"{path.relative_to(world.output)} is a folder"
    target = world.folder / "elsewhere"
    target.write_bytes(data)
    path.symlink_to(target)
    return f"{path.relative_to(world.output)} is a link"


def remove_oddities(world: World, chance: random.Random) -> str:
    """Puts away what stands where a file should be."""
    for path in sorted(world.output.rglob("inside")):
        shutil.rmtree(path.parent)
    for path in sorted(world.output.rglob("*")):
        if path.is_symlink():
            path.unlink()
    return "odd files are gone"


def other_authority(world: World, chance: random.Random) -> str:
    """Files of another authority in place of this one's: its folder, its key or its certificate alone."""
    names = chance.choice([["ca.key", "ca.pem"], ["ca.key", "ca.pem"], ["ca.key"], ["ca.pem"]])
    source = chance.choice(["other", "third"])
    (world.output / "ca").mkdir(parents=True, exist_ok=True)
    for name in names:
        place = world.output / "ca" / name
        if place.is_symlink() or place.is_file():
            place.unlink()
        if not place.exists():
            shutil.copy(world.folder / f"{source}/pki/ca/{name}", place)
    return f"{', '.join(names)} of the {source} authority"


def other_leaf(world: World, chance: random.Random) -> str:
    """The certificate of another plant's client in place of one of ours, with or without its key."""
    if not entries(world.manifest):
        return "nothing"
    kind, name = chance.choice(entries(world.manifest))
    stem = "server" if kind == "brokers" else "client"
    folder = world.output / kind / name
    folder.mkdir(parents=True, exist_ok=True)
    suffixes = chance.choice([["pem"], ["pem", "key"]])
    for suffix in suffixes:
        place = folder / f"{stem}.{suffix}"
        if place.is_symlink() or place.is_file():
            place.unlink()
        if not place.exists():
            shutil.copy(world.folder / f"other/pki/clients/theirs/client.{suffix}", place)
    return f"another plant's {' and '.join(suffixes)} in {kind}/{name}"


def convert_line_ends(world: World, chance: random.Random) -> str:
    for path in our_files(world):
        if path.suffix != ".key":
            path.write_bytes(read_anyway(path).replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))
    return "all line ends are CRLF"


def nothing(world: World, chance: random.Random) -> str:
    return "nothing"


STEPS: list[tuple[int, Step]] = [
    (30, edit), (4, pin), (6, add), (4, remove), (6, rename), (18, advance), (3, set_back), (10, delete), (12, damage),
    (3, edit_log), (10, swap), (5, chmod), (2, put_oddity), (3, remove_oddities), (5, other_authority), (5, other_leaf),
    (1, convert_line_ends), (1, nothing),
]  # fmt: skip


# ----- telling a history


@cache
def template() -> tempfile.TemporaryDirectory[str]:
    """A folder with two other authorities, of which one has the same name, and with a client of the first."""
    made = tempfile.TemporaryDirectory(prefix="histories-")
    root = Path(made.name)
    for name, common_name in (("other", "Test CA"), ("third", "Third CA")):
        (root / name).mkdir()
        manifest = {"version": 1, "ca": {"common_name": common_name}, "clients": {"theirs": {}}}
        world = World(folder=root / name, manifest=manifest, now=START - timedelta(days=30))
        world.apply()
        shutil.copy(root / name / "pki/ca/ca.pem", root / f"{name}-ca.pem")
    return made


def tell(seed: int, folder: Path, steps: Sequence[int]) -> World:
    """Tells one history.

    Args:
        seed: of everything random in it.
        folder: an empty folder.
        steps: the numbers of the steps that are taken; each has a seed of its own, so that some can be left out.

    Raises:
        BrokenPromiseError: what was promised is not so. The world is its second argument.
    """
    shutil.copytree(template().name, folder, dirs_exist_ok=True)
    world = World(folder=folder, manifest=random_manifest(random.Random(f"{seed}")))
    world.story.append(json.dumps(world.manifest))
    try:
        with quick_encryption():
            check(world, random.Random(f"{seed} first"))
            for number in steps:
                chance = random.Random(f"{seed} {number}")
                before = json.loads(json.dumps(world.manifest))
                weights, functions = zip(*STEPS, strict=True)
                for _ in range(chance.choice([1, 1, 1, 2])):
                    world.story.append(f"{number}: " + chance.choices(functions, weights)[0](world, chance))
                if not is_valid(world.manifest):
                    world.manifest = before
                    world.story.append("  (a mistake in the manifest, taken back)")
                check(world, chance)
    except Exception as error:
        error.add_note("\n".join(world.story))
        raise
    return world


def tell_one(seed: int, length: int = 4) -> Counter[str]:
    """Tells one history in a folder of its own; where it fails, again with as few steps as show it."""

    def told(steps: Sequence[int]) -> World:
        with tempfile.TemporaryDirectory(prefix="history-", dir=_quick_folder()) as folder:
            return tell(seed, Path(folder), steps)

    steps = list(range(length))
    try:
        return told(steps).ends
    except Exception as error:
        shortest = error
        for number in reversed(range(length)):
            shorter = [step for step in steps if step != number]
            try:
                told(shorter)
            except Exception as same:
                if type(same) is type(error):
                    steps, shortest = shorter, same
        shortest.add_note(f"history {seed}, steps {steps}")
        raise shortest from None


def _quick_folder() -> str | None:
    """Memory, where there is some: a disk adds nothing here but time."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def main() -> int:
    """Tells the given number of histories; prints each that fails with its seed and its shortest story."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--runs", type=int, default=1000)
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--steps", type=int, default=8)
    given = arguments.parse_args()
    ends, failed, began = Counter[str](), 0, time.monotonic()
    for seed in range(given.seed, given.seed + given.runs):
        try:
            ends.update(tell_one(seed, given.steps))
        except Exception:
            failed += 1
            traceback.print_exc()
    print(f"{given.runs} histories in {time.monotonic() - began:.0f} s, {failed} failed; applies: {dict(ends)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
