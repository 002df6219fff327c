"""Writing one identity's files where nobody looks, and reading them back: the first step of a transaction."""

import stat
from dataclasses import dataclass, field

from edgecerts.apply.file_system import Sync
from edgecerts.apply.journal import JournalUnit, digest
from edgecerts.apply.output_folder import OutputFolder, reporting
from edgecerts.desired.graph import PRIVATE_KEY_MODE
from edgecerts.errors import StorageError


@dataclass(frozen=True, kw_only=True, slots=True)
class Issued:
    """A certificate that was signed, and verified with its issuer's key.

    Attributes:
        sha256: its digest.
        issuer_key: the digest of the issuer's public key.
    """

    serial: int
    sha256: str
    issuer_key: str


@dataclass(frozen=True, kw_only=True, slots=True)
class DraftFile:
    """A file as it will be.

    Attributes:
        is_new: nothing has its name yet; what has it by now was not planned for, and stays.
    """

    name: str
    content: bytes = field(repr=False)
    mode: int
    is_new: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Draft:
    """What one identity gets, to be published as one.

    Attributes:
        folder: the files' folder, relative to the output folder; "" is that itself.
        log_lines: one for each certificate that was signed.
        issued: that certificate.
    """

    identity: str
    folder: str
    files: tuple[DraftFile, ...] = field(repr=False)
    log_lines: bytes = b""
    issued: Issued | None = None

    def path(self, name: str) -> str:
        return f"{self.folder}/{name}" if self.folder else name


@dataclass(frozen=True, kw_only=True, slots=True)
class StagedFile:
    """A file that was written: what is still asked about it, its digest in place of its content."""

    name: str
    sha256: str
    mode: int
    is_new: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Staged:
    """What one identity gets, written and read back. Small, and without any secret.

    Attributes:
        identity, folder, log_lines, issued: as in the draft.
        path: where it waits, relative to the output folder.
        is_folder: it waits as a folder that takes the place of the old one; else it is one file.
    """

    identity: str
    folder: str
    files: tuple[StagedFile, ...]
    log_lines: bytes
    issued: Issued | None
    path: str
    is_folder: bool

    @property
    def unit(self) -> JournalUnit:
        """What the journal says of it."""
        return JournalUnit(folder=self.folder, staged=self.path, files={file.name: file.sha256 for file in self.files})

    @property
    def file(self) -> str:
        """The path that its first file will have."""
        return f"{self.folder}/{self.files[0].name}" if self.folder else self.files[0].name

    @property
    def place(self) -> str:
        """What messages call it."""
        return self.folder or self.file


def stage_draft(folder: OutputFolder, draft: Draft, path: str, *, syncs_each: bool) -> Staged:
    """Writes an identity's files, and reads them back.

    Args:
        path: where, relative to the output folder.
        syncs_each: each file is put on the disk now, because not everything will be at once.

    Raises:
        StorageError: they could not be written; nothing of them is left.
    """
    try:
        with reporting(draft.folder or draft.path(draft.files[0].name)):
            is_folder = len(draft.files) > 1 or _is_absent(folder, draft.folder)
        if is_folder:
            _stage_folder(folder, draft, path, syncs_each=syncs_each)
        else:
            (file,) = draft.files
            with reporting(draft.path(file.name)), folder.open_for(path) as (place, name):
                _write(folder, file, name, place, syncs_each=syncs_each)
    except BaseException:
        folder.drop(path)
        raise
    return Staged(
        identity=draft.identity,
        folder=draft.folder,
        files=tuple(
            StagedFile(name=file.name, sha256=digest(file.content), mode=file.mode, is_new=file.is_new)
            for file in draft.files
        ),
        log_lines=draft.log_lines,
        issued=draft.issued,
        path=path,
        is_folder=is_folder,
    )


def _is_absent(folder: OutputFolder, path: str) -> bool:
    with folder.existing(path) as descriptor:
        return descriptor is None


def _stage_folder(folder: OutputFolder, draft: Draft, path: str, *, syncs_each: bool) -> None:
    """Where these folders are is said on disk once for all of them, before the commit."""
    with reporting(draft.folder), folder.open_for(path) as (place, name):
        descriptor = folder.make_folder(name, place)
    try:
        for file in draft.files:
            with reporting(draft.path(file.name)):
                _write(folder, file, file.name, descriptor, syncs_each=syncs_each)
    finally:
        folder.system.close(descriptor)


def _write(folder: OutputFolder, file: DraftFile, name: str, parent: int, *, syncs_each: bool) -> None:
    system = folder.system
    # Private from the first byte; a public file is opened to others when it is whole.
    descriptor = system.create(name, parent, PRIVATE_KEY_MODE)
    try:
        system.write(descriptor, file.content)
        if stat.S_IMODE(system.status(descriptor).st_mode) != file.mode:
            system.chmod(descriptor, file.mode)
        folder.hand_over(descriptor)
        if syncs_each:
            system.sync(descriptor, Sync.STAGED_FILE)
        status = system.status(descriptor)
        if system.read(descriptor) != file.content or stat.S_IMODE(status.st_mode) != file.mode:
            raise StorageError(f"{name} does not read back as it was written")
    finally:
        system.close(descriptor)
