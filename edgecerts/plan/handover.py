"""What a host is given once a plan is carried out."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Delivery:
    """What a host must be given, and what its service must do to use it.

    Attributes:
        address: the identity.
        host: the common name: where clients dial a broker, or who a client is.
        files: those with new content, relative to the output folder.
        key_changed: the private key is new: among the files, or made on the host and certified now.
        key_on_host: it is not among the files, because it is made there.
        trust_changed: ca.pem is new.
        crl_changed: the revocation list is new: until a broker has it and was reloaded, whoever was revoked gets in.
        restart: a reload is not enough, because a broker reads ca.pem only when it starts.
    """

    address: str
    host: str
    files: tuple[str, ...]
    key_changed: bool
    key_on_host: bool
    trust_changed: bool
    crl_changed: bool
    restart: bool
