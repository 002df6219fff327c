"""What lies in a source folder and belongs to nothing that is taken over."""

from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import replace

from edgecerts.adoption.material import FoundKey, LeftOut, LeftOutCode, Material, Place
from edgecerts.pki.certificates import is_signed_by_key

_MOST_TRIED = 100


def leave_out_rest(material: Material) -> tuple[LeftOut, ...]:
    """Keys and requests without a certificate, keys that nothing opened, and what the reader could not use.

    Args:
        material: what was found.
    """
    certified = {found.facts.spki_sha256 for found in material.certificates}
    return (*_locked(material), *_keys(material, certified), *_requests(material, certified), *material.left_out)


def with_their_keys(left_out: Iterable[LeftOut], material: Material, taken: Container[str]) -> tuple[LeftOut, ...]:
    """What is left out, each certificate with the files of its private key and of its request.

    Args:
        left_out: certificates and other things.
        material: what was found.
        taken: SHA-256 of the public keys whose private keys are taken over; they are not left out.
    """
    files: dict[str, list[str]] = {}
    owned = [(key.facts.spki_sha256, key.places) for key in material.keys]
    owned += [(request.spki_sha256, request.places) for request in material.requests]
    for spki, places in owned:
        if spki not in taken:
            files.setdefault(spki, []).extend(_paths(places))
    return tuple(
        replace(entry, files=tuple(dict.fromkeys((*entry.files, *files.get(entry.spki_sha256 or "", ())))))
        for entry in left_out
    )


def _locked(material: Material) -> Iterator[LeftOut]:
    for key in material.locked:
        yield LeftOut(
            code=LeftOutCode.LOCKED_KEY,
            files=_paths(key.places),
            message="an encrypted private key that no given password opens; whose it is cannot be seen",
            hint="name its password: --password env:NAME, or --password file:PATH",
        )


def _keys(material: Material, certified: Container[str]) -> Iterator[LeftOut]:
    for key in material.keys:
        if key.facts.spki_sha256 not in certified:
            signs = _has_signed(key, material)
            lost = "of an authority whose certificate is not in the folder" if signs else "without a certificate"
            yield LeftOut(
                code=LeftOutCode.KEY_WITHOUT_CERTIFICATE,
                files=_paths(key.places),
                message=f"a private key ({key.facts.key_type}) {lost}",
                hint="every device has that certificate as its ca.pem; add a copy to the folder" if signs else None,
            )


def _has_signed(key: FoundKey, material: Material) -> bool:
    """Whether one of the certificates carries this key's signature; of very many only the first are looked at."""
    certificates = material.certificates[:_MOST_TRIED]
    return any(is_signed_by_key(found.facts.certificate, key.facts.public_key) for found in certificates)


def _requests(material: Material, certified: Container[str]) -> Iterator[LeftOut]:
    for request in material.requests:
        if request.spki_sha256 not in certified:
            yield LeftOut(
                code=LeftOutCode.REQUEST_WITHOUT_CERTIFICATE,
                files=_paths(request.places),
                message=f"a certificate request without a certificate: {request.subject or 'without a name'}",
            )


def _paths(places: Sequence[Place]) -> tuple[str, ...]:
    return tuple(place.path for place in places)
