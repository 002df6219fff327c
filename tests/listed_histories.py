"""Random histories of plants that revoke: `python -m tests.listed_histories --runs 2000 --seed 1`.

Everything that happens in `tests.histories` happens here as well: files are lost, damaged and exchanged, clocks are set
back, authorities are replaced, keys are locked. Here somebody is revoked, too, and let in again; lists are lost or come
back from a backup; and the log loses lines, or has them twice and in another order. What must be in a list is worked
out beside the program, from the certificates that were seen and from the lines of the log that are as they were.
"""

import argparse
import hashlib
import json
import random
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import crypto

from edgecerts.errors import EdgecertsError
from edgecerts.plan.model import HazardCode, NoticeCode, Plan
from edgecerts.plan.options import PlanOptions
from tests import histories
from tests.histories import World, check_apply, first_certificate, promise
from tests.readers import spki

LIST = "ca/ca.crl.pem"
BEGIN, END = b"-----BEGIN X509 CRL-----", b"-----END X509 CRL-----"
REASONS = ("key-compromise", "superseded", "cessation-of-operation", "unspecified", "certificate-hold")
SETTINGS: tuple[Any, ...] = (
    None,
    {"validity": "90d"},
    {"validity": "7d", "renew_before": "50%"},
    {"validity": "30y"},
    {"url": "http://pki.example/ca.crl"},
)


@dataclass(frozen=True)
class Seen:
    """A certificate that lay in the folder, and its line of the log as that was at first."""

    certificate: x509.Certificate
    address: str
    line: dict[str, Any] | None


@dataclass
class Listing(World):
    """A world with revocations.

    Attributes:
        seen: every certificate that ever was in its place, by its digest.
        backups: what the list said earlier.
    """

    seen: dict[str, Seen] = field(default_factory=dict)
    backups: list[bytes] = field(default_factory=list)


# ----- what is there


@cache
def read_lists(pem: bytes | None) -> tuple[x509.CertificateRevocationList, ...]:
    """Every list of a file that can be read, whatever else is in it."""
    found = []
    for part in (pem or b"").split(BEGIN)[1:]:
        with suppress(ValueError):
            crl = x509.load_pem_x509_crl(BEGIN + part.partition(END)[0] + END)
            number_of(crl)
            found.append(crl)
    # The same list twice is one list.
    return tuple({crl.fingerprint(hashes.SHA256()): crl for crl in found}.values())


def number_of(crl: x509.CertificateRevocationList) -> int:
    try:
        return crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
    except x509.ExtensionNotFound:
        return 0


def reasons_of(crl: x509.CertificateRevocationList) -> dict[int, str]:
    found: dict[int, str] = {}
    for entry in crl:
        promise(entry.serial_number not in found, "no certificate stands in a list twice")
        reasons = [one.value.reason.value for one in entry.extensions if isinstance(one.value, x509.CRLReason)]
        found[entry.serial_number] = reasons[0] if reasons else "unspecified"
    return found


def is_signed(crl: x509.CertificateRevocationList, authority: x509.Certificate) -> bool:
    with suppress(ValueError, TypeError):
        return crl.issuer == authority.subject and crl.is_signature_valid(authority.public_key())  # type: ignore[arg-type]
    return False


def authority_of(world: World) -> x509.Certificate | None:
    return first_certificate(histories.content_of(world, "ca/ca.pem"))


def copies_here(world: World, authority: x509.Certificate) -> list[x509.CertificateRevocationList]:
    """The authority's lists that brokers have, as far as the manifest has those brokers."""
    copies = (one.list_copy for one in world.graph.end_entities if one.list_copy is not None)
    lists = (crl for copy in copies for crl in read_lists(histories.content_of(world, copy.path)))
    return [crl for crl in lists if is_signed(crl, authority)]


def lists_here(world: World, authority: x509.Certificate) -> list[x509.CertificateRevocationList]:
    """The authority's own list; of several in one file the newest last."""
    own = [crl for crl in read_lists(histories.content_of(world, LIST)) if is_signed(crl, authority)]
    return sorted(own, key=number_of)


