"""Making one file of a plan: generating, signing and encoding, then handing it to the writer."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from cryptography import x509

from edgecerts import __version__
from edgecerts.apply.key_ring import KeyRing
from edgecerts.apply.output_folder import OutputFolder
from edgecerts.desired.folder_files import merge_section
from edgecerts.desired.graph import (
    PRIVATE_KEY_MODE,
    Address,
    CertificateArtifact,
    LogArtifact,
    PrivateKeyArtifact,
    TextArtifact,
    TrustArtifact,
    log_artifact,
)
from edgecerts.errors import InvalidCertificateError, InvalidKeyError
from edgecerts.observed.inventory import Inventory
from edgecerts.observed.issuance_log import RECORD_ACTION, LogEntry, format_log_entry
from edgecerts.pki.certificate_facts import CertificateFacts, describe_certificate
from edgecerts.pki.certificates import Issuer, PublicKey, encode_certificates, issue_certificate, usable_public_key
from edgecerts.pki.private_keys import (
    PrivateKey,
    encode_private_key,
    generate_private_key,
    load_private_key,
    spki_sha256,
)
from edgecerts.pki.x509_names import name_text
from edgecerts.plan.model import Action, Change, KeySource, ReasonCode, rfc3339


@dataclass(kw_only=True)
class Workshop:
    """What is at hand while a plan is carried out: the writer, the keys and what was made so far.

    Attributes:
        certificates: authorities' certificates by address, existing ones and those made in this run.
        now: the run's one moment, in UTC.
        job: who runs this, for the issuance log.
    """

    folder: OutputFolder
    inventory: Inventory
    keys: KeyRing
    certificates: dict[str, x509.Certificate]
    now: datetime
    job: str
    _made_keys: dict[str, PrivateKey] = field(default_factory=dict, repr=False)
    _set_aside: dict[str, tuple[str, str]] = field(default_factory=dict, repr=False)
    _serials: set[int] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._serials = set(self.inventory.serials)

    def make(self, change: Change) -> None:
        """Carries out one change.

        Raises:
            EdgecertsError: it could not be made; the file is as it was.
        """
        artifact = change.artifact
        if change.action is Action.CHMOD:
            self.folder.chmod(artifact.path, PRIVATE_KEY_MODE)
        elif isinstance(artifact, TextArtifact):
            self._write_text(artifact)
        elif isinstance(artifact, PrivateKeyArtifact):
            self._write_private_key(artifact, change.action)
        elif isinstance(artifact, CertificateArtifact):
            self._write_certificate(artifact, change)
        elif isinstance(artifact, TrustArtifact):
            self._write_trust(artifact)
        elif isinstance(artifact, LogArtifact):
            self._write_log(artifact, change)
        elif artifact.is_private_key:
            self.folder.set_aside(artifact.path, self._stamp())
        else:
            self.folder.delete(artifact.path)

    def undo_rekey(self, identity: str) -> bool:
        """Puts an identity's old private key back where its new certificate could not be made.

        Returns:
            whether there was one to put back.
        """
        if identity not in self._set_aside:
            return False
        self.folder.put_back(*self._set_aside.pop(identity))
        self._made_keys.pop(str(Address(identity=identity, part="private-key")), None)
        return True

    def _write_text(self, artifact: TextArtifact) -> None:
        found = self.inventory.texts[artifact.path]
        content = merge_section(found.value or "", artifact.content)
        self.folder.replace(artifact.path, content.encode("utf-8"), mode=artifact.mode)

    def _write_private_key(self, artifact: PrivateKeyArtifact, action: Action) -> None:
        address = str(artifact.address)
        made = action in (Action.CREATE, Action.REKEY)
        key = generate_private_key(artifact.key_type) if made else self.keys.opened[address]
        password = self.keys.passwords.get(address)
        if artifact.password is not None and password is None:
            raise InvalidKeyError(f"no password was fetched for {artifact.path}")
        pem = encode_private_key(key, password.reveal() if password is not None else None)
        # What cannot be opened again must not be the only copy of a key.
        if load_private_key(pem, password.reveal() if password is not None else None).public_key() != key.public_key():
            raise InvalidKeyError(f"the key for {artifact.path} does not read back as it was made")
        if action is Action.CREATE:
            self.folder.create(artifact.path, pem, mode=artifact.mode)
        elif action is Action.REKEY:
            kept = self.folder.set_aside(artifact.path, self._stamp())
            if kept is not None:
                self._set_aside[artifact.address.identity] = (kept, artifact.path)
            self.folder.create(artifact.path, pem, mode=artifact.mode)
        else:
            self.folder.replace(artifact.path, pem, mode=artifact.mode)
        self._made_keys[address] = key

    def _write_certificate(self, artifact: CertificateArtifact, change: Change) -> None:
        issuance = change.issuance
        assert issuance is not None  # noqa: S101 (the planner says how every certificate is issued)
        issuer_key = self._private_key(Address(identity=artifact.issuer.identity, part="private-key"))
        lineage = issuance.lineage
        certificate = issue_certificate(
            replace(
                artifact.spec,
                name=lineage.name if lineage else None,
                subject_key_id=bytes.fromhex(lineage.key_id) if lineage and lineage.key_id else None,
            ),
            issuance.period,
            public_key=self._public_key(artifact, issuance.key),
            issuer=Issuer(
                certificate=None if artifact.spec.is_ca else self.certificates[str(artifact.issuer)],
                private_key=issuer_key,
            ),
            used_serials=self._serials,
        )
        self._serials.add(certificate.serial_number)
        facts = describe_certificate(certificate)
        entry = self._log_entry(
            facts,
            change.address,
            issuer_key=spki_sha256(issuer_key.public_key()),
            action=change.action.value,
            reasons=tuple(reason.code for reason in change.reasons),
            issued_at=self.now,
        )
        # On record before anybody can see it: a certificate that is lost can then still be revoked.
        log = log_artifact(self.now)
        self.folder.append(log.path, format_log_entry(entry), mode=log.mode)
        pem = encode_certificates(certificate)
        if change.action is Action.CREATE:
            self.folder.create(artifact.path, pem, mode=artifact.mode)
        else:
            self.folder.replace(artifact.path, pem, mode=artifact.mode)
        self._set_aside.pop(artifact.address.identity, None)
        if artifact.spec.is_ca:
            self.certificates[str(artifact.address)] = certificate
        else:
            # Nothing else needs this key, and a fleet's would fill the memory.
            self._made_keys.pop(str(Address(identity=artifact.address.identity, part="private-key")), None)

    def _write_trust(self, artifact: TrustArtifact) -> None:
        others = (self.inventory.also_trusted[entry.ca].value or () for entry in artifact.also_trust)
        trusted = [self.certificates[str(artifact.issuer)]]
        for facts in (facts for certificates in others for facts in certificates):
            if facts.certificate not in trusted:
                trusted.append(facts.certificate)
        self.folder.replace(artifact.path, encode_certificates(*trusted), mode=artifact.mode)

    def _write_log(self, artifact: LogArtifact, change: Change) -> None:
        """All lines at once: what was signed elsewhere was issued when it begins, as far as anybody can say."""
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
        self.folder.append(artifact.path, "".join(lines), mode=artifact.mode)

    def _public_key(self, artifact: CertificateArtifact, source: KeySource) -> PublicKey:
        if source is not KeySource.CERTIFICATE:
            return self._private_key(Address(identity=artifact.address.identity, part="private-key")).public_key()
        found = self.inventory.certificates[artifact.path].value
        if not found:
            raise InvalidCertificateError(f"{artifact.path} is gone, and with it the public key")
        return usable_public_key(found[0].certificate)

    def _stamp(self) -> str:
        """The name under which a replaced key is kept."""
        return f"{self.now:%Y%m%dT%H%M%SZ}"

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
    ) -> LogEntry:
        return LogEntry(
            serial=facts.serial,
            address=str(address),
            issuer_key=issuer_key,
            subject=name_text(facts.certificate.subject),
            not_before=rfc3339(facts.not_before),
            not_after=rfc3339(facts.not_after),
            spki_sha256=facts.spki_sha256,
            sha256=facts.sha256,
            action=action,
            reasons=tuple(code.value for code in reasons),
            issued_at=rfc3339(issued_at),
            issued_by=self.job,
            version=__version__,
        )
