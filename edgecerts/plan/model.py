"""A plan as a complete value, no-ops included. `apply` carries it out and decides nothing; reports print it."""

import collections
import enum
import functools
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509

from edgecerts.desired.graph import Address, Artifact, identity_of
from edgecerts.pki.certificate_facts import CertificateFacts
from edgecerts.pki.certificates import Period
from edgecerts.plan.handover import Delivery
from edgecerts.plan.listing import Listing
from edgecerts.plan.need import Need
from edgecerts.plan.waiting import Waiting

Value = str | tuple[str, ...] | None
"""What a field was or will be: text, several texts, or nothing."""


@enum.unique
class Action(enum.StrEnum):
    """What would be done to one file (Terraform's words; renew, update and rekey as in RFC 4949)."""

    NO_OP = "no-op"
    CREATE = "create"
    RENEW = "renew"
    UPDATE = "update"
    REKEY = "rekey"
    CHMOD = "chmod"
    DELETE = "delete"

    @property
    def symbol(self) -> str:
        return _SYMBOLS[self]


_SYMBOLS: Mapping[Action, str] = {
    Action.NO_OP: " ",
    Action.CREATE: "+",
    Action.RENEW: "r",
    Action.UPDATE: "~",
    Action.REKEY: "-/+",
    Action.CHMOD: "m",
    Action.DELETE: "-",
}


@enum.unique
class ReasonCode(enum.StrEnum):
    """Why a file would change. Stable: scripts may match on these; docs/plan.md explains each."""

    MISSING = "missing"
    CORRUPT = "corrupt"
    KEY_MISMATCH = "key-mismatch"
    KEY_TYPE_CHANGED = "key-type-changed"
    SUBJECT_CHANGED = "subject-changed"
    ALT_NAMES_CHANGED = "alt-names-changed"
    USAGE_CHANGED = "usage-changed"
    VALIDITY_CHANGED = "validity-changed"
    ISSUER_CHANGED = "issuer-changed"
    SIGNATURE_INVALID = "signature-invalid"
    EXPIRED = "expired"
    NEAR_EXPIRY = "near-expiry"
    OUTLIVES_ISSUER = "outlives-issuer"
    CONTENT_CHANGED = "content-changed"
    MODE_CHANGED = "mode-changed"
    ENCRYPTION_CHANGED = "encryption-changed"
    REPLACE_REQUESTED = "replace-requested"
    NOT_ACCEPTABLE = "not-acceptable"
    NOT_IN_MANIFEST = "not-in-manifest"
    NOT_IN_LOG = "not-in-log"
    REQUESTED = "requested"
    REQUEST_CHANGED = "request-changed"
    REVOKED = "revoked"
    REVOCATIONS_CHANGED = "revocations-changed"
    CRL_URL_CHANGED = "crl-url-changed"
    NOT_YET_VALID = "not-yet-valid"


@dataclass(frozen=True, kw_only=True, slots=True)
class Reason:
    """Explains a change; never steers `apply`.

    Attributes:
        field: the manifest's field, or the part of the file, that differs; None where the code says it all.
    """

    code: ReasonCode
    field: str | None = None
    before: Value = None
    after: Value = None


@enum.unique
class KeySource(enum.StrEnum):
    """Where the public key of a certificate that will be issued comes from."""

    NEW_KEY = "new-key"
    KEY_FILE = "key-file"
    CERTIFICATE = "certificate"
    REQUEST = "request"


@dataclass(frozen=True, kw_only=True, slots=True)
class Lineage:
    """What a certificate that is made again takes over from the one before.

    Attributes:
        name: its subject, byte for byte: what an authority issued stays valid, and a client stays the same user.
        key_id: an authority's subject key identifier in hexadecimal; None where it is derived from the key.
    """

    name: x509.Name
    key_id: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Issuance:
    """How a certificate will be issued.

    Attributes:
        period: when it will be valid.
        key: where its public key comes from.
        lineage: what it takes over from a certificate that is made again, or None.
        revokes: the serial number of the certificate that it replaces, where that is revoked because of it.
    """

    period: Period
    key: KeySource
    lineage: Lineage | None = None
    revokes: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class LogRecord:
    """A certificate that is here and not in the issuance log, and gets its line.

    Attributes:
        address: what the line says it was issued to.
        path: where it lies.
        issuer_key: SHA-256 of the public key that signed it, in hexadecimal.
    """

    address: Address
    path: str
    facts: CertificateFacts
    issuer_key: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """What would be done to one artifact.

    Attributes:
        issuance: set exactly where a certificate would be signed.
        listing: set exactly where a revocation list would be signed.
        records: set exactly for the issuance log: the lines that it gets.
    """

    artifact: Artifact
    action: Action
    reasons: tuple[Reason, ...] = ()
    issuance: Issuance | None = None
    records: tuple[LogRecord, ...] = ()
    listing: Listing | None = None

    @property
    def address(self) -> Address:
        return self.artifact.address

    @property
    def period(self) -> Period | None:
        """When a certificate or a revocation list that would be signed is valid."""
        signed = self.issuance or self.listing
        return signed.period if signed else None


