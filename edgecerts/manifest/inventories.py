"""Inventories: files beside the manifest that list brokers or clients, one in each row.

A row means what an entry means that says the same. So the code that reads entries reads rows as well; but what is the
same in many rows is read once for all of them, because an inventory may have a hundred thousand.
"""

import posixpath
import unicodedata
from dataclasses import dataclass, field

from edgecerts.errors import ManifestError, StorageError
from edgecerts.manifest.entries import Entry
from edgecerts.manifest.files_beside import INVENTORY, ReadBeside
from edgecerts.manifest.mistakes import Mistakes, cut, quoted
from edgecerts.manifest.model import EndEntityKind, InventoryFile
from edgecerts.manifest.nodes import Mapping, Scalar, Sequence
from edgecerts.manifest.paths import path_objection, path_parts
from edgecerts.manifest.roles import Inherited

_KEYS = {EndEntityKind.BROKER: "brokers_from", EndEntityKind.CLIENT: "clients_from"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Inventories:
    """What all inventories of a manifest list.

    Attributes:
        entries: the entries of each kind, in the order of the manifest and of the rows.
        files: those that were read.
        texts: what was in them.
    """

    entries: dict[EndEntityKind, list[Entry]] = field(default_factory=lambda: {kind: [] for kind in EndEntityKind})
    files: list[InventoryFile] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)


def read_inventories(
    root: Mapping, inherited: Inherited, mistakes: Mistakes, *, source: str, read: ReadBeside
) -> Inventories:
    """Reads everything that `brokers_from` and `clients_from` name.

    Args:
        root: the manifest, already of the right structure.
        inherited: `defaults` and the roles.
        mistakes: where mistakes are noted.
        source: the manifest's name as the user wrote it.
        read: gives the content of an inventory.
    """
    found = Inventories()
    for kind, key in _KEYS.items():
        node = root.get(key)
        seen: dict[str, Scalar] = {}
        for item in node if isinstance(node, Sequence) else ():
            path = item.get("csv") if isinstance(item, Mapping) else None
            if isinstance(item, Mapping) and isinstance(path, Scalar) and _is_usable(path, seen, mistakes):
                name = "/".join(path_parts(path))
                data = _read_file(name, path, read, mistakes)
                if data is not None:
                    file = posixpath.join(posixpath.dirname(source), name)
                    _read_one(data, name, file, item, kind, inherited, found, mistakes)
    return found


def _is_usable(path: Scalar, seen: dict[str, Scalar], mistakes: Mistakes) -> bool:
    hint = path_objection(path, example="devices.csv")
    if hint is not None:
        mistakes.add(path.mark, f"`csv` cannot be {quoted(path)}", hint)
        return False
    folded = unicodedata.normalize("NFC", "/".join(path_parts(path))).casefold()
    first = seen.setdefault(folded, path)
    if first is not path:
        mistakes.add(path.mark, f"the inventory {cut(path)} is there twice, first on line {first.line}", "remove one")
    return first is path


def _read_file(name: str, path: Scalar, read: ReadBeside, mistakes: Mistakes) -> bytes | None:
    try:
        return read(name, INVENTORY)
    except StorageError as error:
        mistakes.add(path.mark, error.message, error.hint)
        return None


def _read_one(
    data: bytes,
    name: str,
    file: str,
    item: Mapping,
    kind: EndEntityKind,
    inherited: Inherited,
    found: Inventories,
    mistakes: Mistakes,
) -> None:
    # Imported here because most manifests have no inventory, and csv takes time to import.
    from edgecerts.manifest.inventory_rows import RowReader
    from edgecerts.manifest.inventory_text import read_table

    entries = found.entries[kind]
    before = len(entries)
    try:
        table = read_table(data, file, mistakes.of_file(file))
        rows = RowReader(item, kind, inherited, file=file, others=sum(map(len, found.entries.values())))
        entries.extend(rows.read(table, mistakes))
    except ManifestError:
        return  # it has been noted, and the other inventories are read, too
    found.files.append(InventoryFile(path=name, entries=len(entries) - before))
    found.texts.append(table.text)
