"""From the files of a source folder to what they hold, each certificate, key and request once."""

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from cryptography import x509
from cryptography.exceptions import InternalError, UnsupportedAlgorithm

from edgecerts.adoption.contents import (
    CERTIFICATE,
    REQUEST,
    REVOCATION_LIST,
    UNKNOWN_REVOCATIONS,
    Block,
    read_contents,
)
from edgecerts.adoption.material import (
    FoundCertificate,
    FoundIndex,
    FoundKey,
    FoundRequest,
    FoundRevocationList,
    LeftOut,
    LeftOutCode,
    LockedKey,
    Material,
    OpenedBy,
    Place,
)
from edgecerts.adoption.revocation_records import IndexDamagedError, is_index, read_index, read_revoked_serials
from edgecerts.adoption.source_files import SourceFile
from edgecerts.errors import InvalidKeyError
from edgecerts.pki.certificate_facts import CertificateFacts, describe_certificate
from edgecerts.pki.private_keys import PrivateKey, describe_key, load_private_key, spki_sha256
from edgecerts.pki.weak_keys import MOST_RSA_BITS, is_beyond_use
from edgecerts.pki.x509_names import name_text

_DAMAGE = (
    *(ValueError, TypeError, OverflowError, UnsupportedAlgorithm, InternalError),
    *(x509.UnsupportedGeneralNameType, x509.InvalidVersion, x509.DuplicateExtension),
)
_OTHERS_READ = 0o077
_TELLING_ENDINGS = (
    *(".pem", ".crt", ".cer", ".cert", ".der", ".key", ".csr", ".req", ".crl"),
    *(".p12", ".pfx", ".p7b", ".p7c", ".jks", ".jceks", ".bks", ".keystore", ".truststore"),
)
_BOUNDARY = b"-----BEGIN "


def read_material(files: Iterable[SourceFile | LeftOut]) -> Material:
    """Reads what the files hold.

    Args:
        files: in the order of their names.
    """
    collected = _Collected()
    with warnings.catch_warnings():
        # The library warns of what other tools have made, such as a serial number of zero. That is found here, too.
        warnings.simplefilter("ignore")
        for file in files:
            if isinstance(file, LeftOut):
                collected.left_out.append(file)
            else:
                collected.read(file)
    return collected.material()


def describe_opened(key: PrivateKey, places: Sequence[Place], *, opened_by: OpenedBy | None) -> FoundKey:
    """A private key as it was found.

    Args:
        places: the files that hold it in this form.
        opened_by: what opened it; None where the files hold it unencrypted.
    """
    readable = () if opened_by is not None else tuple(place.path for place in places if place.mode & _OTHERS_READ)
    return FoundKey(
        facts=describe_key(key), private_key=key, places=tuple(places), opened_by=opened_by, exposed=readable
    )


def join_keys(keys: Iterable[FoundKey]) -> tuple[FoundKey, ...]:
    """Each key once, with all its places, in the order of the first ones."""
    groups: dict[str, list[FoundKey]] = {}
    for key in keys:
        groups.setdefault(key.facts.spki_sha256, []).append(key)
    joined = (
        replace(
            group[0],
            places=tuple(sorted({place for key in group for place in key.places})),
            opened_by=next((key.opened_by for key in group if key.opened_by is not None), None),
            exposed=tuple(sorted({path for key in group for path in key.exposed})),
        )
        for group in groups.values()
    )
    return tuple(sorted(joined, key=lambda key: key.places))


