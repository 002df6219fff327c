"""The writer's calls as they happen: carried out on a real folder, and written down with inode numbers of our own."""

import errno
import os
import stat
from collections.abc import Sequence
from pathlib import Path

from edgecerts.apply.file_system import FileSystem, Sync
from tests.crash_model.disk import (
    ABOVE,
    Call,
    Chmod,
    Disk,
    Exchange,
    Inode,
    Kind,
    Link,
    Make,
    Remove,
    Rename,
    Synced,
    SyncedAll,
    Truncate,
    Write,
)

_REFUSALS = {"exchange": errno.ENOSYS, "link": errno.EPERM}


class QuickFileSystem(FileSystem):
    """Waits for no disk, and may lack what some file systems lack.

    Args:
        lacking: `exchange`, `link`, or both.
    """

    def __init__(self, lacking: frozenset[str] = frozenset()) -> None:
        self._lacking = lacking

    def sync(self, descriptor: int, purpose: Sync) -> None:
        del descriptor, purpose

    def sync_all(self, descriptor: int, purpose: Sync) -> None:
        del descriptor, purpose

    @property
    def can_sync_all(self) -> bool:
        return True

    def exchange(self, name: str, folder: int, other_name: str, other_folder: int) -> None:
        self._refuse("exchange")
        super().exchange(name, folder, other_name, other_folder)

    def link(self, name: str, folder: int, new_name: str, new_folder: int) -> None:
        self._refuse("link")
        super().link(name, folder, new_name, new_folder)

    def _refuse(self, call: str) -> None:
        if call in self._lacking:
            raise OSError(_REFUSALS[call], os.strerror(_REFUSALS[call]))


class Recorder(QuickFileSystem):
    """Keeps the trace of one run.

    Attributes:
        calls: what changed something, in order; earlier runs' first.
        disk: everything as a reader sees it now.
    """

    def __init__(
        self,
        above: Path,
        disk: Disk,
        *,
        calls: Sequence[Call] = (),
        lacking: frozenset[str] = frozenset(),
        left_out: frozenset[Sync] = frozenset(),
    ) -> None:
        """Begins a trace.

        Args:
            above: the folder that the output folder lies in.
            disk: what is there.
            calls: what was done before this run and may not have been synced.
            lacking: what this file system does not have.
            left_out: syncs that are not done.
        """
        super().__init__(lacking)
        self.calls = list(calls)
        self.disk = disk
        self._above = above
        self._left_out = left_out
        self._numbers: dict[int, int] = {}
        self._offsets: dict[int, int | None] = {}

    def open_root(self, path: Path) -> int:
        return self._opened(super().open_root(path), self._number_of(path))

    def make_root(self, path: Path, mode: int) -> None:
        below = path.relative_to(self._above)
        made = [one for one in (*reversed(below.parents), below) if not (self._above / one).exists()]
        super().make_root(path, mode)
        for one in made:
            actual = (self._above / one).stat().st_mode
            self._note(Make(self._number_of(one.parent), one.name, self._new(), Kind.FOLDER, stat.S_IMODE(actual)))

    def open_folder(self, name: str, parent: int) -> int:
        return self._opened(super().open_folder(name, parent), self._named(parent, name))

    def open_file(self, name: str, folder: int) -> int:
        return self._opened(super().open_file(name, folder), self._named(folder, name))

    def make_folder(self, name: str, parent: int, mode: int) -> None:
        super().make_folder(name, parent, mode)
        self._made(name, parent, Kind.FOLDER)

    def create(self, name: str, folder: int, mode: int) -> int:
        descriptor = super().create(name, folder, mode)
        self._made(name, folder, Kind.FILE)
        return self._opened(descriptor, self._named(folder, name), offset=0)

    def open_to_append(self, name: str, folder: int, mode: int) -> int:
        is_new = super().look(name, folder) is None
        descriptor = super().open_to_append(name, folder, mode)
        if is_new:
            self._made(name, folder, Kind.FILE)
        return self._opened(descriptor, self._named(folder, name), offset=None)

    def open_lock(self, name: str, folder: int, mode: int) -> int:
        is_new = super().look(name, folder) is None
        descriptor = super().open_lock(name, folder, mode)
        if is_new:
            self._made(name, folder, Kind.FILE)
        return self._opened(descriptor, self._named(folder, name), offset=0)

    def close(self, descriptor: int) -> None:
        super().close(descriptor)
        del self._numbers[descriptor]

    def write(self, descriptor: int, content: bytes) -> None:
        super().write(descriptor, content)
        if not content:
            return
        number, offset = self._numbers[descriptor], self._offsets[descriptor]
        if offset is None:
            self._note(Write(number, len(self.disk.inodes[number].content), content))
        else:
            self._note(Write(number, offset, content))
            self._offsets[descriptor] = offset + len(content)

    def truncate(self, descriptor: int, size: int) -> None:
        super().truncate(descriptor, size)
        self._note(Truncate(self._numbers[descriptor], size))

    def chmod(self, descriptor: int, mode: int) -> None:
        super().chmod(descriptor, mode)
        self._note(Chmod(self._numbers[descriptor], mode))

    def sync(self, descriptor: int, purpose: Sync) -> None:
        if purpose not in self._left_out:
            self._note(Synced(self._numbers[descriptor], purpose))

    def sync_all(self, descriptor: int, purpose: Sync) -> None:
        if purpose not in self._left_out:
            self._note(SyncedAll(purpose))

    def rename(self, name: str, folder: int, new_name: str, new_folder: int) -> None:
        number = self._named(folder, name)
        super().rename(name, folder, new_name, new_folder)
        self._note(Rename(number, self._numbers[folder], name, self._numbers[new_folder], new_name))

    def exchange(self, name: str, folder: int, other_name: str, other_folder: int) -> None:
        super().exchange(name, folder, other_name, other_folder)
        self._note(
            Exchange(
                *(self._named(folder, name), self._numbers[folder], name),
                *(self._named(other_folder, other_name), self._numbers[other_folder], other_name),
            )
        )

    def link(self, name: str, folder: int, new_name: str, new_folder: int) -> None:
        number = self._named(folder, name)
        super().link(name, folder, new_name, new_folder)
        self._note(Link(number, self._numbers[new_folder], new_name))

    def unlink(self, name: str, folder: int) -> None:
        super().unlink(name, folder)
        self._note(Remove(self._named(folder, name), self._numbers[folder], name))

    def remove_folder(self, name: str, parent: int) -> None:
        super().remove_folder(name, parent)
        self._note(Remove(self._named(parent, name), self._numbers[parent], name))

    def _note(self, call: Call) -> None:
        self.calls.append(call)
        call.carry_out(self.disk)

    def _new(self) -> int:
        return max(self.disk.inodes) + 1

    def _made(self, name: str, folder: int, kind: Kind) -> None:
        actual = os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode
        self._note(Make(self._numbers[folder], name, self._new(), kind, stat.S_IMODE(actual)))

    def _named(self, folder: int, name: str) -> int:
        number = self.disk.find(self._numbers[folder], name)
        assert number is not None, f"{name} is on the disk, and no call that was recorded put it there"
        return number

    def _number_of(self, path: Path) -> int:
        number = ABOVE
        for name in (path.relative_to(self._above) if path.is_absolute() else path).parts:
            found = self.disk.find(number, name)
            assert found is not None, path
            number = found
        return number

    def _opened(self, descriptor: int, number: int, *, offset: int | None = 0) -> int:
        self._numbers[descriptor] = number
        self._offsets[descriptor] = offset
        return descriptor


