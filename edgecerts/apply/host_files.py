"""Writing a host's private keys and its request: a key is never written over, and never without a name.

Whatever kills a run, the next one finds every key that was ever in use or asked for, under one name at least.
"""

import contextlib
import errno
import itertools
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from edgecerts.apply.file_system import FileSystem, Sync
from edgecerts.apply.key_file import fill_key_file
from edgecerts.apply.output_folder import OutputFolder
from edgecerts.desired.graph import PRIVATE_KEY_MODE, PUBLIC_MODE
from edgecerts.desired.host import HostPlaces, Place
from edgecerts.errors import StorageError
from edgecerts.observed.folder_reader import FileId, FolderReader, NotReadableError, OpenFolder
from edgecerts.pki.certificate_requests import MAX_REQUEST_BYTES, is_request_file
from edgecerts.pki.key_recognition import holds_private_key

_NO_LINKS = frozenset({errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EMLINK})
_ELSEWHERE = "move it away, or name another place with --out"
_TAKEN_OVER = stat.S_IRUSR | stat.S_IWUSR | stat.S_IRGRP | stat.S_IWGRP
PUBLIC_FOLDER_MODE = 0o755
"""Of the folders of a request, which holds nothing secret."""


class HostKeys:
    """The private keys of one identity, in a folder that is held open and locked.

    Args:
        folder: the folder's descriptor.
    """

    def __init__(self, places: HostPlaces, folder: int, system: FileSystem) -> None:
        self._places = places
        self._folder = folder
        self._system = system

    def tidy(self) -> None:
        """Removes what a run left that was killed: a key without its name, which nobody knows, and a key's second name.

        A next key that it had begun to set aside is the next key again.
        """
        system, folder = self._system, self._folder
        if system.look(self._places.new_key.name, folder) is not None:
            system.unlink(self._places.new_key.name, folder)
        waiting = system.look(self._places.next_key.name, folder)
        second = self._second_name(waiting) if waiting is not None and waiting.st_nlink > 1 else None
        if second is not None:
            system.unlink(second, folder)
            system.sync(folder, Sync.PUBLISHED)

    def create(self, name: str, content: bytes) -> None:
        """Writes a new key, private from its first byte, which has its name only when it is on the disk.

        Raises:
            OSError, StorageError: it is not there; a key that has the name stays as it is.
        """
        system, staged = self._system, self._places.new_key.name
        descriptor = system.create(staged, self._folder, PRIVATE_KEY_MODE)
        try:
            fill_key_file(descriptor, content, name=name, system=system)
        finally:
            system.close(descriptor)
        self._move(staged, name)

    def set_aside(self, name: str, stamp: str) -> str:
        """Gives a key that is not used any more the name of a replaced one. Returns that name."""
        kept = self._free_name(stamp)
        self._move(name, kept)
        return kept

    def put_in_place(self, stamp: str, found: FileId) -> str | None:
        """Makes the next key the one in use.

        Args:
            found: the file that was read as the next key.

        Returns:
            the name under which the one that was in use is kept; None where there was none.
        """
        system, folder = self._system, self._folder
        key, next_key = self._places.key.name, self._places.next_key.name
        old = system.look(key, folder)
        if old is not None and stat.S_ISREG(old.st_mode):
            self._take_over_access(next_key, old, found)
        kept = self._keep(key, old, stamp) if old is not None else None
        system.rename(next_key, folder, key, folder)
        system.sync(folder, Sync.PUBLISHED)
        return kept

    def _keep(self, key: str, old: os.stat_result, stamp: str) -> str:
        """A second name for the key in use, so that it is never absent: neither its file, nor its content."""
        system, folder, kept = self._system, self._folder, self._second_name(old)
        if kept is not None:
            return kept
        kept = self._free_name(stamp)
        try:
            system.link(key, folder, kept, folder)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            # For an instant nothing has its name. A run that is killed in it leaves the next key, which is taken then.
            system.rename(key, folder, kept, folder)
        system.sync(folder, Sync.SET_ASIDE)
        return kept

    def _second_name(self, old: os.stat_result) -> str | None:
        """The name of a replaced key that a file has already: a run that was killed came so far."""
        for name in self._system.names(self._folder):
            if name.startswith(self._places.replaced_prefix):
                found = self._system.look(name, self._folder)
                if found is not None and os.path.samestat(found, old):
                    return name
        return None

    def _take_over_access(self, name: str, old: os.stat_result, found: FileId) -> None:
        """Who could read the key in use can read the next one: a broker has a user of its own.

        That user may write to the folder, and could have put there another name of a file that is not theirs.
        """
        system = self._system
        descriptor = system.open_file(name, self._folder)
        try:
            status = system.status(descriptor)
            is_given = (status.st_uid, status.st_gid) != (old.st_uid, old.st_gid)
            mode = stat.S_IMODE(old.st_mode) & _TAKEN_OVER
            if not is_given and mode == stat.S_IMODE(status.st_mode):
                return
            self._check_own(status, found)
            if is_given:
                with contextlib.suppress(PermissionError):
                    system.chown(descriptor, old.st_uid, old.st_gid)
            if mode != stat.S_IMODE(status.st_mode):
                system.chmod(descriptor, mode)
            system.sync(descriptor, Sync.PERMISSIONS)
        finally:
            system.close(descriptor)

    def _check_own(self, status: os.stat_result, found: FileId) -> None:
        place = self._places.next_key
        if not stat.S_ISREG(status.st_mode) or (status.st_dev, status.st_ino) != found:
            raise StorageError(
                f"{place} changed while edgecerts was at work, and was left as it is", hint="run the same command again"
            )
        if status.st_nlink != 1:
            raise StorageError(
                f"{place} has another name, whose permissions would change with it; it was left as it is",
                hint="remove its other name; or have another key made: --rekey",
            )

    def _move(self, name: str, new_name: str) -> None:
        """Another name for a file, unless something has it. On the disk, too, it has one of the two at any time."""
        system, folder = self._system, self._folder
        try:
            system.link(name, folder, new_name, folder)
        except FileExistsError:
            raise StorageError(f"{new_name} appeared while edgecerts was at work; it was left as it is") from None
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            if system.look(new_name, folder) is not None:
                raise StorageError(f"{new_name} appeared while edgecerts was at work; it was left as it is") from None
            system.rename(name, folder, new_name, folder)
        else:
            system.sync(folder, Sync.SET_ASIDE)
            system.unlink(name, folder)
        system.sync(folder, Sync.PUBLISHED)

    def _free_name(self, stamp: str) -> str:
        for number in itertools.count(1):
            name = self._places.replaced_key(stamp if number == 1 else f"{stamp}-{number}").name
            if self._system.look(name, self._folder) is None:
                return name
        raise AssertionError("numbers do not end")  # pragma: no cover


