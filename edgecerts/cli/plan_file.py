"""Opening a plan file."""

from pathlib import Path

from edgecerts.errors import SavedPlanError
from edgecerts.saved.document import MAX_PLAN_BYTES, parse_saved_plan
from edgecerts.saved.model import SavedPlan


def read_saved_plan(path: Path) -> SavedPlan:
    """Reads and checks a plan file.

    Raises:
        SavedPlanError: the file cannot be read, or is no saved plan.
    """
    try:
        if path.exists() and not path.is_file():
            kind = "a folder" if path.is_dir() else "not a plain file"
            raise SavedPlanError(f"{path} is {kind}, and a saved plan is a file")
        with path.open("rb") as file:
            data = file.read(MAX_PLAN_BYTES + 1)
    except FileNotFoundError:
        raise SavedPlanError(f"there is no {path}", hint=f"edgecerts plan --out {path} saves a plan") from None
    except OSError as error:
        raise SavedPlanError(f"{path} cannot be read: {error.strerror}") from None
    return parse_saved_plan(data, source=str(path))
