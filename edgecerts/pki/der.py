"""Just enough of DER (X.690 §10) to see what kind of thing a file holds before a library is asked to read it."""

from dataclasses import dataclass

INTEGER, BIT_STRING, OCTET_STRING, OBJECT_ID, SEQUENCE = 0x02, 0x03, 0x04, 0x06, 0x30

_MOST_LENGTH_OCTETS = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class Element:
    """One element: its tag and what is in it."""

    tag: int
    content: bytes

    @property
    def number(self) -> int:
        """The value of an INTEGER."""
        return int.from_bytes(self.content, "big", signed=True)


def read_element(data: bytes) -> Element:
    """Reads data that is one element and nothing else.

    Raises:
        ValueError: it is not.
    """
    element, end = _element_at(data, 0)
    if end != len(data):
        raise ValueError("there is something after the element")
    return element


def read_elements(content: bytes, *, most: int) -> list[Element]:
    """The first elements in the content of another.

    Args:
        most: how many are wanted; what stands behind them is not looked at.

    Raises:
        ValueError: one of them is cut off.
    """
    elements: list[Element] = []
    at = 0
    while at < len(content) and len(elements) < most:
        element, at = _element_at(content, at)
        elements.append(element)
    return elements


def _element_at(data: bytes, at: int) -> tuple[Element, int]:
    if len(data) < at + 2:
        raise ValueError("the element is cut off")
    tag, length, begin = data[at], data[at + 1], at + 2
    if length & 0x80:
        octets = length & 0x7F
        if not 0 < octets <= _MOST_LENGTH_OCTETS:
            raise ValueError("the element has no usable length")
        length, begin = int.from_bytes(data[begin : begin + octets], "big"), begin + octets
    if len(data) < begin + length:
        raise ValueError("the element is cut off")
    return Element(tag=tag, content=data[begin : begin + length]), begin + length
