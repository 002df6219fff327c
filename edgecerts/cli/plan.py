"""`edgecerts plan`."""

from pathlib import Path

from edgecerts.cli.clock import current_time
from edgecerts.cli.console import Console
from edgecerts.cli.project import open_project
from edgecerts.errors import ExitCode
from edgecerts.observed import scan
from edgecerts.plan import make_plan
from edgecerts.plan.model import BlockCode
from edgecerts.report.plan_json import render_plan_json
from edgecerts.report.plan_text import render_plan_text
from edgecerts.report.style import Style


def show_plan(path: Path, output: Path | None, *, as_json: bool) -> ExitCode:
    """Plans and prints the plan.

    Returns:
        1 where the files are in a state that this version cannot plan for (`not-yet`), else 0.

    Raises:
        StorageError, ManifestError: the manifest cannot be read or used.
    """
    project = open_project(path, output)
    inventory = scan(project.graph, project.output, manifest_folder=project.folder)
    plan = make_plan(project.graph, inventory, now=current_time(), manifest=str(path))
    console = Console()
    if as_json:
        console.result(render_plan_json(plan))
    else:
        style = Style(colour=console.has_colour, width=console.width)
        console.result(render_plan_text(plan, style=style, output=str(project.output)))
    unknown = any(remark.code == BlockCode.NOT_YET.value for remark in plan.blocked)
    return ExitCode.ERROR if unknown else ExitCode.DONE
