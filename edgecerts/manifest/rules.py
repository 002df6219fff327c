"""Rules between the entries of a manifest."""

import unicodedata
from collections.abc import Sequence

from edgecerts.manifest.entries import Entry
from edgecerts.manifest.entry_names import check_unique_names
from edgecerts.manifest.mistakes import Mistakes, quoted
from edgecerts.manifest.model import Authority, Mark
from edgecerts.manifest.requests import check_request_places, check_unique_requests


def check_rules(
    authority: Authority | None,
    brokers: Sequence[Entry],
    clients: Sequence[Entry],
    mistakes: Mistakes,
    *,
    output: str,
    manifest: str,
) -> None:
    """Checks what no entry can be checked for alone.

    Args:
        authority: the authority, or None where it could not be read.
        brokers: the brokers.
        clients: the clients.
        mistakes: where mistakes are noted.
        output: the output folder, relative to the manifest.
        manifest: the manifest's name in its folder.
    """
    for entries in (brokers, clients):
        check_unique_names(((entry.entity.name, entry.entity.mark) for entry in entries), mistakes)
    requests = [
        (entry.entity.request.path, entry) for entry in (*brokers, *clients) if entry.entity.request is not None
    ]
    check_request_places(
        ((path, entry.csr_mark) for path, entry in requests), mistakes, output=output, manifest=manifest
    )
    check_unique_requests(
        ((path, f"{entry.entity.kind} `{entry.entity.name}`", entry.request_mark) for path, entry in requests), mistakes
    )
    _check_client_names(clients, mistakes)
    if authority is not None and authority.subject.common_name is not None:
        _check_authority_name(authority.subject.common_name, (*brokers, *clients), mistakes)


def _check_client_names(clients: Sequence[Entry], mistakes: Mistakes) -> None:
    """Two clients of one name are one user to a broker, which must be meant (mqtt user name from the certificate)."""
    groups: dict[str, list[Entry]] = {}
    for client in clients:
        name = client.entity.subject.common_name
        if name is not None:
            groups.setdefault(fold_name(name), []).append(client)
    for first, *others in groups.values():
        # Entries whose names differ in nothing but case have been noted as one folder already.
        folder = first.entity.name.casefold()
        others = [client for client in others if client.entity.name.casefold() != folder]
        silent = [client for client in others if not client.shares_common_name]
        if others and not first.shares_common_name and not silent:
            silent, first = [first], others[0]
        for client in silent:
            name = client.entity.subject.common_name or ""
            mistakes.add(
                client.common_name_mark,
                f"client `{first.entity.name}` on line {_line(first)} has the common name {quoted(name)}, too",
                "a broker takes both for the same user; if that is meant, write `shared_common_name: true` in each",
            )


def _check_authority_name(authority_name: str, entries: Sequence[Entry], mistakes: Mistakes) -> None:
    """OpenSSL takes a leaf whose subject is its issuer's for self-signed, so the names must differ."""
    folded = fold_name(authority_name)
    for entry in entries:
        name = entry.entity.subject.common_name
        if name is not None and fold_name(name) == folded:
            mistakes.add(
                entry.common_name_mark,
                f"{quoted(name)} is the common name of the authority",
                "give the authority another name: some TLS stacks would take this certificate for its own issuer",
            )


def _line(entry: Entry) -> int:
    mark: Mark = entry.common_name_mark
    return mark.line


def fold_name(name: str) -> str:
    """A common name as it is compared: without case, compatibility forms and runs of spaces (RFC 5280 §7.1)."""
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())
