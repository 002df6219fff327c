"""From desired and observed to a plan, in one pure call."""

from collections.abc import Iterator
from datetime import datetime

from edgecerts.desired.folder_files import our_section
from edgecerts.desired.graph import Graph, PrivateKeyArtifact, TextArtifact
from edgecerts.observed.inventory import Inventory, State
from edgecerts.plan.authority import plan_authority
from edgecerts.plan.delivery import plan_deliveries
from edgecerts.plan.end_entity import plan_end_entity
from edgecerts.plan.identity_plan import MISSING, IdentityPlan
from edgecerts.plan.model import Action, BlockCode, Change, Need, NeedKind, Plan, Reason, ReasonCode, Remark
from edgecerts.plan.stack_notices import stack_notices


def make_plan(graph: Graph, inventory: Inventory, *, now: datetime, manifest: str) -> Plan:
    """Compares what should exist with what does.

    Args:
        graph: what should exist.
        inventory: what does.
        now: the one moment of this run, in UTC.
        manifest: the manifest's name, for the reader.

    Returns:
        the whole plan: the same for the same arguments, every time.
    """
    files = [_plan_folder_file(artifact, graph, inventory) for artifact in graph.folder_files]
    evidence = tuple(_evidence(graph, inventory))
    plans: list[IdentityPlan] = []
    root, issuer = plan_authority(graph.authorities[0], inventory, evidence=evidence, now=now)
    plans.append(root)
    plans.extend(plan_end_entity(identity, inventory, issuer=issuer, now=now) for identity in graph.end_entities)
    changes = tuple(change for change, _ in files) + tuple(change for plan in plans for change in plan.changes)
    blocked = tuple(remark for _, remark in files if remark) + tuple(
        remark for plan in plans for remark in plan.blocked
    )
    blocked_addresses = {remark.address for remark in blocked}
    pending = {change.address for change in changes if str(change.address) not in blocked_addresses}
    made = [change for change in changes if change.address in pending and change.action is not Action.NO_OP]
    notices = [remark for plan in plans for remark in (*plan.notices, *stack_notices(plan.identity))]
    return Plan(
        created_at=now,
        manifest=manifest,
        changes=changes,
        hazards=(),
        blocked=blocked,
        notices=tuple(notices),
        needs=tuple(_needs(graph, inventory, made)),
        unmanaged=inventory.unmanaged,
        deliver=plan_deliveries(graph.end_entities, made),
        new_keys=tuple(change.artifact.path for change in made if isinstance(change.artifact, PrivateKeyArtifact)),
    )


def _plan_folder_file(artifact: TextArtifact, graph: Graph, inventory: Inventory) -> tuple[Change, Remark | None]:
    """Our lines in one of the files at the top of the output folder; a user's own lines around them stay."""
    found = inventory.texts[artifact.path]
    if found.state is State.ABSENT:
        return Change(artifact=artifact, action=Action.CREATE, reasons=(MISSING,)), None
    if found.value is None:
        corrupt = Reason(code=ReasonCode.CORRUPT, before=found.problem)
        remark = _folder_file_remark(artifact, f"{artifact.path} cannot be read: {found.problem}")
        return Change(artifact=artifact, action=Action.UPDATE, reasons=(corrupt,)), remark
    if our_section(found.value) == artifact.content:
        return Change(artifact=artifact, action=Action.NO_OP), None
    change = Change(artifact=artifact, action=Action.UPDATE, reasons=(Reason(code=ReasonCode.CONTENT_CHANGED),))
    exposed = _exposed_key(graph, inventory) if artifact.path == ".gitignore" else None
    if exposed is not None:
        # The new lines would let a key into a repository that is not encrypted yet.
        return change, _folder_file_remark(artifact, f"{exposed} is not encrypted yet, so it stays ignored")
    return change, None


def _folder_file_remark(artifact: TextArtifact, message: str) -> Remark:
    return Remark(code=BlockCode.NOT_YET.value, address=str(artifact.address), message=message)


def _exposed_key(graph: Graph, inventory: Inventory) -> str | None:
    for identity in graph.identities:
        key = identity.private_key
        if key.password is not None and inventory.private_keys[key.path].state is State.PRESENT:
            return key.path
    return None


def _evidence(graph: Graph, inventory: Inventory) -> Iterator[str]:
    """What shows that an authority was at work in this folder before, apart from its own two files."""
    own_certificate = str(graph.authorities[0].certificate.address)
    paths = {graph.authorities[0].certificate.path}
    for path, found in inventory.certificates.items():
        if path not in paths and found.state is not State.ABSENT:
            yield path
    yield from (path for path in inventory.unmanaged if path.endswith(".pem"))
    for entry in inventory.log:
        if entry.address != own_certificate:
            yield f"{entry.address} in the issuance log"


def _needs(graph: Graph, inventory: Inventory, made: list[Change]) -> Iterator[Need]:
    """The secrets that these changes take: to encrypt a new private key, or to open one that signs."""
    addresses = {change.address for change in made}
    signing = any(change.issues for change in made)
    for identity in graph.identities:
        key = identity.private_key
        if key.password is None:
            continue
        is_issuer = identity in graph.authorities
        creates_key = key.address in addresses
        # Only its own certificate, signed from its own public key, needs an end entity's existing key.
        needs_opening = inventory.private_keys[key.path].encrypted and (
            (is_issuer and signing) or identity.certificate.address in addresses
        )
        if creates_key or needs_opening:
            yield Need(address=key.address, kind=NeedKind.PASSWORD, source=key.password)