def raw_lines(world: World) -> Iterator[dict[str, Any]]:
    """Lines of the log that are some JSON object."""
    for path in world.output.glob("issued/*.jsonl"):
        if path.is_file():
            for line in path.read_bytes().decode(errors="replace").split("\n"):
                with suppress(ValueError, RecursionError):
                    entry = json.loads(line)
                    if isinstance(entry, dict):
                        yield entry


def look_around(world: Listing) -> None:
    """Notes every certificate that is in its place, and the list."""
    lines = {entry.get("sha256"): entry for entry in raw_lines(world) if isinstance(entry.get("sha256"), str)}
    for kind, stem in (("brokers", "server"), ("clients", "client")):
        for path in world.output.glob(f"{kind}/*/{stem}.pem"):
            certificate = first_certificate(histories.read_anyway(path)) if path.is_file() else None
            if certificate is None:
                continue
            digest = hashlib.sha256(certificate.public_bytes(Encoding.DER)).hexdigest()
            if digest not in world.seen:
                address = f"{kind.removesuffix('s')}/{path.parent.name}"
                world.seen[digest] = Seen(certificate=certificate, address=address, line=lines.get(digest))
    content = histories.content_of(world, LIST)
    if content and content not in world.backups:
        world.backups.append(content)


# ----- what is promised


def check(world: Listing, chance: random.Random) -> None:
    """Everything that is promised of the world as it is now."""
    plan = check_listing(world, PlanOptions())
    if plan.refusals and chance.random() < 0.5:
        world.story.append(f"  --allow {', '.join(sorted({hazard.code for hazard in plan.refusals}))}")
        check_listing(world, PlanOptions(allow=histories.EVERYTHING))


def check_listing(world: Listing, options: PlanOptions) -> Plan:
    look_around(world)
    authority = authority_of(world)
    before = lists_here(world, authority) if authority else []
    copies = copies_here(world, authority) if authority else []
    content = histories.content_of(world, LIST)
    plan = check_apply(world, options)
    look_around(world)
    if plan.pending:  # with a cause that nobody can know before a locked key is open
        return plan
    promise(content is None or histories.content_of(world, LIST) is not None, "the list does not vanish")
    if any(notice.code == NoticeCode.NOT_JUDGED for notice in plan.notices) or not asks_for_list(world):
        promise(content == histories.content_of(world, LIST), "a list that nobody may judge is as it was")
        return plan
    held = plan.blocked_addresses | {str(change.address) for change in plan.refused}
    present = authority_of(world)
    if "ca/crl" in held or "ca/certificate" in held or present is None or histories.has_odd_files(world):
        return plan
    # With another name it is another issuer, whose numbers begin anew, and nothing that it issued before is trusted.
    if authority is None or not is_same(authority, present):
        before, copies = [], []
    check_list(world, present, before, copies, options)
    check_told(world, present, plan)
    check_connections(world, present, plan, held)
    return plan


def is_same(one: x509.Certificate, other: x509.Certificate) -> bool:
    return one.subject == other.subject and spki(one.public_key()) == spki(other.public_key())


def asks_for_list(world: World) -> bool:
    rekeys = bool(world.manifest["defaults"].get("revoke_on_rekey") and all_entries(world))
    return rekeys or "crl" in world.manifest or bool(world.manifest.get("revoked"))


