"""The file beside the manifest that lists what is revoked, so that an incident is a change of one small file."""

from posixpath import dirname, join

from edgecerts.errors import StorageError
from edgecerts.manifest.files_beside import REVOKED, ReadBeside
from edgecerts.manifest.mistakes import Mistakes, quoted
from edgecerts.manifest.model import Revocation
from edgecerts.manifest.nodes import Node, Scalar
from edgecerts.manifest.paths import path_objection, path_parts
from edgecerts.manifest.revocations import read_revocations
from edgecerts.manifest.text import decode
from edgecerts.manifest.yaml_text import load_list

_EXAMPLE = "revoked.yaml"


def read_revocation_file(
    node: Node | None, source: str, read: ReadBeside, mistakes: Mistakes
) -> tuple[tuple[Revocation, ...], tuple[str, ...]]:
    """Reads the file that `revoked_from` names.

    Args:
        node: its path; None where there is none.
        source: the manifest's name.
        read: gives its content.
        mistakes: where mistakes are noted, those in the file with its own name.

    Returns:
        its entries, and its text where there is one.
    """
    if not isinstance(node, Scalar):
        return (), ()
    hint = path_objection(node, example=_EXAMPLE)
    if hint is not None:
        mistakes.add(node.mark, f"`revoked_from` cannot be {quoted(node)}", hint)
        return (), ()
    path = "/".join(path_parts(node))
    try:
        data = read(path, REVOKED)
    except StorageError as error:
        mistakes.add(node.mark, error.message, error.hint)
        return (), ()
    file = join(dirname(source), path)
    own = mistakes.of_file(file)
    text = decode(data, own)
    return read_revocations(load_list(text, own), own, file=file), (text,)
