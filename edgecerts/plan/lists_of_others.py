"""The revocation lists of the other authorities that brokers trust: which of them a broker gets.

A broker refuses every client of an authority of which it has no list that this authority signed.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from edgecerts.desired.graph import ListCopyArtifact
from edgecerts.manifest.model import TrustedCA
from edgecerts.observed.inventory import Inventory
from edgecerts.pki.certificate_facts import CertificateFacts
from edgecerts.pki.revocation_lists import RevocationListFacts
from edgecerts.plan.issuer import Obstacle
from edgecerts.plan.model import BlockCode


@dataclass(frozen=True, kw_only=True, slots=True)
class _Entry:
    """What one entry of `also_trust` comes to.

    Attributes:
        lists: those in its file that its authorities signed.
        lacking: its authorities of which there is none.
        problem: what is wrong with the file, or None.
    """

    lists: tuple[RevocationListFacts, ...]
    lacking: tuple[CertificateFacts, ...] = ()
    problem: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class OthersLists:
    """What one broker gets of others.

    Attributes:
        lists: each once.
        standing_in: what is wrong with the files of lists for which those of the broker's copy stand in.
        obstacle: why there is nothing to give for one of the authorities, or None.
    """

    lists: tuple[RevocationListFacts, ...]
    standing_in: tuple[str, ...] = ()
    obstacle: Obstacle | None = None


class ListsOfOthers:
    """Looks at each entry of `also_trust` once, however many brokers there are."""

    def __init__(self, inventory: Inventory, now: datetime) -> None:
        self._inventory = inventory
        self._now = now
        self._known: dict[tuple[str, str], _Entry] = {}

    def of(self, artifact: ListCopyArtifact) -> OthersLists:
        """What a broker gets. Where a file cannot be used, the broker keeps the lists that it has and that count."""
        lists: dict[str, RevocationListFacts] = {}
        standing_in = []
        for trusted in artifact.also_trust:
            if trusted.crl is None:
                continue
            entry = self._look_at(trusted, trusted.crl)
            kept = tuple(self._kept(artifact, entry.lacking))
            if entry.problem is not None and len(kept) < max(1, len(entry.lacking)):
                return OthersLists(lists=(), obstacle=_obstacle(trusted, entry.problem))
            if entry.problem is not None:
                standing_in.append(f"{trusted.crl}, named in `ca.also_trust`: {entry.problem}")
            lists |= {facts.sha256: facts for facts in (*entry.lists, *kept)}
        return OthersLists(lists=tuple(lists.values()), standing_in=tuple(standing_in))

    def _look_at(self, trusted: TrustedCA, path: str) -> _Entry:
        known = self._known.get((trusted.ca, path))
        if known is None:
            authorities = self._inventory.also_trusted[trusted.ca].value or ()
            known = self._known[trusted.ca, path] = self._judge(path, tuple(self._signing(authorities)), trusted.ca)
        return known

    def _signing(self, authorities: Sequence[CertificateFacts]) -> Iterator[CertificateFacts]:
        """Those whose clients may connect: each name and key once."""
        seen = set()
        for facts in authorities:
            who = facts.subject_der, facts.spki_sha256
            if facts.is_ca is not False and facts.not_after > self._now and who not in seen:
                seen.add(who)
                yield facts

    def _judge(self, path: str, authorities: tuple[CertificateFacts, ...], ca: str) -> _Entry:
        found = self._inventory.also_revoked[path]
        if found.value is None:
            return _Entry(lists=(), lacking=authorities, problem=found.problem or "there is no such file")
        if not authorities:
            return _Entry(lists=found.value)
        signed = {facts.sha256: facts for of in authorities for facts in found.value if _is_of(facts, of)}
        lacking = tuple(of for of in authorities if not any(_is_of(facts, of) for facts in found.value))
        lists = tuple(facts for facts in found.value if facts.sha256 in signed)
        if not lacking:
            return _Entry(lists=lists)
        same_name = any(facts.issuer_der == lacking[0].subject_der for facts in found.value)
        problem = (
            f"its list of {lacking[0].subject_text} was not signed by the authority in {ca}"
            if same_name
            else f"it holds no list of {lacking[0].subject_text}, an authority in {ca}"
        )
        return _Entry(lists=lists, lacking=lacking, problem=problem)

    def _kept(self, artifact: ListCopyArtifact, lacking: Sequence[CertificateFacts]) -> Iterator[RevocationListFacts]:
        """For each authority the list in the broker's copy that counts longest, if there is one."""
        for of in lacking:
            found = self._inventory.revocation_lists[artifact.path].value or ()
            usable = [facts for facts in found if facts.next_update > self._now and _is_of(facts, of)]
            if usable:
                yield max(usable, key=lambda facts: facts.next_update)


def _is_of(facts: RevocationListFacts, authority: CertificateFacts) -> bool:
    """Whether an authority signed a list (RFC 5280 §6.3.3 (f), (g))."""
    same_name = facts.issuer_der == authority.subject_der
    return same_name and facts.is_signed_by(authority.certificate.public_key())


def _obstacle(trusted: TrustedCA, problem: str) -> Obstacle:
    return Obstacle(
        code=BlockCode.ALSO_TRUST_UNREADABLE,
        message=f"{trusted.crl}, named in `ca.also_trust`: {problem}",
        hint="its path is relative to the manifest, and it holds a PEM revocation list of each authority in"
        f" {trusted.ca}; a broker that got ours alone would refuse every client of an authority without one",
    )
