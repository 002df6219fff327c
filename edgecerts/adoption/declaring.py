"""What a manifest would have to say of a certificate, so that it is as declared; what it cannot say is left open."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from edgecerts.adoption.authorities import FoundAuthority
from edgecerts.adoption.model import Declared
from edgecerts.adoption.roles import addresses_as_dns_names, common_names, host_alt_names, host_of
from edgecerts.manifest.durations import LONGEST
from edgecerts.manifest.model import EndEntityKind, KeyHeld
from edgecerts.pki.certificate_facts import CertificateFacts
from edgecerts.pki.key_types import KeyType
from edgecerts.pki.names import SUBJECT_LENGTHS, can_be_asked_for, is_subject_value
from edgecerts.pki.profiles import Usage
from edgecerts.pki.weak_keys import too_short
from edgecerts.plan.certificate_checks import format_duration
from edgecerts.plan.model import rfc3339

_BOTH = frozenset(usage.value for usage in Usage)
_SHORTEST, _WHOLE_DAYS = timedelta(hours=1), timedelta(days=11)
EARLY_RENEWAL = timedelta(days=365)
"""How long before its end an authority is renewed that the default would have renewed at once."""

_LEAST_LEFT = EARLY_RENEWAL + timedelta(days=30)
_USER_NAME_MARKS = "+#/"


def declare_leaf(facts: CertificateFacts, kind: EndEntityKind, *, key_held: KeyHeld) -> Declared | None:
    """What the manifest says of a broker's or client's certificate, without any defaults.

    Returns:
        None where it cannot be declared: a client's name that no manifest can have, or a broker without a host.
    """
    common_name = declarable_name(facts, kind)
    if kind is EndEntityKind.BROKER and common_name is None:
        return None
    if kind is EndEntityKind.CLIENT and common_name is None and common_names(facts):
        return None
    own_host = host_of(common_name) if kind is EndEntityKind.BROKER and common_name is not None else None
    subject = declare_subject(facts)
    return Declared(
        common_name=common_name,
        subject=subject,
        alt_names=tuple(_alt_names(facts, own_host, subject.get("email"))),
        ip_as_dns=kind is EndEntityKind.BROKER and bool(addresses_as_dns_names(facts)),
        usages=tuple(Usage) if facts.usages == _BOTH else (),
        key_type=declare_key_type(facts),
        lifetime=declare_lifetime(facts),
        key_held=key_held,
    )


def declare_authority(found: FoundAuthority, also_trust: tuple[str, ...]) -> Declared:
    """What the manifest says of the authority, without any defaults."""
    facts, key = found.facts, found.key
    return Declared(
        common_name=found.common_name,
        subject=declare_subject(facts),
        key_type=None if too_short(facts.certificate.public_key()) else declare_key_type(facts),
        lifetime=declare_lifetime(facts),
        password=key.opened_by.source if key is not None and key.opened_by is not None else None,
        fingerprint=facts.spki_sha256,
        also_trust=also_trust,
    )


def declarable_name(facts: CertificateFacts, kind: EndEntityKind) -> str | None:
    """The common name in the manifest: a broker's is a host, where its own is none one of its alternative names."""
    names = common_names(facts)
    name = names[0] if len(names) == 1 else None
    if kind is EndEntityKind.BROKER:
        if name is not None and host_of(name) is not None:
            return name
        hosts = [host for host in host_alt_names(facts) if len(host) <= SUBJECT_LENGTHS["common_name"]]
        return hosts[0] if hosts else None
    if name is None or not is_subject_value("common_name", name) or any(mark in name for mark in _USER_NAME_MARKS):
        return None
    return name


def declare_subject(facts: CertificateFacts) -> dict[str, str]:
    """The fields of the subject that a manifest can write, the first where there are several, in their usual order."""
    found: dict[str, str] = {}
    for field, value in facts.subject:
        if field in SUBJECT_LENGTHS and field != "common_name" and is_subject_value(field, value):
            found.setdefault(field, value)
    return {field: found[field] for field in SUBJECT_LENGTHS if field in found}


def declare_key_type(facts: CertificateFacts) -> KeyType | None:
    """The key type to declare: the one that is there; for a key that is too short, the least one that is not.

    Returns:
        None for a good key of a type that a manifest cannot ask for; it stays as long as nothing is declared.
    """
    if too_short(facts.certificate.public_key()):
        return KeyType.RSA_2048 if facts.key_type.startswith("rsa-") else KeyType.EC_P256
    return KeyType(facts.key_type) if facts.key_type in set(KeyType) else None


def declare_lifetime(facts: CertificateFacts) -> tuple[str, str]:
    """The key and value that say how long a certificate lives."""
    lifetime = facts.not_after - facts.not_before
    if lifetime > LONGEST - timedelta(days=1):
        return "not_after", rfc3339(facts.not_after)
    if lifetime > _WHOLE_DAYS:
        # Close enough: a lifetime within a day of the declared one is as declared.
        return "validity", f"{round(lifetime / timedelta(days=1))}d"
    return "validity", format_duration(max(lifetime, _SHORTEST))


def lifetime_of(declared: tuple[str, str] | None) -> timedelta | None:
    """The duration that `declare_lifetime` wrote as `validity`; None for anything else."""
    if declared is None or declared[0] != "validity":
        return None
    return int(declared[1][:-1]) * timedelta(
        days=1 if declared[1].endswith("d") else 0, hours=declared[1].endswith("h")
    )


def declare_renewal(facts: CertificateFacts, *, end_entity_validity: timedelta, now: datetime) -> str | None:
    """When the authority is renewed, where the default would have it renewed at once although it has years left."""
    lifetime, left = facts.not_after - facts.not_before, facts.not_after - now
    if left > min(end_entity_validity, lifetime / 2) or left <= _LEAST_LEFT or lifetime <= 2 * EARLY_RENEWAL:
        return None
    return format_duration(EARLY_RENEWAL)


def undeclarable_alt_names(facts: CertificateFacts, kind: EndEntityKind) -> list[str]:
    """The alternative names that a renewed certificate lacks, because no manifest can ask for them."""
    # A broker's `ip_as_dns` asks for those.
    known = {f"dns:{name}" for name in addresses_as_dns_names(facts)} if kind is EndEntityKind.BROKER else set()
    return [name for name in sorted(facts.alt_names - known) if not _is_declarable(name)]


def _alt_names(facts: CertificateFacts, own_host: str | None, email: str | None) -> Iterator[str]:
    """The alternative names that do not go without saying: hosts, then addresses, then the rest."""
    hosts = (*host_alt_names(facts), *(addresses_as_dns_names(facts) if own_host is not None else ()))
    implied = {f"email:{email}".casefold()} if email is not None else set()
    for name in dict.fromkeys((*hosts, *sorted(facts.alt_names))):
        if name != own_host and name.casefold() not in implied and _is_declarable(name):
            yield name


def _is_declarable(name: str) -> bool:
    return can_be_asked_for(name) and not name.startswith("dns:")
