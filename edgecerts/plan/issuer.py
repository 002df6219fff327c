"""The authority as its end entities see it: as it will be once this plan is carried out."""

from dataclasses import dataclass

from edgecerts.desired.graph import Graph, Identity
from edgecerts.observed.inventory import Inventory, State
from edgecerts.pki.certificate_facts import CertificateFacts
from edgecerts.pki.certificates import Period, PublicKey
from edgecerts.pki.private_keys import KeyFacts
from edgecerts.plan.model import BlockCode, Lineage, Reason, ReasonCode


@dataclass(frozen=True, kw_only=True, slots=True)
class Obstacle:
    """Why nothing can be signed, or why one thing cannot be made."""

    code: BlockCode
    message: str
    hint: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class IssuerView:
    """The authority after this plan.

    Attributes:
        judged: whether it is known which authority this is; if not, what it issued is left as it is.
        facts: its certificate that is there and stays as it is, or None.
        name: its subject as text, and as encoded.
        key_id: its subject key identifier in hexadecimal; None where it is not known.
        spki_sha256: of its public key; None where that is not known.
        public_key: None where that is not known, or not made yet.
        new_key: it will get another key, so that nothing which exists chains to it.
        replaces: the path of an authority's certificate whose key or name this plan gives up, or None.
        period: of its certificate, existing or planned; None where there will be none.
        obstacle: what keeps it from signing, or None.
    """

    judged: bool
    facts: CertificateFacts | None = None
    name: str = ""
    name_der: bytes = b""
    key_id: str | None = None
    spki_sha256: str | None = None
    public_key: PublicKey | None = None
    new_key: bool = False
    replaces: str | None = None
    period: Period | None = None
    obstacle: Obstacle | None = None

    def is_certificate(self, facts: CertificateFacts) -> bool:
        """Whether this is a certificate of this authority, an older one perhaps: the same name and key."""
        if self.new_key or facts.subject_der != self.name_der:
            return False
        if self.spki_sha256 is not None:
            return facts.spki_sha256 == self.spki_sha256
        return self.key_id is None or facts.subject_key_id == self.key_id

    def issuer_reasons(self, facts: CertificateFacts) -> tuple[Reason, ...]:
        """How a certificate differs from one that this authority issued (RFC 5280 §6.1.3 and §4.2.1.1)."""
        if facts.issuer_der != self.name_der:
            return (Reason(code=ReasonCode.ISSUER_CHANGED, field="issuer", before=facts.issuer_text, after=self.name),)
        named = facts.authority_key_id
        if self.new_key:
            return (Reason(code=ReasonCode.ISSUER_CHANGED, field="issuer key", before=named, after="a new key"),)
        if named is not None and self.key_id is not None and named != self.key_id:
            return (
                Reason(
                    code=ReasonCode.ISSUER_CHANGED, field="authority_key_identifier", before=named, after=self.key_id
                ),
            )
        if self.public_key is not None and not facts.is_signed_by(self.public_key):
            return (Reason(code=ReasonCode.SIGNATURE_INVALID),)
        return ()


NOT_JUDGED = IssuerView(
    judged=False,
    obstacle=Obstacle(
        code=BlockCode.ISSUER_BLOCKED,
        message="the authority cannot sign: see ca",
        hint="mend what is blocked under ca",
    ),
)
"""Which authority this is cannot be said."""


def find_lineage(graph: Graph, inventory: Inventory, *, key: KeyFacts | None) -> Lineage | None:
    """The name and key identifier of an authority whose own certificate is lost, from what it left behind.

    Args:
        graph, inventory: where to look: copies of its certificate first, then what it issued.
        key: the private key that is there; None where it is locked. What another key left behind does not count.
    """
    for facts in find_copies(graph, inventory):
        if key is None or key.spki_sha256 == facts.spki_sha256:
            return Lineage(name=facts.certificate.subject, key_id=facts.subject_key_id)
    for identity in graph.end_entities:
        found = inventory.certificates[identity.certificate.path]
        if found.value and (key is None or found.value[0].is_signed_by(key.public_key)):
            return Lineage(name=found.value[0].certificate.issuer, key_id=found.value[0].authority_key_id)
    return None


def find_copies(graph: Graph, inventory: Inventory) -> tuple[CertificateFacts, ...]:
    """The different certificates of authorities that are handed out in this folder."""
    copies = (facts for identity in graph.end_entities for facts in copies_of_authority(identity, inventory))
    return tuple({facts.sha256: facts for facts in copies}.values())


def copies_of_authority(identity: Identity, inventory: Inventory) -> tuple[CertificateFacts, ...]:
    """The authorities' certificates in an identity's `ca.pem`, without those of `ca.also_trust`."""
    if identity.trust is None:
        return ()
    found = inventory.certificates[identity.trust.path]
    if found.state is not State.PRESENT or not found.value:
        return ()
    others = {
        facts.sha256 for entry in identity.trust.also_trust for facts in inventory.also_trusted[entry.ca].value or ()
    }
    return tuple(facts for facts in found.value if facts.is_ca and facts.sha256 not in others)
