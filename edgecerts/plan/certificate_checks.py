"""The checks of one certificate: small, pure, and in the order in which a reader wants the answers.

Each check compares one declared property with the parsed certificate and yields a reason for each difference. What
the manifest does not declare is not compared: no new default of ours ever re-issues a certificate.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from edgecerts.desired.graph import CertificateArtifact
from edgecerts.pki.certificate_facts import CertificateFacts
from edgecerts.pki.certificates import Period
from edgecerts.pki.key_types import KeyType
from edgecerts.pki.names import can_be_asked_for, differing_fields
from edgecerts.pki.private_keys import KeyFacts
from edgecerts.pki.profiles import Usage
from edgecerts.plan.issuer import IssuerView
from edgecerts.plan.model import Reason, ReasonCode, rfc3339

LIFETIME_TOLERANCE = timedelta(hours=25)
"""A lifetime within this of the declared one is as declared: backdating and a day's rounding are not a change ..."""

LIFETIME_TOLERANCE_SHARE = 10
"""... but never more than this fraction (a tenth) of it."""

_ANY_USAGE = "2.5.29.37.0"
_ALL_USAGES = frozenset(usage.value for usage in Usage)


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckInput:
    """What a check may look at.

    Attributes:
        issuer: the authority as it will be; None for a root, which issues itself.
        key: the private key that the certificate must be for; None where it is not here, is locked, or need not be
            its own.
        key_type: the declared key type, or None.
        issuer_ends: the ends of all certificates that this authority's key ever had, as far as the log knows.
    """

    artifact: CertificateArtifact
    facts: CertificateFacts
    issuer: IssuerView | None
    key: KeyFacts | None
    key_type: KeyType | None
    issuer_ends: frozenset[datetime]
    now: datetime


Check = Callable[[CheckInput], Iterator[Reason]]


def check_certificate(given: CheckInput) -> tuple[Reason, ...]:
    """All reasons why a readable certificate is not as declared; none where it is."""
    chain = AUTHORITY_CHAIN if given.artifact.spec.is_ca else END_ENTITY_CHAIN
    return tuple(reason for check in chain for reason in check(given))


def check_key_matches(given: CheckInput) -> Iterator[Reason]:
    """The certificate is for the private key that lies beside it."""
    if given.key is not None and given.key.spki_sha256 != given.facts.spki_sha256:
        yield Reason(
            code=ReasonCode.KEY_MISMATCH,
            field="private-key",
            before=f"sha256:{given.facts.spki_sha256}",
            after=f"sha256:{given.key.spki_sha256}",
        )


def check_key_type(given: CheckInput) -> Iterator[Reason]:
    """The key is of the declared type: the one beside it, which it would be made for, where that is another."""
    found = given.key.key_type if given.key is not None else given.facts.key_type
    if given.key_type is not None and found != given.key_type.value:
        yield Reason(code=ReasonCode.KEY_TYPE_CHANGED, field="key_type", before=found, after=given.key_type.value)


def check_issuer(given: CheckInput) -> Iterator[Reason]:
    """The certificate names the authority by its subject and by its key, and carries its signature."""
    if given.issuer is not None:
        yield from given.issuer.issuer_reasons(given.facts)


def check_own_signature(given: CheckInput) -> Iterator[Reason]:
    """A root names itself and is signed with its own key (RFC 5280 §3.2).

    Nobody relies on the hash of that signature, so one with SHA-1 stays.
    """
    facts = given.facts
    if facts.issuer_der != facts.subject_der or not facts.is_signed_by(facts.certificate.public_key()):
        yield Reason(code=ReasonCode.SIGNATURE_INVALID)


def check_subject(given: CheckInput) -> Iterator[Reason]:
    """Every field of the subject is as declared; what no manifest can write in it is left to the tool that did."""
    subject = given.artifact.spec.subject
    for field in differing_fields(given.facts.subject, subject):
        found = tuple(value for name, value in given.facts.subject if name == field)
        yield Reason(
            code=ReasonCode.SUBJECT_CHANGED,
            field="common_name" if field == "common_name" else f"subject.{field}",
            before=found if len(found) > 1 else next(iter(found), None),
            after=getattr(subject, field),
        )


