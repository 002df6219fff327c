"""Other authorities of a source folder: those that devices may have to go on trusting, and the rest."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from cryptography.x509.oid import SignatureAlgorithmOID

from edgecerts.adoption.authorities import FoundAuthority, Lineages, is_valid
from edgecerts.adoption.entries import paths_of
from edgecerts.adoption.key_findings import name_some
from edgecerts.adoption.material import FoundCertificate, LeftOut, LeftOutCode
from edgecerts.adoption.model import OtherTrust
from edgecerts.adoption.roles import common_names
from edgecerts.errors import InvalidNameError
from edgecerts.pki.names import check_subject_value
from edgecerts.pki.x509_names import name_text

FOLDER = "also-trust"
"""Where copies of other authorities' certificates are kept, next to the manifest."""

_MOST_IN_A_FILE = 8
"""A file with more authorities is a bundle such as systems and browsers have."""

_MOST_IN_A_NAME = 40

_NAMELESS = (
    "let edgecerts init write a manifest for a new authority, and name this one's certificate under also_trust until"
    " every device has a certificate of the new one"
)
_BELOW_INTERMEDIATE = (
    "declare it as an entry, and apply makes a new key and certificate, which the manifest's authority signs itself:"
    " those that connect have to trust that one, and not the intermediate alone"
)


def find_other_trust(lineages: Lineages, chosen: FoundAuthority, now: datetime) -> Iterator[OtherTrust]:
    """Authorities that are not taken over, and that devices trust today or may have to trust.

    A file that holds such a certificate beside the chosen authority's shows that devices trust both. Without one,
    certificates that it issued and that are still valid are a reason to ask a person. In a file of public authorities
    nothing shows that anybody means one of them.
    """
    bundles = find_bundles(lineages.authorities)
    together = {path for path in _paths_of(chosen) if path not in bundles}
    taken: set[str] = set()
    for other in lineages.authorities:
        issued = sum(is_valid(found.facts, now) for found in other.issued)
        beside = sorted(together & _paths_of(other)) if is_valid(other.facts, now) else []
        if other is chosen or not (beside or issued):
            continue
        reason = f"it stands beside the authority in {name_some(beside)}" if beside else ""
        yield OtherTrust(
            certificate=other.certificate,
            file=f"{FOLDER}/{_file_name(other, taken)}",
            active=bool(beside),
            reason=reason or f"{issued} certificates that it issued are still valid",
        )


def find_bundles(authorities: Iterable[FoundAuthority]) -> dict[str, int]:
    """The files that hold more authorities than any plant has, and how many."""
    counts = Counter(path for authority in authorities for path in _paths_of(authority))
    return {path: count for path, count in counts.items() if count > _MOST_IN_A_FILE}


def leave_out_others(
    lineages: Lineages, chosen: FoundAuthority | None, now: datetime, *, again: str
) -> Iterator[LeftOut]:
    """Everything that another authority, or nobody known, has signed, and the other authorities themselves."""
    bundles = find_bundles(lineages.authorities)
    yield from _leave_out_bundles(bundles, chosen)
    for other in lineages.authorities:
        if other is chosen:
            for found in other.older:
                yield _leave_out_older(found, other)
        elif other.has_worked or not _paths_of(other) <= bundles.keys():
            yield from _leave_out_authority(other, now, again)
    for found in lineages.intermediates:
        yield LeftOut(
            code=LeftOutCode.INTERMEDIATE,
            files=paths_of(found),
            message=f"an intermediate authority, {_subject(found)}; a manifest has one authority, which signs itself",
            spki_sha256=found.facts.spki_sha256,
        )
    intermediates = {found.facts.subject_der for found in lineages.intermediates}
    for found in lineages.orphans:
        yield _leave_out_orphan(found, below_intermediate=found.facts.issuer_der in intermediates)


def _leave_out_bundles(bundles: Mapping[str, int], chosen: FoundAuthority | None) -> Iterator[LeftOut]:
    for path, count in bundles.items():
        among = ", and the one that is taken over is among them" if chosen and path in _paths_of(chosen) else ""
        yield LeftOut(
            code=LeftOutCode.AUTHORITY_BUNDLE,
            files=(path,),
            message=f"a bundle of {count} authorities, such as systems and browsers trust{among}",
            hint="if devices have to trust one of them, name a file with its certificate alone under also_trust",
        )


