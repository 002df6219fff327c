"""What the bytes of one file hold: PEM blocks among any text, or one DER object. Pure; nothing is opened by name."""

import base64
import binascii
import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from edgecerts.adoption.material import LeftOutCode
from edgecerts.pki.der import INTEGER, OBJECT_ID, OCTET_STRING, SEQUENCE, read_element, read_elements
from edgecerts.pki.pem import encode_block

_BOUNDARY = re.compile(rb"-----(BEGIN|END) ([A-Z0-9][A-Z0-9 ]{0,63})-----")
_LEGACY_ENCRYPTION = b"Proc-Type: 4,ENCRYPTED"

CERTIFICATE, REQUEST = "CERTIFICATE", "CERTIFICATE REQUEST"
REVOCATION_LIST = "X509 CRL"
PRIVATE_KEYS = ("PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY")
ENCRYPTED_KEY = "ENCRYPTED PRIVATE KEY"

_OTHER_NAMES = {"X509 CERTIFICATE": CERTIFICATE, "NEW CERTIFICATE REQUEST": REQUEST}
_NOT_TAKEN_OVER = {
    "PKCS7": (LeftOutCode.PKCS7, "a PKCS#7 file; `openssl pkcs7 -print_certs` takes its certificates out"),
    "TRUSTED CERTIFICATE": (LeftOutCode.DAMAGED, "a certificate with OpenSSL's trust settings, which are its own"),
    "DSA PRIVATE KEY": (LeftOutCode.OTHER_KEY, "a DSA key, which no TLS stack takes any more"),
    "OPENSSH PRIVATE KEY": (LeftOutCode.OTHER_KEY, "a key of OpenSSH"),
}
_PKCS12 = "a PKCS#12 file; `openssl pkcs12 -nodes` takes its key and certificates out"
_MOST_PROBLEMS = 3

UNKNOWN_REVOCATIONS = "what it revokes is not known, and any certificate of its authority may be among it"

_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_JAVA_KEYSTORES = (b"\xfe\xed\xfe\xed", b"\xce\xce\xce\xce")
"""How a JKS and a JCEKS file begin."""

_JAVA_KEYSTORE = "a Java keystore; `keytool -importkeystore -deststoretype PKCS12` makes a PKCS#12 file of it"

_KEY_LABELS = {INTEGER: "RSA PRIVATE KEY", OCTET_STRING: "EC PRIVATE KEY", SEQUENCE: "PRIVATE KEY"}
"""By what follows the version number: PKCS#1, SEC 1 and PKCS#8."""

_LAST_KEY_VERSION = 1
_VERSION, _TIMES = 0xA0, (0x17, 0x18)


@dataclass(frozen=True, kw_only=True, slots=True)
class Block:
    """One object of a file.

    Attributes:
        label: as in PEM (RFC 7468), also where it was DER.
        der: what it holds; empty for a key in the traditional encryption, which only PEM has.
        legacy_pem: the block of such a key.
    """

    label: str
    der: bytes = field(default=b"", repr=False)
    legacy_pem: bytes = field(default=b"", repr=False)

    @property
    def pem(self) -> bytes:
        """It as PEM."""
        return self.legacy_pem or encode_block(self.der, self.label)

    @property
    def is_encrypted(self) -> bool:
        """Whether it is a private key that needs a password."""
        return self.label == ENCRYPTED_KEY or bool(self.legacy_pem)


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """What a file holds that is not taken over."""

    code: LeftOutCode
    text: str


def read_contents(data: bytes) -> tuple[tuple[Block, ...], tuple[Problem, ...]]:
    """Finds what there is in a file, in order. A file of another kind has neither objects nor problems.

    Args:
        data: the whole file. Text in UTF-16, as some editors on Windows save it, says so in its first two bytes.
    """
    if data.startswith(_UTF16):
        data = data.decode("utf-16", errors="replace").encode("utf-8")
    if data.startswith(_JAVA_KEYSTORES):
        return (), (Problem(code=LeftOutCode.JAVA_KEYSTORE, text=_JAVA_KEYSTORE),)
    found = list(_read_pem(data) if _BOUNDARY.search(data) else _read_der(data))
    problems = tuple(dict.fromkeys(entry for entry in found if isinstance(entry, Problem)))
    return tuple(entry for entry in found if isinstance(entry, Block)), problems[:_MOST_PROBLEMS]


