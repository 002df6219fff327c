"""A host's run is killed, or loses its power, at every call: no key is lost, and the next run goes on.

A power cut may lose any of what was not synced; `crash_model.disk` says how.
"""

import random
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.x509.oid import NameOID

from edgecerts.apply.file_system import FileSystem, Sync
from edgecerts.apply.request_run import RequestRun, run_request
from edgecerts.apply.secrets import SecretSources
from edgecerts.desired import build_graph
from edgecerts.desired.host import build_places
from edgecerts.errors import EdgecertsError
from edgecerts.manifest import parse_manifest
from edgecerts.pki.certificate_requests import parse_request
from edgecerts.requests.model import KeyStep, RequestReport
from tests.conftest import NOW
from tests.crash_model.bench import scratch_folder
from tests.crash_model.disk import Call, Disk, Fate, Fates, Kind, Tree, Write, replay, unsynced
from tests.crash_model.recorder import QuickFileSystem, Recorder, read_disk, write_disk
from tests.hosts import MANIFEST, key_digest

OUTPUT = "host"
KEY, NEXT = "pki/brokers/plant-a/server.key", "pki/brokers/plant-a/server.next.key"
REQUEST = "requests/plant-a.csr"


def run(folder: Path, system: FileSystem, *, rekey: bool = False, declared: str = "", hours: int = 0) -> RequestReport:
    """`edgecerts request broker/plant-a` in a folder."""
    text = MANIFEST.replace("10.3.0.11,", f"10.3.0.11, {declared}")
    identity = build_graph(parse_manifest(text.encode(), source="pki.yaml")).end_entities[0]
    return run_request(
        RequestRun(
            identity=identity,
            manifest="pki.yaml",
            places=build_places(identity, folder=folder, output=folder / "pki"),
            output=folder / "pki",
            now=NOW + timedelta(hours=hours),
            sources=SecretSources(folder=folder, environ={}),
            rekey=rekey,
            on_need=lambda source: None,
            system=system,
        )
    )


def certify(folder: Path, key: str) -> None:
    """The certificate for a key arrives: any that the library makes will do."""
    private_key = load_pem_private_key((folder / key).read_bytes(), None)
    assert isinstance(private_key, EllipticCurvePrivateKey)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "10.3.0.11")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private_key.public_key())
        .serial_number(1)
        .not_valid_before(NOW)
        .not_valid_after(NOW + timedelta(days=1))
        .sign(private_key, hashes.SHA256())
    )
    (folder / "pki/brokers/plant-a/server.pem").write_bytes(certificate.public_bytes(Encoding.PEM))


def nothing(folder: Path) -> None:
    folder.mkdir(exist_ok=True)


