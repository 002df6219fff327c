"""From what an authority signed to entries: one for each broker and client, whatever its earlier certificates."""

from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from edgecerts.adoption.authorities import is_valid
from edgecerts.adoption.declaring import declarable_name, declare_leaf
from edgecerts.adoption.material import FoundCertificate, FoundKey, FoundRequest, LeftOut, LeftOutCode, Material
from edgecerts.adoption.roles import Evidence, common_names, find_role
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
    issued: Sequence[FoundCertificate], material: Material, *, authority_name: str, now: datetime
) -> tuple[tuple[Owned, ...], tuple[LeftOut, ...]]:
    """The certificates that become entries, and those that do not.

    Args:
        issued: what the authority signed.
        material: where keys and requests are.
        authority_name: its common name, which nobody else can have.
        now: tells what is still in use.
    """
    keys = {key.facts.spki_sha256: key for key in material.keys}
    requests: dict[str, FoundRequest] = {}
    for request in material.requests:
        requests.setdefault(request.spki_sha256, request)
    entries: list[Owned] = []
    left_out: list[LeftOut] = []
    groups: dict[tuple[EndEntityKind, object], list[Owned]] = {}
    for found in issued:
        owned = _own(found, keys, requests)
        problem = _problem(owned, authority_name)
        if problem is not None:
            left_out.append(problem)
        else:
            # Without a name, a key is who somebody is.
            who = fold_name(owned.name) if owned.name is not None else (owned.facts.spki_sha256,)
            groups.setdefault((owned.kind, who), []).append(owned)
    for group in groups.values():
        current = list(_current(group, now))
        entries += current
        used = {owned.facts.sha256 for owned in current}
        keys_in_use = {owned.facts.spki_sha256 for owned in current}
        left_out += [_older(owned, keys_in_use) for owned in group if owned.facts.sha256 not in used]
    return tuple(entries), tuple(left_out)


def shared_names(entries: Iterable[Owned]) -> frozenset[str]:
    """The common names that several clients have, folded."""
    clients = (owned for owned in entries if owned.kind is EndEntityKind.CLIENT and owned.name is not None)
    counts = Counter(fold_name(owned.name or "") for owned in clients)
    return frozenset(name for name, count in counts.items() if count > 1)


def same_serials(issued: Iterable[FoundCertificate]) -> frozenset[int]:
    """The serial numbers that an authority gave to more than one certificate."""
    counts = Counter(found.facts.serial_number for found in issued)
    return frozenset(number for number, count in counts.items() if count > 1)


def _own(found: FoundCertificate, keys: Mapping[str, FoundKey], requests: Mapping[str, FoundRequest]) -> Owned:
    spki = found.facts.spki_sha256
    key = keys.get(spki)
    places = (*found.places, *(key.places if key is not None else ()))
    kind, evidence = find_role(found.facts, places)
    return Owned(certificate=found, key=key, request=requests.get(spki), kind=kind, evidence=evidence)


def _current(group: Sequence[Owned], now: datetime) -> Iterator[Owned]:
    """Of certificates that name the same broker or client, those in use: the best of each key that has not expired.

    Where all have expired, the last one counts.
    """
    by_key: dict[str, list[Owned]] = {}
    for owned in group:
        by_key.setdefault(owned.facts.spki_sha256, []).append(owned)
    best = [max(certificates, key=lambda owned: _worth(owned.facts, now)) for certificates in by_key.values()]
    in_use = [owned for owned in best if owned.facts.not_after >= now]
    return iter(in_use or [max(best, key=lambda owned: _worth(owned.facts, now))])


def _worth(facts: CertificateFacts, now: datetime) -> tuple[bool, datetime, datetime, str]:
    return is_valid(facts, now), facts.not_after, facts.not_before, facts.sha256


def _older(owned: Owned, keys_in_use: Container[str]) -> LeftOut:
    facts = owned.facts
    whose = "the same key" if facts.spki_sha256 in keys_in_use else "another key"
    why = f"a newer one of {whose} is here"
    name = owned.name or "no common name"
    return LeftOut(
        code=LeftOutCode.OLDER_CERTIFICATE,
        files=paths_of(owned.certificate),
        message=f"the certificate of {owned.kind} {name} until {facts.not_after:%Y-%m-%d}: {why}",
    )


def _problem(owned: Owned, authority_name: str) -> LeftOut | None:
    """Why a certificate cannot become an entry, or None."""
    files, names = paths_of(owned.certificate), common_names(owned.facts)
    said = ", ".join(repr(name) for name in names) or "none"
    if declare_leaf(owned.facts, owned.kind, key_held=owned.held) is None:
        if owned.kind is EndEntityKind.BROKER:
            return LeftOut(
                code=LeftOutCode.NO_HOST,
                files=files,
                message=f"a broker's certificate that names no host which clients connect to (common name: {said})",
                hint="write an entry with its host as common_name; apply makes a new key and certificate",
            )
        return LeftOut(
            code=LeftOutCode.NAME_NOT_DECLARABLE,
            files=files,
            message=f"a client's certificate whose common name no manifest can have: {said}",
            hint="write an entry with another common_name, and change the broker's access list with it",
        )
    if owned.name is not None and fold_name(owned.name) == fold_name(authority_name):
        return LeftOut(
            code=LeftOutCode.NAME_OF_CA,
            files=files,
            message=f"it has the common name of its authority, {said}; OpenSSL takes it for self-signed",
            hint="write an entry with another common_name",
        )
    return None


def paths_of(found: FoundCertificate) -> tuple[str, ...]:
    """The files that hold a certificate."""
    return tuple(place.path for place in found.places)
