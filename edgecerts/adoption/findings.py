"""What is wrong with something that was found, and who refuses it, as values."""

import enum
from dataclasses import dataclass


@enum.unique
class FindingCode(enum.StrEnum):
    """What may be wrong with a certificate or its key."""

    X509_V1 = "x509-v1"
    NO_COMMON_NAME = "no-common-name"
    NO_ALT_NAME = "no-alt-name"
    ADDRESS_IN_COMMON_NAME = "address-in-common-name"
    ADDRESS_AS_DNS_NAME = "address-as-dns-name"
    COMMON_NAME_NOT_IN_ALT_NAMES = "common-name-not-in-alt-names"
    NAME_NOT_DECLARABLE = "name-not-declarable"
    NO_AUTHORITY_KEY_ID = "no-authority-key-id"
    AUTHORITY_SERIAL = "authority-serial"
    NO_BASIC_CONSTRAINTS = "no-basic-constraints"
    CONSTRAINTS_NOT_CRITICAL = "constraints-not-critical"
    NO_KEY_USAGE = "no-key-usage"
    KEY_USAGE = "key-usage"
    LEAF_IS_CA = "leaf-is-ca"
    NO_SUBJECT_KEY_ID = "no-subject-key-id"
    NAME_CONSTRAINTS = "name-constraints"
    WEAK_KEY = "weak-key"
    KEY_FLAW = "key-flaw"
    UNCOMMON_KEY = "uncommon-key"
    WEAK_SIGNATURE = "weak-signature"
    EXPIRED = "expired"
    ENDS_SOON = "ends-soon"
    NOT_YET_VALID = "not-yet-valid"
    OUTLIVES_CA = "outlives-ca"
    SHORT_SERIAL = "short-serial"
    LONG_SERIAL = "long-serial"
    DUPLICATE_SERIAL = "duplicate-serial"
    KEY_READABLE = "key-readable"
    KEY_NOT_FOUND = "key-not-found"
    SHARED_KEY = "shared-key"
    SHARED_CERTIFICATE = "shared-certificate"
    SHARED_COMMON_NAME = "shared-common-name"
    UNCERTAIN_ROLE = "uncertain-role"
    SHARED_HOST = "shared-host"
    REVOKED_FOLDER = "revoked-folder"
    NOT_AS_DECLARED = "not-as-declared"
    NOT_KEPT = "not-kept"


@enum.unique
class Outcome(enum.StrEnum):
    """What becomes of a finding.

    `UPDATED` and `REKEYED` are what the first `apply` does, with the same key or a new one; `BLOCKED` is what it would
    do and cannot, and `WAITING` what a host has to do first; `MENDED` is what the import itself has mended in its copy;
    what `STAYS` wants a decision. A check gives what can come of it at best: `UPDATED` where a new certificate mends
    it, `REKEYED` where only a new key does.
    """

    UPDATED = "updated"
    REKEYED = "rekeyed"
    BLOCKED = "blocked"
    WAITING = "waiting"
    MENDED = "mended"
    STAYS = "stays"


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One thing that is wrong.

    Attributes:
        message: what it is, in words.
        refused_by: which TLS stacks refuse it; None where that is not what is wrong.
        hint: what to do about what stays, or None.
    """

    code: FindingCode
    message: str
    outcome: Outcome
    refused_by: str | None = None
    hint: str | None = None
