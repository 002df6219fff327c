"""Certificate requests (PKCS#10, RFC 2986): written for a private key, and read with suspicion.

What a request asks for is described and never followed: names and usages come from the manifest. Its public key is what
it is for, and its signature shows that whoever wrote it has the private key.
"""

import re
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from edgecerts.errors import InvalidRequestError
from edgecerts.pki.certificates import CertificateSpec, PublicKey, signature_hash
from edgecerts.pki.key_recognition import holds_private_key
from edgecerts.pki.pem import split_pem
from edgecerts.pki.private_keys import PrivateKey, key_type_name, spki_sha256
from edgecerts.pki.x509_names import build_general_names, build_name, name_attributes, parse_general_names

MAX_REQUEST_BYTES = 64 * 1024
"""The request of an RSA key of 16,384 bits with a hundred names has a sixth of this."""

LEAST_RSA_EXPONENT = 65537
"""Small exponents have been the undoing of careless padding (NIST SP 800-56B §6.2)."""

_LABELS = ("CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST")
_BLOCK = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----")


@dataclass(frozen=True, kw_only=True, slots=True)
class RequestFacts:
    """A request whose signature is its own key's.

    Attributes:
        subject: the attributes in order, as (manifest's field name or dotted OID, value).
        alt_names: the entries of the SAN that it asks for, as text.
        wants_authority: it asks to be an authority (basicConstraints with cA, or keyUsage with keyCertSign).
        key_type: a `KeyType` value or another algorithm's name.
        spki_sha256: SHA-256 of the subjectPublicKeyInfo, in hexadecimal.
    """

    subject: tuple[tuple[str, str], ...]
    alt_names: frozenset[str]
    wants_authority: bool
    key_type: str
    spki_sha256: str
    public_key: PublicKey = field(repr=False, compare=False)


def build_request(spec: CertificateSpec, private_key: PrivateKey) -> bytes:
    """A request in PEM for what a certificate of this specification will say, signed by its own key."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(build_name(spec.subject))
    if spec.alt_names:
        names = x509.SubjectAlternativeName(build_general_names(spec.alt_names))
        builder = builder.add_extension(names, critical=False)
    return builder.sign(private_key, signature_hash(private_key)).public_bytes(serialization.Encoding.PEM)


def is_request_file(data: bytes) -> bool:
    """Whether a file is meant for a request, however damaged: nothing is lost where another takes its place."""
    labels = [label.decode("ascii") for label in _BLOCK.findall(data)]
    return not data.strip() or (bool(labels) and all(label in _LABELS for label in labels))


def parse_request(data: bytes) -> RequestFacts:
    """Reads a PEM file with one request.

    Raises:
        InvalidRequestError: it is anything else, or its signature is not its own key's. The message never repeats what
            the file holds.
    """
    block = _single_block(data)
    try:
        request = x509.load_pem_x509_csr(block)
        public_key = request.public_key()
        if not isinstance(public_key, PublicKey):
            raise InvalidRequestError(f"it is for a key of a kind that is not used here: {key_type_name(public_key)}")
        if isinstance(public_key, rsa.RSAPublicKey) and public_key.public_numbers().e < LEAST_RSA_EXPONENT:
            raise InvalidRequestError(f"the public exponent of its RSA key is under {LEAST_RSA_EXPONENT}")
        if not request.is_signature_valid:
            raise InvalidRequestError("its signature is not that of its key: it was changed, or made up")
        return _describe(request, public_key)
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.DuplicateExtension, x509.InvalidVersion) as error:
        raise InvalidRequestError("it is damaged, or uses what is not supported here") from error
    except x509.UnsupportedGeneralNameType as error:
        raise InvalidRequestError("it asks for a name of an unknown kind") from error


def _single_block(data: bytes) -> bytes:
    if len(data) > MAX_REQUEST_BYTES:
        raise InvalidRequestError(f"it has more than {MAX_REQUEST_BYTES // 1024} KiB; a request has a few")
    if not data.strip():
        raise InvalidRequestError("it is empty")
    if holds_private_key(data):
        raise InvalidRequestError(
            "it holds a private key, which must stay on its host; whoever saw this file may have it",
            hint="make a new key on the host, and send the request alone",
        )
    labels = [label.decode("ascii") for label in _BLOCK.findall(data)]
    if len(labels) > 1:
        raise InvalidRequestError(f"it holds {len(labels)} PEM blocks; a request is one")
    try:
        ((_, block),) = split_pem(data, _LABELS)
    except ValueError as error:
        kind = f"a PEM block of another kind: {labels[0]}" if labels else None
        if kind is None or labels[0] in _LABELS:
            raise InvalidRequestError(
                f"it is no request in PEM: {error}",
                hint="openssl req -inform DER -in FILE -out NEW converts one in DER" if data[:1] == b"\x30" else None,
            ) from error
        raise InvalidRequestError(f"it holds {kind}, and no request") from error
    if data.rpartition(b"-----")[2].strip():
        raise InvalidRequestError("something follows after the request")
    return block


def _describe(request: x509.CertificateSigningRequest, public_key: PublicKey) -> RequestFacts:
    extensions = request.extensions
    names: frozenset[str] = frozenset()
    wants_authority = False
    for extension in extensions:
        if isinstance(extension.value, x509.SubjectAlternativeName):
            names = parse_general_names(extension.value)
        elif isinstance(extension.value, x509.BasicConstraints):
            wants_authority = wants_authority or extension.value.ca
        elif isinstance(extension.value, x509.KeyUsage):
            wants_authority = wants_authority or extension.value.key_cert_sign
    return RequestFacts(
        subject=name_attributes(request.subject),
        alt_names=names,
        wants_authority=wants_authority,
        key_type=key_type_name(public_key),
        spki_sha256=spki_sha256(public_key),
        public_key=public_key,
    )
