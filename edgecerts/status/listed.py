"""Which certificates of the log stand in the authority's revocation list."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from edgecerts.desired.graph import REVOCATION_LIST
from edgecerts.observed.history_scan import FoundHistory
from edgecerts.observed.issuance_log import LogEntry
from edgecerts.pki.revocation_lists import RevokedEntry
from edgecerts.plan.model import BlockCode, ReasonCode, Remark


@dataclass(frozen=True, kw_only=True, slots=True)
class Listed:
    """What the list says.

    Attributes:
        issuer_key: SHA-256 of the public key of the authority whose list it is; None where there is none to go by.
        entries: by serial number.
        problems: why it says nothing although it is there.
    """

    issuer_key: str | None = None
    entries: Mapping[int, RevokedEntry] = field(default_factory=dict)
    problems: tuple[Remark, ...] = ()

    def find(self, line: LogEntry) -> RevokedEntry | None:
        """The entry of a certificate by its line of the log. Another authority may have used the same number."""
        if line.issuer_key != self.issuer_key or line.serial_number is None:
            return None
        return self.entries.get(line.serial_number)


def find_listed(found: FoundHistory) -> Listed:
    """Reads the list that is here; only one that the authority signed counts, and of two sides of a merge both."""
    lists, authority = found.revocation_list.value, found.authority.value
    if found.revocation_list.problem is not None:
        return Listed(problems=(_problem(BlockCode.UNREADABLE.value, found.revocation_list.problem),))
    if not lists:
        return Listed()
    if not authority:
        problem = found.authority.problem or "the authority's certificate is not here to check it with"
        return Listed(problems=(_problem(BlockCode.UNREADABLE.value, problem),))
    key = authority[0].certificate.public_key()
    own = [facts for facts in lists if facts.issuer_der == authority[0].subject_der and facts.is_signed_by(key)]
    if not own:
        return Listed(problems=(_problem(ReasonCode.CORRUPT.value, "its signature is not this authority's"),))
    own.sort(key=lambda facts: facts.number or 0)
    return Listed(
        issuer_key=authority[0].spki_sha256,
        entries={entry.serial_number: entry for facts in own for entry in facts.entries},
    )


def _problem(code: str, problem: str) -> Remark:
    return Remark(
        code=code,
        address="ca/crl",
        message=f"{REVOCATION_LIST} says nothing here, so none of these is known to be revoked: {problem}",
        hint="edgecerts plan says what can be done",
    )
