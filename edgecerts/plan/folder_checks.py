"""What there is to say about the output folder and the folders in it, whatever is planned for the files."""

import stat
from collections.abc import Container, Iterator, Sequence
from dataclasses import replace

from edgecerts.desired.graph import LOG_FOLDER
from edgecerts.observed.inventory import FolderFacts, Inventory
from edgecerts.plan.model import HazardCode, NoticeCode, Remark

FOLDER = "folder"
"""The address of what is about no single identity."""

MOST_NAMED = 5


def name_some(paths: Sequence[str]) -> str:
    """The first of many, and how many more there are."""
    named, rest = ", ".join(paths[:MOST_NAMED]), len(paths) - MOST_NAMED
    return f"{named} and {rest:,} more" if rest > 0 else named


def find_insecure_folders(inventory: Inventory, owners: Container[int]) -> Remark | None:
    """The hazard that somebody else may put what he likes in the place of our files, or takes away.

    Args:
        inventory: what was found.
        owners: the numbers of the users that our folders may belong to.
    """
    open_to_all = [_name(folder) for folder in inventory.folders if folder.mode & stat.S_IWOTH]
    others = [f"{_name(folder)} (user {folder.owner})" for folder in inventory.folders if folder.owner not in owners]
    if not open_to_all and not others:
        return None
    found = [f"open to everybody for writing: {name_some(open_to_all)}"] if open_to_all else []
    found += [f"of another user: {name_some(others)}"] if others else []
    mended = ["chmod -R o-w"] if open_to_all else []
    mended += ["chown to the owner of the manifest"] if others else []
    advice = f"look for what is not yours in them, then {' and '.join(mended)}; or, if it must be so"
    if not inventory.keeps_modes and not others:
        advice = "permissions are not kept here; move the output folder to another file system, or accept it"
    return Remark(
        code=HazardCode.INSECURE_FOLDER.value,
        address=FOLDER,
        message=f"others could exchange keys and certificates in folders of ours; {'; '.join(found)}",
        hint=f"{advice}: --allow-insecure-folder",
    )


def note_folders(inventory: Inventory, insecure: Remark | None) -> Iterator[Remark]:
    """What is no hazard: folders that a group may write to, and permissions that are not kept.

    Args:
        inventory: what was found.
        insecure: what is a hazard as soon as anything is written, where nothing is.
    """
    if insecure is not None:
        yield replace(insecure, code=NoticeCode.INSECURE_FOLDER.value)
    by_group = [
        _name(folder) for folder in inventory.folders if folder.mode & stat.S_IWGRP and not folder.mode & stat.S_IWOTH
    ]
    if by_group:
        hint = "chmod g-w, unless everybody in the group may exchange keys and certificates"
        yield Remark(
            code=NoticeCode.FOLDER_GROUP_WRITABLE.value,
            address=FOLDER,
            message=f"open to a group for writing: {name_some(by_group)}",
            hint=hint if inventory.keeps_modes else None,
        )
    if not inventory.keeps_modes:
        yield Remark(
            code=NoticeCode.MODES_NOT_KEPT.value,
            address=FOLDER,
            message="the file system keeps no permissions, so those of private keys are neither compared nor mended",
            hint="whoever may use this file system can read the keys; keep them on another one where that matters",
        )


def _name(folder: FolderFacts) -> str:
    return folder.path or "the output folder itself"


def note_unreadable(inventory: Inventory) -> Iterator[Remark]:
    """Folders that belong to nothing in the manifest and cannot be read. The log has checks of its own."""
    folders = [path for path in inventory.unreadable if path.partition("/")[0] != LOG_FOLDER]
    if folders:
        yield Remark(
            code=NoticeCode.UNREADABLE.value,
            address=FOLDER,
            message=f"what these hold is not known, because they cannot be read: {name_some(folders)}",
            hint="let this user read them, or move them away",
        )
