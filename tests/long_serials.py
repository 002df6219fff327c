"""Certificates with serial numbers that no revocation list can name, as old tools made them."""

import warnings
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import crypto

LONG_SERIAL = 2**159 + 5
"""160 bits, one more than RFC 5280 §4.1.2.2 allows."""


def with_long_serial(pem: bytes, key: Any) -> bytes:
    """The same certificate, signed again with that number by the authority's key."""
    made = crypto.X509.from_cryptography(x509.load_pem_x509_certificate(pem))
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        # What is to be used instead makes none of that length.
        made.set_serial_number(LONG_SERIAL)
        made.sign(crypto.PKey.from_cryptography_key(key), "sha256")
    return made.to_cryptography().public_bytes(Encoding.PEM)
