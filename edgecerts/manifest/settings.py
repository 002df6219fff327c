"""The settings that an entry, a role, the authority and `defaults` have in common, and how one overrides another."""

from dataclasses import dataclass, field

from edgecerts.errors import InvalidNameError
from edgecerts.manifest.durations import read_not_after, read_renew_before, read_renew_jitter, read_validity
from edgecerts.manifest.mistakes import Mistakes
from edgecerts.manifest.model import KeyHeld, Lifetime, Mark, PasswordSource, Rekey, RenewBefore, RenewJitter
from edgecerts.manifest.nodes import Mapping, Node, Scalar, is_null, is_true, key_mark
from edgecerts.manifest.passwords import read_password
from edgecerts.manifest.requests import read_request_path
from edgecerts.pki.key_types import KeyType
from edgecerts.pki.names import check_subject_value, parse_email

KEYS = (
    *("subject", "key_type", "validity", "not_after", "renew_before", "renew_jitter"),
    *("key_held", "csr", "csr_must_match", "rekey", "revoke_on_rekey", "password"),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """What one mapping of the manifest sets; None, or absent, is what it leaves open.

    Attributes:
        subject: the fields that it gives; None as a value removes the field.
        csr: where the request lies, relative to the manifest; `{name}` stands for the entry's name.
        marks: where each key stands.
    """

    subject: dict[str, str | None] = field(default_factory=dict)
    key_type: KeyType | None = None
    lifetime: Lifetime | None = None
    renew_before: RenewBefore | None = None
    renew_jitter: RenewJitter | None = None
    key_held: KeyHeld | None = None
    csr: str | None = None
    csr_must_match: bool | None = None
    rekey: Rekey | None = None
    revoke_on_rekey: bool | None = None
    password: PasswordSource | None = None
    marks: dict[str, Mark] = field(default_factory=dict)

    def over(self, defaults: "Settings") -> "Settings":
        """These settings, with those of `defaults` where they leave something open."""
        marks = {key: mark for key, mark in defaults.marks.items() if self._takes(key)} | self.marks
        return Settings(
            subject=defaults.subject | self.subject,
            key_type=self.key_type or defaults.key_type,
            lifetime=self.lifetime or defaults.lifetime,
            renew_before=self.renew_before or defaults.renew_before,
            renew_jitter=self.renew_jitter or defaults.renew_jitter,
            key_held=self.key_held or defaults.key_held,
            csr=self.csr or defaults.csr,
            csr_must_match=defaults.csr_must_match if self.csr_must_match is None else self.csr_must_match,
            rekey=self.rekey or defaults.rekey,
            revoke_on_rekey=defaults.revoke_on_rekey if self.revoke_on_rekey is None else self.revoke_on_rekey,
            password=self.password or defaults.password,
            marks=marks,
        )

    def _takes(self, key: str) -> bool:
        """Whether a key of `defaults` has a say: `validity` here also sets aside a `not_after` there."""
        return not (key in ("validity", "not_after") and ("validity" in self.marks or "not_after" in self.marks))


def read_settings(node: Node | None, mistakes: Mistakes) -> Settings:
    """Reads the settings of a mapping; other keys are not looked at, and an empty entry gives none."""
    if not isinstance(node, Mapping):
        return Settings()
    key_type, key_held, rekey = node.get("key_type"), node.get("key_held"), node.get("rekey")
    renew_before, renew_jitter = node.get("renew_before"), node.get("renew_jitter")
    csr, password = node.get("csr"), node.get("password")
    return Settings(
        subject=_read_subject(node.get("subject"), mistakes),
        key_type=KeyType(key_type) if isinstance(key_type, Scalar) else None,
        lifetime=_read_lifetime(node, mistakes),
        renew_before=read_renew_before(renew_before, mistakes) if isinstance(renew_before, Scalar) else None,
        renew_jitter=read_renew_jitter(renew_jitter, mistakes) if isinstance(renew_jitter, Scalar) else None,
        key_held=KeyHeld(key_held) if isinstance(key_held, Scalar) else None,
        csr=read_request_path(csr, mistakes) if isinstance(csr, Scalar) else None,
        csr_must_match=_read_boolean(node.get("csr_must_match")),
        rekey=Rekey(rekey) if isinstance(rekey, Scalar) else None,
        revoke_on_rekey=_read_boolean(node.get("revoke_on_rekey")),
        password=read_password(password, mistakes) if isinstance(password, Mapping) else None,
        marks={key: key_mark(node[key]) for key in KEYS if key in node and not is_null(node[key])},
    )


def _read_boolean(node: Node | None) -> bool | None:
    return is_true(node) if isinstance(node, Scalar) and not node.is_null else None


def _read_subject(node: Node | None, mistakes: Mistakes) -> dict[str, str | None]:
    if not isinstance(node, Mapping):
        return {}
    fields: dict[str, str | None] = {}
    for key, value in node.items():
        if isinstance(value, Scalar):
            fields[key] = _read_subject_field(key, value, mistakes)
    return fields


def _read_subject_field(key: str, value: Scalar, mistakes: Mistakes) -> str | None:
    """The field as it will stand in the certificate; None where it is empty or wrong."""
    if value.is_null or not value:
        return None
    try:
        check_subject_value(key, value)
    except InvalidNameError as error:
        mistakes.add_name_error(value.mark, error, value)
        return None
    # An e-mail address is kept as written where a subject can hold it: another case would be another subject.
    return parse_email(value) if key == "email" and not value.isascii() else str(value)


def _read_lifetime(node: Mapping, mistakes: Mistakes) -> Lifetime | None:
    validity, not_after = node.get("validity"), node.get("not_after")
    if isinstance(validity, Scalar) and isinstance(not_after, Scalar):
        last = max(key_mark(validity), key_mark(not_after))
        mistakes.add(last, "`validity` and `not_after` are both given", "keep one of them")
    if isinstance(validity, Scalar):
        duration = read_validity(validity, mistakes)
        return None if duration is None else Lifetime(validity=duration)
    if isinstance(not_after, Scalar):
        moment = read_not_after(not_after, mistakes)
        return None if moment is None else Lifetime(not_after=moment)
    return None
