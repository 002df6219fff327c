"""A disk that can lose what nobody synced: inodes, the calls that change them, and what is left of those after a crash.

A folder's names and a file's content are two things, as on a real disk. A call that gives or takes a name touches
folders and is all or nothing; a write may reach the disk in part. What was not synced may be lost, in any selection.
"""

import enum
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from edgecerts.apply.file_system import Sync

ABOVE = 0
"""The inode of the folder that the output folder lies in."""


@enum.unique
class Kind(enum.StrEnum):
    """What an inode is."""

    FILE = "file"
    FOLDER = "folder"
    LINK = "symbolic link"


@dataclass(slots=True)
class Inode:
    """A file, a folder or a symbolic link.

    Attributes:
        content: of a file, or where a symbolic link leads.
        names: of a folder, each with its inode's number.
    """

    kind: Kind
    mode: int
    content: bytes = b""
    names: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Found:
    """One path of a tree, as a reader finds it.

    Attributes:
        number: of its inode, so that two names of one file can be told from two files.
    """

    kind: Kind
    mode: int
    content: bytes
    number: int


Tree = Mapping[str, Found]
"""Everything below the output folder by path, parents before what is in them; "." is that folder itself."""


class Disk:
    """Inodes by number."""

    def __init__(self, inodes: dict[int, Inode]) -> None:
        self.inodes = inodes

    def copy(self) -> "Disk":
        return Disk({n: Inode(i.kind, i.mode, i.content, i.names.copy()) for n, i in self.inodes.items()})

    def find(self, folder: int, name: str) -> int | None:
        found = self.inodes.get(folder)
        return found.names.get(name) if found is not None else None

    def tree(self, output: str) -> Tree:
        """What can be reached from the output folder's name."""
        number = self.find(ABOVE, output)
        return dict(self._walk(".", number)) if number is not None else {}

    def _walk(self, path: str, number: int) -> Iterator[tuple[str, Found]]:
        inode = self.inodes[number]
        yield path, Found(inode.kind, inode.mode, inode.content, number)
        for name in sorted(inode.names):
            yield from self._walk(name if path == "." else f"{path}/{name}", inode.names[name])


@dataclass(frozen=True, slots=True)
class Make:
    """A new file or folder with its first name."""

    folder: int
    name: str
    number: int
    kind: Kind
    mode: int

    @property
    def folders(self) -> tuple[int, ...]:
        return (self.folder,)

    def carry_out(self, disk: Disk) -> None:
        # The inode is there in any case: others may have been given to it before its name was lost.
        disk.inodes[self.number] = Inode(self.kind, self.mode)
        if self.folder in disk.inodes and disk.find(self.folder, self.name) is None:
            disk.inodes[self.folder].names[self.name] = self.number


@dataclass(frozen=True, slots=True)
class Link:
    """A second name for a file."""

    number: int
    folder: int
    name: str

    @property
    def folders(self) -> tuple[int, ...]:
        return (self.folder,)

    def carry_out(self, disk: Disk) -> None:
        if self.folder in disk.inodes and self.number in disk.inodes and disk.find(self.folder, self.name) is None:
            disk.inodes[self.folder].names[self.name] = self.number


@dataclass(frozen=True, slots=True)
class Rename:
    """Another name for a file or folder. A file takes the place of another, a folder that of an empty one."""

    number: int
    folder: int
    name: str
    new_folder: int
    new_name: str

    @property
    def folders(self) -> tuple[int, ...]:
        return (self.folder, self.new_folder)

    def carry_out(self, disk: Disk) -> None:
        if disk.find(self.folder, self.name) != self.number or self.new_folder not in disk.inodes:
            return
        there = disk.find(self.new_folder, self.new_name)
        # Of two names of one file, neither goes.
        if there == self.number or (there is not None and disk.inodes[there].names):
            return
        del disk.inodes[self.folder].names[self.name]
        disk.inodes[self.new_folder].names[self.new_name] = self.number


