"""From what an authority signed to entries: one for each broker and client, whatever its earlier certificates."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from edgecerts.adoption.authorities import is_valid
from edgecerts.adoption.declaring import declarable_name, declare_leaf
from edgecerts.adoption.material import FoundCertificate, FoundKey, FoundRequest, LeftOut, LeftOutCode, Material
from edgecerts.adoption.naming import folder_name
from edgecerts.adoption.roles import Evidence, addresses_as_dns_names, common_names, find_role, host_alt_names
from edgecerts.adoption.told_roles import ToldRoles
from edgecerts.manifest.model import EndEntityKind, KeyHeld
from edgecerts.manifest.rules import fold_name
from edgecerts.pki.certificate_facts import CertificateFacts


@dataclass(frozen=True, kw_only=True, slots=True)
class Owned:
    """A certificate with what belongs to it.

    Attributes:
        evidence: what shows its role.
    """

    certificate: FoundCertificate
    key: FoundKey | None
    request: FoundRequest | None
    kind: EndEntityKind
    evidence: Evidence

    @property
    def facts(self) -> CertificateFacts:
        return self.certificate.facts

    @property
    def held(self) -> KeyHeld:
        """Where the private key lives, as far as the folder shows."""
        if self.key is not None:
            return KeyHeld.HERE
        return KeyHeld.DELIVERED if self.request is None else KeyHeld.CSR

    @property
    def name(self) -> str | None:
        """The common name in the manifest, or None."""
        return declarable_name(self.facts, self.kind)


def find_entries(
    issued: Sequence[FoundCertificate],
    material: Material,
    *,
    authority: CertificateFacts,
    authority_name: str,
    told: ToldRoles,
    now: datetime,
) -> tuple[tuple[Owned, ...], tuple[LeftOut, ...]]:
    """The certificates that become entries, and those that do not.

    Args:
        issued: what the authority signed and did not revoke.
        material: where keys and requests are.
        authority: its certificate.
        authority_name: its common name, which nobody else can have.
        told: the roles that somebody told.
        now: tells what is still in use.

    Returns:
        the entries, those of one name together with the newest first; and what is left out.
    """
    keys = {key.facts.spki_sha256: key for key in material.keys}
    requests: dict[str, FoundRequest] = {}
    for request in material.requests:
        requests.setdefault(request.spki_sha256, request)
    entries: list[Owned] = []
    left_out: list[LeftOut] = []
    groups: dict[tuple[EndEntityKind, object], list[Owned]] = {}
    for found in issued:
        owned = _own(found, keys, requests, told)
        problem = _problem(owned, authority, authority_name)
        if problem is not None:
            left_out.append(problem)
        else:
            # Without a name, a key is who somebody is.
            who = fold_name(owned.name) if owned.name is not None else (owned.facts.spki_sha256,)
            groups.setdefault((owned.kind, who), []).append(owned)
    for group in groups.values():
        current, older = _split(group, now)
        entries += current
        left_out += [_older(owned, newer) for owned, newer in older]
    return tuple(entries), tuple(left_out)


def shared_names(entries: Iterable[Owned]) -> frozenset[str]:
    """The common names that several clients have, folded."""
    clients = (owned for owned in entries if owned.kind is EndEntityKind.CLIENT and owned.name is not None)
    counts = Counter(fold_name(owned.name or "") for owned in clients)
    return frozenset(name for name, count in counts.items() if count > 1)


def shared_hosts(entries: Iterable[Owned]) -> dict[str, list[Owned]]:
    """The hosts that several brokers have."""
    brokers: dict[str, list[Owned]] = {}
    for owned in entries:
        if owned.kind is EndEntityKind.BROKER:
            for host in sorted(hosts_of(owned)):
                brokers.setdefault(host, []).append(owned)
    return {host: owners for host, owners in brokers.items() if len(owners) > 1}


def name_by_folders(entries: Iterable[Owned]) -> dict[str, str]:
    """Names of entries by their certificates' SHA-256, for those that share a name and lie in folders of their own."""
    groups: dict[tuple[EndEntityKind, str], list[Owned]] = {}
    for owned in entries:
        if owned.name is not None:
            groups.setdefault((owned.kind, fold_name(owned.name)), []).append(owned)
    found: dict[str, str] = {}
    for group in groups.values():
        named = {owned.facts.sha256: folder_name(owned.certificate.places) for owned in group}
        names = {sha256: name for sha256, name in named.items() if name is not None}
        if 1 < len(group) == len({name.casefold() for name in names.values()}):
            found |= names
    return found


def same_serials(issued: Iterable[FoundCertificate]) -> frozenset[int]:
    """The serial numbers that an authority gave to more than one certificate."""
    counts = Counter(found.facts.serial_number for found in issued)
    return frozenset(number for number, count in counts.items() if count > 1)


def _own(
    found: FoundCertificate, keys: Mapping[str, FoundKey], requests: Mapping[str, FoundRequest], told: ToldRoles
) -> Owned:
    spki = found.facts.spki_sha256
    key = keys.get(spki)
    places = (*found.places, *(key.places if key is not None else ()))
    kind, evidence = find_role(found.facts, places)
    role = told.find(found)
    if role is not None:
        kind, evidence = role, Evidence.TOLD
    return Owned(certificate=found, key=key, request=requests.get(spki), kind=kind, evidence=evidence)


