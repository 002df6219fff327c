"""Why certificates are revoked, in the words of RFC 5280 §5.3.1."""

import enum


@enum.unique
class RevocationReason(enum.StrEnum):
    """A reason in kebab case. `removeFromCRL` is none: it stands in delta lists only, which brokers do not read."""

    UNSPECIFIED = "unspecified"
    KEY_COMPROMISE = "key-compromise"
    CA_COMPROMISE = "ca-compromise"
    AFFILIATION_CHANGED = "affiliation-changed"
    SUPERSEDED = "superseded"
    CESSATION_OF_OPERATION = "cessation-of-operation"
    CERTIFICATE_HOLD = "certificate-hold"
    PRIVILEGE_WITHDRAWN = "privilege-withdrawn"
    AA_COMPROMISE = "aa-compromise"


MOST_SERIAL = 2**159 - 1
"""The greatest serial number that a list can name: 20 octets with a sign (RFC 5280 §4.1.2.2)."""


def can_be_listed(serial_number: int) -> bool:
    """Whether a list can name a certificate; other tools gave some greater numbers than RFC 5280 allows."""
    return 0 < serial_number <= MOST_SERIAL
