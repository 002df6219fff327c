"""Digests of what a plan rests on: what is declared, and what was found.

They cover parsed values and paths relative to the output folder. Modes, times, line ends, comments of the manifest
and the places of its lines are no part of them, so that another checkout of the same state has the same digests.
"""

import enum
import hashlib
import json
from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from datetime import datetime, timedelta
from typing import Any

from edgecerts.desired.folder_files import our_section
from edgecerts.desired.graph import Graph, Identity
from edgecerts.manifest.model import Mark
from edgecerts.observed.inventory import Inventory, Observed
from edgecerts.pki.certificate_facts import CertificateFacts

FOLDER = "folder"


class Digests:
    """The digests of one graph and of what was found for it."""

    def __init__(self, graph: Graph, inventory: Inventory) -> None:
        self._graph = graph
        self._inventory = inventory
        self._identities = {identity.address: identity for identity in graph.identities}
        self._leftovers = {leftover.address: leftover for leftover in inventory.leftovers}

    def declared(self, address: str) -> str | None:
        """What the manifest says about an identity, or about the folder's own texts; None for what it has not."""
        if address == FOLDER:
            return digest_declared(self._graph.folder_files)
        identity = self._identities.get(address)
        return digest_declared(identity) if identity else None

    def files(self, address: str) -> str:
        """The public files that were found, also of an entry that left the manifest.

        A file that cannot be read counts as such, whatever is in it. Of the log nothing counts: its reasons name each
        certificate that it would get.
        """
        if address == FOLDER:
            texts = self._inventory.texts
            return _digest([[text.path, *_text(texts[text.path])] for text in self._graph.folder_files])
        identity = self._identities.get(address)
        if identity is not None:
            return _digest(list(_certificate_files(identity, self._inventory)))
        leftover = self._leftovers.get(address)
        if leftover is None:
            return _digest(None)
        # Its private key is left out: it need not be where the plan is made.
        public = [path for path in leftover.paths if not path.endswith(".key")]
        return _digest([public, _certificates(leftover.certificate)])

    def private_key(self, address: str) -> str | None:
        """An identity's private key as it was seen from outside; None where the manifest has no such identity."""
        identity = self._identities.get(address)
        if identity is None:
            return None
        path = identity.private_key.path
        found = self._inventory.private_keys[path]
        return _digest([path, found.state.value, found.value.spki_sha256 if found.value else None])


def digest_declared(declared: object) -> str:
    """The digest of a graph or of a part of it: of everything that the manifest says, its inventories included."""
    return _digest(_plain(declared))


def _certificate_files(identity: Identity, inventory: Inventory) -> Iterable[Any]:
    path = identity.certificate.path
    yield [path, _certificates(inventory.certificates[path])]
    if identity.request is not None:
        request = inventory.requests[identity.request.path]
        yield [identity.request.path, request.state.value, request.value.spki_sha256 if request.value else None]
    if identity.trust is not None:
        path = identity.trust.path
        # A copy is the same in whatever order its certificates stand.
        yield [path, sorted(_certificates(inventory.certificates[path]))]
        for entry in identity.trust.also_trust:
            yield [entry.ca, _certificates(inventory.also_trusted[entry.ca])]


def _certificates(found: Observed[tuple[CertificateFacts, ...]]) -> list[str]:
    return [found.state.value, *(facts.sha256 for facts in found.value or ())]


def _text(found: Observed[str]) -> tuple[str, str | None]:
    """Our lines alone: those around them are the user's."""
    return found.state.value, our_section(found.value) if found.value is not None else None


def _plain(value: object) -> Any:
    """A value as JSON has it. A type that is not known here is an error, so that none is left out unseen."""
    if value is None or (isinstance(value, str | int | float) and not isinstance(value, enum.Enum)):
        return value
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value if not isinstance(item, Mark)]
    if isinstance(value, frozenset):
        return sorted((_plain(item) for item in value), key=json.dumps)
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if is_dataclass(value):
        pairs = ((field.name, getattr(value, field.name)) for field in fields(value))
        return {name: _plain(part) for name, part in pairs if not isinstance(part, Mark)}
    raise TypeError(f"{type(value).__name__} has no digest")


def _digest(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return f"sha256:{hashlib.sha256(text.encode('utf-8', errors='backslashreplace')).hexdigest()}"
