"""Random histories of issuing, renewing, replacing, revoking, expiring and merging: the list has exactly what it must.

What it must have is worked out beside the program, from the certificates that were ever seen in the folder.
"""

import random
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from edgecerts.apply import run_apply
from edgecerts.plan.model import HazardCode
from edgecerts.plan.options import PlanOptions
from tests.conftest import NOW
from tests.crash.sites import Site
from tests.readers import spki

NAMES = tuple(f"gw-{number}" for number in range(1, 6))
LIST, COPY = "ca/ca.crl.pem", "brokers/plant-a/crl.pem"
REASONS = ("key-compromise", "superseded", "cessation-of-operation")
RUNS, STEPS = 25, 14

HEAD = """\
version: 1
ca: {common_name: Test CA, validity: 50y}
defaults: {validity: 60d, renew_before: 20d, revoke_on_rekey: true}
brokers:
  plant-a: {common_name: 10.3.0.11, validity: 40y}
crl: {validity: 30d}
clients:
"""


@dataclass(frozen=True)
class Issued:
    """A certificate that was seen."""

    name: str
    issued_at: datetime
    not_after: datetime
    key: bytes


@dataclass(frozen=True)
class Entry:
    """An entry of `revoked`."""

    reason: str
    name: str = ""
    since: datetime | None = None
    serial: int = 0

    def covers(self, serial: int, issued: Issued) -> bool:
        if self.serial:
            return self.serial == serial
        return self.name == issued.name and (self.since is None or issued.issued_at < self.since)

    def __str__(self) -> str:
        if self.serial:
            return f"{{serial: '{self.serial:x}', reason: {self.reason}}}"
        since = f", since: '{self.since:%Y-%m-%dT%H:%M:%SZ}'" if self.since else ""
        return f"{{name: client/{self.name}, reason: {self.reason}{since}}}"


@dataclass
class History:
    """A plant, what was ever issued in it, and what its list said last."""

    site: Site
    now: datetime = NOW
    clients: list[str] = field(default_factory=lambda: list(NAMES[:2]))
    revoked: list[Entry] = field(default_factory=list)
    issued: dict[int, Issued] = field(default_factory=dict)
    replaced: set[int] = field(default_factory=set)
    story: list[str] = field(default_factory=list)
    _last: dict[int, str] = field(default_factory=dict)

    def crls(self) -> list[x509.CertificateRevocationList]:
        """What is in the list's file, where it can be read as it is."""
        path = self.site.output / LIST
        return [x509.load_pem_x509_crl(path.read_bytes())] if path.exists() else []

    def apply(
        self, *rekey: str, allow: bool = False, before: list[x509.CertificateRevocationList] | None = None
    ) -> None:
        """Writes the manifest, applies, and looks at the list.

        Args:
            before: the lists that it goes on from, where they are not the one that is there.
        """
        lines = "".join(f"  {name}:\n" for name in self.clients)
        self.site.write(f"{HEAD}{lines}revoked: [{', '.join(map(str, self.revoked))}]\n")
        before = self.crls() if before is None else before
        options = PlanOptions(
            replace=frozenset(f"client/{name}" for name in rekey),
            allow=frozenset({HazardCode.UNREVOKED}) if allow else frozenset(),
        )
        report = run_apply(replace(self.site.run(self.now), options=options))
        refused = {hazard.code for hazard in report.plan.refusals}
        assert report.exit_code == (4 if refused else 0), [outcome.error for outcome in report.outcomes]
        after = self.site.plan(self.now)
        assert after.pending == ()
        self._see()
        found = {hazard.code for hazard in after.hazards}
        assert (HazardCode.REVOKES_NOTHING.value in found) is any(map(self.is_fruitless, self.revoked)), self.story
        assert refused <= {HazardCode.UNREVOKED.value, HazardCode.REVOKES_NOTHING.value}
        self._check(before, allow=allow)

    def _see(self) -> None:
        for path in self.site.output.glob("clients/*/client.pem"):
            certificate, name = x509.load_pem_x509_certificate(path.read_bytes()), path.parent.name
            if certificate.serial_number in self.issued:
                continue
            key = spki(certificate.public_key())
            for serial, other in self.issued.items():
                is_last = serial in self._last and self._last[serial] == name
                if is_last and other.key != key and other.not_after > self.now:
                    self.replaced.add(serial)
            ends = certificate.not_valid_after_utc
            self.issued[certificate.serial_number] = Issued(name=name, issued_at=self.now, not_after=ends, key=key)
        self._last = self.in_place()

    def in_place(self) -> dict[int, str]:
        paths = self.site.output.glob("clients/*/client.pem")
        return {x509.load_pem_x509_certificate(path.read_bytes()).serial_number: path.parent.name for path in paths}

    def reason(self, serial: int) -> str | None:
        """Why a certificate is revoked, as far as anything says so."""
        reasons = [entry.reason for entry in self.revoked if entry.covers(serial, self.issued[serial])]
        if "key-compromise" in reasons or self.issued[serial].key in self.stolen_keys():
            return "key-compromise"
        if reasons:
            return reasons[0]
        return "superseded" if serial in self.replaced and serial not in self.in_place() else None

    def stolen_keys(self) -> set[bytes]:
        """Whoever has the key of one certificate has that of its renewals."""
        stolen = [entry for entry in self.revoked if entry.reason == "key-compromise"]
        return {
            issued.key
            for serial, issued in self.issued.items()
            if any(entry.covers(serial, issued) for entry in stolen)
        }

    def is_fruitless(self, entry: Entry) -> bool:
        """Whether an entry never was for anything, ended certificates included."""
        return bool(entry.name) and not any(entry.covers(serial, issued) for serial, issued in self.issued.items())

    def _check(self, before: list[x509.CertificateRevocationList], *, allow: bool) -> None:
        (crl,) = self.crls()
        assert (self.site.output / COPY).read_bytes() == (self.site.output / LIST).read_bytes()
        found = entries_of(crl)
        had: dict[int, str] = {}
        for one in sorted(before, key=number_of):
            had |= entries_of(one)
        wanted = {
            serial: reason
            for serial, issued in self.issued.items()
            if issued.not_after >= self.now and (reason := self.reason(serial))
        }
        if [digest_of(crl)] == [digest_of(one) for one in before]:
            assert {serial: found.get(serial) for serial in wanted} == wanted, self.story
            return
        assert all(number_of(crl) > number_of(one) for one in before), self.story
        newest = max((one.last_update_utc for one in before), default=NOW)
        expected = dict(wanted)
        for serial, reason in had.items():
            issued = self.issued[serial]
            if serial in expected:
                continue
            if issued.not_after < self.now:
                if newest <= issued.not_after:
                    expected[serial] = self.reason(serial) or reason
            elif not allow:
                expected[serial] = reason
        assert found == expected, self.story


