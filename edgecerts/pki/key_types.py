"""The seven kinds of key that edgecerts makes."""

import enum


@enum.unique
class KeyType(enum.StrEnum):
    """A key's algorithm and size, in the words of the manifest."""

    RSA_2048 = "rsa-2048"
    RSA_3072 = "rsa-3072"
    RSA_4096 = "rsa-4096"
    EC_P256 = "ec-p256"
    EC_P384 = "ec-p384"
    EC_P521 = "ec-p521"
    ED25519 = "ed25519"
