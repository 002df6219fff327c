"""The plan of the files at the top of the output folder, of which only our lines are ours."""

from edgecerts.desired.folder_files import our_section
from edgecerts.desired.graph import Graph, TextArtifact
from edgecerts.observed.inventory import Inventory, State
from edgecerts.plan.model import Action, BlockCode, Change, Reason, ReasonCode, Remark


def plan_folder_file(artifact: TextArtifact, inventory: Inventory) -> tuple[Change, Remark | None]:
    """Plans our lines in one file; a user's own lines around them stay.

    Returns:
        the change, and what blocks it or None.
    """
    found = inventory.texts[artifact.path]
    if found.state is State.ABSENT:
        return Change(artifact=artifact, action=Action.CREATE, reasons=(Reason(code=ReasonCode.MISSING),)), None
    if found.value is None:
        corrupt = Reason(code=ReasonCode.CORRUPT, before=found.problem)
        remark = Remark(
            code=BlockCode.UNREADABLE.value,
            address=str(artifact.address),
            message=f"{artifact.path} may hold lines of yours, and cannot be read: {found.problem}",
            hint="mend it, or move it away to have it made again",
        )
        return Change(artifact=artifact, action=Action.UPDATE, reasons=(corrupt,)), remark
    if our_section(found.value) == artifact.content:
        return Change(artifact=artifact, action=Action.NO_OP), None
    return Change(artifact=artifact, action=Action.UPDATE, reasons=(Reason(code=ReasonCode.CONTENT_CHANGED),)), None


def exposed_keys(graph: Graph, inventory: Inventory) -> frozenset[str]:
    """The private keys that `.gitignore` would let into a repository before they are encrypted."""
    keys = (identity.private_key for identity in graph.identities)
    return frozenset(key.path for key in keys if key.password and inventory.private_keys[key.path].value)


def still_exposed(artifact: TextArtifact, path: str) -> Remark:
    """What blocks `.gitignore` while a key is not encrypted yet."""
    return Remark(
        code=BlockCode.KEY_EXPOSED.value,
        address=str(artifact.address),
        message=f"{path} is not encrypted yet, so it stays ignored",
        hint=f"mend what keeps {path} from being encrypted",
    )