def _read_pem(data: bytes) -> Iterator[Block | Problem]:
    begin: re.Match[bytes] | None = None
    for boundary in _BOUNDARY.finditer(data):
        if boundary[1] == b"BEGIN":
            if begin is not None:
                yield _damaged(begin, "a PEM block has no end")
            begin = boundary
        elif begin is not None and boundary[2] == begin[2]:
            yield from _read_block(begin[2].decode("ascii"), data[begin.end() : boundary.start()])
            begin = None
        else:
            yield Problem(code=LeftOutCode.DAMAGED, text="a PEM block has no beginning")
            begin = None
    if begin is not None:
        yield _damaged(begin, "the last PEM block is cut off")


def _damaged(begin: re.Match[bytes], text: str) -> Problem:
    """Of a list nobody may believe that it revokes nothing."""
    if begin[2].decode("ascii") == REVOCATION_LIST:
        return Problem(code=LeftOutCode.REVOCATION_LIST, text=f"a revocation list: {text}; {UNKNOWN_REVOCATIONS}")
    return Problem(code=LeftOutCode.DAMAGED, text=text)


def _read_block(label: str, body: bytes) -> Iterator[Block | Problem]:
    label = _OTHER_NAMES.get(label, label)
    if label in _NOT_TAKEN_OVER:
        code, text = _NOT_TAKEN_OVER[label]
        yield Problem(code=code, text=text)
    elif label in (CERTIFICATE, REQUEST, REVOCATION_LIST, ENCRYPTED_KEY, *PRIVATE_KEYS):
        if _LEGACY_ENCRYPTION in body:
            lines = b"\n".join(line.strip() for line in body.strip().splitlines())
            name = label.encode("ascii")
            pem = b"-----BEGIN %b-----\n%b\n-----END %b-----\n" % (name, lines, name)
            yield Block(label=label, legacy_pem=pem)
            return
        try:
            der = base64.b64decode(b"".join(body.split()), validate=True)
        except (binascii.Error, ValueError):
            known = f"; {UNKNOWN_REVOCATIONS}" if label == REVOCATION_LIST else ""
            code = LeftOutCode.REVOCATION_LIST if known else LeftOutCode.DAMAGED
            yield Problem(code=code, text=f"the PEM block {label} is damaged{known}")
            return
        yield Block(label=label, der=der)


def _read_der(data: bytes) -> Iterator[Block | Problem]:
    """One object, told by the beginning of its structure. What only begins like one is no object of ours."""
    if data[:1] != bytes((SEQUENCE,)):
        return
    try:
        parts = read_elements(read_element(data).content, most=2)
        first, second = parts[0], parts[1].tag
        inner = [element.tag for element in read_elements(first.content, most=4)] if first.tag == SEQUENCE else []
    except (ValueError, IndexError):
        return
    if first.tag == INTEGER and first.number > _LAST_KEY_VERSION:
        yield Problem(code=LeftOutCode.PKCS12, text=_PKCS12)
    elif first.tag == OBJECT_ID:
        code, text = _NOT_TAKEN_OVER["PKCS7"]
        yield Problem(code=code, text=text)
    elif second == SEQUENCE and {*_TIMES} & {*inner[2:]}:
        yield Block(label=REVOCATION_LIST, der=data)
    else:
        label = _KEY_LABELS.get(second) if first.tag == INTEGER else _label_of_sequence(inner, second)
        if label is not None:
            yield Block(label=label, der=data)


def _label_of_sequence(inner: list[int], second: int) -> str | None:
    """What begins with a SEQUENCE of elements with these tags, and goes on with one of that tag.

    A certificate of version 1 and a request both begin with a number; only the certificate has four sequences after it.
    """
    if inner[:1] == [OBJECT_ID]:
        return ENCRYPTED_KEY if second == OCTET_STRING else None
    if second != SEQUENCE:
        return None
    if inner[:1] == [_VERSION] or inner == [INTEGER, SEQUENCE, SEQUENCE, SEQUENCE]:
        return CERTIFICATE
    return REQUEST if inner[:3] == [INTEGER, SEQUENCE, SEQUENCE] else None
