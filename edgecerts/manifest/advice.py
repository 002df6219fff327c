"""What to write instead of an unknown key or choice.

The words are those that people know from openssl, from brokers and from other tools.
"""

import difflib
import re
from collections.abc import Mapping, Sequence

_ALIASES = {
    "version": ("schema", "schema_version", "apiversion", "format"),
    "output": ("out", "outdir", "output_dir", "output_folder", "dir", "directory", "folder", "path", "dest"),
    "defaults": ("default", "global", "globals", "common", "settings"),
    "ca": ("authority", "authorities", "cas", "root", "root_ca", "certificate_authority", "issuer"),
    "brokers": ("broker", "server", "servers", "hosts"),
    "clients": ("client", "devices", "device", "users", "gateways"),
    "brokers_from": ("broker_inventory", "brokers_csv", "servers_from"),
    "clients_from": ("client_inventory", "clients_csv", "devices_from", "inventory", "inventories", "fleet"),
    "roles": ("role", "profiles", "groups", "templates", "classes", "types"),
    "role": ("profile", "group", "template", "class", "kind"),
    "csv": ("file", "path", "inventory", "from"),
    "ignore": ("ignored", "ignore_columns", "skip"),
    "common_name": ("cn", "host", "hostname", "host_name", "address", "ip", "fqdn", "server_name", "subject_cn"),
    "alt_names": (
        "san", "sans", "subject_alt_names", "subject_alt_name", "subjectaltname", "altnames", "alt_name", "hosts",
        "dns", "dns_names", "domains", "ips", "ip_addresses", "addresses", "names", "aliases", "uris",
    ),
    "subject": ("dn", "distinguished_name", "req_distinguished_name", "name"),
    "country": ("c", "country_name", "countryname"),
    "state": ("st", "s", "sp", "province", "state_or_province", "stateorprovincename", "state_name"),
    "locality": ("l", "city", "town", "locality_name", "localityname"),
    "organization": ("o", "org", "organisation", "company", "organization_name", "organizationname"),
    "organizational_unit": ("ou", "unit", "department", "organisational_unit", "organization_unit",
                            "organizationalunitname"),
    "email": ("emailaddress", "email_address", "e", "mail", "e_mail"),
    "key_type": ("bits", "key_size", "keysize", "size", "algorithm", "alg", "algo", "key_algorithm", "key", "keytype",
                 "curve", "type", "rsa", "ec", "private_key_type"),
    "validity": ("days", "expires", "expiry", "expiration", "expire", "lifetime", "ttl", "valid", "valid_for",
                 "valid_days", "validity_days", "duration", "default_days", "period"),
    "not_after": ("notafter", "end", "end_date", "enddate", "valid_until", "until", "expires_at", "expires_on"),
    "renew_before": ("renew", "renewal", "renew_at", "renewbefore", "renew_days", "renewal_window"),
    "renew_jitter": ("jitter", "renewal_jitter", "spread", "splay", "renew_spread", "random"),
    "key_held": ("key_location", "key_holder", "held", "keyheld", "key_storage"),
    "csr": ("csr_file", "csr_path", "request", "request_file", "certificate_request", "certificate_signing_request"),
    "csr_must_match": ("must_match", "require_match", "csr_match", "csr_strict"),
    "rekey": ("rotate", "rotation", "rotate_key", "rotation_policy", "rotationpolicy", "new_key", "re_key"),
    "password": ("passphrase", "passwd", "pass", "pw", "secret", "passout", "password_file", "key_password"),
    "private_key": ("ca_key", "key_file", "keyfile", "private", "signing_key", "privatekey_file"),
    "offline": ("air_gapped", "airgapped", "elsewhere"),
    "usages": ("usage", "extended_key_usage", "extendedkeyusage", "eku", "ext_key_usage", "key_usage", "purpose",
               "purposes"),
    "ip_as_dns": ("ips_as_dns", "ip_dns"),
    "shared_common_name": ("shared", "shared_cn", "share_common_name", "duplicate_cn"),
    "also_trust": ("trust", "extra_ca", "extra_cas", "additional_trust", "ca_bundle", "trusted"),
    "fingerprint": ("pin", "sha256", "thumbprint", "spki", "pinned"),
    "revoked": ("revocations", "revocation", "revoke", "revoked_certificates", "blocklist", "blacklist", "deny"),
    "revoked_from": ("revoked_file", "revocations_from", "revocations_file", "revoked_list"),
    "crl": ("crls", "revocation_list", "crl_file", "certificate_revocation_list"),
    "url": ("crl_url", "uri", "cdp", "distribution_point", "crl_distribution_points"),
    "revoke_on_rekey": ("revoke_old", "revoke_replaced", "supersede"),
    "env": ("environment", "variable", "var", "env_var"),
    "file": ("path", "filename", "from_file"),
    "command": ("cmd", "exec", "run", "program"),
    "prompt": ("ask", "interactive", "tty"),
}  # fmt: skip

