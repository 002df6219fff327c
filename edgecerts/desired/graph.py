"""The graph of desired artifacts.

An artifact is one file. The artifacts of one authority, broker or client form an identity. Paths are relative to the
output folder and always use `/`.
"""

import enum
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from edgecerts.manifest.model import KeyHeld, Lifetime, PasswordSource, PrivateKeySource, Revocation, TrustedCA
from edgecerts.pki.certificates import CertificateSpec
from edgecerts.pki.key_types import KeyType

PRIVATE_KEY_MODE = 0o600
PUBLIC_MODE = 0o644
PRIVATE_FOLDER_MODE = 0o700

LOCAL_FOLDER = ".edgecerts"
"""Holds the lock and what is being written; belongs to one machine and is never committed."""

JOURNAL = f"{LOCAL_FOLDER}/journal.json"
"""Exists while a run publishes what it has committed to, and after it was interrupted in that."""
STAGING_FOLDER = f"{LOCAL_FOLDER}/staging"
"""Where what is being written lies until it gets its name."""

REPLACED_FOLDER = f"{LOCAL_FOLDER}/replaced"
"""Keeps private keys that were replaced or pruned."""

LOG_FOLDER = "issued"

REVOCATION_LIST = "ca/ca.crl.pem"
"""The list of what the authority revoked, which is good for every broker that reads a file."""
PUBLISHED_LIST = "ca/published.crl.pem"
"""The same for one distribution point alone, where brokers fetch it that insist on that."""
LIST_COPY = "crl.pem"
"""The name of a broker's copy."""
LIST_PART, PUBLISHED_LIST_PART = "crl", "published-crl"
LIST_PARTS = frozenset({LIST_PART, PUBLISHED_LIST_PART})
"""The last parts of the addresses of lists and of their copies."""


@enum.unique
class IdentityKind(enum.StrEnum):
    """The three kinds of identity; each has its folder and its file names."""

    CA = "ca"
    BROKER = "broker"
    CLIENT = "client"


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Address:
    """An artifact's stable name, written `broker/plant-a/certificate`.

    Attributes:
        identity: `ca`, `broker/NAME`, `client/NAME`, `folder` or `log`.
        part: what it is within that; empty for the log, which is one whole whatever the year of its file.
    """

    identity: str
    part: str = ""

    def __str__(self) -> str:
        return f"{self.identity}/{self.part}" if self.part else self.identity


LOG_ADDRESS = Address(identity="log")


def identity_of(address: str) -> str:
    """The identity that an artifact belongs to, from its address as it is written."""
    return address if address == str(LOG_ADDRESS) else address.rpartition("/")[0]


@dataclass(frozen=True, kw_only=True, slots=True)
class RenewalRule:
    """When a certificate is due: when the shorter of the two is left of its lifetime. At least one is set.

    Attributes:
        ahead_duration, ahead_share: how much earlier this one is due, so that not all are due at once: the identity's
            own part of what is declared, at most one of the two.
    """

    duration: timedelta | None = None
    share: float | None = None
    ahead_duration: timedelta | None = None
    ahead_share: float | None = None

    def window(self, lifetime: timedelta) -> timedelta:
        """How long before its end a certificate of this lifetime is due."""
        choices = [self.duration, lifetime * self.share if self.share is not None else None]
        window = min(choice for choice in choices if choice is not None)
        return window + (self.ahead_duration or timedelta()) + lifetime * (self.ahead_share or 0.0)


@dataclass(frozen=True, kw_only=True, slots=True)
class TextArtifact:
    """A text file of which we own the lines between two markers; the others are the user's."""

    address: Address
    path: str
    content: str
    mode: int = PUBLIC_MODE


@dataclass(frozen=True, kw_only=True, slots=True)
class PrivateKeyArtifact:
    """A private key.

    Attributes:
        key_type: what a new key would be.
        key_type_declared: whether the manifest says so; only then is an existing key compared with it.
        rekey_on_renew: a certificate that is renewed gets a new key as well.
        source: where an authority's key is fetched from, which then never lies in `path`; None where it lies there.
        offline: it lies in `path` on one machine alone; that it is absent is as declared.
    """

    address: Address
    path: str
    key_type: KeyType
    key_type_declared: bool
    password: PasswordSource | None
    held: KeyHeld
    rekey_on_renew: bool
    mode: int = PRIVATE_KEY_MODE
    source: PrivateKeySource | None = None
    offline: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class RequestArtifact:
    """A certificate request, which a host sends and edgecerts reads.

    Attributes:
        path: relative to the manifest's folder, not to the output folder.
        must_match: it is refused where it asks for other names than are declared.
        password: encrypts the private key on its host.
    """

    path: str
    must_match: bool
    password: PasswordSource | None


