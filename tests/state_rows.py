"""What is to happen in every state of an authority and a client: one rule for each row of the table of states.

These are rules and not another planner: a row says for which states it speaks and what then happens to each file.
"""

import enum
import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace


class CaKey(enum.StrEnum):
    ABSENT = "absent"
    PRESENT = "present"
    LOCKED = "locked"
    DAMAGED = "damaged"
    ANOTHERS = "another's"


class CaCertificate(enum.StrEnum):
    ABSENT = "absent"
    PRESENT = "present"
    NEAR_EXPIRY = "near expiry"
    DAMAGED = "damaged"


class Key(enum.StrEnum):
    ABSENT = "absent"
    PRESENT = "present"
    LOCKED = "locked"
    DAMAGED = "damaged"


class Certificate(enum.StrEnum):
    ABSENT = "absent"
    PRESENT = "present"
    EXPIRED = "expired"
    DAMAGED = "damaged"
    ANOTHER_KEYS = "another key's"
    ANOTHER_CAS = "another CA's"
    CHANGED = "changed"


class Held(enum.StrEnum):
    HERE = "here"
    DELIVERED = "delivered"


LOST = (CaCertificate.ABSENT, CaCertificate.DAMAGED)
USABLE = (CaKey.PRESENT, CaKey.LOCKED)
READABLE = tuple(state for state in Certificate if state not in (Certificate.ABSENT, Certificate.DAMAGED))


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One state of everything."""

    ca_key: CaKey
    ca_certificate: CaCertificate
    key: Key
    certificate: Certificate
    held: Held

    def __str__(self) -> str:
        return (
            f"ca.key {self.ca_key}, ca.pem {self.ca_certificate}, client.key {self.key},"
            f" client.pem {self.certificate}, {self.held}"
        )


CELLS = [
    Cell(ca_key=ca_key, ca_certificate=ca_certificate, key=key, certificate=certificate, held=held)
    for ca_key, ca_certificate, key, certificate, held in itertools.product(
        CaKey, CaCertificate, Key, Certificate, Held
    )
]


@dataclass(frozen=True, kw_only=True)
class File:
    """What is expected of one file: its action, its reasons, and the code that blocks it."""

    action: str
    reasons: frozenset[str] = frozenset()
    blocked: str | None = None


NO_OP = File(action="no-op")
CREATE = File(action="create", reasons=frozenset({"missing"}))
DAMAGED_KEY = File(action="no-op", reasons=frozenset({"corrupt"}), blocked="corrupt")


class Standing(enum.Enum):
    """What an authority's state means for what it issued."""

    SAME = "the same as ever, and signs"
    ANOTHER = "another than the one that files chain to"
    MUTE = "known, and cannot sign"
    UNKNOWN = "which one it is cannot be said"


@dataclass(frozen=True, kw_only=True)
class Authority:
    """What is expected of an authority.

    Attributes:
        obstacle: the code that blocks what it would have to sign.
    """

    key: File
    certificate: File
    standing: Standing
    obstacle: str | None = None
    notices: frozenset[str] = frozenset()


def settled_authority(cell: Cell) -> Authority | None:
    if cell.ca_key not in USABLE or cell.ca_certificate is not CaCertificate.PRESENT:
        return None
    return Authority(key=NO_OP, certificate=NO_OP, standing=Standing.SAME, notices=frozenset({"ca-not-pinned"}))


def authority_near_expiry(cell: Cell) -> Authority | None:
    """Near expiry: the key stays, the certificate is renewed. CA renewed, same key: leaves stay, copies follow."""
    if cell.ca_key not in USABLE or cell.ca_certificate is not CaCertificate.NEAR_EXPIRY:
        return None
    renew = File(action="renew", reasons=frozenset({"near-expiry"}))
    notices = frozenset({"ca-not-pinned", "trust-renewed"})
    return Authority(key=NO_OP, certificate=renew, standing=Standing.SAME, notices=notices)


