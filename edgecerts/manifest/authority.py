"""The certificate authority of a manifest."""

import re

from edgecerts.errors import InvalidNameError
from edgecerts.manifest.authority_key import AUTHORITY, read_private_key
from edgecerts.manifest.mistakes import Mistakes
from edgecerts.manifest.model import Authority, Lifetime, TrustedCA
from edgecerts.manifest.nodes import Mapping, Node, Scalar, Sequence, is_null, key_mark
from edgecerts.manifest.passwords import check_path, for_entry
from edgecerts.manifest.settings import Settings, read_settings
from edgecerts.manifest.settings_rules import check_renewal
from edgecerts.pki.names import AltName, AltNameKind, Subject, check_subject_value, parse_email
from edgecerts.pki.profiles import CA_KEY_TYPE, CA_VALIDITY, END_ENTITY_VALIDITY

_FINGERPRINT = re.compile("sha256:((?:[0-9a-f]{2}:?){31}[0-9a-f]{2})", re.IGNORECASE)


def read_authority(node: Node | None, defaults: Settings, mistakes: Mistakes, *, output: str) -> Authority | None:
    """Reads `ca`.

    Args:
        node: the mapping, already of the right structure; None where it is missing, which has been noted.
        defaults: the settings of `defaults`, of which the authority takes the subject.
        output: the output folder, relative to the manifest.
        mistakes: where mistakes are noted.
    """
    if not isinstance(node, Mapping):
        return None
    own = read_settings(node, mistakes)
    lifetime = own.lifetime or Lifetime(validity=CA_VALIDITY)
    check_renewal((own,), own, lifetime, mistakes)
    fields = defaults.subject | own.subject
    subject = Subject(**fields, common_name=_read_common_name(node.get("common_name"), mistakes))
    email = () if subject.email is None else (AltName(kind=AltNameKind.EMAIL, value=parse_email(subject.email)),)
    leaves = defaults.lifetime and defaults.lifetime.validity
    key = read_private_key(node.get("private_key"), mistakes, output=output)
    declared = {str(key) for key in node if not is_null(node[key])} | ({"subject"} & defaults.marks.keys())
    return Authority(
        name="",
        subject=subject,
        alt_names=email,
        key_type=own.key_type or CA_KEY_TYPE,
        lifetime=lifetime,
        renew_before=own.renew_before,
        end_entity_validity=leaves or END_ENTITY_VALIDITY,
        private_key=key.source,
        offline=key.offline,
        password=own.password and for_entry(own.password, AUTHORITY),
        also_trust=_read_also_trust(node.get("also_trust"), mistakes),
        fingerprint=_read_fingerprint(node.get("fingerprint"), mistakes),
        declared=frozenset(declared),
        mark=key_mark(node),
    )


def _read_common_name(node: Node | None, mistakes: Mistakes) -> str | None:
    if not isinstance(node, Scalar):
        return None
    try:
        check_subject_value("common_name", node)
    except InvalidNameError as error:
        mistakes.add_name_error(node.mark, error, node)
    return str(node)


def _read_also_trust(node: Node | None, mistakes: Mistakes) -> tuple[TrustedCA, ...]:
    trusted = []
    for item in node if isinstance(node, Sequence) else ():
        path, lists = (item.get("ca"), item.get("crl")) if isinstance(item, Mapping) else (None, None)
        if isinstance(lists, Scalar):
            check_path(lists, "crl", mistakes)
        if isinstance(path, Scalar):
            check_path(path, "ca", mistakes)
            crl = str(lists) if isinstance(lists, Scalar) else None
            trusted.append(TrustedCA(ca=str(path), crl=crl, mark=path.mark))
    return tuple(trusted)


def _read_fingerprint(node: Node | None, mistakes: Mistakes) -> str | None:
    if not isinstance(node, Scalar):
        return None
    match = _FINGERPRINT.fullmatch(node)
    if match is None:
        hint = "write sha256: and 64 hexadecimal digits, as `edgecerts plan` prints it"
        mistakes.add(node.mark, "`fingerprint` is not the SHA-256 of a public key", hint)
        return None
    return match[1].replace(":", "").lower()
