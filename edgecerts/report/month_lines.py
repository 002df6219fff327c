"""When the certificates of a fleet end and are renewed, month by month."""

from collections.abc import Iterator

from edgecerts.report.style import Colour, Style
from edgecerts.status.model import Status

MAX_MONTHS = 36
_LONGEST_BAR = 40
_BESIDE_BAR = 34


def month_lines(status: Status, style: Style) -> Iterator[str]:
    """A histogram of renewals, with the ends beside it; as many months as a person looks at.

    Args:
        status: of any size.
        style: width and colour.
    """
    months = status.months
    if not months:
        return
    shown, rest = months[:MAX_MONTHS], months[MAX_MONTHS:]
    most = max(month.renewals for month in months)
    room = max(0, min(_LONGEST_BAR, style.width - _BESIDE_BAR))
    yield style.paint("By month", Colour.BOLD)
    yield style.paint(f"  {'MONTH':7}  {'ENDS':>9}  {'RENEWED':>9}", Colour.DIM)
    for month in shown:
        # However few there are, they are seen.
        bar = "#" * -(-month.renewals * room // most) if most else ""
        yield f"  {month.month}  {month.ends:>9,}  {month.renewals:>9,}  {bar}".rstrip()
    if rest:
        ends, renewals = sum(month.ends for month in rest), sum(month.renewals for month in rest)
        yield f"  ... and {len(rest):,} more months: {ends:,} end, {renewals:,} renewed; --format json has them all"
    yield ""
