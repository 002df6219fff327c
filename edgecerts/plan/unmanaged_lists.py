"""Revocation lists that nobody here signs: those that the manifest does not ask for (any more), and other authorities'.

The former stay, because a broker may use one.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime

from edgecerts.desired.graph import LIST_COPY, PUBLISHED_LIST, Graph
from edgecerts.observed.inventory import Inventory, State
from edgecerts.pki.profiles import REVOCATION_LIST_RENEWAL_SHARE
from edgecerts.pki.revocation_lists import RevocationListFacts
from edgecerts.plan.folder_checks import name_some
from edgecerts.plan.listed_entries import describe, find_wanted
from edgecerts.plan.lists_of_others import ListsOfOthers
from edgecerts.plan.model import HazardCode, NoticeCode, Remark
from edgecerts.plan.revocation_lists import tell_end
from edgecerts.plan.revocations import Revocations


def unmanaged_lists(graph: Graph, inventory: Inventory) -> tuple[str, ...]:
    """Their paths."""
    asked_for = {artifact.path for artifact in graph.artifacts()}
    return tuple(
        path
        for path, found in inventory.revocation_lists.items()
        if path not in asked_for and found.state is not State.ABSENT
    )


def note_unmanaged_lists(graph: Graph, inventory: Inventory, now: datetime) -> Iterator[Remark]:
    """What becomes of the brokers that use them."""
    paths = unmanaged_lists(graph, inventory)
    if not paths:
        return
    found = [facts for path in paths for facts in inventory.revocation_lists[path].value or ()]
    if paths == (PUBLISHED_LIST,) and graph.authorities[0].revocation_lists:
        yield _note_published(found, now)
        return
    first = min(found, key=lambda facts: facts.next_update, default=None)
    end = f"; {tell_end(first, now)}" if first is not None else ""
    copies = sum(path.endswith(f"/{LIST_COPY}") for path in paths)
    more = f" and {len(paths) - 1:,} more" if len(paths) > 1 else ""
    yield Remark(
        code=NoticeCode.CRL_UNMANAGED.value,
        address="ca",
        message=f"the manifest asks for no revocation list, and there is {paths[0]}{more};"
        f" nobody signs the next one{end}",
        hint="write `crl:` to keep it; or take it out of the configuration of every broker first, and then remove"
        f" {'these files' if copies or more else 'the file'}",
    )


def _note_published(found: Sequence[RevocationListFacts], now: datetime) -> Remark:
    """Without `crl.url`: brokers that read a file have theirs, and those that fetch one get an old one."""
    end = ""
    if found:
        ends = found[0].next_update
        end = f"; that one {'ended' if ends < now else 'ends'} on {ends:%Y-%m-%d at %H:%M} UTC"
    return Remark(
        code=NoticeCode.CRL_UNMANAGED.value,
        address="ca",
        message=f"the manifest has no `crl.url` any more, and nobody signs the next {PUBLISHED_LIST}{end}; clients'"
        " certificates still name its address, and a broker that fetches the list there (EMQX) gets no newer one",
        hint="write `crl.url` to keep it; or switch that check off at every such broker, and then remove the file",
    )


def refuse_to_forget(graph: Graph, revocations: Revocations, now: datetime) -> Iterator[Remark]:
    """The hazard where the manifest asks for no list any more, and the one that is here still locks somebody out."""
    if graph.authorities[0].revocation_lists:
        return
    wanted = find_wanted(revocations, unknown_allowed=False, unrevoked_allowed=False, replaced=(), now=now)
    entries = [listed.entry for listed in wanted.entries if listed.entry.serial_number not in wanted.ended]
    named = [
        describe(entry.serial_number, entry.reason, revocations)
        for entry in entries
        if entry.serial_number in revocations.listed
    ]
    if named:
        yield Remark(
            code=HazardCode.UNREVOKED.value,
            address="ca",
            message="the revocation list that is here is not signed again, because nothing in the manifest asks for"
            f" one; revoked in it, and not any more by anything that is declared: {name_some(named)}",
            hint="write `crl:` to keep the list, and bring back its entries in `revoked`; or, to let them in again:"
            f" --allow {HazardCode.UNREVOKED}",
        )


def note_lists_of_others(graph: Graph, inventory: Inventory, now: datetime) -> Iterator[Remark]:
    """Another authority's list that ends, or cannot be used: nobody here can sign another."""
    copies = [identity.list_copy for identity in graph.end_entities if identity.list_copy is not None]
    others = ListsOfOthers(inventory, now)
    for problem in dict.fromkeys(problem for copy in copies for problem in others.of(copy).standing_in):
        yield Remark(
            code=NoticeCode.CRL_OF_ANOTHER_UNUSABLE.value,
            address="ca",
            message=f"{problem}; brokers keep the list that they have",
            hint="bring the right file before that list ends",
        )
    entries = {entry.crl: entry for copy in copies for entry in copy.also_trust if entry.crl is not None}
    for path in entries:
        for facts in inventory.also_revoked[path].value or ():
            if now >= facts.next_update - facts.period.lifetime * REVOCATION_LIST_RENEWAL_SHARE:
                yield Remark(
                    code=NoticeCode.CRL_OF_ANOTHER_ENDS.value,
                    address="ca",
                    message=f"{path}, the list of another authority: of its clients, {tell_end(facts, now)}",
                    hint="get a newer one from whoever runs that authority",
                )