def in_use(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    run(folder, QuickFileSystem())
    certify(folder, KEY)


def waiting(folder: Path) -> None:
    in_use(folder)
    run(folder, QuickFileSystem(), rekey=True)


def arrived(folder: Path) -> None:
    waiting(folder)
    certify(folder, NEXT)


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """What is there, what is run with which setting declared, and which calls the file system lacks."""

    name: str
    prepare: Callable[[Path], None]
    rekey: bool = False
    declared: str = ""
    lacking: frozenset[str] = frozenset()

    def run(self, folder: Path, system: FileSystem, *, again: bool = False) -> RequestReport:
        rekey = self.rekey and not again
        return run(folder, system, rekey=rekey, declared=self.declared, hours=1 + again)

    def __str__(self) -> str:
        return self.name


NO_LINKS = frozenset({"link"})
SCENARIOS = [
    Scenario(name="a first key", prepare=nothing),
    Scenario(name="a first key without links", prepare=nothing, lacking=NO_LINKS),
    Scenario(name="a next key", prepare=in_use, rekey=True),
    Scenario(name="a next key in place", prepare=arrived),
    Scenario(name="a next key in place without links", prepare=arrived, lacking=NO_LINKS),
    Scenario(name="another next key", prepare=waiting, rekey=True, declared="key_type: ec-p384,"),
    Scenario(name="another next key without links", prepare=waiting, rekey=True, declared="key_type: ec-p384,",
             lacking=NO_LINKS),
    Scenario(name="a next key given up", prepare=waiting, rekey=True),
    Scenario(name="a next key given up without links", prepare=waiting, rekey=True, lacking=NO_LINKS),
    Scenario(name="another name", prepare=in_use, declared="ip_as_dns: true,"),
]  # fmt: skip


@dataclass(frozen=True)
class Crash:
    """One state after a crash, and how it came about."""

    disk: Disk
    place: int
    fates: Fates
    calls: Sequence[Call]

    def __str__(self) -> str:
        last = self.calls[self.place - 1] if self.place else "nothing"
        lost = [f"{fate}: {self.calls[place]}"[:160] for place, fate in sorted(self.fates.items())]
        return "\n  ".join([f"after call {self.place} of {len(self.calls)}, {last}"[:200], *lost])


def selections(calls: Sequence[Call], chance: random.Random) -> Iterator[Fates]:
    """Which calls are lost: none (a killed process), all, each alone, all but one, all from one on, and guesses."""
    places = unsynced(calls)
    yield {}
    yield dict.fromkeys(places, Fate.LOST)
    for number, place in enumerate(places):
        yield {place: Fate.LOST}
        if isinstance(calls[place], Write):
            yield {place: Fate.TORN}
            yield {place: Fate.ZEROED}
        yield dict.fromkeys((other for other in places if other != place), Fate.LOST)
        yield dict.fromkeys(places[number + 1 :], Fate.LOST)
    for _ in range(4):
        yield {place: Fate.LOST for place in places if chance.random() < 0.5}


def record(
    scenario: Scenario, scratch: Path, *, left_out: frozenset[Sync] = frozenset()
) -> tuple[Disk, Sequence[Call]]:
    """What was there, and every call of the scenario's run."""
    above = scratch / "record"
    above.mkdir()
    scenario.prepare(above / OUTPUT)
    start = read_disk(above, OUTPUT)
    recorder = Recorder(above, start.copy(), lacking=scenario.lacking, left_out=left_out)
    scenario.run(above / OUTPUT, recorder)
    return start, recorder.calls


def crashes(start: Disk, calls: Sequence[Call]) -> Iterator[Crash]:
    """Every state, once."""
    chance, seen = random.Random(1), set()
    for place in range(len(calls) + 1):
        for fates in selections(calls[:place], chance):
            disk = replay(start, calls[:place], fates)
            shape = repr(sorted(disk.tree(OUTPUT).items()))
            if shape not in seen:
                seen.add(shape)
                yield Crash(disk, place, fates, calls)


def find_all(scenario: Scenario, *, left_out: frozenset[Sync] = frozenset()) -> Iterator[str]:
    """What is wrong after any crash of a scenario; an empty text for each crash that harms nothing."""
    with scratch_folder() as scratch:
        start, calls = record(scenario, scratch, left_out=left_out)
        before = start.tree(OUTPUT)
        for crash in crashes(start, calls):
            wrong = [*find_wrong(scenario, before, crash.disk.tree(OUTPUT), scratch)]
            wrong += [f"later: {text}" for text in find_unhealed(scenario, before, crash, scratch)]
            yield f"{'; '.join(wrong)}\n{crash}" if wrong else ""


def keys_of(tree: Tree) -> dict[str, bytes]:
    return {path: found.content for path, found in tree.items() if path.endswith(".key") and found.kind is Kind.FILE}


def digest_of(content: bytes, scratch: Path) -> str | None:
    place = scratch / "one.key"
    place.write_bytes(content)
    try:
        return key_digest(place)
    except ValueError:
        return None


def find_wrong(scenario: Scenario, before: Tree, tree: Tree, scratch: Path) -> Iterator[str]:
    """What is wrong with a state in which a run ended."""
    keys = keys_of(tree)
    for path, content in keys_of(before).items():
        if content not in keys.values():
            yield f"{path}, which was there, is under no name"
    if KEY in keys_of(before) and KEY not in keys and not scenario.lacking:
        yield "the key in use is absent"
    for path, content in keys.items():
        if not path.rpartition("/")[2].startswith(".") and digest_of(content, scratch) is None:
            yield f"{path} is not whole"
        if tree[path].mode & 0o077:
            yield f"{path} is open to others: {tree[path].mode:o}"
    content = tree[REQUEST].content if REQUEST in tree else b""
    if content and content != (before[REQUEST].content if REQUEST in before else b""):
        asked = parse_request(content).spki_sha256
        if asked not in {digest_of(keys[path], scratch) for path in (KEY, NEXT) if path in keys}:
            yield "a request was written, and its key is not there"


def find_unhealed(scenario: Scenario, before: Tree, crash: Crash, scratch: Path) -> Iterator[str]:
    """What is wrong with the next two runs."""
    above = scratch / "healed"
    above.mkdir()
    try:
        if crash.disk.tree(OUTPUT):
            write_disk(crash.disk, above, OUTPUT)
        (above / OUTPUT).mkdir(exist_ok=True)
        try:
            # A next key of another type than declared is said, and another is made when that is asked for again.
            asks = scenario.declared.startswith("key_type") and REQUEST in before
            report = scenario.run(above / OUTPUT, QuickFileSystem(scenario.lacking), again=not asks)
            again = scenario.run(above / OUTPUT, QuickFileSystem(scenario.lacking), again=True)
        except EdgecertsError as error:
            yield f"the next run failed: {error.message}"
            return
        tree = read_disk(above, OUTPUT).tree(OUTPUT)
        yield from find_wrong(scenario, before, tree, scratch)
        if not again.decision.does_nothing:
            yield f"the run after the next still had something to do: {again.decision}"
        names = [content for path, content in keys_of(tree).items()]
        if len(names) != len(set(names)):
            yield "a key has two names"
        if any(path.rpartition("/")[2].startswith(".server") for path in tree):
            yield "what was staged is still there"
        used = NEXT if NEXT in tree else KEY
        if parse_request(tree[REQUEST].content).spki_sha256 != digest_of(tree[used].content, scratch):
            yield "the request is for another key"
        if report.decision.key is KeyStep.MADE and keys_of(before):
            yield "a key was made although there was one"
    finally:
        shutil.rmtree(above)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
def test_a_crash_anywhere_loses_no_key_and_is_healed_by_the_next_run(scenario: Scenario) -> None:
    found = list(find_all(scenario))
    assert len(found) > 2
    assert next(filter(None, found), None) is None


@pytest.mark.parametrize("sync", [Sync.PLACE, Sync.STAGED_FILE, Sync.SET_ASIDE, Sync.PUBLISHED])
def test_without_this_sync_something_is_lost(sync: Sync) -> None:
    assert any(any(find_all(scenario, left_out=frozenset({sync}))) for scenario in SCENARIOS)