def check_list(
    world: Listing,
    authority: x509.Certificate,
    before: Sequence[x509.CertificateRevocationList],
    copies: Sequence[x509.CertificateRevocationList],
    options: PlanOptions,
) -> None:
    """One whole list in time, with all that it must have, and nothing without a cause."""
    found = read_lists(histories.content_of(world, LIST))
    promise(len(found) == 1 and is_signed(found[0], authority), "there is one list, which the authority signed")
    (crl,), entries = found, reasons_of(found[0])
    end = crl.next_update_utc
    promise(end is not None and end >= world.now, "the list has not ended")
    intact = list(intact_certificates(world, authority))
    wanted = {serial: reason for serial, ends, reason in declared_serials(world, intact) if ends >= world.now}
    promise(wanted.keys() <= entries.keys(), f"revoked, and not in the list: {set(wanted) - set(entries)}")
    for serial, reasons in wanted.items():
        promise(normal(entries[serial]) in {normal(reason) for reason in reasons}, f"{serial:x} has its reason")
    if before:
        unchanged = found[0].fingerprint(hashes.SHA256()) == before[-1].fingerprint(hashes.SHA256())
        grows = all(number_of(crl) > number_of(one) for one in before)
        promise(unchanged or grows, "the number grows with each new list")
    ended = {seen.certificate.serial_number for seen in world.seen.values() if not_after(seen) < world.now}
    allowed = HazardCode.UNREVOKED in options.allow
    for serial in {serial for one in (*before, *copies) for serial in reasons_of(one)}:
        known = any(seen.certificate.serial_number == serial for seen in world.seen.values())
        if serial not in ended and not (allowed and known):
            promise(serial in entries, f"the entry {serial:x} was dropped")


def check_told(world: Listing, authority: x509.Certificate, plan: Plan) -> None:
    """Entries that lock nobody out are told, and no others."""
    told = " ".join(hazard.message for hazard in plan.hazards if hazard.code == HazardCode.REVOKES_NOTHING)
    intact = list(intact_certificates(world, authority))
    logged = {str(line.get("address")).rpartition("/")[0] for line in raw_lines(world)}
    here = {f"{path.parts[-3].removesuffix('s')}/{path.parts[-2]}" for path in world.output.glob("*/*/*.pem")}
    for name in {entry["name"] for entry in world.manifest.get("revoked", ()) if "name" in entry}:
        is_told = f" {name} (" in told
        if name not in logged | here:
            promise(is_told, f"{name} was never issued anything")
        entries = [entry for entry in world.manifest["revoked"] if entry.get("name") == name]
        if all(any(covers(entry, seen) for seen in intact) for entry in entries):
            promise(not is_told, f"{name} is revoked")


def covers(entry: dict[str, Any], seen: Seen) -> bool:
    """Whether an entry for a name is about a certificate."""
    assert seen.line is not None
    if entry.get("name") != seen.line["address"].rpartition("/")[0]:
        return False
    return "since" not in entry or datetime.fromisoformat(seen.line["issued_at"]) < datetime.fromisoformat(
        entry["since"]
    )


def not_after(seen: Seen) -> datetime:
    return seen.certificate.not_valid_after_utc


def normal(reason: str) -> str:
    return reason.replace("-", "").lower()


def intact_certificates(world: Listing, authority: x509.Certificate) -> Iterator[Seen]:
    """Certificates of this authority whose line of the log is as it was."""
    lines = [json.dumps(line, sort_keys=True) for line in raw_lines(world)]
    own = spki(authority.public_key())
    for seen in world.seen.values():
        # The authority's own certificate may lie in somebody's place, and no list revokes it.
        if spki(seen.certificate.public_key()) == own:
            continue
        if seen.line is not None and json.dumps(seen.line, sort_keys=True) in lines:
            with suppress(Exception):
                seen.certificate.verify_directly_issued_by(authority)
                yield seen


def declared_serials(world: Listing, known: Sequence[Seen]) -> Iterator[tuple[int, datetime, set[str]]]:
    stolen = stolen_keys(world, known)
    perhaps = stolen_keys(world, [seen for seen in world.seen.values() if seen.line is not None])
    for seen in known:
        reasons = set(reasons_for(world, seen))
        key = spki(seen.certificate.public_key())
        if key in stolen or (reasons and key in perhaps):
            reasons.add("key-compromise")
        if reasons:
            yield seen.certificate.serial_number, not_after(seen), reasons


def reasons_for(world: Listing, seen: Seen) -> list[str]:
    serial = f"{seen.certificate.serial_number:x}"
    return [
        entry["reason"]
        for entry in world.manifest.get("revoked", ())
        if covers(entry, seen) or entry.get("serial") == serial
    ]


