"""The facts that were found, as values.

Four states, never two: what cannot be read is not absent, and an encrypted key is neither.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from edgecerts.observed.issuance_log import LogEntry
from edgecerts.pki.certificate_facts import CertificateFacts
from edgecerts.pki.certificate_requests import RequestFacts
from edgecerts.pki.private_keys import KeyFacts
from edgecerts.pki.revocation_lists import RevocationListFacts

T_co = TypeVar("T_co", covariant=True)


@enum.unique
class State(enum.StrEnum):
    """How a file was found.

    `LOCKED` is for private keys alone: encrypted, or not readable by this user. `UNREADABLE` is what is damaged, is not
    a plain file, or is public and may not be read.
    """

    ABSENT = "absent"
    PRESENT = "present"
    LOCKED = "locked"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, kw_only=True, slots=True)
class Observed(Generic[T_co]):
    """One file as it was found.

    Attributes:
        value: set exactly where the file is present.
        mode: its permission bits; None where it is absent, could not be looked at, or has none that are kept.
        folder_mode: those of the folder it lies in.
        problem: what keeps it from being read, in words; set where it is locked or unreadable.
        hint: what can be done about that, where it is something of its own.
        damaged: it was read, and is not what it should be; else what is unreadable could not be looked at.
        encrypted: for a private key: it needs a password, wherever that could be seen.
        linked: for a private key: its file has another name, so that what is done to it would be done to that, too.
    """

    state: State
    value: T_co | None = None
    mode: int | None = None
    folder_mode: int | None = None
    problem: str | None = None
    hint: str | None = None
    damaged: bool = False
    encrypted: bool = False
    linked: bool = False


ABSENT: Observed[None] = Observed(state=State.ABSENT)


@dataclass(frozen=True, kw_only=True, slots=True)
class FolderFacts:
    """A folder of ours as it was found.

    Attributes:
        path: relative to the output folder; empty for that itself.
        mode: its permission bits.
        owner: the number of the user that it belongs to.
    """

    path: str
    mode: int
    owner: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Leftover:
    """A folder of a broker or client that the manifest does not have (any more).

    Attributes:
        address: what its address would be.
        paths: our files in it.
        private_key, certificate: those of our names in it.
    """

    address: str
    paths: tuple[str, ...]
    private_key: Observed[KeyFacts]
    certificate: Observed[tuple[CertificateFacts, ...]]

    @property
    def certificate_path(self) -> str:
        """Where its certificate lies; its folder, where there is none."""
        names = (path for path in self.paths if not path.endswith((".key", "/ca.pem", "/crl.pem")))
        return next(names, self.paths[0].rpartition("/")[0])


@dataclass(frozen=True, kw_only=True, slots=True)
class DamagedLog:
    """A file of the issuance log in which some lines are no entries.

    Attributes:
        lines: their numbers, from 1.
        conflict: among them are the markers of a merge.
    """

    path: str
    lines: tuple[int, ...]
    conflict: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Inventory:
    """Everything that was found.

    Attributes:
        private_keys, certificates, texts: by path relative to the output folder, for every artifact of the graph.
        also_trusted: by path relative to the manifest's folder.
        requests: by path relative to the manifest's folder.
        revocation_lists: by path relative to the output folder: the authority's and each broker's, also where the
            manifest does not ask for them.
        also_revoked: the lists of other authorities, by path relative to the manifest's folder.
        log: every readable line of the issuance log, in the order of the files.
        log_files: every file of the log that has anything in it, readable or not.
        damaged_log: those of them with lines that are no entries.
        unreadable: folders and log files that are there and cannot be read, and why; what they hold is not known.
        interrupted: an apply is publishing, or was interrupted in it.
        leftovers: folders that have the place and file names of ours, but belong to nothing in the graph.
        folders: the output folder and the folders of the graph in it, as far as they are there and can be opened. They
            do not count when two inventories are compared: `apply` makes some of them before it looks again.
        keeps_modes: whether the file system keeps permissions as they are set. Where it does not, no file has a mode.
    """

    private_keys: Mapping[str, Observed[KeyFacts]]
    certificates: Mapping[str, Observed[tuple[CertificateFacts, ...]]]
    texts: Mapping[str, Observed[str]]
    also_trusted: Mapping[str, Observed[tuple[CertificateFacts, ...]]]
    log: tuple[LogEntry, ...]
    log_files: tuple[str, ...]
    unreadable: Mapping[str, str]
    leftovers: tuple[Leftover, ...]
    interrupted: bool = False
    folders: tuple[FolderFacts, ...] = field(default=(), compare=False)
    keeps_modes: bool = field(default=True, compare=False)
    damaged_log: tuple[DamagedLog, ...] = ()
    requests: Mapping[str, Observed[RequestFacts]] = field(default_factory=dict)
    revocation_lists: Mapping[str, Observed[tuple[RevocationListFacts, ...]]] = field(default_factory=dict)
    also_revoked: Mapping[str, Observed[tuple[RevocationListFacts, ...]]] = field(default_factory=dict)

    @property
    def serials(self) -> frozenset[int]:
        """Every serial number that a certificate here has, or had by the log."""
        found = (*self.certificates.values(), *(leftover.certificate for leftover in self.leftovers))
        here = {facts.serial_number for certificates in found for facts in certificates.value or ()}
        return frozenset(here | {number for entry in self.log if (number := entry.serial_number) is not None})
