"""Writing to the issuance log: lines are added, and on the disk before anybody sees the certificates."""

import contextlib
import stat

from edgecerts.apply.file_system import Sync
from edgecerts.apply.output_folder import OutputFolder
from edgecerts.desired.graph import PUBLIC_MODE
from edgecerts.errors import StorageError


def append_lines(folder: OutputFolder, path: str, lines: bytes) -> None:
    """Adds lines to a file of the log. A torn last line is ended first.

    Raises:
        StorageError: it is not a plain file.
        OSError: the lines may not have reached the disk.
    """
    system = folder.system
    with folder.open_for(path) as (parent, name):
        is_new = system.look(name, parent) is None
        descriptor = system.open_to_append(name, parent, PUBLIC_MODE)
        with contextlib.ExitStack() as stack:
            stack.callback(system.close, descriptor)
            status = system.status(descriptor)
            if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
                raise StorageError(f"{path} is not a plain file with one name")
            torn = status.st_size > 0 and system.read(descriptor, status.st_size - 1) != b"\n"
            if is_new:
                system.chmod(descriptor, PUBLIC_MODE)
            system.write(descriptor, (b"\n" if torn else b"") + lines)
            system.sync(descriptor, Sync.LOG)
        if is_new:
            system.sync(parent, Sync.LOG_FILE)
