"""From the observed part of a planner's case to an inventory: certificates of the library's, and no file.

What a case does not mention is settled: as its manifest declares, made a hundred days ago by the authority. The log has
a line for whatever the authority made and is here, but for the addresses under `not_in_log`; `log` adds others.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, cast

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from edgecerts.desired.folder_files import merge_section
from edgecerts.desired.graph import (
    LIST_COPY,
    PUBLISHED_LIST,
    REVOCATION_LIST,
    CertificateArtifact,
    Graph,
    Identity,
    IdentityKind,
    TextArtifact,
)
from edgecerts.manifest.model import KeyHeld
from edgecerts.observed.inventory import DamagedLog, FolderFacts, Inventory, Leftover, Observed, State
from edgecerts.observed.issuance_log import LogEntry
from edgecerts.pki.certificate_facts import CertificateFacts, describe_certificate
from edgecerts.pki.certificate_requests import RequestFacts
from edgecerts.pki.certificates import USAGE_OIDS, PublicKey, is_signed_by_key, signature_hash
from edgecerts.pki.key_types import KeyType
from edgecerts.pki.names import Subject, parse_alt_name
from edgecerts.pki.private_keys import (
    KeyFacts,
    PrivateKey,
    describe_public_key,
    generate_private_key,
    key_type_name,
    spki_sha256,
)
from edgecerts.pki.profiles import Usage
from edgecerts.pki.revocation_lists import (
    RevocationListFacts,
    RevokedEntry,
    _build_entry,
    _distribution_point,
    parse_revocation_lists,
)
from edgecerts.pki.revocation_reasons import RevocationReason
from edgecerts.pki.x509_names import build_general_names, build_name, name_text
from edgecerts.plan.model import rfc3339

Described = Mapping[str, Any]
Certificates = Observed[tuple[CertificateFacts, ...]]
Lists = Observed[tuple[RevocationListFacts, ...]]

ROOT = "ca"
AGE = timedelta(days=100)
ROOT_AGE = timedelta(days=200)

# Parts of the facts that a case may set as they are, for certificates that no library makes any more.
_FACTS: Mapping[str, Callable[[Any], Any]] = {
    "version": lambda text: int(text),
    "weak_signature": lambda text: text == "true",
    "authority_key_id": lambda text: text or None,
    "authority_serial": int,
    "serial_number": int,
    "subject_key_id": str,
    "key_type": str,
    "key_usage": frozenset,
    "is_ca": lambda text: {"true": True, "false": False, "": None}[text],
}

_STATES: Mapping[str, Observed[Any]] = {
    "absent": Observed(state=State.ABSENT),
    "damaged": Observed(state=State.UNREADABLE, problem="it is damaged", damaged=True),
    "not readable": Observed(state=State.UNREADABLE, problem="this user may not read it"),
}
"""The states without a value."""


@cache
def make_key(owner: str, key_type: KeyType) -> PrivateKey:
    """The same key for the same owner, in every case."""
    return generate_private_key(key_type)


def moment(text: str) -> datetime:
    """A moment as a case writes it: 2027-01-01, or with a time."""
    return datetime.fromisoformat(text.replace("Z", "+00:00")).replace(tzinfo=UTC)


@dataclass(kw_only=True)
class Scene:
    """One case's folder.

    Attributes:
        observed: by address; each is a state's name or what differs from what is declared.
    """

    graph: Graph
    observed: Mapping[str, Any]
    now: datetime
    _made: dict[str, CertificateFacts] = field(default_factory=dict)
    _requested: dict[str, str] = field(default_factory=dict)
    _others: dict[str, Lists] = field(default_factory=dict)

    def inventory(self) -> Inventory:
        identities = self.graph.identities
        certificates = {
            **{identity.certificate.path: self._certificate(identity) for identity in identities},
            **{i.trust.path: self._trust(i) for i in self.graph.end_entities if i.trust is not None},
        }
        leftovers = tuple(self._leftover(address, told) for address, told in self._section("leftovers").items())
        found = {str(i.certificate.address): certificates[i.certificate.path] for i in identities}
        found |= {f"{leftover.address}/certificate": leftover.certificate for leftover in leftovers}
        log = (*self._usual_log(found), *(self._log_entry(line) for line in self.observed.get("log", ())))
        return Inventory(
            private_keys={identity.private_key.path: self._private_key(identity) for identity in identities},
            certificates=certificates,
            texts={artifact.path: self._text(artifact) for artifact in self.graph.folder_files},
            also_trusted=self._also_trusted(),
            log=log,
            log_files=("issued/2026.jsonl",) if log else (),
            unreadable=dict.fromkeys(self.observed.get("unreadable", ()), "Permission denied"),
            leftovers=leftovers,
            damaged_log=tuple(
                DamagedLog(path=path, lines=tuple(map(int, lines)), conflict=False)
                for path, lines in self._section("damaged_log").items()
            ),
            interrupted=self.observed.get("interrupted", "false") == "true",
            folders=tuple(_folder(path, told) for path, told in self._section("folders").items()),
            keeps_modes=self.observed.get("keeps_modes", "true") == "true",
            requests={i.request.path: self._request(i) for i in self.graph.end_entities if i.request is not None},
            revocation_lists=self._revocation_lists(),
            also_revoked=self._also_revoked(),
        )

    def _revocation_lists(self) -> dict[str, Lists]:
        """The authority's lists and brokers' copies: settled, without entries, where the manifest asks for them."""
        found: dict[str, Lists] = dict.fromkeys((REVOCATION_LIST, PUBLISHED_LIST), _STATES["absent"])
        for artifact in self.graph.authorities[0].revocation_lists:
            told = self.observed.get(str(artifact.address), {})
            settled = {"url": artifact.url, "validity": artifact.validity}
            found[artifact.path] = self._list(told if isinstance(told, str) else {**settled, **told})
        if "old list" in self.observed:
            found[REVOCATION_LIST] = self._list({"validity": timedelta(days=90), **self._section("old list")})
        for identity in self.graph.end_entities:
            if identity.kind is not IdentityKind.BROKER:
                continue
            path, told = f"{identity.folder}/{LIST_COPY}", self.observed.get(f"{identity.address}/crl", "settled")
            if identity.list_copy is None:
                found[path] = _STATES["absent"]
            elif told == "settled":
                lists = (found[REVOCATION_LIST], *self._also_revoked().values())
                found[path] = Observed(
                    state=State.PRESENT, value=tuple(facts for one in lists for facts in one.value or ())
                )
            else:
                found[path] = self._list(told)
        return found

    def _also_revoked(self) -> dict[str, Lists]:
        if not self._others:
            self._others = {path: self._list(told) for path, told in self._section("also_revoked").items()}
        return self._others

    def _list(self, told: Any) -> Lists:
        """A list of the authority, made ten days ago; `revoked` has reasons by the name of a certificate."""
        if isinstance(told, str) and told in _STATES:
            return _STATES[told]
        told = {"issuer": told} if isinstance(told, str) else told
        name = told.get("issuer", ROOT)
        authority = self._authority(name).certificate
        key = make_key(ROOT if name == ROOT else name, self.graph.authorities[0].private_key.key_type)
        begins = moment(told["this_update"]) if "this_update" in told else self.now - timedelta(days=10)
        ends = moment(told["next_update"]) if "next_update" in told else begins + told.get("validity", AGE)
        forged = make_key("nobody", KeyType.EC_P256) if told.get("signature") == "broken" else key
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(authority.subject)
            .last_update(begins)
            .next_update(ends)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
        )
        if told.get("number") != "none":
            builder = builder.add_extension(x509.CRLNumber(int(told.get("number", "7"))), critical=False)
        if told.get("url"):
            builder = builder.add_extension(_distribution_point(told["url"]), critical=True)
        for who, reason in told.get("revoked", {}).items():
            number = self._made[who].serial_number if who in self._made else int(who, 16)
            entry = RevokedEntry(serial_number=number, reason=RevocationReason(reason), at=begins)
            builder = builder.add_revoked_certificate(_build_entry(entry))
        pem = builder.sign(forged, signature_hash(forged)).public_bytes(Encoding.PEM)
        copies = int(told.get("copies", "1"))
        lists = parse_revocation_lists(pem)
        return Observed(state=State.PRESENT, value=lists * copies)

    def digests(self) -> dict[str, str]:
        """Names for the digests of certificates and keys, and for the serial numbers, that stand in reasons."""
        names = {facts.sha256: name for name, facts in self._made.items()}
        names |= {facts.serial: f"serial of {name}" for name, facts in self._made.items()}
        names |= {f"{facts.serial_number:x}": f"serial of {name}" for name, facts in self._made.items()}
        names |= {spki: f"key of {owner}" for spki, owner in self._requested.items()}
        return names | {facts.spki_sha256: f"key of {name}" for name, facts in self._made.items()}

    def _section(self, name: str) -> Described:
        section = self.observed.get(name, {})
        assert isinstance(section, dict)
        return section

    def _told(self, identity: str, part: str) -> str | Described:
        """What the case says of one file; a word for an identity is meant for each of its files."""
        told = self.observed.get(f"{identity}/{part}", self.observed.get(identity, {}))
        assert isinstance(told, str | dict)
        return {} if told == "settled" else told

    def _private_key(self, identity: Identity) -> Observed[KeyFacts]:
        artifact = identity.private_key
        told = self._told(identity.address, "private-key")
        if told == "absent" or (not told and artifact.held is not KeyHeld.HERE):
            return Observed(state=State.ABSENT)
        if told == "damaged":
            return Observed(state=State.UNREADABLE, problem="not a private key", damaged=True)
        if told == "not readable":
            return Observed(state=State.LOCKED, problem="this user may not read it")
        if told == "locked" or (not told and artifact.password is not None):
            return Observed(
                state=State.LOCKED, mode=0o600, folder_mode=0o700, problem="it is encrypted", encrypted=True
            )
        told = told if isinstance(told, dict) else {"key": told}
        key_type = KeyType(told.get("key_type", artifact.key_type.value))
        public_key = make_key(_owner(told, identity.address), key_type).public_key()
        facts = describe_public_key(public_key)
        facts = replace(facts, key_type=told.get("reads_as", facts.key_type))
        return Observed(
            state=State.PRESENT,
            value=facts,
            mode=int(told.get("mode", "0600"), 8),
            folder_mode=int(told.get("folder_mode", "0700"), 8),
        )

    def _request(self, identity: Identity) -> Observed[RequestFacts]:
        """What the host sent: nothing, unless the case says so; a name is that of the key's owner."""
        told = self.observed.get(f"{identity.address}/request", "absent")
        if isinstance(told, str) and told in _STATES:
            return _STATES[told]
        told = told if isinstance(told, dict) else {} if told == "settled" else {"key": told}
        owner = _owner(told, identity.address)
        key_type = KeyType(told.get("key_type", identity.private_key.key_type.value))
        public_key = make_key(owner, key_type).public_key()
        spec = identity.certificate.spec
        facts = RequestFacts(
            subject=tuple(told["subject"].items()) if "subject" in told else spec.subject.items(),
            alt_names=frozenset(told.get("alt_names", map(str, spec.alt_names))),
            wants_authority=told.get("wants_authority") == "true",
            key_type=told.get("reads_as", key_type_name(public_key)),
            spki_sha256=spki_sha256(public_key),
            public_key=public_key,
        )
        self._requested[facts.spki_sha256] = owner
        return Observed(state=State.PRESENT, value=facts)

    def _certificate(self, identity: Identity) -> Certificates:
        told = self._told(identity.address, "certificate")
        if isinstance(told, str) and told in _STATES:
            return _STATES[told]
        told = told if isinstance(told, dict) else {"key": told}
        facts = self._issued(identity, told)
        copies = int(told.get("copies", "1"))
        return Observed(state=State.PRESENT, value=(facts,) * copies)

    def _trust(self, identity: Identity) -> Certificates:
        told: Any = self.observed.get(f"{identity.address}/trust", self.observed.get(identity.address, "settled"))
        if isinstance(told, str) and told in _STATES:
            return _STATES[told]
        assert identity.trust is not None
        if isinstance(told, list):
            names = told
        else:
            files = self._section("also_trusted")
            names = [ROOT, *(files[entry.ca] for entry in identity.trust.also_trust)]
        return Observed(state=State.PRESENT, value=tuple(self._authority(name) for name in names))

    def _also_trusted(self) -> dict[str, Certificates]:
        found: dict[str, Certificates] = {}
        for path, told in self._section("also_trusted").items():
            there = Observed(state=State.PRESENT, value=(self._authority(told),)) if told not in _STATES else None
            found[path] = there or _STATES[told]
        return found

    def _text(self, artifact: TextArtifact) -> Observed[str]:
        told = self.observed.get(str(artifact.address), "settled")
        if told in _STATES:
            return _STATES[told]
        return Observed(state=State.PRESENT, value=merge_section("", artifact.content) if told == "settled" else told)

    def _usual_log(self, found: Mapping[str, Certificates]) -> Iterator[LogEntry]:
        """A line for each certificate that the key of the authority signed which is here, by address."""
        key = self._private_key(self.graph.authorities[0]).value
        public_key = key.public_key if key else self._signer({})[1].public_key()
        if found["ca/certificate"].value:
            public_key = cast("PublicKey", found["ca/certificate"].value[0].certificate.public_key())
        for address, certificate in found.items():
            if not certificate.value or address in self.observed.get("not_in_log", ()):
                continue
            facts = certificate.value[0]
            if is_signed_by_key(facts.certificate, public_key):
                yield _line(address, facts, issuer_key=spki_sha256(public_key), issued_at=facts.not_before)

    def _log_entry(self, told: str | Described) -> LogEntry:
        """A line of the log: the certificate of an address, or one that is not there any more."""
        told = {"address": told} if isinstance(told, str) else told
        address = told["address"]
        facts = self._made.get(address.removesuffix("/certificate"))
        identity = next((i for i in self.graph.identities if str(i.certificate.address) == address), None)
        if identity is not None and (facts is None or told.keys() - {"address", "issued_at", "says"}):
            facts = self._sign(identity, told)
        issuer_key = self._authority(told.get("issuer", ROOT)).spki_sha256
        begins = facts.not_before if facts else self.now
        issued_at = moment(told["issued_at"]) if "issued_at" in told else begins
        line = _line(address, facts, issuer_key=issuer_key, issued_at=issued_at)
        if "serial_of" in told:
            line = replace(line, serial=self._made[told["serial_of"]].serial)
        return replace(line, **told.get("says", {}))

    def _leftover(self, address: str, told: str | Described) -> Leftover:
        """A folder of ours without an entry: made like the first entry of the manifest, under another name."""
        kind, name = address.split("/")
        stem = "server" if kind == "broker" else "client"
        paths = tuple(f"{kind}s/{name}/{file}" for file in (f"{stem}.key", f"{stem}.pem", "ca.pem"))
        key: Observed[KeyFacts] = Observed(state=State.LOCKED, problem="it is encrypted", encrypted=True)
        if isinstance(told, str):
            return Leftover(address=address, paths=paths, private_key=key, certificate=_STATES[told])
        model = self.graph.end_entities[0]
        identity = replace(model, address=address)
        certificate: Certificates = Observed(state=State.PRESENT, value=(self._issued(identity, told),))
        return Leftover(address=address, paths=paths, private_key=key, certificate=certificate)

    def _authority(self, name: str) -> CertificateFacts:
        """The authority's certificate as the case has it; another one of the same name; or a stranger by its name."""
        identity = self.graph.authorities[0]
        if name == ROOT:
            told = self._told(ROOT, "certificate")
            return self._issued(identity, told if isinstance(told, dict) and "key" not in told else {}, name=ROOT)
        subject = {} if name == "another" else {"subject": {"common_name": name}}
        return self._issued(identity, {"key": name, **subject}, name=name)

    def _issued(self, identity: Identity, told: Described, *, name: str | None = None) -> CertificateFacts:
        """A certificate that is made once in a case."""
        if name is None:
            name = _owner(told, identity.address) if identity.address == ROOT else identity.address
        if name not in self._made:
            self._made[name] = self._sign(identity, told)
        return self._made[name]

    def _sign(self, identity: Identity, told: Described) -> CertificateFacts:
        artifact = identity.certificate
        is_root = artifact.spec.is_ca
        owner = _owner(told, identity.address)
        key = make_key(owner, KeyType(told.get("own_key_type", identity.private_key.key_type.value)))
        signer_name, signer = self._signer(told)
        subject = _subject(told, artifact)
        if is_root:
            signer_name, signer = build_name(subject), key
        begins, ends = self._period(artifact, told)
        ski = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        aki = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
        builder = (
            x509.CertificateBuilder()
            .subject_name(build_name(subject))
            .issuer_name(signer_name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(begins)
            .not_valid_after(ends)
            .add_extension(x509.BasicConstraints(ca=is_root, path_length=None), critical=True)
            .add_extension(_key_usage(is_ca=is_root), critical=True)
            .add_extension(ski, critical=False)
            .add_extension(aki, critical=False)
        )
        declared = [str(name) for name in artifact.spec.alt_names]
        names = [parse_alt_name(name) for name in told.get("alt_names", declared)]
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(build_general_names(names)), critical=False)
        usages = [Usage(usage) for usage in told.get("usages", artifact.spec.usages)]
        if usages:
            extension = x509.ExtendedKeyUsage([USAGE_OIDS[usage] for usage in usages])
            builder = builder.add_extension(extension, critical=False)
        forged = told.get("signature") == "broken"
        signing = make_key("nobody", KeyType.EC_P256) if forged else signer
        facts = describe_certificate(builder.sign(signing, signature_hash(signing)))
        given = {name: read(told[name]) for name, read in _FACTS.items() if name in told}
        if "attributes" in told:
            given["subject"] = tuple(tuple(attribute.split("=")) for attribute in told["attributes"])
        return replace(facts, **given)

    def _signer(self, told: Described) -> tuple[x509.Name, PrivateKey]:
        """Who issued an end entity's certificate: the authority that was here, another of its name, or a stranger."""
        identity = self.graph.authorities[0]
        root = self._told(ROOT, "certificate")
        root = root if isinstance(root, dict) else {}
        key_type = KeyType(root.get("own_key_type", identity.private_key.key_type.value))
        name = told.get("issuer", ROOT)
        if name not in (ROOT, "another"):
            return build_name(Subject(common_name=name)), make_key(name, key_type)
        return build_name(_subject(root, identity.certificate)), make_key(name, key_type)

    def _period(self, artifact: CertificateArtifact, told: Described) -> tuple[datetime, datetime]:
        begins = self.now - (ROOT_AGE if artifact.spec.is_ca else AGE)
        begins = moment(told["not_before"]) if "not_before" in told else begins
        lifetime = artifact.lifetime
        ends = lifetime.not_after or begins + (lifetime.validity or timedelta())
        ends = moment(told["not_after"]) if "not_after" in told else ends
        return min(begins, ends - timedelta(hours=1)), ends


