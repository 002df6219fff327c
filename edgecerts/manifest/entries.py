"""Brokers and clients: an entry of the manifest, with `defaults` under it, to an `EndEntity`."""

import functools
from collections.abc import Iterable
from dataclasses import dataclass

from edgecerts.errors import InvalidNameError
from edgecerts.manifest.entry_names import read_entry_name
from edgecerts.manifest.mistakes import Mistakes, quoted
from edgecerts.manifest.model import EndEntity, EndEntityKind, KeyHeld, Lifetime, Mark, Rekey, Request
from edgecerts.manifest.nodes import Mapping, Node, Scalar, Sequence, is_null, is_true, key_mark
from edgecerts.manifest.passwords import for_entry
from edgecerts.manifest.requests import request_path
from edgecerts.manifest.roles import Inherited, role_of_entry
from edgecerts.manifest.settings import Settings, read_settings
from edgecerts.manifest.settings_rules import check_own_settings, check_request_settings
from edgecerts.pki.names import (
    SUBJECT_LENGTHS,
    AltName,
    AltNameKind,
    Subject,
    check_subject_value,
    parse_alt_name,
    parse_email,
    parse_host,
)
from edgecerts.pki.profiles import END_ENTITY_KEY_TYPE, END_ENTITY_VALIDITY, Usage

OWN_KEYS = ("common_name", "alt_names", "usages", "ip_as_dns", "shared_common_name")
_NATURAL_USAGE = {EndEntityKind.BROKER: Usage.SERVER, EndEntityKind.CLIENT: Usage.CLIENT}
_NATURAL_USAGES = {usage: frozenset((usage,)) for usage in _NATURAL_USAGE.values()}
"""One for each, and not one for each entry."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """A broker or client with what the checks across entries need.

    After a mistake `entity` is not fit for use, but the manifest is refused then anyway.

    Attributes:
        common_name_mark: where its common name stands, or the entry where it goes without saying.
        shares_common_name: it says that other clients have its common name, too.
        request_mark: where its `csr` stands, or the entry where that goes without saying or is in `defaults`.
        csr_mark: where the `csr` stands that holds for it, or the entry where that goes without saying.
    """

    entity: EndEntity
    common_name_mark: Mark
    shares_common_name: bool
    request_mark: Mark
    csr_mark: Mark


def read_entries(node: Node | None, kind: EndEntityKind, inherited: Inherited, mistakes: Mistakes) -> tuple[Entry, ...]:
    """Reads `brokers` or `clients`.

    Args:
        node: the mapping, already of the right structure; None or empty gives no entries.
        kind: what its entries are.
        inherited: `defaults` and the roles.
        mistakes: where mistakes are noted.
    """
    if not isinstance(node, Mapping):
        return ()
    return tuple(_read_entry(str(name), entry, kind, inherited, mistakes) for name, entry in node.items())


def _read_entry(name: str, node: Node, kind: EndEntityKind, inherited: Inherited, mistakes: Mistakes) -> Entry:
    mark = key_mark(node)
    read_entry_name(name, mark, mistakes)
    keys = node if isinstance(node, Mapping) else Mapping(mark.line, mark.column)
    own = read_settings(keys, mistakes)
    role = role_of_entry(name, keys, inherited, mistakes)
    settings = own.over(role).over(inherited.defaults)
    check_own_settings((own, role), settings, mistakes)
    check_request_settings(own, settings, mistakes)
    common_name = keys.get("common_name")
    return Entry(
        entity=build_entity(name, mark, keys, kind, settings, declared_keys(keys, settings), mistakes),
        common_name_mark=mark if common_name is None else common_name.mark,
        shares_common_name=is_true(keys.get("shared_common_name")),
        request_mark=own.marks.get("csr", mark),
        csr_mark=settings.marks.get("csr", mark),
    )


def declared_keys(keys: Mapping, settings: Settings) -> frozenset[str]:
    """The keys that an entry gives itself, and those that it inherits."""
    own = {key for key in OWN_KEYS if key in keys and not is_null(keys[key])}
    return frozenset(own | settings.marks.keys())


def build_entity(
    name: str,
    mark: Mark,
    keys: Mapping,
    kind: EndEntityKind,
    settings: Settings,
    declared: frozenset[str],
    mistakes: Mistakes,
) -> EndEntity:
    """A broker or client from its own keys and from the settings that hold for it.

    Args:
        name: of the entry, which has been checked.
        mark: where the entry stands.
        keys: its common name, alternative names, usages and the like.
        kind: what it is.
        settings: its own over all that it inherits.
        declared: the keys that it or what it inherits from gives.
        mistakes: where mistakes in its own keys are noted.
    """
    host, common_name = _read_common_name(keys.get("common_name"), name, kind, mistakes)
    subject = Subject(**settings.subject, common_name=common_name)
    return EndEntity(
        kind=kind,
        name=name,
        subject=subject,
        alt_names=_all_alt_names(keys, host, subject, mistakes),
        usages=_read_usages(keys.get("usages"), kind, mistakes),
        key_type=settings.key_type or END_ENTITY_KEY_TYPE,
        lifetime=settings.lifetime or Lifetime(validity=END_ENTITY_VALIDITY),
        renew_before=settings.renew_before,
        renew_jitter=settings.renew_jitter,
        key_held=settings.key_held or KeyHeld.HERE,
        rekey=settings.rekey or Rekey.NEVER,
        request=_read_request(settings, name),
        password=settings.password and for_entry(settings.password, name),
        revoke_on_rekey=bool(settings.revoke_on_rekey),
        declared=declared,
        mark=mark,
    )


def _read_request(settings: Settings, name: str) -> Request | None:
    if settings.key_held is not KeyHeld.CSR:
        return None
    return Request(path=request_path(settings.csr, name), must_match=bool(settings.csr_must_match))


def _read_common_name(
    node: Node | None, name: str, kind: EndEntityKind, mistakes: Mistakes
) -> tuple[AltName | None, str | None]:
    """A broker's common name as a host, if it is a broker, and the common name as it stands in the subject."""
    if not isinstance(node, Scalar):
        return None, (name if kind is EndEntityKind.CLIENT else None)
    if kind is EndEntityKind.CLIENT:
        return None, _client_common_name(node, mistakes)
    try:
        host = parse_host(node)
    except InvalidNameError as error:
        mistakes.add_name_error(node.mark, error, node)
        return None, None
    is_as_written = host.kind is AltNameKind.DNS and node.isascii()
    common_name = str(node) if is_as_written else host.value
    if len(common_name) > SUBJECT_LENGTHS["common_name"]:
        message = f"`common_name` has {len(common_name)} characters; at most 64 are allowed"
        mistakes.add(node.mark, message, "write a shorter name or an address here, and this one under `alt_names`")
        return host, None
    return host, common_name


