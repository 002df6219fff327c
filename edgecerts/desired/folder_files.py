"""The files that make the output folder safe to commit and plain to whoever finds it.

Our lines stand between two markers; a user's own lines around them are kept.
"""

from collections.abc import Iterable, Sequence

from edgecerts.desired.graph import LOCAL_FOLDER, Address, Identity, PrivateKeyArtifact, TextArtifact

GITIGNORE = ".gitignore"

_BEGIN = "# --- edgecerts writes the lines from here ---"
_END = "# --- to here; add your own above or below ---"

_GITATTRIBUTES = "* -text\n*.jsonl merge=union\n"

_README = """\
This folder is made by edgecerts from a manifest (pki.yaml). Change the manifest,
not these files; then run: edgecerts plan, edgecerts apply.

brokers/NAME/   goes to that broker, and nothing else does
clients/NAME/   goes to that client, and nothing else does
                server.key, client.key   the private key; readable by its service alone
                server.pem, client.pem   the certificate
                ca.pem                   whom it trusts
ca/ca.pem       the authority's certificate; public
{crl}{key}issued/         one public line for every certificate that was ever signed
.edgecerts/     belongs to this machine: a lock, what is being written, and private
                keys that were replaced, for 30 days

{backup}
May be committed: all certificates, issued/, this file, and private keys that are
encrypted. Private keys that are not encrypted may not; .gitignore keeps them out.
"""

_CRL = """\
ca/ca.crl.pem   the list of what is revoked; public. brokers/NAME/crl.pem is a copy. It
                ends: brokers that use it need the next one in time
"""

_KEY_HERE = """\
ca/ca.key       the authority's private key. It never leaves this folder. Whoever has
                it can pretend to be any broker and any client.
"""
_KEY_OFFLINE = """\
ca/ca.key       the authority's private key, on the machine that signs and on no other.
                Whoever has it can pretend to be any broker and any client.
"""
_BACKUP_HERE = """\
Back up ca/ca.key, the password that opens it if it has one, and issued/. Without
ca/ca.key nothing can be renewed, and every device must be visited. Everything else
can be made again.
"""
_BACKUP_ELSEWHERE = """\
The authority's private key is not in this folder; the manifest says where it is. Back
it up, the password that opens it if it has one, and issued/. Without that key nothing
can be renewed, and every device must be visited. Everything else can be made again.
"""


def build_folder_files(authority: Identity, end_entities: Iterable[Identity]) -> tuple[TextArtifact, ...]:
    """The three files at the top of the output folder, `.gitignore` first: it must be there before any key is."""
    keys = [identity.private_key for identity in (authority, *end_entities)]
    encrypted = [key.path for key in keys if key.password is not None and key.source is None]
    return (
        _text_artifact(GITIGNORE, build_gitignore(encrypted)),
        _text_artifact(".gitattributes", _GITATTRIBUTES),
        _text_artifact("README.txt", build_readme(authority.private_key, has_list=bool(authority.revocation_lists))),
    )


def build_readme(key: PrivateKeyArtifact, *, has_list: bool = False) -> str:
    """What may leave the folder and what to back up, by where the authority's private key is.

    Args:
        has_list: there is a revocation list.
    """
    crl = _CRL if has_list else ""
    if key.source is not None:
        return _README.format(crl=crl, key="", backup=_BACKUP_ELSEWHERE)
    return _README.format(crl=crl, key=_KEY_OFFLINE if key.offline else _KEY_HERE, backup=_BACKUP_HERE)


def build_gitignore(encrypted: Iterable[str]) -> str:
    """Our lines of `.gitignore`: keeps out the local folder and all private keys but these.

    A folder whose name ends like a key's is not one.
    """
    lines = [f"/{LOCAL_FOLDER}/", "*.key", "!*.key/", *map(exception_for, encrypted)]
    return "".join(f"{line}\n" for line in lines)


def exception_for(path: str) -> str:
    """The line of `.gitignore` that lets one private key in."""
    return f"!/{path}"


def our_section(text: str) -> str | None:
    """Our lines in a file that has the markers, or None. Line ends do not matter."""
    lines = text.splitlines()
    place = _section(lines)
    return "".join(f"{line}\n" for line in lines[place.start + 1 : place.stop - 1]) if place else None


def merge_section(text: str, content: str) -> str:
    """A file's text with our section in it: replaced where it stands, else added at the end."""
    section = f"{_BEGIN}\n{content}{_END}\n"
    lines = text.splitlines(keepends=True)
    place = _section(text.splitlines())
    if place is None:
        separator = "" if not text or text.endswith("\n") else "\n"
        return f"{text}{separator}{section}"
    return "".join((*lines[: place.start], section, *lines[place.stop :]))


def _section(lines: Sequence[str]) -> slice | None:
    """Where our section stands, markers included; in a file that was cut off or doubled, the last one that ends."""
    begins = [at for at, line in enumerate(lines) if line == _BEGIN and _END in lines[at:]]
    return slice(begins[-1], lines.index(_END, begins[-1]) + 1) if begins else None


def _text_artifact(name: str, content: str) -> TextArtifact:
    return TextArtifact(address=Address(identity="folder", part=name), path=name, content=content)
