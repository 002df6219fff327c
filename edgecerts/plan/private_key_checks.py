"""The checks of one private key file. No key is opened here: an encrypted key is judged from outside."""

from collections.abc import Iterator

from edgecerts.desired.graph import PRIVATE_FOLDER_MODE, PrivateKeyArtifact
from edgecerts.observed.inventory import Observed, State
from edgecerts.pki.key_types import KeyType
from edgecerts.pki.private_keys import KeyFacts
from edgecerts.plan.model import Reason, ReasonCode


def check_private_key(artifact: PrivateKeyArtifact, found: Observed[KeyFacts]) -> tuple[Reason, ...]:
    """All reasons why a private key file that is there is not as declared; none where it is."""
    if found.state is State.UNREADABLE:
        return (Reason(code=ReasonCode.CORRUPT, field="private-key", before=found.problem),)
    return tuple(_check_encryption(artifact, found)) + tuple(check_mode(artifact, found))


def unusable_key(key_type: str, artifact: PrivateKeyArtifact) -> str | None:
    """What keeps a key from being certified, in words, or None: a type that is weak, odd or not the declared one."""
    if key_type not in set(KeyType):
        return f"is {key_type}, for which no certificate is made"
    if artifact.key_type_declared and key_type != artifact.key_type.value:
        return f"is {key_type}, and the manifest declares {artifact.key_type}"
    return None


def _check_encryption(artifact: PrivateKeyArtifact, found: Observed[KeyFacts]) -> Iterator[Reason]:
    """A key with a declared password is encrypted. The reverse is no change: a key keeps its password."""
    if artifact.password is not None and found.state is State.PRESENT:
        yield Reason(code=ReasonCode.ENCRYPTION_CHANGED, field="password", before="not encrypted", after="encrypted")


def check_mode(artifact: PrivateKeyArtifact, found: Observed[KeyFacts]) -> Iterator[Reason]:
    """An unencrypted key, and the folder it lies in, are no wider open than declared."""
    if found.state is not State.PRESENT or found.mode is None or found.folder_mode is None:
        return
    if found.mode & ~artifact.mode:
        yield _mode_reason("mode", found.mode, artifact.mode)
    if found.folder_mode & ~PRIVATE_FOLDER_MODE:
        yield _mode_reason("folder mode", found.folder_mode, PRIVATE_FOLDER_MODE)


def _mode_reason(field: str, before: int, after: int) -> Reason:
    return Reason(code=ReasonCode.MODE_CHANGED, field=field, before=f"{before:04o}", after=f"{after:04o}")


def other_type(artifact: PrivateKeyArtifact, found: Observed[KeyFacts]) -> Reason | None:
    """A private key that is here without a certificate, and is of another type than the declared one."""
    declared = artifact.key_type.value
    if not artifact.key_type_declared or found.value is None or found.value.key_type == declared:
        return None
    return Reason(code=ReasonCode.KEY_TYPE_CHANGED, field="key_type", before=found.value.key_type, after=declared)
