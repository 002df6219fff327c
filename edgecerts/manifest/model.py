"""The manifest as values: defaults resolved, references checked, every name valid.

`parse_manifest` makes these; nobody else does. What the manifest said in so many words is remembered in `declared`,
because only that is compared with an existing certificate: a default of ours may change, the user's word may not.
"""

import enum
from dataclasses import dataclass
from datetime import datetime, timedelta

from edgecerts.pki.key_types import KeyType
from edgecerts.pki.names import AltName, Subject
from edgecerts.pki.profiles import Usage
from edgecerts.pki.revocation_reasons import RevocationReason


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Mark:
    """A position in the manifest's text, or in that of an inventory; both numbers count from 1.

    Attributes:
        file: the inventory as messages name it; empty for the manifest itself.
    """

    file: str = ""
    line: int
    column: int

    def seen_from(self, other: "Mark") -> str:
        """This place in the words of a message that stands at another one."""
        if self.file == other.file:
            return f"on line {self.line}"
        return f"on line {self.line} of {self.file or 'the manifest'}"


@enum.unique
class KeyHeld(enum.StrEnum):
    """Where an end entity's private key lives."""

    HERE = "here"
    DELIVERED = "delivered"
    CSR = "csr"


@enum.unique
class Rekey(enum.StrEnum):
    """When an end entity gets a new key by itself."""

    NEVER = "never"
    ON_RENEW = "on-renew"


@dataclass(frozen=True, kw_only=True, slots=True)
class PasswordSource:
    """Where a password comes from; never the password.

    Attributes:
        env: the name of an environment variable.
        file: a path, relative to the manifest's folder, with `{name}` already replaced.
        command: a program and its arguments, with `{name}` already replaced; run without a shell.
        prompt: ask on a terminal; with `env`, only where the variable is missing.
    """

    env: str | None = None
    file: str | None = None
    command: tuple[str, ...] | None = None
    prompt: bool = False

    def __str__(self) -> str:
        if self.env is not None and self.prompt:
            return f"environment variable {self.env} or a prompt"
        return _describe(self.env, self.file, self.command) or "a prompt"


@dataclass(frozen=True, kw_only=True, slots=True)
class PrivateKeySource:
    """Where the authority's private key comes from, where that is not the output folder; never the key.

    Exactly one is set; each is as for a password.
    """

    env: str | None = None
    file: str | None = None
    command: tuple[str, ...] | None = None

    def __str__(self) -> str:
        return _describe(self.env, self.file, self.command) or ""


def _describe(env: str | None, file: str | None, command: tuple[str, ...] | None) -> str | None:
    """A source in words. Of a command only the program: its arguments may be nobody's business."""
    if env is not None:
        return f"environment variable {env}"
    if file is not None:
        return f"file {file}"
    return f"command {command[0]}" if command is not None else None


@dataclass(frozen=True, kw_only=True, slots=True)
class Lifetime:
    """How long a certificate lives. Exactly one of the two is set; `not_after` is in UTC."""

    validity: timedelta | None = None
    not_after: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class RenewBefore:
    """How long before its end a certificate is renewed: a duration, or a share of its lifetime in percent."""

    duration: timedelta | None = None
    percent: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class RenewJitter:
    """By how much a renewal may come earlier: a duration, or a share of the lifetime in percent."""

    duration: timedelta | None = None
    percent: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class TrustedCA:
    """An entry of `ca.also_trust`: a file of certificates that clients and brokers trust as well.

    Attributes:
        crl: the file of their revocation lists, which brokers get beside ours; None where there is no such list.
    """

    ca: str
    crl: str | None = None
    mark: Mark


@dataclass(frozen=True, kw_only=True, slots=True)
class Revocation:
    """An entry of `revoked`: certificates that are refused although they have not ended.

    Attributes:
        name: `broker/NAME` or `client/NAME`, all of whose certificates are meant; None where `serial` is set.
        serial: the serial number of one certificate.
        since: of a name only the certificates that were issued before this moment, in UTC, are meant.
        note: for the reader.
        unknown: the serial number may be one that the issuance log does not have.
    """

    name: str | None
    serial: int | None
    reason: RevocationReason
    since: datetime | None
    note: str | None
    unknown: bool
    mark: Mark


