"""What lies in a source folder, each thing once, whatever the names and formats of its files."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import PurePosixPath
from typing import Protocol

from cryptography import x509

from edgecerts.manifest.model import PasswordSource
from edgecerts.pki.certificate_facts import CertificateFacts
from edgecerts.pki.private_keys import KeyFacts, PrivateKey


class Password(Protocol):
    """A password that nothing shows by accident."""

    def reveal(self) -> bytes:
        """The password itself."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class OpenedBy:
    """What opened an encrypted key, and where it came from."""

    source: PasswordSource
    password: Password = field(repr=False)


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Place:
    """A file in which something was found.

    Attributes:
        path: relative to the source folder, with `/`, as text that can be shown.
        mode: the file's permission bits.
    """

    path: str
    mode: int

    @property
    def folder(self) -> str:
        """The file's folder; empty for the source folder itself."""
        return self.path.rpartition("/")[0]

    @property
    def stem(self) -> str:
        """The file's name without its ending."""
        return PurePosixPath(self.path).stem


@dataclass(frozen=True, kw_only=True, slots=True)
class FoundCertificate:
    """A certificate and all files that hold it."""

    facts: CertificateFacts
    places: tuple[Place, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class FoundKey:
    """A private key that could be opened, and all files that hold it.

    Attributes:
        opened_by: what opened it, where a file holds it encrypted; then it stays encrypted.
        exposed: the files that hold it unencrypted and that others may read.
    """

    facts: KeyFacts
    private_key: PrivateKey = field(repr=False)
    places: tuple[Place, ...]
    opened_by: OpenedBy | None = None
    exposed: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class LockedKey:
    """An encrypted private key that nothing has opened. Whose it is cannot be seen."""

    pem: bytes = field(repr=False)
    places: tuple[Place, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class FoundRequest:
    """A certificate request (CSR) and all files that hold it.

    Attributes:
        spki_sha256: of the public key that it is for.
        subject: as text.
    """

    pem: bytes
    spki_sha256: str
    subject: str
    places: tuple[Place, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class RevokedSerial:
    """A serial number that somebody revoked.

    Attributes:
        at: when, in UTC; None where that is not said.
        reason: in the words of RFC 5280 with hyphens; None where that is not said.
        not_after: when its certificate ends, where that is said as well.
    """

    serial_number: int
    at: datetime | None = None
    reason: str | None = None
    not_after: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class FoundRevocationList:
    """A revocation list (CRL), whose signature nobody has looked at, and all files that hold it."""

    crl: x509.CertificateRevocationList = field(repr=False, compare=False)
    issuer_der: bytes = field(repr=False)
    issuer_text: str
    this_update: datetime
    revoked: tuple[RevokedSerial, ...] = field(repr=False)
    places: tuple[Place, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class FoundIndex:
    """The `index.txt` of `openssl ca` and easy-rsa: what an authority issued. It does not say which authority.

    Attributes:
        issued: by serial number when the certificates end, all of them.
        revoked: those that are marked with an R.
    """

    place: Place
    issued: Mapping[int, datetime] = field(repr=False)
    revoked: tuple[RevokedSerial, ...] = field(repr=False)


@enum.unique
class LeftOutCode(enum.StrEnum):
    """Why something that lies in the source folder is not taken over."""

    UNREADABLE = "unreadable"
    DAMAGED = "damaged"
    REVOCATION_LIST = "revocation-list"
    PKCS12 = "pkcs12"
    PKCS7 = "pkcs7"
    OTHER_KEY = "other-key"
    LOCKED_KEY = "locked-key"
    KEY_WITHOUT_CERTIFICATE = "key-without-certificate"
    REQUEST_WITHOUT_CERTIFICATE = "request-without-certificate"
    OLDER_CERTIFICATE = "older-certificate"
    OTHER_AUTHORITY = "other-authority"
    OF_OTHER_AUTHORITY = "of-other-authority"
    INTERMEDIATE = "intermediate"
    SELF_SIGNED = "self-signed"
    NO_ISSUER = "no-issuer"
    NO_HOST = "no-host"
    NAME_NOT_DECLARABLE = "name-not-declarable"
    NAME_OF_CA = "name-of-ca"
    REVOKED = "revoked"
    AUTHORITY_BUNDLE = "authority-bundle"
    JAVA_KEYSTORE = "java-keystore"
    UNRECOGNISED = "unrecognised"
    EDGECERTS_RECORDS = "edgecerts-records"


@dataclass(frozen=True, kw_only=True, slots=True)
class LeftOut:
    """Something that is not taken over.

    Attributes:
        files: where it lies.
        message: what it is and why, in words.
        hint: what can be done about it, or None.
        spki_sha256: of a certificate's public key; its private key is left out with it where nothing else needs that.
        may_be_key: it could not be read, and may be a private key.
    """

    code: LeftOutCode
    files: tuple[str, ...]
    message: str
    hint: str | None = None
    spki_sha256: str | None = None
    may_be_key: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Material:
    """Everything that a source folder holds, in the order of the files' names.

    Attributes:
        files: how many files were read.
    """

    certificates: tuple[FoundCertificate, ...] = ()
    keys: tuple[FoundKey, ...] = ()
    locked: tuple[LockedKey, ...] = ()
    requests: tuple[FoundRequest, ...] = ()
    lists: tuple[FoundRevocationList, ...] = ()
    indexes: tuple[FoundIndex, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    files: int = 0
