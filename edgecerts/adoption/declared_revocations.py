"""What the manifest says of the certificates that an authority has revoked, so that its next list has them, too."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from edgecerts.adoption.authorities import FoundAuthority
from edgecerts.adoption.key_findings import name_some
from edgecerts.adoption.revoked import RevokedCertificate
from edgecerts.pki.revocation_reasons import MOST_SERIAL, RevocationReason

_LONGEST_NOTE = 200
_REASONS = {reason.value: reason for reason in RevocationReason}


@dataclass(frozen=True, kw_only=True, slots=True)
class DeclaredRevocation:
    """An entry of `revoked`. The log knows nothing of its serial number, because who has it is not taken over.

    Attributes:
        note: whose certificate it is, when it was revoked, and what says so.
    """

    serial_number: int
    reason: RevocationReason
    note: str


@dataclass(frozen=True, kw_only=True, slots=True)
class DeclaredRevocations:
    """What of it the manifest declares.

    Attributes:
        entries: in the order of the serial numbers.
        undeclared: the others, which have not ended.
        obstacle: why none is declared; None where there is no reason.
    """

    entries: tuple[DeclaredRevocation, ...] = ()
    undeclared: tuple[RevokedCertificate, ...] = ()
    obstacle: str | None = None


def find_obstacle(chosen: FoundAuthority, *, trusts_others: bool) -> str | None:
    """Why the manifest must not ask for a list: the first apply could not sign it, or it would lock clients out.

    Args:
        chosen: the authority that is taken over.
        trusts_others: every `ca.pem` gets other authorities, too. Of those there would have to be lists as well.
    """
    if chosen.key is None:
        return "the authority's private key is not here to sign a list with"
    usages = chosen.facts.key_usage
    if usages is not None and "crl_sign" not in usages:
        return "the authority's certificate does not let it sign lists"
    if trusts_others:
        return "each item of `also_trust` needs a `crl` first, the list of that authority"
    return None


def declare_revocations(
    revoked: Iterable[RevokedCertificate], *, obstacle: str | None, in_use: Collection[int], now: datetime
) -> DeclaredRevocations:
    """What the manifest says. What has ended is refused anyway.

    Args:
        obstacle: why none is declared, or None.
        in_use: the serial numbers of the authority and of what is taken over. Authorities that lost count used some
            twice, and a list cannot tell them apart.
        now: in UTC.
    """
    left = tuple(entry for entry in revoked if entry.not_after is None or entry.not_after >= now)
    if obstacle is not None:
        return DeclaredRevocations(undeclared=left, obstacle=obstacle)
    can_be = {entry.serial.serial_number for entry in left if 0 < entry.serial.serial_number <= MOST_SERIAL}
    can_be.difference_update(in_use)
    return DeclaredRevocations(
        entries=tuple(_declare(entry) for entry in left if entry.serial.serial_number in can_be),
        undeclared=tuple(entry for entry in left if entry.serial.serial_number not in can_be),
    )


def _declare(entry: RevokedCertificate) -> DeclaredRevocation:
    day = [f"{entry.serial.at:%Y-%m-%d}"] if entry.serial.at is not None else []
    whose = [name_some(entry.subjects)] if entry.subjects else []
    return DeclaredRevocation(
        serial_number=entry.serial.serial_number,
        reason=_REASONS.get(entry.serial.reason or "", RevocationReason.UNSPECIFIED),
        note="; ".join([*whose, *day, name_some(entry.said_by)])[:_LONGEST_NOTE],
    )