@dataclass(frozen=True, kw_only=True, slots=True)
class RevocationListSettings:
    """What `crl` says of the revocation list.

    Attributes:
        validity: how long a list is good for; after that, strict brokers refuse every client.
        renew_before: None where the manifest leaves it to the default.
        url: where clients' certificates say that a list can be fetched; None leaves that out.
        declared: the keys that the manifest gave.
    """

    validity: timedelta
    renew_before: RenewBefore | None
    url: str | None
    declared: frozenset[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Authority:
    """A certificate authority.

    Attributes:
        name: empty for the root.
        renew_before: None where the manifest leaves it to the default.
        end_entity_validity: the lifetime that `defaults` gives to leaves; the default of `renew_before` needs it.
        private_key: where its private key comes from; None where that is the output folder.
        offline: its private key is in the output folder of the machine that signs, and of no other.
        fingerprint: the pinned SHA-256 of the subjectPublicKeyInfo in lower-case hexadecimal, or None.
        declared: the keys that the manifest gave.
    """

    name: str
    subject: Subject
    alt_names: tuple[AltName, ...]
    key_type: KeyType
    lifetime: Lifetime
    renew_before: RenewBefore | None
    end_entity_validity: timedelta
    private_key: PrivateKeySource | None
    offline: bool
    password: PasswordSource | None
    also_trust: tuple[TrustedCA, ...]
    fingerprint: str | None
    declared: frozenset[str]
    mark: Mark


@enum.unique
class EndEntityKind(enum.StrEnum):
    """The two kinds of end entity (RFC 5280 §3.2); also the first part of their addresses."""

    BROKER = "broker"
    CLIENT = "client"


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """The certificate request that the host of a broker or client sends.

    Attributes:
        path: relative to the manifest's folder, with `/`.
        must_match: it is refused where it asks for other names than the manifest declares.
    """

    path: str
    must_match: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class EndEntity:
    """A broker or a client.

    Attributes:
        name: the name of its folder and of its address.
        alt_names: all of them, without duplicates, in the order of the certificate: for a broker its common name
            first; a subject's e-mail last.
        renew_jitter: spreads renewals by the entry's name; None where all come when `renew_before` says.
        request: set exactly where the private key is made on its host.
        password: encrypts the private key, here or on its host.
        declared: the keys that the manifest gave, by the entry itself, its inventory, its role or `defaults`.
        revoke_on_rekey: a certificate whose key is replaced is revoked.
        declared: the keys that the manifest gave, by the entry itself or through `defaults`.
    """

    kind: EndEntityKind
    name: str
    subject: Subject
    alt_names: tuple[AltName, ...]
    usages: frozenset[Usage]
    key_type: KeyType
    lifetime: Lifetime
    renew_before: RenewBefore | None
    renew_jitter: RenewJitter | None
    key_held: KeyHeld
    rekey: Rekey
    request: Request | None
    password: PasswordSource | None
    revoke_on_rekey: bool
    declared: frozenset[str]
    mark: Mark


@dataclass(frozen=True, kw_only=True, slots=True)
class InventoryFile:
    """An inventory that was read.

    Attributes:
        path: relative to the manifest's folder, with `/`.
        entries: how many brokers or clients it has.
    """

    path: str
    entries: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Manifest:
    """A whole manifest.

    Attributes:
        source: the manifest's name as the user wrote it, for messages.
        digest: SHA-256 of its text and of its inventories', with line ends normalised, in hexadecimal.
        output: the output folder relative to the manifest's folder, with `/`.
        authorities: at present exactly one, the root.
        brokers, clients: those that are typed in the manifest first, then those of inventories.
        inventories: those of brokers first.
        revocations: those of the manifest, then those of the file beside it.
        revocation_list: None where there is none to be made.
    """

    source: str
    digest: str
    output: str
    authorities: tuple[Authority, ...]
    brokers: tuple[EndEntity, ...]
    clients: tuple[EndEntity, ...]
    inventories: tuple[InventoryFile, ...] = ()
    revocations: tuple[Revocation, ...] = ()
    revocation_list: RevocationListSettings | None = None
