"""PEM text (RFC 7468): read strictly, so that every block is whole and every block is expected, and written."""

import base64
import re
from collections.abc import Container

_BOUNDARY = re.compile(rb"-----(BEGIN|END) ([A-Z0-9 ]+)-----")
_COLUMNS = 64


def split_pem(data: bytes, labels: Container[str]) -> list[tuple[str, bytes]]:
    """Cuts PEM text into its blocks. Text between blocks is a comment and is dropped.

    Args:
        data: the content of a file.
        labels: the labels that may occur.

    Returns:
        (label, block) pairs in order; at least one.

    Raises:
        ValueError: there is no block, one is cut off, or one has another label. The library's own loaders pass over
            the last two in silence.
    """
    blocks: list[tuple[str, bytes]] = []
    begin: re.Match[bytes] | None = None
    for boundary in _BOUNDARY.finditer(data):
        if boundary[1] == b"BEGIN":
            if begin is not None:
                raise ValueError("a PEM block has no end")
            begin = boundary
        elif begin is None or boundary[2] != begin[2]:
            raise ValueError("a PEM block has no beginning")
        else:
            label = boundary[2].decode("ascii")
            if label not in labels:
                raise ValueError(f"it holds a PEM block of another kind: {label}")
            blocks.append((label, data[begin.start() : boundary.end()] + b"\n"))
            begin = None
    if begin is not None:
        raise ValueError("the last PEM block is cut off")
    if not blocks:
        raise ValueError("it holds no PEM block")
    return blocks


def encode_block(der: bytes, label: str) -> bytes:
    """PEM text of one object."""
    text = base64.b64encode(der).decode("ascii")
    lines = (text[at : at + _COLUMNS] for at in range(0, len(text), _COLUMNS))
    return "\n".join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""]).encode("ascii")
