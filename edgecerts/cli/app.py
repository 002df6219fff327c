"""The commands and their flags.

The bodies import what they need when they run, because every command has to start at once: `--version` and a usage
error load neither cryptography nor jsonschema.
"""

import math
import sys
from pathlib import Path
from typing import Annotated

import typer

from edgecerts import __version__
from edgecerts.cli.options import (
    AllowInsecureFolderOption,
    AllowOption,
    DetailedOption,
    FailOn,
    Format,
    FormatOption,
    HazardName,
    LockTimeoutOption,
    ManifestOption,
    NewAuthorityKeyOption,
    NewKeysOption,
    OutputOption,
    PlanFormat,
    PlanFormatOption,
    PruneOption,
    ReplaceOption,
    SchemaName,
    TargetOption,
    parse_file_path,
    parse_path,
)
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


def _allowed(allow: list[HazardName] | None, *, insecure_folder: bool) -> list[HazardName]:
    """The hazards that are allowed, by either flag."""
    return [*(allow or ()), *([HazardName.INSECURE_FOLDER] if insecure_folder else ())]


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
    debug: Annotated[
        bool, typer.Option("--debug", help="Show where in the code a bug happened. Shows no variables.")
    ] = False,
) -> None:
    # `run` takes --debug out of the arguments, wherever it stands; here it is only explained.
    del version, debug


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
    file: ManifestOption = _DEFAULT_MANIFEST,
    output: OutputOption = None,
    format_: PlanFormatOption = PlanFormat.TEXT,
    target: TargetOption = None,
    replace: ReplaceOption = None,
    prune: PruneOption = False,
    allow: AllowOption = None,
    allow_insecure_folder: AllowInsecureFolderOption = False,
    at: Annotated[
        str | None, typer.Option("--at", metavar="WHEN", help="Plan for this time: a date, or RFC 3339.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="PLANFILE", help="Save the plan, to review it and then apply it.")
    ] = None,
    all_: Annotated[bool, typer.Option("--all", help="Show what is as declared, too.")] = False,
    detailed_exitcode: DetailedOption = False,
) -> None:
    """Show what apply would do and why. Opens no password source and changes nothing."""
    from edgecerts.cli.choices import Choices
    from edgecerts.cli.plan import show_plan

    if out is not None and at is not None:
        raise UsageError("--out and --at do not go together", hint="a plan for another time cannot be carried out")
    allowed = _allowed(allow, insecure_folder=allow_insecure_folder)
    choices = Choices(target=target, replace=replace, prune=prune, allow=allowed)
    code = show_plan(
        file, output, choices, form=format_.value, at=at, show_all=all_, detailed=detailed_exitcode, out=out
    )
    raise typer.Exit(code)


@app.command("apply")
def apply_command(
    plan_file: Annotated[
        Path | None,
        typer.Argument(metavar="[PLANFILE]", help="A plan that `plan --out` saved: do this and nothing else."),
    ] = None,
    file: ManifestOption = _DEFAULT_MANIFEST,
    output: OutputOption = None,
    format_: FormatOption = Format.TEXT,
    target: TargetOption = None,
    replace: ReplaceOption = None,
    prune: PruneOption = False,
    allow: AllowOption = None,
    allow_insecure_folder: AllowInsecureFolderOption = False,
    detailed_exitcode: DetailedOption = False,
    lock_timeout: LockTimeoutOption = 0,
    new_keys_to: NewKeysOption = None,
    new_ca_key_to: NewAuthorityKeyOption = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", hidden=True)] = False,
) -> None:
    """Carry out the plan. Does nothing where everything is as declared."""
    if yes:
        raise UsageError("apply never asks for confirmation, so there is no --yes", hint="run edgecerts apply alone")
    allowed = _allowed(allow, insecure_folder=allow_insecure_folder)
    if plan_file is not None and (target or replace or prune or allowed):
        raise UsageError(
            "a saved plan has its own --target, --replace, --prune and --allow",
            hint="give them to edgecerts plan --out, and review what it shows",
        )
    if plan_file is not None and new_ca_key_to is not None:
        raise UsageError(
            "--new-ca-key-to does not go with a saved plan", hint="make the authority first: edgecerts apply alone"
        )
    if not math.isfinite(lock_timeout):
        raise UsageError("--lock-timeout is a number of seconds", hint="for a day, write 86400")
    from edgecerts.cli.platform import find_platform_notice

    notice = find_platform_notice(sys.platform)
    from edgecerts.cli.apply import apply
    from edgecerts.cli.choices import Choices

    choices = Choices(target=target, replace=replace, prune=prune, allow=allowed, new_ca_key=new_ca_key_to is not None)
    code = apply(
        file,
        output,
        choices,
        plan_file=plan_file,
        as_json=format_ is Format.JSON,
        detailed=detailed_exitcode,
        lock_timeout=lock_timeout,
        new_keys_to=new_keys_to,
        new_ca_key_to=new_ca_key_to,
        notice=notice,
    )
    raise typer.Exit(code)