@enum.unique
class HazardCode(enum.StrEnum):
    """What `apply` refuses unless it is allowed by name."""

    CA_REPLACED = "ca-replaced"
    CLOCK_BEHIND = "clock-behind"
    INSECURE_FOLDER = "insecure-folder"
    FOREIGN_FILE = "foreign-file"
    UNREVOKED = "unrevoked"
    UNKNOWN_SERIAL = "unknown-serial"
    UNLISTABLE_SERIAL = "unlistable-serial"
    REVOKES_NOTHING = "revokes-nothing"

    @property
    def refuses_everything(self) -> bool:
        return self is not HazardCode.FOREIGN_FILE and not self.refuses_entries

    @property
    def refuses_entries(self) -> bool:
        """Whether it is about entries of the revocation list, which is signed without them, or with them as before."""
        entries = (self.UNREVOKED, self.UNKNOWN_SERIAL, self.UNLISTABLE_SERIAL, self.REVOKES_NOTHING)
        return self in entries


@enum.unique
class BlockCode(enum.StrEnum):
    """Why a change cannot be made."""

    CORRUPT = "corrupt"
    KEY_MISMATCH = "key-mismatch"
    KEY_ENCRYPTED = "key-encrypted"
    ISSUER_KEY_NOT_HERE = "issuer-key-not-here"
    ISSUER_BLOCKED = "issuer-blocked"
    FINGERPRINT_MISMATCH = "fingerprint-mismatch"
    ALSO_TRUST_UNREADABLE = "also-trust-unreadable"
    NOT_AFTER_PASSED = "not-after-passed"
    NOT_YET_VALID = "not-yet-valid"
    KEY_UNUSABLE = "key-unusable"
    KEY_EXPOSED = "key-exposed"
    UNREADABLE = "unreadable"
    REQUEST_REFUSED = "request-refused"
    KEY_ON_HOST = "key-on-host"
    KEY_REVOKED = "key-revoked"
    SINCE_IN_FUTURE = "since-in-future"
    ON_HOLD = "on-hold"
    CRL_SIGN_MISSING = "crl-sign-missing"


@enum.unique
class NoticeCode(enum.StrEnum):
    """What the user should know, and what never refuses."""

    CA_NOT_PINNED = "ca-not-pinned"
    CA_KEY_UNENCRYPTED = "ca-key-unencrypted"
    CA_KEY_UNUSED = "ca-key-unused"
    CA_IS_NEW = "ca-is-new"
    CA_ENDS_SOON = "ca-ends-soon"
    TRUST_RENEWED = "trust-renewed"
    LIFETIME_CAPPED = "lifetime-capped"
    ENDS_WITH_ISSUER = "ends-with-issuer"
    KEY_NOT_HERE = "key-not-here"
    KEY_ENCRYPTED = "key-encrypted"
    KEY_MISMATCH = "key-mismatch"
    PAIR_NOT_COMPARED = "pair-not-compared"
    INTERRUPTED = "interrupted"
    NOT_JUDGED = "not-judged"
    NOT_YET_VALID = "not-yet-valid"
    INSECURE_FOLDER = "insecure-folder"
    FOLDER_GROUP_WRITABLE = "folder-group-writable"
    MODES_NOT_KEPT = "modes-not-kept"
    LOG_UNREADABLE = "log-unreadable"
    UNREADABLE = "unreadable"
    STILL_VALID = "still-valid"
    IDENTITY_CHANGED = "identity-changed"
    ED25519_KEY = "ed25519-key"
    ENCRYPTED_BROKER_KEY = "encrypted-broker-key"
    UNDERSCORE_IN_HOST = "underscore-in-host"
    LOG_DAMAGED = "log-damaged"
    LOG_CONTRADICTION = "log-contradiction"
    REQUEST_REFUSED = "request-refused"
    REQUEST_DIFFERS = "request-differs"
    CRL_ENDS = "crl-ends"
    CRL_UNMANAGED = "crl-unmanaged"
    CRL_OF_ANOTHER_ENDS = "crl-of-another-ends"
    CRL_OF_ANOTHER_UNUSABLE = "crl-of-another-unusable"
    CRL_LEFT_OUT = "crl-left-out"
    REVOKED_NOT_IN_LOG = "revoked-not-in-log"
    REVOKES_AUTHORITY = "revokes-authority"
    ON_HOLD = "on-hold"


