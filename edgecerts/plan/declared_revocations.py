"""What the entries of `revoked` come to: which certificates each of them revokes, and which of them revoke nothing."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from edgecerts.desired.graph import identity_of
from edgecerts.manifest.model import Revocation
from edgecerts.observed.issuance_log import LogEntry
from edgecerts.pki.revocation_lists import RevokedEntry
from edgecerts.pki.revocation_reasons import RevocationReason
from edgecerts.plan.known_certificates import KnownCertificate


@dataclass(frozen=True, kw_only=True, slots=True)
class Revoked:
    """A certificate that is revoked.

    Attributes:
        at: when it was revoked, where that is known; else it is the moment at which a list says so for the first time.
        known: what is known of it; None for a serial number that nothing here has.
        same_key_as: the certificate that is revoked as compromised and has its key, where it is revoked because of that
            alone; else None.
    """

    serial_number: int
    reason: RevocationReason
    at: datetime | None = None
    known: KnownCertificate | None = None
    same_key_as: str | None = None

    def has_ended(self, now: datetime) -> bool:
        """Whether it is refused anyway, and needs no entry."""
        return self.known is not None and self.known.not_after < now


@dataclass(frozen=True, kw_only=True, slots=True)
class Fruitless:
    """An entry for a name that revokes nothing, and not because all that it was for has ended.

    Attributes:
        earliest: when the name's first certificate was issued, which is not before the entry's `since`; None where
            nothing was ever issued to the name.
        near: a name that looks like it, and has certificates or is declared; None where none does.
    """

    entry: Revocation
    earliest: datetime | None = None
    near: str | None = None


@dataclass(kw_only=True, slots=True)
class DeclaredRevocations:
    """What the entries of the manifest come to, in their order.

    Attributes:
        by_identity, known: the certificates that there are.
        listed: what older lists have.
        revoked, since, named, unknown, authority: as in `Revocations`.
        silent: entries for names that revoke no certificate of this authority, those with `unknown: true` left out.
    """

    by_identity: Mapping[str, list[KnownCertificate]]
    known: Mapping[int, KnownCertificate]
    listed: Mapping[int, RevokedEntry]
    revoked: dict[int, Revoked] = field(default_factory=dict)
    since: dict[str, datetime] = field(default_factory=dict)
    named: dict[str, set[int]] = field(default_factory=dict)
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
        found = [
            certificate
            for certificate in self.by_identity.get(name, ())
            if entry.since is None or certificate.issued_at < entry.since
        ]
        if not found and not entry.unknown:
            self.silent.append(entry)
        for certificate in found:
            self.named.setdefault(name, set()).add(certificate.serial_number)
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


def find_same_keys(
    revoked: Mapping[int, Revoked], known: Iterable[KnownCertificate], elsewhere: Mapping[str, str]
) -> dict[int, Revoked]:
    """Whoever has the key of one certificate has that of each other for it: a renewal keeps the key.

    Args:
        revoked: what is revoked by name or serial number.
        known: every certificate of this authority.
        elsewhere: by the SHA-256 of their keys, certificates of other authorities that are revoked as compromised.

    Returns:
        the other certificates for such keys, as compromised ones.
    """
    # Without a call for each: there may be tens of thousands.
    compromised = {
        number: entry.known
        for number, entry in revoked.items()
        if entry.reason is RevocationReason.KEY_COMPROMISE and entry.known is not None
    }
    owners = {certificate.spki_sha256: certificate for certificate in compromised.values()}
    others = (
        certificate
        for certificate in known
        if (certificate.spki_sha256 in owners or certificate.spki_sha256 in elsewhere)
        and certificate.serial_number not in compromised
        and certificate.identity != "ca"
    )
    found: dict[int, Revoked] = {}
    for certificate in others:
        owner = owners.get(certificate.spki_sha256)
        same = f"{owner.identity} {owner.serial_number:x}" if owner else elsewhere[certificate.spki_sha256]
        number = certificate.serial_number
        found[number] = Revoked(
            serial_number=number, reason=RevocationReason.KEY_COMPROMISE, known=certificate, same_key_as=same
        )
    return found


def find_fruitless(
    silent: Iterable[Revocation],
    known: Iterable[KnownCertificate],
    log: Iterable[LogEntry],
    declared: Iterable[str],
) -> tuple[Fruitless, ...]:
    """Of the entries that revoke no certificate of this authority, those that are a slip.

    Args:
        silent: the entries.
        known: every certificate of this authority.
        log: the whole log. What another authority issued is known, and is that one's to revoke.
        declared: the names that the manifest has.
    """
    earliest: dict[str, datetime] = {}
    issued = ((identity_of(line.address), datetime.fromisoformat(line.issued_at)) for line in log)
    for name, moment in (*((certificate.identity, certificate.issued_at) for certificate in known), *issued):
        earliest[name] = min(moment, earliest.get(name, moment))
    names = sorted({*earliest, *declared})
    found: list[Fruitless] = []
    for entry in silent:
        first = earliest.get(entry.name or "")
        if first is None:
            near = _find_near(entry.name or "", names) if len(found) < MOST_NAMED else None
            found.append(Fruitless(entry=entry, near=near))
        elif entry.since is not None and first >= entry.since:
            found.append(Fruitless(entry=entry, earliest=first))
    return tuple(found)


def _find_near(name: str, names: Iterable[str]) -> str | None:
    # Imported here because only a slip needs it.
    import difflib

    others = {other.casefold(): other for other in names if "/" in other}
    close = difflib.get_close_matches(name.casefold(), others, n=1, cutoff=_NEAR)
    return others[close[0]] if close else None


MOST_NAMED = 10
"""Of how many entries more than their number is said."""

_NEAR = 0.8
