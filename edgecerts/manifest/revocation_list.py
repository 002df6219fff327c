"""The settings of the revocation list, and what else the manifest must say once there is one."""

import re
from collections.abc import Sequence
from datetime import timedelta

from edgecerts.manifest.durations import read_renew_before, read_validity
from edgecerts.manifest.mistakes import Mistakes, quoted
from edgecerts.manifest.model import Authority, EndEntity, RenewBefore, Revocation, RevocationListSettings
from edgecerts.manifest.nodes import Mapping, Node, Scalar, is_null, key_mark
from edgecerts.pki.profiles import REVOCATION_LIST_VALIDITY, backdate

_URL = re.compile(r"https?://[!-~]+")
DEFAULT = RevocationListSettings(validity=REVOCATION_LIST_VALIDITY, renew_before=None, url=None, declared=frozenset())


def read_revocation_list(
    node: Node | None, revocations: Sequence[Revocation], entities: Sequence[EndEntity], mistakes: Mistakes
) -> RevocationListSettings | None:
    """Reads `crl`.

    Args:
        node: the mapping, already of the right structure, which may be empty; None where it is missing.
        revocations: what is revoked.
        entities: the brokers and clients.
        mistakes: where mistakes are noted.

    Returns:
        None where nothing asks for a list.
    """
    if isinstance(node, Mapping):
        return _read_settings(node, mistakes)
    asked_for = node is not None or revocations or any(entity.revoke_on_rekey for entity in entities)
    return DEFAULT if asked_for else None


def check_also_trusted(
    authority: Authority | None, settings: RevocationListSettings | None, mistakes: Mistakes
) -> None:
    """Notes other authorities of which no list is named: brokers would refuse everybody whom those certified."""
    for entry in authority.also_trust if authority is not None and settings is not None else ():
        if entry.crl is None:
            mistakes.add(
                entry.mark,
                f"{quoted(entry.ca)} has no `crl`, and this manifest has a revocation list",
                "name the file of its own list, as in `crl: old.crl`: with a list of one authority alone, Mosquitto"
                " refuses all clients of the other",
            )


def _read_settings(node: Mapping, mistakes: Mistakes) -> RevocationListSettings:
    validity, renew_before, url = node.get("validity"), node.get("renew_before"), node.get("url")
    length = read_validity(validity, mistakes) if isinstance(validity, Scalar) else None
    before = read_renew_before(renew_before, mistakes) if isinstance(renew_before, Scalar) else None
    _check_window(node, before, length or REVOCATION_LIST_VALIDITY, mistakes)
    return RevocationListSettings(
        validity=length or REVOCATION_LIST_VALIDITY,
        renew_before=before,
        url=_read_url(url, mistakes) if isinstance(url, Scalar) else None,
        declared=frozenset(str(key) for key in node if not is_null(node[key])),
    )


def _check_window(node: Mapping, before: RenewBefore | None, validity: timedelta, mistakes: Mistakes) -> None:
    """A list is not due for renewal from its first day on."""
    if before is None:
        return
    window = validity * (before.percent / 100) if before.percent is not None else before.duration or timedelta()
    if window >= validity - backdate(validity):
        mistakes.add(
            key_mark(node["renew_before"]),
            "`renew_before` leaves no time between the signing of a list and its renewal",
            "give a shorter one, or a percentage such as 33%",
        )


def _read_url(node: Scalar, mistakes: Mistakes) -> str | None:
    if not _URL.fullmatch(node):
        hint = "write where brokers fetch the list, as in http://pki.example/ca.crl"
        mistakes.add(node.mark, f"{quoted(node)} is not an address of a revocation list", hint)
        return None
    return str(node)
