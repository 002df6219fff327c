"""A host's next step, and what became of it, as values."""

import enum
from dataclasses import dataclass
from datetime import datetime

from edgecerts.desired.host import Place
from edgecerts.plan.model import Remark


@enum.unique
class KeyStep(enum.StrEnum):
    """What is done about the private key.

    A key that is in use is never replaced before the certificate for the next one has arrived: until then the next one
    lies beside it.
    """

    KEPT = "kept"
    MADE = "made"
    MADE_NEXT = "made-next"
    PUT_IN_PLACE = "put-in-place"


@enum.unique
class RequestStep(enum.StrEnum):
    """What is done about the certificate request."""

    KEPT = "kept"
    WRITTEN = "written"


@enum.unique
class RequestNotice(enum.StrEnum):
    """What whoever looks after the host should know, and what never stops anything."""

    KEY_WAITS = "key-waits"
    REKEY_NOT_BEGUN = "rekey-not-begun"
    KEY_EXPOSED = "key-exposed"
    FOLDER_SHARED = "folder-shared"
    KEY_NOT_ENCRYPTED = "key-not-encrypted"
    CERTIFICATE_OF_ANOTHER_KEY = "certificate-of-another-key"
    CERTIFICATE_UNUSABLE = "certificate-unusable"


@dataclass(frozen=True, kw_only=True, slots=True)
class Decision:
    """What is to be done.

    Attributes:
        sets_next_aside: a key that waited for its certificate makes way for another one.
        tidies: what a run that was killed left is removed.
        strange: where a certificate lies that is for no key of this host, as far as can be seen.
    """

    key: KeyStep
    request: RequestStep
    sets_next_aside: bool = False
    tidies: bool = False
    strange: Place | None = None
    notices: tuple[Remark, ...] = ()

    @property
    def makes_key(self) -> bool:
        return self.key in (KeyStep.MADE, KeyStep.MADE_NEXT)

    @property
    def does_nothing(self) -> bool:
        return self.key is KeyStep.KEPT and self.request is RequestStep.KEPT and not self.tidies


@dataclass(frozen=True, kw_only=True, slots=True)
class RequestReport:
    """What `request` did.

    Attributes:
        created_at: the `now` of the run, in UTC.
        manifest: the manifest's name as the user wrote it.
        key_path: the key that the request is for.
        spki_sha256: of its public key, in hexadecimal: what two people compare.
        encrypted: the key's file needs a password.
        replaced: where the key went that was in use, or that waited, until now; None where none had to go.
        certificate: where the certificate for this key lies; None where it has not arrived.
        strange: where another key's certificate lies, in whose place this key's has to be; None where there is none.
    """

    created_at: datetime
    manifest: str
    address: str
    decision: Decision
    key_path: str
    key_type: str
    spki_sha256: str
    encrypted: bool
    replaced: str | None
    request_path: str
    certificate: str | None
    strange: str | None
