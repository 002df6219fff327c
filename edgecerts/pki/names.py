"""Names that stand in certificates: subjects, hosts, addresses and the other alternative names.

Text comes in, checked values come out; what is not a valid name raises `InvalidNameError` with a hint. A value
that exists is valid. Nothing here needs a cryptographic library: `x509_names` turns these values into ASN.1.
"""

import enum
import ipaddress
import re
import unicodedata
from dataclasses import dataclass

from edgecerts.errors import InvalidNameError


@enum.unique
class AltNameKind(enum.StrEnum):
    """The kinds of subjectAltName that edgecerts writes (RFC 5280 §4.2.1.6)."""

    DNS = "dns"
    IP = "ip"
    URI = "uri"
    EMAIL = "email"


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class AltName:
    """One subjectAltName in canonical form: lower-case A-labels, compressed IPv6, no port, no brackets."""

    kind: AltNameKind
    value: str

    def __str__(self) -> str:
        return alt_name_text(self.kind, self.value)


def alt_name_text(kind: AltNameKind, value: str) -> str:
    """An alternative name for people, of which no two differ only in kind: `dns:` stands before an IP address that is
    written as a host name, and nothing before other hosts and addresses.
    """
    if kind is AltNameKind.IP or (kind is AltNameKind.DNS and not _is_address(value)):
        return value
    return f"{kind}:{value}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Subject:
    """A distinguished name. The fields stand in the order in which they are written into a certificate."""

    country: str | None = None
    state: str | None = None
    locality: str | None = None
    organization: str | None = None
    organizational_unit: str | None = None
    common_name: str | None = None
    email: str | None = None

    def items(self) -> tuple[tuple[str, str], ...]:
        """The fields that are present, as (field name, value), in certificate order."""
        return tuple([(name, value) for name in SUBJECT_LENGTHS if (value := getattr(self, name)) is not None])


SUBJECT_LENGTHS = {
    "country": 2,
    "state": 128,
    "locality": 128,
    "organization": 64,
    "organizational_unit": 64,
    "common_name": 64,
    "email": 255,
}
"""The upper bounds of RFC 5280 appendix A.1, in characters (the common name's also in UTF-8 bytes)."""

# One label of a host name (RFC 1123 §2.1), with the underscore that container networks use.
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_EMAIL = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9.-]+")
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[!-~]+")
_PORT = re.compile(r"(.+):[0-9]{1,5}")


def parse_host(text: str) -> AltName:
    """Reads a host name or IP literal as clients dial it.

    Args:
        text: an IPv4 or IPv6 literal, a host name of RFC 1123 labels (also internationalised), or a wildcard whose
            left-most label is `*` (RFC 9525 §6.3).

    Raises:
        InvalidNameError: it is neither; the hint says what to write.
    """
    address = _parse_address(text)
    if address is not None:
        return AltName(kind=AltNameKind.IP, value=address)
    _refuse_what_is_not_a_host(text)
    return AltName(kind=AltNameKind.DNS, value=_parse_dns_name(text))


def parse_alt_name(text: str) -> AltName:
    """Reads one entry of `alt_names`: a host or address as `parse_host` takes it, or `uri:…` or `email:…`.

    Raises:
        InvalidNameError: it is none of these.
    """
    prefix, _, rest = text.partition(":")
    prefix = prefix.lower()  # openssl's extension files write DNS:, IP: and URI:
    if prefix == "email":
        return AltName(kind=AltNameKind.EMAIL, value=parse_email(rest))
    if prefix == "uri":
        if not _URI.fullmatch(rest):
            raise InvalidNameError(
                f"'{rest}' is not a URI", hint="a URI has a scheme and no spaces, for example uri:urn:dev:mac:0024beff"
            )
        return AltName(kind=AltNameKind.URI, value=rest)
    if prefix in ("dns", "ip") and rest:
        raise InvalidNameError(
            f"'{text}' has a prefix that is not needed", hint=f"write {rest}: hosts and addresses are told apart"
        )
    return parse_host(text)


def can_be_asked_for(text: str) -> bool:
    """Whether a manifest can ask for an alternative name of a certificate: as an entry of `alt_names`, or as an address
    that is written as a host name.

    Args:
        text: as `alt_name_text` writes it.
    """
    address = text.removeprefix(f"{AltNameKind.DNS}:")
    if address != text:
        return _is_address(address)
    try:
        return str(parse_alt_name(text)) == text
    except InvalidNameError:
        return False


def parse_email(text: str) -> str:
    """Reads an e-mail address for a subject or an rfc822Name (RFC 5280 §4.2.1.6: ASCII, no display name).

    Raises:
        InvalidNameError: it is not one.
    """
    if not _EMAIL.fullmatch(text) or len(text) > SUBJECT_LENGTHS["email"]:
        raise InvalidNameError(f"'{text}' is not an e-mail address", hint="write it as name@host.example")
    local, _, host = text.partition("@")
    try:
        return f"{local}@{_parse_dns_name(host)}"
    except InvalidNameError as error:
        raise InvalidNameError(f"'{text}' is not an e-mail address: {error.message}") from None


