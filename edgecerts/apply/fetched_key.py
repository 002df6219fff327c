"""The authority's private key where it comes from a variable, a file or a command: opened in memory, never written."""

import contextlib
from collections.abc import Iterator

from edgecerts.apply.secrets import Secret
from edgecerts.desired.graph import PrivateKeyArtifact
from edgecerts.errors import EdgecertsError, InvalidKeyError, SecretError, WrongPasswordError
from edgecerts.pki.private_keys import PrivateKey, is_encrypted, load_private_key
from edgecerts.plan.options import NEW_CA_KEY_TO


def name_key(artifact: PrivateKeyArtifact) -> str:
    """A private key as messages call it: by its file, or by where it comes from."""
    return artifact.path if artifact.source is None else f"the private key from {artifact.source}"


def open_fetched_key(artifact: PrivateKeyArtifact, text: Secret, password: Secret | None) -> PrivateKey:
    """Opens what a source gave.

    Args:
        artifact: the authority's key, with its source.
        text: PEM, which may be encrypted.
        password: what the manifest declares for it, or None.

    Raises:
        WrongPasswordError: the password does not open it.
        InvalidKeyError: it is no private key, or is encrypted where no password is declared, or the reverse.
    """
    name = name_key(artifact)
    with _explaining(name, artifact):
        encrypted = is_encrypted(text.reveal())
    if encrypted and password is None:
        raise InvalidKeyError(
            f"{name} is encrypted, and the manifest names no password for it",
            hint="under ca: write password: {env: NAME}, or another source",
        )
    if password is not None and not encrypted:
        # Whoever declared a password counts on it.
        raise InvalidKeyError(
            f"{name} is not encrypted, and the manifest declares a password for it",
            hint="encrypt the key (openssl pkcs8 -topk8), or remove `password` under ca",
        )
    with _explaining(name, artifact):
        return load_private_key(text.reveal(), password.reveal() if password is not None else None, validate=True)


@contextlib.contextmanager
def _explaining(name: str, artifact: PrivateKeyArtifact) -> Iterator[None]:
    """Says of an error which key it is about."""
    try:
        yield
    except WrongPasswordError as error:
        raise WrongPasswordError(
            f"{name}: {error.message}", hint=f"the password came from {artifact.password}"
        ) from error
    except EdgecertsError as error:
        hint = "it is the text of a PEM file, with its line ends"
        raise InvalidKeyError(f"{name} cannot be used: {error.message}", hint=hint) from error


def explain_missing_key(error: SecretError, file: str) -> SecretError:
    """Why there is no private key, where there is no authority either: perhaps there never was one.

    Args:
        error: what is wrong with the source.
        file: where a new key could be written, as the user would name it.
    """
    return SecretError(
        error.message,
        hint="if the authority exists, give its key here and bring back its ca.pem; to make a new authority:"
        f" edgecerts apply {NEW_CA_KEY_TO} {file}",
    )