_KEY_TYPES = {
    "rsa": "rsa-2048",
    "rsa-1024": "rsa-2048",
    "1024": "rsa-2048",
    "2048": "rsa-2048",
    "3072": "rsa-3072",
    "4096": "rsa-4096",
    "ec": "ec-p256",
    "ecc": "ec-p256",
    "ecdsa": "ec-p256",
    "p256": "ec-p256",
    "p384": "ec-p384",
    "p521": "ec-p521",
    "prime256v1": "ec-p256",
    "secp256r1": "ec-p256",
    "secp384r1": "ec-p384",
    "secp521r1": "ec-p521",
    "eddsa": "ed25519",
    "true": "on-renew",
    "always": "on-renew",
    "false": "never",
    "serverauth": "server",
    "clientauth": "client",
}

PLACES: Mapping[str, str] = {
    "": "the top level",
    "defaults": "`defaults`",
    "ca": "`ca`",
    "broker": "a broker",
    "client": "a client",
    "subject": "`subject`",
    "password": "`password`",
    "private_key": "`private_key`",
    "also_trust": "`also_trust`",
    "role": "a role",
    "brokers_from": "`brokers_from`",
    "clients_from": "`clients_from`",
    "crl": "`crl`",
}
"""The places where keys stand, in the words of a message."""

_OF_FLEETS = frozenset(("role", "brokers_from", "clients_from"))
"""Where nearly everything may stand that may stand elsewhere, so that they would be named in every hint."""

AT_MOST = 200
"""After so many unknown keys, comparing them with the known ones costs more time than it can save."""

_FEW = 12

_LONGEST = 40
"""Longer words are nobody's slip of the pen, and comparing them costs time."""


def instead_of_key(key: str, place: str, keys_of: Mapping[str, Sequence[str]]) -> str:
    """The hint for an unknown key.

    Args:
        key: the key.
        place: where it stands, a key of `PLACES`.
        keys_of: the keys that each place knows.
    """
    known = keys_of[place]
    meant = [name for name in _meanings(key) if name in known]
    if not meant and key not in _ALL_KEYS and len(key) <= _LONGEST:
        meant = difflib.get_close_matches(key.lower(), known, n=1, cutoff=0.7)
    if meant:
        return f"did you mean `{meant[0]}`?"
    for name in (key, *_meanings(key)) if len(known) > 1 else ():
        places = [other for other in PLACES if name in keys_of.get(other, ())]
        if places:
            usual = [PLACES[other] for other in places if other not in _OF_FLEETS]
            words = usual or [PLACES[other] for other in places]
            return f"{'it' if name == key else f'`{name}`'} belongs under {_either(words)}"
    return f"the keys here are {', '.join(known)}" if len(known) > 1 else f"the only key here is `{known[0]}`"


def nearest(word: str, choices: Sequence[str]) -> str:
    """The hint for a word of the user's own that nothing has: the one that was probably meant, or all there are."""
    meant = difflib.get_close_matches(word[:_LONGEST].lower(), choices, n=1, cutoff=0.7)
    if meant:
        return f"did you mean `{meant[0]}`?"
    shown = ", ".join(f"`{choice}`" for choice in choices[:_FEW])
    return f"there {'is' if len(choices) == 1 else 'are'} {shown}{' and others' if len(choices) > _FEW else ''}"


def column_meant(column: str, known: Sequence[str]) -> str | None:
    """The known column of an inventory that an unknown one is probably meant to be."""
    name = column.strip().lower().replace(" ", "_")
    by_key = {key.rpartition(".")[2]: key for key in known}
    for key in (name, name.rpartition(".")[2]):
        meant = [by_key[meaning] for meaning in (key, *_meanings(key)) if meaning in by_key]
        if meant:
            return meant[0]
    found = difflib.get_close_matches(name[:_LONGEST], known, n=1, cutoff=0.75)
    return found[0] if found else None


def may_mean(key: str, name: str) -> bool:
    """Whether an unknown key is probably another word for a known one."""
    return name in _meanings(key) or bool(difflib.get_close_matches(key[:_LONGEST].lower(), [name], cutoff=0.7))


def instead_of_choice(value: str, choices: Sequence[str]) -> str:
    """The hint for a value that is none of the choices."""
    every = f"choose from {', '.join(choices)}"
    bare = re.sub(r"[^a-z0-9]", "", value[:_LONGEST].lower())
    meant = [choice for choice in choices if choice.replace("-", "") == bare or choice == _KEY_TYPES.get(bare)]
    meant = meant or difflib.get_close_matches(value[:_LONGEST].lower(), choices, n=1, cutoff=0.75)
    return f"did you mean '{meant[0]}'? {every}" if meant else every


def _either(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def _meanings(key: str) -> list[str]:
    return _MEANINGS.get(key.lower().replace("-", "_"), [])


def _invert() -> dict[str, list[str]]:
    meanings: dict[str, list[str]] = {}
    for name, aliases in _ALIASES.items():
        for alias in (name, name.replace("_", ""), *aliases):
            meanings.setdefault(alias, []).append(name)
    return meanings


_MEANINGS = _invert()
_ALL_KEYS = frozenset(_ALIASES)
