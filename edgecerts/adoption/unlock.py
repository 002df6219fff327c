"""Opening encrypted private keys with the passwords that were given: each is tried on each key."""

import warnings
from collections.abc import Iterable
from dataclasses import replace

from edgecerts.adoption.contents import ENCRYPTED_KEY, read_contents
from edgecerts.adoption.material import FoundKey, LeftOut, LeftOutCode, LockedKey, Material, OpenedBy
from edgecerts.adoption.read_material import describe_opened, join_keys
from edgecerts.errors import InvalidKeyError
from edgecerts.pki.key_cost import is_affordable
from edgecerts.pki.private_keys import load_private_key


def unlock(material: Material, passwords: Iterable[OpenedBy]) -> Material:
    """Opens what can be opened.

    Args:
        material: what was found.
        passwords: in the order in which they are tried.

    Returns:
        the same with the opened keys among `keys`, and the others still among `locked`.
    """
    passwords = tuple(passwords)
    opened, locked, left_out = list(material.keys), [], list(material.left_out)
    for key in material.locked:
        if not _is_affordable(key):
            files = tuple(place.path for place in key.places)
            message = "an encrypted private key that would take very long to open"
            left_out.append(LeftOut(code=LeftOutCode.OTHER_KEY, files=files, message=message, may_be_key=True))
            continue
        found = open_key(key, passwords)
        if found is None:
            locked.append(key)
        else:
            opened.append(found)
    return replace(material, keys=join_keys(opened), locked=tuple(locked), left_out=tuple(left_out))


def open_key(key: LockedKey, passwords: Iterable[OpenedBy]) -> FoundKey | None:
    """The key, opened by the first of the passwords that does; None where none does, or it is of no use here."""
    for opened_by in passwords:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                private_key = load_private_key(key.pem, opened_by.password.reveal())
        except InvalidKeyError:
            continue
        return describe_opened(private_key, key.places, opened_by=opened_by)
    return None


def _is_affordable(key: LockedKey) -> bool:
    """The traditional encryption hashes a password once, so that opening it costs nothing."""
    blocks, _ = read_contents(key.pem)
    return all(block.label != ENCRYPTED_KEY or is_affordable(block.der) for block in blocks)
