"""The values and options that commands share. What they mean is in docs/cli.md."""

import enum
import os
from pathlib import Path
from typing import Annotated

import typer


@enum.unique
class Format(enum.StrEnum):
    """How a result is written."""

    TEXT = "text"
    JSON = "json"


@enum.unique
class PlanFormat(enum.StrEnum):
    """How a plan is written."""

    TEXT = "text"
    JSON = "json"
    MARKDOWN = "markdown"


@enum.unique
class SchemaName(enum.StrEnum):
    """The schemas that edgecerts publishes."""

    PKI = "pki"
    PLAN = "plan"
    APPLY = "apply"
    STATUS = "status"
    HISTORY = "history"
    SAVED_PLAN = "saved-plan"
    REQUEST = "request"
    IMPORT = "import"


@enum.unique
class HazardName(enum.StrEnum):
    """The hazards that can be allowed."""

    CA_REPLACED = "ca-replaced"
    CLOCK_BEHIND = "clock-behind"
    INSECURE_FOLDER = "insecure-folder"
    FOREIGN_FILE = "foreign-file"
    UNREVOKED = "unrevoked"
    UNKNOWN_SERIAL = "unknown-serial"
    UNLISTABLE_SERIAL = "unlistable-serial"


@enum.unique
class FailOn(enum.StrEnum):
    """What `status` finds fault with when it is asked to."""

    WAITING = "waiting"


def parse_path(text: str) -> Path:
    """A path from the command line. An empty one is a variable that was not set, and never the current folder."""
    if not text:
        raise typer.BadParameter("the path is empty")
    return Path(text)


def parse_file_path(text: str) -> Path:
    """The path of one file from the command line. A folder is no file, and `Path` forgets that a path ends in `/`."""
    path = parse_path(text)
    is_folder = os.path.isdir(text)  # noqa: PTH112 (where nothing may be looked at, Path raises)
    if is_folder or text.rpartition("/")[2] in ("", ".", ".."):
        raise typer.BadParameter(f"{text} is a folder; name the file in it")
    return path


ManifestOption = Annotated[
    Path, typer.Option("-f", "--file", help="The manifest.", show_default=True, parser=parse_path, metavar="PATH")
]
OutputOption = Annotated[
    Path | None,
    typer.Option(
        "--output",
        help="The output folder, in place of the manifest's `output`.",
        show_default=False,
        parser=parse_path,
        metavar="PATH",
    ),
]
FormatOption = Annotated[Format, typer.Option("--format", help="How the result is written.")]
PlanFormatOption = Annotated[
    PlanFormat, typer.Option("--format", help="How the plan is written; markdown is for a comment in review.")
]

TargetOption = Annotated[
    list[str] | None,
    typer.Option("--target", metavar="ADDRESS", help="Only this identity or file, with what it depends on."),
]
ReplaceOption = Annotated[
    list[str] | None,
    typer.Option("--replace", metavar="ADDRESS", help="Make this again, or `missing-keys`: a new key for each."),
]
PruneOption = Annotated[bool, typer.Option("--prune", help="Delete our files of entries that left the manifest.")]
AllowOption = Annotated[list[HazardName] | None, typer.Option("--allow", metavar="HAZARD", help="Accept this hazard.")]
AllowInsecureFolderOption = Annotated[
    bool, typer.Option("--allow-insecure-folder", help="The same as --allow insecure-folder.")
]
DetailedOption = Annotated[
    bool, typer.Option("--detailed-exitcode", help="Exit with 2 where there are changes, for gates and hooks.")
]

LockTimeoutOption = Annotated[
    float,
    typer.Option("--lock-timeout", metavar="SECONDS", min=0, help="Wait this long for another apply to end."),
]


NewKeysOption = Annotated[
    Path | None,
    typer.Option(
        "--new-keys-to",
        metavar="FOLDER",
        help="Write new private keys of brokers and clients there, not into the output folder.",
        show_default=False,
        parser=parse_path,
    ),
]
NewAuthorityKeyOption = Annotated[
    Path | None,
    typer.Option(
        "--new-ca-key-to",
        metavar="FILE",
        help="Make an authority whose key is kept elsewhere, and write the key to this file.",
        show_default=False,
        parser=parse_path,
    ),
]
