"""From flags to the options of a plan."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from edgecerts.desired.graph import Graph
from edgecerts.errors import ManifestError, UsageError
from edgecerts.manifest.durations import read_duration
from edgecerts.manifest.mistakes import Mistakes
from edgecerts.manifest.nodes import Scalar
from edgecerts.plan.model import HazardCode
from edgecerts.plan.options import MISSING_KEYS, NEW_CA_KEY_TO, PlanOptions, check_addresses

# Lifetimes of a hundred years must still fit into a certificate's calendar (RFC 5280 §4.1.2.5).
_FIRST_YEAR, _LAST_YEAR = 1950, 9800


@dataclass(frozen=True, kw_only=True, slots=True)
class Choices:
    """What plan and apply were asked for, as it stood on the command line.

    Attributes:
        new_ca_key: a file was named for the private key of a new authority.
    """

    target: Sequence[str] | None
    replace: Sequence[str] | None
    prune: bool
    allow: Sequence[str] | None
    new_ca_key: bool = False

    def options(self, graph: Graph) -> PlanOptions:
        """The plan's options.

        Raises:
            UsageError: an address is not in the manifest, or its authority's key is kept in the output folder.
        """
        key = graph.authorities[0].private_key
        if self.new_ca_key and key.source is None and not key.offline:
            raise UsageError(
                f"{NEW_CA_KEY_TO}: the manifest keeps the authority's private key in the output folder",
                hint="under ca: write private_key: {env: NAME}, or where else the key will be",
            )
        replace = [address for address in self.replace or () if address != MISSING_KEYS]
        check_addresses(graph, self.target or (), flag="--target")
        check_addresses(graph, replace, flag="--replace")
        return PlanOptions(
            allow=frozenset(HazardCode(str(hazard)) for hazard in self.allow or ()),
            targets=frozenset(self.target or ()),
            replace=frozenset(replace),
            replace_missing_keys=MISSING_KEYS in (self.replace or ()),
            prune=self.prune,
            new_ca_key=self.new_ca_key,
        )


def parse_time(text: str) -> datetime:
    """Reads the time of `--at`: a date, which is midnight UTC, or RFC 3339 with an offset.

    Raises:
        UsageError: it is neither.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"--at: '{text}' is not a time", hint="write 2027-03-01, or 2027-03-01T08:00:00Z") from None
    if moment.tzinfo is None:
        if len(text) > len("2027-03-01"):
            raise UsageError(f"--at: '{text}' has no time zone", hint=f"write {text}Z for UTC")
        moment = moment.replace(tzinfo=UTC)
    if not _FIRST_YEAR <= moment.year <= _LAST_YEAR:
        raise UsageError(f"--at: '{text}' is out of range", hint=f"a year from {_FIRST_YEAR} to {_LAST_YEAR}")
    return moment.astimezone(UTC).replace(microsecond=0)


def parse_duration(text: str, *, flag: str) -> timedelta:
    """Reads a duration as the manifest writes it: `90d`, `12h`, `2w`, `1y` or a plain number of days.

    Raises:
        UsageError: it is none.
    """
    mistakes = Mistakes(flag)
    duration = read_duration(Scalar(text, 1, 1, plain=True), flag, mistakes)
    try:
        mistakes.raise_if_any()
    except ManifestError as error:
        problem = error.problems[0]
        raise UsageError(f"{flag}: {problem.message}", hint=problem.hint) from None
    assert duration is not None  # noqa: S101 (None only after a mistake)
    return duration
