"""Whether a file holds a private key, in PEM or DER, whole or damaged, open or encrypted: told without opening it.

For places where none should be. What is taken for a key by mistake costs a message; what is not costs the key.
"""

import re

_PEM = re.compile(rb"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----")

_BLOCK = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----")
_OURS = frozenset({b"PRIVATE KEY", b"ENCRYPTED PRIVATE KEY", b"RSA PRIVATE KEY", b"EC PRIVATE KEY"})
_BESIDE = frozenset({b"EC PARAMETERS"})

_INTEGER, _OCTET_STRING, _OID, _SEQUENCE = 0x02, 0x04, 0x06, 0x30
_BEGINNINGS = (
    (_INTEGER, _SEQUENCE, _OCTET_STRING),  # PKCS#8 (RFC 5958 §2)
    (_INTEGER, _OCTET_STRING),  # SEC1 (RFC 5915 §3)
    (_INTEGER, _INTEGER, _INTEGER),  # PKCS#1 (RFC 8017 §A.1.2)
)
_PASSWORD_BASED = (
    b"\x2a\x86\x48\x86\xf7\x0d\x01\x05",  # 1.2.840.113549.1.5, PKCS#5
    b"\x2a\x86\x48\x86\xf7\x0d\x01\x0c\x01",  # 1.2.840.113549.1.12.1, PKCS#12
)
_LONG = 0x80


def holds_private_key(data: bytes) -> bool:
    """Whether a file has a PEM block of a private key, or is one in DER: PKCS#8, open or encrypted, PKCS#1 or SEC1."""
    return _PEM.search(data) is not None or is_der_key(data)


def is_key_file(data: bytes) -> bool:
    """Whether a file is meant for a private key of TLS and for nothing else, however damaged.

    A key of SSH is none, nor is a file with a certificate beside the key: others live on what else is in there.
    """
    labels = set(_BLOCK.findall(data))
    if not labels:
        return is_der_key(data)
    return bool(labels & _OURS) and labels <= _OURS | _BESIDE


def is_der_key(data: bytes) -> bool:
    """Whether a file is a private key in DER, open or encrypted."""
    outer = _element(data, 0)
    if outer is None or outer[0] != _SEQUENCE:
        return False
    parts = _elements(data, outer[1])
    tags = tuple(tag for tag, _, _ in parts)
    if any(tags[: len(beginning)] == beginning for beginning in _BEGINNINGS):
        return True
    if tags[:2] != (_SEQUENCE, _OCTET_STRING):
        return False
    algorithm = _element(data, parts[0][1])
    return algorithm is not None and algorithm[0] == _OID and data[algorithm[1] :].startswith(_PASSWORD_BASED)


def _elements(data: bytes, start: int) -> list[tuple[int, int, int]]:
    """The first three elements from a place on: those that are there, the last of which may be cut off."""
    found: list[tuple[int, int, int]] = []
    while len(found) < max(map(len, _BEGINNINGS)) and (element := _element(data, start)) is not None:
        found.append(element)
        start = element[2]
    return found


def _element(data: bytes, start: int) -> tuple[int, int, int] | None:
    """The tag, where the content begins, and where it should end; None where there is none."""
    if start + 1 >= len(data):
        return None
    tag, length, begin = data[start], data[start + 1], start + 2
    if length >= _LONG:
        count = length - _LONG
        length = int.from_bytes(data[begin : begin + count], "big")
        begin += count
    return tag, begin, begin + length
