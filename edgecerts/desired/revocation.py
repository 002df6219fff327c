"""The revocation lists that should exist, and brokers' copies of them."""

from dataclasses import replace

from edgecerts.desired.graph import (
    LIST_COPY,
    LIST_PART,
    PUBLISHED_LIST,
    PUBLISHED_LIST_PART,
    REVOCATION_LIST,
    Address,
    ListCopyArtifact,
    RenewalRule,
    RevocationListArtifact,
)
from edgecerts.desired.renewal import renewal_rule
from edgecerts.manifest.model import Revocation, RevocationListSettings, TrustedCA
from edgecerts.pki.profiles import REVOCATION_LIST_RENEWAL_SHARE

CA_CERTIFICATE = Address(identity="ca", part="certificate")
_LIST = Address(identity="ca", part=LIST_PART)
_PUBLISHED = Address(identity="ca", part=PUBLISHED_LIST_PART)


def build_revocation_lists(
    settings: RevocationListSettings, revocations: tuple[Revocation, ...]
) -> tuple[RevocationListArtifact, ...]:
    """The list for every broker; then, with a distribution point, the one that is fetched from there."""
    everybody = RevocationListArtifact(
        address=_LIST,
        path=REVOCATION_LIST,
        issuer=CA_CERTIFICATE,
        # What somebody notes beside an entry changes nothing of the list.
        revocations=tuple(replace(entry, note=None) if entry.note else entry for entry in revocations),
        validity=settings.validity,
        validity_declared="validity" in settings.declared,
        renewal=renewal_rule(settings.renew_before, RenewalRule(share=REVOCATION_LIST_RENEWAL_SHARE)),
        url=None,
    )
    if settings.url is None:
        return (everybody,)
    return everybody, replace(everybody, address=_PUBLISHED, path=PUBLISHED_LIST, url=settings.url)


def build_list_copy(
    address: str, folder: str, source: RevocationListArtifact | None, also_trust: tuple[TrustedCA, ...]
) -> ListCopyArtifact | None:
    """A broker's copy; None where there is no list."""
    if source is None:
        return None
    return ListCopyArtifact(
        address=Address(identity=address, part=LIST_PART),
        path=f"{folder}/{LIST_COPY}",
        source=source.address,
        also_trust=also_trust,
    )
