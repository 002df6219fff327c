"""Giving a staged folder its place, and what was there before its own: for a commit, and for finishing one later.

The exchange of two folders is one step for everybody who looks. Where the system has none, the old folder steps aside
first: then an identity is absent for an instant, and never mixed.
"""

import errno
import os
import stat
from collections.abc import Collection, Iterable

from edgecerts.apply.file_system import Sync
from edgecerts.apply.journal import JournalUnit, digest
from edgecerts.apply.output_folder import OutputFolder, reporting
from edgecerts.apply.replaced import set_aside
from edgecerts.errors import StorageError

_NO_EXCHANGE = frozenset({errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP, errno.ENOTSUP})

_FEW_FOLDERS = 2
"""A fleet that is new has its folders in one, and in one other where they were staged."""

STEPPED_ASIDE = ".old"
"""Ends the name of a folder that made way for the new one, where two cannot be exchanged."""


def is_staged(folder: OutputFolder, unit: JournalUnit) -> bool:
    """Whether the new folder still waits: what lies in its place is it, and not the one that it replaced."""
    system = folder.system
    with folder.existing(unit.staged) as staged:
        if staged is None:
            return False
        for name, expected in unit.files.items():
            if system.look(name, staged) is None:
                return False
            descriptor = system.open_file(name, staged)
            try:
                if digest(system.read(descriptor)) != expected:
                    return False
            finally:
                system.close(descriptor)
    return True


def publish(folder: OutputFolder, unit: JournalUnit) -> bool:
    """Puts a staged folder where it belongs, and what was there into its place.

    Returns:
        whether anything was there.

    Raises:
        OSError: everything is as it was; or, where the folder had to step aside, it may be absent, and the journal says
            how to go on.
    """
    system = folder.system
    with folder.open_for(unit.folder) as (home, name), folder.open_for(unit.staged) as (staging, staged):
        found = system.look(name, home)
        if found is None:
            system.rename(staged, staging, name, home)
            return False
        if not stat.S_ISDIR(found.st_mode):
            raise StorageError(f"{unit.folder} is not a folder", hint="move away what is there")
        try:
            system.exchange(staged, staging, name, home)
        except OSError as error:
            if error.errno not in _NO_EXCHANGE:
                raise
            _step_aside(folder, (staged, staging), (name, home))
    return True


def _step_aside(folder: OutputFolder, staged: tuple[str, int], live: tuple[str, int]) -> None:
    system, old = folder.system, (f"{staged[0]}{STEPPED_ASIDE}", staged[1])
    system.rename(*live, *old)
    try:
        system.rename(*staged, *live)
    except OSError:
        system.rename(*old, *live)
        raise


def sync_published(folder: OutputFolder, paths: Iterable[str], *, at_once: bool = False) -> None:
    """Returns when the names of all these files and folders are on the disk.

    Args:
        at_once: by one call, where they are in many folders.

    Raises:
        StorageError: they may not be.
    """
    parents = sorted({path.rpartition("/")[0] for path in paths})
    if at_once and len(parents) > _FEW_FOLDERS:
        with reporting("the output folder"):
            folder.sync_all(Sync.PUBLISHED)
        return
    for parent in parents:
        with reporting(parent or "the output folder"), folder.existing(parent) as descriptor:
            if descriptor is not None:
                folder.system.sync(descriptor, Sync.PUBLISHED)


def settle(folder: OutputFolder, unit: JournalUnit, *, stamp: str, syncs_each: bool = True) -> bool:
    """Brings people's own files into the new folder, and sets aside or removes what was replaced.

    Args:
        syncs_each: what is set aside is put on the disk at once; else the caller does so before the journal goes.

    Returns:
        whether anything was set aside.

    Raises:
        OSError: something is still where the journal says.
    """
    system, was_set_aside = folder.system, False
    for path in (f"{unit.staged}{STEPPED_ASIDE}", unit.staged):
        with folder.existing(path) as old:
            if old is None:
                continue
            with folder.folder(unit.folder) as live:
                moved, left = _bring_over(folder, old, live, unit.files)
                if moved:
                    system.sync(live, Sync.KEPT)
                    system.sync(old, Sync.KEPT)
            rest = system.names(old)
        if left:
            kept = set_aside(folder, path, belonged=unit.folder, stamp=stamp)
            raise StorageError(
                f"{unit.folder}/{left[0]} cannot be moved beside the new files; it is in {kept}",
                hint="move it back by hand: it stays there for 30 days",
            )
        if all(name in unit.files and not name.endswith(".key") for name in rest):
            with folder.open_for(path) as (staging, name):
                folder.remove_tree(name, staging)
        else:
            set_aside(folder, path, belonged=unit.folder, stamp=stamp, syncs=syncs_each)
            was_set_aside = True
    return was_set_aside


def is_movable(folder: OutputFolder, name: str, parent: int) -> bool:
    """Whether something beside our files can follow them: not somebody else's folder, nor one that is mounted there."""
    found = folder.system.look(name, parent)
    if found is None or not stat.S_ISDIR(found.st_mode):
        return True
    here = folder.system.status(parent)
    return found.st_dev == here.st_dev and os.access(name, os.W_OK, dir_fd=parent)


def _bring_over(folder: OutputFolder, old: int, live: int, replaced: Collection[str]) -> tuple[bool, list[str]]:
    """Moves what is not ours to replace: what could not be linked before, and what came since.

    Returns:
        whether anything was moved, and what may not be.
    """
    system, moved, left = folder.system, False, []
    for name in system.names(old):
        mine, theirs = system.look(name, old), system.look(name, live)
        if name in replaced or mine is None:
            continue
        if theirs is None:
            try:
                system.rename(name, old, name, live)
                moved = True
            except OSError as error:
                # What may work the next time is left to the next run.
                if error.errno != errno.EBUSY and is_movable(folder, name, old):
                    raise
                left.append(name)
        elif os.path.samestat(mine, theirs) or _is_copy(folder, name, old, live):
            system.unlink(name, old)
        elif _is_newer(mine, theirs):
            system.rename(name, old, name, live)
            moved = True
    return moved, left


def _is_copy(folder: OutputFolder, name: str, old: int, live: int) -> bool:
    """What was copied because this file system has no links."""
    system, contents = folder.system, set()
    for parent in (old, live):
        found = system.look(name, parent)
        if found is None or not stat.S_ISREG(found.st_mode):
            return False
        try:
            descriptor = system.open_file(name, parent)
        except PermissionError:
            return False
        try:
            contents.add(system.read(descriptor))
        finally:
            system.close(descriptor)
    return len(contents) == 1


def _is_newer(mine: os.stat_result, theirs: os.stat_result) -> bool:
    """A file that somebody wrote anew while the folders were exchanged."""
    both_files = stat.S_ISREG(mine.st_mode) and stat.S_ISREG(theirs.st_mode)
    return both_files and not os.path.samestat(mine, theirs) and mine.st_mtime_ns > theirs.st_mtime_ns
