"""Collecting the mistakes of a manifest, so that its author sees all of them at once."""

from typing import NoReturn

from edgecerts.errors import InvalidNameError, ManifestError, Problem
from edgecerts.manifest.model import Mark

ECHO_LENGTH = 60
"""How much of a value a message repeats."""


class Mistakes:
    """The mistakes found so far in one manifest."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._problems: list[Problem] = []

    def __len__(self) -> int:
        return len(self._problems)

    def add(self, mark: Mark, message: str, hint: str | None = None) -> None:
        """Notes a mistake and goes on."""
        self._problems.append(Problem(line=mark.line, column=mark.column, message=message, hint=hint))

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
        raise ManifestError(self._source, self._problems)

    def raise_if_any(self) -> None:
        """Ends the reading of a manifest.

        Raises:
            ManifestError: there were mistakes.
        """
        if self._problems:
            raise ManifestError(self._source, self._problems)


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
