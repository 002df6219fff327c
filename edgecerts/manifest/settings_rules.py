"""Settings that are fine alone and do not go together."""

from collections.abc import Iterable

from edgecerts.manifest.mistakes import Mistakes
from edgecerts.manifest.model import KeyHeld, Lifetime, Mark, Rekey
from edgecerts.manifest.settings import Settings
from edgecerts.pki.profiles import END_ENTITY_VALIDITY, backdate


def check_own_settings(own: Settings, settings: Settings, mistakes: Mistakes) -> None:
    """Checks the settings of an entry, or of `defaults`, with everything that they inherit.

    What is wrong within `defaults` alone is noted there once, not again at every entry.

    Args:
        own: the settings that the mapping gives itself.
        settings: the same with `defaults` under it.
        mistakes: where mistakes are noted.
    """
    _check_renewal(own, settings, mistakes)
    _check_rekey(own, settings, mistakes)


def check_request_settings(own: Settings, settings: Settings, mistakes: Mistakes) -> None:
    """Checks that an entry that says something of its request has one; `defaults` may say it for some of them."""
    held = settings.key_held or KeyHeld.HERE
    for key in ("csr", "csr_must_match"):
        if key in own.marks and held is not KeyHeld.CSR:
            hint = "write `key_held: csr` if the private key is made on its host, else remove this"
            mistakes.add(own.marks[key], f"`{key}` does not go with `key_held: {held.value}`", hint)


def _check_renewal(own: Settings, settings: Settings, mistakes: Mistakes) -> None:
    lifetime = settings.lifetime or Lifetime(validity=END_ENTITY_VALIDITY)
    check_renewal(own, settings, lifetime, mistakes)


def check_renewal(own: Settings, settings: Settings, lifetime: Lifetime, mistakes: Mistakes) -> None:
    """Checks that a certificate is not due for renewal from its first day on.

    A certificate begins a little before it is issued, so that much of its lifetime is over by then.
    """
    before, validity = settings.renew_before, lifetime.validity
    if before is None or validity is None:
        return
    window = before.duration if before.percent is None else validity * (before.percent / 100)
    if window is None or window < validity - backdate(validity):
        return
    mark = _position(own, ("renew_before", "validity"))
    if mark is not None:
        hint = "give a shorter one, or a percentage such as 33%"
        message = "`renew_before` leaves no time between the issue of a certificate and its renewal"
        mistakes.add(mark, message, hint)


def _check_rekey(own: Settings, settings: Settings, mistakes: Mistakes) -> None:
    held = settings.key_held or KeyHeld.HERE
    if settings.rekey is not Rekey.ON_RENEW or held is KeyHeld.HERE:
        return
    mark = _position(own, ("rekey", "key_held"))
    if mark is not None:
        message = f"`rekey: on-renew` does not go with `key_held: {held.value}`"
        mistakes.add(mark, message, "a new key can only be made where the key is kept; write `rekey: never`")


def _position(own: Settings, keys: Iterable[str]) -> Mark | None:
    """Where the first of these keys stands that the mapping gives itself."""
    return next((own.marks[key] for key in keys if key in own.marks), None)
