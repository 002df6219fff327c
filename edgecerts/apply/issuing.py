"""Making one file of a plan: generating, signing and encoding, then handing it to the writer."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from cryptography import x509

from edgecerts import __version__
from edgecerts.apply.key_ring import KeyRing
from edgecerts.apply.output_folder import OutputFolder
from edgecerts.desired.folder_files import merge_section
from edgecerts.desired.graph import (
    LOG_FOLDER,
    PUBLIC_MODE,
    Address,
    CertificateArtifact,
    PrivateKeyArtifact,
    TextArtifact,
    TrustArtifact,
)
from edgecerts.errors import InvalidKeyError
from edgecerts.observed.inventory import Inventory
from edgecerts.observed.issuance_log import LogEntry, format_log_entry
from edgecerts.pki.certificate_facts import CertificateFacts, describe_certificate
from edgecerts.pki.certificates import Issuer, encode_certificates, issue_certificate
from edgecerts.pki.private_keys import (
    PrivateKey,
    encode_private_key,
    generate_private_key,
    load_private_key,
    spki_sha256,
)
from edgecerts.pki.x509_names import name_text
from edgecerts.plan.model import Change


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

    def make(self, change: Change) -> None:
        """Carries out one change.

        Raises:
            EdgecertsError: it could not be made; the file is as it was.
        """
        artifact = change.artifact
        if isinstance(artifact, TextArtifact):
            self._write_text(artifact)
        elif isinstance(artifact, PrivateKeyArtifact):
            self._make_private_key(artifact)
        elif isinstance(artifact, CertificateArtifact):
            self._make_certificate(artifact, change)
        else:
            self._write_trust(artifact)

    def forget(self, address: Address) -> None:
        """Drops a key that is no longer needed, so that a fleet does not fill the memory."""
        self._made_keys.pop(str(address), None)

    def _write_text(self, artifact: TextArtifact) -> None:
        found = self.inventory.texts[artifact.path]
        content = merge_section(found.value or "", artifact.content)
        self.folder.replace(artifact.path, content.encode("utf-8"), mode=artifact.mode)

    def _make_private_key(self, artifact: PrivateKeyArtifact) -> None:
        key = generate_private_key(artifact.key_type)
        password = self.keys.passwords.get(str(artifact.address))
        if artifact.password is not None and password is None:
            raise InvalidKeyError(f"no password was fetched for {artifact.path}")
        pem = encode_private_key(key, password.reveal() if password else None)
        # What cannot be opened again must not be the only copy of a key.
        if load_private_key(pem, password.reveal() if password else None).public_key() != key.public_key():
            raise InvalidKeyError(f"the new key for {artifact.path} does not read back as it was made")
        self.folder.create(artifact.path, pem, mode=artifact.mode)
        self._made_keys[str(artifact.address)] = key

    def _make_certificate(self, artifact: CertificateArtifact, change: Change) -> None:
        assert change.period is not None  # noqa: S101 (the planner gives every issued certificate its period)
        key = self._private_key(Address(identity=artifact.address.identity, part="private-key"))
        signer = self.certificates.get(str(artifact.issuer))
        issuer_key = self._private_key(Address(identity=artifact.issuer.identity, part="private-key"))
        certificate = issue_certificate(
            artifact.spec,
            change.period,
            public_key=key.public_key(),
            issuer=Issuer(certificate=signer, private_key=issuer_key),
        )
        facts = describe_certificate(certificate)
        entry = self._log_entry(facts, change, issuer_key=spki_sha256(issuer_key.public_key()))
        # On record before anybody can see it: a certificate that is lost can then still be revoked.
        self.folder.append(f"{LOG_FOLDER}/{self.now:%Y}.jsonl", format_log_entry(entry), mode=PUBLIC_MODE)
        self.folder.create(artifact.path, encode_certificates(certificate), mode=artifact.mode)
        if artifact.spec.is_ca:
            self.certificates[str(artifact.address)] = certificate

    def _write_trust(self, artifact: TrustArtifact) -> None:
        others = (self.inventory.also_trusted[entry.ca].value or () for entry in artifact.also_trust)
        trusted = [self.certificates[str(artifact.issuer)]]
        for facts in (facts for certificates in others for facts in certificates):
            if facts.certificate not in trusted:
                trusted.append(facts.certificate)
        self.folder.create(artifact.path, encode_certificates(*trusted), mode=artifact.mode)

    def _private_key(self, address: Address) -> PrivateKey:
        keys: tuple[Mapping[str, PrivateKey], ...] = (self._made_keys, self.keys.opened)
        for known in keys:
            if str(address) in known:
                return known[str(address)]
        raise InvalidKeyError(f"{address} is not at hand")

    def _log_entry(self, facts: CertificateFacts, change: Change, *, issuer_key: str) -> LogEntry:
        return LogEntry(
            serial=f"{facts.serial_number:x}",
            address=str(change.address),
            issuer_key=issuer_key,
            subject=name_text(facts.certificate.subject),
            not_before=_rfc3339(facts.not_before),
            not_after=_rfc3339(facts.not_after),
            spki_sha256=facts.spki_sha256,
            sha256=facts.sha256,
            action=change.action.value,
            reasons=tuple(reason.code.value for reason in change.reasons),
            issued_at=_rfc3339(self.now.replace(microsecond=0)),
            issued_by=self.job,
            version=__version__,
        )


def _rfc3339(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"
