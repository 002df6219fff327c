"""Certificates in an identity's place that came from somewhere else."""

import functools
from collections.abc import Iterable

from edgecerts.desired.graph import Identity
from edgecerts.observed.inventory import Inventory, Observed, State
from edgecerts.pki.certificate_facts import CertificateFacts
from edgecerts.pki.private_keys import KeyFacts
from edgecerts.plan.model import HazardCode, Reason, ReasonCode, Remark

_NOT_OURS = (ReasonCode.ISSUER_CHANGED, ReasonCode.SIGNATURE_INVALID)


class ForeignFiles:
    """Tells whose a certificate is, by the log."""

    def __init__(self, inventory: Inventory, *, addresses: frozenset[str], ca_replaced: bool) -> None:
        """Looks at nothing before it is asked.

        Args:
            addresses: those of all certificates that are declared.
            ca_replaced: the authority is another one, so that none of its certificates says anything.
        """
        self._inventory = inventory
        self._addresses = addresses
        self._ca_replaced = ca_replaced

    def find(
        self, identity: Identity, key: Observed[KeyFacts], facts: CertificateFacts, reasons: Iterable[Reason]
    ) -> Remark | None:
        """The hazard of a certificate neither signed by this authority, nor in the log, nor for the key beside it.

        A locked key does not show that it is: what a stranger put there would be signed with this identity's names.
        Where no key is here at all, one that was issued to another entry is foreign, too: the other's key would get
        this one's name.

        Args:
            identity: whose place it is.
            key: what is in the key's place.
            facts: the certificate.
            reasons: why it is not as declared.
        """
        if self._ca_replaced:
            return None
        path, owners = identity.certificate.path, self._owners.get(facts.sha256, frozenset())
        ours = not any(reason.code in _NOT_OURS for reason in reasons) or bool(owners)
        beside = key.value is not None and key.value.spki_sha256 == facts.spki_sha256
        others = (owners & self._addresses) - {str(identity.certificate.address)}
        if key.state is State.ABSENT and others and len(owners) == len(others):
            message = f"{path} was issued to {min(others).removesuffix('/certificate')}, and certifies its key"
        elif not ours and not beside:
            message = f"{path} was not issued by this authority, is not in its log, and is not for the key beside it"
        else:
            return None
        return Remark(
            code=HazardCode.FOREIGN_FILE.value,
            address=identity.address,
            message=message,
            hint=f"move it away, or have it replaced: --allow {HazardCode.FOREIGN_FILE}",
        )

    @functools.cached_property
    def _owners(self) -> dict[str, frozenset[str]]:
        """By certificate. Asked for where one is replaced, and not where there is nothing to do."""
        owners: dict[str, frozenset[str]] = {}
        for entry in self._inventory.log:
            owners[entry.sha256] = owners.get(entry.sha256, frozenset()) | {entry.address}
        return owners
