"""What was issued to one identity, as text for people: a paragraph for each certificate, oldest first."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from edgecerts.desired.graph import identity_of
from edgecerts.plan.model import ReasonCode
from edgecerts.report.change_lines import MAX_IDENTITIES
from edgecerts.report.plan_text import remarks_block
from edgecerts.report.printable import printable
from edgecerts.report.style import Colour, Style, plural
from edgecerts.status.history import History, IssuedCertificate, Standing

_KEY_DIGITS = 12

WHY: Mapping[str, str] = {
    ReasonCode.MISSING: "there was none",
    ReasonCode.CORRUPT: "the one before could not be read",
    ReasonCode.KEY_MISMATCH: "the one before was for another key",
    ReasonCode.KEY_TYPE_CHANGED: "another key type was declared",
    ReasonCode.SUBJECT_CHANGED: "another subject was declared",
    ReasonCode.ALT_NAMES_CHANGED: "other alternative names were declared",
    ReasonCode.USAGE_CHANGED: "another use was declared",
    ReasonCode.VALIDITY_CHANGED: "another lifetime was declared",
    ReasonCode.ISSUER_CHANGED: "the one before was of another authority",
    ReasonCode.SIGNATURE_INVALID: "the authority had not signed the one before",
    ReasonCode.EXPIRED: "the one before had ended",
    ReasonCode.NEAR_EXPIRY: "it was due",
    ReasonCode.OUTLIVES_ISSUER: "the one before ended after its authority",
    ReasonCode.CONTENT_CHANGED: "its file held something else as well",
    ReasonCode.REPLACE_REQUESTED: "--replace asked for it",
    ReasonCode.NOT_ACCEPTABLE: "TLS stacks refuse the one before",
    ReasonCode.NOT_IN_LOG: "it was here, and not in the log",
    ReasonCode.REQUESTED: "its host had sent a request",
    ReasonCode.REQUEST_CHANGED: "its host had sent a request for another key",
    ReasonCode.REVOKED: "the one before, or its key, was revoked",
    ReasonCode.CRL_URL_CHANGED: "another place of the revocation list was declared",
}
"""Why a certificate was made, looking back; a code that is not here stands for itself."""

_NOW = {
    Standing.IN_PLACE: "in place",
    Standing.STILL_VALID: "not in place, and still valid",
    Standing.EXPIRED: "expired",
}
_COLOURS = {
    Standing.IN_PLACE: Colour.GREEN,
    Standing.STILL_VALID: Colour.YELLOW,
    Standing.REVOKED: Colour.RED,
    Standing.EXPIRED: Colour.DIM,
}
_TEXT, _HANGING = "  ", " " * 13
_BELOW_ACTION = " " * len("2026-11-23 12:00  ")
_NAME = 11
"""How wide the names of the fields are."""


def render_history_text(history: History, *, style: Style, output: str) -> str:
    """The whole history.

    Args:
        history: what to show.
        style: width and colour.
        output: the output folder as the user knows it.
    """
    lines = style.bold(printable(_headline(history)))
    moment = f"{history.created_at:%Y-%m-%d %H:%M} UTC"
    where = "" if history.declared else ", which does not have it (any more)"
    lines += style.wrap(printable(f"By the log in {output} at {moment}; the manifest is {history.manifest}{where}."))
    lines.append("")
    shown = history.certificates[-MAX_IDENTITIES:]
    if len(history.certificates) > len(shown):
        lines += [f"... and {len(history.certificates) - len(shown):,} older; --format json has them all", ""]
    before = history.certificates[-len(shown) - 1] if len(history.certificates) > len(shown) else None
    for issued in shown:
        lines += [*_paragraph(issued, before, history, style), ""]
        before = issued
    lines += remarks_block("Notices", history.notices, style)
    return "".join(f"{line}\n" for line in lines).rstrip("\n") + "\n"


def _headline(history: History) -> str:
    if not history.certificates:
        return f"The log has no certificate of {history.address}."
    parts = [f"{history.address}: {plural(len(history.certificates), 'certificate')}"]
    others, revoked = len(history.still_valid), len(history.revoked)
    if others:
        verb = "is" if others == 1 else "are"
        parts.append(f"{others:,} that {verb} not in place {verb} still valid")
    if revoked:
        parts.append(f"{revoked:,} {'is' if revoked == 1 else 'are'} revoked")
    return f"{'; '.join(parts)}."


def _paragraph(
    issued: IssuedCertificate, before: IssuedCertificate | None, history: History, style: Style
) -> Iterator[str]:
    line = issued.line
    why = "; ".join(WHY.get(reason, reason) for reason in line.reasons)
    heading = f"{_minute(line.issued_at)}  {line.action}" + (f": {why}" if why else "")
    yield from style.wrap(printable(heading), hanging=_BELOW_ACTION)
    if identity_of(line.address) != history.address:
        yield from _field("issued to", identity_of(line.address), style)
    yield from _field("serial", line.serial, style)
    yield from _field("valid", f"{_minute(line.not_before)} to {_minute(line.not_after)} UTC", style)
    same = before is not None and before.line.spki_sha256 == line.spki_sha256
    yield from _field("key", f"sha256:{line.spki_sha256[:_KEY_DIGITS]}...{', as before' if same else ''}", style)
    yield from _field("by", f"{line.issued_by}, edgecerts {line.version}", style)
    yield f"{_TEXT}{'now':<{_NAME}}{style.paint(_now(issued), _COLOURS[issued.standing])}"


def _now(issued: IssuedCertificate) -> str:
    revoked = issued.revoked
    words = [_NOW[issued.standing]] if issued.standing is not Standing.REVOKED else []
    if revoked is not None:
        words.append(f"revoked on {revoked.at:%Y-%m-%d} ({revoked.reason})")
    in_place = issued.in_place and issued.standing is not Standing.IN_PLACE
    return ("in place, and " if in_place else "") + ", ".join(words)


def _field(name: str, value: str, style: Style) -> list[str]:
    return style.wrap(printable(f"{name:<{_NAME}}{value}"), indent=_TEXT, hanging=_HANGING)


def _minute(time: str) -> str:
    return f"{datetime.fromisoformat(time).astimezone(UTC):%Y-%m-%d %H:%M}"
