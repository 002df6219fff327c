"""What the entries of `revoked` come to: which certificates each of them revokes, and which of them revoke nothing."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from edgecerts.manifest.model import Revocation
from edgecerts.pki.revocation_lists import RevokedEntry
from edgecerts.pki.revocation_reasons import RevocationReason
from edgecerts.plan.known_certificates import KnownCertificate


@dataclass(frozen=True, kw_only=True, slots=True)
class Revoked:
    """A certificate that is revoked.

    Attributes:
        at: when it was revoked, where that is known; else it is the moment at which a list says so for the first time.
        known: what is known of it; None for a serial number that nothing here has.
    """

    serial_number: int
    reason: RevocationReason
    at: datetime | None = None
    known: KnownCertificate | None = None

    def has_ended(self, now: datetime) -> bool:
        """Whether it is refused anyway, and needs no entry."""
        return self.known is not None and self.known.not_after < now


@dataclass(kw_only=True, slots=True)
class DeclaredRevocations:
    """What the entries of the manifest come to, in their order.

    Attributes:
        by_identity, known: the certificates that there are.
        listed: what older lists have.
        revoked, since, unknown, silent, authority: as in `Revocations`.
    """

    by_identity: Mapping[str, list[KnownCertificate]]
    known: Mapping[int, KnownCertificate]
    listed: Mapping[int, RevokedEntry]
    revoked: dict[int, Revoked] = field(default_factory=dict)
    since: dict[str, datetime] = field(default_factory=dict)
    unknown: list[Revocation] = field(default_factory=list)
    silent: list[Revocation] = field(default_factory=list)
    authority: list[Revocation] = field(default_factory=list)

    def take(self, entry: Revocation) -> None:
        """Takes the next entry in."""
        if entry.name is not None:
            self._take_name(entry, entry.name)
        elif entry.serial is not None:
            self._take_serial(entry, entry.serial)

    def _take_name(self, entry: Revocation, name: str) -> None:
        if entry.since is not None:
            self.since[name] = max(entry.since, self.since.get(name, entry.since))
        if name not in self.by_identity:
            self.silent.append(entry)
        for certificate in self.by_identity.get(name, ()):
            if entry.since is None or certificate.issued_at < entry.since:
                _add(self.revoked, certificate.serial_number, entry.reason, certificate)

    def _take_serial(self, entry: Revocation, serial: int) -> None:
        certificate = self.known.get(serial)
        if certificate is not None and certificate.identity == "ca":
            self.authority.append(entry)
        elif certificate is not None or entry.unknown or serial in self.listed:
            _add(self.revoked, serial, entry.reason, certificate)
        else:
            self.unknown.append(entry)


def _add(
    revoked: dict[int, Revoked], serial_number: int, reason: RevocationReason, known: KnownCertificate | None
) -> None:
    """The first entry counts, unless a later one says that the key is in other hands."""
    if serial_number not in revoked or reason is RevocationReason.KEY_COMPROMISE:
        revoked[serial_number] = Revoked(serial_number=serial_number, reason=reason, known=known)