def stolen_keys(world: Listing, known: Sequence[Seen]) -> set[bytes]:
    """Whoever has the key of one certificate has that of its renewals."""
    return {spki(seen.certificate.public_key()) for seen in known if "key-compromise" in reasons_for(world, seen)}


def check_connections(world: Listing, authority: x509.Certificate, plan: Plan, held: set[str] | frozenset[str]) -> None:
    """Brokers refuse who is in the list, and nobody else: the list locks out nobody who has nothing else."""
    graph = world.graph
    copies = [one.list_copy for one in graph.end_entities if one.list_copy is not None]
    own = read_lists(histories.content_of(world, LIST))[0]
    revoked = reasons_of(own)
    kept = {HazardCode.UNREVOKED.value} & {hazard.code for hazard in plan.hazards}
    for copy in copies:
        if str(copy.address) in held:
            continue
        content = histories.content_of(world, copy.path)
        if content is None:
            waiting = {remark.address.rpartition("/")[0] for remark in plan.waiting}
            promise(copy.address.identity in waiting, f"{copy.path} is there")
            continue
        digests = {crl.fingerprint(hashes.SHA256()) for crl in read_lists(content)}
        promise(own.fingerprint(hashes.SHA256()) in digests, f"{copy.path} has the authority's list")
        promise(len(digests) == 1 + len({entry.crl for entry in copy.also_trust}), f"{copy.path} has every list, once")
    for identity in graph.end_entities:
        if str(identity.certificate.address) in held:
            continue
        certificate = first_certificate(histories.content_of(world, identity.certificate.path))
        if certificate is None:
            continue
        is_in = certificate.serial_number in revoked
        on_hold = revoked.get(certificate.serial_number) == "certificateHold"
        promise(not is_in or on_hold or bool(kept), f"{identity.address} is locked out, and has nothing else")
        promise(refused_by_openssl(certificate, authority, own, world.now) is is_in, f"OpenSSL on {identity.address}")


def refused_by_openssl(
    leaf: x509.Certificate, authority: x509.Certificate, crl: x509.CertificateRevocationList, when: datetime
) -> bool:
    """Whether OpenSSL says that a certificate is revoked. Raises where it says anything else."""
    store = crypto.X509Store()
    store.add_cert(crypto.X509.from_cryptography(authority))
    store.add_crl(crl)
    flags = crypto.X509StoreFlags
    store.set_flags(flags.X509_STRICT | flags.CRL_CHECK | flags.CRL_CHECK_ALL)
    # A clock that is behind is the clock's fault.
    store.set_time(max(when, leaf.not_valid_before_utc, authority.not_valid_before_utc, crl.last_update_utc))
    try:
        crypto.X509StoreContext(store, crypto.X509.from_cryptography(leaf)).verify_certificate()
    except crypto.X509StoreContextError as error:
        promise("revoked" in str(error), f"OpenSSL accepts the list, and says not: {error}")
        return True
    return False


# ----- what happens


def revoke(world: Listing, chance: random.Random) -> str:
    """Somebody who leaves, who was replaced, or one certificate."""
    entry: dict[str, Any] = {"reason": chance.choice(REASONS)}
    names = sorted({seen.address for seen in world.seen.values()} | {address(*one) for one in all_entries(world)})
    if not names:
        return "nothing"
    how = chance.randrange(4)
    if how == 0 and world.seen:
        entry["serial"] = f"{chance.choice(list(world.seen.values())).certificate.serial_number:x}"
    elif how == 1:
        entry |= {"serial": f"{chance.randrange(1, 1 << 159):x}", "unknown": True}
    else:
        entry["name"] = chance.choice(names) if chance.random() < 0.9 else "client/slip-of-the-pen"
        kind, _, name = entry["name"].partition("/")
        if how == 2:
            since = world.now - timedelta(days=chance.choice((0, 1, 40)), seconds=chance.choice((0, 1)))
            entry["since"] = since.strftime("%Y-%m-%dT%H:%M:%SZ")
        else:
            world.manifest[f"{kind}s"].pop(name, None)
    world.manifest.setdefault("revoked", []).append(entry)
    return f"revoke {entry}"