def lost_authority_certificate(cell: Cell) -> Authority | None:
    """CA certificate absent or damaged, key present: made again from the same key; leaves stay valid."""
    if cell.ca_key not in USABLE or cell.ca_certificate not in LOST:
        return None
    return Authority(key=NO_OP, certificate=_made_again(cell), standing=Standing.SAME)


def lost_authority_certificate_and_key_of_another(cell: Cell) -> Authority | None:
    """CA has another key: leaves are `issuer-changed`, with `ca-replaced` allowed.

    The table has no row for a lost certificate beside a key that is readable and another's. Nothing here is damaged
    beyond what the key can mend, so it is made; and what devices hold would stop working, so it is refused.
    """
    if cell.ca_key is not CaKey.ANOTHERS or cell.ca_certificate not in LOST:
        return None
    return Authority(key=NO_OP, certificate=_made_again(cell), standing=Standing.ANOTHER)


def no_authority_and_traces_of_one(cell: Cell) -> Authority | None:
    """CA key and certificate absent, but leaves, log lines or `trust` files exist: create, with `ca-replaced`."""
    if cell.ca_key is not CaKey.ABSENT or cell.ca_certificate is not CaCertificate.ABSENT:
        return None
    return Authority(key=CREATE, certificate=CREATE, standing=Standing.ANOTHER)


def authority_key_elsewhere(cell: Cell) -> Authority | None:
    """CA key absent, certificate present: never made again; signatures are blocked, the rest goes on."""
    if cell.ca_key is not CaKey.ABSENT or cell.ca_certificate in LOST:
        return None
    return _mute(cell, key=NO_OP, obstacle="issuer-key-not-here")


def damaged_authority_key(cell: Cell) -> Authority | None:
    """CA key damaged, certificate readable.

    The table's row says that leaves are not judged where the CA key is damaged, or both are unreadable. With a
    readable certificate it is known which authority this is, as it is where the key is elsewhere; so what differs is
    shown, what needs a signature is blocked, and a lost copy of ca.pem can still be made. More would be withheld from
    the user, and nothing is risked.
    """
    if cell.ca_key is not CaKey.DAMAGED or cell.ca_certificate in LOST:
        return None
    return replace(_mute(cell, key=DAMAGED_KEY, obstacle="corrupt"), obstacle="issuer-blocked")


def authority_key_of_another_certificate(cell: Cell) -> Authority | None:
    """`ca.key` is not the key of `ca.pem`: blocked `key-mismatch`, never healed.

    The table blocks the copies, too. Those that are there are left as they are, which is the same and says less.
    """
    if cell.ca_key is not CaKey.ANOTHERS or cell.ca_certificate in LOST:
        return None
    mismatch = File(action="no-op", blocked="key-mismatch")
    return Authority(key=mismatch, certificate=mismatch, standing=Standing.UNKNOWN, obstacle="issuer-blocked")


def nothing_left_of_the_authority(cell: Cell) -> Authority | None:
    """CA certificate and key both unreadable: blocked; leaves not judged, with a notice; copies stay."""
    both_damaged = cell.ca_key is CaKey.DAMAGED and cell.ca_certificate in LOST
    certificate_damaged = cell.ca_key is CaKey.ABSENT and cell.ca_certificate is CaCertificate.DAMAGED
    if not both_damaged and not certificate_damaged:
        return None
    key = DAMAGED_KEY if both_damaged else NO_OP
    certificate = replace(_made_again(cell), blocked="corrupt")
    return Authority(key=key, certificate=certificate, standing=Standing.UNKNOWN, obstacle="issuer-blocked")


def _made_again(cell: Cell) -> File:
    if cell.ca_certificate is CaCertificate.ABSENT:
        return CREATE
    return File(action="update", reasons=frozenset({"corrupt"}))


