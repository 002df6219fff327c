"""An adoption: what is taken over from a source folder, what the manifest says of it, and what is left out."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from edgecerts.adoption.authorities import FoundAuthority
from edgecerts.adoption.declared_revocations import DeclaredRevocations
from edgecerts.adoption.findings import Finding
from edgecerts.adoption.material import FoundCertificate, FoundKey, FoundRequest, LeftOut
from edgecerts.adoption.roles import Evidence
from edgecerts.adoption.unopened import Unopened
from edgecerts.manifest.model import EndEntityKind, KeyHeld, PasswordSource
from edgecerts.pki.key_types import KeyType
from edgecerts.pki.profiles import Usage


@dataclass(frozen=True, kw_only=True, slots=True)
class Declared:
    """What the manifest says of an authority, of a broker or client, or under `defaults`; None is what it leaves open.

    Attributes:
        subject: the fields without the common name; an empty text takes a default away.
        lifetime: the key, `validity` or `not_after`, and its value.
        also_trust: the files of other authorities that are trusted as well.
    """

    common_name: str | None = None
    subject: Mapping[str, str] = field(default_factory=dict)
    alt_names: tuple[str, ...] = ()
    ip_as_dns: bool = False
    usages: tuple[Usage, ...] = ()
    key_type: KeyType | None = None
    lifetime: tuple[str, str] | None = None
    renew_before: str | None = None
    key_held: KeyHeld | None = None
    password: PasswordSource | None = None
    shared_common_name: bool = False
    fingerprint: str | None = None
    also_trust: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class AdoptedAuthority:
    """The authority that is taken over."""

    found: FoundAuthority
    declared: Declared
    findings: tuple[Finding, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class AdoptedEntry:
    """A broker or client that is taken over.

    Attributes:
        name: of the entry.
        evidence: what shows that it is a broker, or a client.
        key: its private key, or None where that was not found.
        request: a request of the same key, or None.
    """

    kind: EndEntityKind
    name: str
    evidence: Evidence
    certificate: FoundCertificate
    key: FoundKey | None
    request: FoundRequest | None
    declared: Declared
    findings: tuple[Finding, ...]

    @property
    def address(self) -> str:
        return f"{self.kind}/{self.name}"


@dataclass(frozen=True, kw_only=True, slots=True)
class OtherTrust:
    """Another authority, which devices may have to go on trusting.

    Attributes:
        file: where a copy of its certificate is kept, relative to the manifest.
        active: whether every `ca.pem` gets it, or the manifest only says how.
        reason: what speaks for it, in words.
    """

    certificate: FoundCertificate
    file: str
    active: bool
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Adoption:
    """What an import found.

    Attributes:
        source: the source folder as it was named.
        created_at: the one moment of the run.
        files: how many files were read.
        authority: None where the folder holds none that can be taken over; then there are no entries either.
        defaults: what most entries have in common.
        entries: brokers first, each in the order of their names.
        trusted: other authorities that issued certificates which are still valid, or that devices trust.
        rivals: other authorities that are as good a choice.
        revoked: what the manifest says of those whom the authority has revoked.
        unopened: files that may hold private keys that were not found.
    """

    source: str
    created_at: datetime
    files: int
    authority: AdoptedAuthority | None
    defaults: Declared
    entries: tuple[AdoptedEntry, ...]
    trusted: tuple[OtherTrust, ...]
    left_out: tuple[LeftOut, ...]
    rivals: tuple[FoundAuthority, ...] = ()
    revoked: DeclaredRevocations = field(default_factory=DeclaredRevocations)
    unopened: Unopened = field(default_factory=Unopened)

    @property
    def keyless(self) -> tuple[str, ...]:
        """The addresses of those whose private key was not found."""
        authority = ("ca",) if self.authority is not None and self.authority.found.key is None else ()
        return authority + tuple(entry.address for entry in self.entries if entry.key is None)

    @property
    def brokers(self) -> tuple[AdoptedEntry, ...]:
        return tuple(entry for entry in self.entries if entry.kind is EndEntityKind.BROKER)

    @property
    def clients(self) -> tuple[AdoptedEntry, ...]:
        return tuple(entry for entry in self.entries if entry.kind is EndEntityKind.CLIENT)

    @property
    def findings(self) -> Iterator[Finding]:
        """Everything that is wrong with what is taken over."""
        if self.authority is not None:
            yield from self.authority.findings
        for entry in self.entries:
            yield from entry.findings
