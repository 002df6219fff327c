"""Which authority signed which certificate: by the signature, never by a file's name."""

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from edgecerts.adoption.material import FoundCertificate, FoundKey, Material
from edgecerts.adoption.roles import common_names, host_alt_names, is_surely_a_host
from edgecerts.errors import UsageError
from edgecerts.pki.certificate_facts import CertificateFacts
from edgecerts.pki.certificates import is_signed_by_key
from edgecerts.pki.names import is_subject_value

_MOST_KEYS_OF_A_NAME = 16
"""So many authorities of one name are tried for each certificate; in a folder that somebody made to hurt are more."""

_LEAST_DIGITS = 8

Owner = tuple[str, bytes]
"""An authority is its key and its name: SHA-256 of its public key, and its subject as encoded."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FoundAuthority:
    """A root authority, with what it signed.

    Attributes:
        certificate: the best of its certificates.
        older: others for the same key and name.
        key: its private key, or None where that was not found.
        issued: the certificates of brokers and clients that it signed.
    """

    certificate: FoundCertificate
    older: tuple[FoundCertificate, ...]
    key: FoundKey | None
    issued: tuple[FoundCertificate, ...]

    @property
    def facts(self) -> CertificateFacts:
        return self.certificate.facts

    @property
    def common_name(self) -> str | None:
        """Its common name, where it has exactly one that a manifest can declare."""
        names = common_names(self.facts)
        return names[0] if len(names) == 1 and is_subject_value("common_name", names[0]) else None

    @property
    def has_worked(self) -> bool:
        """Whether it works here, or did: a certificate alone, such as one of a public authority, shows nothing."""
        return self.key is not None or bool(self.issued)

    def valid_leaves(self, now: datetime) -> int:
        """How many of what it issued are valid, and end no later than it does."""
        return sum(
            is_valid(found.facts, now) and found.facts.not_after <= self.facts.not_after for found in self.issued
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Lineages:
    """Who issued what.

    Attributes:
        authorities: the roots, in the order in which they were found.
        intermediates: authorities that another one signed.
        orphans: certificates of which no issuer was found, or whose issuer is no root; self-signed ones among them.
    """

    authorities: tuple[FoundAuthority, ...]
    intermediates: tuple[FoundCertificate, ...]
    orphans: tuple[FoundCertificate, ...]


def find_lineages(material: Material, now: datetime) -> Lineages:
    """Works out who issued what.

    Args:
        material: what was found.
        now: tells which certificate of an authority is in use.
    """
    issuers = _find_issuers(material.certificates)
    issued: dict[Owner, list[FoundCertificate]] = {}
    own: dict[Owner, list[FoundCertificate]] = {}
    for found in material.certificates:
        issuer = issuers[found.facts.sha256]
        if issuer is not None:
            (own if issuer == _owner(found.facts) else issued).setdefault(issuer, []).append(found)
    roots = {owner: group for owner, group in own.items() if _is_authority(group, issued.get(owner, ()))}
    keys = {key.facts.spki_sha256: key for key in material.keys}
    others = [found for found in material.certificates if issuers[found.facts.sha256] != _owner(found.facts)]
    intermediates = tuple(found for found in others if _is_intermediate(found.facts, issued))
    known = {found.facts.sha256 for found in intermediates}
    return Lineages(
        authorities=tuple(
            _describe(
                group,
                tuple(found for found in issued.get(owner, ()) if found.facts.sha256 not in known),
                keys.get(owner[0]),
                now,
            )
            for owner, group in roots.items()
        ),
        intermediates=intermediates,
        orphans=tuple(
            found
            for found in material.certificates
            if issuers[found.facts.sha256] not in roots and found.facts.sha256 not in known
        ),
    )


def choose_authority(lineages: Lineages, now: datetime, *, wanted: str | None) -> FoundAuthority | None:
    """The authority that is taken over: one that is valid, has its key here, and issued most of what is still valid.

    Args:
        wanted: its common name, or the beginning of its fingerprint; None leaves the choice to us.

    Raises:
        UsageError: no authority, or more than one, is the wanted one.
    """
    usable = [authority for authority in lineages.authorities if authority.common_name is not None]
    if wanted is not None:
        return _find_wanted(usable, wanted)
    worked = [authority for authority in usable if authority.has_worked]
    return max(worked, key=lambda authority: _rank(authority, now), default=None)


def find_rivals(lineages: Lineages, chosen: FoundAuthority, now: datetime) -> tuple[FoundAuthority, ...]:
    """The other authorities that somebody may have meant: valid ones, of which something is valid here."""
    return tuple(
        other
        for other in lineages.authorities
        if other is not chosen and is_valid(other.facts, now) and other.valid_leaves(now)
    )


def is_valid(facts: CertificateFacts, now: datetime) -> bool:
    """Whether a certificate has begun and not ended."""
    return facts.not_before <= now <= facts.not_after


def _owner(facts: CertificateFacts) -> Owner:
    return facts.spki_sha256, facts.subject_der


def _find_issuers(certificates: Iterable[FoundCertificate]) -> Mapping[str, Owner | None]:
    """By certificate who signed it, or None."""
    by_name: dict[bytes, dict[str, CertificateFacts]] = {}
    for found in certificates:
        by_name.setdefault(found.facts.subject_der, {}).setdefault(found.facts.spki_sha256, found.facts)
    return {found.facts.sha256: _issuer_of(found.facts, by_name) for found in certificates}


def _issuer_of(facts: CertificateFacts, by_name: Mapping[bytes, Mapping[str, CertificateFacts]]) -> Owner | None:
    named = by_name.get(facts.issuer_der, {})
    # Its own key first: a root is its own issuer, however many share its name.
    own = [named[facts.spki_sha256]] if facts.spki_sha256 in named else []
    for issuer in (*own, *list(named.values())[:_MOST_KEYS_OF_A_NAME]):
        if is_signed_by_key(facts.certificate, issuer.certificate.public_key()):
            return _owner(issuer)
    return None


def _is_authority(own: Iterable[FoundCertificate], issued: Sequence[FoundCertificate]) -> bool:
    """Whether certificates that signed themselves are an authority's: they signed others, or say that they may.

    What `openssl req -x509` makes for a server says so, too: one that names a host and signed nobody is no authority.
    """
    if issued:
        return any(found.facts.is_ca is not False for found in own)
    return any(found.facts.is_ca and not _serves_itself(found.facts) for found in own)


def _serves_itself(facts: CertificateFacts) -> bool:
    if facts.usages is not None or host_alt_names(facts):
        return True
    may_sign = facts.key_usage is not None and "key_cert_sign" in facts.key_usage
    return not may_sign and any(map(is_surely_a_host, common_names(facts)))


def _is_intermediate(facts: CertificateFacts, issued: Container[Owner]) -> bool:
    """Whether a certificate that another signed is an authority's: it signed others, or says so and names no host.

    Some people make a broker's certificate with the extensions of an authority.
    """
    if _owner(facts) in issued:
        return True
    serves = facts.usages is not None or bool(host_alt_names(facts)) or any(map(is_surely_a_host, common_names(facts)))
    return bool(facts.is_ca) and not serves


def _describe(
    own: Sequence[FoundCertificate], issued: tuple[FoundCertificate, ...], key: FoundKey | None, now: datetime
) -> FoundAuthority:
    best = max(own, key=lambda found: _worth(found.facts, now))
    older = tuple(found for found in own if found is not best)
    return FoundAuthority(certificate=best, older=older, key=key, issued=issued)


def _worth(facts: CertificateFacts, now: datetime) -> tuple[bool, bool, int, datetime, str]:
    return is_valid(facts, now), bool(facts.is_ca), facts.version, facts.not_after, facts.sha256


def _rank(authority: FoundAuthority, now: datetime) -> tuple[bool, bool, bool, bool, int, int, datetime, str]:
    """An authority of which nothing is here any more is no choice where another one works, whoever has the key."""
    usable, has_key = authority.valid_leaves(now), authority.key is not None
    facts = authority.facts
    in_use = usable > 0
    return (
        *(is_valid(facts, now), in_use and has_key, in_use, has_key),
        *(usable, len(authority.issued), facts.not_after, facts.sha256),
    )


def _has_fingerprint(authority: FoundAuthority, digits: str) -> bool:
    """Whether these digits begin the SHA-256 of its key, or of one of its certificates."""
    certificates = (authority.certificate, *authority.older)
    digests = (authority.facts.spki_sha256, *(found.facts.sha256 for found in certificates))
    return any(digest.startswith(digits) for digest in digests)


def _find_wanted(authorities: list[FoundAuthority], wanted: str) -> FoundAuthority:
    # As the manifest pins it, or as `openssl x509 -fingerprint -sha256` prints it.
    digits = wanted.rpartition("=")[2].strip().lower().removeprefix("sha256:").replace(":", "")
    found = [authority for authority in authorities if authority.common_name == wanted]
    if not found and len(digits) >= _LEAST_DIGITS:
        found = [authority for authority in authorities if _has_fingerprint(authority, digits)]
    if len(found) == 1:
        return found[0]
    names = "; ".join(f"{entry.common_name} (sha256:{entry.facts.spki_sha256[:16]})" for entry in found or authorities)
    problem = "there is no authority" if not found else "there is more than one authority"
    hint = f"choose from {names}" if names else "the folder holds no authority that can be taken over"
    raise UsageError(f"--ca: {problem} '{wanted}'", hint=hint)
