"""Which of a plan's pending changes are published together, and in which order."""

from collections.abc import Iterator
from dataclasses import dataclass

from edgecerts.apply.key_maker import is_slow
from edgecerts.desired.graph import ListCopyArtifact, PrivateKeyArtifact, RevocationListArtifact
from edgecerts.plan.model import Action, Change, Plan

_GROUP = 512
"""How many identities share a commit: more would be hardly faster, and lose more work to a power cut ..."""

_SLOW = 8
"""... for which one with a key that takes long to make counts as so many."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Unit:
    """Changes of one identity that are published as one."""

    identity: str
    changes: tuple[Change, ...]

    @property
    def is_list(self) -> bool:
        """Whether it is a revocation list, or a broker's copy of one."""
        return _is_list(self.changes[0])


def build_groups(plan: Plan) -> Iterator[list[Unit]]:
    """The pending changes as units, in groups that are published before the next begins.

    What gets encrypted comes first, so that .gitignore, which lets it into a repository, never comes before it. The
    folder's own files come before every new key, and an authority before what it issues. Revocation lists come last:
    what they revoke because it is replaced must have been replaced, and brokers' copies are of what is in its place.
    """
    encrypted = [change for change in plan.pending if _is_encrypted(change)]
    yield [Unit(identity=change.address.identity, changes=(change,)) for change in encrypted]
    rest: dict[str, list[Change]] = {}
    for change in plan.pending:
        if not _is_encrypted(change) and not _is_list(change):
            rest.setdefault(change.address.identity, []).append(change)
    yield [Unit(identity="folder", changes=(change,)) for change in rest.pop("folder", ())]
    # What the log lacks is on record before anything takes its place.
    yield [Unit(identity="log", changes=tuple(rest.pop("log")))] if "log" in rest else []
    if "ca" in rest:
        yield [Unit(identity="ca", changes=tuple(rest.pop("ca")))]
    units = [Unit(identity=identity, changes=tuple(changes)) for identity, changes in rest.items()]
    group: list[Unit] = []
    weight = 0
    for unit in units:
        group.append(unit)
        weight += _SLOW if any(map(_makes_slow_key, unit.changes)) else 1
        if weight >= _GROUP:
            yield group
            group, weight = [], 0
    yield group
    for kind in (RevocationListArtifact, ListCopyArtifact):
        units = [
            Unit(identity=change.address.identity, changes=(change,))
            for change in plan.pending
            if isinstance(change.artifact, kind)
        ]
        for begin in range(0, len(units), _GROUP):
            yield units[begin : begin + _GROUP]


def _makes_slow_key(change: Change) -> bool:
    artifact = change.artifact
    made = change.action in (Action.CREATE, Action.REKEY)
    return made and isinstance(artifact, PrivateKeyArtifact) and is_slow(artifact.key_type)


def _is_list(change: Change) -> bool:
    return isinstance(change.artifact, RevocationListArtifact | ListCopyArtifact)


def _is_encrypted(change: Change) -> bool:
    return isinstance(change.artifact, PrivateKeyArtifact) and change.action is Action.UPDATE
