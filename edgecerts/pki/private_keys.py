"""Private keys: made, written as PKCS#8, read back, and described without being opened."""

import functools
import hashlib
from dataclasses import dataclass, field

from cryptography.exceptions import InternalError, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

from edgecerts.errors import InvalidKeyError, WrongPasswordError
from edgecerts.pki.key_encryption import encrypt_private_key
from edgecerts.pki.key_types import KeyType
from edgecerts.pki.pem import split_pem
from edgecerts.pki.profiles import KDF_ROUNDS

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey

_CURVES: dict[KeyType, ec.EllipticCurve] = {
    KeyType.EC_P256: ec.SECP256R1(),
    KeyType.EC_P384: ec.SECP384R1(),
    KeyType.EC_P521: ec.SECP521R1(),
}
_CURVE_TYPES = {curve.name: key_type for key_type, curve in _CURVES.items()}
_LABELS = ("PRIVATE KEY", "ENCRYPTED PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY")


@dataclass(frozen=True, kw_only=True, slots=True)
class KeyFacts:
    """What an unencrypted private key file says about its key.

    Attributes:
        key_type: a `KeyType` value, or another algorithm's name such as `rsa-1024`.
        spki_sha256: SHA-256 of the DER-encoded subjectPublicKeyInfo, in hexadecimal.
        spki: the subjectPublicKeyInfo itself.
    """

    key_type: str
    spki_sha256: str
    spki: bytes = field(repr=False, compare=False)

    @property
    def public_key(self) -> rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey:
        """The public key itself, read anew each time: what the library keeps of one would fill the memory."""
        key = serialization.load_der_public_key(self.spki)
        assert isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey)  # noqa: S101 (as it was made)
        return key


def generate_private_key(key_type: KeyType) -> PrivateKey:
    """Makes a new private key."""
    if key_type is KeyType.ED25519:
        return ed25519.Ed25519PrivateKey.generate()
    if key_type in _CURVES:
        return ec.generate_private_key(_CURVES[key_type])
    return rsa.generate_private_key(public_exponent=65537, key_size=int(key_type.value.removeprefix("rsa-")))


def encode_private_key(key: PrivateKey, password: bytes | None) -> bytes:
    """A private key as PKCS#8 PEM: plain, or encrypted where a password is given."""
    if password is None:
        return key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    pkcs8 = key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return encrypt_private_key(pkcs8, password, rounds=KDF_ROUNDS)


def encode_new_key(key: PrivateKey, password: bytes | None) -> bytes:
    """The same, for what may become the only copy of a key: it was opened again.

    Raises:
        InvalidKeyError: it is not the key that it was made from.
    """
    pem = encode_private_key(key, password)
    if load_private_key(pem, password).public_key() != key.public_key():
        raise InvalidKeyError("it does not read back as it was made")
    return pem


def is_encrypted(pem: bytes) -> bool:
    """Whether a private key file needs a password.

    Raises:
        InvalidKeyError: the file does not hold exactly one private key.
    """
    return _is_encrypted(*_single_block(pem))


def load_private_key(pem: bytes, password: bytes | None, *, validate: bool = False) -> PrivateKey:
    """Opens a private key file.

    Args:
        pem: PKCS#8, PKCS#1 or SEC1, plain or encrypted.
        password: needed exactly where it is encrypted.
        validate: check that the numbers of an RSA key fit together, which costs 28 ms and more.

    Raises:
        InvalidKeyError: it is damaged, is not one private key, or is of a kind that edgecerts does not use.
        WrongPasswordError: the password does not open it, or it needs one and got none.
    """
    label, block = _single_block(pem)
    encrypted = _is_encrypted(label, block)
    if encrypted and password is None:
        raise WrongPasswordError("the private key is encrypted and no password was given")
    try:
        key = serialization.load_pem_private_key(
            block, password if encrypted else None, unsafe_skip_rsa_key_validation=not validate
        )
    except (ValueError, TypeError, UnsupportedAlgorithm, InternalError) as error:
        # Damage inside an encrypted key looks the same as a wrong password; parameters of its encryption that OpenSSL
        # refuses are an internal error to the library.
        if encrypted:
            raise WrongPasswordError("the password does not open the private key") from error
        raise InvalidKeyError("the private key is damaged") from error
    if not isinstance(key, PrivateKey):
        raise InvalidKeyError(f"the private key is of a kind that is not used here: {type(key).__name__}")
    return key


def read_key_facts(pem: bytes) -> KeyFacts:
    """Describes an unencrypted private key.

    Raises:
        InvalidKeyError: it is damaged, encrypted or not one private key.
    """
    return describe_key(load_private_key(pem, None))


def describe_key(key: PrivateKey) -> KeyFacts:
    """Describes a private key that was opened."""
    return describe_public_key(key.public_key())


def describe_public_key(public_key: PublicKeyTypes) -> KeyFacts:
    """Describes the public half of a private key that is of a kind that is used here."""
    spki = public_key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return KeyFacts(key_type=key_type_name(public_key), spki_sha256=digest_of_key(spki), spki=spki)


def digest_of_key(spki: bytes) -> str:
    """SHA-256 of a subjectPublicKeyInfo, in hexadecimal: the same text for a key and the certificate beside it."""
    return _shared(hashlib.sha256(spki).hexdigest())


@functools.lru_cache(maxsize=16)
def _shared(digest: str) -> str:
    return digest


def key_type_name(public_key: PublicKeyTypes) -> str:
    """The key type in the manifest's words, or a similar word for one that edgecerts does not make."""
    if isinstance(public_key, ec.EllipticCurvePublicKey):
        known = _CURVE_TYPES.get(public_key.curve.name)
        return known.value if known else f"ec-{public_key.curve.name}"
    if isinstance(public_key, rsa.RSAPublicKey):
        return f"rsa-{public_key.key_size}"
    return type(public_key).__name__.removeprefix("_").removesuffix("PublicKey").lower()


def spki_sha256(public_key: PublicKeyTypes) -> str:
    """SHA-256 of the DER-encoded subjectPublicKeyInfo, in hexadecimal (RFC 7469 §2.4)."""
    spki = public_key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(spki).hexdigest()


def _is_encrypted(label: str, block: bytes) -> bool:
    return label == "ENCRYPTED PRIVATE KEY" or b"Proc-Type: 4,ENCRYPTED" in block


def _single_block(pem: bytes) -> tuple[str, bytes]:
    try:
        blocks = [block for block in split_pem(pem, (*_LABELS, "EC PARAMETERS")) if block[0] != "EC PARAMETERS"]
    except ValueError as error:
        raise InvalidKeyError(f"not a private key: {error}") from None
    if len(blocks) != 1:
        raise InvalidKeyError(f"not one private key but {len(blocks)}")
    return blocks[0]
