"""Our files of entries that are not in the manifest: listed, and deleted only on demand."""

from collections.abc import Container, Iterator
from datetime import datetime

from edgecerts.desired.graph import LIST_COPY, Address, LeftoverArtifact
from edgecerts.observed.inventory import Inventory, Leftover
from edgecerts.plan.issuer import IssuerView
from edgecerts.plan.model import Action, Change, NoticeCode, Reason, ReasonCode, Remark

_PARTS = {"ca.pem": "trust", "server.pem": "certificate", "client.pem": "certificate", LIST_COPY: "crl"}


def plan_leftovers(
    inventory: Inventory, *, issuer: IssuerView, revoked: Container[int], prune: bool, now: datetime
) -> tuple[tuple[Change, ...], tuple[str, ...], tuple[Remark, ...]]:
    """Plans what to do with them.

    Only what this authority issued is ever deleted: a folder whose certificate is another's, or cannot be read, stays.

    Args:
        revoked: serial numbers of certificates that cannot connect although they have not ended.

    Returns:
        the deletions, the paths that stay, and notices.
    """
    changes: list[Change] = []
    staying: list[str] = []
    notices: list[Remark] = []
    for leftover in inventory.leftovers:
        facts = leftover.certificate.value[0] if leftover.certificate.value else None
        ours = facts is not None and issuer.judged and not issuer.issuer_reasons(facts)
        # What is done to a key with another name would be done to that, too.
        if prune and ours and not leftover.private_key.linked:
            changes.extend(_deletions(leftover))
        else:
            staying.extend(leftover.paths)
        if facts is not None and ours and facts.not_after > now and facts.serial_number not in revoked:
            notices.append(
                Remark(
                    code=NoticeCode.STILL_VALID.value,
                    address=leftover.address,
                    message=f"is not in the manifest, and its certificate, serial {facts.serial},"
                    f" can connect until {facts.not_after:%Y-%m-%d}",
                )
            )
    return tuple(changes), tuple(staying), tuple(notices)


def _deletions(leftover: Leftover) -> Iterator[Change]:
    for path in leftover.paths:
        name = path.rpartition("/")[2]
        part = _PARTS.get(name, "private-key")
        artifact = LeftoverArtifact(
            address=Address(identity=leftover.address, part=part), path=path, is_private_key=name.endswith(".key")
        )
        yield Change(artifact=artifact, action=Action.DELETE, reasons=(Reason(code=ReasonCode.NOT_IN_MANIFEST),))
