"""`edgecerts plan`."""

from pathlib import Path

from edgecerts.cli.choices import Choices, parse_time
from edgecerts.cli.clock import current_time
from edgecerts.cli.console import Console
from edgecerts.cli.project import open_project
from edgecerts.errors import ExitCode
from edgecerts.observed import scan
from edgecerts.plan import make_plan
from edgecerts.plan.model import Plan
from edgecerts.report.plan_json import render_plan_json
from edgecerts.report.plan_text import render_plan_text
from edgecerts.report.style import Style


def show_plan(
    path: Path, output: Path | None, choices: Choices, *, form: str, at: str | None, show_all: bool, detailed: bool
) -> ExitCode:
    """Plans and prints the plan.

    Returns:
        0; with `detailed` 1 where something is blocked, else 4 where apply would refuse, else 2 where it would do
        something, else 0.

    Raises:
        StorageError, ManifestError: the manifest cannot be read or used.
        UsageError: a flag cannot be used.
    """
    now = parse_time(at) if at is not None else current_time()
    project = open_project(path, output)
    options = choices.options(project.graph)
    inventory = scan(project.graph, project.output, manifest_folder=project.folder)
    plan = make_plan(project.graph, inventory, now=now, manifest=str(path), options=options)
    console = Console()
    if form == "json":
        console.result(render_plan_json(plan))
    else:
        style = Style(colour=console.has_colour, width=console.width)
        console.result(render_plan_text(plan, style=style, output=str(project.output), show_all=show_all))
    return _detailed_code(plan) if detailed else ExitCode.DONE


def _detailed_code(plan: Plan) -> ExitCode:
    if plan.blocked:
        return ExitCode.ERROR
    if plan.refused:
        return ExitCode.REFUSED
    return ExitCode.CHANGES_PENDING if plan.pending else ExitCode.DONE
