"""One file of ours as a fact: its content parsed, or in words what keeps it from that."""

from collections.abc import Callable
from typing import TypeVar

from edgecerts.errors import InvalidCertificateError, InvalidKeyError
from edgecerts.observed.folder_reader import FoundFile, NotReadableError, OpenFolder
from edgecerts.observed.hard_links import HARD_LINK, OwnFiles
from edgecerts.observed.inventory import Observed, State
from edgecerts.observed.seen import SeenFiles
from edgecerts.pki.private_keys import KeyFacts, is_encrypted, read_key_facts

T = TypeVar("T")


def observe(
    folder: OpenFolder | None, name: str, parse: Callable[[bytes], T], seen: SeenFiles | None = None
) -> Observed[T]:
    """Reads a public file.

    Args:
        folder: where it should be; None where that is not there.
        name: its name in it.
        parse: makes a value of its content; raises InvalidCertificateError or UnicodeDecodeError where it cannot.
        seen: what was read before, always with the same `parse` for the same name.
    """
    if folder is None:
        return Observed(state=State.ABSENT)
    known = seen.recall(folder, name) if seen is not None else None
    if known is not None:
        return known
    try:
        found = folder.read(name)
        if found is None:
            return Observed(state=State.ABSENT)
        return _remembered(seen, folder, name, found, _present(found, parse(found.data)))
    except NotReadableError as error:
        return Observed(state=State.UNREADABLE, problem=error.problem)
    except (InvalidCertificateError, UnicodeDecodeError) as error:
        problem = error.message if isinstance(error, InvalidCertificateError) else "it is not UTF-8 text"
        return Observed(state=State.UNREADABLE, problem=problem, damaged=True)


def observe_text(folder: OpenFolder | None, name: str) -> Observed[str]:
    """Reads a text file."""
    return observe(folder, name, lambda data: data.decode("utf-8"))


def observe_key(
    folder: OpenFolder | None, name: str, own: OwnFiles, seen: SeenFiles | None = None
) -> Observed[KeyFacts]:
    """Looks at a private key file. An encrypted key is never opened, so damage inside it is not seen here.

    Args:
        folder, name: as for `observe`.
        own: tells whether the file is only ours. A public file is replaced by a rename, which leaves its other names
            as they are; a key's permissions belong to all of them.
        seen: as for `observe`.
    """
    if folder is None:
        return Observed(state=State.ABSENT)
    known = seen.recall(folder, name) if seen is not None else None
    if known is not None:
        return known
    try:
        found, linked = own.read(folder, name)
        if found is None:
            return Observed(state=State.ABSENT)
        encrypted = is_encrypted(found.data)
        if linked:
            return Observed(state=State.UNREADABLE, problem=HARD_LINK, linked=True, encrypted=encrypted)
        if encrypted:
            return Observed(
                state=State.LOCKED,
                mode=found.mode,
                folder_mode=found.folder_mode,
                problem="it is encrypted",
                encrypted=True,
            )
        return _remembered(seen, folder, name, found, _present(found, read_key_facts(found.data)))
    except NotReadableError as error:
        return Observed(state=State.LOCKED if error.denied else State.UNREADABLE, problem=error.problem)
    except InvalidKeyError as error:
        return Observed(state=State.UNREADABLE, problem=error.message, damaged=True)


def _present(found: FoundFile, value: T) -> Observed[T]:
    return Observed(state=State.PRESENT, value=value, mode=found.mode, folder_mode=found.folder_mode)


def _remembered(
    seen: SeenFiles | None, folder: OpenFolder, name: str, found: FoundFile, observed: Observed[T]
) -> Observed[T]:
    if seen is not None:
        seen.keep(folder, name, found, observed)
    return observed
