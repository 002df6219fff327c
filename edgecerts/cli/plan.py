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


def show_plan(
    path: Path,
    output: Path | None,
    choices: Choices,
    *,
    form: str,
    at: str | None,
    show_all: bool,
    detailed: bool,
    out: Path | None,
) -> ExitCode:
    """Plans and prints the plan, and saves it where that is asked for.

    Returns:
        0; with `detailed` 1 where something is blocked, else 4 where apply would refuse, else 2 where it would do
        something, else 0.

    Raises:
        StorageError, ManifestError: the manifest cannot be read or used, or the plan cannot be saved.
        UsageError: a flag cannot be used.
    """
    now = parse_time(at) if at is not None else current_time()
    project = open_project(path, output)
    options = choices.options(project.graph)
    inventory = scan(project.graph, project.output, manifest_folder=project.folder)
    plan = make_plan(project.graph, inventory, now=now, manifest=str(path), options=options, owners=project.owners)
    console = Console()
    console.result(_render(plan, console, form=form, output=str(project.output), show_all=show_all))
    if out is not None:
        from edgecerts.apply.plan_file import write_plan_file
        from edgecerts.report.saved_plan_json import render_saved_plan
        from edgecerts.saved.model import find_basis

        write_plan_file(out, render_saved_plan(plan, find_basis(plan, project.graph, inventory), options))
        console.tell(f"saved the plan in {out}; after review: edgecerts apply {out}\n")
    return _detailed_code(plan) if detailed else ExitCode.DONE


def _render(plan: Plan, console: Console, *, form: str, output: str, show_all: bool) -> str:
    """The plan in one of its forms, of which only one is imported."""
    if form == "json":
        from edgecerts.report.plan_json import render_plan_json

        return render_plan_json(plan)
    if form == "markdown":
        from edgecerts.report.plan_markdown import render_plan_markdown

        return render_plan_markdown(plan, output=output)
    from edgecerts.report.plan_text import render_plan_text
    from edgecerts.report.style import Style

    style = Style(colour=console.has_colour, width=console.width)
    return render_plan_text(plan, style=style, output=output, show_all=show_all)


def _detailed_code(plan: Plan) -> ExitCode:
    if plan.blocked:
        return ExitCode.ERROR
    if plan.refused or plan.refuses_entries:
        return ExitCode.REFUSED
    return ExitCode.CHANGES_PENDING if plan.pending else ExitCode.DONE