def _split(group: Sequence[Owned], now: datetime) -> tuple[list[Owned], list[tuple[Owned, Owned]]]:
    """Of certificates that name the same broker or client, those in use, and those that another one replaced.

    What has expired was replaced by what has one of its names, and what is valid only by what has the same key and all
    of its names. What has other names is another broker, whatever its common name.

    Returns:
        the newest first; and each that was replaced with one that did.
    """
    current: list[Owned] = []
    by_key: dict[str, list[Owned]] = {}
    older: list[tuple[Owned, Owned]] = []
    for owned in sorted(group, key=lambda owned: _worth(owned, now), reverse=True):
        if owned.facts.not_after < now:
            newer = next((other for other in current if _overlap(hosts_of(owned), hosts_of(other))), None)
        else:
            same = by_key.get(owned.facts.spki_sha256, ())
            newer = next((other for other in same if hosts_of(owned) <= hosts_of(other)), None)
        if newer is not None:
            older.append((owned, newer))
            continue
        current.append(owned)
        by_key.setdefault(owned.facts.spki_sha256, []).append(owned)
    # Those that began at one time stay in the order of their files.
    current.sort(key=lambda owned: owned.certificate.places)
    return sorted(current, key=lambda owned: _age(owned.facts, now), reverse=True), older


def _overlap(some: frozenset[str], others: frozenset[str]) -> bool:
    return bool(some & others) or not some


def hosts_of(owned: Owned) -> frozenset[str]:
    """What tells a broker from others. A client is told by its common name, or without one by its other names."""
    facts = owned.facts
    if owned.kind is EndEntityKind.CLIENT:
        return frozenset() if owned.name is not None else facts.alt_names
    hosts = host_alt_names(facts) + addresses_as_dns_names(facts)
    return frozenset(name.casefold() for name in hosts or (owned.name or "",))


def _worth(owned: Owned, now: datetime) -> tuple[bool, date, int, datetime, datetime, str]:
    """Of two that end on the same day, the one with fewer faults is better."""
    facts = owned.facts
    # What an authority signs by hand begins and ends at another second each time.
    return (
        is_valid(facts, now),
        facts.not_after.date(),
        -_faults(owned),
        facts.not_after,
        facts.not_before,
        facts.sha256,
    )


def _age(facts: CertificateFacts, now: datetime) -> tuple[bool, datetime, datetime]:
    return is_valid(facts, now), facts.not_before, facts.not_after


def _faults(owned: Owned) -> int:
    """How much of what makes stacks refuse a certificate is wrong with it."""
    facts = owned.facts
    nameless = owned.kind is EndEntityKind.BROKER and not host_alt_names(facts)
    return sum((facts.version < 3, bool(facts.is_ca), facts.weak_signature, nameless, facts.authority_key_id is None))


def _older(owned: Owned, newer: Owned) -> LeftOut:
    facts, taken = owned.facts, newer.facts
    whose = "the same key" if facts.spki_sha256 == taken.spki_sha256 else "another key"
    name = owned.name or "without a common name"
    return LeftOut(
        code=LeftOutCode.OLDER_CERTIFICATE,
        files=paths_of(owned.certificate),
        message=f"another certificate of {owned.kind} {name}, from {facts.not_before:%Y-%m-%d} until"
        f" {facts.not_after:%Y-%m-%d}; the one that is taken over has {whose}, from {taken.not_before:%Y-%m-%d} until"
        f" {taken.not_after:%Y-%m-%d}",
        spki_sha256=facts.spki_sha256,
    )


def _problem(owned: Owned, authority: CertificateFacts, authority_name: str) -> LeftOut | None:
    """Why a certificate cannot become an entry, or None."""
    files, names = paths_of(owned.certificate), common_names(owned.facts)
    said = ", ".join(f"'{name}'" for name in names) or "none"
    if declare_leaf(owned.facts, owned.kind, key_held=owned.held) is None:
        if owned.kind is EndEntityKind.BROKER:
            return LeftOut(
                code=LeftOutCode.NO_HOST,
                files=files,
                message=f"a broker's certificate that names no host which clients connect to (common name: {said})",
                hint="write an entry with its host as common_name; apply makes a new key and certificate",
                spki_sha256=owned.facts.spki_sha256,
            )
        return LeftOut(
            code=LeftOutCode.NAME_NOT_DECLARABLE,
            files=files,
            message=f"a client's certificate whose common name no manifest can have: {said}",
            hint="write an entry with another common_name, and change the broker's access list with it",
            spki_sha256=owned.facts.spki_sha256,
        )
    if owned.name is not None and fold_name(owned.name) == fold_name(authority_name):
        return LeftOut(
            code=LeftOutCode.NAME_OF_CA,
            files=files,
            message=f"it has the common name of its authority, {said}; {_why_not(owned, authority)}",
            hint="write an entry with another common_name; apply makes a new key and certificate",
            spki_sha256=owned.facts.spki_sha256,
        )
    return None


def _why_not(owned: Owned, authority: CertificateFacts) -> str:
    if owned.facts.subject_der == authority.subject_der:
        return "its whole subject is its issuer's, and OpenSSL takes such a certificate for self-signed"
    return "it works, as its subject differs elsewhere; but a manifest can give that name to the authority alone"


def paths_of(found: FoundCertificate) -> tuple[str, ...]:
    """The files that hold a certificate."""
    return tuple(place.path for place in found.places)
