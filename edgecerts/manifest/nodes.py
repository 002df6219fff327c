"""The manifest as a tree of text: what was written, where, and nothing guessed.

Each node is a plain `str`, `dict` or `list` that also knows its position and the key that it stands under, so a
schema validator can walk the tree as it is and a message can always name a line and a column.
"""

from typing import Self, TypeAlias

from edgecerts.manifest.model import Mark

NULLS = frozenset(("", "~", "null", "Null", "NULL"))
"""The plain scalars that YAML 1.2 (core schema, §10.3.2) reads as no value at all."""

TRUE = frozenset(("true", "True", "TRUE"))
FALSE = frozenset(("false", "False", "FALSE"))


class Scalar(str):
    """A scalar, with the text that was written.

    Attributes:
        line: its line, from 1.
        column: its column, from 1.
        plain: written without quotes and not as a block.
        key: the key that it stands under, or None in a list and for keys themselves.
    """

    __slots__ = ("column", "key", "line", "plain")

    line: int
    column: int
    plain: bool
    key: "Scalar | None"

    def __new__(cls, text: str, line: int, column: int, *, plain: bool) -> Self:
        self = super().__new__(cls, text)
        self.line = line
        self.column = column
        self.plain = plain
        self.key = None
        return self

    @property
    def mark(self) -> Mark:
        """Where it begins."""
        return Mark(line=self.line, column=self.column)

    @property
    def is_null(self) -> bool:
        """Whether nothing was written, or a word for nothing."""
        return self.plain and self in NULLS


class Mapping(dict[str, "Node"]):
    """A mapping; its keys are `Scalar`s, and each value knows its key.

    Attributes:
        incomplete: something was written here that could not be kept, so a missing key proves nothing.
    """

    __slots__ = ("column", "incomplete", "key", "line")

    def __init__(self, line: int, column: int) -> None:
        super().__init__()
        self.line = line
        self.column = column
        self.key: Scalar | None = None
        self.incomplete = False

    @property
    def mark(self) -> Mark:
        """Where it begins."""
        return Mark(line=self.line, column=self.column)


class Sequence(list["Node"]):
    """A list, with its position and key."""

    __slots__ = ("column", "key", "line")

    def __init__(self, line: int, column: int) -> None:
        super().__init__()
        self.line = line
        self.column = column
        self.key: Scalar | None = None

    @property
    def mark(self) -> Mark:
        """Where it begins."""
        return Mark(line=self.line, column=self.column)


Node: TypeAlias = Scalar | Mapping | Sequence


def key_mark(node: Node) -> Mark:
    """Where the key of a node stands, or the node itself where it has none."""
    return node.key.mark if node.key is not None else node.mark


def is_null(node: Node) -> bool:
    """Whether a node is a scalar without a value."""
    return isinstance(node, Scalar) and node.is_null


def is_true(node: Node | None) -> bool:
    """Whether a boolean, of which it is known that it is one, is there and true."""
    return isinstance(node, Scalar) and node in TRUE
