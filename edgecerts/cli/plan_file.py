"""Opening a plan file."""

from pathlib import Path

from edgecerts.cli.input_file import read_input
from edgecerts.saved.document import MAX_PLAN_BYTES, parse_saved_plan
from edgecerts.saved.model import SavedPlan


def read_saved_plan(path: Path) -> SavedPlan:
    """Reads and checks a plan file.

    Raises:
        StorageError: the file cannot be read.
        SavedPlanError: it is no saved plan.
    """
    hint = f"edgecerts plan --out {path} saves a plan"
    return parse_saved_plan(read_input(path, limit=MAX_PLAN_BYTES, what="a saved plan", hint=hint), source=str(path))
