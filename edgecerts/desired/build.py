"""From a manifest to the graph of what should exist. Pure: no file is looked at."""

from edgecerts.desired.folder_files import build_folder_files
from edgecerts.desired.graph import (
    Address,
    CertificateArtifact,
    Graph,
    Identity,
    IdentityKind,
    PrivateKeyArtifact,
    RenewalRule,
    RequestArtifact,
    RevocationListArtifact,
    TrustArtifact,
)
from edgecerts.desired.renewal import ahead, renewal_rule
from edgecerts.desired.revocation import CA_CERTIFICATE, build_list_copy, build_revocation_lists
from edgecerts.manifest.model import Authority, EndEntity, EndEntityKind, KeyHeld, Manifest, Rekey
from edgecerts.pki.certificates import CertificateSpec
from edgecerts.pki.profiles import RENEWAL_AT_MOST, RENEWAL_SHARE, Usage

_KINDS = {EndEntityKind.BROKER: IdentityKind.BROKER, EndEntityKind.CLIENT: IdentityKind.CLIENT}
_FOLDERS = {IdentityKind.BROKER: "brokers", IdentityKind.CLIENT: "clients"}
_STEMS = {IdentityKind.BROKER: "server", IdentityKind.CLIENT: "client"}
_ROOT = "ca"
_LIFETIME_KEYS = frozenset({"validity", "not_after"})
_RENEWAL = RenewalRule(duration=RENEWAL_AT_MOST, share=1 / RENEWAL_SHARE)


def certificate_path(address: str) -> str | None:
    """Where an identity's certificate lies, whether or not the manifest has it.

    Args:
        address: `ca`, `broker/NAME` or `client/NAME`, from wherever.

    Returns:
        None for what is no identity's address.
    """
    if address == _ROOT:
        return f"{_ROOT}/ca.pem"
    kind, _, name = address.partition("/")
    if kind not in _FOLDERS or name in ("", ".", "..") or "/" in name or "\0" in name:
        return None
    return f"{_FOLDERS[IdentityKind(kind)]}/{name}/{_STEMS[IdentityKind(kind)]}.pem"


def build_graph(manifest: Manifest) -> Graph:
    """Every file that the manifest asks for."""
    root, settings = manifest.authorities[0], manifest.revocation_list
    lists = build_revocation_lists(settings, manifest.revocations) if settings is not None else ()
    authority = _build_authority(root, lists)
    url = settings.url if settings is not None else None
    end_entities = tuple(
        _build_end_entity(entity, root, source=lists[0] if lists else None, crl_url=url)
        for entity in manifest.brokers + manifest.clients
    )
    return Graph(
        folder_files=build_folder_files(authority, end_entities), authorities=(authority,), end_entities=end_entities
    )


def _build_authority(authority: Authority, lists: tuple[RevocationListArtifact, ...]) -> Identity:
    certificate = CA_CERTIFICATE
    return Identity(
        address="ca",
        kind=IdentityKind.CA,
        folder="ca",
        common_name=authority.subject.common_name or "",
        private_key=PrivateKeyArtifact(
            address=Address(identity="ca", part="private-key"),
            path="ca/ca.key",
            key_type=authority.key_type,
            key_type_declared="key_type" in authority.declared,
            password=authority.password,
            held=KeyHeld.HERE,
            rekey_on_renew=False,
            source=authority.private_key,
            offline=authority.offline,
        ),
        certificate=CertificateArtifact(
            address=certificate,
            path="ca/ca.pem",
            spec=CertificateSpec(
                is_ca=True, subject=authority.subject, alt_names=authority.alt_names, usages=frozenset()
            ),
            issuer=certificate,
            lifetime=authority.lifetime,
            lifetime_declared=bool(_LIFETIME_KEYS & authority.declared),
            usages_declared=False,
            # Early enough that leaves issued until then still get their whole lifetime.
            renewal=renewal_rule(
                authority.renew_before, RenewalRule(duration=authority.end_entity_validity, share=1 / 2)
            ),
        ),
        trust=None,
        fingerprint=authority.fingerprint,
        revocation_lists=lists,
    )


def _build_end_entity(
    entity: EndEntity, issuer: Authority, *, source: RevocationListArtifact | None, crl_url: str | None
) -> Identity:
    kind = _KINDS[entity.kind]
    address = f"{kind}/{entity.name}"
    folder = f"{_FOLDERS[kind]}/{entity.name}"
    return Identity(
        address=address,
        kind=kind,
        folder=folder,
        common_name=entity.subject.common_name or entity.name,
        private_key=PrivateKeyArtifact(
            address=Address(identity=address, part="private-key"),
            path=f"{folder}/{_STEMS[kind]}.key",
            key_type=entity.key_type,
            key_type_declared="key_type" in entity.declared,
            # A key that lies here although it is its host's is not ours to encrypt.
            password=entity.password if entity.request is None else None,
            held=entity.key_held,
            rekey_on_renew=entity.rekey is Rekey.ON_RENEW,
        ),
        certificate=CertificateArtifact(
            address=Address(identity=address, part="certificate"),
            path=f"{folder}/{_STEMS[kind]}.pem",
            spec=CertificateSpec(
                is_ca=False,
                subject=entity.subject,
                alt_names=entity.alt_names,
                usages=entity.usages,
                # Brokers look at clients' certificates alone.
                crl_url=crl_url if Usage.CLIENT in entity.usages else None,
            ),
            issuer=CA_CERTIFICATE,
            lifetime=entity.lifetime,
            lifetime_declared=bool(_LIFETIME_KEYS & entity.declared),
            usages_declared="usages" in entity.declared,
            renewal=ahead(renewal_rule(entity.renew_before, _RENEWAL), entity.renew_jitter, address),
        ),
        trust=TrustArtifact(
            address=Address(identity=address, part="trust"),
            path=f"{folder}/ca.pem",
            issuer=CA_CERTIFICATE,
            also_trust=issuer.also_trust,
        ),
        request=_build_request(entity),
        list_copy=build_list_copy(address, folder, source, issuer.also_trust) if kind is IdentityKind.BROKER else None,
        revoke_on_rekey=entity.revoke_on_rekey,
    )


def _build_request(entity: EndEntity) -> RequestArtifact | None:
    if entity.request is None:
        return None
    return RequestArtifact(path=entity.request.path, must_match=entity.request.must_match, password=entity.password)
