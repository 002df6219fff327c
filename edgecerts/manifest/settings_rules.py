"""Settings that are fine alone and do not go together."""

from collections.abc import Iterable, Sequence
from datetime import timedelta

from edgecerts.manifest.mistakes import Mistakes
from edgecerts.manifest.model import KeyHeld, Lifetime, Mark, Rekey, RenewBefore, RenewJitter
from edgecerts.manifest.settings import Settings
from edgecerts.pki.profiles import END_ENTITY_VALIDITY, RENEWAL_AT_MOST, RENEWAL_SHARE, backdate


def check_own_settings(own: Sequence[Settings], settings: Settings, mistakes: Mistakes) -> None:
    """Checks the settings of an entry, of a role, or of `defaults`, with everything that they inherit.

    What is wrong within `defaults` alone is noted there once, not again at every entry.

    Args:
        own: the settings that the mapping gives itself, then those of its inventory and role; not `defaults`.
        settings: all of them, with `defaults` under them.
        mistakes: where mistakes are noted.
    """
    lifetime = settings.lifetime or Lifetime(validity=END_ENTITY_VALIDITY)
    check_renewal(own, settings, lifetime, mistakes)
    _check_rekey(own, settings, mistakes)


def check_request_settings(own: Settings, settings: Settings, mistakes: Mistakes) -> None:
    """Checks that an entry that says something of its request has one; `defaults` may say it for some of them."""
    held = settings.key_held or KeyHeld.HERE
    for key in ("csr", "csr_must_match"):
        if key in own.marks and held is not KeyHeld.CSR:
            hint = "write `key_held: csr` if the private key is made on its host, else remove this"
            mistakes.add(own.marks[key], f"`{key}` does not go with `key_held: {held.value}`", hint)


def check_renewal(own: Sequence[Settings], settings: Settings, lifetime: Lifetime, mistakes: Mistakes) -> None:
    """Checks that a certificate is not due for renewal from its first day on.

    A certificate begins a little before it is issued, so that much of its lifetime is over by then.
    """
    before, jitter, validity = settings.renew_before, settings.renew_jitter, lifetime.validity
    if validity is None or (before is None and jitter is None):
        return
    window = min(validity / RENEWAL_SHARE, RENEWAL_AT_MOST) if before is None else _length(before, validity)
    usable = validity - backdate(validity)
    if window >= usable:
        mark = _position(own, ("renew_before", "validity"))
        message = "`renew_before` leaves no time between the issue of a certificate and its renewal"
    elif jitter is not None and window + _length(jitter, validity) >= usable:
        mark = _position(own, ("renew_jitter", "renew_before", "validity"))
        message = "`renew_jitter` leaves no time between the issue of a certificate and its earliest renewal"
    else:
        return
    if mark is not None:
        mistakes.add(mark, message, "give a shorter one, or a percentage such as 33%")


def _length(given: RenewBefore | RenewJitter, validity: timedelta) -> timedelta:
    return validity * ((given.percent or 0) / 100) if given.duration is None else given.duration


def _check_rekey(own: Sequence[Settings], settings: Settings, mistakes: Mistakes) -> None:
    held = settings.key_held or KeyHeld.HERE
    if settings.rekey is not Rekey.ON_RENEW or held is KeyHeld.HERE:
        return
    mark = _position(own, ("rekey", "key_held"))
    if mark is not None:
        message = f"`rekey: on-renew` does not go with `key_held: {held.value}`"
        mistakes.add(mark, message, "a new key can only be made where the key is kept; write `rekey: never`")


def _position(own: Sequence[Settings], keys: Iterable[str]) -> Mark | None:
    """Where the first of these keys stands in the first of these mappings that has any of them."""
    keys = tuple(keys)
    return next((layer.marks[key] for layer in own for key in keys if key in layer.marks), None)
