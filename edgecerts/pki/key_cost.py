"""What it costs to open an encrypted private key, before anybody tries: a hostile file may ask for hours."""

from edgecerts.pki.der import INTEGER, OCTET_STRING, SEQUENCE, Element, read_element, read_elements

MOST_ROUNDS = 10_000_000
"""About a second of PBKDF2 with SHA-256; OWASP asks for 600,000."""

MOST_SCRYPT = 2**21
"""Cost times block size: 256 MiB of memory. `openssl pkcs8 -scrypt` uses a sixteenth of that."""

_MOST_PARALLEL = 16
_PBES2 = bytes.fromhex("2a864886f70d01050d")
_SCRYPT = bytes.fromhex("2b06010401da47040b")


def is_affordable(pkcs8: bytes) -> bool:
    """Whether an EncryptedPrivateKeyInfo (RFC 5958 §3) can be opened in reasonable time.

    Args:
        pkcs8: its DER encoding. What is damaged, or of an unknown kind, costs nothing: the library refuses it.
    """
    try:
        algorithm = read_elements(read_element(pkcs8).content, most=1)[0]
        scheme, parameters = read_elements(algorithm.content, most=2)
        if scheme.content != _PBES2:
            return _rounds(parameters) <= MOST_ROUNDS
        derivation = read_elements(parameters.content, most=1)[0]
        function, parameters = read_elements(derivation.content, most=2)
        if function.content == _SCRYPT:
            return _is_affordable_scrypt(parameters)
        return _rounds(parameters) <= MOST_ROUNDS
    except (ValueError, IndexError):
        return True


def _rounds(parameters: Element) -> int:
    """The iterations of PBKDF2, and of the older schemes (RFC 8018 appendix A): they stand behind the salt."""
    salt, rounds = read_elements(parameters.content, most=2)
    if parameters.tag != SEQUENCE or salt.tag != OCTET_STRING or rounds.tag != INTEGER:
        raise ValueError("not salt and rounds")
    return rounds.number


def _is_affordable_scrypt(parameters: Element) -> bool:
    """RFC 7914 §7: salt, cost, block size, parallelisation."""
    _, cost, block, parallel = read_elements(parameters.content, most=4)
    return cost.number * block.number <= MOST_SCRYPT and parallel.number <= _MOST_PARALLEL
