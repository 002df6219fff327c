"""Names of entries: what certificates and files suggest, made into what a folder can be called, each once."""

import re
from collections.abc import Iterable, Iterator, Sequence

from edgecerts.adoption.material import Place
from edgecerts.adoption.roles import is_address
from edgecerts.manifest.entry_names import MAX_NAME_LENGTH, is_entry_name
from edgecerts.manifest.rules import fold_name

_GENERIC = frozenset(
    {
        *("", "ca", "cert", "certs", "certificate", "certificates", "chain", "client", "clients", "crt", "fullchain"),
        *("issued", "key", "keys", "newcert", "pem", "pki", "private", "public", "server", "servers", "signed", "tls"),
        *("broker", "brokers", "device", "devices", "new", "old", "backup", "mqtt", "mosquitto", "ssl", "x509"),
    }
)
"""Names of files and folders that tell nobody apart."""

_SUFFIX = re.compile(r"[-_.](cert|certificate|crt|client|server|broker|key|public|pub|chain|fullchain)$")
_WILDCARD = "wildcard"


class EntryNames:
    """Gives out names, none twice, not even in another case: some file systems do not tell them apart."""

    def __init__(self, common_names: Iterable[str]) -> None:
        """Begins.

        Args:
            common_names: those that are in use, folded: an entry without one has its name as common name.
        """
        self._taken: set[str] = set()
        self._common_names = frozenset(common_names)

    def choose(self, common_name: str | None, places: Sequence[Place], *, preferred: str | None = None) -> str:
        """A name for an entry.

        Args:
            common_name: the certificate's; None where it has none. An address is used where no file has a better name.
            places: the certificate's files.
            preferred: a name that is better than any of these, or None.
        """
        in_use = self._common_names if common_name is None else frozenset()
        candidates = (*((preferred,) if preferred is not None else ()), *_candidates(common_name, places))
        name = next((name for name in map(_as_entry_name, candidates) if name is not None), "entry")
        number, unique = 1, name
        while unique.casefold() in self._taken or fold_name(unique) in in_use:
            number += 1
            unique = f"{name[: MAX_NAME_LENGTH - len(str(number)) - 1]}-{number}"
        self._taken.add(unique.casefold())
        return unique


def folder_name(places: Iterable[Place]) -> str | None:
    """What the folder of a certificate calls it: the nearest name that tells somebody apart; None without one."""
    for place in places:
        for text in reversed(place.folder.split("/")):
            if _tells_apart(text):
                return text
    return None


def _tells_apart(name: str) -> bool:
    return name.lower() not in _GENERIC and not re.fullmatch(r"[0-9a-fA-F]{16,}", name)


def _candidates(common_name: str | None, places: Sequence[Place]) -> Iterator[str]:
    named = common_name is not None and not is_address(common_name)
    if named and common_name is not None:
        yield common_name.replace("*", _WILDCARD)
    for place in places:
        for text in (place.stem, place.folder.rpartition("/")[2]):
            name = _SUFFIX.sub("", text.lower()) and _SUFFIX.sub("", text)
            if _tells_apart(name):
                yield name
    if common_name is not None:
        yield common_name


def _as_entry_name(text: str) -> str | None:
    """What a folder can be called, or None where nothing of the text is left."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", text)
    name = re.sub(r"-{2,}|\.{2,}", "-", name).lstrip("._-")[:MAX_NAME_LENGTH].rstrip(".-_")
    if name and not is_entry_name(name):
        name = f"{name[: MAX_NAME_LENGTH - 2]}-1"
    return name if name and is_entry_name(name) else None
