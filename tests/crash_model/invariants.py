"""What must be true of an output folder after a crash, as small questions that are put to a tree of files.

Each question gives one text for everything that is wrong. They look from outside, with the cryptography library alone.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from tests.crash_model.disk import Call, Chmod, Found, Kind, Make, Tree, Write
from tests.readers import spki

LOCAL = ".edgecerts"
PASSWORD = "a leaf's password"
NAMES = {
    "ca": ("ca.key", "ca.pem", None),
    "brokers": ("server.key", "server.pem", "ca.pem"),
    "clients": ("client.key", "client.pem", "ca.pem"),
}

LISTS = ("ca.crl.pem", "crl.pem")
"""Ours as well, and replaced each by itself."""

Version = tuple[tuple[str, bytes], ...]
"""Our files in one identity's folder, as they were at one moment; empty where there are none."""


@dataclass(frozen=True)
class Story:
    """What happened up to a crash.

    Attributes:
        before: what was there before the first run.
        keys: the public keys of every certificate that was ever visible until now.
        versions: what each identity's folder held, at any moment until now.
        pruned: folders of which files are being deleted.
        steps_aside: two folders cannot be exchanged here, so that an identity may be absent for an instant.
        has_links: a file can have two names here.
    """

    before: Tree
    keys: frozenset[bytes] = frozenset()
    versions: Mapping[str, frozenset[Version]] = field(default_factory=dict)
    pruned: frozenset[str] = frozenset()
    steps_aside: bool = False
    has_links: bool = True


@cache
def key_of(content: bytes) -> bytes | None:
    """The public key of a private key file; None where it is damaged."""
    for password in (None, PASSWORD.encode()):
        with suppress(ValueError, TypeError):
            return spki(load_pem_private_key(content, password).public_key())
    return None


@cache
def certificates_of(content: bytes) -> tuple[x509.Certificate, ...]:
    with suppress(ValueError):
        return tuple(x509.load_pem_x509_certificates(content))
    return ()


@cache
def digests_of(log: bytes) -> tuple[tuple[str, str], ...]:
    """The serial number and digest of each certificate that a file of the log has a line for."""
    found = []
    for line in log.split(b"\n"):
        with suppress(ValueError, KeyError, TypeError):
            entry = json.loads(line)
            found.append((entry["serial"], entry["sha256"]))
    return tuple(found)


@cache
def is_issued_by(certificate: x509.Certificate, trusted: tuple[x509.Certificate, ...]) -> bool:
    for issuer in trusted:
        with suppress(ValueError, TypeError, InvalidSignature):
            certificate.verify_directly_issued_by(issuer)
            return True
    return False


def identities(tree: Tree) -> Iterator[tuple[str, tuple[str, str, str | None]]]:
    """Every folder that is an identity's, with the names of its key, certificate and trust."""
    for path, found in tree.items():
        top, _, name = path.partition("/")
        if found.kind is Kind.FOLDER and top in NAMES and "/" not in name and bool(name) == (top != "ca"):
            yield path, NAMES[top]


def version_of(tree: Tree, folder: str) -> Version:
    names = NAMES[folder.partition("/")[0]]
    return tuple((name, tree[f"{folder}/{name}"].content) for name in names if name and f"{folder}/{name}" in tree)


def visible_keys(tree: Tree) -> frozenset[bytes]:
    """The public keys of the certificates that somebody could hand out or connect with."""
    certificates = (certificates_of(found.content) for found in _certificates(tree).values())
    return frozenset(spki(one[0].public_key()) for one in certificates if one)


def _certificates(tree: Tree) -> dict[str, Found]:
    paths = [f"{folder}/{certificate}" for folder, (_, certificate, _) in identities(tree)]
    return {path: tree[path] for path in paths if path in tree}


def _logged(tree: Tree) -> list[tuple[str, str]]:
    logs = [found.content for path, found in tree.items() if path.startswith("issued/") and path.endswith(".jsonl")]
    return [digest for log in logs for digest in digests_of(log)]


def find_mixed_pairs(tree: Tree) -> Iterator[str]:
    """No key beside another key's certificate, no file that is torn, no certificate beside another authority's."""
    for folder, (key, certificate, trust) in identities(tree):
        files = dict(version_of(tree, folder))
        keys = [key_of(files[key])] if key in files else []
        chain = certificates_of(files[certificate])[:1] if certificate in files else ()
        trusted = certificates_of(files[trust]) if trust in files else ()
        if None in keys or (certificate in files and not chain) or (trust in files and not trusted):
            yield f"{folder} holds a damaged file"
        elif keys and chain and keys[0] != spki(chain[0].public_key()):
            yield f"{folder} holds a key beside another key's certificate"
        elif chain and trusted and not is_issued_by(chain[0], trusted):
            yield f"{folder} holds a certificate beside another authority's"


