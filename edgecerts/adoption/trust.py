"""Other authorities of a source folder: those that devices may have to go on trusting, and the rest."""

import re
from collections.abc import Iterator
from datetime import datetime

from cryptography.x509.oid import SignatureAlgorithmOID

from edgecerts.adoption.authorities import FoundAuthority, Lineages, is_valid
from edgecerts.adoption.entries import paths_of
from edgecerts.adoption.key_findings import name_some
from edgecerts.adoption.material import FoundCertificate, LeftOut, LeftOutCode
from edgecerts.adoption.model import OtherTrust
from edgecerts.pki.x509_names import name_text

FOLDER = "also-trust"
"""Where copies of other authorities' certificates are kept, next to the manifest."""

_MOST_IN_A_NAME = 40


def find_other_trust(lineages: Lineages, chosen: FoundAuthority, now: datetime) -> Iterator[OtherTrust]:
    """Authorities that are not taken over and issued certificates here that are still valid.

    A file that holds such a certificate beside the chosen authority's shows that devices trust both. Without one, only
    a person knows.
    """
    bundles = {place.path for found in (chosen.certificate, *chosen.older) for place in found.places}
    taken: set[str] = set()
    for other in lineages.authorities:
        valid = [found for found in other.issued if is_valid(found.facts, now)]
        if other is chosen or not valid:
            continue
        together = sorted(bundles & set(paths_of(other.certificate)))
        reason = f"it stands beside the authority in {name_some(together)}" if together else ""
        yield OtherTrust(
            certificate=other.certificate,
            file=f"{FOLDER}/{_file_name(other, taken)}",
            active=bool(together),
            reason=reason or f"{len(valid)} certificates that it issued are still valid",
        )


def leave_out_others(lineages: Lineages, chosen: FoundAuthority | None, now: datetime) -> Iterator[LeftOut]:
    """Everything that another authority, or nobody known, has signed, and the other authorities themselves."""
    for other in lineages.authorities:
        if other is not chosen:
            yield from _leave_out_authority(other, now)
        else:
            for found in other.older:
                message = f"another certificate of the authority, until {found.facts.not_after:%Y-%m-%d}"
                yield LeftOut(code=LeftOutCode.OLDER_CERTIFICATE, files=paths_of(found), message=message)
    for found in lineages.intermediates:
        yield LeftOut(
            code=LeftOutCode.INTERMEDIATE,
            files=paths_of(found),
            message=f"an intermediate authority, {_subject(found)}; a manifest has one authority, which signs itself",
        )
    intermediates = {found.facts.subject_der for found in lineages.intermediates}
    for found in lineages.orphans:
        yield _leave_out_orphan(found, below_intermediate=found.facts.issuer_der in intermediates)


def _leave_out_authority(other: FoundAuthority, now: datetime) -> Iterator[LeftOut]:
    digest = other.facts.spki_sha256[:16]
    nameless = "" if other.common_name is not None else "; it has no common name, which a manifest needs"
    yield LeftOut(
        code=LeftOutCode.OTHER_AUTHORITY,
        files=paths_of(other.certificate),
        message=f"another authority, {_subject(other.certificate)}, which issued {len(other.issued)} here{nameless}",
        hint=f"a manifest has one authority; take this one over by another: edgecerts import --ca {digest} -f FILE",
    )
    for found in other.issued:
        state = "valid" if is_valid(found.facts, now) else "not valid"
        yield LeftOut(
            code=LeftOutCode.OF_OTHER_AUTHORITY,
            files=paths_of(found),
            message=f"{_subject(found)}, {state}, until {found.facts.not_after:%Y-%m-%d}; of another authority",
        )


def _leave_out_orphan(found: FoundCertificate, *, below_intermediate: bool) -> LeftOut:
    facts = found.facts
    if facts.certificate.signature_algorithm_oid == SignatureAlgorithmOID.RSA_WITH_MD5:
        return LeftOut(
            code=LeftOutCode.NO_ISSUER,
            files=paths_of(found),
            message=f"{_subject(found)}: signed with MD5, which does not show who signed it ({facts.issuer_text})",
            hint="declare it as an entry, and apply makes a new key and certificate",
        )
    if below_intermediate:
        return LeftOut(
            code=LeftOutCode.INTERMEDIATE,
            files=paths_of(found),
            message=f"{_subject(found)}, issued by an intermediate authority, {facts.issuer_text}",
            hint="declare it as an entry, and apply makes a new key and certificate",
        )
    if facts.issuer_der == facts.subject_der:
        return LeftOut(
            code=LeftOutCode.SELF_SIGNED,
            files=paths_of(found),
            message=f"{_subject(found)} signed itself, or names itself as its issuer; no authority stands behind it",
            hint="declare it as an entry, and apply makes a new key and certificate",
        )
    return LeftOut(
        code=LeftOutCode.NO_ISSUER,
        files=paths_of(found),
        message=f"{_subject(found)}: no authority in the folder has signed it ({facts.issuer_text})",
        hint="add its authority's certificate to the folder, if it is another file's",
    )


def _subject(found: FoundCertificate) -> str:
    return name_text(found.facts.certificate.subject) or "without a name"


def _file_name(authority: FoundAuthority, taken: set[str]) -> str:
    stem = (
        re.sub(r"[^A-Za-z0-9]+", "-", authority.common_name or "").strip("-")[:_MOST_IN_A_NAME].lower() or "authority"
    )
    number, unique = 1, stem
    while unique in taken:
        number += 1
        unique = f"{stem}-{number}"
    taken.add(unique)
    return f"{unique}.pem"
