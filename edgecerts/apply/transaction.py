"""Several identities' new files, staged, committed at one point and published.

A file that changes alone is renamed into place. Files of one identity that change together are a folder that takes the
place of the old one, by way of the journal: a key is never seen beside another key's certificate.
"""

import contextlib
import os
import secrets
import stat
from collections.abc import Iterator

from edgecerts.apply.file_system import Sync
from edgecerts.apply.journal import Journal, JournalUnit, remove_journal, write_journal
from edgecerts.apply.log_file import append_lines, check_log, take_back_lines
from edgecerts.apply.output_folder import OutputFolder, reporting
from edgecerts.apply.publication import STEPPED_ASIDE, is_movable, is_staged, publish, settle, sync_published
from edgecerts.apply.staging import Draft, Staged, stage_draft
from edgecerts.desired.graph import JOURNAL, PRIVATE_FOLDER_MODE, PRIVATE_KEY_MODE, REPLACED_FOLDER, STAGING_FOLDER
from edgecerts.errors import EdgecertsError, StorageError

MANY = 8
"""From so many identities on, everything on the file system is synced at once.

That is one call in place of four for each identity. It also waits for what others wrote, so that few are synced alone.
"""


class Transaction:
    """Collects drafts, then publishes them.

    Attributes:
        failures: why an identity's files were not published, by identity.
        is_finished: nothing is left for a later run to finish.
        problem: what went wrong last, if anything did.
    """

    def __init__(self, folder: OutputFolder, *, log: str, stamp: str, expected: int = 1) -> None:
        """Begins one.

        Args:
            log: the path of the log's file.
            stamp: the run's moment, for the names of what is set aside.
            expected: how many identities it will have.
        """
        self._folder = folder
        self._system = folder.system
        self._log = log
        self._stamp = stamp
        self._place = f"{STAGING_FOLDER}/{secrets.token_hex(8)}"
        self._staged: list[Staged] = []
        self._count = 0
        self._replaced: set[str] = set()
        self.failures: dict[str, EdgecertsError] = {}
        self.is_finished = True
        self.problem = ""
        self._stuck = False
        self._syncs_at_once = expected >= MANY and folder.system.can_sync_all

    def __len__(self) -> int:
        return len(self._staged)

    @property
    def syncs_each(self) -> bool:
        """Whether what is staged is put on the disk file by file."""
        return not self._syncs_at_once

    def reserve(self) -> str:
        """A path, relative to the output folder, where nothing else of this transaction is staged."""
        self._count += 1
        return f"{self._place}/{self._count - 1}"

    def make_place(self) -> None:
        """Makes the folder that everything is staged in, before others write to it.

        Raises:
            StorageError: it cannot be made.
        """
        with reporting(STAGING_FOLDER), self._folder.folder(self._place):
            pass

    def stage(self, draft: Draft) -> None:
        """Writes an identity's files where nobody looks, and reads them back.

        Raises:
            StorageError: they could not be written; the identity is not part of this transaction.
        """
        self.add(stage_draft(self._folder, draft, self.reserve(), syncs_each=self.syncs_each))

    def add(self, staged: Staged) -> None:
        """Takes in what was staged at a path that was reserved."""
        self._staged.append(staged)

    def commit(self) -> None:
        """Commits, puts the log's lines on the disk, and publishes. What went wrong for whom is in `failures`."""
        try:
            self._check_and_fill()
            lines = b"".join(staged.log_lines for staged in self._staged)
            if lines:
                with reporting(self._log):
                    check_log(self._folder, self._log)
            self._commit([staged.unit for staged in self._staged if staged.is_folder], lines)
            with reporting(self._log):
                begin = append_lines(self._folder, self._log, lines) if lines else None
        except EdgecertsError as error:
            self._fail_all(error)
            return
        for staged in list(self._staged):
            self._publish(staged)
        if begin is not None and not self._staged:
            self._take_back_lines(begin)
        try:
            sync_published(self._folder, self._published(), at_once=self._syncs_at_once)
        except EdgecertsError as error:
            # Asking twice would not help: the system forgets what it could not write.
            self._fail_all(error)
            return
        self._settle()

    def discard(self) -> None:
        """Removes what is staged, unless a journal says that it will be needed."""
        if self.is_finished:
            self._folder.drop(self._place)

    def _check_and_fill(self) -> None:
        """What the old folders hold besides comes along, so that it is never absent."""
        for staged in list(self._staged):
            try:
                with reporting(staged.place), self._folder.existing(staged.folder) as live:
                    if live is not None:
                        self._check_new(staged, live)
                    if staged.is_folder:
                        self._fill(staged, live)
            except EdgecertsError as error:
                self._fail(staged, error)
        if self._syncs_at_once:
            with reporting(STAGING_FOLDER):
                self._folder.sync_all(Sync.STAGED_GROUP)
        elif any(staged.is_folder for staged in self._staged):
            with reporting(STAGING_FOLDER), self._folder.folder(self._place) as place:
                self._system.sync(place, Sync.STAGING)

    def _check_new(self, staged: Staged, live: int) -> None:
        for file in staged.files:
            if file.is_new and self._system.look(file.name, live) is not None:
                path = f"{staged.folder}/{file.name}" if staged.folder else file.name
                raise StorageError(f"{path} appeared while edgecerts was at work; it was left as it is")

    def _fill(self, staged: Staged, live: int | None) -> None:
        if live is None and self._syncs_at_once:
            return
        system, names = self._system, {file.name for file in staged.files}
        with self._folder.folder(staged.path) as new:
            if live is not None:
                self._take_over_access(staged, new, live)
                for name in system.names(live):
                    if name not in names:
                        self._bring_along(name, live, new)
            if not self._syncs_at_once:
                system.sync(new, Sync.STAGED_FOLDER)

    def _bring_along(self, name: str, live: int, new: int) -> None:
        """A second name for a file that stays. What can have only one, such as a folder, follows after the exchange."""
        with contextlib.suppress(OSError):
            self._system.link(name, live, name, new)
            return
        if not is_movable(self._folder, name, live):
            raise StorageError(
                f"{name}, a folder beside the files, cannot be moved along with them",
                hint="move it out of the folder, or let this user write to it",
            )
        # Without its key or certificate an identity would be of no use until then.
        if name.endswith((".key", ".pem")):
            self._copy(name, live, new)

    def _copy(self, name: str, live: int, new: int) -> None:
        system, found = self._system, self._system.look(name, live)
        if found is None or not stat.S_ISREG(found.st_mode):
            return
        try:
            original = system.open_file(name, live)
        except PermissionError:
            return
        with contextlib.ExitStack() as stack:
            stack.callback(system.close, original)
            descriptor = system.create(name, new, PRIVATE_KEY_MODE)
            stack.callback(system.close, descriptor)
            system.write(descriptor, system.read(original))
            self._keep_owner(descriptor, found.st_uid, found.st_gid)
            system.chmod(descriptor, stat.S_IMODE(found.st_mode))
            system.sync(descriptor, Sync.STAGED_FILE)

    def _take_over_access(self, staged: Staged, new: int, live: int) -> None:
        """Who could read the old folder and its files can read the new ones: a broker has a user of its own."""
        system, status = self._system, self._system.status(live)
        private = any(file.mode == PRIVATE_KEY_MODE for file in staged.files)
        # Its owner can go on writing to it, also where the old one was closed.
        mode = stat.S_IMODE(status.st_mode) & (PRIVATE_FOLDER_MODE if private else 0o7777) | PRIVATE_FOLDER_MODE
        if mode != stat.S_IMODE(system.status(new).st_mode):
            system.chmod(new, mode)
        for file in staged.files:
            found = system.look(file.name, live)
            if found is not None:
                self._keep_owner_of_file(file.name, new, found)
        self._keep_owner(new, status.st_uid, status.st_gid)

    def _keep_owner_of_file(self, name: str, folder: int, old: os.stat_result) -> None:
        descriptor = self._system.open_file(name, folder)
        try:
            self._keep_owner(descriptor, old.st_uid, old.st_gid)
        finally:
            self._system.close(descriptor)

    def _keep_owner(self, descriptor: int, uid: int, gid: int) -> None:
        status = self._system.status(descriptor)
        if (status.st_uid, status.st_gid) != (uid, gid):
            with contextlib.suppress(PermissionError):
                self._system.chown(descriptor, uid, gid)
                self._system.sync(descriptor, Sync.STAGED_FILE)

    def _commit(self, units: list[JournalUnit], lines: bytes) -> None:
        if not units:
            return
        self.is_finished = False
        log_lines = tuple(lines.decode("utf-8").splitlines())
        journal = Journal(log=self._log, lines=log_lines, units=tuple(units))
        try:
            with reporting(JOURNAL):
                write_journal(self._folder, journal)
        except EdgecertsError:
            # Its name may be there all the same. Where that cannot be taken back, the next run publishes.
            self._close_journal()
            raise

    def _close_journal(self) -> None:
        try:
            with reporting(JOURNAL):
                remove_journal(self._folder)
        except EdgecertsError as error:
            self.problem = error.message
        else:
            self.is_finished = True

    def _publish(self, staged: Staged) -> None:
        try:
            with reporting(staged.place):
                if staged.is_folder:
                    if publish(self._folder, staged.unit):
                        self._replaced.add(staged.path)
                else:
                    self._publish_file(staged)
        except EdgecertsError as error:
            self._fail(staged, error)
            self._stuck = self._stuck or (staged.is_folder and not self._is_untouched(staged))

    def _take_back_lines(self, begin: int) -> None:
        """Where nothing was published: the line of an authority alone would keep the next run from making one."""
        if self.is_finished or self._stuck:
            return
        self._stuck = True
        with contextlib.suppress(OSError, StorageError):
            take_back_lines(self._folder, self._log, begin)
            self._stuck = False

    def _is_untouched(self, staged: Staged) -> bool:
        """Whether what could not be published can be thrown away: the old folder is where it was."""
        try:
            with self._folder.existing(f"{staged.path}{STEPPED_ASIDE}") as aside:
                return aside is None and is_staged(self._folder, staged.unit)
        except OSError:
            return False

    def _publish_file(self, staged: Staged) -> None:
        system, file = self._system, staged.files[0]
        with (
            self._folder.open_for(staged.path) as (staging, staged_name),
            self._folder.open_for(staged.file) as (home, name),
        ):
            if file.mode == PRIVATE_KEY_MODE:
                self._folder.make_private(home)
            found = system.look(name, home)
            if found is not None:
                self._keep_owner_of_file(staged_name, staging, found)
            system.rename(staged_name, staging, name, home)

    def _published(self) -> Iterator[str]:
        for staged in self._staged:
            yield staged.path
            yield staged.folder if staged.is_folder else staged.file

    def _settle(self) -> None:
        """Brings what is left to an end. Where that fails, the journal stays, and the next run does it."""
        was_set_aside = False
        for staged in [staged for staged in self._staged if staged.path in self._replaced]:
            try:
                with reporting(staged.folder):
                    moved = settle(self._folder, staged.unit, stamp=self._stamp, syncs_each=self.syncs_each)
                    was_set_aside = was_set_aside or moved
            except EdgecertsError as error:
                # What is new is in its place; what it replaced is not yet.
                self._stuck = True
                self.problem = error.message
        if was_set_aside and self._syncs_at_once:
            self._sync_set_aside()
        if not self.is_finished and not self._stuck:
            self._close_journal()

    def _sync_set_aside(self) -> None:
        """Before the journal goes, without which what was not set aside would be thrown away."""
        try:
            with reporting(REPLACED_FOLDER):
                self._folder.sync_all(Sync.SET_ASIDE)
        except EdgecertsError as error:
            self._stuck = True
            self.problem = error.message

    def _fail(self, staged: Staged, error: EdgecertsError) -> None:
        self.failures[staged.identity] = error
        self.problem = error.message
        self._staged.remove(staged)

    def _fail_all(self, error: EdgecertsError) -> None:
        for staged in list(self._staged):
            self._fail(staged, error)
