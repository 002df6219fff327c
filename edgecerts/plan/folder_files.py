"""The plan of the files at the top of the output folder, of which only our lines are ours."""

from collections.abc import Container
from dataclasses import replace

from edgecerts.desired.folder_files import GITIGNORE, build_gitignore, exception_for, our_section
from edgecerts.desired.graph import Graph, TextArtifact
from edgecerts.observed.inventory import Inventory, State
from edgecerts.plan.issuer import Obstacle
from edgecerts.plan.model import Action, BlockCode, Change, Reason, ReasonCode, Remark


def plan_folder_file(
    artifact: TextArtifact, inventory: Inventory, committed: tuple[str, ...]
) -> tuple[Change, Remark | None]:
    """Plans our lines in one file; a user's own lines around them stay.

    Args:
        artifact: the file.
        inventory: what is there.
        committed: the private keys that a repository may have.

    Returns:
        the change, and what blocks it or None.
    """
    if artifact.path == GITIGNORE:
        artifact = replace(artifact, content=build_gitignore(committed))
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


def committed_keys(graph: Graph, inventory: Inventory, encrypted_now: Container[str]) -> tuple[str, ...]:
    """The private keys that a repository may have: those that are encrypted once this plan is carried out.

    A key that this user may not look into stays where it is: in where `.gitignore` lets it in, else out.
    """
    found = inventory.texts[GITIGNORE].value
    let_in = (our_section(found or "") or "").splitlines()
    keys = (identity.private_key for identity in graph.identities)
    keys = (key for key in keys if key.password is not None and key.source is None)
    return tuple(
        key.path
        for key in keys
        if key.path in encrypted_now
        or inventory.private_keys[key.path].encrypted
        or inventory.private_keys[key.path].state is State.ABSENT
        or (inventory.private_keys[key.path].state is State.LOCKED and exception_for(key.path) in let_in)
    )


def keys_unprotected(inventory: Inventory) -> Obstacle | None:
    """Why no unencrypted private key may be made: nothing would keep it out of a repository."""
    found = inventory.texts[GITIGNORE]
    if found.state is not State.UNREADABLE:
        return None
    return Obstacle(
        code=BlockCode.KEY_EXPOSED,
        message=f"{GITIGNORE} cannot be read, so nothing would keep a new private key out of a repository",
        hint=f"mend {GITIGNORE}, or move it away to have it made again",
    )
