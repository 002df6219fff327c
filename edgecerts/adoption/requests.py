"""Where the requests of a source folder are kept: next to the manifest, where `key_held: csr` looks for them."""

from collections.abc import Iterator

from edgecerts.adoption.model import AdoptedEntry, Adoption
from edgecerts.manifest.model import KeyHeld
from edgecerts.manifest.requests import request_path


def kept_requests(adoption: Adoption) -> Iterator[tuple[str, bytes]]:
    """The requests of the keys that were not found, as (path relative to the manifest, PEM).

    Names of entries differ between brokers and clients too, and so do these paths.
    """
    for entry in adoption.entries:
        if declares_request(entry) and entry.request is not None:
            yield request_path(None, entry.name), entry.request.pem


def declares_request(entry: AdoptedEntry) -> bool:
    """Whether an entry's private key is on its host, and its request here."""
    return entry.declared.key_held is KeyHeld.CSR and entry.request is not None