def _client_common_name(node: Scalar, mistakes: Mistakes) -> str | None:
    try:
        check_subject_value("common_name", node)
    except InvalidNameError as error:
        mistakes.add_name_error(node.mark, error, node)
        return None
    for character in "+#/":
        if character in node:
            mistakes.add(
                node.mark,
                f"{quoted(node)} holds {character}, which a client's common name cannot",
                "brokers take the common name as the MQTT user name, and in topics + # / have a meaning of their own",
            )
            return None
    return str(node)


def _all_alt_names(keys: Mapping, host: AltName | None, subject: Subject, mistakes: Mistakes) -> tuple[AltName, ...]:
    """The alternative names in the order of the certificate, each once."""
    names = [] if host is None else [host]
    names += _read_alt_names(keys.get("alt_names"), mistakes)
    if is_true(keys.get("ip_as_dns")):
        # Mbed TLS before 3.5 compares an address with dNSNames only.
        names += [AltName(kind=AltNameKind.DNS, value=name.value) for name in names if name.kind is AltNameKind.IP]
    if subject.email is not None:
        names.append(_email_name(subject.email))
    return tuple(dict.fromkeys(names))


@functools.lru_cache(maxsize=64)
def _email_name(email: str) -> AltName:
    # Nearly all entries have that of `defaults`.
    return AltName(kind=AltNameKind.EMAIL, value=parse_email(email))


def _read_alt_names(node: Node | None, mistakes: Mistakes) -> Iterable[AltName]:
    if not isinstance(node, Sequence):
        return
    for item in (item for item in node if isinstance(item, Scalar)):
        try:
            yield parse_alt_name(item)
        except InvalidNameError as error:
            mistakes.add_name_error(item.mark, error, item)


def _read_usages(node: Node | None, kind: EndEntityKind, mistakes: Mistakes) -> frozenset[Usage]:
    natural = _NATURAL_USAGE[kind]
    if not isinstance(node, Sequence):
        return _NATURAL_USAGES[natural]
    usages = frozenset(Usage(str(item)) for item in node)
    if natural not in usages:
        message = f"the `usages` of a {kind.value} lack {natural.value}" if usages else "`usages` is empty"
        mistakes.add(node.mark, message, f"write [{natural.value}], or [server, client] for both")
    return usages
