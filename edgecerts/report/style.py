"""How text is laid out: width and colour, decided once by the command line and passed in."""

import enum
import textwrap
from dataclasses import dataclass

from edgecerts.plan.model import Action
from edgecerts.report.printable import printable


@enum.unique
class Colour(enum.Enum):
    """SGR codes (ECMA-48 §8.3.117) of the few colours in use."""

    BOLD = "1"
    DIM = "2"
    RED = "31"
    GREEN = "32"
    YELLOW = "33"
    CYAN = "36"


ACTION_COLOURS = {
    Action.NO_OP: Colour.DIM,
    Action.CREATE: Colour.GREEN,
    Action.RENEW: Colour.CYAN,
    Action.UPDATE: Colour.YELLOW,
    Action.REKEY: Colour.YELLOW,
    Action.CHMOD: Colour.CYAN,
    Action.DELETE: Colour.RED,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Style:
    """Attributes:
    colour: whether escape sequences may be used.
    width: the columns of a line; only words that are longer run over.
    """

    colour: bool = False
    width: int = 80

    def paint(self, text: str, colour: Colour) -> str:
        """The text in a colour, where colours are in use."""
        return f"\x1b[{colour.value}m{text}\x1b[0m" if self.colour and text else text

    def bold(self, text: str) -> list[str]:
        """A paragraph in bold."""
        return [self.paint(line, Colour.BOLD) for line in self.wrap(text, hanging="  ")]

    def wrap(self, text: str, *, indent: str = "", hanging: str | None = None) -> list[str]:
        """A paragraph as lines; the first after `indent`, the others after `hanging`."""
        return textwrap.wrap(
            printable(text),
            self.width,
            initial_indent=indent,
            subsequent_indent=indent if hanging is None else hanging,
            break_long_words=False,
            break_on_hyphens=False,
        )


def plural(count: int, noun: str) -> str:
    """`1 file`, `2 files`, `10,000 files`."""
    return f"{count:,} {noun}" + ("" if count == 1 else "s")
