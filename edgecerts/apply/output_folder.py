"""The output folder as the writer holds it: open from the lock to the report, walked by descriptors.

Everything is below one descriptor, so that nobody can exchange the folder for another while a run is at work, and no
symbolic link below it is followed.
"""

import contextlib
import errno
import os
import re
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from edgecerts.apply.file_system import FileSystem, Sync
from edgecerts.desired.graph import LOCAL_FOLDER, PRIVATE_FOLDER_MODE
from edgecerts.errors import StorageError

_HINTS: Mapping[int, str] = {
    errno.ENOSPC: "make room on the disk, then run the same command again",
    errno.EACCES: "let this user write there, then run the same command again",
    errno.EPERM: "let this user write there, then run the same command again",
    errno.EDQUOT: "make room in your quota, then run the same command again",
    errno.EXDEV: f"keep all of the output folder on the file system that {LOCAL_FOLDER} is on",
    errno.EBUSY: f"nothing may be mounted below the output folder: all of it has to be where {LOCAL_FOLDER} is",
}

_HOLDABLE = re.compile(f"brokers|clients|{re.escape(LOCAL_FOLDER)}(/[a-z]+(/[0-9a-f]{{16}})?)?")
"""What many identities have above their own folders, where they are published and where they are staged."""


class OutputFolder:
    """Opens and makes folders below one folder.

    Attributes:
        system: what makes the calls.
    """

    def __init__(self, root: int, system: FileSystem, owner: tuple[int, int] | None = None) -> None:
        """Takes over the descriptor of the output folder.

        Args:
            owner: whose everything will be that is made; None leaves it this user's.
        """
        self._root = root
        self.system = system
        self._owner = owner
        self._held: dict[str, int] = {}
        self._holds = False

    @contextlib.contextmanager
    def holding(self) -> Iterator[None]:
        """Within, the folders that every identity's files go through are opened once.

        None of them ever gets another name, as an identity's own folder does.
        """
        self._holds = True
        try:
            yield
        finally:
            self._holds = False
            self.release()

    def release(self) -> None:
        """Closes what is held open."""
        held, self._held = self._held, {}
        for descriptor in held.values():
            self.system.close(descriptor)

    @contextlib.contextmanager
    def folder(self, path: str, *, mode: int = PRIVATE_FOLDER_MODE) -> Iterator[int]:
        """A descriptor of a folder, which is made step by step where it is not there; "" is the output folder.

        Args:
            mode: of each folder that is made, whatever the umask.
        """
        with self._walk(path, mode=mode) as descriptor:
            if descriptor is None:  # pragma: no cover (it was made a moment ago)
                raise FileNotFoundError(path)
            yield descriptor

    @contextlib.contextmanager
    def existing(self, path: str) -> Iterator[int | None]:
        """A descriptor of a folder, or None where there is none."""
        with self._walk(path, mode=None) as descriptor:
            yield descriptor

    @contextlib.contextmanager
    def open_for(self, path: str) -> Iterator[tuple[int, str]]:
        """A descriptor of the folder that a file is for, made where it is not there, and the file's name."""
        folder, _, name = path.rpartition("/")
        with self.folder(folder) as descriptor:
            yield descriptor, name

    @contextlib.contextmanager
    def _walk(self, path: str, *, mode: int | None) -> Iterator[int | None]:
        way, descriptor = "", self._root
        try:
            for step in path.split("/") if path else ():
                way = f"{way}/{step}" if way else step
                inner = self._held.get(way) or self._step(step, descriptor, mode)
                self._leave(descriptor)
                descriptor = self._root if inner is None else inner
                if inner is None:
                    yield None
                    return
                if way not in self._held:
                    self._arrive(way, inner)
            yield descriptor
        finally:
            self._leave(descriptor)

    def _arrive(self, way: str, descriptor: int) -> None:
        if way.partition("/")[0] == LOCAL_FOLDER:
            # Whoever may write here could exchange a key before it gets its name.
            self.make_private(descriptor)
        if self._holds and _HOLDABLE.fullmatch(way):
            self._held[way] = descriptor

    def _leave(self, descriptor: int) -> None:
        if descriptor != self._root and descriptor not in self._held.values():
            self.system.close(descriptor)

    def _step(self, name: str, parent: int, mode: int | None) -> int | None:
        try:
            return self.system.open_folder(name, parent)
        except FileNotFoundError:
            if mode is None:
                return None
        descriptor = self.make_folder(name, parent, mode)
        try:
            self.system.sync(parent, Sync.PLACE)
        except OSError:
            self.system.close(descriptor)
            raise
        return descriptor

    def make_folder(self, name: str, parent: int, mode: int = PRIVATE_FOLDER_MODE) -> int:
        """Makes a folder with this mode, whatever the umask. Returns its descriptor."""
        with contextlib.suppress(FileExistsError):
            self.system.make_folder(name, parent, mode)
        descriptor = self.system.open_folder(name, parent)
        try:
            status = self.system.status(descriptor)
            if stat.S_IMODE(status.st_mode) != mode:
                self.system.chmod(descriptor, mode)
            self.hand_over(descriptor)
        except OSError:
            self.system.close(descriptor)
            raise
        return descriptor

    def hand_over(self, descriptor: int) -> None:
        """What root makes in somebody's output folder is theirs: else their next run could not go on with it."""
        if self._owner is not None:
            with contextlib.suppress(PermissionError):
                self.system.chown(descriptor, *self._owner)

    def sync_top(self) -> None:
        """Says on disk where the local folder is, also where a run made it that was killed before it could."""
        self.system.sync(self._root, Sync.PLACE)

    def sync_all(self, purpose: Sync) -> None:
        """Returns when everything that was ever done here is on the disk."""
        self.system.sync_all(self._root, purpose)

    def make_private(self, folder: int) -> None:
        """A private key's folder is as private as the key, also one that somebody made before."""
        mode = stat.S_IMODE(self.system.status(folder).st_mode)
        if mode & ~PRIVATE_FOLDER_MODE:
            self.system.chmod(folder, mode & PRIVATE_FOLDER_MODE)

    def drop(self, path: str) -> None:
        """Removes something that was staged, as far as that can be done."""
        parent, _, name = path.rpartition("/")
        with contextlib.suppress(OSError), self.existing(parent) as descriptor:
            if descriptor is not None:
                self.remove_tree(name, descriptor)

    def remove_tree(self, name: str, parent: int) -> None:
        """Removes a file, or a folder with all that is in it."""
        found = self.system.look(name, parent)
        if found is None:
            return
        if not stat.S_ISDIR(found.st_mode):
            self.system.unlink(name, parent)
            return
        descriptor = self.system.open_folder(name, parent)
        try:
            if stat.S_IMODE(found.st_mode) & PRIVATE_FOLDER_MODE != PRIVATE_FOLDER_MODE:
                self.system.chmod(descriptor, PRIVATE_FOLDER_MODE)
            for inner in self.system.names(descriptor):
                self.remove_tree(inner, descriptor)
        finally:
            self.system.close(descriptor)
        self.system.remove_folder(name, parent)