@dataclass(frozen=True, kw_only=True, slots=True)
class Remark:
    """Something about an address: a hazard, a blocked change or a notice, by its code.

    Attributes:
        hint: what to do about it, or None.
    """

    code: str
    address: str
    message: str
    hint: str | None = None


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Everything that would be done, in the order in which it would be done.

    Attributes:
        created_at: the `now` of the run, in UTC.
        manifest: the manifest's name as the user wrote it.
        changes: one for each artifact of the graph, no-ops included, then one for each that is deleted. One for the log
            stands before those that might replace what it records, and only where it lacks a line: nobody declares it,
            and it grows with whatever is issued.
        hazards: what was found, also where it is allowed; its address is an identity; for the whole run `ca` or
            `folder`.
        allowed: the hazards that the user allowed.
        blocked: changes that cannot be made, by address; they stand in `changes` as well.
        waiting: certificates for which their hosts have to send something first, by address.
        revoked_keys: SHA-256 of the public keys that are never certified again; planning cannot look into a locked one.
        unmanaged: paths of ours that belong to nothing in the manifest and stay.
        new_keys: paths of private keys that would be made.
    """

    created_at: datetime
    manifest: str
    changes: tuple[Change, ...]
    hazards: tuple[Remark, ...]
    allowed: frozenset[HazardCode]
    blocked: tuple[Remark, ...]
    notices: tuple[Remark, ...]
    needs: tuple[Need, ...]
    unmanaged: tuple[str, ...]
    waiting: tuple[Waiting, ...]
    deliver: tuple[Delivery, ...]
    new_keys: tuple[str, ...]
    revoked_keys: frozenset[str] = frozenset()

    @functools.cached_property
    def blocked_addresses(self) -> frozenset[str]:
        return frozenset(remark.address for remark in self.blocked)

    @functools.cached_property
    def refusals(self) -> tuple[Remark, ...]:
        """The hazards that nobody allowed."""
        return tuple(hazard for hazard in self.hazards if HazardCode(hazard.code) not in self.allowed)

    @functools.cached_property
    def pending(self) -> tuple[Change, ...]:
        """What `apply` would do: neither a no-op, nor blocked, nor refused."""
        return select_pending(self.changes, self.blocked_addresses, self.refusals)

    @functools.cached_property
    def settled(self) -> tuple[Change, ...]:
        """The files that are as declared, or are left as they are."""
        blocked = self.blocked_addresses
        return tuple(
            change for change in self.changes if change.action is Action.NO_OP and str(change.address) not in blocked
        )

    @functools.cached_property
    def refused(self) -> tuple[Change, ...]:
        """What `apply` would do if every hazard were allowed, and does not."""
        possible = select_pending(self.changes, self.blocked_addresses, ())
        pending = {change.address for change in self.pending}
        return tuple(change for change in possible if change.address not in pending)

    @property
    def refuses_entries(self) -> bool:
        """Whether a hazard that nobody allowed keeps entries of the revocation list as they were."""
        return any(HazardCode(hazard.code).refuses_entries for hazard in self.refusals)

    @property
    def summary(self) -> dict[str, int]:
        """How many changes of each action there are; blocked ones are counted as `blocked` alone.

        So are certificates that wait for their hosts, unless something else is done to them. What else there will be
        of an identity that waits for its first request is not counted.
        """
        actions = collections.Counter[Action]()
        counts = {action.value: 0 for action in Action} | {"blocked": len(self.blocked), "waiting": len(self.waiting)}
        blocked, waiting = self.blocked_addresses, {entry.address for entry in self.waiting}
        waiting |= {identity_of(entry.address) for entry in self.waiting if entry.is_first}
        for change in self.changes:
            waits = (
                waiting and change.action is Action.NO_OP and {str(change.address), change.address.identity} & waiting
            )
            if (not blocked or str(change.address) not in blocked) and not waits:
                actions[change.action] += 1
        return counts | {action.value: number for action, number in actions.items()}


def select_pending(
    changes: Iterable[Change], blocked: Collection[str], refusals: Iterable[Remark]
) -> tuple[Change, ...]:
    """The changes that can be made: neither a no-op, nor blocked, nor under a hazard that nobody allowed."""
    refusals = tuple(hazard for hazard in refusals if not HazardCode(hazard.code).refuses_entries)
    if any(HazardCode(hazard.code).refuses_everything for hazard in refusals):
        return ()
    refused = {hazard.address for hazard in refusals}
    return tuple(
        change
        for change in changes
        if change.action is not Action.NO_OP
        and (not blocked or str(change.address) not in blocked)
        and (not refused or change.address.identity not in refused)
    )


@functools.lru_cache(maxsize=4096)
def rfc3339(moment: datetime) -> str:
    """A UTC instant in whole seconds, as plans, logs and JSON write it (RFC 3339 §5.6)."""
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"