def _mute(cell: Cell, *, key: File, obstacle: str) -> Authority:
    due = cell.ca_certificate is CaCertificate.NEAR_EXPIRY
    renew = File(action="renew", reasons=frozenset({"near-expiry"}), blocked=obstacle)
    return Authority(
        key=key,
        certificate=renew if due else NO_OP,
        standing=Standing.MUTE,
        obstacle=obstacle,
        notices=frozenset({"ca-not-pinned"}),
    )


AUTHORITY_ROWS: tuple[Callable[[Cell], Authority | None], ...] = (
    settled_authority,
    authority_near_expiry,
    lost_authority_certificate,
    lost_authority_certificate_and_key_of_another,
    no_authority_and_traces_of_one,
    authority_key_elsewhere,
    damaged_authority_key,
    authority_key_of_another_certificate,
    nothing_left_of_the_authority,
)


@dataclass(frozen=True, kw_only=True)
class Client:
    """What is expected of a client's key and certificate."""

    key: File
    certificate: File


def new_client(cell: Cell, authority: Authority) -> Client | None:
    """Both absent: create. A new key and its certificate are one unit: where one cannot be made, neither is."""
    if cell.key is not Key.ABSENT or cell.certificate is not Certificate.ABSENT:
        return None
    both = replace(CREATE, blocked=authority.obstacle)
    return Client(key=both, certificate=both)


def lost_certificate(cell: Cell, authority: Authority) -> Client | None:
    """Certificate absent or damaged, key present or locked: made for the key that is there."""
    if cell.key not in (Key.PRESENT, Key.LOCKED) or cell.certificate in READABLE:
        return None
    return Client(key=NO_OP, certificate=replace(_lost(cell), blocked=authority.obstacle))


def lost_certificate_and_damaged_key(cell: Cell, authority: Authority) -> Client | None:
    """Certificate absent (or damaged), key damaged: both are blocked."""
    if cell.key is not Key.DAMAGED or cell.certificate in READABLE:
        return None
    return Client(key=DAMAGED_KEY, certificate=replace(_lost(cell), blocked="corrupt"))


def damaged_certificate_and_no_key(cell: Cell, authority: Authority) -> Client | None:
    """Certificate damaged, key absent: blocked `corrupt`, because the public key is lost."""
    if cell.key is not Key.ABSENT or cell.certificate is not Certificate.DAMAGED:
        return None
    return Client(key=NO_OP, certificate=replace(_lost(cell), blocked="corrupt"))


def not_judged(cell: Cell, authority: Authority) -> Client | None:
    """Leaves of an authority of which nothing is known are not judged."""
    if cell.certificate not in READABLE or authority.standing is not Standing.UNKNOWN:
        return None
    return Client(key=_key_that_stays(cell), certificate=NO_OP)


def judged(cell: Cell, authority: Authority) -> Client | None:
    """Every other row: the certificate is compared with what is declared; no key is touched.

    A key that is absent or damaged, or locked, changes nothing about that but `key-mismatch`, which needs a key that
    can be read and is held here.
    """
    if cell.certificate not in READABLE or authority.standing is Standing.UNKNOWN:
        return None
    reasons = set()
    if cell.certificate is Certificate.EXPIRED:
        reasons.add("expired")
    if cell.certificate is Certificate.CHANGED:
        reasons.add("alt-names-changed")
    if cell.certificate is Certificate.ANOTHER_KEYS and cell.key is Key.PRESENT and cell.held is Held.HERE:
        reasons.add("key-mismatch")
    if cell.certificate is Certificate.ANOTHER_CAS or authority.standing is Standing.ANOTHER:
        reasons.add("issuer-changed")
    action = "renew" if reasons == {"expired"} else "update"
    certificate = File(action=action, reasons=frozenset(reasons), blocked=authority.obstacle) if reasons else NO_OP
    return Client(key=_key_that_stays(cell), certificate=certificate)


def _lost(cell: Cell) -> File:
    if cell.certificate is Certificate.ABSENT:
        return CREATE
    return File(action="update", reasons=frozenset({"corrupt"}))