def _leave_out_older(found: FoundCertificate, authority: FoundAuthority) -> LeftOut:
    old, taken = found.facts.not_after, authority.facts.not_after
    return LeftOut(
        code=LeftOutCode.OLDER_CERTIFICATE,
        files=paths_of(found),
        message=f"another certificate of the authority, until {old:%Y-%m-%d}; it has one until {taken:%Y-%m-%d}",
        spki_sha256=found.facts.spki_sha256,
    )


def _leave_out_authority(other: FoundAuthority, now: datetime, again: str) -> Iterator[LeftOut]:
    digest = other.facts.spki_sha256[:16]
    named = other.common_name is not None
    nameless = "" if named else f"; {_name_problem(other)}, so that no manifest can declare it"
    folder = _file_name(other, set()).removesuffix(".pem")
    hint = f"take this one over by a manifest of its own: {again} --ca {digest} -f {folder}/pki.yaml"
    yield LeftOut(
        code=LeftOutCode.OTHER_AUTHORITY,
        files=paths_of(other.certificate),
        message=f"another authority, {_subject(other.certificate)}, {_work_of(other)}{nameless}",
        hint=hint if named else _NAMELESS,
        spki_sha256=other.facts.spki_sha256,
    )
    for found in other.older:
        yield _leave_out_older(found, other)
    for found in other.issued:
        state = "valid" if is_valid(found.facts, now) else "not valid"
        yield LeftOut(
            code=LeftOutCode.OF_OTHER_AUTHORITY,
            files=paths_of(found),
            message=f"{_subject(found)}, {state}, until {found.facts.not_after:%Y-%m-%d}; of another authority",
            spki_sha256=found.facts.spki_sha256,
        )


def _name_problem(other: FoundAuthority) -> str:
    names = common_names(other.facts)
    if len(names) != 1:
        return "it has no common name" if not names else f"it has {len(names)} common names"
    try:
        check_subject_value("common_name", names[0])
    except InvalidNameError as error:
        return error.message.replace("`common_name`", "its common name")
    return "its common name cannot be used"


def _work_of(other: FoundAuthority) -> str:
    if not other.has_worked:
        return "whose key is not here, and which issued nothing here"
    return f"which issued {len(other.issued)} here"


def _leave_out_orphan(found: FoundCertificate, *, below_intermediate: bool) -> LeftOut:
    facts = found.facts
    if facts.certificate.signature_algorithm_oid == SignatureAlgorithmOID.RSA_WITH_MD5:
        return LeftOut(
            code=LeftOutCode.NO_ISSUER,
            files=paths_of(found),
            message=f"{_subject(found)}: signed with MD5, which does not show who signed it ({facts.issuer_text})",
            hint="declare it as an entry, and apply makes a new key and certificate",
            spki_sha256=facts.spki_sha256,
        )
    if below_intermediate:
        return LeftOut(
            code=LeftOutCode.INTERMEDIATE,
            files=paths_of(found),
            message=f"{_subject(found)}, issued by an intermediate authority, {facts.issuer_text}",
            hint=_BELOW_INTERMEDIATE,
            spki_sha256=facts.spki_sha256,
        )
    if facts.issuer_der == facts.subject_der:
        return LeftOut(
            code=LeftOutCode.SELF_SIGNED,
            files=paths_of(found),
            message=f"{_subject(found)} signed itself, or names itself as its issuer; no authority stands behind it",
            hint="declare it as an entry, and apply makes a new key and certificate",
            spki_sha256=facts.spki_sha256,
        )
    return LeftOut(
        code=LeftOutCode.NO_ISSUER,
        files=paths_of(found),
        message=f"{_subject(found)}: no authority in the folder has signed it ({facts.issuer_text})",
        hint="add its authority's certificate to the folder, if it is another file's",
        spki_sha256=facts.spki_sha256,
    )


def _paths_of(authority: FoundAuthority) -> frozenset[str]:
    """The files that hold one of an authority's certificates."""
    return frozenset(path for found in (authority.certificate, *authority.older) for path in paths_of(found))


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
