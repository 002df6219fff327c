"""What is to happen in every state of an authority and of a client whose key is on its host: a rule for each situation.

Like `state_rows`: rules and not another planner.
"""

import enum
import itertools
from dataclasses import dataclass, replace

from tests.state_rows import (
    CREATE,
    NO_OP,
    READABLE,
    Authority,
    CaCertificate,
    CaKey,
    Cell,
    Certificate,
    File,
    Held,
    Key,
    Standing,
    expected_notices,
)


class Request(enum.StrEnum):
    """What the host has sent."""

    ABSENT = "absent"
    FOR_UNIT = "for the key of unit"
    FOR_NEXT = "for the next key"
    REFUSED = "damaged"


@dataclass(frozen=True, kw_only=True)
class RequestCell:
    """One state of everything. A key that lies beside the certificate, here a damaged one, changes nothing."""

    ca_key: CaKey
    ca_certificate: CaCertificate
    certificate: Certificate
    request: Request
    key_beside: bool

    @property
    def cell(self) -> Cell:
        """The same without a request: what stays as it is for who has one."""
        return Cell(
            ca_key=self.ca_key,
            ca_certificate=self.ca_certificate,
            key=Key.DAMAGED if self.key_beside else Key.ABSENT,
            certificate=self.certificate,
            held=Held.DELIVERED,
        )

    @property
    def brings_key(self) -> bool:
        """Whether the request is for another key than a certificate that can be read."""
        if self.certificate not in READABLE:
            return False
        return self.request is Request.FOR_NEXT

    @property
    def brings_back(self) -> bool:
        """Whether the request is for a key that was certified before the certificate that is there, for another."""
        return self.request is Request.FOR_UNIT and self.certificate is Certificate.ANOTHER_KEYS

    @property
    def is_refused(self) -> bool:
        return self.request is Request.REFUSED or self.brings_back

    def __str__(self) -> str:
        beside = ", a key beside it" if self.key_beside else ""
        return (
            f"ca.key {self.ca_key}, ca.pem {self.ca_certificate}, client.pem {self.certificate},"
            f" request {self.request}{beside}"
        )


CELLS = [
    RequestCell(
        ca_key=ca_key, ca_certificate=ca_certificate, certificate=certificate, request=request, key_beside=beside
    )
    for ca_key, ca_certificate, certificate, request, beside in itertools.product(
        CaKey, CaCertificate, Certificate, Request, (False, True)
    )
]


@dataclass(frozen=True, kw_only=True)
class Host:
    """What is expected of a client whose key is on its host.

    Attributes:
        waits: nothing was ever sent for it.
    """

    key: File = NO_OP
    certificate: File
    waits: bool = False


def expected_host(state: RequestCell, authority: Authority) -> Host:
    if state.certificate in READABLE:
        return _in_use(state, authority)
    absent = state.certificate is Certificate.ABSENT
    lost = CREATE if absent else File(action="update", reasons=frozenset({"corrupt"}))
    if state.request is Request.ABSENT:
        # Nothing to certify yet; or nobody knows for which key it was.
        return Host(certificate=NO_OP, waits=True) if absent else Host(certificate=replace(lost, blocked="corrupt"))
    if state.request is Request.REFUSED:
        return Host(certificate=replace(lost, blocked="request-refused"))
    requested = replace(lost, reasons=lost.reasons | {"requested"}, blocked=authority.obstacle)
    return Host(certificate=requested)


def _in_use(state: RequestCell, authority: Authority) -> Host:
    """The certificate is judged without a key; a request changes the key or, refused, keeps it from being changed."""
    changed = frozenset({"request-changed"})
    refused = File(action="no-op", reasons=changed, blocked="request-refused")
    key = refused if state.is_refused else NO_OP
    reasons = _differences(state, authority)
    if state.brings_key:
        rekey = File(action="rekey", reasons=reasons | changed, blocked=authority.obstacle)
        return Host(key=key, certificate=rekey)
    if not reasons:
        return Host(key=key, certificate=NO_OP)
    action = "renew" if reasons == {"expired"} else "update"
    return Host(key=key, certificate=File(action=action, reasons=reasons, blocked=authority.obstacle))


def _differences(state: RequestCell, authority: Authority) -> frozenset[str]:
    if authority.standing is Standing.UNKNOWN:
        return frozenset()
    found = {
        "expired": state.certificate is Certificate.EXPIRED,
        "alt-names-changed": state.certificate is Certificate.CHANGED,
        "issuer-changed": (state.certificate is Certificate.ANOTHER_CAS or authority.standing is Standing.ANOTHER),
    }
    return frozenset(reason for reason, differs in found.items() if differs)


def expected_hazards(state: RequestCell, authority: Authority) -> set[tuple[str, str]]:
    """A stranger's certificate is foreign, unless a request shows that the host has its key."""
    if authority.standing is Standing.ANOTHER:
        return {("ca-replaced", "ca")}
    strange = state.certificate is Certificate.ANOTHER_CAS and authority.standing is not Standing.UNKNOWN
    return {("foreign-file", "client/unit")} if strange and state.request is not Request.FOR_UNIT else set()


def expected_remarks(state: RequestCell, authority: Authority) -> set[tuple[str, str]]:
    """The notices of who has no request, and what there is to know about the key before."""
    notices = expected_notices(replace(state.cell, key=Key.ABSENT), authority)
    signs = authority.obstacle is None and authority.standing is not Standing.UNKNOWN
    if state.brings_key and signs and state.certificate is not Certificate.EXPIRED:
        notices.add(("still-valid", "client/unit"))
    return notices
