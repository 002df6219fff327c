"""Whether a certificate is a broker's or a client's: what it says, and names of files only where it is silent."""

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
_WORDS = {
    EndEntityKind.BROKER: frozenset({"broker", "brokers", "server", "servers", "srv", "mqtt", "mosquitto", "emqx"}),
    EndEntityKind.CLIENT: frozenset({"client", "clients", "device", "devices", "gateway", "gateways", "user", "users"}),
}


@enum.unique
class Evidence(enum.StrEnum):
    """What shows a certificate's role, the strongest first."""

    USAGE = "usage"
    NAMES = "names"
    FILES = "files"
    NOTHING = "nothing"


def find_role(facts: CertificateFacts, places: Sequence[Place]) -> tuple[EndEntityKind, Evidence]:
    """What a certificate is for, and what shows it.

    Args:
        facts: the certificate.
        places: the files that hold it or its key.
    """
    usages = facts.usages or frozenset()
    server, client = Usage.SERVER.value in usages, Usage.CLIENT.value in usages
    if server != client and _ANY_USAGE not in usages:
        return (EndEntityKind.BROKER if server else EndEntityKind.CLIENT), Evidence.USAGE
    hosts = host_alt_names(facts) + addresses_as_dns_names(facts)
    if any(is_surely_a_host(name) for name in hosts or common_names(facts)):
        return EndEntityKind.BROKER, Evidence.NAMES
    hinted = _from_files(places)
    if hinted is not None:
        return hinted, Evidence.FILES
    return (EndEntityKind.BROKER, Evidence.NAMES) if hosts else (EndEntityKind.CLIENT, Evidence.NOTHING)


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
        roles = [kind for kind, known in _WORDS.items() if words & known]
        if len(roles) == 1:
            return roles[0]
    return None
