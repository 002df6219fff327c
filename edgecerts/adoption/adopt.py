"""From what a source folder holds to what is taken over. Pure: no file is read, and nothing is written."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime

from edgecerts.adoption.authorities import FoundAuthority, choose_authority, find_lineages, find_rivals
from edgecerts.adoption.authority_findings import find_authority_faults
from edgecerts.adoption.certificate_findings import Judged, find_certificate_faults
from edgecerts.adoption.declared_revocations import DeclaredRevocations, declare_revocations, find_obstacle
from edgecerts.adoption.declaring import (
    EARLY_RENEWAL,
    declare_authority,
    declare_leaf,
    declare_renewal,
    lifetime_of,
    undeclarable_alt_names,
)
from edgecerts.adoption.defaults import find_defaults, under_defaults
from edgecerts.adoption.entries import Owned, find_entries, name_by_folders, same_serials, shared_hosts, shared_names
from edgecerts.adoption.findings import Finding, FindingCode, Outcome
from edgecerts.adoption.key_findings import CA, find_keeping_faults, find_key_faults, name_some
from edgecerts.adoption.leftovers import leave_out_rest, with_their_keys
from edgecerts.adoption.material import LeftOut, Material
from edgecerts.adoption.model import AdoptedAuthority, AdoptedEntry, Adoption, Declared, OtherTrust
from edgecerts.adoption.naming import EntryNames
from edgecerts.adoption.revoked import Revocations, find_revocations, list_unused
from edgecerts.adoption.role_findings import find_revoked_folder, find_shared_hosts, find_uncertainty
from edgecerts.adoption.roles import serves_all
from edgecerts.adoption.told_roles import ToldRoles
from edgecerts.adoption.trust import find_other_trust, leave_out_others
from edgecerts.adoption.unopened import find_unopened
from edgecerts.manifest.model import EndEntityKind
from edgecerts.manifest.rules import fold_name
from edgecerts.pki.profiles import END_ENTITY_VALIDITY, Usage

_NOTHING_TOLD = ToldRoles()


def build_adoption(
    material: Material,
    *,
    source: str,
    now: datetime,
    wanted: str | None,
    told: ToldRoles = _NOTHING_TOLD,
    again: str = "edgecerts import FOLDER",
) -> Adoption:
    """Decides what is taken over, and under which names.

    Args:
        material: what was found.
        source: the source folder as it was named.
        now: in UTC.
        wanted: the authority that was asked for, or None.
        told: which certificates are a broker's or a client's, as far as somebody says so.
        again: the command that reads this folder, for hints.

    Raises:
        UsageError: there is no such authority, or no certificate of a name that was told.
    """
    lineages = find_lineages(material, now)
    chosen = choose_authority(lineages, now, wanted=wanted)
    others = (*leave_out_others(lineages, chosen, now, again=again), *leave_out_rest(material))
    if chosen is None:
        return _adopt_nothing(material, others, source, now)
    told.check(chosen.issued)
    trusted = tuple(find_other_trust(lineages, chosen, now))
    revocations, revoked = _find_revoked(material, chosen, trusted, now)
    owned, left_out = find_entries(
        [found for found in chosen.issued if found.facts.sha256 not in revocations.certificates],
        material,
        authority=chosen.facts,
        authority_name=chosen.common_name or "",
        told=told,
        now=now,
    )
    taken = {found.facts.spki_sha256 for found in (chosen.certificate, *(entry.certificate for entry in owned))}
    leaves = [_declare(found) for found in owned]
    root = declare_authority(chosen, tuple(other.file for other in trusted if other.active))
    defaults = find_defaults(root, leaves)
    unopened = find_unopened(material)
    authority = _adopt_authority(chosen, root, defaults, str(unopened), now)
    clerk = _Clerk(chosen=chosen, defaults=defaults, owned=owned, unopened=str(unopened), now=now)
    entries = [clerk.enter(found, leaf) for found, leaf in zip(owned, leaves, strict=True)]
    return Adoption(
        source=source,
        created_at=now,
        files=material.files,
        authority=authority,
        defaults=defaults,
        entries=tuple(sorted(entries, key=lambda entry: (entry.kind, entry.name.casefold()))),
        trusted=trusted,
        left_out=with_their_keys((*revocations.left_out, *left_out, *others), material, taken),
        rivals=find_rivals(lineages, chosen, now),
        revoked=revoked,
        unopened=unopened,
    )


def _find_revoked(
    material: Material, chosen: FoundAuthority, trusted: Sequence[OtherTrust], now: datetime
) -> tuple[Revocations, DeclaredRevocations]:
    """What is revoked, and what of it the manifest declares."""
    obstacle = find_obstacle(chosen, trusts_others=any(other.active for other in trusted))
    found = find_revocations(material, chosen, is_declared=obstacle is None)
    issued = (certificate for certificate in chosen.issued if certificate.facts.sha256 not in found.certificates)
    in_use = {one.facts.serial_number for one in (chosen.certificate, *chosen.older, *issued)}
    return found, declare_revocations(found.revoked, obstacle=obstacle, in_use=in_use, now=now)


def _adopt_nothing(material: Material, others: Sequence[LeftOut], source: str, now: datetime) -> Adoption:
    left_out = (*others, *list_unused(material))
    return Adoption(
        source=source,
        created_at=now,
        files=material.files,
        authority=None,
        defaults=Declared(),
        entries=(),
        trusted=(),
        left_out=with_their_keys(left_out, material, taken=()),
    )


def _declare(found: Owned) -> Declared:
    """What the manifest says of an entry. What may be a broker or a client goes on being usable as both."""
    declared = declare_leaf(found.facts, found.kind, key_held=found.held) or Declared()
    if found.evidence.is_certain or not serves_all(found.facts):
        return declared
    return replace(declared, usages=tuple(Usage))


def _adopt_authority(
    chosen: FoundAuthority, declared: Declared, defaults: Declared, unopened: str, now: datetime
) -> AdoptedAuthority:
    facts, key = chosen.facts, chosen.key
    validity = lifetime_of(defaults.lifetime) or END_ENTITY_VALIDITY
    renewal = declare_renewal(facts, end_entity_validity=validity, now=now)
    window = EARLY_RENEWAL if renewal is not None else min(validity, (facts.not_after - facts.not_before) / 2)
    findings = (
        *find_authority_faults(facts, is_due=facts.not_after - window <= now, now=now),
        *find_key_faults(facts.certificate.public_key(), address=CA),
        *find_keeping_faults(key, chosen.certificate.places, address=CA, unopened=unopened),
    )
    return AdoptedAuthority(
        found=chosen,
        declared=replace(under_defaults(declared, defaults, is_authority=True), renew_before=renewal),
        findings=findings,
    )


class _Clerk:
    """Enters what an authority signed."""

    def __init__(
        self,
        *,
        chosen: FoundAuthority,
        defaults: Declared,
        owned: Sequence[Owned],
        unopened: str,
        now: datetime,
    ) -> None:
        own_name = fold_name(chosen.common_name or "")
        self._chosen = chosen
        self._defaults = defaults
        self._unopened = unopened
        self._now = now
        self._names = EntryNames({fold_name(found.name) for found in owned if found.name is not None} | {own_name})
        self._shared = shared_names(owned)
        self._hosts = shared_hosts(owned)
        self._folders = name_by_folders(owned)
        self._serials = same_serials(chosen.issued)
        self._users = Counter(found.facts.spki_sha256 for found in owned)

    def enter(self, found: Owned, leaf: Declared) -> AdoptedEntry:
        """The entry of one certificate.

        Args:
            leaf: what the manifest would say of it without defaults.
        """
        preferred = self._folders.get(found.facts.sha256)
        name = self._names.choose(found.name, found.certificate.places, preferred=preferred)
        shared = found.kind is EndEntityKind.CLIENT and fold_name(found.name or "") in self._shared
        declared = under_defaults(leaf, self._defaults, is_authority=False)
        opened_by = found.key.opened_by if found.key is not None else None
        return AdoptedEntry(
            kind=found.kind,
            name=name,
            evidence=found.evidence,
            certificate=found.certificate,
            key=found.key,
            request=found.request,
            declared=replace(
                declared,
                common_name=None
                if found.kind is EndEntityKind.CLIENT and leaf.common_name == name
                else leaf.common_name,
                shared_common_name=shared,
                password=opened_by.source if opened_by is not None else None,
            ),
            findings=tuple(self._find_faults(found, f"{found.kind}/{name}", shared=shared)),
        )

    def _find_faults(self, found: Owned, address: str, *, shared: bool) -> Iterator[Finding]:
        facts = found.facts
        yield from find_certificate_faults(
            Judged(
                facts=facts,
                kind=found.kind,
                authority=self._chosen.facts,
                same_serial=facts.serial_number in self._serials,
                now=self._now,
            )
        )
        lost = undeclarable_alt_names(facts, found.kind)
        if lost:
            message = (
                f"no manifest can ask for these alternative names, and a new certificate lacks them: {name_some(lost)}"
            )
            yield Finding(code=FindingCode.NAME_NOT_DECLARABLE, message=message, outcome=Outcome.UPDATED)
        yield from find_key_faults(facts.certificate.public_key(), address=address)
        yield from find_keeping_faults(found.key, found.certificate.places, address=address, unopened=self._unopened)
        yield from self._find_sharing(found, shared=shared)
        yield from find_revoked_folder(found)
        if not found.evidence.is_certain:
            yield find_uncertainty(found)

    def _find_sharing(self, found: Owned, *, shared: bool) -> Iterator[Finding]:
        others = self._users[found.facts.spki_sha256] - 1
        if found.facts.spki_sha256 == self._chosen.facts.spki_sha256:
            message = "its private key is the authority's: whoever has it can certify anybody"
            yield Finding(code=FindingCode.SHARED_KEY, message=message, outcome=Outcome.STAYS)
        elif others:
            message = f"{others} more of these have the same private key"
            yield Finding(code=FindingCode.SHARED_KEY, message=message, outcome=Outcome.STAYS)
        if shared:
            yield Finding(
                code=FindingCode.SHARED_COMMON_NAME,
                message=f"several valid certificates have the common name {found.name}",
                outcome=Outcome.STAYS,
                hint="remove the entries that are not in use any more",
            )
        yield from find_shared_hosts(found, self._hosts)
