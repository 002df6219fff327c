"""`edgecerts apply`."""

import os
from pathlib import Path

from edgecerts.apply import Run, run_apply
from edgecerts.apply.job import describe_job
from edgecerts.apply.report import ApplyReport, Status
from edgecerts.cli.choices import Choices
from edgecerts.cli.clock import current_time, elapsed
from edgecerts.cli.console import Console
from edgecerts.cli.plan_file import read_saved_plan
from edgecerts.cli.progress import Progress
from edgecerts.cli.project import open_project
from edgecerts.cli.secret_sources import secret_sources
from edgecerts.errors import ExitCode
from edgecerts.plan.model import Plan
from edgecerts.report.apply_json import render_apply_json
from edgecerts.report.apply_text import render_apply_text
from edgecerts.report.style import Style
from edgecerts.saved.model import check_saved_plan


def apply(
    path: Path,
    output: Path | None,
    choices: Choices,
    *,
    plan_file: Path | None,
    as_json: bool,
    detailed: bool,
    lock_timeout: float,
    new_keys_to: Path | None,
    new_ca_key_to: Path | None,
    notice: str | None,
) -> ExitCode:
    """Carries out the plan, or what of it stands in a plan file as well, and prints what was done.

    Raises:
        StorageError, ManifestError: the manifest or the output folder cannot be used.
        SavedPlanError, StalePlanError: the plan file cannot be used, or is for another manifest.
        UsageError: a flag cannot be used.
        SecretError, InvalidKeyError: before anything is written.
    """
    saved = read_saved_plan(plan_file) if plan_file is not None else None
    project = open_project(path, output)
    if saved is not None:
        check_saved_plan(saved, project.graph)
    console = Console()
    if notice is not None:
        console.tell(f"{notice}\n")

    def name_needs(plan: Plan) -> None:
        for need in plan.needs:
            if need.source is not None:
                console.tell(f"needs {need}\n")

    progress = Progress(console, elapsed, may_draw=not as_json)
    run = Run(
        graph=project.graph,
        manifest=str(path),
        manifest_folder=project.folder,
        output=project.output,
        now=current_time(),
        sources=secret_sources(project, console, command="edgecerts apply"),
        job=describe_job(os.environ),
        on_plan=name_needs,
        on_progress=progress.show,
        lock_timeout=lock_timeout,
        new_keys_to=new_keys_to,
        new_ca_key_to=new_ca_key_to,
        owners=project.owners,
        options=choices.options(project.graph) if saved is None else saved.options,
        saved=saved,
    )
    try:
        report = run_apply(run)
    finally:
        progress.end()
    _show(report, console, output=str(project.output), as_json=as_json)
    wrote = detailed and report.exit_code is ExitCode.DONE and (report.count(Status.DONE) > 0 or bool(report.recovered))
    return ExitCode.CHANGES_PENDING if wrote else report.exit_code


def _show(report: ApplyReport, console: Console, *, output: str, as_json: bool) -> None:
    if as_json:
        console.result(render_apply_json(report))
        if report.exit_code is not ExitCode.DONE:
            # Whoever keeps the document for a program wants to read in the job's log why the job is red.
            console.tell(render_apply_text(report, style=Style(), output=output))
    else:
        style = Style(colour=console.has_colour, width=console.width)
        console.result(render_apply_text(report, style=style, output=output))