@contextlib.contextmanager
def open_output(
    root: Path, system: FileSystem, *, name: str | None = None, mode: int = PRIVATE_FOLDER_MODE, gives: bool = False
) -> Iterator[OutputFolder]:
    """Holds the output folder open, which is made where it is not there.

    Args:
        name: what messages call it, where it is another folder that is written to in the same way.
        mode: of each folder that is made, whatever the umask.
        gives: what root makes on the way to it is its owner's who has the folder above.

    Raises:
        StorageError: it cannot be made or opened.
    """
    try:
        made = [folder for folder in (root, *root.parents) if not folder.exists()]
        for folder in reversed(made):
            system.make_root(folder, mode)
            if gives:
                _give(folder, system)
        if not made and not os.path.lexists(root / LOCAL_FOLDER):
            # A run may have made it that was killed before it could say so on disk.
            made = [root]
        for folder in made:
            _sync_place(folder.parent, system)
        status = root.stat()
        descriptor = system.open_root(root)
    except OSError as error:
        raise StorageError(f"{name or f'the output folder {root}'} cannot be used: {error.strerror}") from error
    try:
        yield OutputFolder(descriptor, system, _owner_of(status))
    finally:
        system.close(descriptor)


def _owner_of(status: os.stat_result) -> tuple[int, int] | None:
    """Whose everything is that root makes in a folder; None where it stays as it is made."""
    return (status.st_uid, status.st_gid) if os.geteuid() == 0 and status.st_uid != 0 else None


def _give(folder: Path, system: FileSystem) -> None:
    """Gives a folder that was made a moment ago to the owner of the one above, and nothing that took its place."""
    parent = system.open_root(folder.parent)
    try:
        above = OutputFolder(parent, system, _owner_of(system.status(parent)))
        descriptor = system.open_folder(folder.name, parent)
        try:
            if not system.names(descriptor):
                above.hand_over(descriptor)
        finally:
            system.close(descriptor)
    finally:
        system.close(parent)


def _sync_place(parent: Path, system: FileSystem) -> None:
    with contextlib.suppress(PermissionError):
        descriptor = system.open_root(parent)
        try:
            system.sync(descriptor, Sync.PLACE)
        finally:
            system.close(descriptor)


class reporting:  # noqa: N801 (used as a function is)
    """Turns the system's errors into ours, with the file's name. A class, because there are many for each identity."""

    __slots__ = ("_path",)

    def __init__(self, path: str) -> None:
        self._path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError):
            problem = error.strerror or os.strerror(error.errno or 0)
            hint = _HINTS.get(error.errno or 0)
            raise StorageError(f"{self._path} cannot be written: {problem}", hint=hint) from error