@dataclass(frozen=True, kw_only=True, slots=True)
class CertificateArtifact:
    """A certificate.

    Attributes:
        issuer: the address of the authority's certificate; its own for a root.
        lifetime_declared, usages_declared: whether the manifest says so; only then is an existing one compared.
    """

    address: Address
    path: str
    spec: CertificateSpec
    issuer: Address
    lifetime: Lifetime
    lifetime_declared: bool
    usages_declared: bool
    renewal: RenewalRule
    mode: int = PUBLIC_MODE


@dataclass(frozen=True, kw_only=True, slots=True)
class TrustArtifact:
    """A `ca.pem`: the authority's certificate, then those of other authorities that are trusted as well."""

    address: Address
    path: str
    issuer: Address
    also_trust: tuple[TrustedCA, ...]
    mode: int = PUBLIC_MODE


@dataclass(frozen=True, kw_only=True, slots=True)
class RevocationListArtifact:
    """A list of the certificates that an authority revoked.

    Attributes:
        issuer: the address of the authority's certificate.
        revocations: what is declared as revoked, without the notes.
        validity_declared: whether the manifest says how long a list is good for; only then is one compared with it.
        url: the distribution point that it is for alone; None where it is for every broker.
    """

    address: Address
    path: str
    issuer: Address
    revocations: tuple[Revocation, ...]
    validity: timedelta
    validity_declared: bool
    renewal: RenewalRule
    url: str | None
    mode: int = PUBLIC_MODE


@dataclass(frozen=True, kw_only=True, slots=True)
class ListCopyArtifact:
    """A broker's `crl.pem`: the authority's list, then those of the other authorities that it trusts.

    Attributes:
        source: the address of the authority's list.
    """

    address: Address
    path: str
    source: Address
    also_trust: tuple[TrustedCA, ...]
    mode: int = PUBLIC_MODE


@dataclass(frozen=True, kw_only=True, slots=True)
class LogArtifact:
    """The year's file of the issuance log. No manifest asks for it: it only ever grows."""

    address: Address
    path: str
    mode: int = PUBLIC_MODE


@dataclass(frozen=True, kw_only=True, slots=True)
class LeftoverArtifact:
    """A file of ours that belongs to nothing in the manifest (any more)."""

    address: Address
    path: str
    is_private_key: bool


Artifact = (
    TextArtifact
    | PrivateKeyArtifact
    | CertificateArtifact
    | TrustArtifact
    | RevocationListArtifact
    | ListCopyArtifact
    | LogArtifact
    | LeftoverArtifact
)


def log_artifact(moment: datetime) -> LogArtifact:
    """The file that gets the lines of a moment, in UTC."""
    return LogArtifact(address=LOG_ADDRESS, path=f"{LOG_FOLDER}/{moment:%Y}.jsonl")


@dataclass(frozen=True, kw_only=True, slots=True)
class Identity:
    """An authority, a broker or a client.

    Attributes:
        address: `ca`, `broker/NAME` or `client/NAME`.
        folder: its folder below the output folder.
        common_name: the host that clients dial, or who the client is.
        trust: None for an authority, whose certificate is what others trust.
        fingerprint: the pinned SHA-256 of an authority's public key, or None.
        request: what its host sends, where its private key is made there.
        revocation_lists: an authority's, the one for every broker first; none where nothing asks for them.
        list_copy: a broker's copy.
        revoke_on_rekey: a certificate whose key is replaced is revoked.
    """

    address: str
    kind: IdentityKind
    folder: str
    common_name: str
    private_key: PrivateKeyArtifact
    certificate: CertificateArtifact
    trust: TrustArtifact | None
    fingerprint: str | None = None
    request: RequestArtifact | None = None
    revocation_lists: tuple[RevocationListArtifact, ...] = ()
    list_copy: ListCopyArtifact | None = None
    revoke_on_rekey: bool = False

    def artifacts(self) -> Iterator[Artifact]:
        """Its files, each after those that it depends on."""
        yield self.private_key
        yield self.certificate
        if self.trust is not None:
            yield self.trust
        yield from self.revocation_lists
        if self.list_copy is not None:
            yield self.list_copy


@dataclass(frozen=True, kw_only=True, slots=True)
class Graph:
    """Everything that should exist below the output folder.

    Although it stands with its authority, a revocation list is signed last of all: it lists what was replaced.
    """

    folder_files: tuple[TextArtifact, ...]
    authorities: tuple[Identity, ...]
    end_entities: tuple[Identity, ...]

    @property
    def identities(self) -> tuple[Identity, ...]:
        return self.authorities + self.end_entities

    def artifacts(self) -> Iterator[Artifact]:
        """Every file in a stable topological order: a file stands after those that it depends on."""
        yield from self.folder_files
        for identity in self.identities:
            yield from identity.artifacts()
