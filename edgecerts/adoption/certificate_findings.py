"""What is wrong with the certificate of a broker or client: small pure checks, each of one property."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID

from edgecerts.adoption import refusals
from edgecerts.adoption.findings import Finding, FindingCode, Outcome
from edgecerts.adoption.roles import addresses_as_dns_names, common_names, host_alt_names, host_of, is_address
from edgecerts.manifest.model import EndEntityKind
from edgecerts.pki.certificate_facts import CertificateFacts
from edgecerts.pki.profiles import RENEWAL_AT_MOST, RENEWAL_SHARE, Usage
from edgecerts.pki.revocation_reasons import can_be_listed
from edgecerts.plan.certificate_checks import outlives

_USUAL_SERIAL_BITS = 64
_NETSCAPE_TYPE, _NETSCAPE_COMMENT = (x509.ObjectIdentifier(f"2.16.840.1.113730.1.{last}") for last in (1, 13))

_WRITTEN = frozenset(
    {
        *(ExtensionOID.BASIC_CONSTRAINTS, ExtensionOID.KEY_USAGE, ExtensionOID.EXTENDED_KEY_USAGE),
        *(ExtensionOID.SUBJECT_ALTERNATIVE_NAME, ExtensionOID.SUBJECT_KEY_IDENTIFIER),
        *(ExtensionOID.AUTHORITY_KEY_IDENTIFIER, _NETSCAPE_COMMENT, _NETSCAPE_TYPE),
    }
)
"""What a certificate of ours has, and what no program looks at."""

_EXTENSIONS = {
    ExtensionOID.CRL_DISTRIBUTION_POINTS: "where its revocation list is (CRL distribution points)",
    ExtensionOID.FRESHEST_CRL: "where its newest revocation list is (freshest CRL)",
    ExtensionOID.AUTHORITY_INFORMATION_ACCESS: "where its issuer and OCSP are (authority information access)",
    ExtensionOID.CERTIFICATE_POLICIES: "certificate policies",
    ExtensionOID.TLS_FEATURE: "the TLS feature that demands OCSP stapling",
    ExtensionOID.ISSUER_ALTERNATIVE_NAME: "its issuer's alternative names",
}
_USAGES = {
    ExtendedKeyUsageOID.CODE_SIGNING.dotted_string: "code signing",
    ExtendedKeyUsageOID.EMAIL_PROTECTION.dotted_string: "email protection",
    ExtendedKeyUsageOID.TIME_STAMPING.dotted_string: "time stamping",
    ExtendedKeyUsageOID.OCSP_SIGNING.dotted_string: "OCSP signing",
    ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE.dotted_string: "any",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Judged:
    """What a check may look at.

    Attributes:
        authority: the certificate of the authority that signed it.
        same_serial: the authority signed another certificate with the same serial number.
    """

    facts: CertificateFacts
    kind: EndEntityKind
    authority: CertificateFacts
    same_serial: bool
    now: datetime


Check = Callable[[Judged], Iterator[Finding]]


def find_certificate_faults(judged: Judged) -> tuple[Finding, ...]:
    """Everything that is wrong with a certificate, with what a new certificate would do about it."""
    return tuple(finding for check in _CHECKS for finding in check(judged))


def _check_version(judged: Judged) -> Iterator[Finding]:
    if judged.facts.version < 3:
        message = "X.509 version 1: no alternative names, no key identifiers"
        yield _updated(FindingCode.X509_V1, message, refusals.X509_V1)


def _check_host(judged: Judged) -> Iterator[Finding]:
    """The name that clients connect to has to stand among the alternative names (RFC 9525 §2)."""
    facts = judged.facts
    if judged.kind is not EndEntityKind.BROKER:
        return
    hosts, names = host_alt_names(facts), common_names(facts)
    host = host_of(names[0]) if len(names) == 1 else None
    if host is None:
        yield from _without_host_name(names, hosts)
    elif host in addresses_as_dns_names(facts):
        pass
    elif not hosts and is_address(host):
        message = f"the address {host} stands in the common name alone"
        yield _updated(FindingCode.ADDRESS_IN_COMMON_NAME, message, refusals.ADDRESS_IN_COMMON_NAME)
    elif not hosts:
        message = f"no alternative names; {host} stands in the common name alone"
        yield _updated(FindingCode.NO_ALT_NAME, message, refusals.HOST_IN_COMMON_NAME)
    elif host not in hosts:
        message = f"{host}, the common name, is not among the alternative names"
        yield _updated(FindingCode.COMMON_NAME_NOT_IN_ALT_NAMES, message, refusals.NAME_NOT_IN_ALT_NAMES)


def _check_addresses(judged: Judged) -> Iterator[Finding]:
    if judged.kind is not EndEntityKind.BROKER:
        return
    for address in addresses_as_dns_names(judged.facts):
        if address not in judged.facts.alt_names:
            message = f"the address {address} stands among the alternative names as if it were a host name"
            yield _updated(FindingCode.ADDRESS_AS_DNS_NAME, message, refusals.ADDRESS_IN_COMMON_NAME)


def _without_host_name(names: tuple[str, ...], hosts: tuple[str, ...]) -> Iterator[Finding]:
    host = hosts[0] if hosts else "a host"
    if not names:
        yield _updated(FindingCode.NO_COMMON_NAME, f"no common name; pki.yaml gives it {host}")
    else:
        message = (
            f"the common name '{names[0]}' is no host that clients connect to; a new certificate has {host} instead"
        )
        yield _updated(FindingCode.NAME_NOT_DECLARABLE, message)


def _check_client_name(judged: Judged) -> Iterator[Finding]:
    if judged.kind is EndEntityKind.CLIENT and not common_names(judged.facts):
        message = "no common name, which brokers take as the user name; pki.yaml gives it one"
        yield _updated(FindingCode.NO_COMMON_NAME, message)


def _check_authority_key_id(judged: Judged) -> Iterator[Finding]:
    facts = judged.facts
    if facts.version >= 3 and facts.authority_key_id is None:
        message = (
            "no authority key identifier" if facts.authority_serial is None else "it names no key of its authority"
        )
        yield _updated(FindingCode.NO_AUTHORITY_KEY_ID, message, refusals.NO_AUTHORITY_KEY_ID)
    elif facts.authority_serial is None:
        return
    elif facts.authority_serial != judged.authority.serial_number:
        message = "it names another certificate of its authority, by serial number"
        yield _updated(FindingCode.AUTHORITY_SERIAL, message, refusals.AUTHORITY_SERIAL)
    else:
        message = "it names its authority by serial number as well, so it is made again when the authority is renewed"
        yield _updated(FindingCode.AUTHORITY_SERIAL, message)


def _check_constraints(judged: Judged) -> Iterator[Finding]:
    if judged.facts.is_ca:
        yield _updated(FindingCode.LEAF_IS_CA, "it says that it is an authority", refusals.LEAF_IS_CA)
    elif judged.facts.version >= 3 and judged.facts.is_ca is None:
        yield _updated(FindingCode.NO_BASIC_CONSTRAINTS, "no basic constraints")


def _check_key_usage(judged: Judged) -> Iterator[Finding]:
    usage = judged.facts.key_usage
    if usage is None:
        return
    if "digital_signature" not in usage:
        message = "its key usage does not allow signatures, which TLS needs"
        yield _updated(FindingCode.KEY_USAGE, message, refusals.NO_DIGITAL_SIGNATURE)
    elif "key_cert_sign" in usage:
        yield _updated(FindingCode.KEY_USAGE, "its key usage allows it to sign certificates")


def _check_signature(judged: Judged) -> Iterator[Finding]:
    if judged.facts.weak_signature:
        yield _updated(FindingCode.WEAK_SIGNATURE, "signed with SHA-1", refusals.WEAK_SIGNATURE)


def _check_dates(judged: Judged) -> Iterator[Finding]:
    facts, now = judged.facts, judged.now
    window = min(RENEWAL_AT_MOST, (facts.not_after - facts.not_before) / RENEWAL_SHARE)
    if facts.not_after < now:
        message = f"expired on {facts.not_after:%Y-%m-%d}; remove the entry if nobody uses it any more"
        yield _updated(FindingCode.EXPIRED, message, refusals.EXPIRED)
    elif facts.not_after - window <= now:
        yield _updated(FindingCode.ENDS_SOON, f"ends on {facts.not_after:%Y-%m-%d}, which is soon")
    if facts.not_before > now:
        message = f"valid only from {facts.not_before:%Y-%m-%d} on"
        yield _updated(FindingCode.NOT_YET_VALID, message, refusals.EXPIRED)
    if outlives(facts, judged.authority.not_after):
        message = f"ends on {facts.not_after:%Y-%m-%d}, after its authority ({judged.authority.not_after:%Y-%m-%d})"
        yield _updated(FindingCode.OUTLIVES_CA, message, refusals.ENDED_AUTHORITY)


def _check_serial(judged: Judged) -> Iterator[Finding]:
    if judged.same_serial:
        message = f"another certificate of this authority has its serial number {judged.facts.serial_number:x}, too"
        yield _updated(FindingCode.DUPLICATE_SERIAL, message)
    bits = judged.facts.serial_number.bit_length()
    if bits < _USUAL_SERIAL_BITS // 2:
        yield _updated(FindingCode.SHORT_SERIAL, f"its serial number {judged.facts.serial_number} can be guessed")
    elif not can_be_listed(judged.facts.serial_number):
        message = f"its serial number has {bits} bits, and no revocation list can name it, so it cannot be revoked"
        yield _updated(FindingCode.LONG_SERIAL, message)


def _check_dropped(judged: Judged) -> Iterator[Finding]:
    """What edgecerts writes into no certificate. It may matter to somebody, and a renewal is when it goes."""
    dropped = [_EXTENSIONS.get(oid, oid.dotted_string) for oid in _extension_ids(judged.facts) if oid not in _WRITTEN]
    both = {usage.value for usage in Usage}
    dropped += [f"the usage {_USAGES.get(usage, usage)}" for usage in sorted((judged.facts.usages or set()) - both)]
    if dropped:
        yield _updated(FindingCode.NOT_KEPT, f"a new certificate has no longer: {', '.join(dropped)}")


def _extension_ids(facts: CertificateFacts) -> list[x509.ObjectIdentifier]:
    return [extension.oid for extension in facts.certificate.extensions]


def _updated(code: FindingCode, message: str, refused_by: str | None = None) -> Finding:
    return Finding(code=code, message=message, outcome=Outcome.UPDATED, refused_by=refused_by)


_CHECKS: tuple[Check, ...] = (
    _check_version,
    _check_host,
    _check_addresses,
    _check_client_name,
    _check_authority_key_id,
    _check_constraints,
    _check_key_usage,
    _check_signature,
    _check_dates,
    _check_serial,
    _check_dropped,
)
