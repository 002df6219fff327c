"""The manifest: YAML text with positions to a validated `Manifest`.

Nothing here touches a file, the environment or the clock; only the schema that the package carries is read.
"""

import hashlib
import posixpath

from edgecerts.manifest.authority import read_authority
from edgecerts.manifest.entries import read_entries
from edgecerts.manifest.files_beside import ReadBeside, no_files_beside
from edgecerts.manifest.inventories import read_inventories
from edgecerts.manifest.mistakes import Mistakes
from edgecerts.manifest.model import EndEntityKind, Manifest
from edgecerts.manifest.output import read_output
from edgecerts.manifest.revocation_file import read_revocation_file
from edgecerts.manifest.revocation_list import check_also_trusted, read_revocation_list
from edgecerts.manifest.revocations import check_still_declared, read_revocations
from edgecerts.manifest.roles import read_roles
from edgecerts.manifest.rules import check_rules
from edgecerts.manifest.settings import read_settings
from edgecerts.manifest.settings_rules import check_own_settings
from edgecerts.manifest.structure import check_structure
from edgecerts.manifest.text import MAX_MANIFEST_BYTES, decode, with_unix_line_ends
from edgecerts.manifest.yaml_text import load_tree

__all__ = ["MAX_MANIFEST_BYTES", "parse_manifest"]


def parse_manifest(data: bytes, *, source: str, read_beside: ReadBeside = no_files_beside) -> Manifest:
    """Reads a manifest.

    Args:
        data: the bytes of `pki.yaml`.
        source: its name as the user wrote it, for messages.
        read_beside: gives the files beside it that it names.

    Returns:
        the manifest with defaults resolved and references checked.

    Raises:
        ManifestError: it has mistakes; all that could be found are in it, sorted by position.
    """
    mistakes = Mistakes(source)
    text = decode(data, mistakes)
    root = load_tree(text, mistakes)
    check_structure(root, mistakes)
    defaults = read_settings(root.get("defaults"), mistakes)
    check_own_settings((defaults,), defaults, mistakes)
    inherited = read_roles(root.get("roles"), defaults, mistakes)
    output = read_output(root.get("output"), mistakes)
    authority = read_authority(root.get("ca"), defaults, mistakes, output=output)
    brokers = read_entries(root.get("brokers"), EndEntityKind.BROKER, inherited, mistakes)
    clients = read_entries(root.get("clients"), EndEntityKind.CLIENT, inherited, mistakes)
    inventories = read_inventories(root, inherited, mistakes, source=source, read=read_beside)
    brokers += tuple(inventories.entries[EndEntityKind.BROKER])
    clients += tuple(inventories.entries[EndEntityKind.CLIENT])
    check_rules(authority, brokers, clients, mistakes, output=output, manifest=posixpath.basename(source))
    entities = tuple(entry.entity for entry in (*brokers, *clients))
    beside, beside_texts = read_revocation_file(root.get("revoked_from"), source, read_beside, mistakes)
    revocations = read_revocations(root.get("revoked"), mistakes) + beside
    check_still_declared(revocations, entities, mistakes)
    revocation_list = read_revocation_list(root.get("crl"), revocations, entities, mistakes)
    check_also_trusted(authority, revocation_list, mistakes)
    mistakes.raise_if_any()
    return Manifest(
        source=source,
        digest=_digest(text, *inventories.texts, *beside_texts),
        output=output,
        authorities=tuple(filter(None, (authority,))),
        brokers=tuple(entry.entity for entry in brokers),
        clients=tuple(entry.entity for entry in clients),
        inventories=tuple(inventories.files),
        revocations=revocations,
        revocation_list=revocation_list,
    )


def _digest(*texts: str) -> str:
    """The digest of the manifest's text, and of those of the files beside it that it names."""
    digest = hashlib.sha256(with_unix_line_ends(texts[0]).encode())
    for text in texts[1:]:
        digest.update(b"\0" + with_unix_line_ends(text).encode())
    return digest.hexdigest()