def read_disk(above: Path, output: str) -> Disk:
    """A real output folder with everything below it, all of it synced."""
    disk = Disk({ABOVE: Inode(Kind.FOLDER, 0o700)})
    if os.path.lexists(above / output):
        _read(disk, ABOVE, above / output, {})
    return disk


def _read(disk: Disk, parent: int, path: Path, known: dict[int, int]) -> None:
    status = path.lstat()
    number = known.setdefault(status.st_ino, max(disk.inodes) + 1)
    disk.inodes[parent].names[path.name] = number
    mode = stat.S_IMODE(status.st_mode)
    if stat.S_ISLNK(status.st_mode):
        disk.inodes[number] = Inode(Kind.LINK, 0, os.fsencode(path.readlink()))
    elif stat.S_ISDIR(status.st_mode):
        disk.inodes[number] = Inode(Kind.FOLDER, mode)
        for inner in sorted(path.iterdir()):
            _read(disk, number, inner, known)
    else:
        disk.inodes[number] = Inode(Kind.FILE, mode, path.read_bytes())


def write_disk(disk: Disk, above: Path, output: str) -> None:
    """Makes a real folder of what can be reached on a disk."""
    first: dict[int, Path] = {}
    for path, found in disk.tree(output).items():
        place = above / output / path
        if found.kind is Kind.FOLDER:
            place.mkdir()
            place.chmod(found.mode)
        elif found.number in first:
            place.hardlink_to(first[found.number])
        elif found.kind is Kind.LINK:
            first[found.number] = place
            place.symlink_to(os.fsdecode(found.content))
        else:
            first[found.number] = place
            descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            os.write(descriptor, found.content)
            os.fchmod(descriptor, found.mode)
            os.close(descriptor)