def find_unlogged(tree: Tree, story: Story | None) -> Iterator[str]:
    """No certificate is visible that is not in the log, but those that had been like this before."""
    logged = {digest for _, digest in _logged(tree)}
    was_visible = _certificates(story.before) if story is not None else {}
    was_logged = {digest for _, digest in _logged(story.before)} if story is not None else set()
    for path, found in _certificates(tree).items():
        for certificate in certificates_of(found.content)[:1]:
            digest = certificate.fingerprint(hashes.SHA256()).hex()
            if path in was_visible and found.content == was_visible[path].content and digest not in was_logged:
                continue
            if digest not in logged:
                yield f"{path} is visible and not in the log"


def find_repeated_serials(tree: Tree) -> Iterator[str]:
    serials = [serial for serial, _ in _logged(tree)]
    yield from (f"serial {serial} was given twice" for serial in set(serials) if serials.count(serial) > 1)


def find_partial(tree: Tree, story: Story, *, recovered: bool) -> Iterator[str]:
    """What was complete is complete, and what is new is absent or complete."""
    before = {folder: version_of(story.before, folder) for folder, _ in identities(story.before)}
    now = {folder: version_of(tree, folder) for folder, _ in identities(tree)}
    for folder in sorted({*before, *now}):
        have = {name for name, _ in now.get(folder, ())}
        whole = {name for name in NAMES[folder.partition("/")[0]] if name is not None}
        if folder in story.pruned:
            certificate = NAMES[folder.partition("/")[0]][1]
            if have and certificate not in have:
                yield f"{folder} lost its certificate first, and nothing says any more whose {sorted(have)} are"
        elif not have and (not before.get(folder) or (story.steps_aside and not recovered)):
            continue
        elif have != whole:
            yield f"{folder} has only {sorted(have)}"


def find_unknown_versions(tree: Tree, versions: Mapping[str, frozenset[Version]]) -> Iterator[str]:
    """A reader finds nothing that no reader could have found at some moment of the run."""
    for folder, _ in identities(tree):
        if version_of(tree, folder) not in versions.get(folder, frozenset({()})):
            yield f"{folder} is as it was at no moment"


def find_wide(tree: Tree, story: Story | None) -> Iterator[str]:
    """No private key that others can read, nor its folder, but those that had been like this before."""
    keys = {path for path, found in tree.items() if b"PRIVATE KEY" in found.content}
    for path in sorted(keys | {path.rpartition("/")[0] for path in keys} | ({LOCAL} & tree.keys())):
        was = story.before.get(path) if story is not None else None
        allowed = was.mode if was is not None and not path.startswith(LOCAL) else 0o700
        if tree[path].mode & ~allowed:
            yield f"{path} has mode {tree[path].mode:o}"


def find_wide_calls(calls: Sequence[Call]) -> Iterator[str]:
    """No file that ever holds a private key is wider than 0600 for an instant, and no folder wider than 0700."""
    keys = {call.number for call in calls if isinstance(call, Write) and b"PRIVATE KEY" in call.data}
    for call in calls:
        if isinstance(call, Make | Chmod) and call.number in keys and call.mode & ~0o600:
            yield f"{call} opens a private key to others"
        if isinstance(call, Make) and call.kind is Kind.FOLDER and call.mode & ~0o700:
            yield f"{call} opens a folder to others"


def find_lost_keys(tree: Tree, story: Story, *, recovered: bool) -> Iterator[str]:
    """A key whose certificate was visible is in its place or set aside; until recovery it may lie in the staging."""
    hidden = f"{LOCAL}/replaced/" if recovered else f"{LOCAL}/"
    places = (found for path, found in tree.items() if not path.startswith(LOCAL) or path.startswith(hidden))
    kept = {key_of(found.content) for found in places if b"PRIVATE KEY" in found.content}
    for key in sorted(story.keys - kept):
        yield f"the key {key[-4:].hex()}, whose certificate was visible, is lost"