def digest_of(crl: x509.CertificateRevocationList) -> bytes:
    return crl.fingerprint(hashes.SHA256())


def entries_of(crl: x509.CertificateRevocationList) -> dict[int, str]:
    found: dict[int, str] = {}
    words = {"keyCompromise": "key-compromise", "superseded": "superseded"}
    for entry in crl:
        assert entry.serial_number not in found
        reason = entry.extensions.get_extension_for_class(x509.CRLReason).value.reason.value
        found[entry.serial_number] = words.get(reason, "cessation-of-operation")
    return found


def number_of(crl: x509.CertificateRevocationList) -> int:
    return crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number


Step = Callable[[History, random.Random], None]


def wait(history: History, chance: random.Random) -> None:
    history.now += timedelta(days=chance.choice((0, 1, 9, 15, 25, 31, 45, 70)), seconds=chance.randrange(100))
    history.story.append(f"until {history.now:%Y-%m-%d %H:%M:%S}")
    history.apply()


def add(history: History, chance: random.Random) -> None:
    gone = {entry.name for entry in history.revoked if entry.name and entry.since is None}
    free = [name for name in NAMES if name not in history.clients and name not in gone]
    history.clients += free[:1]
    history.story.append(f"add {free[:1]}")
    history.apply()


def rekey(history: History, chance: random.Random) -> None:
    names = chance.sample(history.clients, k=min(len(history.clients), 2))
    history.story.append(f"rekey {names}")
    history.apply(*names)


def revoke(history: History, chance: random.Random) -> None:
    if not history.clients:
        return
    name = history.clients.pop(chance.randrange(len(history.clients)))
    history.revoked.append(Entry(name=name, reason=chance.choice(REASONS)))
    history.story.append(f"revoke {history.revoked[-1]}")
    history.apply()