def check_subject_value(field: str, text: str) -> None:
    """Checks one field of a subject: its length, its characters and, for a country, its form.

    Args:
        field: a field of `Subject`.
        text: its value.

    Raises:
        InvalidNameError: RFC 5280 appendix A.1 does not allow it, or it holds what cannot be seen.
    """
    if not text:
        raise InvalidNameError(f"`{field}` is empty")
    if text != text.strip():
        raise InvalidNameError(f"`{field}` begins or ends with a space")
    if any(unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp") for character in text):
        raise InvalidNameError(f"`{field}` holds a control or invisible character")
    limit = SUBJECT_LENGTHS[field]
    if field == "country":
        if not re.fullmatch(r"[A-Z]{2}", text):
            raise InvalidNameError(
                f"'{text}' is not a country code", hint="two upper-case letters of ISO 3166, for example US"
            )
    elif len(text) > limit:
        raise InvalidNameError(f"`{field}` has {len(text)} characters; at most {limit} are allowed")
    elif field == "common_name" and len(text.encode()) > limit:
        raise InvalidNameError(f"`{field}` has {len(text.encode())} bytes in UTF-8; at most {limit} are allowed")
    elif field == "email":
        parse_email(text)


def is_subject_value(field: str, text: str) -> bool:
    """Whether a manifest can give this value to a field of a subject; `check_subject_value` says why it cannot."""
    try:
        check_subject_value(field, text)
    except InvalidNameError:
        return False
    return True


def differing_fields(found: tuple[tuple[str, str], ...], declared: Subject) -> tuple[str, ...]:
    """The fields in which a certificate's subject is not as declared.

    Another tool's certificate may say what no manifest can: its attributes in another order, some that have no field
    here, several organizational units, a country of three letters. Nobody could declare that, so it is no difference.

    Args:
        found: the attributes in order, as (field of `Subject` or dotted OID, value).
        declared: what the manifest says.
    """
    if found == declared.items():
        return ()
    wanted = dict(declared.items())
    values: dict[str, list[str]] = {}
    for field, value in found:
        if field in SUBJECT_LENGTHS:
            values.setdefault(field, []).append(value)
    return tuple(field for field in {**wanted, **values} if not _says(field, values.get(field, []), wanted.get(field)))


def _says(field: str, values: list[str], wanted: str | None) -> bool:
    if wanted is None:
        return not any(is_subject_value(field, value) for value in values)
    # Who somebody is cannot be two; of other fields a certificate may have a second that is its own.
    return values == [wanted] or (len(values) > 1 and field != "common_name" and wanted in values)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _parse_address(text: str) -> str | None:
    """The canonical form of an IP literal, or None where it is none."""
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    if ":" not in bare and not bare[-1:].isdigit():
        return None  # most are host names, and asking costs more than looking
    try:
        address = ipaddress.ip_address(bare)
    except ValueError:
        return None
    if bare != text:
        raise InvalidNameError(f"'{text}' has brackets", hint=f"write the address alone: '{bare}'")
    if getattr(address, "scope_id", None):
        raise InvalidNameError(f"'{text}' has a zone", hint="a certificate cannot hold the part after %; leave it out")
    if address.is_unspecified:
        raise InvalidNameError(
            f"'{text}' is an address to listen on, not one to connect to",
            hint="write the host name or address that clients dial",
        )
    return str(address)


def _refuse_what_is_not_a_host(text: str) -> None:
    """Raises for the slips that would otherwise be read as a bad host name, with the cure for each."""
    if "://" in text:
        raise InvalidNameError(f"'{text}' is a URL", hint="write the host name or address alone")
    if "/" in text:
        raise InvalidNameError(
            f"'{text}' is not a host name or address", hint="a certificate names hosts, not networks or paths"
        )
    port = _PORT.fullmatch(text)
    if port and (":" not in port[1] or port[1].endswith("]")):
        raise InvalidNameError(f"'{text}' has a port", hint=f"write {port[1].strip('[]')} alone")
    if "@" in text:
        raise InvalidNameError(f"'{text}' is not a host name", hint=f"an e-mail address is written as email:{text}")
    if text.endswith("."):
        raise InvalidNameError(f"'{text}' ends with a dot", hint=f"write {text.rstrip('.') or 'a host name'}")


def _parse_dns_name(text: str) -> str:
    """Checks a host name label by label and returns it in lower case, as A-labels (RFC 5890)."""
    name = text.lower()
    if not name.isascii():
        name = _to_a_labels(text)
    labels = name.split(".")
    if labels[0] == "*":
        if len(labels) < 3:
            raise InvalidNameError(
                f"'{text}' is too wide a wildcard", hint="at least two labels follow it, as in *.plant.example"
            )
        labels = labels[1:]
    # No top-level domain is a number (RFC 3696 §2), and some stacks would take the name for an address. The labels are
    # looked at after the conversion to A-labels, which makes ASCII of full-width digits and stops.
    if labels[-1].isdigit():
        raise InvalidNameError(
            f"'{text}' is neither a host name nor an IP address",
            hint="an IPv4 address has four numbers from 0 to 255 without leading zeros",
        )
    if any("*" in label for label in labels):
        raise InvalidNameError(
            f"'{text}' has a wildcard that stands for part of a name",
            hint="only a whole first label can be a wildcard (RFC 9525 §6.3), as in *.plant.example",
        )
    for label in labels:
        if not _LABEL.fullmatch(label):
            raise InvalidNameError(
                f"'{text}' is not a host name" + (f": the label '{label}' is not allowed" if label else ""),
                hint="labels of 1 to 63 letters, digits and hyphens, separated by dots (RFC 1123)",
            )
    if len(name) > 253:
        raise InvalidNameError(f"a host name has at most 253 characters; this one has {len(name)}")
    return name


def _to_a_labels(text: str) -> str:
    # Imported here because few manifests need it.
    import idna

    try:
        return idna.encode(text, uts46=True).decode("ascii")
    except idna.IDNAError as error:
        raise InvalidNameError(f"'{text}' is not a host name: {error}") from None
