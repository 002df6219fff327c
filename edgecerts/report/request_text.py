"""What `request` did, as text for people: the key, the request, what two people compare, and what to do next."""

from collections.abc import Iterator

from edgecerts.report.plan_text import remarks_block
from edgecerts.report.printable import printable
from edgecerts.report.style import Colour, Style
from edgecerts.requests.model import KeyStep, RequestReport, RequestStep


def render_request_text(report: RequestReport, *, style: Style) -> str:
    """The whole report.

    Args:
        report: what was done.
        style: width and colour.
    """
    lines = [style.paint(printable(report.address), Colour.BOLD)]
    for sentence in _sentences(report):
        lines += style.wrap(printable(sentence), indent="  ", hanging="      ")
    lines += ["", "Public key, to compare with what edgecerts plan shows where the authority is:"]
    lines += [f"  sha256:{report.spki_sha256}", ""]
    lines += remarks_block("Notices", report.decision.notices, style)
    lines += style.bold(printable(_next(report)))
    return "".join(f"{line}\n" for line in lines)


def _sentences(report: RequestReport) -> Iterator[str]:
    decision = report.decision
    kind = f"{report.key_type}, {'encrypted' if report.encrypted else 'not encrypted'}"
    if decision.does_nothing and report.strange is None:
        yield f"Nothing to do: {report.request_path} is for {report.key_path} and asks for the declared names."
        return
    if decision.key is KeyStep.MADE:
        yield f"Made the private key {report.key_path} ({kind})."
    elif decision.key is KeyStep.MADE_NEXT:
        yield f"Made the next private key {report.key_path} ({kind}). The present one stays in use."
    elif decision.key is KeyStep.PUT_IN_PLACE:
        yield f"Put the new private key in its place, {report.key_path}."
    else:
        yield f"The private key is {report.key_path}, as before."
    if report.replaced is not None:
        what = "key that was in use" if decision.key is KeyStep.PUT_IN_PLACE else "key that waited for a certificate"
        yield f"The {what} is kept as {report.replaced}."
    if decision.request is RequestStep.WRITTEN:
        yield f"Wrote the request {report.request_path}."
    elif decision.key is KeyStep.KEPT:
        yield f"The request {report.request_path} is for it and asks for the declared names."


def _next(report: RequestReport) -> str:
    """What to do now."""
    if report.certificate is None:
        return _send(report)
    if report.strange is None and report.decision.key is not KeyStep.PUT_IN_PLACE:
        return f"Its certificate is here: {report.certificate}."
    then = "reload the broker (Mosquitto: SIGHUP)" if report.address.startswith("broker/") else "restart the client"
    if report.strange is not None:
        return f"Next: put {report.certificate} in the place of {report.strange}, then {then}."
    return f"Next: with {report.certificate} in its place, {then}."


def _send(report: RequestReport) -> str:
    what = "It holds nothing secret; private keys stay here."
    if report.strange is not None:
        return (
            f"Next: {report.strange} is for another key. Bring this host's own certificate; where this key was never"
            f" certified, bring {report.request_path} to where the authority is first. {what}"
        )
    then = ", then run this again" if report.decision.key is KeyStep.MADE_NEXT else ""
    return f"Next: bring {report.request_path} to where the authority is. {what} Bring the certificate back{then}."
