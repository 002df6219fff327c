"""Every file below a source folder, in the order of the names. Nothing in it is opened for writing."""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from edgecerts.adoption.material import LeftOut, LeftOutCode, Place
from edgecerts.desired.graph import LOCAL_FOLDER
from edgecerts.errors import StorageError
from edgecerts.observed.folder_reader import FolderReader, NotReadableError, OpenFolder

MAX_FILE_BYTES = 1024 * 1024
"""No bundle of a plant comes near this; that of all public authorities has a quarter of it."""

_LEADS_OUT = "a symbolic link that leads out of the folder, or nowhere; it is not followed"

MAX_FILES = 100_000
MAX_DEPTH = 32


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceFile:
    """A file that was read."""

    place: Place
    data: bytes = field(repr=False)


def read_source(root: Path) -> Iterator[SourceFile | LeftOut]:
    """Reads every plain file below a folder. Symbolic links are not followed; what they lead to inside is read anyway.

    Args:
        root: the folder, which may itself be reached by a symbolic link.

    Raises:
        StorageError: it is no folder that can be read, or holds too many files.
    """
    try:
        with FolderReader(root).open_folder() as folder:
            if folder is None:
                raise StorageError(f"there is no folder {root}", hint="name the folder of keys and certificates")
            folder.names()
            yield from _Walk(root=Path(os.path.realpath(root))).files(folder, ())
    except NotReadableError as error:
        raise StorageError(f"{root} cannot be read: {error.problem}", hint="name a folder") from None


@dataclass(kw_only=True)
class _Walk:
    root: Path
    count: int = 0

    def files(self, folder: OpenFolder, steps: tuple[str, ...]) -> Iterator[SourceFile | LeftOut]:
        if len(steps) > MAX_DEPTH:
            yield _left_out(steps, f"it lies more than {MAX_DEPTH} folders deep")
            return
        for name in folder.names():
            self.count += 1
            if self.count > MAX_FILES:
                raise StorageError(
                    f"{self.root} holds more than {MAX_FILES:,} files", hint="name the folder of keys and certificates"
                )
            try:
                yield from self._entry(folder, name, (*steps, name))
            except NotReadableError as error:
                yield _left_out((*steps, name), error.problem, may_be_key=True)

    def _entry(self, folder: OpenFolder, name: str, steps: tuple[str, ...]) -> Iterator[SourceFile | LeftOut]:
        status = folder.look(name)
        if status is None:
            yield _left_out(steps, "it cannot be looked at")
        elif stat.S_ISDIR(status.st_mode) and name == LOCAL_FOLDER:
            yield LeftOut(
                code=LeftOutCode.EDGECERTS_RECORDS,
                files=(_text(steps),),
                message="what edgecerts keeps for itself beside its files, replaced keys among it; it is not read",
            )
        elif stat.S_ISDIR(status.st_mode):
            with folder.open_folder(name) as inner:
                if inner is not None:
                    yield from self.files(inner, steps)
        elif stat.S_ISLNK(status.st_mode):
            if not self._leads_inside(steps):
                yield _left_out(steps, _LEADS_OUT)
        elif not stat.S_ISREG(status.st_mode):
            yield _left_out(steps, "it is not a plain file")
        elif status.st_size > MAX_FILE_BYTES:
            yield _left_out(steps, f"it has more than {MAX_FILE_BYTES:,} bytes")
        else:
            found = folder.read(name, limit=MAX_FILE_BYTES)
            if found is not None:
                yield SourceFile(place=Place(path=_text(steps), mode=found.mode), data=found.data)

    def _leads_inside(self, steps: tuple[str, ...]) -> bool:
        target = Path(os.path.realpath(self.root.joinpath(*steps)))
        return target.is_relative_to(self.root) and target.exists()


def _left_out(steps: tuple[str, ...], problem: str, *, may_be_key: bool = False) -> LeftOut:
    return LeftOut(code=LeftOutCode.UNREADABLE, files=(_text(steps),), message=problem, may_be_key=may_be_key)


def _text(steps: tuple[str, ...]) -> str:
    """A path as text that every terminal and every JSON reader takes, whatever bytes its names have."""
    return os.fsencode("/".join(steps)).decode("utf-8", errors="backslashreplace")
