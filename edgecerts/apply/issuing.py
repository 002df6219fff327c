"""Making the content of one file of a plan: generating, signing and encoding. Writes nothing."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from edgecerts import __version__
from edgecerts.apply.key_maker import KeyMaker
from edgecerts.apply.key_ring import KeyRing
from edgecerts.apply.staging import Issued
from edgecerts.desired.folder_files import merge_section
from edgecerts.desired.graph import (
    Address,
    CertificateArtifact,
    ListCopyArtifact,
    LogArtifact,
    PrivateKeyArtifact,
    RevocationListArtifact,
    TextArtifact,
    TrustArtifact,
)
from edgecerts.errors import InvalidCertificateError, InvalidKeyError, InvalidRequestError
from edgecerts.observed.inventory import Inventory
from edgecerts.observed.issuance_log import RECORD_ACTION, LogEntry, format_log_entry
from edgecerts.pki.certificate_facts import CertificateFacts, describe_certificate, remember_signature
from edgecerts.pki.certificates import (
    NOT_RANDOM,
    Issuer,
    PublicKey,
    encode_certificates,
    issue_certificate,
    usable_public_key,
)
from edgecerts.pki.private_keys import PrivateKey, encode_new_key, spki_sha256
from edgecerts.pki.revocation_lists import encode_revocation_lists, sign_revocation_list
from edgecerts.plan.lists_of_others import ListsOfOthers
from edgecerts.plan.model import Action, Change, KeySource, ReasonCode, rfc3339


@dataclass(frozen=True, kw_only=True, slots=True)
class Made:
    """A file's content, and lines of the log: that of a certificate, or those that the log lacks.

    Attributes:
        issued: the certificate, where it is one.
    """

    content: bytes = field(default=b"", repr=False)
    log_lines: bytes = b""
    issued: Issued | None = None


@dataclass(kw_only=True)
class Workshop:
    """What is at hand while a plan is carried out: the keys and what was made so far.

    Attributes:
        certificates: authorities' certificates by address, existing ones and those made in this run.
        lists: authorities' revocation lists by address, likewise.
        requests: the path of each identity's certificate request, by identity.
        now: the run's one moment, in UTC.
        job: who runs this, for the issuance log.
        maker: makes new private keys.
        published: the addresses of what is in its place already.
    """

    inventory: Inventory
    keys: KeyRing
    certificates: dict[str, x509.Certificate]
    lists: dict[str, x509.CertificateRevocationList]
    requests: Mapping[str, str]
    now: datetime
    job: str
    maker: KeyMaker = field(default_factory=KeyMaker)
    published: set[Address] = field(default_factory=set)
    _made_keys: dict[str, PrivateKey] = field(default_factory=dict, repr=False)
    _issuer_keys: dict[Address, tuple[PrivateKey, str]] = field(default_factory=dict, repr=False)
    _trusts: dict[tuple[Address, tuple[str, ...]], bytes] = field(default_factory=dict, repr=False)
    _serials: set[int] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._serials = set(self.inventory.serials)

    def make(self, change: Change) -> Made:
        """Makes what a change asks for.

        Raises:
            EdgecertsError: it could not be made.
        """
        artifact = change.artifact
        if isinstance(artifact, TextArtifact):
            return Made(content=self._make_text(artifact))
        if isinstance(artifact, PrivateKeyArtifact):
            return Made(content=self._make_private_key(artifact, change.action))
        if isinstance(artifact, CertificateArtifact):
            return self._make_certificate(artifact, change)
        if isinstance(artifact, LogArtifact):
            return Made(log_lines=self._make_records(change))
        if isinstance(artifact, RevocationListArtifact):
            return Made(content=self._make_list(artifact, change))
        if isinstance(artifact, ListCopyArtifact):
            return Made(content=self._make_list_copy(artifact))
        assert isinstance(artifact, TrustArtifact)  # noqa: S101 (what is left over is removed, and never made)
        return Made(content=self._make_trust(artifact))

    def take_note(self, issued: Issued) -> None:
        """Remembers a certificate that this run signed, here or in another process.

        Raises:
            InvalidCertificateError: its serial number is another's.
        """
        if issued.serial in self._serials:
            raise InvalidCertificateError(
                "two new certificates have the same serial number, so the random number generator is not random",
                hint=NOT_RANDOM,
            )
        self._serials.add(issued.serial)
        remember_signature(issued.sha256, issued.issuer_key)

    def _make_text(self, artifact: TextArtifact) -> bytes:
        found = self.inventory.texts[artifact.path]
        return merge_section(found.value or "", artifact.content).encode("utf-8")

    def _make_private_key(self, artifact: PrivateKeyArtifact, action: Action) -> bytes:
        address = str(artifact.address)
        made = action in (Action.CREATE, Action.REKEY)
        key = self.maker.make(artifact) if made else self.keys.opened[address]
        password = self.keys.passwords.get(address)
        if artifact.password is not None and password is None:
            raise InvalidKeyError(f"no password was fetched for {artifact.path}")
        try:
            pem = encode_new_key(key, password.reveal() if password is not None else None)
        except InvalidKeyError as error:
            raise InvalidKeyError(f"the key for {artifact.path}: {error.message}") from error
        self._made_keys[address] = key
        return pem

    def _make_certificate(self, artifact: CertificateArtifact, change: Change) -> Made:
        issuance = change.issuance
        assert issuance is not None  # noqa: S101 (the planner says how every certificate is issued)
        issuer_key = self._private_key(Address(identity=artifact.issuer.identity, part="private-key"))
        lineage = issuance.lineage
        spec = artifact.spec
        if lineage is not None:
            key_id = bytes.fromhex(lineage.key_id) if lineage.key_id else None
            spec = replace(spec, name=lineage.name, subject_key_id=key_id)
        certificate = issue_certificate(
            spec,
            issuance.period,
            public_key=self._public_key(artifact, issuance.key),
            issuer=Issuer(
                certificate=None if artifact.spec.is_ca else self.certificates[str(artifact.issuer)],
                private_key=issuer_key,
            ),
            used_serials=self._serials,
        )
        facts = describe_certificate(certificate)
        entry = self._log_entry(
            facts,
            change.address,
            issuer_key=self._digest_of(artifact.issuer, issuer_key),
            action=change.action.value,
            reasons=tuple(reason.code for reason in change.reasons),
            issued_at=self.now,
            revokes=issuance.revokes or "",
        )
        if artifact.spec.is_ca:
            self.certificates[str(artifact.address)] = certificate
            self._trusts.clear()
        else:
            # Nothing else needs this key, and a fleet's would fill the memory.
            self._made_keys.pop(str(Address(identity=artifact.address.identity, part="private-key")), None)
        return Made(
            content=encode_certificates(certificate),
            log_lines=format_log_entry(entry).encode("utf-8"),
            issued=Issued(serial=certificate.serial_number, sha256=entry.sha256, issuer_key=entry.issuer_key),
        )

    def _digest_of(self, issuer: Address, key: PrivateKey) -> str:
        known = self._issuer_keys.get(issuer)
        if known is None or known[0] is not key:
            self._issuer_keys[issuer] = known = key, spki_sha256(key.public_key())
        return known[1]

    def _make_trust(self, artifact: TrustArtifact) -> bytes:
        """Nearly every identity has the same."""
        known = artifact.issuer, tuple(entry.ca for entry in artifact.also_trust)
        if known not in self._trusts:
            self._trusts[known] = self._encode_trust(artifact)
        return self._trusts[known]

    def _encode_trust(self, artifact: TrustArtifact) -> bytes:
        others = (self.inventory.also_trusted[entry.ca].value or () for entry in artifact.also_trust)
        trusted = [self.certificates[str(artifact.issuer)]]
        for facts in (facts for certificates in others for facts in certificates):
            if facts.certificate not in trusted:
                trusted.append(facts.certificate)
        return encode_certificates(*trusted)

    def _make_list(self, artifact: RevocationListArtifact, change: Change) -> bytes:
        listing = change.listing
        assert listing is not None  # noqa: S101 (the planner says how every list is signed)
        # Of what was to be replaced and was not, nothing else is in its place: it goes on.
        entries = [
            listed.entry
            for listed in listing.entries
            if listed.replaced_by is None or listed.replaced_by in self.published
        ]
        crl = sign_revocation_list(
            entries,
            issuer=self.certificates[str(artifact.issuer)],
            private_key=self._private_key(Address(identity=artifact.issuer.identity, part="private-key")),
            period=listing.period,
            number=listing.number,
            url=artifact.url,
        )
        self.lists[str(artifact.address)] = crl
        return encode_revocation_lists(crl)

    def _make_list_copy(self, artifact: ListCopyArtifact) -> bytes:
        others = ListsOfOthers(self.inventory, self.now).of(artifact)
        lists = (self.lists[str(artifact.source)], *(facts.crl for facts in others.lists))
        return encode_revocation_lists(*{crl.fingerprint(hashes.SHA256()): crl for crl in lists}.values())

    def _make_records(self, change: Change) -> bytes:
        """What was signed elsewhere was issued when it begins, as far as anybody can say."""
        lines = (
            format_log_entry(
                self._log_entry(
                    record.facts,
                    record.address,
                    issuer_key=record.issuer_key,
                    action=RECORD_ACTION,
                    reasons=(ReasonCode.NOT_IN_LOG,),
                    issued_at=record.facts.not_before,
                )
            )
            for record in change.records
        )
        return "".join(lines).encode("utf-8")

    def _public_key(self, artifact: CertificateArtifact, source: KeySource) -> PublicKey:
        if source is KeySource.REQUEST:
            return self._requested_key(artifact)
        if source is not KeySource.CERTIFICATE:
            return self._private_key(Address(identity=artifact.address.identity, part="private-key")).public_key()
        found = self.inventory.certificates[artifact.path].value
        if not found:
            raise InvalidCertificateError(f"{artifact.path} is gone, and with it the public key")
        return usable_public_key(found[0].certificate)

    def _requested_key(self, artifact: CertificateArtifact) -> PublicKey:
        request = self.inventory.requests[self.requests[artifact.address.identity]].value
        if request is None:
            raise InvalidRequestError(f"the request for {artifact.address.identity} is gone")
        return request.public_key

    def _private_key(self, address: Address) -> PrivateKey:
        keys: tuple[Mapping[str, PrivateKey], ...] = (self._made_keys, self.keys.opened)
        for known in keys:
            if str(address) in known:
                return known[str(address)]
        raise InvalidKeyError(f"{address} is not at hand")

    def _log_entry(
        self,
        facts: CertificateFacts,
        address: Address,
        *,
        issuer_key: str,
        action: str,
        reasons: tuple[ReasonCode, ...],
        issued_at: datetime,
        revokes: str = "",
    ) -> LogEntry:
        return LogEntry(
            serial=facts.serial,
            address=str(address),
            issuer_key=issuer_key,
            subject=facts.subject_text,
            not_before=rfc3339(facts.not_before),
            not_after=rfc3339(facts.not_after),
            spki_sha256=facts.spki_sha256,
            sha256=facts.sha256,
            action=action,
            reasons=tuple(code.value for code in reasons),
            issued_at=rfc3339(issued_at),
            issued_by=self.job,
            version=__version__,
            revokes=revokes,
        )
