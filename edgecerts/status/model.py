"""What exists, as a complete value: one row for each identity, in the manifest's order. Reports print it."""

import enum
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta

from edgecerts.desired.graph import IdentityKind
from edgecerts.errors import ExitCode
from edgecerts.plan.model import Reason, Remark


@enum.unique
class IdentityState(enum.StrEnum):
    """How an identity is, in one word; docs/status.md explains each.

    In the order in which one outranks another: what does not work, then what needs a person, then what the next apply
    mends, then what is no finding.
    """

    DAMAGED = "damaged"
    MISSING = "missing"
    EXPIRED = "expired"
    EARLY = "early"
    MISMATCH = "mismatch"
    FOREIGN = "foreign"
    EXPOSED = "exposed"
    BLOCKED = "blocked"
    KEYLESS = "keyless"
    CHANGED = "changed"
    DUE = "due"
    ENDING = "ending"
    UNJUDGED = "unjudged"
    WAITING = "waiting"
    OK = "ok"

    @property
    def is_finding(self) -> bool:
        """Whether `status` ends with 3 because of it, without being asked to."""
        return self not in (IdentityState.UNJUDGED, IdentityState.WAITING, IdentityState.OK)


@enum.unique
class KeyPlace(enum.StrEnum):
    """Where an identity's private key is, as far as it can be seen from outside.

    `LOCKED` is encrypted, or not readable by this user. `DELIVERED`, `ON_HOST` and, for an authority, `SUPPLIED` and
    `OFFLINE` are not here, as declared.
    """

    HERE = "here"
    LOCKED = "locked"
    DAMAGED = "damaged"
    DELIVERED = "delivered"
    ON_HOST = "on-host"
    SUPPLIED = "supplied"
    OFFLINE = "offline"
    NOT_HERE = "not-here"


@dataclass(frozen=True, kw_only=True, slots=True)
class FileReason:
    """Why one file is not as declared."""

    path: str
    reason: Reason


@dataclass(frozen=True, kw_only=True, slots=True)
class CertificateSummary:
    """What a row says about a certificate that can be read.

    Attributes:
        issuer: its issuer's name, for people.
        key_type: a `KeyType` value or another algorithm's name.
        serial: 40 hexadecimal digits.
        days_left: from today's date to the date of its end, both in UTC; negative where it has ended.
        renews_from: when `apply` renews it by itself, if it can; it may lie in the past.
    """

    issuer: str
    key_type: str
    serial: str
    not_before: datetime
    not_after: datetime
    days_left: int
    renews_from: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class StatusRow:
    """One authority, broker or client.

    Attributes:
        common_name: as declared: the host that clients dial, or who the client is.
        certificate: None where there is none, or none that can be read.
        reasons: every way in which its files are not as declared.
        remarks: what keeps them from being mended, and what else there is to say.
        hint: what the next apply does about it, or None.
    """

    address: str
    kind: IdentityKind
    common_name: str
    state: IdentityState
    key: KeyPlace
    certificate: CertificateSummary | None
    reasons: tuple[FileReason, ...]
    remarks: tuple[Remark, ...]
    hint: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class MonthCount:
    """How many certificates end, and how many become due for renewal, in one month.

    Attributes:
        month: as in 2027-03, in UTC.
        renewals: what is due already counts in the month of the status.
    """

    month: str
    ends: int
    renewals: int


@dataclass(frozen=True, kw_only=True, slots=True)
class ListSummary:
    """What a row says about a revocation list that can be read.

    Attributes:
        number: its CRLNumber, or None.
        entries: how many certificates stand in it.
        next_update: when it ends; after that strict brokers refuse every client.
        due_from: when `apply` signs it again.
        days_left: from today's date to the date of its end, both in UTC; negative where it has ended.
    """

    number: int | None
    entries: int
    this_update: datetime
    next_update: datetime
    due_from: datetime
    days_left: int


@dataclass(frozen=True, kw_only=True, slots=True)
class RevocationListRow:
    """One revocation list.

    Attributes:
        summary: None where there is none, or none that can be read.
        reasons: every way in which it is not as it should be.
        remarks: what keeps it from being signed, and what else there is to say.
        hint: what the next apply does about it, or None.
    """

    address: str
    state: IdentityState
    summary: ListSummary | None
    reasons: tuple[FileReason, ...]
    remarks: tuple[Remark, ...]
    hint: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class UnmanagedFolder:
    """A folder of ours that belongs to nothing in the manifest (any more).

    Attributes:
        still_valid: this authority issued its certificate, and it can still connect.
        serial, not_after: of its certificate; None where that cannot be read.
    """

    address: str
    paths: tuple[str, ...]
    still_valid: bool
    serial: str | None
    not_after: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Status:
    """Everything there is to say about what exists.

    Attributes:
        created_at: the `now` of the run, in UTC.
        manifest: the manifest's name as the user wrote it.
        within: certificates that end within this time are findings, too; None asks for no more than their own windows.
        fail_on: states that are findings because that was asked for.
        rows: one for each identity, in the order of the manifest.
        folder: findings about the folder's own files.
        notices: what is no finding and should be known.
        unmanaged: folders that nothing in the manifest asks for.
        lists: one row for each revocation list that the manifest asks for.
    """

    created_at: datetime
    manifest: str
    within: timedelta | None
    fail_on: frozenset[IdentityState]
    rows: tuple[StatusRow, ...]
    folder: tuple[Remark, ...]
    notices: tuple[Remark, ...]
    unmanaged: tuple[UnmanagedFolder, ...]
    lists: tuple[RevocationListRow, ...] = ()

    @property
    def findings(self) -> tuple[StatusRow, ...]:
        return tuple(row for row in self.rows if self.is_finding(row.state))

    @property
    def list_findings(self) -> tuple[RevocationListRow, ...]:
        return tuple(row for row in self.lists if self.is_finding(row.state))

    def is_finding(self, state: IdentityState) -> bool:
        """Whether identities in this state are findings, by themselves or because that was asked for."""
        return state.is_finding or state in self.fail_on

    @property
    def next_to_end(self) -> tuple[StatusRow, ...]:
        """The identities whose certificates end before all others that have not ended; several on the same date."""
        valid = [
            (row.certificate.not_after, row)
            for row in self.rows
            if row.certificate and row.certificate.not_after >= self.created_at
        ]
        if not valid:
            return ()
        first = min(not_after for not_after, _ in valid)
        same = [row for not_after, row in valid if not_after.date() == first.date()]
        return tuple(sorted(same, key=lambda row: row.certificate is not None and row.certificate.not_after != first))

    @property
    def months(self) -> tuple[MonthCount, ...]:
        """The months in which certificates end or become due, in order; those without either are left out."""
        found = [row.certificate for row in self.rows if row.certificate is not None]
        ends = Counter(_month(certificate.not_after) for certificate in found)
        renewals = Counter(_month(max(certificate.renews_from, self.created_at)) for certificate in found)
        return tuple(
            MonthCount(month=month, ends=ends[month], renewals=renewals[month]) for month in sorted({*ends, *renewals})
        )

    @property
    def summary(self) -> dict[str, int]:
        """How many identities there are in each state, and how many findings in all."""
        counts = {state.value: 0 for state in IdentityState}
        for row in self.rows:
            counts[row.state.value] += 1
        counts["findings"] = len(self.findings) + len(self.list_findings) + len(self.folder)
        return counts

    @property
    def exit_code(self) -> ExitCode:
        return ExitCode.FINDINGS if self.folder or self.findings or self.list_findings else ExitCode.DONE


def _month(moment: datetime) -> str:
    return f"{moment.year:04}-{moment.month:02}"
