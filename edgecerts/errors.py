"""What can go wrong, as values that the command line turns into one message and one exit code.

Every error that edgecerts raises on purpose derives from `EdgecertsError`; anything else is a bug. A message is
lower case, has no final period and never holds a secret; what the user can do about it is the separate hint.
"""

import enum
from collections.abc import Sequence
from dataclasses import dataclass


@enum.unique
class ExitCode(enum.IntEnum):
    """The exit codes of every command, as docs/cli.md lists them."""

    DONE = 0
    ERROR = 1
    CHANGES_PENDING = 2
    FINDINGS = 3
    REFUSED = 4
    USAGE = 64
    INTERRUPTED = 130


class EdgecertsError(Exception):
    """The root of all expected errors.

    Attributes:
        message: what is wrong, in one line.
        hint: what to do about it, or None.
    """

    exit_code: ExitCode = ExitCode.ERROR

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Problem:
    """One mistake in a manifest or in one of its inventories. Lines and columns count from 1; columns count characters.

    Attributes:
        file: the inventory as messages name it; empty for the manifest itself.
    """

    file: str = ""
    line: int
    column: int
    message: str
    hint: str | None = None


class ManifestError(EdgecertsError):
    """A manifest that cannot be used, with the mistakes that were found in it, sorted by position.

    Attributes:
        more: how many mistakes were found beside these; there is a limit to how many are kept.
    """

    def __init__(self, source: str, problems: Sequence[Problem], *, more: int = 0) -> None:
        self.source = source
        self.problems = tuple(sorted(set(problems), key=lambda p: (p.file, p.line, p.column, p.message)))
        self.more = more
        count = len(self.problems) + more
        super().__init__(f"{source} has {count} mistake{'s' if count != 1 else ''}")


class InterruptedApplyError(EdgecertsError):
    """An `apply` that somebody stopped while it wrote. What is done stays done."""

    exit_code = ExitCode.INTERRUPTED

    def __init__(self, done: int, total: int) -> None:
        super().__init__(
            f"{done:,} of {total:,} files are done, and every file is whole",
            hint="the next edgecerts apply goes on with the rest",
        )


class InvalidNameError(EdgecertsError, ValueError):
    """A host, an address, a subject field or an entry's name that no certificate or folder may have."""


class InvalidKeyError(EdgecertsError):
    """A private key file that is damaged, or holds something else than one private key."""


class WrongPasswordError(InvalidKeyError):
    """An encrypted private key that the given password does not open."""


class InvalidCertificateError(EdgecertsError):
    """A certificate file that is damaged, or a certificate that fails its own verification."""


class InvalidRequestError(EdgecertsError):
    """A file that should hold a certificate request and holds something else, or one that nobody may sign."""


class SecretError(EdgecertsError):
    """A source of a password or key that gives nothing usable. The message names the source, never its content."""


class MissingSecretsError(SecretError):
    """Every source of a secret that gave nothing usable, so that all can be mended at once."""

    def __init__(self, errors: Sequence[SecretError]) -> None:
        self.errors = tuple(errors)
        super().__init__(f"{len(self.errors)} secrets could not be had")


class StorageError(EdgecertsError):
    """A file or folder that cannot be read or written as it must be."""


class RefusedError(EdgecertsError):
    """Something that is not done unless it is allowed by name."""

    exit_code = ExitCode.REFUSED


class UsageError(EdgecertsError):
    """Flags or arguments that do not fit together."""

    exit_code = ExitCode.USAGE


class SavedPlanError(EdgecertsError):
    """A plan file that cannot be read, or holds something else than a saved plan."""


class StalePlanError(EdgecertsError):
    """A saved plan that was made for another manifest than this one."""

    exit_code = ExitCode.REFUSED