def _key_that_stays(cell: Cell) -> File:
    return DAMAGED_KEY if cell.key is Key.DAMAGED else NO_OP


CLIENT_ROWS: tuple[Callable[[Cell, Authority], Client | None], ...] = (
    new_client,
    lost_certificate,
    lost_certificate_and_damaged_key,
    damaged_certificate_and_no_key,
    not_judged,
    judged,
)


def expected_copy(authority: Authority) -> File:
    """`ca.pem` follows the authority's certificate where that is, or will be, another one; else it stays."""
    if authority.certificate == NO_OP or authority.certificate.blocked:
        return NO_OP
    return File(action="update", reasons=frozenset({"content-changed"}))


def expected_log(cell: Cell, authority: Authority) -> File | None:
    """What the authority here signed is recorded before it is replaced: the log has only the usual certificate.

    Which authority this is must be known, and its key: a locked one does not show it where its certificate is lost.
    """
    signed = cell.certificate in (Certificate.EXPIRED, Certificate.ANOTHER_KEYS, Certificate.CHANGED)
    known = authority.standing in (Standing.SAME, Standing.MUTE)
    if cell.ca_key is CaKey.ANOTHERS and cell.ca_certificate in LOST:
        signed, known = cell.certificate is Certificate.ANOTHER_CAS, True
    if not signed or not known or (cell.ca_key is CaKey.LOCKED and cell.ca_certificate in LOST):
        return None
    return File(action="update", reasons=frozenset({"not-in-log"}))


def expected_hazards(cell: Cell, authority: Authority) -> set[tuple[str, str]]:
    """`ca-replaced` for an authority that files do not chain to, else `foreign-file` for a stranger's certificate.

    A locked key does not show that a stranger's certificate is for it; signing what a stranger put there is the
    greater harm, so it is foreign until somebody allows it.
    """
    if authority.standing is Standing.ANOTHER:
        return {("ca-replaced", "ca")}
    foreign = cell.certificate is Certificate.ANOTHER_CAS and cell.key is not Key.PRESENT
    return {("foreign-file", "client/unit")} if foreign and authority.standing is not Standing.UNKNOWN else set()


def expected_notices(cell: Cell, authority: Authority) -> set[tuple[str, str]]:
    notices = {(code, "ca") for code in authority.notices}
    signs = authority.standing in (Standing.SAME, Standing.ANOTHER)
    if signs and cell.ca_key is not CaKey.LOCKED:
        notices.add(("ca-key-unencrypted", "ca"))
    if authority.standing is Standing.UNKNOWN:
        notices.add(("not-judged", "ca"))
    if cell.key is Key.ABSENT and cell.certificate is not Certificate.ABSENT and cell.held is Held.HERE:
        notices.add(("key-not-here", "client/unit"))
    of_another_key = cell.certificate is Certificate.ANOTHER_KEYS and authority.standing is not Standing.UNKNOWN
    if of_another_key and cell.held is Held.DELIVERED and cell.key is Key.PRESENT:
        notices.add(("key-mismatch", "client/unit"))
    if cell.key is Key.LOCKED and cell.certificate in READABLE:
        notices.add(("pair-not-compared", "folder"))
    elif cell.ca_key is CaKey.LOCKED and cell.ca_certificate not in LOST:
        notices.add(("pair-not-compared", "ca"))
    return notices


def authority_of(cell: Cell) -> Authority:
    """The expectation of the one row that speaks for this state."""
    spoken = [expected for row in AUTHORITY_ROWS if (expected := row(cell)) is not None]
    assert len(spoken) == 1, f"{len(spoken)} rows speak for the authority"
    return spoken[0]


def client_of(cell: Cell, authority: Authority) -> Client:
    spoken = [expected for row in CLIENT_ROWS if (expected := row(cell, authority)) is not None]
    assert len(spoken) == 1, f"{len(spoken)} rows speak for the client"
    return spoken[0]
