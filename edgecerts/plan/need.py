"""What `apply` must get from outside, by its source and never by its content."""

import enum
from dataclasses import dataclass

from edgecerts.desired.graph import Address
from edgecerts.manifest.model import PasswordSource, PrivateKeySource


@enum.unique
class NeedKind(enum.StrEnum):
    """The two kinds of secrets."""

    PASSWORD = "password"  # noqa: S105 (the word, not one of them)
    KEY = "key"


@dataclass(frozen=True, kw_only=True, slots=True)
class Need:
    """A secret that `apply` needs for the changes of this plan.

    Attributes:
        address: the private key, or the one that a password opens or encrypts.
        source: where it is fetched from; None for a key that is read from `path`.
        path: the key's path.
    """

    address: Address
    kind: NeedKind
    source: PasswordSource | PrivateKeySource | None
    path: str

    def __str__(self) -> str:
        if self.source is None:
            return f"the private key {self.path}"
        if self.kind is NeedKind.KEY:
            return f"the authority's private key, from {self.source}"
        return f"the password for {self.address}, from {self.source}"
