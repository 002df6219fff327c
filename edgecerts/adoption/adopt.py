"""From what a source folder holds to what is taken over. Pure: no file is read, and nothing is written."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime

from edgecerts.adoption.authorities import FoundAuthority, choose_authority, find_lineages
from edgecerts.adoption.authority_findings import find_authority_faults
from edgecerts.adoption.certificate_findings import Judged, find_certificate_faults
from edgecerts.adoption.declaring import (
    EARLY_RENEWAL,
    declare_authority,
    declare_leaf,
    declare_renewal,
    lifetime_of,
    undeclarable_alt_names,
)
from edgecerts.adoption.defaults import find_defaults, under_defaults
from edgecerts.adoption.entries import Owned, find_entries, same_serials, shared_names
from edgecerts.adoption.findings import Finding, FindingCode, Outcome
from edgecerts.adoption.key_findings import CA, find_keeping_faults, find_key_faults, name_some
from edgecerts.adoption.leftovers import leave_out_rest
from edgecerts.adoption.material import Material
from edgecerts.adoption.model import AdoptedAuthority, AdoptedEntry, Adoption, Declared
from edgecerts.adoption.naming import EntryNames
from edgecerts.adoption.roles import Evidence
from edgecerts.adoption.trust import find_other_trust, leave_out_others
from edgecerts.manifest.model import EndEntityKind
from edgecerts.manifest.rules import fold_name
from edgecerts.pki.profiles import END_ENTITY_VALIDITY

_OF_THE_CERTIFICATE = frozenset(
    {FindingCode.SHORT_SERIAL, FindingCode.DUPLICATE_SERIAL, FindingCode.AUTHORITY_SERIAL, FindingCode.ENDS_SOON}
)
"""What goes with the old certificate, whatever it is replaced for."""


def build_adoption(material: Material, *, source: str, now: datetime, wanted: str | None) -> Adoption:
    """Decides what is taken over, and under which names.

    Args:
        material: what was found.
        source: the source folder as it was named.
        now: in UTC.
        wanted: the authority that was asked for, or None.

    Raises:
        UsageError: there is no such authority.
    """
    lineages = find_lineages(material, now)
    chosen = choose_authority(lineages, now, wanted=wanted)
    others = tuple(leave_out_others(lineages, chosen, now))
    if chosen is None:
        return Adoption(
            source=source,
            created_at=now,
            files=material.files,
            authority=None,
            defaults=Declared(),
            entries=(),
            trusted=(),
            left_out=(*others, *leave_out_rest(material)),
        )
    owned, left_out = find_entries(chosen.issued, material, authority_name=chosen.common_name or "", now=now)
    trusted = tuple(find_other_trust(lineages, chosen, now))
    leaves = [declare_leaf(found.facts, found.kind, key_held=found.held) or Declared() for found in owned]
    root = declare_authority(chosen, tuple(other.file for other in trusted if other.active))
    defaults = find_defaults(root, leaves)
    authority = _adopt_authority(chosen, root, defaults, now)
    clerk = _Clerk(chosen=chosen, authority=authority, defaults=defaults, owned=owned, now=now)
    entries = [clerk.enter(found, leaf) for found, leaf in zip(owned, leaves, strict=True)]
    return Adoption(
        source=source,
        created_at=now,
        files=material.files,
        authority=authority,
        defaults=defaults,
        entries=tuple(sorted(entries, key=lambda entry: (entry.kind, entry.name.casefold()))),
        trusted=trusted,
        left_out=(*left_out, *others, *leave_out_rest(material)),
    )


def _adopt_authority(chosen: FoundAuthority, declared: Declared, defaults: Declared, now: datetime) -> AdoptedAuthority:
    facts, key = chosen.facts, chosen.key
    validity = lifetime_of(defaults.lifetime) or END_ENTITY_VALIDITY
    renewal = declare_renewal(facts, end_entity_validity=validity, now=now)
    window = EARLY_RENEWAL if renewal is not None else min(validity, (facts.not_after - facts.not_before) / 2)
    findings = (
        *find_authority_faults(facts, is_due=facts.not_after - window <= now, now=now),
        *find_key_faults(facts.certificate.public_key(), address=CA),
        *find_keeping_faults(key, chosen.certificate.places, address=CA),
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
        authority: AdoptedAuthority,
        defaults: Declared,
        owned: Sequence[Owned],
        now: datetime,
    ) -> None:
        own_name = fold_name(chosen.common_name or "")
        self._chosen = chosen
        self._renewed = chosen.key is not None and any(
            finding.outcome is Outcome.UPDATED for finding in authority.findings
        )
        self._defaults = defaults
        self._now = now
        self._names = EntryNames({fold_name(found.name) for found in owned if found.name is not None} | {own_name})
        self._shared = shared_names(owned)
        self._serials = same_serials(chosen.issued)
        self._users = Counter(found.facts.spki_sha256 for found in owned)

    def enter(self, found: Owned, leaf: Declared) -> AdoptedEntry:
        """The entry of one certificate.

        Args:
            leaf: what the manifest would say of it without defaults.
        """
        name = self._names.choose(found.name, found.certificate.places)
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
            findings=_with_update(tuple(self._find_faults(found, f"{found.kind}/{name}", shared=shared))),
        )

    def _find_faults(self, found: Owned, address: str, *, shared: bool) -> Iterator[Finding]:
        facts = found.facts
        yield from find_certificate_faults(
            Judged(
                facts=facts,
                kind=found.kind,
                authority=self._chosen.facts,
                authority_renewed=self._renewed,
                same_serial=facts.serial_number in self._serials,
                now=self._now,
            )
        )
        lost = undeclarable_alt_names(facts, found.kind)
        if lost:
            message = f"no manifest can ask for these alternative names: {name_some(lost)}"
            yield Finding(code=FindingCode.NAME_NOT_DECLARABLE, message=message, outcome=Outcome.UPDATED)
        yield from find_key_faults(facts.certificate.public_key(), address=address)
        yield from find_keeping_faults(found.key, found.certificate.places, address=address)
        yield from self._find_sharing(found, shared=shared)
        if found.evidence in (Evidence.FILES, Evidence.NOTHING):
            yield _uncertain(found)

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


def _uncertain(found: Owned) -> Finding:
    why = "only the names of its files show that" if found.evidence is Evidence.FILES else "nothing shows what it is"
    return Finding(
        code=FindingCode.UNCERTAIN_ROLE,
        message=f"taken for a {found.kind}'s: {why}",
        outcome=Outcome.STAYS,
        hint="move the entry if that is wrong",
    )


def _with_update(findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """A certificate that is made again anyway loses what is wrong with it alone."""
    if not any(finding.outcome in (Outcome.UPDATED, Outcome.REKEYED) for finding in findings):
        return findings
    return tuple(
        replace(finding, outcome=Outcome.UPDATED, hint=None) if finding.code in _OF_THE_CERTIFICATE else finding
        for finding in findings
    )
