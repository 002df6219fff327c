"""The commands and their flags.

The bodies import what they need when they run, because every command has to start at once: `--version` and a usage
error load neither cryptography nor jsonschema.
"""

import enum
from pathlib import Path
from typing import Annotated

import typer

from edgecerts import __version__
from edgecerts.cli.exits import run_and_exit
from edgecerts.errors import UsageError

app = typer.Typer(
    name="edgecerts",
    help="Plans and makes the certificates of MQTT brokers and clients from one file, pki.yaml.",
    epilog="Start with: edgecerts init, edgecerts plan, edgecerts apply.",
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@enum.unique
class Format(enum.StrEnum):
    """How a result is written."""

    TEXT = "text"
    JSON = "json"


@enum.unique
class SchemaName(enum.StrEnum):
    """The schemas that edgecerts publishes."""

    PKI = "pki"
    PLAN = "plan"
    APPLY = "apply"


ManifestOption = Annotated[Path, typer.Option("-f", "--file", help="The manifest.", show_default=True)]
OutputOption = Annotated[
    Path | None,
    typer.Option("--output", help="The output folder, in place of the manifest's `output`.", show_default=False),
]
FormatOption = Annotated[Format, typer.Option("--format", help="How the result is written.")]

_DEFAULT_MANIFEST = Path("pki.yaml")


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"edgecerts {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    del version


@app.command("init")
def init_command(file: ManifestOption = _DEFAULT_MANIFEST) -> None:
    """Write a commented pki.yaml to start from. Never over an existing file."""
    from edgecerts.cli.init import write_starter

    raise typer.Exit(write_starter(file))


@app.command("validate")
def validate_command(file: ManifestOption = _DEFAULT_MANIFEST) -> None:
    """Check the manifest and report every mistake with its position."""
    from edgecerts.cli.validate import validate

    raise typer.Exit(validate(file))


@app.command("plan")
def plan_command(
    file: ManifestOption = _DEFAULT_MANIFEST, output: OutputOption = None, format_: FormatOption = Format.TEXT
) -> None:
    """Show what apply would do and why. Opens no password source and changes nothing."""
    from edgecerts.cli.plan import show_plan

    raise typer.Exit(show_plan(file, output, as_json=format_ is Format.JSON))


@app.command("apply")
def apply_command(
    file: ManifestOption = _DEFAULT_MANIFEST,
    output: OutputOption = None,
    format_: FormatOption = Format.TEXT,
    yes: Annotated[bool, typer.Option("--yes", "-y", hidden=True)] = False,
) -> None:
    """Make what is missing. Does nothing where everything is as declared."""
    if yes:
        raise UsageError("apply never asks for confirmation, so there is no --yes", hint="run edgecerts apply alone")
    from edgecerts.cli.apply import apply

    raise typer.Exit(apply(file, output, as_json=format_ is Format.JSON))


@app.command("schema")
def schema_command(
    name: Annotated[SchemaName, typer.Argument(help="Which schema.", show_default=True)] = SchemaName.PKI,
) -> None:
    """Print a JSON Schema: of the manifest, for editors, or of what plan and apply print with --format json."""
    from edgecerts.cli.schema import print_schema

    raise typer.Exit(print_schema(name.value))


def main() -> None:
    """The program. Ends the process with one of the exit codes of `ExitCode`."""
    run_and_exit(app)
