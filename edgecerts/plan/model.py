"""A plan as a complete value, no-ops included. `apply` carries it out and decides nothing; reports print it."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from edgecerts.desired.graph import Address, Artifact
from edgecerts.manifest.model import PasswordSource
from edgecerts.pki.certificates import Period

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
    NOT_ACCEPTABLE = "not-acceptable"
    KEY_ENCRYPTED = "key-encrypted"
    KEY_NOT_HERE = "key-not-here"


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


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """What would be done to one artifact.

    Attributes:
        period: when a certificate that would be issued is valid.
    """

    artifact: Artifact
    action: Action
    reasons: tuple[Reason, ...] = ()
    period: Period | None = None

    @property
    def address(self) -> Address:
        return self.artifact.address

    @property
    def issues(self) -> bool:
        """Whether a certificate would be signed."""
        return self.period is not None


@enum.unique
class BlockCode(enum.StrEnum):
    """Why a change cannot be made.

    `NOT_YET` stands for every state of the files that this version recognises and does not yet mend.
    """

    NOT_YET = "not-yet"
    FINGERPRINT_MISMATCH = "fingerprint-mismatch"
    ISSUER_BLOCKED = "issuer-blocked"
    ALSO_TRUST_UNREADABLE = "also-trust-unreadable"
    NOT_AFTER_PASSED = "not-after-passed"
    PASSWORD_NOT_DECLARED = "password-not-declared"  # noqa: S105 (a code, not a password)


@enum.unique
class NoticeCode(enum.StrEnum):
    """What the user should know, and what never refuses."""

    CA_NOT_PINNED = "ca-not-pinned"
    CA_KEY_UNENCRYPTED = "ca-key-unencrypted"
    LIFETIME_CAPPED = "lifetime-capped"
    PAIR_NOT_COMPARED = "pair-not-compared"
    ED25519_KEY = "ed25519-key"
    ENCRYPTED_BROKER_KEY = "encrypted-broker-key"
    UNDERSCORE_IN_HOST = "underscore-in-host"


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


@enum.unique
class NeedKind(enum.StrEnum):
    """What `apply` must get from outside."""

    PASSWORD = "password"  # noqa: S105 (the word, not one of them)
    KEY = "key"


@dataclass(frozen=True, kw_only=True, slots=True)
class Need:
    """A secret that `apply` needs for the changes of this plan.

    Attributes:
        address: the private key that it opens or encrypts.
        source: where it comes from; never its content.
    """

    address: Address
    kind: NeedKind
    source: PasswordSource


@dataclass(frozen=True, kw_only=True, slots=True)
class Delivery:
    """What a host must be given, and what its service must do to use it.

    Attributes:
        address: the identity.
        host: the common name: where clients dial a broker, or who a client is.
        folder: the identity's folder; `files` lie in it, relative to the output folder.
        key_changed: the private key is new.
        trust_changed: ca.pem is new.
        restart: a reload is not enough, because a broker reads ca.pem only when it starts.
    """

    address: str
    host: str
    files: tuple[str, ...]
    key_changed: bool
    trust_changed: bool
    restart: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """Everything that would be done, in the order in which it would be done.

    Attributes:
        created_at: the `now` of the run, in UTC.
        manifest: the manifest's name as the user wrote it.
        changes: one for each artifact of the graph, no-ops included.
        blocked: changes that cannot be made, by address; they stand in `changes` as well.
        unmanaged: paths of ours that belong to nothing in the manifest.
        new_keys: paths of private keys that would be made.
    """

    created_at: datetime
    manifest: str
    changes: tuple[Change, ...]
    hazards: tuple[Remark, ...]
    blocked: tuple[Remark, ...]
    notices: tuple[Remark, ...]
    needs: tuple[Need, ...]
    unmanaged: tuple[str, ...]
    deliver: tuple[Delivery, ...]
    new_keys: tuple[str, ...]

    @property
    def blocked_addresses(self) -> frozenset[str]:
        return frozenset(remark.address for remark in self.blocked)

    @property
    def pending(self) -> tuple[Change, ...]:
        """What `apply` would do: neither a no-op nor blocked."""
        blocked = self.blocked_addresses
        return tuple(
            change
            for change in self.changes
            if change.action is not Action.NO_OP and str(change.address) not in blocked
        )

    @property
    def summary(self) -> dict[str, int]:
        """How many changes of each action there are; blocked ones are counted as `blocked` alone."""
        counts = {action.value: 0 for action in Action}
        counts["blocked"] = len(self.blocked)
        blocked = self.blocked_addresses
        for change in self.changes:
            if str(change.address) not in blocked:
                counts[change.action.value] += 1
        return counts