def _line(address: str, facts: CertificateFacts | None, *, issuer_key: str, issued_at: datetime) -> LogEntry:
    """A line of the log; without facts, for a certificate that nothing else is known of."""
    return LogEntry(
        serial=facts.serial if facts else "00" * 20,
        address=address,
        issuer_key=issuer_key,
        subject=name_text(facts.certificate.subject) if facts else "",
        not_before=rfc3339(facts.not_before if facts else issued_at),
        not_after=rfc3339(facts.not_after if facts else issued_at),
        spki_sha256=facts.spki_sha256 if facts else "00" * 32,
        sha256=facts.sha256 if facts else "00" * 32,
        action="create",
        reasons=("missing",),
        issued_at=rfc3339(issued_at),
        issued_by="test",
        version="1",
    )


def _folder(path: str, told: Described) -> FolderFacts:
    """A folder of ours, private and root's where the case does not say otherwise; `.` is the output folder itself."""
    return FolderFacts(
        path="" if path == "." else path, mode=int(told.get("mode", "0700"), 8), owner=int(told.get("owner", "0"))
    )


def _owner(told: Described, address: str) -> str:
    """Whose key it is; `another` and every other name is somebody else's."""
    owner = told.get("key", address)
    assert isinstance(owner, str)
    return owner


def _subject(told: Described, artifact: CertificateArtifact) -> Subject:
    subject = told.get("subject")
    return Subject(**subject) if subject is not None else artifact.spec.subject


def _key_usage(*, is_ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not is_ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=is_ca,
        crl_sign=is_ca,
        encipher_only=False,
        decipher_only=False,
    )