@dataclass(frozen=True, slots=True)
class Exchange:
    """Two names that change places."""

    number: int
    folder: int
    name: str
    other: int
    other_folder: int
    other_name: str

    @property
    def folders(self) -> tuple[int, ...]:
        return (self.folder, self.other_folder)

    def carry_out(self, disk: Disk) -> None:
        mine, theirs = disk.find(self.folder, self.name), disk.find(self.other_folder, self.other_name)
        if (mine, theirs) == (self.number, self.other):
            disk.inodes[self.folder].names[self.name] = self.other
            disk.inodes[self.other_folder].names[self.other_name] = self.number


@dataclass(frozen=True, slots=True)
class Remove:
    """A name that goes; a folder's only while nothing is in it."""

    number: int
    folder: int
    name: str

    @property
    def folders(self) -> tuple[int, ...]:
        return (self.folder,)

    def carry_out(self, disk: Disk) -> None:
        if disk.find(self.folder, self.name) == self.number and not disk.inodes[self.number].names:
            del disk.inodes[self.folder].names[self.name]


@dataclass(frozen=True, slots=True)
class Write:
    """Bytes at a place in a file."""

    number: int
    offset: int
    data: bytes

    def carry_out(self, disk: Disk) -> None:
        inode = disk.inodes.get(self.number)
        if inode is not None:
            before = inode.content[: self.offset].ljust(self.offset, b"\0")
            inode.content = before + self.data + inode.content[self.offset + len(self.data) :]

    def torn(self) -> "Write":
        """The half that reached the disk."""
        return replace(self, data=self.data[: len(self.data) // 2])

    def zeroed(self) -> "Write":
        """The file's size reached the disk, and its content did not."""
        return replace(self, data=bytes(len(self.data)))


@dataclass(frozen=True, slots=True)
class Truncate:
    """A file's end."""

    number: int
    size: int

    def carry_out(self, disk: Disk) -> None:
        inode = disk.inodes.get(self.number)
        if inode is not None:
            inode.content = inode.content[: self.size].ljust(self.size, b"\0")


@dataclass(frozen=True, slots=True)
class Chmod:
    """The permission bits of a file or folder."""

    number: int
    mode: int

    def carry_out(self, disk: Disk) -> None:
        inode = disk.inodes.get(self.number)
        if inode is not None:
            inode.mode = self.mode


@dataclass(frozen=True, slots=True)
class Synced:
    """Everything that was done to a file, or to a folder's names, is on the disk. Changes nothing for readers."""

    number: int
    purpose: Sync

    def carry_out(self, disk: Disk) -> None:
        del disk


@dataclass(frozen=True, slots=True)
class SyncedAll:
    """Everything is on the disk."""

    purpose: Sync

    def carry_out(self, disk: Disk) -> None:
        del disk


Naming = Make | Link | Rename | Exchange | Remove
Call = Naming | Write | Truncate | Chmod | Synced | SyncedAll


@enum.unique
class Fate(enum.StrEnum):
    """What becomes of a call that was not synced. Without one, it reached the disk."""

    LOST = "lost"
    TORN = "torn"
    ZEROED = "zeroed"


Fates = Mapping[int, Fate]
"""By the place of a call in its trace."""


def unsynced(calls: Sequence[Call]) -> list[int]:
    """The places of those calls that a power cut now could undo."""
    synced_later: set[int] = set()
    places = []
    for place in range(len(calls) - 1, -1, -1):
        call = calls[place]
        if isinstance(call, SyncedAll):
            break
        if isinstance(call, Synced):
            synced_later.add(call.number)
        elif not synced_later.issuperset(call.folders if isinstance(call, Naming) else (call.number,)):
            places.append(place)
    return places[::-1]


def replay(start: Disk, calls: Sequence[Call], fates: Fates) -> Disk:
    """The disk after a power cut: names are given and taken in order, as far as that still makes sense."""
    disk, cut_short = start.copy(), set()
    for place, call in enumerate(calls):
        fate = fates.get(place)
        if isinstance(call, Write):
            # Of what was written to a file, a beginning is there.
            if call.number in cut_short:
                continue
            if fate is not None:
                cut_short.add(call.number)
            left = {None: call, Fate.TORN: call.torn(), Fate.ZEROED: call.zeroed(), Fate.LOST: None}[fate]
            if left is not None:
                left.carry_out(disk)
        elif fate is None:
            call.carry_out(disk)
        elif isinstance(call, Make):
            disk.inodes[call.number] = Inode(call.kind, call.mode)
    return disk
