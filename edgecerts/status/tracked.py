"""Private keys that a repository has: whoever has a copy of it has them, now and for ever."""

import enum
from collections.abc import Iterator

from edgecerts.desired.graph import LOCAL_FOLDER, Identity
from edgecerts.observed.inventory import Inventory, Observed, State
from edgecerts.observed.repository import Unknown
from edgecerts.pki.private_keys import KeyFacts
from edgecerts.plan.folder_checks import FOLDER, name_some
from edgecerts.plan.model import Remark
from edgecerts.plan.waiting import on_host


@enum.unique
class RepositoryCode(enum.StrEnum):
    """What there is to say about a repository; docs/status.md explains each."""

    KEY_TRACKED = "key-tracked"
    REPOSITORY_UNKNOWN = "repository-unknown"


PRIVATE_FILES = ("*.key", LOCAL_FOLDER)
"""The files that git is asked about, as its pathspecs."""

Tracked = frozenset[str] | Unknown | None
"""What git has of these files; None where the output folder is in no work tree."""


def is_key_tracked(path: str, found: Observed[KeyFacts], tracked: Tracked) -> bool:
    """Whether git has a private key that is not encrypted. What cannot be looked into is not accused."""
    return isinstance(tracked, frozenset) and path in tracked and found.state is State.PRESENT


def remark_on_key(identity: Identity) -> Remark:
    """The finding about an identity whose key git has."""
    path = identity.private_key.path
    then = f"have a new key made, because the history keeps this one: --replace {identity.address}"
    if identity.request is not None:
        then = f"have a new key made, because the history keeps this one, {on_host(identity, new_key=True)}"
    elif identity.trust is None:
        then = "plan another authority, because the history keeps this key (ca.also_trust eases the change)"
    return _remark(identity.address, path, then)


def remarks_on_others(inventory: Inventory, tracked: Tracked) -> Iterator[Remark]:
    """The findings about keys that are no identity's: of entries that left the manifest, and in the local folder."""
    if not isinstance(tracked, frozenset):
        return
    for leftover in inventory.leftovers:
        for path in leftover.paths:
            if is_key_tracked(path, leftover.private_key, tracked):
                yield _remark(leftover.address, path, "where its certificate can still connect, remove its user")
    local = sorted(path for path in tracked if path.startswith(f"{LOCAL_FOLDER}/"))
    if local:
        yield Remark(
            code=RepositoryCode.KEY_TRACKED.value,
            address=FOLDER,
            message=f"git has files of {LOCAL_FOLDER}/, where replaced private keys are kept: {name_some(local)}",
            hint=f"in the output folder: git rm -r --cached {LOCAL_FOLDER}; the history keeps the keys that it has",
        )


def notices_on_repository(tracked: Tracked) -> Iterator[Remark]:
    """That git could not be asked."""
    if isinstance(tracked, Unknown):
        yield Remark(
            code=RepositoryCode.REPOSITORY_UNKNOWN.value,
            address=FOLDER,
            message=f"whether git has private keys of this folder is not known: {tracked.problem}",
            hint="run git status in the output folder as the user who runs this",
        )


def _remark(address: str, path: str, then: str) -> Remark:
    return Remark(
        code=RepositoryCode.KEY_TRACKED.value,
        address=address,
        message=f"{path} is not encrypted, and git has it: whoever has a copy of the repository has the key",
        hint=f"in the output folder: git rm --cached {path}; then {then}",
    )
