"""Encrypted PKCS#8 (RFC 5958 §3) with PBES2, PBKDF2-HMAC-SHA256 and AES-256-CBC (RFC 8018 §6.2).

The `cryptography` library writes this format too, but with 2,048 rounds and no way to ask for more; so the few lines
of DER around its primitives stand here. Reading is left to the library.
"""

import os

from cryptography.hazmat.primitives import hashes, padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC

from edgecerts.pki.pem import encode_block

_INTEGER, _OCTET_STRING, _NULL, _SEQUENCE = 0x02, 0x04, 0x05, 0x30

# Object identifiers, DER-encoded: RFC 8018 appendix C and NIST's AES arc.
_PBES2 = bytes.fromhex("06092a864886f70d01050d")
_PBKDF2 = bytes.fromhex("06092a864886f70d01050c")
_HMAC_WITH_SHA256 = bytes.fromhex("06082a864886f70d0209")
_AES256_CBC = bytes.fromhex("060960864801650304012a")


def encrypt_private_key(pkcs8: bytes, password: bytes, *, rounds: int) -> bytes:
    """Encrypts a DER-encoded PrivateKeyInfo.

    Args:
        pkcs8: the plain key.
        password: what opens it again; not empty.
        rounds: PBKDF2 iterations.

    Returns:
        PEM text with the label ENCRYPTED PRIVATE KEY.
    """
    salt, iv = os.urandom(16), os.urandom(16)
    key = PBKDF2HMAC(algorithm=hashes.SHA256(), length=32, salt=salt, iterations=rounds).derive(password)
    padder = padding.PKCS7(algorithms.AES.block_size).padder()
    encryptor = Cipher(algorithms.AES(key), modes.CBC(iv)).encryptor()
    encrypted = encryptor.update(padder.update(pkcs8) + padder.finalize()) + encryptor.finalize()
    info = _der(_SEQUENCE, _algorithm(salt, iv, rounds), _der(_OCTET_STRING, encrypted))
    return encode_block(info, "ENCRYPTED PRIVATE KEY")


def _algorithm(salt: bytes, iv: bytes, rounds: int) -> bytes:
    """AlgorithmIdentifier of PBES2 with its two parts (RFC 8018 appendix A.2 and A.4)."""
    iterations = rounds.to_bytes(rounds.bit_length() // 8 + 1, "big")
    prf = _der(_SEQUENCE, _HMAC_WITH_SHA256, _der(_NULL))
    kdf = _der(_SEQUENCE, _PBKDF2, _der(_SEQUENCE, _der(_OCTET_STRING, salt), _der(_INTEGER, iterations), prf))
    scheme = _der(_SEQUENCE, _AES256_CBC, _der(_OCTET_STRING, iv))
    return _der(_SEQUENCE, _PBES2, _der(_SEQUENCE, kdf, scheme))


def _der(tag: int, *parts: bytes) -> bytes:
    content = b"".join(parts)
    if len(content) < 0x80:
        length = bytes([len(content)])
    else:
        size = (len(content).bit_length() + 7) // 8
        length = bytes([0x80 | size]) + len(content).to_bytes(size, "big")
    return bytes([tag]) + length + content
