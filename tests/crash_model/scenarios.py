"""The runs of `apply` that are crashed: what was there before each, and what it is asked to do."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from unittest import mock

from edgecerts.apply import Run, run_apply, transaction
from edgecerts.apply.file_system import FileSystem
from edgecerts.apply.report import ApplyReport
from edgecerts.apply.secrets import SecretSources
from edgecerts.desired import build_graph
from edgecerts.desired.graph import Graph
from edgecerts.manifest import parse_manifest
from edgecerts.plan.model import HazardCode
from edgecerts.plan.options import PlanOptions
from edgecerts.plan.planner import DEFAULTS
from tests.conftest import NOW, SMALL
from tests.crash_model.invariants import PASSWORD
from tests.crash_model.recorder import QuickFileSystem

OUTPUT = "pki"

SHORT = """\
version: 1
ca: {common_name: Test CA}
brokers:
  plant-a: {common_name: 10.3.0.11, validity: 90d}
clients:
  MyEACM:
"""

TRUSTING = """\
version: 1
ca: {common_name: Test CA, also_trust: [{ca: other.pem}]}
brokers:
  plant-a: {common_name: 10.3.0.11, alt_names: [other.plant-a.example]}
clients:
  MyEACM:
"""

SHORT_AUTHORITY = SMALL.replace("{common_name: Test CA}", "{common_name: Test CA, validity: 100d}")

MANY = """\
version: 1
ca: {common_name: Test CA}
brokers:
  plant-a: {common_name: 10.3.0.11, validity: 90d}
  plant-b: {common_name: 10.3.0.12}
clients:
  MyEACM:
  line-4:
  former:
  earlier:
"""

MANY_LATER = """\
version: 1
ca: {common_name: Test CA}
brokers:
  plant-a: {common_name: 10.3.0.11, validity: 90d}
  plant-b: {common_name: 10.3.0.12}
clients:
  MyEACM:
  line-4: {password: {env: LEAF_PASSWORD}}
  new:
"""


LISTING = """\
version: 1
ca: {common_name: Test CA}
defaults: {revoke_on_rekey: true}
brokers:
  plant-a: {common_name: 10.3.0.11}
clients:
  MyEACM:
  former:
revoked: [{serial: 4b28, reason: superseded, unknown: true}]
"""

REVOKING = LISTING.replace("  former:\n", "").replace(
    "revoked: [", "revoked: [{name: client/former, reason: key-compromise}, "
)


BATCH = 200

INVENTORIES = {
    "devices.csv": "name,site,role\n"
    + "".join(f"gw-{number:03},{'north' if number % 2 else 'south'},meter\n" for number in range(BATCH))
}

FLEET = """\
version: 1
ca: {common_name: Test CA}
defaults: {subject: {organization: Plant}}
roles:
  meter: {validity: 90d, renew_before: 30d, subject: {locality: "{site}"}}
brokers:
  plant-a: {common_name: 10.3.0.11}
clients_from: [{csv: devices.csv}]
"""

FLEET_LATER = FLEET.replace("meter: {", "meter: {key_type: ec-p384, ")


@dataclass(frozen=True)
class Scenario:
    """One run of `apply`.

    Attributes:
        prepare: brings an empty folder to the state before it.
        manifest: what it is held to.
        days: how long after the preparation it happens.
        options: what it is asked for.
        pruned: folders that it removes files from.
        lacking: what this file system does not have.
        many: from how many identities on everything is synced at once.
    """

    name: str
    prepare: Callable[[Path], None]
    manifest: str = SMALL
    days: int = 0
    options: PlanOptions = DEFAULTS
    pruned: frozenset[str] = frozenset()
    lacking: frozenset[str] = frozenset()
    many: int = transaction.MANY

    @property
    def now(self) -> datetime:
        return NOW + timedelta(days=self.days)

    @property
    def later(self) -> PlanOptions:
        """What the next run is asked for: the same, but for what was to be made anew once."""
        return replace(self.options, replace=frozenset())

    def without(self, *calls: str) -> "Scenario":
        """The same where the file system lacks something."""
        return replace(self, name=f"{self.name}, without {' and '.join(calls)}", lacking=frozenset(calls))

    def synced_at_once(self) -> "Scenario":
        """The same, where each group of identities is synced as large ones are."""
        return replace(self, name=f"{self.name}, synced at once", many=1)

    def run(self, above: Path, system: FileSystem, *, again: bool = False) -> ApplyReport:
        """The run itself, or the one after it."""
        options, now = (self.later, self.now + timedelta(minutes=1)) if again else (self.options, self.now)
        with mock.patch.object(transaction, "MANY", self.many):
            return apply(above, self.manifest, system, options=options, now=now)


@cache
def graph_of(manifest: str) -> Graph:
    """The graph of a manifest, which may name the inventory that is here."""
    return build_graph(
        parse_manifest(manifest.encode(), source="pki.yaml", read_beside=lambda name, kind: INVENTORIES[name].encode())
    )


def apply(
    above: Path, manifest: str, system: FileSystem, *, options: PlanOptions = DEFAULTS, now: datetime = NOW
) -> ApplyReport:
    """One `apply` in this process."""
    return run_apply(
        Run(
            graph=graph_of(manifest),
            manifest="pki.yaml",
            manifest_folder=above,
            output=above / OUTPUT,
            now=now,
            sources=SecretSources(folder=above, environ={"LEAF_PASSWORD": PASSWORD}),
            job="a test",
            on_plan=lambda plan: None,
            options=options,
            system=system,
        )
    )


def empty(above: Path) -> None:
    """Nothing was there before."""


def small(above: Path) -> None:
    apply(above, SMALL, QuickFileSystem())
    add_own_files(above / OUTPUT / "brokers/plant-a")


def listed(above: Path) -> None:
    apply(above, LISTING, QuickFileSystem())
    add_own_files(above / OUTPUT / "brokers/plant-a")


def short(above: Path) -> None:
    apply(above, SHORT, QuickFileSystem())


def short_authority(above: Path) -> None:
    apply(above, SHORT_AUTHORITY, QuickFileSystem())
    add_own_files(above / OUTPUT / "clients/MyEACM")


def trusting(above: Path) -> None:
    apply(above, SMALL.replace("Test CA", "Older CA"), QuickFileSystem())
    shutil.copy(above / OUTPUT / "ca/ca.pem", above / "other.pem")
    shutil.rmtree(above / OUTPUT)
    small(above)


def many(above: Path) -> None:
    left_over(above)
    add_own_files(above / OUTPUT / "brokers/plant-b")
    open_to_others(above / OUTPUT / "clients/MyEACM")


def wide(above: Path) -> None:
    small(above)
    open_to_others(above / OUTPUT / "clients/MyEACM")


def left_over(above: Path) -> None:
    apply(above, MANY, QuickFileSystem())
    (above / OUTPUT / "clients/former/note.txt").write_text("rack 9")


def open_to_others(folder: Path) -> None:
    (folder / "client.key").chmod(0o644)
    folder.chmod(0o755)


def add_own_files(folder: Path) -> None:
    """A file, a folder with a file, and a symbolic link that are somebody's own."""
    (folder / "note.txt").write_text("rack 7")
    (folder / "conf.d").mkdir()
    (folder / "conf.d/tls.conf").write_text("listener 8883")
    (folder / "link").symlink_to("note.txt")