def revoke_since(history: History, chance: random.Random) -> None:
    if not history.clients:
        return
    since = history.now - timedelta(days=chance.choice((0, 5, 30)))
    history.revoked.append(Entry(name=chance.choice(history.clients), reason=chance.choice(REASONS), since=since))
    history.story.append(f"revoke {history.revoked[-1]}")
    history.apply()


def revoke_serial(history: History, chance: random.Random) -> None:
    serial = chance.choice(sorted(history.issued))
    history.revoked.append(Entry(serial=serial, reason=chance.choice(REASONS)))
    history.story.append(f"revoke {history.revoked[-1]}")
    history.apply()


def take_back(history: History, chance: random.Random) -> None:
    if history.revoked:
        entry = history.revoked.pop(chance.randrange(len(history.revoked)))
        allow = chance.random() < 0.5
        history.story.append(f"take back {entry}, {allow=}")
        history.apply(allow=allow)


def lose_list(history: History, chance: random.Random) -> None:
    """The brokers have copies."""
    before = history.crls()
    (history.site.output / LIST).unlink()
    history.story.append("lose the list")
    history.apply(before=before)


STEPS_OF_ONE: tuple[Step, ...] = (
    wait,
    wait,
    wait,
    add,
    rekey,
    revoke,
    revoke_since,
    revoke_serial,
    take_back,
    lose_list,
)


def merge(history: History, chance: random.Random) -> None:
    """Two branches go on from here, and are merged: the files of one, the log of both, and a list of either or both."""
    folder = Path(tempfile.mkdtemp(dir=history.site.folder.parent))
    other = History(
        site=history.site.copy(folder / "other"),
        now=history.now + timedelta(seconds=chance.randrange(100)),
        clients=list(history.clients),
        revoked=list(history.revoked),
        issued=dict(history.issued),
        replaced=set(history.replaced),
        story=[*history.story, "the other branch"],
        _last=dict(history._last),
    )
    for branch in (history, other):
        for _ in range(2):
            chance.choice((add, rekey, revoke, revoke_since, revoke_serial))(branch, chance)
    history.story += ["merged with", *other.story[other.story.index("the other branch") + 1 :]]
    history.now = max(history.now, other.now)
    history.issued |= {s: i for s, i in other.issued.items() if s not in history.issued}
    history.replaced |= other.replaced
    history.revoked += [entry for entry in other.revoked if entry not in history.revoked]
    gone = {entry.name for entry in history.revoked if entry.name and entry.since is None}
    history.clients = [name for name in history.clients if name not in gone]
    _merge_logs(history.site.output, other.site.output, chance)
    sides = [site.output / LIST for site in (history.site, other.site)]
    texts, before = [side.read_bytes() for side in sides], [*history.crls(), *other.crls()]
    kept = chance.choice(("ours", "theirs", "both"))
    if texts[0] != texts[1] and kept != "ours":
        text = texts[1] if kept == "theirs" else _conflict(*texts)
        for path in (LIST, COPY):
            (history.site.output / path).write_bytes(text)
    before = {"ours": before[:1], "theirs": before[1:], "both": before}[kept]
    history.story.append(f"with the list of {kept}")
    history.apply(before=before if texts[0] != texts[1] else before[:1])
    shutil.rmtree(folder)


def _merge_logs(ours: Path, theirs: Path, chance: random.Random) -> None:
    """As git does with merge=union, only worse: in any order, and some lines twice."""
    for path in theirs.glob("issued/*.jsonl"):
        mine = ours / "issued" / path.name
        lines = (mine.read_text().splitlines() if mine.exists() else []) + path.read_text().splitlines()
        lines = list(dict.fromkeys(lines)) + chance.sample(lines, k=min(3, len(lines)))
        chance.shuffle(lines)
        mine.write_text("".join(f"{line}\n" for line in lines))


def _conflict(ours: bytes, theirs: bytes) -> bytes:
    first, *mine, last = ours.splitlines(keepends=True)
    _, *others, _ = theirs.splitlines(keepends=True)
    return b"".join([first, b"<<<<<<< HEAD\n", *mine, b"=======\n", *others, b">>>>>>> theirs\n", last])


@pytest.mark.parametrize("seed", range(RUNS))
def test_a_list_has_exactly_what_it_must(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    history = History(site=Site(tmp_path / "plant"))
    history.apply()
    for _ in range(STEPS):
        chance.choice((*STEPS_OF_ONE, merge))(history, chance)
