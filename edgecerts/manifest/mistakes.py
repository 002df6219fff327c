"""Collecting the mistakes of a manifest, so that its author sees all of them at once."""

from typing import NoReturn

from edgecerts.errors import InvalidNameError, ManifestError, Problem
from edgecerts.manifest.model import Mark

ECHO_LENGTH = 60
"""How much of a value a message repeats."""

MOST_KEPT = 10_000
"""After so many mistakes the others are only counted: an inventory may have a hundred thousand rows."""


class Mistakes:
    """The mistakes found so far in one manifest and its inventories."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._file = ""
        # A dictionary for its order: the same mistake is noted once, however many entries share it.
        self._problems: dict[Problem, None] = {}
        self._counts = {"noted": 0, "more": 0}

    def of_file(self, file: str) -> "Mistakes":
        """The same mistakes, for somebody who reads an inventory and whose marks do not say so."""
        view = Mistakes(self._source)
        view._file, view._problems, view._counts = file, self._problems, self._counts
        return view

    def __len__(self) -> int:
        """How often something was noted."""
        return self._counts["noted"]

    @property
    def problems(self) -> tuple[Problem, ...]:
        return tuple(self._problems)

    def add(self, mark: Mark, message: str, hint: str | None = None) -> None:
        """Notes a mistake and goes on."""
        self._counts["noted"] += 1
        file = mark.file or self._file
        problem = Problem(file=file, line=mark.line, column=mark.column, message=message, hint=hint)
        if len(self._problems) < MOST_KEPT or problem in self._problems:
            self._problems[problem] = None
        else:
            self._counts["more"] += 1

    def add_name_error(self, mark: Mark, error: InvalidNameError, text: str) -> None:
        """Notes what `pki.names` says of a text, which its message may repeat at full length."""
        hint = error.hint if error.hint is None else _shortened(error.hint, text)
        self.add(mark, _shortened(error.message, text), hint)

    def stop(self, mark: Mark, message: str, hint: str | None = None) -> NoReturn:
        """Notes a mistake after which nothing else can be read.

        Raises:
            ManifestError: always, with this mistake and those before it.
        """
        self.add(mark, message, hint)
        raise self._error()

    def raise_if_any(self) -> None:
        """Ends the reading of a manifest.

        Raises:
            ManifestError: there were mistakes.
        """
        if self._problems:
            raise self._error()

    def _error(self) -> ManifestError:
        return ManifestError(self._source, self.problems, more=self._counts["more"])


def cut(text: str) -> str:
    """As much of a text as a message repeats."""
    return text if len(text) <= ECHO_LENGTH else f"{text[:ECHO_LENGTH]}…"


def quoted(text: str) -> str:
    """A value as a message repeats it."""
    return f"'{cut(text)}'"


def _shortened(message: str, text: str) -> str:
    if len(text) <= ECHO_LENGTH:
        return message
    # Beside the text itself a message may repeat a part of it: what follows a prefix, or one label of a host name.
    rest = text.partition(":")[2]
    short = message.replace(text, cut(text))
    short = short.replace(rest, cut(rest)) if rest else short
    return short if len(short) <= 4 * ECHO_LENGTH else f"{short[: 4 * ECHO_LENGTH]}…"