def check_alt_names(given: CheckInput) -> Iterator[Reason]:
    """The subject alternative names are the declared ones, in any order (RFC 5280 §4.2.1.6).

    The subject's e-mail address is written there too, but nobody declared that: one without it stays. What no manifest
    can ask for is left to the tool that wrote it.
    """
    email = given.artifact.spec.subject.email
    implied = f"email:{email}".casefold() if email is not None else None
    declared = frozenset(str(name) for name in given.artifact.spec.alt_names)
    sayable = {name for name in given.facts.alt_names if name in declared or can_be_asked_for(name)}
    found, wanted = ({name for name in names if name.casefold() != implied} for names in (sayable, declared))
    if found != wanted:
        yield Reason(
            code=ReasonCode.ALT_NAMES_CHANGED,
            field="alt_names",
            before=tuple(sorted(given.facts.alt_names)),
            after=tuple(sorted(declared)),
        )


def check_usages(given: CheckInput) -> Iterator[Reason]:
    """An end entity may be used as declared and is no authority.

    A certificate without the extension may be used for everything (RFC 5280 §4.2.1.12), so it serves where the
    manifest does not declare `usages`, or declares them all.
    """
    found = given.facts.usages
    wanted = frozenset(usage.value for usage in given.artifact.spec.usages)
    fits = _permits(found, wanted)
    if given.artifact.usages_declared:
        serves_all = found is None or _ANY_USAGE in found
        fits = found == wanted or (serves_all and wanted == _ALL_USAGES)
    if not fits:
        yield Reason(
            code=ReasonCode.USAGE_CHANGED,
            field="usages",
            before=tuple(sorted(found)) if found is not None else None,
            after=tuple(sorted(wanted)),
        )
    key_usage = given.facts.key_usage
    if key_usage is not None and ("digital_signature" not in key_usage or "key_cert_sign" in key_usage):
        yield Reason(
            code=ReasonCode.USAGE_CHANGED,
            field="key_usage",
            before=tuple(sorted(key_usage)),
            after=("digital_signature",),
        )
    if given.facts.is_ca:
        yield Reason(code=ReasonCode.USAGE_CHANGED, field="basic_constraints", before="CA:TRUE", after="CA:FALSE")


def check_crl_url(given: CheckInput) -> Iterator[Reason]:
    """The certificate says where a revocation list for it can be fetched, where that is declared."""
    declared = given.artifact.spec.crl_url
    if declared is not None and given.facts.crl_urls != (declared,):
        yield Reason(
            code=ReasonCode.CRL_URL_CHANGED, field="crl.url", before=given.facts.crl_urls or None, after=declared
        )


def check_authority_usages(given: CheckInput) -> Iterator[Reason]:
    """An authority may sign certificates (RFC 5280 §4.2.1.3 and §4.2.1.9)."""
    if not given.facts.is_ca:
        yield Reason(code=ReasonCode.USAGE_CHANGED, field="basic_constraints", before="CA:FALSE", after="CA:TRUE")
    key_usage = given.facts.key_usage
    if key_usage is not None and "key_cert_sign" not in key_usage:
        yield Reason(
            code=ReasonCode.USAGE_CHANGED,
            field="key_usage",
            before=tuple(sorted(key_usage)),
            after=("crl_sign", "key_cert_sign"),
        )


def check_lifetime(given: CheckInput) -> Iterator[Reason]:
    """The lifetime is the declared one, or was cut short by the authority's end."""
    if not given.artifact.lifetime_declared:
        return
    facts, lifetime = given.facts, given.artifact.lifetime
    ends_with_issuer = facts.not_after in given.issuer_ends
    if lifetime.not_after is not None:
        if facts.not_after != lifetime.not_after and not (ends_with_issuer and facts.not_after < lifetime.not_after):
            yield Reason(
                code=ReasonCode.VALIDITY_CHANGED,
                field="not_after",
                before=rfc3339(facts.not_after),
                after=rfc3339(lifetime.not_after),
            )
        return
    declared = lifetime.validity or timedelta()
    found = facts.not_after - facts.not_before
    if abs(found - declared) > _tolerance(declared) and not (ends_with_issuer and found < declared):
        yield Reason(
            code=ReasonCode.VALIDITY_CHANGED,
            field="validity",
            before=format_duration(found),
            after=format_duration(declared),
        )


