"""The constants of the certificate profile, each with its source.

What edgecerts puts into a certificate when the manifest does not say otherwise. Changing one of these changes new
certificates only: an existing certificate is compared with what the manifest declares, never with a default.
"""

import enum
from datetime import timedelta

from edgecerts.pki.key_types import KeyType


@enum.unique
class Usage(enum.StrEnum):
    """What a certificate may be used for in TLS (extendedKeyUsage, RFC 5280 §4.2.1.12)."""

    SERVER = "server"
    CLIENT = "client"


CA_VALIDITY = timedelta(days=3650)
END_ENTITY_VALIDITY = timedelta(days=825)
"""The longest lifetime that Apple's stacks accept in a TLS server certificate (support.apple.com/103769)."""

CA_KEY_TYPE = KeyType.EC_P256
END_ENTITY_KEY_TYPE = KeyType.EC_P256

BACKDATE = timedelta(hours=1)
"""How far notBefore lies before the moment of issue, so that a device whose clock is slow accepts it."""

BACKDATE_SHARE = 20
"""A lifetime is backdated by at most this fraction (one twentieth) of itself."""

RENEWAL_SHARE = 3
"""A certificate is renewed when this fraction (a third) of its lifetime is left ..."""

RENEWAL_AT_MOST = timedelta(days=365)
"""... but never earlier than this before its end."""

REVOCATION_LIST_VALIDITY = timedelta(days=90)
"""How long a revocation list is good for: longer than a plant that nobody looks after stays unattended."""

REVOCATION_LIST_RENEWAL_SHARE = 0.33
"""A list is signed again when this share of its lifetime is left."""

KDF_ROUNDS = 600_000
"""PBKDF2-HMAC-SHA256 rounds for an encrypted private key (OWASP Password Storage Cheat Sheet)."""

CA_PASSWORD_LENGTH = 12
"""The fewest characters that a CA's password may have."""


def backdate(lifetime: timedelta) -> timedelta:
    """How far before the moment of issue a certificate of this lifetime begins."""
    return min(BACKDATE, lifetime / BACKDATE_SHARE)
