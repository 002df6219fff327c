"""Writing a host's private keys and its request: a key is never written over, and never without a name.

Whatever kills a run, the next one finds every key that was ever in use or asked for, under one name at least.
"""

import contextlib
import errno
import itertools
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from edgecerts.apply.file_system import FileSystem, Sync
from edgecerts.apply.key_file import fill_key_file
from edgecerts.desired.graph import PRIVATE_FOLDER_MODE, PRIVATE_KEY_MODE, PUBLIC_MODE
from edgecerts.desired.host import HostPlaces
from edgecerts.errors import StorageError
from edgecerts.pki.certificate_requests import MAX_REQUEST_BYTES, is_request_file

_NO_LINKS = frozenset({errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EMLINK})
_OTHERS = stat.S_IRWXO


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
        """Removes a key that a run which was killed had not given its name: nobody knows it; or it has another name."""
        if self._system.look(self._places.new_key.name, self._folder) is not None:
            self._system.unlink(self._places.new_key.name, self._folder)

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
        system, old = self._system, self._system.look(name, self._folder)
        kept = self._second_name(old) if old is not None else None
        if kept is not None:
            system.unlink(name, self._folder)
            system.sync(self._folder, Sync.PUBLISHED)
            return kept
        kept = self._free_name(stamp)
        self._move(name, kept)
        return kept

    def put_in_place(self, stamp: str) -> str | None:
        """Makes the next key the one in use.

        Returns:
            the name under which the one that was in use is kept; None where there was none.
        """
        system, folder = self._system, self._folder
        key, next_key = self._places.key.name, self._places.next_key.name
        old = system.look(key, folder)
        kept = self._keep(key, old, stamp) if old is not None else None
        if old is not None and stat.S_ISREG(old.st_mode):
            self._take_over_access(next_key, old)
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

    def _take_over_access(self, name: str, old: os.stat_result) -> None:
        """Who could read the key in use can read the next one: a broker has a user of its own."""
        system = self._system
        descriptor = system.open_file(name, self._folder)
        try:
            status = system.status(descriptor)
            if (status.st_uid, status.st_gid) != (old.st_uid, old.st_gid):
                with contextlib.suppress(PermissionError):
                    system.chown(descriptor, old.st_uid, old.st_gid)
            mode = stat.S_IMODE(old.st_mode) & ~_OTHERS
            if mode != stat.S_IMODE(status.st_mode):
                system.chmod(descriptor, mode)
            system.sync(descriptor, Sync.PERMISSIONS)
        finally:
            system.close(descriptor)

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


def open_root(path: Path, system: FileSystem) -> int:
    """A descriptor of a folder, which is made where it is not there, as private as a key.

    Raises:
        StorageError: it cannot be made or opened.
    """
    try:
        made = [folder for folder in (path, *path.parents) if not folder.exists()]
        if made:
            system.make_root(path, PRIVATE_FOLDER_MODE)
        for folder in made:
            descriptor = system.open_root(folder.parent)
            try:
                system.sync(descriptor, Sync.PLACE)
            finally:
                system.close(descriptor)
        return system.open_root(path)
    except OSError as error:
        raise StorageError(f"the folder {path} cannot be used: {error.strerror}") from error


def write_request(name: str, content: bytes, *, folder: int, system: FileSystem) -> None:
    """Writes a request in one step. An older one is replaced, and nothing else is.

    Args:
        folder: the descriptor of its folder.

    Raises:
        OSError, StorageError: the request is as it was.
    """
    _check_replaceable(name, folder, system)
    staged = f".{name}.new"
    if system.look(staged, folder) is not None:
        system.unlink(staged, folder)
    descriptor = system.create(staged, folder, PRIVATE_KEY_MODE)
    try:
        system.write(descriptor, content)
        system.chmod(descriptor, PUBLIC_MODE)
        system.sync(descriptor, Sync.STAGED_FILE)
    finally:
        system.close(descriptor)
    system.rename(staged, folder, name, folder)
    system.sync(folder, Sync.PUBLISHED)


def _check_replaceable(name: str, folder: int, system: FileSystem) -> None:
    found = system.look(name, folder)
    if found is None:
        return
    if not stat.S_ISREG(found.st_mode):
        raise StorageError(f"{name} is not a plain file, and was left as it is", hint="--out names another place")
    with _reading(name, folder, system) as descriptor:
        content = system.read(descriptor) if found.st_size <= MAX_REQUEST_BYTES else b"x"
    if not is_request_file(content):
        raise StorageError(
            f"{name} holds something else than a request, and was left as it is", hint="--out names another place"
        )


@contextlib.contextmanager
def _reading(name: str, folder: int, system: FileSystem) -> Iterator[int]:
    descriptor = system.open_file(name, folder)
    try:
        yield descriptor
    finally:
        system.close(descriptor)
