"""What `apply` did, as text for people: first and last a new authority, then files, then who must be given what."""

from collections import Counter
from collections.abc import Container, Iterator, Mapping
from pathlib import Path
from posixpath import basename

from edgecerts.apply.report import ApplyReport, Status
from edgecerts.desired.graph import Address, PrivateKeyArtifact
from edgecerts.manifest.model import PrivateKeySource
from edgecerts.plan.handover import Delivery
from edgecerts.plan.model import Action, Change, NoticeCode, ReasonCode
from edgecerts.report.change_lines import (
    MAX_IDENTITIES,
    Obstruction,
    file_line,
    grouped_lines,
    obstructed_lines,
    reason_lines,
    repeated,
)
from edgecerts.report.plan_text import remarks_block, summary_line
from edgecerts.report.printable import printable
from edgecerts.report.style import Colour, Style, plural
from edgecerts.report.waiting_text import waiting_block

MAX_DELIVERIES = 20
MAX_KEPT = 10

_DONE_WORDS = {
    Action.CREATE: "created",
    Action.RENEW: "renewed",
    Action.UPDATE: "updated",
    Action.REKEY: "rekeyed",
    Action.CHMOD: "with permissions mended",
    Action.DELETE: "deleted",
}


def render_apply_text(report: ApplyReport, *, style: Style, output: str) -> str:
    """The whole report.

    Args:
        report: what was done.
        style: width and colour.
        output: the output folder as the user knows it.
    """
    if report.nothing_to_do:
        left = (notice for notice in report.plan.notices if notice.code == NoticeCode.CRL_LEFT_OUT)
        lines = [*waiting_block(report.plan.waiting, style), *remarks_block("Notices", left, style)]
        lines.append(summary_line(report.plan))
        return "".join(f"{line}\n" for line in lines)
    lines = [*_recovered(report, style), *_new_authority(report, style)]
    lines += remarks_block("Hazards: refused", report.plan.refusals, style, colour=Colour.RED)
    lines += remarks_block("Stale: the saved plan does not hold any more", report.stale, style, colour=Colour.RED)
    lines += _outcomes(report, style)
    lines += _left(report, style)
    lines += waiting_block(report.plan.waiting, style)
    if report.count(Status.DONE):
        lasting = (notice for notice in report.plan.notices if notice.code != NoticeCode.CA_IS_NEW)
        lines += remarks_block("Notices", lasting, style)
    lines += _deliveries(report, style, output)
    lines += _new_keys(report, style, output)
    lines += _unfinished(report, style)
    lines += style.bold(_summary(report, output))
    lines += _pin(report, style, output)
    return "".join(f"{line}\n" for line in lines)


def _recovered(report: ApplyReport, style: Style) -> Iterator[str]:
    if report.recovered:
        yield from style.wrap(
            "An earlier apply was interrupted while it published. What it had begun was brought to its end first."
            " Deliver"
            " these folders as a whole, and reload or restart what uses them:"
            f" {printable(', '.join(report.recovered))}."
        )
        yield ""


def _unfinished(report: ApplyReport, style: Style) -> Iterator[str]:
    if report.unfinished is not None:
        yield style.paint("Not brought to its end", Colour.RED)
        yield from style.wrap(printable(report.unfinished), indent="  ", hanging="      ")
        yield from style.wrap(
            "What is listed as made is in its place. What it replaced is kept below .edgecerts; the next apply tidies"
            " up, once that is mended.",
            indent="  ",
        )
        yield ""


def _new_authority(report: ApplyReport, style: Style) -> Iterator[str]:
    if report.new_authority is None:
        return
    yield style.paint("A new certificate authority was made.", Colour.BOLD)
    yield from style.wrap(
        "Every broker and client has to trust its ca.pem. If there already was an authority for them, stop here"
        " and bring its files back: they do not trust this one."
    )
    yield ""


