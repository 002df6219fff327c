"""Values of roles and inventories with the names of columns in braces, which each row fills in."""

import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

from edgecerts.manifest.mistakes import Mistakes, quoted
from edgecerts.manifest.model import Mark
from edgecerts.manifest.nodes import Mapping, Node, Scalar, Sequence, is_null
from edgecerts.manifest.settings import Settings, read_settings

_PLACEHOLDER = re.compile(r"\{([^{}]+)\}")
_BRACES = "braces stand around the name of a column, as in {name}"

_OF_THE_ENTRY = frozenset(("csr", "password"))
"""Keys whose `{name}` is replaced for each entry anyway, wherever they stand."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Template:
    """A text with columns in braces.

    Attributes:
        path: its key with dots, as a column has it; for a part of a list or of `password` that of the whole.
        columns: the columns that it names, in order.
        secret: nothing of it is repeated.
    """

    path: str
    columns: tuple[str, ...]
    mark: Mark
    secret: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Layer:
    """What a role, or an inventory, says for everything below it.

    Attributes:
        node: as it was written.
        settings: what it says without any column.
        templates: what it says with one.
        fixed: the mapping without the templates.
    """

    node: Mapping
    settings: Settings
    templates: tuple[Template, ...]
    fixed: Mapping

    def columns(self, given: Collection[str] = ()) -> Iterator[tuple[str, Template]]:
        """Each column that is needed, where what is `given` (paths) overrides what is said here."""
        for template in self.templates:
            if template.path not in given:
                yield from ((column, template) for column in template.columns)

    def fill(self, given: Collection[str], cell: Callable[[str], Scalar]) -> Mapping:
        """The mapping with columns replaced.

        Args:
            given: the paths that are not needed, because something above says them.
            cell: gives the text of a column, and where a mistake in it is noted.
        """
        needed = {template.path for template in self.templates} - set(given)

        def replaced(path: str, scalar: Scalar) -> Scalar | None:
            if _columns_of(path, scalar) is None:
                return scalar
            return _filled(scalar, cell) if path in needed else None

        return _copy(self.node, "", replaced)


def read_layer(node: Mapping, mistakes: Mistakes) -> Layer:
    """Reads a role, or the values of an inventory, already of the right structure."""
    templates = []

    def take_out(path: str, scalar: Scalar) -> Scalar | None:
        columns = _columns_of(path, scalar)
        if columns is None:
            return scalar
        secret = path == "password"
        if set("{}") & set(_PLACEHOLDER.sub("", scalar)):
            what = "`password` has braces" if secret else f"{quoted(scalar)} has braces"
            mistakes.add(scalar.mark, f"{what} that are not the name of a column", _BRACES)
        else:
            templates.append(Template(path=path, columns=columns, mark=scalar.mark, secret=secret))
        return None

    fixed = _copy(node, "", take_out)
    return Layer(node=node, settings=read_settings(fixed, mistakes), templates=tuple(templates), fixed=fixed)


def given_paths(keys: Mapping) -> set[str]:
    """What a mapping says itself, as the paths of templates."""
    subject = keys.get("subject")
    fields = subject if isinstance(subject, Mapping) else ()
    return {key for key in keys if not is_null(keys[key])} | {f"subject.{field}" for field in fields}


def _columns_of(path: str, scalar: Scalar) -> tuple[str, ...] | None:
    """The columns in a text; None where there are none, or where what reads it replaces them itself."""
    if not _may_have_columns(path) or not set("{}") & set(scalar):
        return None
    columns = tuple(_PLACEHOLDER.findall(scalar))
    is_native = path in _OF_THE_ENTRY and set(columns) == {"name"}
    return None if is_native and not set("{}") & set(scalar.replace("{name}", "")) else columns


def _may_have_columns(path: str) -> bool:
    return path in ("common_name", "alt_names", "csr", "password") or path.startswith("subject.")


def _filled(scalar: Scalar, cell: Callable[[str], Scalar]) -> Scalar:
    """A text with its columns replaced; a mistake in it is noted at the first of them that is not the name."""
    columns = _PLACEHOLDER.findall(scalar)
    cells = [cell(column) for column in columns]
    first = next((text for text, column in zip(cells, columns, strict=True) if column != "name"), cells[0])
    texts = iter(cells)
    return Scalar(_PLACEHOLDER.sub(lambda _: next(texts), scalar), first.line, first.column, plain=False)


def _changed(node: Node, path: str, change: Callable[[str, Scalar], Scalar | None]) -> Node | None:
    """A node with other scalars. One that becomes None is left out, with the list or password that it is in."""
    if isinstance(node, Scalar):
        return change(path, node)
    if isinstance(node, Mapping):
        copy = _copy(node, path, change)
        return None if path == "password" and len(copy) < len(node) else copy
    items = [_changed(item, path, change) for item in node]
    found = Sequence(node.line, node.column)
    found.key = node.key
    found.extend(item for item in items if item is not None)
    return found if len(found) == len(node) else None


def _copy(node: Mapping, path: str, change: Callable[[str, Scalar], Scalar | None]) -> Mapping:
    copy = Mapping(node.line, node.column)
    copy.key, copy.incomplete = node.key, node.incomplete
    for key, value in node.items():
        changed = _changed(value, f"subject.{key}" if path == "subject" else path or key, change)
        if changed is not None:
            copy[key] = changed
    return copy
