"""How a revocation list will be signed."""

from dataclasses import dataclass

from edgecerts.desired.graph import Address
from edgecerts.pki.certificates import Period
from edgecerts.pki.revocation_lists import RevokedEntry


@dataclass(frozen=True, kw_only=True, slots=True)
class ListedEntry:
    """An entry of a list.

    Attributes:
        replaced_by: the certificate that takes this one's place in the same run. The entry counts only where that is
            issued: else the device would be refused with nothing in its certificate's place.
    """

    entry: RevokedEntry
    replaced_by: Address | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Listing:
    """A list as it will be signed.

    Attributes:
        period: thisUpdate and nextUpdate.
        number: its CRLNumber.
    """

    period: Period
    number: int
    entries: tuple[ListedEntry, ...]
