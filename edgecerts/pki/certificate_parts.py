"""Where the parts of a certificate lie in its encoding (RFC 5280 §4.1).

For what the library has accepted already, which is strict: here nothing is checked again. A part that is the same in
ten thousand certificates is then read once, and known by its bytes.
"""

from dataclasses import dataclass

_VERSION = 0xA0
_EXTENSIONS = 0xA3


@dataclass(frozen=True, slots=True)
class CertificateParts:
    """The parts of a certificate, each with its tag and length.

    Attributes:
        public_key: the subjectPublicKeyInfo.
        extensions: each on its own; none in a certificate without.
    """

    issuer: bytes
    subject: bytes
    public_key: bytes
    extensions: tuple[bytes, ...]


def split_certificate(der: bytes) -> CertificateParts:
    """Cuts a certificate that the library has accepted into its parts."""
    tbs_at = _content(der, 0)[0]
    at, tbs_end = _content(der, tbs_at)
    if der[at] == _VERSION:
        at = _content(der, at)[1]
    at = _content(der, at)[1]  # the serial number
    issuer_at = _content(der, at)[1]
    issuer_end = _content(der, issuer_at)[1]
    subject_at = _content(der, issuer_end)[1]
    key_at = _content(der, subject_at)[1]
    key_end = _content(der, key_at)[1]
    return CertificateParts(
        der[issuer_at:issuer_end],
        der[subject_at:key_at],
        der[key_at:key_end],
        _extensions(der, key_end, tbs_end),
    )


def split_signature(der: bytes) -> tuple[bytes, bytes, int]:
    """What a certificate's issuer signed, the octets of the signature, and how many bits of the last are not its."""
    tbs_at = _content(der, 0)[0]
    tbs_end = _content(der, tbs_at)[1]
    signature_at, signature_end = _content(der, _content(der, tbs_end)[1])
    return der[tbs_at:tbs_end], der[signature_at + 1 : signature_end], der[signature_at]


def split_sequence(der: bytes) -> list[bytes]:
    """The elements of a SEQUENCE or SET that stands alone."""
    at, end = _content(der, 0)
    elements = []
    while at < end:
        begin, at = at, _content(der, at)[1]
        elements.append(der[begin:at])
    return elements


def _extensions(der: bytes, at: int, end: int) -> tuple[bytes, ...]:
    while at < end:
        begin, after = _content(der, at)
        if der[at] == _EXTENSIONS:
            return tuple(split_sequence(der[begin:after]))
        at = after
    return ()


def _content(der: bytes, at: int) -> tuple[int, int]:
    """Where the content of an element begins, and where the element ends."""
    length = der[at + 1]
    if length < 0x80:
        return at + 2, at + 2 + length
    begin = at + 2 + (length & 0x7F)
    return begin, begin + int.from_bytes(der[at + 2 : begin], "big")
