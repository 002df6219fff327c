"""Between our names and the ASN.1 names of the `cryptography` library."""

import functools
import ipaddress
from collections.abc import Iterable

from cryptography import x509
from cryptography.x509.oid import NameOID

from edgecerts.pki.names import AltName, AltNameKind, Subject, alt_name_text

_OIDS = {
    "country": NameOID.COUNTRY_NAME,
    "state": NameOID.STATE_OR_PROVINCE_NAME,
    "locality": NameOID.LOCALITY_NAME,
    "organization": NameOID.ORGANIZATION_NAME,
    "organizational_unit": NameOID.ORGANIZATIONAL_UNIT_NAME,
    "common_name": NameOID.COMMON_NAME,
    "email": NameOID.EMAIL_ADDRESS,
}
SHORT_NAMES = {NameOID.EMAIL_ADDRESS: "emailAddress"}
"""How attributes are called in a name's text, where RFC 4514 has no name for them."""

_FIELDS = {oid: field for field, oid in _OIDS.items()}


def build_name(subject: Subject) -> x509.Name:
    """The distinguished name of a subject: one attribute per RDN, UTF8String but for country and e-mail."""
    return x509.Name(_attribute(field, value) for field, value in subject.items())


@functools.lru_cache(maxsize=1024)
def _attribute(field: str, value: str) -> x509.NameAttribute[str]:
    """Checking a value takes longer than building the rest of a name, and a fleet has most values in common."""
    return x509.NameAttribute(_OIDS[field], value)


def name_attributes(name: x509.Name | x509.RelativeDistinguishedName) -> tuple[tuple[str, str], ...]:
    """The attributes of a name in order, as (manifest's field name or dotted OID, value)."""
    return tuple(
        (_FIELDS.get(attribute.oid, attribute.oid.dotted_string), _text(attribute.value)) for attribute in name
    )


def name_text(name: x509.Name) -> str:
    """A name as text for people and logs (RFC 4514, the last attribute first)."""
    return name.rfc4514_string(SHORT_NAMES)


def build_general_names(names: Iterable[AltName]) -> list[x509.GeneralName]:
    """The GeneralNames of a subjectAltName extension, in the given order."""
    return [_build_general_name(name) for name in names]


def parse_general_names(names: Iterable[x509.GeneralName]) -> frozenset[str]:
    """The entries of a subjectAltName extension as text, `str(AltName)` for those that edgecerts writes.

    Every other kind is kept by its object identifier or its bytes, so that a comparison sees it.
    """
    return frozenset(_general_name_text(name) for name in names)


def _build_general_name(name: AltName) -> x509.GeneralName:
    if name.kind is AltNameKind.IP:
        return x509.IPAddress(ipaddress.ip_address(name.value))
    if name.kind is AltNameKind.URI:
        return x509.UniformResourceIdentifier(name.value)
    if name.kind is AltNameKind.EMAIL:
        return x509.RFC822Name(name.value)
    return x509.DNSName(name.value)


def _general_name_text(name: x509.GeneralName) -> str:
    if isinstance(name, x509.DNSName):
        return alt_name_text(AltNameKind.DNS, name.value.lower())
    if isinstance(name, x509.IPAddress):
        return alt_name_text(AltNameKind.IP, str(name.value))
    if isinstance(name, x509.UniformResourceIdentifier):
        return alt_name_text(AltNameKind.URI, name.value)
    if isinstance(name, x509.RFC822Name):
        local, _, host = name.value.rpartition("@")
        return alt_name_text(AltNameKind.EMAIL, f"{local}@{host.lower()}")
    if isinstance(name, x509.DirectoryName):
        return f"dirname:{name_text(name.value)}"
    if isinstance(name, x509.RegisteredID):
        return f"rid:{name.value.dotted_string}"
    if isinstance(name, x509.OtherName):
        return f"othername:{name.type_id.dotted_string}={name.value.hex()}"
    return f"{type(name).__name__.lower()}:{name.value}"


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.hex()
