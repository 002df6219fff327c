"""What there is to say about the output folder and the folders in it, whatever is planned for the files."""

from collections.abc import Iterator, Sequence

from edgecerts.desired.graph import LOG_FOLDER
from edgecerts.observed.hard_links import COPY_IT, HARD_LINK
from edgecerts.observed.inventory import Inventory
from edgecerts.plan.model import NoticeCode, Remark

FOLDER = "folder"
"""The address of what is about no single identity."""

MOST_NAMED = 5


def name_some(paths: Sequence[str]) -> str:
    """The first of many, and how many more there are."""
    named, rest = ", ".join(paths[:MOST_NAMED]), len(paths) - MOST_NAMED
    return f"{named} and {rest:,} more" if rest > 0 else named


def note_unreadable(inventory: Inventory) -> Iterator[Remark]:
    """Parts of the log, and folders that belong to nothing in the manifest, that are there and cannot be read."""
    folders = []
    for path, problem in inventory.unreadable.items():
        if path.partition("/")[0] != LOG_FOLDER:
            folders.append(path)
            continue
        mended = COPY_IT if problem == HARD_LINK else "make it a plain file that this user may read and write"
        yield Remark(
            code=NoticeCode.LOG_UNREADABLE.value,
            address=FOLDER,
            message=f"{path} cannot be used, and nothing is signed without a line in it: {problem}",
            hint=mended,
        )
    if folders:
        yield Remark(
            code=NoticeCode.UNREADABLE.value,
            address=FOLDER,
            message=f"what these hold is not known, because they cannot be read: {name_some(folders)}",
            hint="let this user read them, or move them away",
        )
