"""What was issued to one identity, by the lines of the issuance log."""

import enum
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from edgecerts.desired.graph import LOG_ADDRESS, identity_of
from edgecerts.observed.history_scan import FoundHistory
from edgecerts.observed.issuance_log import RECORD_ACTION, LogEntry
from edgecerts.observed.log_scan import FoundLog
from edgecerts.pki.revocation_lists import RevokedEntry
from edgecerts.plan.log_checks import check_readable
from edgecerts.plan.model import BlockCode, ReasonCode, Remark
from edgecerts.status.listed import Listed, find_listed


@enum.unique
class Standing(enum.StrEnum):
    """What a certificate that was issued is good for now; docs/log.md explains each."""

    IN_PLACE = "in-place"
    STILL_VALID = "still-valid"
    REVOKED = "revoked"
    EXPIRED = "expired"


@dataclass(frozen=True, kw_only=True, slots=True)
class IssuedCertificate:
    """One certificate that the log knows.

    Attributes:
        line: what the log says about it.
        in_place: it is the one that lies in the identity's folder, whether or not it has ended.
        revoked: its entry in the authority's revocation list, or None.
    """

    line: LogEntry
    in_place: bool
    standing: Standing
    revoked: RevokedEntry | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class History:
    """What was issued to one identity.

    Attributes:
        created_at: the `now` of the run, in UTC.
        manifest: the manifest's name as the user wrote it.
        address: `ca`, `broker/NAME` or `client/NAME`.
        declared: the manifest has it.
        certificates: oldest first, each once.
        notices: why something may be missing.
    """

    created_at: datetime
    manifest: str
    address: str
    declared: bool
    certificates: tuple[IssuedCertificate, ...]
    notices: tuple[Remark, ...]

    @property
    def still_valid(self) -> tuple[IssuedCertificate, ...]:
        """Those that are not in place: of a broker or client, whoever has the key can connect with them."""
        return tuple(issued for issued in self.certificates if issued.standing is Standing.STILL_VALID)

    @property
    def revoked(self) -> tuple[IssuedCertificate, ...]:
        """Those that have not ended, and are refused by brokers that have the list."""
        return tuple(issued for issued in self.certificates if issued.standing is Standing.REVOKED)


def build_history(
    address: str, found: FoundHistory, *, path: str, manifest: str, declared: bool, now: datetime
) -> History:
    """Finds what was issued to an identity.

    Args:
        address: the identity's.
        found: what was read.
        path: of the identity's certificate file.
        manifest: the manifest's name, for the reader.
        declared: the manifest has the identity.
        now: the one moment of this run, in UTC.

    Returns:
        the same history for the same arguments, and for the lines of the log in any order.
    """
    log, here = found.log, found.certificate.value[0].sha256 if found.certificate.value else None
    listed = find_listed(found)
    lines = [line for line in log.entries if identity_of(line.address) == address or line.sha256 == here]
    certificates = [_judge(line, here, listed, now) for line in _each_once(lines, address)]
    notices = [*check_readable(log.unreadable, log.damaged), *listed.problems]
    if here is not None and all(line.sha256 != here for line in lines):
        notices.append(
            Remark(
                code=ReasonCode.NOT_IN_LOG.value,
                address=str(LOG_ADDRESS),
                message=f"{path} is here, and not in the log",
                hint="edgecerts apply records it, if this authority signed it",
            )
        )
    if found.certificate.problem is not None:
        notices.append(
            Remark(
                code=BlockCode.UNREADABLE.value,
                address=address,
                message=f"{path} cannot be read, so none of these is known to be in place: {found.certificate.problem}",
                hint="edgecerts plan says what can be done",
            )
        )
    return History(
        created_at=now,
        manifest=manifest,
        address=address,
        declared=declared,
        certificates=tuple(certificates),
        notices=tuple(notices),
    )


def find_identities(log: FoundLog) -> frozenset[str]:
    """Every identity that something was issued to."""
    return frozenset(identity_of(line.address) for line in log.entries)


def _each_once(lines: Iterable[LogEntry], address: str) -> list[LogEntry]:
    """Lines in the order of their times, and of those about the same certificate the one that tells most.

    That is the one of its issuing, before one that recorded it later; and the one under this address, before one of
    the same certificate under another.
    """
    chosen: dict[object, LogEntry] = {}
    order = sorted(lines, key=lambda line: (identity_of(line.address) != address, line.action == RECORD_ACTION))
    for line in order:
        what = (line.sha256, line.serial, line.subject, line.spki_sha256, line.not_before, line.not_after)
        chosen.setdefault(what, line)
    return sorted(
        chosen.values(), key=lambda line: (datetime.fromisoformat(line.issued_at), line.not_after, line.sha256)
    )


def _judge(line: LogEntry, here: str | None, listed: Listed, now: datetime) -> IssuedCertificate:
    revoked = listed.find(line)
    if datetime.fromisoformat(line.not_after) < now:
        standing = Standing.EXPIRED
    elif revoked is not None:
        standing = Standing.REVOKED
    else:
        standing = Standing.IN_PLACE if line.sha256 == here else Standing.STILL_VALID
    return IssuedCertificate(line=line, in_place=line.sha256 == here, standing=standing, revoked=revoked)