@contextlib.contextmanager
def staged_request(
    place: Place, content: bytes, *, folder: OutputFolder, system: FileSystem
) -> Iterator[Callable[[], None]]:
    """Writes a request beside its place. What it is for is made when it is certain that it can be written.

    Args:
        folder: the place's root; what is made below it is for everybody to read.

    Returns:
        what gives the request its name, in one step. An older request is replaced, and nothing else is.

    Raises:
        OSError, StorageError: the request is as it was.
    """
    staged = place.staged.name
    with folder.folder(place.folder, mode=PUBLIC_FOLDER_MODE) as parent:
        _check_replaceable(place, OpenFolder(parent))
        if system.look(staged, parent) is not None:
            system.unlink(staged, parent)

        def publish() -> None:
            system.rename(staged, parent, place.name, parent)
            system.sync(parent, Sync.PUBLISHED)

        try:
            descriptor = system.create(staged, parent, PRIVATE_KEY_MODE)
            try:
                system.write(descriptor, content)
                system.chmod(descriptor, PUBLIC_MODE)
                folder.hand_over(descriptor)
                system.sync(descriptor, Sync.STAGED_FILE)
            finally:
                system.close(descriptor)
            yield publish
        finally:
            with contextlib.suppress(OSError):
                if system.look(staged, parent) is not None:
                    system.unlink(staged, parent)


def check_request_place(place: Place) -> None:
    """Looks whether nothing but a request is in its place, before anything is made.

    Raises:
        StorageError: something else is there, or the folder cannot be read.
    """
    try:
        with FolderReader(place.root).open_folder(place.folder) as folder:
            if folder is not None:
                _check_replaceable(place, folder)
    except NotReadableError as error:
        raise StorageError(f"{place} cannot be written: {error.problem}", hint=_ELSEWHERE) from None


def check_writable(place: Place) -> None:
    """Looks whether this user may write a request, so that not even folders are made where it may not.

    Raises:
        StorageError: it may not.
    """
    folder = next(parent for parent in Path(str(place)).absolute().parents if parent.exists())
    if not os.access(folder, os.W_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids):
        raise StorageError(
            f"{place} cannot be written: this user may not write to {folder}", hint="name another place with --out"
        )


def _check_replaceable(place: Place, folder: OpenFolder) -> None:
    try:
        found = folder.read(place.name, limit=MAX_REQUEST_BYTES)
    except NotReadableError as error:
        raise StorageError(f"{place} was left as it is: {error.problem}", hint=_ELSEWHERE) from None
    if found is None or is_request_file(found.data):
        return
    if holds_private_key(found.data):
        raise StorageError(
            f"{place} holds a private key, and was left as it is",
            hint="requests are handed on: move the key to where its owner alone can read it; "
            "where it is this host's, --key names the place",
        )
    raise StorageError(f"{place} holds something else than a request, and was left as it is", hint=_ELSEWHERE)
