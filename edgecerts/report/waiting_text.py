"""What hosts have to send first, as text: with commands that can be copied, so they stand on lines of their own."""

from collections.abc import Sequence

from edgecerts.plan.waiting import Waiting
from edgecerts.report.change_lines import MAX_IDENTITIES, hint_lines
from edgecerts.report.printable import printable
from edgecerts.report.style import Colour, Style

TITLE = "Waiting for their hosts"
MOST_COMMANDS = 5
"""Of more hosts than this, only what is waited for is shown; `--format json` has the commands of all."""

WITHOUT_EDGECERTS = "where edgecerts is not installed, this one line:"
MANY = "on each host: edgecerts request ADDRESS; --format json has a line for hosts without edgecerts"


def waiting_block(waiting: Sequence[Waiting], style: Style) -> list[str]:
    """A titled list, and an empty line after it; nothing where nothing waits."""
    if not waiting:
        return []
    lines = [style.paint(TITLE, Colour.BOLD)]
    for entry in waiting[:MAX_IDENTITIES]:
        lines += style.wrap(printable(f"{entry.address}: {entry.message}"), indent="  ", hanging="      ")
        if len(waiting) <= MOST_COMMANDS:
            lines += hint_lines(entry.hint, style)
            lines += hint_lines(WITHOUT_EDGECERTS, style)
            # Never broken: half of a command is another command.
            lines.append(f"         {printable(entry.command)}")
    if len(waiting) > MAX_IDENTITIES:
        lines.append(f"  ... and {len(waiting) - MAX_IDENTITIES:,} more; --format json has them all")
    if len(waiting) > MOST_COMMANDS:
        lines += hint_lines(MANY, style)
    return [*lines, ""]
