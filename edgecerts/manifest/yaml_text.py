"""YAML text to a tree of nodes, from the parser's events.

The event stream is read rather than the documents that PyYAML makes of it: nothing is turned into a number, a date
or a Norwegian `false`, duplicate keys are seen, no alias is expanded, and nesting is counted before it can exhaust
the stack.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import yaml

from edgecerts.manifest.mistakes import Mistakes, cut
from edgecerts.manifest.model import Mark
from edgecerts.manifest.nodes import Mapping, Node, Scalar, Sequence
from edgecerts.manifest.text import CONTROL_CHARACTERS

MAX_DEPTH = 32
MAX_NODES = 5_000_000

_SECRET_KEYS = frozenset(("password", "passphrase", "passwd", "passwort", "secret", "private_key"))
_DROPPED: Final = Scalar("", 0, 0, plain=True)  # stands where a key was that could not be kept

_REPEAT = "write the values out where they are needed, or put them under `defaults`"


def load_tree(text: str, mistakes: Mistakes) -> Mapping:
    """Reads a manifest.

    Args:
        text: the text, without a byte order mark, with no control characters.
        mistakes: what is wrong but does not stop the reading is added here.

    Raises:
        ManifestError: the text is not YAML, or not one document that holds a mapping.
    """
    root = _build(text, mistakes)
    if root is None or (isinstance(root, Scalar) and root.is_null):
        mistakes.stop(Mark(line=1, column=1), "the manifest is empty", "`edgecerts init` writes one to start from")
    if not isinstance(root, Mapping):
        mistakes.stop(
            root.mark, "a manifest is a mapping", "it begins with `version: 1`, then `ca:`, `brokers:`, `clients:`"
        )
    return root


def load_list(text: str, mistakes: Mistakes) -> Sequence:
    """Reads a file that holds one list; an empty file holds an empty one.

    Raises:
        ManifestError: as for `load_tree`.
    """
    root = _build(text, mistakes)
    if root is None or (isinstance(root, Scalar) and root.is_null):
        return Sequence(1, 1)
    if not isinstance(root, Sequence):
        mistakes.stop(root.mark, "this file holds a list", "write each entry on a line of its own, after a dash")
    return root


def _build(text: str, mistakes: Mistakes) -> Node | None:
    """The tree of one YAML document, or None where there is none."""
    builder = _Builder(mistakes)
    try:
        for event in _events(text):
            builder.take(event)
    except (yaml.YAMLError, ValueError) as error:
        # A ValueError: PyYAML without libyaml turns escapes into characters, and numbers of versions, unchecked.
        from edgecerts.manifest.syntax import explain

        mistake = explain(error, text)
        mistakes.stop(mistake.mark, mistake.message, mistake.hint)
    return builder.root


def _events(text: str) -> Iterator[yaml.Event]:
    # libyaml where PyYAML was built with it: eight times as fast, and the same events.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    events: Iterator[yaml.Event] = yaml.parse(text, Loader=loader)
    return events


@dataclass(kw_only=True, slots=True)
class _Frame:
    """A collection that is being filled.

    Attributes:
        node: the collection, a `Mapping` or ...
        is_list: ... a `Sequence`.
        secret: it is under `password`, where no key is repeated.
        refused: it is part of something that has been refused as a whole, so no more is said about it.
        key: in a mapping, the key whose value comes next.
    """

    node: Any
    is_list: bool
    secret: bool
    refused: bool
    key: Scalar | None = None


class _Builder:
    """Puts events together into nodes.

    Attributes:
        root: the finished tree.
    """

    def __init__(self, mistakes: Mistakes) -> None:
        self._mistakes = mistakes
        self.root: Node | None = None
        self._stack: list[_Frame] = []
        self._nodes = 0
        self._documents = 0

    def take(self, event: Any) -> None:
        """Takes the next event in."""
        # Both loaders make events of exactly these classes; a long list has hundreds of thousands.
        kind = event.__class__
        if kind is yaml.ScalarEvent:
            self._take_scalar(event)
        elif kind is yaml.MappingStartEvent or kind is yaml.SequenceStartEvent:
            self._open(event)
        elif kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
            self._stack.pop()
        elif kind is yaml.AliasEvent:
            self._refuse_alias(event)
        elif kind is yaml.DocumentStartEvent:
            self._begin_document(event)

    def _take_scalar(self, event: yaml.ScalarEvent) -> None:
        line, column = _position(event)
        scalar = Scalar(event.value, line, column, plain=event.style is None or event.style == "")
        is_refused = (event.anchor is not None or event.tag is not None) and self._refuse_properties(event)
        # Elsewhere the text itself was looked at; only double quotes have escapes.
        if event.style == '"' and CONTROL_CHARACTERS.search(scalar):
            self._note(scalar.mark, "the text holds a control character", "remove the escape that makes it")
            self._drop()
        elif is_refused and not scalar:
            self._drop()  # the value that is missing went into the anchor or the tag
        else:
            self._place(scalar)

    def _open(self, event: yaml.CollectionStartEvent) -> None:
        is_mapping = isinstance(event, yaml.MappingStartEvent)
        node = (Mapping if is_mapping else Sequence)(*_position(event))
        if len(self._stack) >= MAX_DEPTH:
            self._mistakes.stop(node.mark, f"nested more than {MAX_DEPTH} levels deep")
        if event.anchor is not None or event.tag is not None:
            self._refuse_properties(event)
        above = self._stack[-1] if self._stack else None
        secret = above is not None and (above.secret or above.key in _SECRET_KEYS)
        refused = above is not None and (above.refused or above.key is _DROPPED)
        is_key = above is not None and isinstance(above.node, Mapping) and above.key is None
        self._place(node)
        self._stack.append(_Frame(node=node, is_list=not is_mapping, secret=secret, refused=refused or is_key))

    def _note(self, mark: Mark, message: str, hint: str | None) -> None:
        if not (self._stack and self._stack[-1].refused):
            self._mistakes.add(mark, message, hint)

    def _place(self, node: Node) -> None:
        """Puts a finished or freshly opened node where the events before it say."""
        self._nodes += 1
        if self._nodes > MAX_NODES:
            self._mistakes.stop(node.mark, f"more than {MAX_NODES:,} values")
        if not self._stack:
            self.root = node
            return
        frame = self._stack[-1]
        if frame.is_list:
            frame.node.append(node)
            return
        if frame.key is None:
            frame.key = self._accept_key(frame, frame.node, node)
        else:
            key, frame.key = frame.key, None
            if key is not _DROPPED:
                node.key = key
                frame.node[key] = node

    def _accept_key(self, frame: _Frame, mapping: Mapping, node: Node) -> Scalar:
        """The node as a key, or `_DROPPED` where it cannot be one."""
        if isinstance(node, Scalar) and node in mapping:
            first = mapping[node].key
            name = "a key" if frame.secret else f"`{cut(node)}`"
            self._note(node.mark, f"{name} is given twice", f"the first is on line {first.line}" if first else None)
            return _DROPPED
        if not isinstance(node, Scalar):
            self._note(node.mark, "a key must be plain text", "text with brackets or braces needs quotes")
        elif not node:
            self._note(node.mark, "a key is missing before the colon", None)
        elif node.plain and node == "<<":
            self._note(node.mark, "merge keys are not used in a manifest", _REPEAT)
        else:
            return node
        mapping.incomplete = True
        return _DROPPED

    def _refuse_properties(self, event: yaml.ScalarEvent | yaml.CollectionStartEvent) -> bool:
        """Notes an anchor or a tag, and says whether there was one."""
        # Neither is repeated: under `password` it may be a secret that begins with & or !.
        anchor, tag = event.anchor is not None, event.tag is not None
        if anchor:
            hint = f"{_REPEAT}; text that begins with & needs quotes"
            self._note(_mark(event), "anchors are not used in a manifest", hint)
        if tag:
            hint = "every value is text as it stands; text that begins with ! needs quotes"
            self._note(_mark(event), "tags are not used in a manifest", hint)
        return anchor or tag

    def _refuse_alias(self, event: yaml.AliasEvent) -> None:
        # Behind a merge key, or another key that has been refused, one message is enough.
        if not self._stack or self._stack[-1].key is not _DROPPED:
            hint = f"{_REPEAT}; text that begins with * needs quotes"
            self._note(_mark(event), "aliases are not used in a manifest", hint)
        self._drop()

    def _drop(self) -> None:
        """Goes on as if the scalar or alias at this place had been taken."""
        if not self._stack:
            self.root = Mapping(1, 1)
            self.root.incomplete = True
            return
        frame = self._stack[-1]
        if isinstance(frame.node, Mapping):
            frame.node.incomplete = True
            frame.key = _DROPPED if frame.key is None else None

    def _begin_document(self, event: yaml.DocumentStartEvent) -> None:
        self._documents += 1
        mark = _mark(event)
        if self._documents > 1:
            self._mistakes.stop(
                mark, "a second document begins here", "a manifest is one document; remove the line `---`"
            )
        if event.tags:
            self._mistakes.add(mark, "tags are not used in a manifest", "remove the lines that begin with %TAG")


def _position(event: yaml.Event) -> tuple[int, int]:
    """Line and column, both from 1; every event of a text has them."""
    mark = event.start_mark
    return (mark.line + 1, mark.column + 1) if mark else (1, 1)


def _mark(event: yaml.Event) -> Mark:
    line, column = _position(event)
    return Mark(line=line, column=column)
