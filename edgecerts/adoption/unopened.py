"""What may be a private key and could not be opened. Whose it is cannot be seen."""

from collections.abc import Iterable
from dataclasses import dataclass

from edgecerts.adoption.key_findings import name_some
from edgecerts.adoption.material import Material


@dataclass(frozen=True, kw_only=True, slots=True)
class Unopened:
    """Files of a source folder that may hold the private keys that were not found.

    Attributes:
        locked: those that hold an encrypted key.
        unread: those that this user may not read, and folders of that kind.
    """

    locked: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()

    @property
    def any(self) -> bool:
        """Whether there are any."""
        return bool(self.locked or self.unread)

    def __str__(self) -> str:
        """Them, and what is with them: `ca.key, which is locked`."""
        parts = (_say(self.locked, "locked"), _say(self.unread, "not readable"))
        return ", or ".join(part for part in parts if part)


def find_unopened(material: Material) -> Unopened:
    """What could not be opened of what was found."""
    locked = [place.path for key in material.locked for place in key.places]
    unread = [path for entry in material.left_out if entry.may_be_key for path in entry.files]
    return Unopened(locked=_sorted(locked), unread=_sorted(unread))


def _sorted(paths: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(paths)))


def _say(paths: tuple[str, ...], what: str) -> str:
    return f"{name_some(paths)}, which {'is' if len(paths) == 1 else 'are'} {what}" if paths else ""
