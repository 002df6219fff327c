"""Where the files of one identity lie on its host, which makes the private key and sends the request. Pure."""

from dataclasses import dataclass
from pathlib import Path

from edgecerts.desired.graph import Identity

NEXT, REPLACED, KEY_SUFFIX = "next", "replaced", ".key"


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where one file is.

    Attributes:
        root: a folder, which may be reached by way of symbolic links.
        path: the file below it, with `/`; no symbolic link is followed on this way.
    """

    root: Path
    path: str

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]

    @property
    def folder(self) -> str:
        """The folder of the file, relative to the root; empty for that itself."""
        return self.path.rpartition("/")[0]

    @property
    def staged(self) -> "Place":
        """Where a public file is written before it gets its name."""
        return self.beside(f".{self.name}.new")

    def __str__(self) -> str:
        return str(self.root / self.path)

    def beside(self, name: str) -> "Place":
        """Another file in the same folder."""
        return Place(root=self.root, path=f"{self.folder}/{name}".removeprefix("/"))


@dataclass(frozen=True, kw_only=True, slots=True)
class HostPlaces:
    """The files of one identity on its host.

    All names that are given to private keys here end in `.key`, whatever the first one's, so that the lines of a
    `.gitignore` and people know them.

    Attributes:
        certificates: where its certificate may arrive.
        key_is_named: the key's place is not the usual one, but was named.
        certificate_is_named: so was the certificate's.
    """

    key: Place
    request: Place
    certificates: tuple[Place, ...]
    key_is_named: bool = False
    certificate_is_named: bool = False

    @property
    def next_key(self) -> Place:
        """The key that takes the first one's place when its certificate is there."""
        return self._key_named(NEXT)

    @property
    def new_key(self) -> Place:
        """A key that is being written, and that nobody knows yet."""
        return self.key.beside("." + self._key_named("new").name)

    def replaced_key(self, stamp: str) -> Place:
        """A key that was in use until this moment."""
        return self._key_named(f"{REPLACED}-{stamp}")

    @property
    def replaced_prefix(self) -> str:
        """How the names of all replaced keys begin."""
        return f"{self._stem}.{REPLACED}-"

    @property
    def _stem(self) -> str:
        """The key's name without `.key`. Another suffix stays: two files may differ in nothing else."""
        return self.key.name.removesuffix(KEY_SUFFIX) or self.key.name

    def _key_named(self, what: str) -> Place:
        return self.key.beside(f"{self._stem}.{what}{KEY_SUFFIX}")


def build_places(
    identity: Identity,
    *,
    folder: Path,
    output: Path,
    key: Path | None = None,
    request: Path | None = None,
    certificate: Path | None = None,
) -> HostPlaces:
    """Finds the places of an identity that has a request.

    Args:
        folder: the manifest's.
        output: the output folder; it need not exist.
        key, request, certificate: where they are in place of the usual places.
    """
    assert identity.request is not None  # noqa: S101 (others are refused before)
    usual_key = Place(root=output, path=identity.private_key.path)
    usual_certificate = Place(root=output, path=identity.certificate.path)
    key_place = usual_key if key is None else _place(key)
    certificates = (key_place.beside(usual_certificate.name), usual_certificate)
    return HostPlaces(
        key=key_place,
        request=Place(root=folder, path=identity.request.path) if request is None else _place(request),
        certificates=tuple(dict.fromkeys(certificates)) if certificate is None else (_place(certificate),),
        key_is_named=key is not None,
        certificate_is_named=certificate is not None,
    )


def _place(path: Path) -> Place:
    return Place(root=path.parent, path=path.name)
