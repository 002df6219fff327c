"""The rows of one inventory to entries."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any, TypeGuard

from edgecerts.manifest.entries import OWN_KEYS, Entry, build_entity, declared_keys
from edgecerts.manifest.entry_names import read_entry_name
from edgecerts.manifest.inventory_columns import (
    IN_ROW,
    NAME,
    OWN_OF_EACH,
    ROLE,
    Header,
    cell_mark,
    cell_text,
    read_header,
    read_keys,
)
from edgecerts.manifest.inventory_text import Row, Table
from edgecerts.manifest.mistakes import Mistakes, cut
from edgecerts.manifest.model import EndEntityKind, Mark
from edgecerts.manifest.nodes import Mapping, Node, Scalar, Sequence, is_true
from edgecerts.manifest.roles import Inherited
from edgecerts.manifest.settings import KEYS, Settings, read_settings
from edgecerts.manifest.settings_rules import check_own_settings, check_request_settings
from edgecerts.manifest.templates import Layer, Template, given_paths, read_layer

MOST_MISTAKES = 1_000
"""After so many in one inventory, the rest of it is not read: it is another file than was meant."""

MOST_ENTRIES = 1_000_000
"""In all inventories together; each takes about two kilobytes of memory."""

_MOST_GROUPS = 4_096


@dataclass(frozen=True, kw_only=True, slots=True)
class _Group:
    """What rows with the same cells have in common, but for their names.

    Attributes:
        settings: those that hold for them.
        own: the keys that are not settings.
        gives_csr: a cell says where the request lies.
        faults: what is wrong with their cells: the index of the cell, message and hint.
        declared: by the keys that a row has, those that are declared.
    """

    settings: Settings
    own: Mapping
    gives_csr: bool
    faults: tuple[tuple[int, str, str | None], ...]
    declared: dict[tuple[str, ...], frozenset[str]] = field(default_factory=dict)


class RowReader:
    """Reads one inventory."""

    def __init__(self, item: Mapping, kind: EndEntityKind, inherited: Inherited, *, file: str, others: int) -> None:
        """Prepares for the rows.

        Args:
            item: the entry of `brokers_from` or `clients_from`.
            kind: what its rows are.
            inherited: `defaults` and the roles.
            file: the inventory as messages name it.
            others: how many entries other inventories have.
        """
        self._item = item
        self._kind = kind
        self._inherited = inherited
        self._file = file
        self._most = MOST_ENTRIES - others
        self._groups: dict[Any, _Group] = {}

    def read(self, table: Table, mistakes: Mistakes) -> Iterator[Entry]:
        """The entries of the rows, in order.

        Args:
            table: the text.
            mistakes: where mistakes are noted; an entry with a mistake is not fit for use.
        """
        rows = table.rows(mistakes)
        first = next(rows, None)
        if first is None or not self._prepare(first, mistakes):
            return
        width, at_name, before, count = self._header.width, self._header.index[NAME], mistakes.different, 0
        for row in rows:
            if mistakes.different - before >= MOST_MISTAKES:
                message = f"the rest is not read after {MOST_MISTAKES:,} mistakes"
                mistakes.add(Mark(file=self._file, line=row.line, column=1), message)
                return
            if len(row.cells) != width:
                self._note_ragged(row, mistakes)
            elif not row.cells[at_name]:
                mistakes.add(row.mark(at_name), f"the row has no `{NAME}`", "it is the name of a folder")
            else:
                count += 1
                if count > self._most:
                    mistakes.add(row.mark(0), f"there are more than {MOST_ENTRIES:,} entries in inventories")
                    return
                yield self._read_row(row, row.cells[at_name], mistakes)

    def _prepare(self, first: Row, mistakes: Mistakes) -> bool:
        """Reads what the manifest says about the inventory, and the header."""
        self._shared = read_layer(_part(self._item, KEYS), mistakes)
        self._each = read_layer(_part(self._item, OWN_KEYS), mistakes)
        role = self._item.get(ROLE)
        self._role = self._inherited.role(role, mistakes) if isinstance(role, Scalar) else None
        layers = [self._shared, self._each, *filter(None, [self._role])]
        has_roles = ROLE in first.cells
        of_roles = list(self._inherited.roles.values()) if has_roles else []
        used = {column for layer in (*layers, *of_roles) for column, _ in layer.columns()}
        ignore = self._item.get("ignore")
        ignored = [item for item in ignore if isinstance(item, Scalar)] if isinstance(ignore, Sequence) else []
        header = read_header(first, self._kind, used=used, ignored=ignored, mistakes=mistakes)
        if header is None:
            return False
        self._header: Header = header
        for layer in layers:
            # What a row may say itself is looked for in the first row that does not.
            given = {"password" if column.startswith("password.") else column for column in header.keys}
            given |= given_paths(self._shared.node) if layer is self._role else set()
            for column, template in layer.columns(given):
                self._note_missing_column(column, template, mistakes)
        self._own = [(column, at) for column, at in header.keys.items() if column in OWN_OF_EACH]
        self._common = [(column, at) for column, at in header.keys.items() if column not in OWN_OF_EACH]
        needed = {column for layer in (self._shared, self._role, *of_roles) if layer for column, _ in layer.columns()}
        places = {at for _, at in self._common} | {header.index[column] for column in needed & header.index.keys()}
        if has_roles:
            places.add(header.index[ROLE])
        self._same = itemgetter(*sorted(places)) if places else lambda _cells: None
        # A column that nobody knows may be the one.
        self._needs_common_name = self._kind is EndEntityKind.BROKER and header.is_right
        # Where rows say it, what the inventory says of requests is for those that have one.
        self._checks_requests = not has_roles and "key_held" not in header.keys
        return True

    def _read_row(self, row: Row, name: str, mistakes: Mistakes) -> Entry:
        same = self._same(row.cells)
        group = self._groups.get(same)
        if group is None:
            if len(self._groups) >= _MOST_GROUPS:
                self._groups.clear()
            group = self._groups[same] = self._read_group(row, mistakes)
        for index, message, hint in group.faults:
            mistakes.add(row.mark(index), message, hint)
        at_name = self._header.index[NAME]
        found = Mistakes("")
        read_entry_name(name, cell_mark(at_name), found)
        keys = self._read_own(row, group, found)
        common_name = keys.get("common_name")
        if common_name is None and self._needs_common_name:
            hint = "give the host name or IP address that clients connect to"
            found.add(cell_mark(at_name), f"broker `{cut(name)}` has no `common_name`", hint)
        declared = group.declared.get(tuple(keys))
        if declared is None:
            declared = group.declared[tuple(keys)] = declared_keys(keys, group.settings)
        mark = row.mark(at_name)
        entity = build_entity(name, mark, keys, self._kind, group.settings, declared, found)
        for index, message, hint in _faults(found, mistakes):
            mistakes.add(row.mark(index), message, hint)
        at_csr = row.mark(self._header.keys["csr"]) if group.gives_csr else None
        return Entry(
            entity=entity,
            common_name_mark=row.mark(common_name.column - 1) if _is_cell(common_name) else mark,
            shares_common_name=is_true(keys.get("shared_common_name")),
            request_mark=at_csr or mark,
            csr_mark=at_csr or group.settings.marks.get("csr", mark),
        )

    def _read_own(self, row: Row, group: _Group, found: Mistakes) -> Mapping:
        """The keys of one row that are no settings: its own over those of the inventory."""
        own = read_keys(self._own, row.cells, found)
        each = self._each
        keys = self._fill(each, own.keys(), row, found) if each.templates else each.fixed
        if not keys and not group.own:
            return own
        merged = Mapping(IN_ROW, 1)
        merged.update(keys)
        merged.update(group.own)
        merged.update(own)
        return merged

    def _read_group(self, row: Row, mistakes: Mistakes) -> _Group:
        """Reads what a row has in common with all others that have the same cells."""
        found = Mistakes("")
        keys = read_keys(self._common, row.cells, found)
        own = read_settings(keys, found)
        role = self._role_of(row, found)
        given = given_paths(keys)
        shared = self._settings(self._shared, given, row, found)
        roles = self._settings(role, given | given_paths(self._shared.node), row, found) if role else Settings()
        settings = own.over(shared).over(roles).over(self._inherited.defaults)
        check_own_settings((own, shared, roles), settings, found)
        check_request_settings(own, settings, found)
        if self._checks_requests:
            check_request_settings(shared, settings, found)
        return _Group(
            settings=settings,
            own=_part(keys, OWN_KEYS),
            gives_csr="csr" in own.marks,
            faults=tuple(_faults(found, mistakes)),
        )

    def _role_of(self, row: Row, found: Mistakes) -> Layer | None:
        """The role of a row: its own, else that of the inventory."""
        at = self._header.index.get(ROLE)
        if at is None or not row.cells[at]:
            return self._role
        return self._inherited.role(cell_text(row.cells[at], at), found)

    def _settings(self, layer: Layer, given: set[str], row: Row, found: Mistakes) -> Settings:
        return read_settings(self._fill(layer, given, row, found), found) if layer.templates else layer.settings

    def _fill(self, layer: Layer, given: Any, row: Row, found: Mistakes) -> Mapping:
        """A layer with the cells of a row in it; without what needs a cell that is empty or not there."""
        index, absent = self._header.index, set()
        for column, template in layer.columns(given):
            at = index.get(column)
            if at is None:
                absent.add(template.path)
                self._note_missing_column(column, template, found)
            elif not row.cells[at]:
                absent.add(template.path)
                message = f"`{cut(column)}` is empty, and `{template.path}` needs it"
                found.add(cell_mark(at), message, f"fill the cell, or give `{template.path}` a column of its own")
        return layer.fill({*given, *absent}, lambda column: cell_text(row.cells[index[column]], index[column]))

    def _note_missing_column(self, column: str, template: Template, mistakes: Mistakes) -> None:
        if column not in self._header.index:
            name = "of that name" if template.secret else f"`{cut(column)}`"
            message = f"{self._file} has no column {name} for `{template.path}`"
            mistakes.add(template.mark, message, f"its columns are {cut(', '.join(self._header.index))}")

    def _note_ragged(self, row: Row, mistakes: Mistakes) -> None:
        count, width = len(row.cells), self._header.width
        is_long = count > width
        hint = "a cell that holds a separator needs quotes" if is_long else "an empty cell is written, too"
        message = f"the row has {count:,} cell{'s' if count != 1 else ''}, and the header has {width:,}"
        mistakes.add(row.mark(width if is_long else 0), message, hint)


def _part(node: Mapping, keys: tuple[str, ...]) -> Mapping:
    """A mapping with some of its keys."""
    part = Mapping(node.line, node.column)
    part.key, part.incomplete = node.key, node.incomplete
    part.update((key, value) for key, value in node.items() if key in keys)
    return part


def _faults(found: Mistakes, mistakes: Mistakes) -> Iterator[tuple[int, str, str | None]]:
    """What is wrong with the cells of a row; what is wrong in the manifest is noted there."""
    for problem in found.problems:
        if problem.line == IN_ROW:
            yield problem.column - 1, problem.message, problem.hint
        else:
            mistakes.add(Mark(line=problem.line, column=problem.column), problem.message, problem.hint)


def _is_cell(node: Node | None) -> TypeGuard[Node]:
    """Whether a value comes from the row itself, and not from what the manifest says for all rows."""
    return node is not None and node.line == IN_ROW