def all_entries(world: World) -> list[tuple[str, str]]:
    return histories.entries(world.manifest)


def address(kind: str, name: str) -> str:
    return f"{kind.removesuffix('s')}/{name}"


def take_back(world: Listing, chance: random.Random) -> str:
    revoked = world.manifest.get("revoked")
    if not revoked:
        return "nothing"
    return f"not revoked any more: {revoked.pop(chance.randrange(len(revoked)))}"


def other_settings(world: Listing, chance: random.Random) -> str:
    value = chance.choice(SETTINGS)
    histories.set_property(world.manifest, "crl", value if value is not None else {})
    rekeys = chance.choice((None, True, True))
    histories.set_property(world.manifest["defaults"], "revoke_on_rekey", rekeys)
    return f"crl = {value}, revoke_on_rekey = {rekeys}"


def no_settings(world: Listing, chance: random.Random) -> str:
    world.manifest.pop("crl", None)
    if chance.random() < 0.5:
        world.manifest.pop("revoked", None)
    return "no crl"


def rekey(world: Listing, chance: random.Random) -> str:
    """Somebody asks for another key."""
    found = all_entries(world)
    if not found:
        return "nothing"
    which = address(*chance.choice(found))
    with suppress(EdgecertsError):
        world.apply(PlanOptions(replace=frozenset({f"{which}/private-key"})))
    return f"replace {which}/private-key"


def older_list(world: Listing, chance: random.Random) -> str:
    """One from a backup, for one place or for all."""
    places = [path for path in (LIST, *brokers_copies(world)) if (world.output / path).is_file()]
    if not places or not world.backups:
        return "nothing"
    content = chance.choice(world.backups)
    chosen = chance.choice([places, places[:1], [chance.choice(places)]])
    for path in chosen:
        (world.output / path).chmod(0o644)
        (world.output / path).write_bytes(content)
    return f"an older list in {chosen}"


def brokers_copies(world: World) -> list[str]:
    return [path.relative_to(world.output).as_posix() for path in world.output.glob("brokers/*/crl.pem")]


def lose_lists(world: Listing, chance: random.Random) -> str:
    places = chance.choice([[LIST], brokers_copies(world), [LIST, *brokers_copies(world)]])
    for path in places:
        with suppress(OSError):
            (world.output / path).unlink()
    return f"lose {places}"


def damage_log(world: Listing, chance: random.Random) -> str:
    """Lines that are lost, twice, or in another order; or a file that is cut off."""
    logs = [path for path in sorted(world.output.glob("issued/*.jsonl")) if path.is_file()]
    if not logs:
        return "nothing"
    path = chance.choice(logs)
    data = histories.read_anyway(path)
    lines = data.splitlines(keepends=True)
    how = chance.choice(("lose", "cut off", "twice", "reorder", "all"))
    if how == "lose" and lines:
        lines.pop(chance.randrange(len(lines)))
    elif how == "twice":
        lines += chance.sample(lines, k=min(3, len(lines)))
    elif how == "reorder":
        chance.shuffle(lines)
    elif how == "all":
        lines = []
    data = b"".join(lines) if how != "cut off" else data[: chance.randrange(len(data) + 1)]
    path.chmod(0o644)
    path.write_bytes(data)
    return f"{how} of {path.relative_to(world.output)}"


def hide_key(world: Listing, chance: random.Random) -> str:
    """The authority's key is taken away, or comes back."""
    key, away = world.output / "ca/ca.key", world.folder / "away.key"
    if away.exists():
        if key.parent.is_dir() and not key.exists():
            away.rename(key)
        return "the authority's key is back"
    if key.is_file() and not key.is_symlink():
        key.rename(away)
        return "the authority's key is away"
    return "nothing"


def also_trust(world: Listing, chance: random.Random) -> str:
    names = chance.choice(([], ["other"], ["other", "third"]))
    value = [{"ca": f"{name}-ca.pem", "crl": f"{name}-crl.pem"} for name in names]
    histories.set_property(world.manifest["ca"], "also_trust", value or None)
    return f"also_trust = {value}"


