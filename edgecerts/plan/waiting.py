"""What only a host can do: make a key and send its request. It is no error; a new device may come next week."""

import enum
import shlex
from dataclasses import dataclass

from edgecerts.desired.graph import Identity
from edgecerts.pki.key_types import KeyType

_NEW_KEY = {
    KeyType.EC_P256: "ec -pkeyopt ec_paramgen_curve:P-256",
    KeyType.EC_P384: "ec -pkeyopt ec_paramgen_curve:P-384",
    KeyType.EC_P521: "ec -pkeyopt ec_paramgen_curve:P-521",
    KeyType.ED25519: "ed25519",
}


@enum.unique
class WaitingCode(enum.StrEnum):
    """What is waited for."""

    REQUEST_MISSING = "request-missing"
    KEY_TYPE_CHANGED = "key-type-changed"
    KEY_UNUSABLE = "key-unusable"
    KEY_REVOKED = "key-revoked"


@dataclass(frozen=True, kw_only=True, slots=True)
class Waiting:
    """A certificate for which its host has to send something first.

    Attributes:
        address: the certificate's.
        hint: what to run on the host.
        command: one line for the shell of a host without edgecerts, which makes the key and the request.
    """

    code: WaitingCode
    address: str
    message: str
    hint: str
    command: str

    @property
    def is_first(self) -> bool:
        """Whether nothing was ever sent for it, as far as can be seen here."""
        return self.code is WaitingCode.REQUEST_MISSING


def wait_for(identity: Identity, code: WaitingCode, message: str) -> Waiting:
    """What a host is told.

    Args:
        identity: whose certificate waits.
        code: what for.
        message: the same in words, to which the place of the request is added.
    """
    new_key = code is not WaitingCode.REQUEST_MISSING
    return Waiting(
        code=code,
        address=str(identity.certificate.address),
        message=f"{message}, {_request_path(identity)}",
        hint=on_host(identity, new_key=new_key),
        command=openssl_command(identity, new_key=new_key),
    )


def on_host(identity: Identity, *, new_key: bool) -> str:
    """The hint for whoever looks after the host."""
    return f"on its host: edgecerts request {identity.address}{' --rekey' if new_key else ''}"


def openssl_command(identity: Identity, *, new_key: bool) -> str:
    """Makes a key and a request with the openssl program. Alternative names are left to the manifest.

    That program writes over a key that is there, which may be in use or be the only one; so the line looks first.

    Args:
        identity: what it is for.
        new_key: another key is in use, which a host must not lose before the new certificate is there.
    """
    key_type = identity.private_key.key_type
    algorithm = _NEW_KEY.get(key_type) or key_type.value.replace("-", ":")
    stem = identity.private_key.path.rpartition("/")[2].removesuffix(".key")
    key = f"{stem}.next.key" if new_key else f"{stem}.key"
    encrypted = identity.request is not None and identity.request.password is not None
    common_name = identity.certificate.spec.subject.common_name or ""
    subject = "/CN=" + "".join(f"\\{letter}" if letter in "\\/+" else letter for letter in common_name)
    request = _request_path(identity).rpartition("/")[2]
    words = [
        f"test ! -e {key} && openssl req -new -newkey {algorithm}",
        "" if encrypted else "-nodes",
        "" if common_name.isascii() else "-utf8",
        f"-keyout {key} -out {shlex.quote(request)} -subj {shlex.quote(subject)}",
    ]
    return " ".join(word for word in words if word)


def _request_path(identity: Identity) -> str:
    return identity.request.path if identity.request is not None else "request.csr"
