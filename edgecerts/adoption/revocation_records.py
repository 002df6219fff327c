"""Reading who was revoked: certificate revocation lists, and the `index.txt` of `openssl ca` and easy-rsa."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime

from cryptography import x509

from edgecerts.adoption.material import RevokedSerial

_LINE = re.compile(
    r"(?P<state>[VRE])\t(?P<end>[0-9]{12,14}Z)\t(?P<revoked>[^\t]*)\t(?P<serial>[0-9A-Fa-f]{1,40})\t[^\t]*\t.*"
)
_BEGINS = re.compile(rb"\A[VRE]\t[0-9]{12,14}Z\t")
_WORD_START = re.compile(r"(?<=[a-z])(?=[A-Z])")
_WITH_MORE = {"keyTime": "keyCompromise", "CAkeyTime": "CACompromise", "holdInstruction": "certificateHold"}
"""What OpenSSL calls a reason in its index that has a time or more with it."""


class IndexDamagedError(Exception):
    """A line that nobody can read: what it revokes is not known."""

    def __init__(self, line: int) -> None:
        super().__init__(f"line {line} cannot be read")
        self.line = line


def read_revoked_serials(crl: x509.CertificateRevocationList) -> Iterator[RevokedSerial]:
    """The entries of a revocation list.

    Raises:
        ValueError and what else the library raises: an entry cannot be decoded.
    """
    for entry in crl:
        try:
            reason = entry.extensions.get_extension_for_class(x509.CRLReason).value.reason
        except x509.ExtensionNotFound:
            reason = None
        # What a delta list takes back is in use again.
        if reason is not x509.ReasonFlags.remove_from_crl:
            yield RevokedSerial(
                serial_number=entry.serial_number,
                at=entry.revocation_date_utc,
                reason=_with_hyphens(reason.value) if reason is not None else None,
            )


def is_index(data: bytes) -> bool:
    """Whether a file is an index, by its first line. It may have any name."""
    return _BEGINS.match(data) is not None


def read_index(data: bytes) -> tuple[dict[int, datetime], tuple[RevokedSerial, ...]]:
    """Reads an index.

    Returns:
        when each certificate ends, by its serial number; and what is revoked.

    Raises:
        IndexDamagedError: a line cannot be read.
    """
    issued: dict[int, datetime] = {}
    revoked = []
    for number, line in enumerate(data.decode("utf-8", errors="replace").split("\n"), start=1):
        if not line.strip():
            continue
        match = _LINE.fullmatch(line.rstrip("\r"))
        if match is None:
            raise IndexDamagedError(number)
        try:
            serial, end = int(match["serial"], 16), _read_time(match["end"])
            at, _, reason = match["revoked"].partition(",")
            issued[serial] = end
            if match["state"] == "R":
                revoked.append(
                    RevokedSerial(
                        serial_number=serial,
                        at=_read_time(at) if at else None,
                        # A key's compromise is followed by when that was.
                        reason=_with_hyphens(reason.partition(",")[0]) or None,
                        not_after=end,
                    )
                )
        except ValueError:
            raise IndexDamagedError(number) from None
    return issued, tuple(revoked)


def _read_time(text: str) -> datetime:
    """UTCTime has two digits of the year, and GeneralizedTime four (RFC 5280 §4.1.2.5)."""
    if len(text) == len("YYMMDDHHMMSSZ"):
        text = f"{'20' if int(text[:2]) < 50 else '19'}{text}"
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)


def _with_hyphens(name: str) -> str:
    """`keyCompromise` as `key-compromise`; `CACompromise` as `ca-compromise`."""
    name = _WITH_MORE.get(name, name)
    if name[:2].lower() in ("ca", "aa"):
        return f"{name[:2]}-{name[2:]}".lower()
    return _WORD_START.sub("-", name).lower()
