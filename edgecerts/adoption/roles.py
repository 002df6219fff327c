"""Whether a certificate is a broker's or a client's: what it says itself, and what hints there are."""

import enum
import re
from collections.abc import Iterable, Sequence

from edgecerts.adoption.material import Place
from edgecerts.errors import InvalidNameError
from edgecerts.manifest.model import EndEntityKind
from edgecerts.pki.certificate_facts import CertificateFacts
from edgecerts.pki.names import AltNameKind, parse_host
from edgecerts.pki.profiles import Usage

_ANY_USAGE = "2.5.29.37.0"
_LOCAL = "localhost"
_DNS_PREFIX = f"{AltNameKind.DNS}:"
_FOLDER_WORDS = {
    EndEntityKind.BROKER: frozenset({"broker", "brokers", "server", "servers", "srv"}),
    EndEntityKind.CLIENT: frozenset({"client", "clients", "device", "devices", "gateway", "gateways", "user", "users"}),
}
_FILE_WORDS = {
    **_FOLDER_WORDS,
    EndEntityKind.BROKER: _FOLDER_WORDS[EndEntityKind.BROKER] | {"mqtt", "mosquitto", "emqx"},
}
"""The name of a program says something of a file, and nothing of a folder: it holds its clients' files, too."""


@enum.unique
class Evidence(enum.StrEnum):
    """What shows a certificate's role, the strongest first."""

    TOLD = "told"
    USAGE = "usage"
    NAMES_AND_FILES = "names-and-files"
    FILES = "files"
    NAMES = "names"
    NOTHING = "nothing"

    @property
    def is_certain(self) -> bool:
        """Whether nobody has to be asked."""
        return self in (Evidence.TOLD, Evidence.USAGE, Evidence.NAMES_AND_FILES)


def serves_all(facts: CertificateFacts) -> bool:
    """Whether a certificate may be used for everything (RFC 5280 §4.2.1.12)."""
    return facts.usages is None or _ANY_USAGE in facts.usages


def usage_of(facts: CertificateFacts) -> EndEntityKind | None:
    """The one role that a certificate's extended key usage allows; None where it allows both, or is silent."""
    usages = facts.usages or frozenset()
    server, client = Usage.SERVER.value in usages, Usage.CLIENT.value in usages
    if server == client or _ANY_USAGE in usages:
        return None
    return EndEntityKind.BROKER if server else EndEntityKind.CLIENT


def find_role(facts: CertificateFacts, places: Sequence[Place]) -> tuple[EndEntityKind, Evidence]:
    """What a certificate is for, and what shows it.

    Names of files and folders, which a person chose for what is in them, are worth more than a host name: devices are
    called by their hosts and addresses as well.

    Args:
        facts: the certificate.
        places: the files that hold it or its key.
    """
    told = usage_of(facts)
    if told is not None:
        return told, Evidence.USAGE
    named = _is_named_as_broker(facts)
    hinted = _from_files(places)
    if hinted is not None:
        agree = hinted is EndEntityKind.BROKER and named
        return hinted, Evidence.NAMES_AND_FILES if agree else Evidence.FILES
    return (EndEntityKind.BROKER, Evidence.NAMES) if named else (EndEntityKind.CLIENT, Evidence.NOTHING)


def _is_named_as_broker(facts: CertificateFacts) -> bool:
    """Whether a host is among the names. Some authorities give a device its own name, of one word, as a host name."""
    names = common_names(facts)
    hosts = host_alt_names(facts) + addresses_as_dns_names(facts)
    if any(is_surely_a_host(name) for name in hosts or names):
        return True
    both = facts.usages is not None
    return bool(hosts) and not (both and {host.casefold() for host in hosts} <= {name.casefold() for name in names})


def common_names(facts: CertificateFacts) -> tuple[str, ...]:
    """The common names of a certificate's subject; usually one."""
    return tuple(value for field, value in facts.subject if field == "common_name")


def host_alt_names(facts: CertificateFacts) -> tuple[str, ...]:
    """The alternative names that are hosts or addresses, host names first, each kind sorted."""
    hosts = [name for name in sorted(facts.alt_names) if host_of(name) is not None]
    return tuple(sorted(hosts, key=is_address))


def addresses_as_dns_names(facts: CertificateFacts) -> tuple[str, ...]:
    """The IP addresses that stand among the alternative names as if they were host names."""
    named = (name.removeprefix(_DNS_PREFIX) for name in sorted(facts.alt_names) if name.startswith(_DNS_PREFIX))
    return tuple(name for name in named if is_address(name))


def host_of(text: str) -> str | None:
    """A host or address in canonical form, or None where the text is neither."""
    try:
        return parse_host(text).value
    except InvalidNameError:
        return None


def is_address(text: str) -> bool:
    """Whether a text is an IP address."""
    try:
        return parse_host(text).kind is AltNameKind.IP
    except InvalidNameError:
        return False


def is_surely_a_host(text: str) -> bool:
    """A word without a dot may be anybody; an address or a name with a domain is a host."""
    host = host_of(text)
    return host is not None and (is_address(text) or "." in host or host == _LOCAL)


def _from_files(places: Iterable[Place]) -> EndEntityKind | None:
    """The role that the names of files, and then of the folders from the nearest on, agree on."""
    paths = [place.path.lower().split("/")[::-1] for place in places]
    for depth in range(max((len(path) for path in paths), default=0)):
        words = {word for path in paths if depth < len(path) for word in re.split(r"[^a-z]+", path[depth])}
        known = _FOLDER_WORDS if depth else _FILE_WORDS
        roles = [kind for kind, of_kind in known.items() if words & of_kind]
        if len(roles) == 1:
            return roles[0]
    return None