def cloned(above: Path) -> None:
    """As git brings it: without what belongs to one machine."""
    small(above)
    shutil.rmtree(above / OUTPUT / ".edgecerts")


def unlogged(above: Path) -> None:
    """The log was lost."""
    small(above)
    shutil.rmtree(above / OUTPUT / "issued")


def torn(above: Path) -> None:
    short(above)
    log = above / OUTPUT / "issued/2027.jsonl"
    log.write_bytes((above / OUTPUT / "issued/2026.jsonl").read_bytes()[:150])


def fleet(above: Path) -> None:
    """A batch from an inventory, with somebody's own files in one of its folders."""
    apply(above, FLEET, QuickFileSystem())
    add_own_files(above / OUTPUT / "clients/gw-100")


FIRST = Scenario("first run", empty)
RENEWAL = Scenario("renewal of one file", short, SHORT, days=70)
REKEY = Scenario("rekey of a broker", small, options=PlanOptions(replace=frozenset({"broker/plant-a"})))
CLONE = replace(REKEY, name="rekey of a broker in a clone", prepare=cloned)
LOST_LOG = replace(REKEY, name="rekey of a broker after the log was lost", prepare=unlogged)
TORN_LOG = replace(RENEWAL, name="renewal of one file after a torn line of the log", prepare=torn)
NEW_AUTHORITY = Scenario(
    "rekey of the authority",
    small,
    options=PlanOptions(replace=frozenset({"ca"}), allow=frozenset({HazardCode.CA_REPLACED})),
)
AUTHORITY_RENEWAL = Scenario("renewal of the authority", short_authority, SHORT_AUTHORITY, days=70)
TRUST = Scenario("trust and a certificate", trusting, TRUSTING)
MIXED = Scenario(
    "mixed plan",
    many,
    MANY_LATER,
    days=70,
    options=PlanOptions(replace=frozenset({"broker/plant-b"}), prune=True),
    pruned=frozenset({"clients/former", "clients/earlier"}),
)

NARROW = Scenario("permissions alone", wide)
PRUNE = Scenario(
    "prune",
    left_over,
    MANY.replace("  former:\n  earlier:\n", ""),
    options=PlanOptions(prune=True),
    pruned=frozenset({"clients/former", "clients/earlier"}),
)

FIRST_LIST = Scenario("first revocation list", small, SMALL + "crl:\n")
REVOCATION = Scenario(
    "revocation with a list that is due",
    listed,
    REVOKING,
    days=70,
    options=PlanOptions(replace=frozenset({"broker/plant-a", "client/MyEACM"})),
)

FIRST_FLEET = Scenario("first run of a fleet", empty, FLEET)
FLEET_RENEWAL = Scenario("renewal of a fleet", fleet, FLEET, days=70)
FLEET_REKEY = Scenario("rekey of a fleet by its role", fleet, FLEET_LATER)

FLEETS = (FIRST_FLEET, FLEET_RENEWAL, FLEET_REKEY)
"""Each state of these takes long to look at, so that some of them are looked at."""

SCENARIOS = (
    FIRST,
    RENEWAL,
    REKEY,
    NEW_AUTHORITY,
    AUTHORITY_RENEWAL,
    TRUST,
    MIXED,
    NARROW,
    PRUNE,
    CLONE,
    LOST_LOG,
    TORN_LOG,
    FIRST_LIST,
    REVOCATION,
    REVOCATION.without("exchange"),
    REKEY.without("exchange"),
    NEW_AUTHORITY.without("exchange"),
    MIXED.without("exchange"),
    REKEY.without("link"),
    NEW_AUTHORITY.without("link"),
    AUTHORITY_RENEWAL.without("exchange", "link"),
    FIRST.synced_at_once(),
    RENEWAL.synced_at_once(),
    REKEY.synced_at_once(),
    NEW_AUTHORITY.without("exchange").synced_at_once(),
    REKEY.without("link").synced_at_once(),
)