def _pin(report: ApplyReport, style: Style, output: str) -> Iterator[str]:
    if report.new_authority is None:
        return
    yield ""
    key = next(artifact for artifact in _private_keys(report) if artifact.address.identity == "ca")
    file = report.key_files.get(key.path)
    named = printable(str(file) if file is not None else f"{output}/{key.path}")
    if key.source is not None and file is None:
        named = f"its private key, from {key.source}"
    yield from style.wrap(
        f"The authority is new. Back up {named}, and pin the authority, so that no other is ever accepted in"
        " its place: in the manifest, under ca:, write"
    )
    yield f"  fingerprint: sha256:{report.new_authority}"
    if key.source is not None and file is not None:
        yield ""
        yield from style.wrap(_next_place(key.source, named))


def _private_keys(report: ApplyReport) -> Iterator[PrivateKeyArtifact]:
    return (change.artifact for change in report.plan.changes if isinstance(change.artifact, PrivateKeyArtifact))


def _next_place(source: PrivateKeySource, file: str) -> str:
    """What becomes of a new authority's key file, so that the next run finds the key."""
    if source.env is not None:
        put = f"Give its text to later runs as {source}, for example as a secret of the CI system"
    elif source.command is not None:
        put = f"Put the key where {source} finds it"
    else:
        put = f"Later runs read it from {source}"
    return f"{put}; then keep no copy of {file} but the backup and that one."


def _outcomes(report: ApplyReport, style: Style) -> Iterator[str]:
    """What was made, then what was not, with the reasons."""
    done = [outcome.change for outcome in report.outcomes if outcome.status is Status.DONE]
    rest = [outcome for outcome in report.outcomes if outcome.status is not Status.DONE]
    obstructions = {
        outcome.change.address: Obstruction(
            verdict=outcome.status.value, message=outcome.error or "", hint=outcome.hint
        )
        for outcome in rest
    }
    again = repeated(obstructions)
    made = {change.address for change in done}

    def problem_lines(change: Change) -> Iterator[str]:
        return obstructed_lines(change, obstructions[change.address], style, again=change.address in again)

    yield from grouped_lines(done, lambda change: _done_lines(change, made, style), style)
    yield from grouped_lines([outcome.change for outcome in rest], problem_lines, style)


def _done_lines(change: Change, made: Container[Address], style: Style) -> Iterator[str]:
    """A file that was made; of a revocation list also whom it revokes now: that is what somebody waits for tonight."""
    yield file_line(change, style)
    if change.listing is None:
        return
    yield from reason_lines(change, style, only=ReasonCode.REVOCATIONS_CHANGED)
    places = (listed.replaced_by for listed in change.listing.entries)
    kept = [place.identity for place in places if place is not None and place not in made]
    if kept:
        more = f" and {len(kept) - MAX_KEPT:,} more" if len(kept) > MAX_KEPT else ""
        text = f"but not {', '.join(kept[:MAX_KEPT])}{more}: nothing took the place of what is there"
        yield from style.wrap(printable(text), indent="      ", hanging="        ")


def _left(report: ApplyReport, style: Style) -> Iterator[str]:
    if not report.left:
        return
    yield style.paint("Not in the saved plan, and left", Colour.BOLD)
    for change in report.left[:MAX_IDENTITIES]:
        yield f"  {change.address}: {change.action}"
    if len(report.left) > MAX_IDENTITIES:
        yield f"  ... and {len(report.left) - MAX_IDENTITIES:,} more; --format json has them all"
    yield ""


def _deliveries(report: ApplyReport, style: Style, output: str) -> Iterator[str]:
    for delivery in report.deliver[:MAX_DELIVERIES]:
        yield from _delivery_lines(delivery, style, output, report.key_files)
    if len(report.deliver) > MAX_DELIVERIES:
        yield f"... and {len(report.deliver) - MAX_DELIVERIES:,} more to deliver; --format json has them all"
        yield ""