def find_lost_files(tree: Tree, story: Story, *, recovered: bool) -> Iterator[str]:
    """What people put into an identity's folder stays. What cannot be linked follows, in recovery at the latest."""
    folders = dict(identities(story.before))
    for path, found in story.before.items():
        folder = next((one for one in folders if path.startswith(f"{one}/")), None)
        if folder is None or path.removeprefix(f"{folder}/") in (*folders[folder], *LISTS):
            continue
        is_linked = path.count("/") == folder.count("/") + 1 and found.kind is not Kind.FOLDER and story.has_links
        if not recovered and (not is_linked or (story.steps_aside and folder not in tree)):
            continue
        now = tree.get(path)
        if now is None or (now.kind, now.content) != (found.kind, found.content):
            yield f"{path}, which is somebody's own, is lost"


def find_wrong_lists(tree: Tree, story: Story) -> Iterator[str]:
    """A revocation list is whole and the authority's, loses no entry, and locks out nobody who has nothing else.

    Where a certificate is replaced and revoked in one run, it is replaced first, whatever the disk remembers.
    """
    certificates = _certificates(tree)
    authority = certificates_of(certificates["ca/ca.pem"].content)[:1] if "ca/ca.pem" in certificates else ()
    for path, found in tree.items():
        if path.startswith(LOCAL) or path.rpartition("/")[2] not in LISTS:
            continue
        crl = list_of(found.content)
        if crl is None:
            yield f"{path} is damaged"
            continue
        if not authority or not crl.is_signature_valid(authority[0].public_key()):  # type: ignore[arg-type]
            yield f"{path} is not the authority's"
        before = list_of(story.before[path].content) if path in story.before else None
        entries, had = serials_of(crl), serials_of(before) if before is not None else frozenset()
        if had - entries or (before is not None and number_of(crl) < number_of(before)):
            yield f"{path} lost entries, or is older than it was"
        replaced = frozenset(entry.serial_number for entry in crl if is_superseded(entry))
        for place, certificate in certificates.items():
            if any(one.serial_number in replaced for one in certificates_of(certificate.content)[:1]):
                yield f"{path} revokes {place}, and nothing has taken its place"


@cache
def list_of(content: bytes) -> x509.CertificateRevocationList | None:
    with suppress(ValueError):
        return x509.load_pem_x509_crl(content)
    return None


def is_superseded(entry: x509.RevokedCertificate) -> bool:
    reasons = (one.value for one in entry.extensions if isinstance(one.value, x509.CRLReason))
    return any(reason.reason is x509.ReasonFlags.superseded for reason in reasons)


def serials_of(crl: x509.CertificateRevocationList) -> frozenset[int]:
    return frozenset(entry.serial_number for entry in crl)


def number_of(crl: x509.CertificateRevocationList) -> int:
    return crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number


def find_leftovers(tree: Tree) -> Iterator[str]:
    """After recovery nothing is left of the interrupted run."""
    for path in tree:
        if path.startswith((f"{LOCAL}/staging/", f"{LOCAL}/journal")):
            yield f"{path} is still there"


def find_undone(tree: Tree, final: Tree, story: Story) -> Iterator[str]:
    """What was reported as done is still there. Files are reported; a folder that they left empty may come back."""
    for path in sorted({*tree, *final}):
        if path.startswith(LOCAL) or (path in story.pruned and not version_of(tree, path)):
            continue
        now, then = tree.get(path), final.get(path)
        if (now and (now.kind, now.mode, now.content)) != (then and (then.kind, then.mode, then.content)):
            yield f"{path} is not as it was when the run had ended"


def find_made_again(tree: Tree, after: Tree, story: Story) -> Iterator[str]:
    """What the interrupted run had finished is not issued a second time by the run that follows it."""
    before, made = _certificates(story.before), _certificates(after)
    for path, found in _certificates(tree).items():
        is_new = path not in before or found.content != before[path].content
        if is_new and path in made and made[path].content != found.content:
            yield f"{path} was finished, and was issued again"


def find_all(tree: Tree, story: Story, *, recovered: bool) -> list[str]:
    """Everything that is wrong with what a reader finds after a crash, or after it was recovered from."""
    return [
        *find_mixed_pairs(tree),
        *find_unlogged(tree, story),
        *find_repeated_serials(tree),
        *find_partial(tree, story, recovered=recovered),
        *find_unknown_versions(tree, story.versions),
        *find_wide(tree, story),
        *find_lost_keys(tree, story, recovered=recovered),
        *find_lost_files(tree, story, recovered=recovered),
        *find_wrong_lists(tree, story),
        *(find_leftovers(tree) if recovered else ()),
    ]
