"""What somebody says with `--broker` and `--client` about whose a certificate is."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from edgecerts.adoption.material import FoundCertificate
from edgecerts.adoption.roles import common_names, host_alt_names, usage_of
from edgecerts.errors import UsageError
from edgecerts.manifest.model import EndEntityKind

_GLOB_MARKS = "*?["


@dataclass(frozen=True, kw_only=True, slots=True)
class ToldRoles:
    """Names, or patterns of names, of brokers and of clients."""

    brokers: Sequence[str] = ()
    clients: Sequence[str] = ()

    def find(self, found: FoundCertificate) -> EndEntityKind | None:
        """The role that is told for a certificate, or None.

        A name goes before any pattern, also where the certificate says something else; a pattern is for certificates
        that do not say themselves what they are.

        Raises:
            UsageError: both are told.
        """
        if not self.brokers and not self.clients:
            return None
        by_name = self._roles(found, pattern=False)
        by_pattern = self._roles(found, pattern=True) if not by_name and usage_of(found.facts) is None else []
        roles = by_name or by_pattern
        if len(roles) > 1:
            name = next(iter(_names(found)), "a certificate")
            raise UsageError(
                f"both --broker and --client are told for {name}",
                hint=f"name it without a pattern: --client '{name}', or --broker '{name}'",
            )
        return roles[0] if roles else None

    def check(self, certificates: Iterable[FoundCertificate]) -> None:
        """Looks whether each of the names is that of a certificate.

        Args:
            certificates: what the authority issued.

        Raises:
            UsageError: one is not.
        """
        known = [_names(found) for found in certificates]
        for flag, texts in (("--broker", self.brokers), ("--client", self.clients)):
            for text in texts:
                if not any(_fits(text, names) for names in known):
                    raise UsageError(
                        f"{flag}: no certificate that the authority issued has the name '{text}'",
                        hint="name it by its common name, by a host of it or by its file; * and ? stand for anything",
                    )

    def _roles(self, found: FoundCertificate, *, pattern: bool) -> list[EndEntityKind]:
        names = _names(found)
        told = ((EndEntityKind.BROKER, self.brokers), (EndEntityKind.CLIENT, self.clients))
        return [
            kind for kind, texts in told if any(_is_pattern(text) is pattern and _fits(text, names) for text in texts)
        ]


def _names(found: FoundCertificate) -> list[str]:
    """What a certificate can be called: its common name, its hosts, and its files with and without their ending."""
    files = [text for place in found.places for text in (place.path, place.stem)]
    return [*common_names(found.facts), *host_alt_names(found.facts), *files]


def _is_pattern(text: str) -> bool:
    return any(mark in text for mark in _GLOB_MARKS)


def _fits(text: str, names: Iterable[str]) -> bool:
    folded = text.casefold()
    return any(name.casefold() == folded or fnmatchcase(name.casefold(), folded) for name in names)
