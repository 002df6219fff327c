"""New private keys that are kept elsewhere than in the output folder.

Each is on the disk, and was read back, before anything is signed with it or a certificate for it is seen. Nothing is
ever written over: what has the name may be the only copy of another key.
"""

import contextlib
import os
import stat
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from edgecerts.apply.file_system import FileSystem, Sync
from edgecerts.apply.key_file import fill_key_file
from edgecerts.apply.output_folder import OutputFolder, open_output, reporting
from edgecerts.apply.repository_guard import check_ignored
from edgecerts.desired.graph import PRIVATE_KEY_MODE, Identity, PrivateKeyArtifact
from edgecerts.errors import StorageError
from edgecerts.observed.inventory import Inventory, State
from edgecerts.plan.model import Action, Change, Plan
from edgecerts.plan.options import NEW_CA_KEY_TO

NEW_KEYS_TO = "--new-keys-to"

_MOST_NAMED = 3
_OPEN_TO_OTHERS = stat.S_IWGRP | stat.S_IWOTH


@dataclass(kw_only=True)
class NewKeyFiles:
    """Where the private keys go that one run makes.

    Attributes:
        output: the output folder.
        root: the authority.
        authority: the file for a new authority's key; None where that goes to the output folder.
        folder: the folder for the keys of brokers and clients; None where they go to the output folder.
        inventory: what was found. A key that takes the place of one in the output folder goes there, too.
        written: where each key is, by its artifact's path.
    """

    output: Path
    root: Identity
    authority: Path | None
    folder: Path | None
    inventory: Inventory
    system: FileSystem = field(default_factory=FileSystem)
    written: dict[str, Path] = field(default_factory=dict)

    def place_of(self, change: Change) -> Path | None:
        """Where the private key goes that a change makes; None where that is the output folder, or none is made."""
        artifact = change.artifact
        if not isinstance(artifact, PrivateKeyArtifact) or change.action not in (Action.CREATE, Action.REKEY):
            return None
        if artifact.address == self.root.private_key.address:
            return self.authority
        is_here = self.inventory.private_keys[artifact.path].state is not State.ABSENT
        return None if self.folder is None or is_here else self.folder / artifact.path

    def stays(self, change: Change) -> bool:
        """Whether what a change makes lies in the output folder."""
        place = self.place_of(change)
        return place is None or self.is_own(place)

    def check(self, plan: Plan) -> None:
        """Looks whether the keys of a plan can be written, before anything is.

        Raises:
            StorageError: something is in their way, or git would take them into a repository.
        """
        self._check_asked(plan)
        placed = [(change, place) for change in plan.pending if (place := self.place_of(change)) is not None]
        if self.folder is not None:
            _check_folder(self.folder, self.output)
        if self.authority is not None and any(place == self.authority for _, place in placed):
            self._check_authority(self.authority)
        taken = [place for _, place in placed if os.path.lexists(place)]
        if taken:
            raise _taken(taken)
        # What lies in the output folder is kept out of a repository by the .gitignore there, which comes first.
        bare = [place for change, place in placed if not _is_encrypted(change) and not self.is_own(place)]
        check_ignored(bare)

    def write(self, change: Change, content: bytes) -> None:
        """Writes the private key that a change makes. When this returns, it is on the disk.

        Raises:
            StorageError: it is not there.
        """
        place = self.place_of(change)
        assert place is not None  # noqa: S101 (only keys with a place elsewhere are written here)
        root = place.parent if place == self.authority or self.folder is None else self.folder
        with open_output(root, self.system, name=str(root)) as folder:
            self._write(folder, place.relative_to(root).as_posix(), place, content)
        self.written[change.artifact.path] = place

    def discard(self, paths: Iterable[str]) -> None:
        """Removes keys of which nobody has seen, or will see, a certificate.

        Args:
            paths: of their artifacts.
        """
        for path in paths:
            place = self.written.pop(path, None)
            if place is not None:
                with contextlib.suppress(OSError, StorageError), open_output(place.parent, self.system) as folder:
                    _remove(folder, place.name)

    def _write(self, folder: OutputFolder, path: str, place: Path, content: bytes) -> None:
        system = self.system
        with reporting(str(place)), folder.open_for(path) as (parent, name), contextlib.ExitStack() as stack:
            try:
                descriptor = system.create(name, parent, PRIVATE_KEY_MODE)
            except FileExistsError:
                raise _taken([place]) from None
            stack.callback(system.close, descriptor)
            try:
                fill_key_file(descriptor, content, name=str(place), system=system)
                system.sync(parent, Sync.PLACE)
            except BaseException:
                with contextlib.suppress(OSError):
                    _remove(folder, path)
                raise

    def _check_asked(self, plan: Plan) -> None:
        """A file was named for an authority's key, and none would be made."""
        address = self.root.private_key.address
        idle = any(change.address == address and change.action is Action.NO_OP for change in plan.changes)
        if self.authority is not None and idle and str(address) not in plan.blocked_addresses:
            raise StorageError(
                f"there is an authority already, and {NEW_CA_KEY_TO} would make none",
                hint=f"run edgecerts apply without it; or, for another authority in its place, add --replace {address}",
            )

    def _check_authority(self, place: Path) -> None:
        own = self.inventory.private_keys[self.root.private_key.path]
        if own.state is not State.ABSENT:
            raise StorageError(
                f"{self.root.private_key.path} is here already, and {NEW_CA_KEY_TO} would put another key beside it",
                hint="move it away, or run edgecerts apply without that option",
            )
        if self.is_own(place):
            return
        _check_parent(place.parent)
        if _is_below(place, self.output):
            offline = self.root.private_key.offline
            where = f"name {self.output / self.root.private_key.path}, or a file" if offline else "name a file"
            raise StorageError(f"{place} lies in the output folder", hint=f"{where} outside of it")

    def is_own(self, place: Path) -> bool:
        """Whether this is where the key of an authority that is offline lies on the machine that signs."""
        own = Path(os.path.realpath(self.output)) / self.root.private_key.path
        return self.root.private_key.offline and Path(os.path.realpath(place)) == own


