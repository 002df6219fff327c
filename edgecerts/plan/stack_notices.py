"""Notices about what some brokers and clients cannot use, so that it is known before it is installed."""

from collections.abc import Iterator

from edgecerts.desired.graph import Identity, IdentityKind
from edgecerts.pki.key_types import KeyType
from edgecerts.pki.names import AltNameKind
from edgecerts.plan.model import NoticeCode, Remark


def stack_notices(identity: Identity) -> Iterator[Remark]:
    """What is declared for an identity and refused by some TLS stack."""
    key = identity.private_key
    if key.key_type is KeyType.ED25519:
        yield Remark(
            code=NoticeCode.ED25519_KEY.value,
            address=identity.address,
            message="Mbed TLS, and so most small devices, cannot use Ed25519; some verifiers refuse such authorities",
            hint="ec-p256 is understood by every TLS stack that was tried",
        )
    on_host = identity.request.password if identity.request is not None else None
    if identity.kind is IdentityKind.BROKER and (key.password or on_host) is not None:
        yield Remark(
            code=NoticeCode.ENCRYPTED_BROKER_KEY.value,
            address=identity.address,
            message="Mosquitto as a service cannot open an encrypted key: it asks on a terminal, and exits",
            hint="EMQX, VerneMQ and RabbitMQ have an option for the password; for Mosquitto remove `password`",
        )
    hosts = [name.value for name in identity.certificate.spec.alt_names if name.kind is AltNameKind.DNS]
    for host in hosts:
        if "_" in host:
            yield Remark(
                code=NoticeCode.UNDERSCORE_IN_HOST.value,
                address=identity.address,
                message=f"{host} has an underscore; Java and the strict verifiers refuse such host names",
                hint="give the host a name of letters, digits and hyphens",
            )