def check_expiry(given: CheckInput) -> Iterator[Reason]:
    """The certificate is valid now and not about to end."""
    facts = given.facts
    ends = rfc3339(facts.not_after)
    if given.now > facts.not_after:
        yield Reason(code=ReasonCode.EXPIRED, field="not_after", before=ends)
        return
    period = Period(not_before=facts.not_before, not_after=facts.not_after)
    if given.now >= facts.not_after - given.artifact.renewal.window(period.lifetime):
        yield Reason(code=ReasonCode.NEAR_EXPIRY, field="not_after", before=ends)


def check_nesting(given: CheckInput) -> Iterator[Reason]:
    """A certificate ends no later than its authority: after that, most clients refuse it as expired.

    Scripts make all of them at once, each with its days: what ends some hours later is not made again for that.
    """
    ends = given.issuer.period.not_after if given.issuer and given.issuer.period else None
    if ends is not None and outlives(given.facts, ends):
        yield Reason(
            code=ReasonCode.OUTLIVES_ISSUER,
            field="not_after",
            before=rfc3339(given.facts.not_after),
            after=rfc3339(ends),
        )


def outlives(facts: CertificateFacts, ends: datetime) -> bool:
    """Whether a certificate ends so much later than its authority that it is made again for that.

    Args:
        ends: when its authority ends.
    """
    return facts.not_after - ends > _tolerance(facts.not_after - facts.not_before)


def check_acceptable(given: CheckInput) -> Iterator[Reason]:
    """Today's TLS stacks take the certificate. This list is frozen: a longer one would re-issue what serves well."""
    facts = given.facts
    issuer = given.issuer.facts if given.issuer is not None else None
    defects = {
        "X.509 v1": facts.version < 3,
        "no authority key identifier": facts.version >= 3 and facts.authority_key_id is None,
        # To OpenSSL and Java, such a certificate does not belong to a renewed one of the same authority.
        "names another certificate of its authority": facts.authority_serial is not None
        and (issuer is None or facts.authority_serial != issuer.serial_number),
        "no basic constraints": facts.version >= 3 and facts.is_ca is None,
        "signed with SHA-1": facts.weak_signature,
        "RSA key under 2048 bits": is_weak_key(facts.key_type),
    }
    for defect, present in defects.items():
        if present:
            yield Reason(code=ReasonCode.NOT_ACCEPTABLE, field="certificate", before=defect)


def is_weak_key(key_type: str) -> bool:
    """Whether TLS stacks refuse keys of this type as too short."""
    return key_type.startswith("rsa-") and int(key_type.removeprefix("rsa-")) < 2048


AUTHORITY_CHAIN: tuple[Check, ...] = (
    check_key_type,
    check_own_signature,
    check_subject,
    check_authority_usages,
    check_lifetime,
    check_expiry,
)

END_ENTITY_CHAIN: tuple[Check, ...] = (
    check_key_matches,
    check_key_type,
    check_issuer,
    check_subject,
    check_alt_names,
    check_usages,
    check_crl_url,
    check_lifetime,
    check_expiry,
    check_nesting,
    check_acceptable,
)


def format_duration(duration: timedelta) -> str:
    """A duration in the manifest's words: whole days where it is about that, else hours."""
    days = round(duration / timedelta(days=1))
    if days >= 2 and abs(duration - timedelta(days=days)) < timedelta(hours=2):
        return f"{days}d"
    return f"{round(duration / timedelta(hours=1))}h"


def _tolerance(lifetime: timedelta) -> timedelta:
    return min(LIFETIME_TOLERANCE, lifetime / LIFETIME_TOLERANCE_SHARE)


def _permits(found: frozenset[str] | None, wanted: frozenset[str]) -> bool:
    return found is None or _ANY_USAGE in found or wanted <= found