def _check_folder(folder: Path, output: Path) -> None:
    if _is_below(folder, output):
        raise StorageError(f"{folder} lies in the output folder", hint=f"{NEW_KEYS_TO} names a folder outside of it")
    status = _look(folder, NEW_KEYS_TO)
    if status is None:
        return
    if not stat.S_ISDIR(status.st_mode):
        raise StorageError(f"{NEW_KEYS_TO}: {folder} is no folder")
    is_open = bool(status.st_mode & _OPEN_TO_OTHERS)
    if is_open or _is_of_another(status):
        raise _exposed(folder, NEW_KEYS_TO, "name a folder that is yours alone, or one that is not there yet")


def _check_parent(folder: Path) -> None:
    status = _look(folder, NEW_CA_KEY_TO)
    if status is None or not stat.S_ISDIR(status.st_mode):
        raise StorageError(f"{NEW_CA_KEY_TO}: there is no folder {folder}", hint="make it first")
    # Where the sticky bit is set, as in /tmp, nobody can take away what is another user's.
    is_open = bool(status.st_mode & _OPEN_TO_OTHERS) and not status.st_mode & stat.S_ISVTX
    if is_open or _is_of_another(status):
        raise _exposed(folder, NEW_CA_KEY_TO, "name a file in a folder that is yours alone")


def _look(folder: Path, option: str) -> os.stat_result | None:
    try:
        return folder.stat()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StorageError(f"{option}: {folder} cannot be used: {error.strerror}") from None


def _is_of_another(status: os.stat_result) -> bool:
    return status.st_uid not in (0, os.geteuid())


def _exposed(folder: Path, option: str, hint: str) -> StorageError:
    return StorageError(f"{option}: others may write to {folder}, and exchange a key there", hint=hint)


def _taken(places: Sequence[Path]) -> StorageError:
    named = ", ".join(str(place) for place in places[:_MOST_NAMED])
    rest = f" and {len(places) - _MOST_NAMED:,} more" if len(places) > _MOST_NAMED else ""
    return StorageError(
        f"{named}{rest}: there already, and no private key is ever written over",
        hint="if an earlier run was interrupted, it may be the key of a certificate; else move it away",
    )


def _remove(folder: OutputFolder, path: str) -> None:
    with folder.open_for(path) as (parent, name):
        folder.system.unlink(name, parent)
        folder.system.sync(parent, Sync.PLACE)


def _is_encrypted(change: Change) -> bool:
    return isinstance(change.artifact, PrivateKeyArtifact) and change.artifact.password is not None


def _is_below(path: Path, folder: Path) -> bool:
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))