Step = Callable[[Listing, random.Random], str]
STEPS: list[tuple[int, Step]] = [
    *((weight * 2 // 3, step) for weight, step in histories.STEPS if weight > 1),
    (40, revoke), (14, take_back), (6, other_settings), (2, no_settings), (16, rekey), (12, older_list),
    (12, lose_lists), (14, damage_log), (8, hide_key), (4, also_trust),
]  # fmt: skip


# ----- telling a history


@cache
def template() -> tempfile.TemporaryDirectory[str]:
    """What other histories have, and a list of each of the other authorities."""
    made = tempfile.TemporaryDirectory(prefix="histories-")
    root = Path(made.name)
    shutil.copytree(histories.template().name, root, dirs_exist_ok=True)
    for name, common_name in (("other", "Test CA"), ("third", "Third CA")):
        manifest = {"version": 1, "ca": {"common_name": common_name}, "clients": {"theirs": {}}, "crl": {}}
        World(folder=root / name, manifest=manifest, now=histories.START).apply()
        shutil.copy(root / name / "pki" / LIST, root / f"{name}-crl.pem")
    return made


def random_manifest(chance: random.Random) -> histories.Manifest:
    """A plant as in other histories, and nearly always with a list."""
    while True:
        manifest = histories.random_manifest(chance)
        for entry in manifest["ca"].get("also_trust", ()):
            entry["crl"] = entry["ca"].replace("-ca.pem", "-crl.pem")
        manifest["crl"] = chance.choice(SETTINGS) or {}
        if chance.random() < 0.5:
            manifest["defaults"]["revoke_on_rekey"] = True
        if histories.is_valid(manifest):
            return manifest


def tell(seed: int, folder: Path, steps: Sequence[int]) -> Listing:
    """Tells one history; the arguments and what is raised are those of `tests.histories.tell`."""
    shutil.copytree(template().name, folder, dirs_exist_ok=True)
    world = Listing(folder=folder, manifest=random_manifest(random.Random(f"{seed}")))
    world.story.append(json.dumps(world.manifest))
    weights, functions = zip(*STEPS, strict=True)
    try:
        with histories.quick_encryption():
            check(world, random.Random(f"{seed} first"))
            for number in steps:
                chance = random.Random(f"{seed} {number}")
                for _ in range(chance.choice([1, 1, 1, 2])):
                    before = json.loads(json.dumps(world.manifest))
                    step = chance.choices(functions, weights)[0]
                    world.story.append(f"{number}: {step.__name__}")
                    world.story[-1] = f"{number}: " + step(world, chance)
                    if not histories.is_valid(world.manifest):
                        world.manifest = before
                        world.story.append("  (a mistake in the manifest, taken back)")
                check(world, chance)
    except Exception as error:
        error.add_note("\n".join(world.story))
        raise
    return world


def tell_one(seed: int, length: int = 7) -> None:
    """Tells one history in a folder of its own; where it fails, again with as few steps as show it."""

    def told(steps: Sequence[int]) -> None:
        with tempfile.TemporaryDirectory(prefix="history-", dir=histories._quick_folder()) as folder:
            tell(seed, Path(folder), steps)

    steps = list(range(length))
    shortest: Exception | None = None
    try:
        told(steps)
    except Exception as error:
        shortest = error
    if shortest is None:
        return
    for number in reversed(range(length)):
        shorter = [step for step in steps if step != number]
        try:
            told(shorter)
        except Exception as same:
            if type(same) is type(shortest):
                steps, shortest = shorter, same
    shortest.add_note(f"history {seed}, steps {steps}")
    raise shortest


def main() -> int:
    """Tells the given number of histories; prints each that fails with its seed and its shortest story."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--runs", type=int, default=1000)
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--steps", type=int, default=9)
    given = arguments.parse_args()
    failed, began = 0, time.monotonic()
    for seed in range(given.seed, given.seed + given.runs):
        try:
            tell_one(seed, given.steps)
        except Exception:
            failed += 1
            traceback.print_exc()
    print(f"{given.runs} histories in {time.monotonic() - began:.0f} s, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
