"""What is wrong with a key, and with where it was kept."""

from collections.abc import Iterable, Iterator, Sequence

from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

from edgecerts.adoption import refusals
from edgecerts.adoption.findings import Finding, FindingCode, Outcome
from edgecerts.adoption.material import FoundKey, Place
from edgecerts.manifest.model import EndEntityKind
from edgecerts.pki.key_types import KeyType
from edgecerts.pki.private_keys import key_type_name
from edgecerts.pki.weak_keys import find_flaws, too_short

CA = "ca"
"""The address of the authority."""

_BROKER = f"{EndEntityKind.BROKER}/"
_SHARED_BY_CLIENTS = "devices that share it are one user to a broker, and cannot be locked out one by one"
_SHARED_BY_BROKERS = "whoever has one of the copies can pretend to be this broker; give each broker a key of its own"
_MOST_NAMED = 3
_REFUSED_TYPES = {KeyType.ED25519.value: refusals.ED25519, "ec-secp256k1": refusals.SECP256K1}


def find_key_faults(public_key: PublicKeyTypes, *, address: str) -> Iterator[Finding]:
    """What is wrong with a key itself.

    Args:
        public_key: the key.
        address: whose it is; an authority's key is never replaced by itself.
    """
    key_type = key_type_name(public_key)
    new_key = f"a new key is made by edgecerts apply --replace {address}"
    if address == CA:
        new_key = "only a new authority helps, and every device then needs its ca.pem"
    if too_short(public_key):
        yield Finding(
            code=FindingCode.WEAK_KEY,
            message=f"the key is {key_type}, which is too short",
            outcome=Outcome.STAYS if address == CA else Outcome.REKEYED,
            refused_by=refusals.SHORT_KEY,
            hint=new_key if address == CA else None,
        )
    for flaw in find_flaws(public_key):
        yield Finding(
            code=FindingCode.KEY_FLAW, message=f"the key is weak: {flaw}", outcome=Outcome.STAYS, hint=new_key
        )
    if key_type in _REFUSED_TYPES:
        yield Finding(
            code=FindingCode.UNCOMMON_KEY,
            message=f"the key is {key_type}",
            outcome=Outcome.STAYS,
            refused_by=_REFUSED_TYPES[key_type],
            hint=new_key,
        )


def find_keeping_faults(
    key: FoundKey | None, certificate_places: Sequence[Place], *, address: str, unopened: str
) -> Iterator[Finding]:
    """What is wrong with where a private key was kept.

    Args:
        key: the key, or None where it was not found.
        certificate_places: the files that hold its certificate.
        address: whose it is.
        unopened: files that may hold it and could not be opened, in words; empty where there are none.
    """
    if key is None:
        message = _not_found(address, unopened)
        yield Finding(code=FindingCode.KEY_NOT_FOUND, message=message, outcome=Outcome.STAYS)
    elif key.exposed:
        yield Finding(
            code=FindingCode.KEY_READABLE,
            message=f"{name_some(key.exposed)} could be read by others; the copy cannot",
            outcome=Outcome.MENDED,
            hint="who may have read it can pretend to be its owner until the certificate ends",
        )
    if address != CA:
        yield from _find_sharing(key, certificate_places, address=address)
    elif key is not None and len(_folders(key.places)) > 1:
        message = f"its private key lies in {name_some(_folders(key.places))}"
        hint = "whoever has one of the copies can certify anybody; keep those that you know of"
        yield Finding(code=FindingCode.SHARED_KEY, message=message, outcome=Outcome.STAYS, hint=hint)


def _find_sharing(key: FoundKey | None, certificate_places: Sequence[Place], *, address: str) -> Iterator[Finding]:
    """One certificate in the folders of several devices. Where the key was found, it alone counts: certificates are
    copied for many reasons.
    """
    folders = _folders(key.places if key is not None else certificate_places)
    if len(folders) > 1:
        what = "key" if key is not None else "certificate"
        yield Finding(
            code=FindingCode.SHARED_CERTIFICATE,
            message=f"the same {what} lies in {len(folders)} folders: {name_some(folders)}",
            outcome=Outcome.STAYS,
            hint=_SHARED_BY_BROKERS if address.startswith(_BROKER) else _SHARED_BY_CLIENTS,
        )


def _folders(places: Sequence[Place]) -> list[str]:
    return sorted({place.folder or "." for place in places})


def name_some(names: Iterable[str]) -> str:
    """The first of many names, and how many more there are."""
    known = list(names)
    more = f" and {len(known) - _MOST_NAMED:,} more" if len(known) > _MOST_NAMED else ""
    return ", ".join(known[:_MOST_NAMED]) + more


def _not_found(address: str, unopened: str) -> str:
    effect = ", so that nothing can be signed here" if address == CA else ""
    if unopened:
        return f"its private key was not found{effect}; it may be {unopened}"
    return f"its private key was not found{effect or '; it is taken to be on its host'}"
