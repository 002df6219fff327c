"""What a public key itself shows of its weakness: sizes and curves, and two faults of well-known generators."""

from collections.abc import Iterator
from functools import cache
from math import isqrt

from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

LEAST_RSA_BITS = 2048
LEAST_CURVE_BITS = 256
USUAL_EXPONENT = 65537

MOST_RSA_BITS = 16384
"""OpenSSL verifies no signature of a longer modulus; arithmetic with a much longer one would take for ever."""

_FERMAT_STEPS = 100
_ROCA_PRIMES = (11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157)
"""Those below 170 of which 65537 does not reach every remainder; one modulus in 200 million passes all by chance."""


def too_short(public_key: PublicKeyTypes) -> bool:
    """Whether today's TLS stacks refuse the key for its size or algorithm."""
    if isinstance(public_key, rsa.RSAPublicKey):
        return public_key.key_size < LEAST_RSA_BITS
    if isinstance(public_key, ec.EllipticCurvePublicKey):
        return public_key.key_size < LEAST_CURVE_BITS
    return isinstance(public_key, dsa.DSAPublicKey)


def is_beyond_use(public_key: PublicKeyTypes) -> bool:
    """Whether a key is so long that nobody can use it."""
    return isinstance(public_key, rsa.RSAPublicKey) and public_key.key_size > MOST_RSA_BITS


def find_flaws(public_key: PublicKeyTypes) -> Iterator[str]:
    """What is wrong with a key whose size is right, each in words; each makes the private key easier to find."""
    if not isinstance(public_key, rsa.RSAPublicKey) or is_beyond_use(public_key):
        return
    numbers = public_key.public_numbers()
    if numbers.e < USUAL_EXPONENT:
        yield f"its public exponent is {numbers.e}, where {USUAL_EXPONENT} is usual"
    if has_roca_fingerprint(numbers.n):
        yield "it was made by a faulty chip (ROCA, CVE-2017-15361), and its private key can be found"
    if has_close_primes(numbers.n):
        yield "its two primes lie close together, and its private key can be found at once (Fermat)"


def has_roca_fingerprint(modulus: int) -> bool:
    """Whether a modulus has the form that Infineon's library gave it (Nemec and others, CCS 2017, §3)."""
    return all(modulus % prime in powers for prime, powers in _powers().items())


def has_close_primes(modulus: int) -> bool:
    """Whether Fermat's method finds the factors of a modulus in a few steps."""
    if modulus % 2 == 0:
        return True
    middle = isqrt(modulus - 1) + 1
    for step in range(_FERMAT_STEPS):
        rest = (middle + step) ** 2 - modulus
        if isqrt(rest) ** 2 == rest:
            return True
    return False


@cache
def _powers() -> dict[int, frozenset[int]]:
    """By small prime the remainders that powers of 65537 leave, which all primes of that library are made of."""
    return {prime: frozenset(pow(USUAL_EXPONENT, power, prime) for power in range(prime - 1)) for prime in _ROCA_PRIMES}
