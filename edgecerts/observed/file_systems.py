"""Which file systems keep permissions as they are set."""

import os
from pathlib import Path

from edgecerts.desired.graph import PRIVATE_FOLDER_MODE
from edgecerts.observed.folder_reader import OpenFolder

MOUNTS = Path("/proc/self/mountinfo")
"""What is mounted where (proc_pid_mountinfo(5)); Linux alone has it."""

_WITHOUT_MODES = frozenset(
    {"vfat", "msdos", "exfat", "ntfs", "ntfs3", "fuseblk", "cifs", "smb3", "9p", "drvfs", "vboxsf", "fuse.vmhgfs-fuse"}
)
"""They may show the same permissions for everything: those of Windows, memory cards, shares and virtual machines."""


def keeps_modes(local: OpenFolder | None) -> bool:
    """Whether the file system keeps permissions as they are set.

    Not without two witnesses. Our local folder, which is always made private, is not; but it is not either after a
    copy, or after somebody opened everything, and then modes have to be compared. So the kind of the file system
    has to be one that may keep none, as well.

    Args:
        local: our local folder; None where it is not there.
    """
    if local is None or not local.mode & ~PRIVATE_FOLDER_MODE:
        return True
    return _file_system_of(local.status.st_dev) not in _WITHOUT_MODES


def _file_system_of(device: int) -> str | None:
    """The kind of a mounted file system; None where that cannot be said."""
    number = f"{os.major(device)}:{os.minor(device)}"
    try:
        lines = MOUNTS.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    # ID, parent, device, root, place, options, any number of further fields; then after a hyphen the kind.
    found = [line.partition(" - ")[2].split(" ")[0] for line in lines if line.split(" ")[2:3] == [number]]
    return found[-1] if found else None
