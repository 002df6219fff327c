"""What a person should look at before the first `apply`: what something is, and whether it is still in use."""

import shlex
from collections.abc import Iterator, Mapping, Sequence

from edgecerts.adoption.entries import Owned, hosts_of
from edgecerts.adoption.findings import Finding, FindingCode, Outcome
from edgecerts.adoption.key_findings import name_some
from edgecerts.adoption.roles import Evidence, serves_all
from edgecerts.manifest.model import EndEntityKind

_WHY = {
    Evidence.FILES: "only the names of its files show that",
    Evidence.NAMES: "only its names show that",
    Evidence.NOTHING: "nothing shows what it is",
}
_REVOKED = "revoked"


def find_uncertainty(found: Owned) -> Finding:
    """That a certificate does not say what it is."""
    other = EndEntityKind.CLIENT if found.kind is EndEntityKind.BROKER else EndEntityKind.BROKER
    both = "; it may go on serving as both" if serves_all(found.facts) else ""
    name = shlex.quote(found.name or found.certificate.places[0].path)
    return Finding(
        code=FindingCode.UNCERTAIN_ROLE,
        message=f"taken for a {found.kind}'s: {_WHY[found.evidence]}{both}",
        outcome=Outcome.STAYS,
        hint=f"import it with --{found.kind} {name} if that is right, or with --{other} {name} if it is wrong",
    )


def find_shared_hosts(found: Owned, hosts: Mapping[str, Sequence[Owned]]) -> Iterator[Finding]:
    """That several brokers have a host in common.

    Args:
        hosts: the hosts that several have.
    """
    own = hosts_of(found) if found.kind is EndEntityKind.BROKER else ()
    shared = {host: hosts[host] for host in sorted(own) if host in hosts}
    if shared:
        others = {owned.certificate.places[0].path for owners in shared.values() for owned in owners}
        files = name_some(sorted(others - {found.certificate.places[0].path}))
        yield Finding(
            code=FindingCode.SHARED_HOST,
            message=f"another broker has {name_some(shared)}, too: {files}",
            outcome=Outcome.STAYS,
            hint="remove the entries that are not in use any more",
        )


def find_revoked_folder(found: Owned) -> Iterator[Finding]:
    """That a certificate lies where somebody keeps what is revoked, although no list says that it is."""
    paths = [place.path for place in found.certificate.places if _REVOKED in place.folder.lower().split("/")]
    if paths:
        yield Finding(
            code=FindingCode.REVOKED_FOLDER,
            message=f"it lies in {name_some(paths)}, and no revocation list or index here says that it is revoked",
            outcome=Outcome.STAYS,
            hint="if it is revoked, remove the entry, and name its serial number under `revoked`",
        )
