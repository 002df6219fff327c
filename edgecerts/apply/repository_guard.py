"""No private key that is not encrypted is written where git would take it into a repository."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from edgecerts.desired.folder_files import GITIGNORE
from edgecerts.desired.graph import LOCAL_FOLDER, REPLACED_FOLDER, LeftoverArtifact, PrivateKeyArtifact
from edgecerts.errors import StorageError
from edgecerts.observed.repository import IgnoreRule, Unknown, find_ignore_rules, find_tracked
from edgecerts.plan.model import Action, Change

_KEPT = f"{REPLACED_FOLDER}/x"
"""Stands for every key that is moved out of the way."""

_ELSEWHERE = "name a place outside the work tree, or declare `password`, so that the key is encrypted"
_IGNORED = "write *.key at the end of the repository's .gitignore, where the name of the key ends so"


@dataclass
class RepositoryGuard:
    """Asks git once, about all keys of a run, before the first of them is written.

    Attributes:
        output: the output folder.
        changes: what this run is going to do.
    """

    output: Path
    changes: Iterable[Change]
    _problems: dict[str, StorageError] | None = field(default=None, repr=False)

    def check(self, change: Change) -> None:
        """Checks a change before it is made, and after the folder's own `.gitignore` is in its place.

        Raises:
            StorageError: it would leave a private key where git would take it in.
        """
        places = tuple(_exposed_places(change))
        if not places:
            return
        problems = self.ask()
        problem = next((problems[place] for place in places if place in problems), None)
        if problem is not None:
            raise problem

    def ask(self) -> Mapping[str, StorageError]:
        """Asks git now, unless it was asked before. What is wrong, by path."""
        if self._problems is None:
            wanted = (place for other in self.changes for place in _exposed_places(other))
            self._problems = check_keys_ignored(self.output, wanted)
        return self._problems


def check_keys_ignored(output: Path, paths: Iterable[str]) -> dict[str, StorageError]:
    """Finds the paths that git does not ignore.

    Args:
        output: the output folder.
        paths: of private keys that are going to be written, and are not encrypted.

    Returns:
        by path what is wrong. Nothing, outside a work tree and where git cannot be asked: our own `.gitignore` stands.
    """
    return {path: _problem(path, rule) for path, rule in _exposing_rules(output, paths).items()}


def check_local_folder(output: Path) -> None:
    """Looks whether what an interrupted run left came with a repository.

    Raises:
        StorageError: it may have, and then anybody may have written it.
    """
    tracked = find_tracked(output, (LOCAL_FOLDER,))
    if isinstance(tracked, frozenset) and tracked:
        raise StorageError(
            f"git has files of {LOCAL_FOLDER}, which belongs to one machine: {min(tracked)}",
            hint=f"look at who added them; then, in the output folder: git rm -r --cached {LOCAL_FOLDER}",
        )


def _exposing_rules(folder: Path, paths: Iterable[str]) -> dict[str, IgnoreRule | None]:
    rules = find_ignore_rules(folder, dict.fromkeys(paths))
    if rules is None or isinstance(rules, Unknown):
        return {}
    return {path: rule for path, rule in rules.items() if rule is None or rule.lets_in}


def _explain(rule: IgnoreRule | None) -> str:
    return f"line {rule.line} of {rule.source} lets it in: {rule.pattern}" if rule else "no line keeps it out"


def check_ignored(places: Sequence[Path]) -> None:
    """Checks private keys that are going to be written, and are not encrypted, where no `.gitignore` of ours has to be.

    Raises:
        StorageError: git would take one of them into a repository, or cannot say whether it would.
    """
    by_folder: dict[Path, dict[str, Path]] = {}
    for place in places:
        exists = next(parent for parent in place.absolute().parents if parent.is_dir())
        by_folder.setdefault(exists, {})[place.absolute().relative_to(exists).as_posix()] = place
    for folder, named in by_folder.items():
        rules = find_ignore_rules(folder, named)
        if isinstance(rules, Unknown):
            raise _in_work_tree(next(iter(named.values())), f"git cannot be asked: {rules.problem}", _ELSEWHERE)
        for path, rule in (rules or {}).items():
            if rule is None or rule.lets_in:
                raise _in_work_tree(named[path], _explain(rule), f"{_ELSEWHERE}; or {_IGNORED}")


def _in_work_tree(place: Path, why: str, hint: str) -> StorageError:
    return StorageError(f"{place} would not be encrypted, and git might take it into a repository; {why}", hint=hint)


def _exposed_places(change: Change) -> Iterator[str]:
    """Where a change leaves a private key that is not, or may not be, encrypted."""
    artifact = change.artifact
    if isinstance(artifact, PrivateKeyArtifact) and change.action in (Action.CREATE, Action.REKEY):
        if artifact.password is None:
            yield artifact.path
        if artifact.password is None or change.action is Action.REKEY:
            yield _KEPT
    elif isinstance(artifact, LeftoverArtifact) and artifact.is_private_key and change.action is Action.DELETE:
        yield _KEPT


def _problem(path: str, rule: IgnoreRule | None) -> StorageError:
    kept = path == _KEPT
    line = f"/{LOCAL_FOLDER}/" if kept else f"/{path}"
    why = _explain(rule)
    # The last line that fits decides.
    mended = f"write {line} at the end of {GITIGNORE} in the output folder"
    if rule is not None:
        # A file deeper in the tree decides, whatever stands in ours.
        mended = f"take that line away, or {mended}, unless that line stands in a folder below it"
    if kept:
        what = f"{LOCAL_FOLDER}/, where private keys lie while they are written and after they are replaced"
        return StorageError(f"git would take in {what}; {why}", hint=mended)
    return StorageError(
        f"{path} would not be encrypted, and git would take it in; {why}",
        hint=f"{mended}; or declare `password`, so that the key is encrypted",
    )
