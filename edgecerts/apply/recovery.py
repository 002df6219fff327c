"""What an interrupted run left: finished where it had committed, thrown away where it had not."""

import contextlib
from collections.abc import Iterator

from edgecerts.apply import transaction
from edgecerts.apply.file_system import Sync
from edgecerts.apply.journal import Journal, read_journal, remove_journal
from edgecerts.apply.log_file import append_missing
from edgecerts.apply.output_folder import OutputFolder, reporting
from edgecerts.apply.publication import is_staged, publish, settle, sync_published
from edgecerts.desired.graph import JOURNAL, REPLACED_FOLDER, STAGING_FOLDER
from edgecerts.errors import StorageError


def recover(folder: OutputFolder, *, was_killed: bool, stamp: str) -> tuple[str, ...]:
    """Brings the output folder to the state before or after an interrupted transaction. For the holder of the lock.

    May itself be interrupted at any point, and is then done again.

    Args:
        was_killed: the last run was, whether or not anything shows where.
        stamp: this run's moment, for the names of what is set aside: a key was in its place until now, however long
            ago it was to be replaced.

    Returns:
        the folders of the identities that the interrupted transaction was about; none where there was none.

    Raises:
        StorageError: it could not be finished; nothing was lost, and the next run tries again.
    """
    with reporting(JOURNAL):
        journal = read_journal(folder)
        if was_killed or journal is not None or _has_staged(folder):
            # It can be seen, and the disk may not have it yet. What is built on it would outlive it in a power cut.
            folder.sync_all(Sync.EARLIER)
    if journal is not None:
        with _explaining():
            _finish(folder, journal, stamp)
    with reporting(JOURNAL):
        remove_journal(folder)
    with reporting(STAGING_FOLDER):
        discard_staged(folder)
    return tuple(unit.folder for unit in journal.units) if journal is not None else ()


def discard_staged(folder: OutputFolder) -> None:
    """Removes what was staged. Nothing that it holds was ever seen by anybody.

    Raises:
        OSError: some of it is still there.
    """
    with folder.existing(STAGING_FOLDER) as staging:
        for name in folder.system.names(staging) if staging is not None else ():
            folder.remove_tree(name, staging or 0)


@contextlib.contextmanager
def _explaining() -> Iterator[None]:
    """Whoever asked for something else wonders why this is in the way."""
    try:
        yield
    except StorageError as error:
        raise StorageError(
            f"{error.message}; an interrupted apply has to be brought to its end first",
            hint=error.hint or "mend that, then run edgecerts apply again",
        ) from error


def _has_staged(folder: OutputFolder) -> bool:
    with folder.existing(STAGING_FOLDER) as staging:
        return staging is not None and bool(folder.system.names(staging))


def _finish(folder: OutputFolder, journal: Journal, stamp: str) -> None:
    waiting = []
    for unit in journal.units:
        with reporting(unit.folder):
            if is_staged(folder, unit):
                waiting.append(unit)
    if waiting:
        # Where nothing waits, the log was written before, or nobody will ever see what its lines are about.
        with reporting(journal.log):
            append_missing(folder, journal.log, journal.lines)
    for unit in waiting:
        with reporting(unit.folder):
            publish(folder, unit)
    at_once = len(journal.units) >= transaction.MANY and folder.system.can_sync_all
    sync_published(folder, (path for unit in journal.units for path in (unit.folder, unit.staged)), at_once=at_once)
    was_set_aside = False
    for unit in journal.units:
        with reporting(unit.folder):
            moved = settle(folder, unit, stamp=stamp, syncs_each=not at_once)
            was_set_aside = was_set_aside or moved
    if was_set_aside and at_once:
        with reporting(REPLACED_FOLDER):
            folder.sync_all(Sync.SET_ASIDE)