@dataclass(kw_only=True)
class _Collected:
    """What was found so far; a thing that lies in many files has many places."""

    files: int = 0
    left_out: list[LeftOut] = field(default_factory=list)
    certificates: dict[str, tuple[CertificateFacts, list[Place]]] = field(default_factory=dict)
    keys: list[FoundKey] = field(default_factory=list)
    locked: dict[bytes, list[Place]] = field(default_factory=dict)
    requests: dict[tuple[str, str], tuple[bytes, list[Place]]] = field(default_factory=dict)
    lists: dict[bytes, tuple[FoundRevocationList, list[Place]]] = field(default_factory=dict)
    indexes: list[FoundIndex] = field(default_factory=list)

    def read(self, file: SourceFile) -> None:
        self.files += 1
        if is_index(file.data):
            self._add_index(file)
            return
        blocks, problems = read_contents(file.data)
        if not blocks and not problems and _should_hold_something(file):
            problem = "by its name it holds a key or a certificate, and nothing of that kind was recognised in it"
            self._leave_out(file.place, problem, LeftOutCode.UNRECOGNISED)
        self.left_out += [LeftOut(code=entry.code, files=(file.place.path,), message=entry.text) for entry in problems]
        for block in blocks:
            if block.label == CERTIFICATE:
                self._add_certificate(file.place, block)
            elif block.label == REQUEST:
                self._add_request(file.place, block)
            elif block.label == REVOCATION_LIST:
                self._add_list(file.place, block)
            else:
                self._add_key(file.place, block)

    def material(self) -> Material:
        return Material(
            certificates=tuple(
                FoundCertificate(facts=facts, places=_each_once(places)) for facts, places in self.certificates.values()
            ),
            keys=join_keys(self.keys),
            locked=tuple(LockedKey(pem=pem, places=_each_once(places)) for pem, places in self.locked.items()),
            requests=tuple(
                FoundRequest(pem=pem, spki_sha256=spki, subject=subject, places=_each_once(places))
                for (spki, subject), (pem, places) in self.requests.items()
            ),
            lists=tuple(replace(found, places=_each_once(places)) for found, places in self.lists.values()),
            indexes=tuple(self.indexes),
            left_out=tuple(dict.fromkeys(self.left_out)),
            files=self.files,
        )

    def _leave_out(self, place: Place, problem: str, code: LeftOutCode = LeftOutCode.DAMAGED) -> None:
        self.left_out.append(LeftOut(code=code, files=(place.path,), message=problem))

    def _add_certificate(self, place: Place, block: Block) -> None:
        try:
            facts = describe_certificate(x509.load_der_x509_certificate(block.der))
        except _DAMAGE as error:
            self._leave_out(place, f"a certificate that cannot be read: {_first_line(error)}")
            return
        self.certificates.setdefault(facts.sha256, (facts, []))[1].append(place)

    def _add_request(self, place: Place, block: Block) -> None:
        try:
            request = x509.load_der_x509_csr(block.der)
            spki, subject = spki_sha256(request.public_key()), name_text(request.subject)
            usable = request.is_signature_valid
        except _DAMAGE as error:
            self._leave_out(place, f"a certificate request that cannot be read: {_first_line(error)}")
            return
        if not usable:
            self._leave_out(place, "a certificate request whose signature is not right")
            return
        self.requests.setdefault((spki, subject), (block.pem, []))[1].append(place)

    def _add_list(self, place: Place, block: Block) -> None:
        try:
            crl = x509.load_der_x509_crl(block.der)
            found = FoundRevocationList(
                crl=crl,
                issuer_der=crl.issuer.public_bytes(),
                issuer_text=name_text(crl.issuer),
                this_update=crl.last_update_utc,
                revoked=tuple(read_revoked_serials(crl)),
                places=(),
            )
        except _DAMAGE as error:
            problem = f"a revocation list that cannot be read: {_first_line(error)}; {UNKNOWN_REVOCATIONS}"
            self._leave_out(place, problem, LeftOutCode.REVOCATION_LIST)
            return
        self.lists.setdefault(block.der, (found, []))[1].append(place)

    def _add_index(self, file: SourceFile) -> None:
        try:
            issued, revoked = read_index(file.data)
        except IndexDamagedError as error:
            problem = f"the index of an authority whose {error}; {UNKNOWN_REVOCATIONS}"
            self._leave_out(file.place, problem, LeftOutCode.REVOCATION_LIST)
            return
        self.indexes.append(FoundIndex(place=file.place, issued=issued, revoked=revoked))

    def _add_key(self, place: Place, block: Block) -> None:
        if block.is_encrypted:
            self.locked.setdefault(block.pem, []).append(place)
            return
        try:
            found = describe_opened(load_private_key(block.pem, None), (place,), opened_by=None)
        except InvalidKeyError as error:
            self._leave_out(place, error.message, LeftOutCode.OTHER_KEY)
            return
        if is_beyond_use(found.facts.public_key):
            self._leave_out(place, f"a private key of more than {MOST_RSA_BITS:,} bits", LeftOutCode.OTHER_KEY)
        else:
            self.keys.append(found)


def _each_once(places: Iterable[Place]) -> tuple[Place, ...]:
    return tuple(dict.fromkeys(places))


def _should_hold_something(file: SourceFile) -> bool:
    """A file with PEM blocks of other kinds, such as the parameters of a key exchange, is known not to matter."""
    return bool(file.data) and file.place.path.lower().endswith(_TELLING_ENDINGS) and _BOUNDARY not in file.data


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
