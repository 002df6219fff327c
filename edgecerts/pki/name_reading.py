"""Names of certificates as attributes and as text; what many names have in common is read once."""

from collections.abc import Callable
from dataclasses import dataclass

from cryptography import x509

from edgecerts.pki.certificate_parts import split_sequence
from edgecerts.pki.x509_names import SHORT_NAMES, name_attributes

_COMMON_NAME = bytes.fromhex("0603550403 0c")
"""The OID of commonName, and the tag of UTF8String."""

_MOST_KEPT = 4096

Attributes = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class ReadName:
    """A name.

    Attributes:
        attributes: in order, as (manifest's field name or dotted OID, value).
        text: for people and logs (RFC 4514, the last attribute first).
    """

    attributes: Attributes
    text: str


class NameReader:
    """Reads names, and remembers their parts: the relative distinguished names, by their encoding."""

    def __init__(self) -> None:
        self._parts: dict[bytes, ReadName] = {}
        self._names: dict[bytes, ReadName] = {}

    def read(self, der: bytes, parse: Callable[[], x509.Name]) -> ReadName:
        """A name that probably no other certificate has.

        Args:
            der: its encoding.
            parse: gives it as the library reads it; raises what the library raises.
        """
        encoded = split_sequence(der)
        parts = [self._parts.get(part) or _plain_common_name(part) for part in encoded]
        if None in parts:
            read = [ReadName(name_attributes(rdn), rdn.rfc4514_string(SHORT_NAMES)) for rdn in parse().rdns]
            if len(self._parts) + len(read) > _MOST_KEPT:
                self._parts.clear()
            self._parts.update(zip(encoded, read, strict=True))
            parts = [*read]
        known = [part for part in parts if part is not None]
        attributes = tuple(attribute for part in known for attribute in part.attributes)
        return ReadName(attributes, ",".join(part.text for part in reversed(known)))

    def read_again(self, der: bytes, parse: Callable[[], x509.Name]) -> ReadName:
        """A name that probably many certificates have, such as their issuer's. The arguments are those of `read`."""
        found = self._names.get(der)
        if found is None:
            found = self.read(der, parse)
            if len(self._names) >= _MOST_KEPT:
                self._names.clear()
            self._names[der] = found
        return found


def _plain_common_name(rdn: bytes) -> ReadName | None:
    """A common name that needs neither checking nor escaping; None where the library has to say what it is."""
    # SET { SEQUENCE { OID, UTF8String } }, with lengths of one byte.
    text = rdn[11:]
    if len(rdn) < 12 or rdn[4:10] != _COMMON_NAME or rdn[10] != len(text) or not text.isascii():
        return None
    value = text.decode("ascii")
    if not value.replace("-", "").replace(".", "").replace("_", "").isalnum():
        return None
    return ReadName((("common_name", value),), f"CN={value}")
