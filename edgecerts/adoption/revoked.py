"""Which of the certificates that an authority issued it has revoked: whoever holds them is not taken over."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa

from edgecerts.adoption.authorities import FoundAuthority
from edgecerts.adoption.key_findings import name_some
from edgecerts.adoption.material import (
    FoundCertificate,
    FoundIndex,
    FoundRevocationList,
    LeftOut,
    LeftOutCode,
    Material,
    RevokedSerial,
)
from edgecerts.pki.x509_names import name_text

_HOLD, _COMPROMISE = "certificate-hold", "key-compromise"
_OLD = ".old"
_GIVE_ON = "go on giving your brokers the revocation list"
_STAYS = "it stays revoked: the manifest says so"


@dataclass(frozen=True, kw_only=True, slots=True)
class RevokedCertificate:
    """A serial number that the chosen authority revoked.

    Attributes:
        said_by: the files that say so.
        subjects: of the certificates with that number that lie here; empty where none does.
        not_after: when the last of these ends, or what an index says of that; None where nobody knows.
    """

    serial: RevokedSerial
    said_by: tuple[str, ...]
    subjects: tuple[str, ...] = ()
    not_after: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Revocations:
    """What the chosen authority has revoked.

    Attributes:
        revoked: in the order of the serial numbers.
        left_out: the certificates that are not taken over for that, and what the lists are.
        certificates: by SHA-256 those that are not taken over.
    """

    revoked: tuple[RevokedCertificate, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    certificates: frozenset[str] = frozenset()


def find_revocations(material: Material, chosen: FoundAuthority, *, is_declared: bool) -> Revocations:
    """Finds what lists that the authority signed, and indexes of what it issued, say is revoked.

    Args:
        material: what was found.
        chosen: the authority that is taken over.
        is_declared: the manifest will say so as well.
    """
    usable = [found for found in material.lists if _is_signed_by(found, chosen)]
    indexes = [index for index in _current_indexes(material.indexes) if _is_of(index, chosen)]
    said: dict[int, list[tuple[RevokedSerial, str]]] = {}
    for entry, path in (*_from_lists(usable), *_from_indexes(indexes)):
        said.setdefault(entry.serial_number, []).append((entry, path))
    listed = [(found, _entry_of(found, said)) for found in chosen.issued]
    hit = [(found, entry) for found, entry in listed if entry is not None]
    owners: dict[int, list[FoundCertificate]] = {}
    for found, _ in hit:
        owners.setdefault(found.facts.serial_number, []).append(found)
    stolen = {found.facts.spki_sha256: entry for found, entry in hit if _COMPROMISE in (e.reason for e, _ in entry)}
    others = [
        (found, stolen[found.facts.spki_sha256])
        for found, entry in listed
        if entry is None and found.facts.spki_sha256 in stolen
    ]
    return Revocations(
        revoked=tuple(_merge(said[number], owners.get(number, ())) for number in sorted(said)),
        left_out=(
            *(_leave_out(found, entry, is_declared=is_declared) for found, entry in hit),
            *(_leave_out_key(found, entry) for found, entry in others),
            *_describe_lists(material.lists, usable, chosen, is_declared=is_declared),
            *_describe_indexes(material.indexes, chosen),
        ),
        certificates=frozenset(found.facts.sha256 for found, _ in (*hit, *others)),
    )


def list_unused(material: Material) -> Iterator[LeftOut]:
    """The revocation lists of a folder without an authority that can be taken over."""
    for found in material.lists:
        yield LeftOut(
            code=LeftOutCode.REVOCATION_LIST,
            files=tuple(place.path for place in found.places),
            message=f"a revocation list of {found.issuer_text or 'an authority without a name'}",
        )


def _is_signed_by(found: FoundRevocationList, chosen: FoundAuthority) -> bool:
    public_key = chosen.facts.certificate.public_key()
    if not isinstance(
        public_key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | ed448.Ed448PublicKey
    ):
        return False
    try:
        return found.crl.is_signature_valid(public_key)
    except (InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError):
        return False


def _is_of(index: FoundIndex, chosen: FoundAuthority) -> bool:
    """An index does not say whose it is: one certificate of its numbers and ends shows it."""
    return any(index.issued.get(found.facts.serial_number) == found.facts.not_after for found in chosen.issued)


def _current_indexes(indexes: Iterable[FoundIndex]) -> Iterator[FoundIndex]:
    """Without the copies that `openssl ca` keeps of how they were before."""
    paths = {index.place.path for index in indexes}
    return (index for index in indexes if index.place.path.removesuffix(_OLD) not in paths - {index.place.path})


def _from_lists(lists: list[FoundRevocationList]) -> Iterator[tuple[RevokedSerial, str]]:
    """A certificate on hold may be in use again, so only the newest list tells. All else is for ever."""
    newest = max((found.this_update for found in lists), default=None)
    for found in lists:
        for entry in found.revoked:
            if entry.reason != _HOLD or found.this_update == newest:
                yield entry, found.places[0].path


def _from_indexes(indexes: list[FoundIndex]) -> Iterator[tuple[RevokedSerial, str]]:
    return ((entry, index.place.path) for index in indexes for entry in index.revoked)


def _entry_of(
    found: FoundCertificate, said: Mapping[int, list[tuple[RevokedSerial, str]]]
) -> list[tuple[RevokedSerial, str]] | None:
    """What is said of a certificate. Numbers of old authorities begin at 1, so an index has to know its end, too."""
    facts = found.facts
    entries = [
        (entry, path)
        for entry, path in said.get(facts.serial_number, ())
        if entry.not_after is None or entry.not_after == facts.not_after
    ]
    return entries or None


def _merge(entries: list[tuple[RevokedSerial, str]], owners: Sequence[FoundCertificate]) -> RevokedCertificate:
    # The first that has a reason says most.
    best = next((entry for entry, _ in entries if entry.reason is not None), entries[0][0])
    ends = [found.facts.not_after for found in owners]
    ends = ends or [entry.not_after for entry, _ in entries if entry.not_after is not None]
    return RevokedCertificate(
        serial=best,
        said_by=tuple(dict.fromkeys(path for _, path in entries)),
        subjects=tuple(_subject(found) for found in owners),
        not_after=max(ends, default=None),
    )


def _leave_out(found: FoundCertificate, entries: list[tuple[RevokedSerial, str]], *, is_declared: bool) -> LeftOut:
    best = next((entry for entry, _ in entries if entry.reason is not None), entries[0][0])
    day = f" on {best.at:%Y-%m-%d}" if best.at is not None else ""
    why = f" ({best.reason})" if best.reason is not None else ""
    said_by = name_some(dict.fromkeys(path for _, path in entries))
    return LeftOut(
        code=LeftOutCode.REVOKED,
        files=tuple(place.path for place in found.places),
        message=f"{_subject(found)} was revoked{day}{why}, as {said_by} says",
        hint=f"{_STAYS if is_declared else _GIVE_ON}; a device that is in use gets an entry, and a new key",
        spki_sha256=found.facts.spki_sha256,
    )


def _leave_out_key(found: FoundCertificate, entries: list[tuple[RevokedSerial, str]]) -> LeftOut:
    serial = f"{entries[0][0].serial_number:x}"
    return LeftOut(
        code=LeftOutCode.REVOKED,
        files=tuple(place.path for place in found.places),
        message=f"{_subject(found)}: its key is that of serial number {serial}, which was revoked as {_COMPROMISE}",
        hint="revoke this certificate, too, in `revoked`; a device that is in use gets an entry, and a new key",
        spki_sha256=found.facts.spki_sha256,
    )


def _describe_lists(
    lists: Iterable[FoundRevocationList],
    usable: list[FoundRevocationList],
    chosen: FoundAuthority,
    *,
    is_declared: bool,
) -> Iterator[LeftOut]:
    for found in lists:
        what = f"a revocation list of {found.issuer_text or 'an authority without a name'}"
        hint = None
        if found in usable:
            text = f"{what}, of {found.this_update:%Y-%m-%d}, with {len(found.revoked):,} revoked"
            hint = "go on giving it to your brokers; what it lists is not taken over"
            if is_declared:
                hint = "your brokers need it until they have the crl.pem that apply makes; what it lists stays revoked"
        elif found.issuer_der == chosen.facts.subject_der:
            text = f"{what} that its key has not signed; it would revoke {_concerned(found, chosen)}"
            hint = "look for a good copy, and remove the entries of what is revoked"
        else:
            text = f"{what}, which is not the authority that is taken over"
        files = tuple(place.path for place in found.places)
        yield LeftOut(code=LeftOutCode.REVOCATION_LIST, files=files, message=text, hint=hint)


def _concerned(found: FoundRevocationList, chosen: FoundAuthority) -> str:
    serials = {entry.serial_number for entry in found.revoked}
    names = [_subject(leaf) for leaf in chosen.issued if leaf.facts.serial_number in serials]
    return name_some(names) if names else "nothing that lies here"


def _describe_indexes(indexes: Iterable[FoundIndex], chosen: FoundAuthority) -> Iterator[LeftOut]:
    for index in indexes:
        if index.revoked and not _is_of(index, chosen):
            yield LeftOut(
                code=LeftOutCode.REVOCATION_LIST,
                files=(index.place.path,),
                message=f"an index with {len(index.revoked):,} revoked, and nothing that the authority issued here",
            )


def _subject(found: FoundCertificate) -> str:
    return name_text(found.facts.certificate.subject) or "a certificate without a name"
