"""Changes that need no staging: permissions that are narrowed, and files that nobody declares any more."""

import contextlib
from collections.abc import Collection

from edgecerts.apply.file_system import Sync
from edgecerts.apply.output_folder import OutputFolder, reporting
from edgecerts.apply.replaced import set_aside
from edgecerts.desired.graph import PRIVATE_KEY_MODE


def narrow_permissions(folder: OutputFolder, path: str) -> None:
    """Closes a private key and its folder to others.

    Raises:
        StorageError: it is not there, or this user may not.
    """
    system = folder.system
    with reporting(path), folder.open_for(path) as (parent, name):
        folder.make_private(parent)
        descriptor = system.open_file(name, parent)
        try:
            system.chmod(descriptor, PRIVATE_KEY_MODE)
            system.sync(descriptor, Sync.PERMISSIONS)
        finally:
            system.close(descriptor)
        system.sync(parent, Sync.PERMISSIONS)


def prune(folder: OutputFolder, paths: Collection[str], *, certificate: str | None, stamp: str) -> None:
    """Removes files of one folder, then the folder if nothing is left in it. Private keys are set aside.

    The certificate goes last: it is what says that the others are ours, should this be interrupted.

    Args:
        certificate: the path of the certificate among them, or None.

    Raises:
        StorageError: some are still there.
    """
    system = folder.system
    others = [path for path in paths if path != certificate]
    for path in sorted(others, key=lambda path: not path.endswith(".key")):
        _remove(folder, path, stamp)
    parent = next(iter(paths)).rpartition("/")[0]
    with reporting(parent):
        with folder.folder(parent) as descriptor:
            if others:
                system.sync(descriptor, Sync.PRUNED)
            if certificate is not None:
                _remove(folder, certificate, stamp)
                system.sync(descriptor, Sync.PUBLISHED)
        with folder.open_for(parent) as (home, name), contextlib.suppress(OSError):
            system.remove_folder(name, home)


def _remove(folder: OutputFolder, path: str, stamp: str) -> None:
    with reporting(path), folder.open_for(path) as (parent, name):
        if folder.system.look(name, parent) is None:
            return
        if name.endswith(".key"):
            set_aside(folder, path, belonged=path, stamp=stamp)
        else:
            folder.system.unlink(name, parent)