@app.command("status")
def status_command(
    file: ManifestOption = _DEFAULT_MANIFEST,
    output: OutputOption = None,
    format_: FormatOption = Format.TEXT,
    at: Annotated[
        str | None, typer.Option("--at", metavar="WHEN", help="Look from this time: a date, or RFC 3339.")
    ] = None,
    within: Annotated[
        str | None, typer.Option("--within", metavar="DURATION", help="What ends within this time is a finding, too.")
    ] = None,
    fail_on: Annotated[
        list[FailOn] | None, typer.Option("--fail-on", metavar="STATE", help="This is a finding, too: `waiting`.")
    ] = None,
    history: Annotated[
        str | None, typer.Option("--history", metavar="ADDRESS", help="What was issued to this identity, by the log.")
    ] = None,
) -> None:
    """Show what exists and when it ends. Exits with 3 where something is wrong. Changes nothing."""
    from edgecerts.cli.status import show_history, show_status

    if history is not None:
        if within is not None or fail_on:
            flag = "--within" if within is not None else "--fail-on"
            raise UsageError(f"--history and {flag} do not go together", hint="a history has no findings")
        raise typer.Exit(show_history(file, output, history, form=format_.value, at=at))
    code = show_status(file, output, form=format_.value, at=at, within=within, fail_on=fail_on or ())
    raise typer.Exit(code)


@app.command("request")
def request_command(
    address: Annotated[str, typer.Argument(metavar="ADDRESS", help="The broker or client, such as broker/plant-a.")],
    file: ManifestOption = _DEFAULT_MANIFEST,
    output: OutputOption = None,
    key: Annotated[
        Path | None,
        typer.Option("--key", help="Where its private key is, or will be.", parser=parse_file_path, metavar="PATH"),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Where the request goes.", parser=parse_file_path, metavar="PATH")
    ] = None,
    certificate: Annotated[
        Path | None,
        typer.Option("--certificate", help="Where its certificate is.", parser=parse_file_path, metavar="PATH"),
    ] = None,
    rekey: Annotated[
        bool, typer.Option("--rekey", help="Make a new key, which takes over when its certificate is here.")
    ] = False,
    format_: FormatOption = Format.TEXT,
) -> None:
    """On a host with `key_held: csr`: make its private key and its certificate request."""
    from edgecerts.cli.platform import find_platform_notice

    notice = find_platform_notice(sys.platform, "request")
    from edgecerts.cli.request import Locations, request

    where = Locations(key=key, request=out, certificate=certificate)
    code = request(address, file, output, where, rekey=rekey, as_json=format_ is Format.JSON, notice=notice)
    raise typer.Exit(code)


@app.command("import")
def import_command(
    source: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="The folder of keys and certificates.", parser=parse_path)
    ],
    file: Annotated[
        Path,
        typer.Option(
            "-f", "--file", help="The manifest to write; never over an existing one.", parser=parse_path, metavar="PATH"
        ),
    ] = _DEFAULT_MANIFEST,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", help="Where the copies go; default: pki beside the manifest.", parser=parse_path, metavar="PATH"
        ),
    ] = None,
    password: Annotated[
        list[str] | None,
        typer.Option("--password", metavar="REF", help="Where a password is: env:NAME or file:PATH. Repeatable."),
    ] = None,
    ca: Annotated[
        str | None,
        typer.Option("--ca", metavar="NAME", help="The authority to take over: its common name or fingerprint."),
    ] = None,
    broker: Annotated[
        list[str] | None,
        typer.Option("--broker", metavar="NAME", help="A broker's certificate, by name, host or file, or a pattern."),
    ] = None,
    client: Annotated[
        list[str] | None,
        typer.Option("--client", metavar="NAME", help="A client's certificate, likewise. Both are repeatable."),
    ] = None,
    without_locked_keys: Annotated[
        bool, typer.Option("--without-locked-keys", help="Go on where keys that were not found may be locked ones.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Report, and write nothing.")] = False,
    format_: FormatOption = Format.TEXT,
) -> None:
    """Take over keys and certificates that other tools made. Nothing in their folder is changed."""
    from edgecerts.cli.platform import find_platform_notice

    notice = find_platform_notice(sys.platform, "import")
    from edgecerts.adoption.told_roles import ToldRoles
    from edgecerts.cli.import_folder import import_folder

    code = import_folder(
        source,
        file,
        output,
        passwords=password or (),
        authority=ca,
        told=ToldRoles(brokers=broker or (), clients=client or ()),
        without_locked_keys=without_locked_keys,
        dry_run=dry_run,
        as_json=format_ is Format.JSON,
        notice=notice,
    )
    raise typer.Exit(code)


@app.command("schema")
def schema_command(
    name: Annotated[SchemaName, typer.Argument(help="Which schema.", show_default=True)] = SchemaName.PKI,
) -> None:
    """Print a JSON Schema: of the manifest, for editors, or of what a command prints with --format json."""
    from edgecerts.cli.schema import print_schema

    raise typer.Exit(print_schema(name.value))