def _delivery_lines(delivery: Delivery, style: Style, output: str, key_files: Mapping[str, Path]) -> Iterator[str]:
    if delivery.address.startswith("ca/"):
        yield style.paint(f"Publish at {printable(delivery.host)}", Colour.BOLD)
        yield from style.wrap(f"from {output}: {', '.join(delivery.files)}", indent="  ", hanging="      ")
        yield ""
        return
    kind, _, name = delivery.address.partition("/")
    host = f" ({delivery.host})" if delivery.host != name else ""
    yield style.paint(f"Deliver to {kind} {name}{host}", Colour.BOLD)
    folder = delivery.files[0].rpartition("/")[0]
    names = [basename(path) for path in delivery.files]
    yield from style.wrap(f"from {output}/{folder}: {', '.join(names)}", indent="  ", hanging="      ")
    elsewhere = [path for path in key_files if path.rpartition("/")[0] == folder]
    for path in elsewhere:
        text = f"from {printable(str(key_files[path].parent))}: {basename(path)}"
        yield from style.wrap(text, indent="  ", hanging="      ")
    names = [*map(basename, elsewhere), *names]
    yield from style.wrap(_installation(kind, names), indent="  ", hanging="      ")
    trust = "new" if delivery.trust_changed else "unchanged"
    words = f"private key: {_key_words(delivery)}; trust (ca.pem): {trust}"
    words += "; revocation list (crl.pem): new" if delivery.crl_changed else ""
    yield from style.wrap(words, indent="  ", hanging="      ")
    if kind == "broker":
        yield from style.wrap(_activation(delivery, names), indent="  ", hanging="      ")
    yield ""


def _key_words(delivery: Delivery) -> str:
    if not delivery.key_on_host:
        return "new" if delivery.key_changed else "unchanged"
    if not delivery.key_changed:
        return "on its host"
    return f"the new one on its host, which edgecerts request {delivery.address} there puts in its place"


def _installation(kind: str, names: list[str]) -> str:
    """Who must own the files, and with which modes: a service reads its key after it gave up root."""
    owner = "the user that the broker runs as (Mosquitto: mosquitto)" if kind == "broker" else "the client's user"
    modes = [f"{name} mode {'0600' if name.endswith('.key') else '0644'}" for name in names]
    return f"owner {owner}; {', '.join(modes)}"


def _activation(delivery: Delivery, names: list[str]) -> str:
    if delivery.restart:
        return "then restart the broker: ca.pem is new, and a reload does not read it"
    when = {1: "then ", 2: "once both are in place, "}.get(len(names), "once all are in place, ")
    reload = f"{when}reload the broker (Mosquitto: SIGHUP)"
    return f"{reload}; until then, whoever was revoked gets in" if delivery.crl_changed else reload


def _new_keys(report: ApplyReport, style: Style, output: str) -> Iterator[str]:
    if not report.new_keys:
        return
    yield style.paint("New private keys, which exist only here", Colour.BOLD)
    for path in report.new_keys[:MAX_IDENTITIES]:
        yield f"  {printable(str(report.key_files.get(path, f'{output}/{path}')))}"
    if len(report.new_keys) > MAX_IDENTITIES:
        yield f"  ... and {len(report.new_keys) - MAX_IDENTITIES:,} more; --format json has them all"
    yield ""


def _summary(report: ApplyReport, output: str) -> str:
    done = Counter(
        outcome.change.action
        for outcome in report.outcomes
        if outcome.status is Status.DONE and outcome.change.artifact.path not in report.key_files
    )
    made = [f"{plural(done.total(), 'file')} made"]
    if set(done) - {Action.CREATE}:
        made = [f"{done[action]:,} {_DONE_WORDS[action]}" for action in Action if done[action]]
    parts = [f"{', '.join(made)} in {printable(output)}"]
    if report.key_files:
        parts[0] += f" and {plural(len(report.key_files), 'private key')} elsewhere"
    for status in (Status.FAILED, Status.SKIPPED, Status.BLOCKED, Status.REFUSED):
        if count := report.count(status):
            parts.append(f"{count:,} {status}")
    if report.stale:
        parts.append(f"{len(report.stale):,} stale")
    verdict = "Done" if len(parts) == 1 else "Not all done"
    if report.plan.waiting:
        parts.append(f"{len(report.plan.waiting):,} waiting")
    return f"{verdict}: {', '.join(parts)}."
