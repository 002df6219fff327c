"""Saving a plan in a test, changing it, carrying it out and reading the report."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema

from edgecerts.schemas import schema_text
from tests.conftest import SMALL, Project, Result

WITH_GATEWAY = SMALL + "  gateway:\n"
Document = dict[str, Any]
Edit = Callable[[Document], None]


def plan_file(project: Project) -> Path:
    return project.folder / "plan.json"


def save(project: Project, *options: str) -> Document:
    """Saves a plan and returns what is in the file."""
    result = project.run("plan", "--out", str(plan_file(project)), *options)
    assert result.code == 0, result.err
    document: Document = json.loads(plan_file(project).read_text(encoding="utf-8"))
    return document


def carry_out(project: Project, *options: str) -> Result:
    return project.run("apply", str(plan_file(project)), *options)


def report(project: Project, code: int) -> Document:
    """Carries the plan out and returns the report."""
    result = carry_out(project, "--format", "json")
    assert result.code == code, result.out + result.err
    document: Document = json.loads(result.out)
    jsonschema.validate(document, json.loads(schema_text("apply")))
    return document


def stale(document: Document) -> dict[str, str]:
    return {remark["address"]: remark["code"] for remark in document["stale"]}


def left(document: Document) -> dict[str, str]:
    return {change["address"]: change["action"] for change in document["left"]}


def done(document: Document) -> set[str]:
    return {c["address"] for c in document["changes"] if c["outcome"] == "done" and c["action"] != "no-op"}


def planned(project: Project, *options: str) -> dict[str, str]:
    """What a fresh plan would do."""
    document = json.loads(project.run("plan", "--format", "json", *options).out)
    blocked = {remark["address"] for remark in document["blocked"]}
    return {
        change["address"]: change["action"]
        for change in document["changes"]
        if change["action"] != "no-op" and change["address"] not in blocked
    }


def contents(project: Project) -> dict[str, bytes]:
    """The files below the output folder, without those that belong to this machine alone."""
    return {path: file[0] for path, file in project.files().items() if not path.startswith(".edgecerts/")}


def written(before: dict[str, bytes], after: dict[str, bytes]) -> set[str]:
    """The paths that differ, without the log, which grows with every certificate."""
    paths = {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}
    return {path for path in paths if not path.startswith("issued/")}


def copy(project: Project, name: str) -> Project:
    """Another copy of the project's folder, as a checkout on another machine is."""
    folder = project.folder.parent / f"{project.folder.name}-{name}"
    shutil.copytree(project.folder, folder)
    return Project(folder=folder, capture=project.capture, now=project.now)


def settle(project: Project, manifest: str = SMALL) -> None:
    project.write(manifest)
    project.apply()


def without_keys(project: Project) -> Project:
    """A copy of the project as a checkout has it that holds no private key."""
    checkout = copy(project, "checkout")
    for path in checkout.output.rglob("*.key"):
        path.unlink()
    shutil.rmtree(checkout.output / ".edgecerts")
    return checkout
