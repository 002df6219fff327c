"""Folders that nobody made to be read: random bytes, traps, and files that ask for hours of work."""

import contextlib
import os
import random
import socket
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, load_der_private_key
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecerts.adoption import source_files
from edgecerts.adoption.contents import read_contents
from edgecerts.adoption.material import LeftOutCode, Material, OpenedBy
from edgecerts.adoption.read_material import read_material
from edgecerts.adoption.source_files import MAX_DEPTH, MAX_FILE_BYTES, read_source
from edgecerts.adoption.unlock import unlock
from edgecerts.apply.secrets import Secret
from edgecerts.manifest.model import PasswordSource
from edgecerts.pki.der import SEQUENCE
from edgecerts.pki.pem import encode_block
from tests.adoption.sources import CA, CLIENT, Issued, Profile, issue, openssl, write
from tests.adoption.test_matching import codes, planned, take_over
from tests.conftest import Project

FILES = 10_000
SECONDS = 20.0

GIVEN = (OpenedBy(source=PasswordSource(env="X"), password=Secret(b"x")),)


@pytest.fixture(scope="module")
def seeds(authority: Issued) -> list[bytes]:
    """Whole files of every kind that is read."""
    leaf = issue("unit", Profile(usages=(CLIENT,)), by=authority)
    pem = [
        leaf.pem,
        authority.pem,
        leaf.key_pem(),
        leaf.key_pem(password="x"),
        leaf.request(),
        leaf.pem + leaf.key_pem(),
    ]
    der = [leaf.certificate.public_bytes(Encoding.DER), leaf.key_pem(der=True), leaf.key_pem(password="x", der=True)]
    return pem + der


def read(folder: Path) -> Material:
    return read_material(read_source(folder))


def element(tag: int, *parts: bytes) -> bytes:
    content = b"".join(parts)
    return bytes((tag, 0x84)) + len(content).to_bytes(4, "big") + content


def number(value: int) -> bytes:
    return element(0x02, value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True))


def damaged(seeds: list[bytes], dice: random.Random) -> Iterator[bytes]:
    """Random bytes, and real files with bytes changed, cut off, doubled or put together."""
    while True:
        yield dice.randbytes(dice.randrange(4000))
        yield b"\x30" + dice.randbytes(dice.randrange(200))
        content = bytearray(dice.choice(seeds))
        for _ in range(dice.randrange(1, 6)):
            content[dice.randrange(len(content))] = dice.randrange(256)
        yield bytes(content)
        yield dice.choice(seeds)[: dice.randrange(400)]
        yield dice.choice(seeds)[dice.randrange(400) :] + dice.choice(seeds)


def test_ten_thousand_random_files_change_nothing(
    project: Project, source: Path, authority: Issued, seeds: list[bytes]
) -> None:
    """What is whole among them is found, and nothing takes long."""
    leaf = issue("needle", Profile(usages=(CLIENT,)), by=authority)
    write(source, {"zz/ca.pem": authority.pem, "zz/ca.key": authority.key_pem(), "zz/needle.pem": leaf.pem,
                   "zz/needle.key": leaf.key_pem()})  # fmt: skip
    contents = damaged(seeds, random.Random(20261123))
    for index in range(FILES):
        path = source / f"{index % 50}" / f"{index}.{('pem', 'key', 'crt', 'bin')[index % 4]}"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(next(contents))
    began = time.monotonic()
    document = take_over(project, source)
    assert time.monotonic() - began < SECONDS
    assert document["files"] == FILES + 4
    assert "client/needle" in {entry["address"] for entry in document["entries"]}
    changes = planned(project)
    assert "ca/certificate" not in changes
    assert not any("needle" in address for address in changes)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300) | st.binary(max_size=100).map(lambda data: b"\x30" + data))
def test_any_bytes_can_be_read(data: bytes) -> None:
    read_contents(data)


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="-BEGIN ENDCERTIFICATEPRIVATE KEY\nMIIa=", max_size=300))
def test_any_text_of_pem_can_be_read(text: str) -> None:
    read_contents(b"-----BEGIN CERTIFICATE-----" + text.encode())


def test_what_is_no_plain_file_is_listed_and_not_opened(project: Project, source: Path, authority: Issued) -> None:
    outside = source.parent / "outside.pem"
    outside.write_bytes(issue("outside", Profile(usages=(CLIENT,)), by=authority).pem)
    write(source, {"ca.pem": authority.pem, "inner/x.pem": issue("unit", Profile(usages=(CLIENT,)), by=authority).pem})
    os.mkfifo(source / "pipe")
    (source / "loop").symlink_to("loop")
    (source / "inner/up").symlink_to("..")
    (source / "inside.pem").symlink_to("inner/x.pem")
    (source / "outside.pem").symlink_to(outside)
    (source / "etc").symlink_to("/etc")
    (source / "nowhere").symlink_to("nothing here")
    with socket.socket(socket.AF_UNIX) as listener, contextlib.chdir(source):
        listener.bind("socket")
    with (source / "large.pem").open("wb") as file:
        file.truncate(100 * 1024 * 1024)
    began = time.monotonic()
    document = take_over(project, source)
    assert time.monotonic() - began < SECONDS
    assert codes(document) == {
        name: ["unreadable"] for name in ("etc", "large.pem", "loop", "nowhere", "outside.pem", "pipe", "socket")
    }
    assert [entry["address"] for entry in document["entries"]] == ["client/unit"]


def test_a_file_that_may_not_be_read_is_listed(
    source: Path, authority: Issued, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(source, {"ca.pem": authority.pem, "secret.key": authority.key_pem(), "folder/x": b""})
    really = os.open

    def refuse(path: str, flags: int, *arguments: int, **words: int) -> int:
        if path in ("secret.key", "folder"):
            raise PermissionError(13, "Permission denied")
        return really(path, flags, *arguments, **words)

    monkeypatch.setattr(os, "open", refuse)
    found = read(source)
    assert [(entry.files, entry.message) for entry in found.left_out] == [
        (("folder",), "the folder folder cannot be read: Permission denied"),
        (("secret.key",), "this user may not read it"),
    ]
    assert len(found.certificates) == 1


def test_names_that_are_no_text_are_shown_as_text(source: Path, authority: Issued) -> None:
    Path(os.fsdecode(os.fsencode(source) + b"/\xff\x1b[31m.pem")).write_bytes(authority.pem)
    (found,) = read(source).certificates
    assert found.places[0].path == "\\xff\x1b[31m.pem"
    found.places[0].path.encode("utf-8")


def test_escapes_in_names_never_reach_the_terminal_or_the_manifest(
    project: Project, source: Path, authority: Issued
) -> None:
    name = "x\x1b[31m\nbrokers:\n  evil: {common_name: evil.example}\u202e"
    write(
        source,
        {"ca\x1b[31m\nca.pem": authority.pem, "unit\n#": issue(name, Profile(usages=(CLIENT,)), by=authority).pem},
    )
    (source / "line\nbreak.pem").write_bytes(issue("unit", Profile(usages=(CLIENT,)), by=authority).pem)
    result = project.run("import", str(source))
    assert result.code == 0
    assert "\x1b" not in result.out + project.manifest.read_text()
    assert "evil.example" not in "".join(
        line for line in project.manifest.read_text().splitlines() if not line.strip().startswith("#")
    )
    assert project.run("validate").out.endswith("is valid: 0 brokers and 1 client.\n")


def test_a_bomb_of_pem_blocks_is_read_in_time(source: Path, authority: Issued) -> None:
    begin, end = b"-----BEGIN CERTIFICATE-----\n", b"-----END CERTIFICATE-----\n"
    size = MAX_FILE_BYTES
    write(
        source,
        {
            "begins": (begin * (size // len(begin))),
            "ends": (end * (size // len(end))),
            "empty": ((begin + end) * (size // len(begin + end))),
            "same": (authority.pem * (size // len(authority.pem))),
            "dashes": b"-" * size,
            "one": begin + b"A" * (size - 100) + b"\n" + end,
            "lines": begin + b"\n" * (size - 100) + end,
            "nested": element(SEQUENCE, *[element(SEQUENCE)] * 100_000),
            "deep": b"\x30\x80" * 100_000,
        },
    )
    began = time.monotonic()
    found = read(source)
    assert time.monotonic() - began < SECONDS
    assert [entry.places[0].path for entry in found.certificates] == ["same"]
    assert len(found.left_out) < 30


def test_many_certificates_of_one_name_are_matched_in_time(source: Path) -> None:
    """Each could be the issuer of each, as far as the name goes."""
    roots = [issue("Plant CA", CA) for _ in range(300)]
    write(source, {"all.pem": b"".join(root.pem for root in roots)})
    leaves = [issue(f"unit-{n}", Profile(usages=(CLIENT,)), by=roots[0]) for n in range(300)]
    write(source, {"leaves.pem": b"".join(leaf.pem for leaf in leaves)})
    from edgecerts.adoption.authorities import find_lineages
    from tests.conftest import NOW

    began = time.monotonic()
    lineages = find_lineages(read(source), NOW)
    assert time.monotonic() - began < SECONDS
    assert len(lineages.authorities) == 300


def test_a_key_with_a_huge_modulus_is_not_worked_on(source: Path) -> None:
    modulus = (1 << 4_000_000) + 1
    key = element(SEQUENCE, number(0), number(modulus), number(65537), *[number(3)] * 6)
    write(source, {"huge.key": key, "huge.pem": encode_block(key[:], "RSA PRIVATE KEY")})
    began = time.monotonic()
    found = read(source)
    assert time.monotonic() - began < SECONDS
    assert found.keys == ()
    assert {entry.code for entry in found.left_out} == {LeftOutCode.OTHER_KEY}


PBES2, PBKDF2, SCRYPT, PBE_SHA1_3DES, AES256 = (
    element(0x06, bytes.fromhex(digits))
    for digits in (
        *("2a864886f70d01050d", "2a864886f70d01050c", "2b06010401da47040b", "2a864886f70d010c0103"),
        "60864801650304012a",
    )
)
SALT, LOCKED = element(0x04, bytes(16)), element(0x04, bytes(64))
FOR_EVER = 2**31 - 1


def locked(derivation: bytes) -> bytes:
    """An encrypted private key with this key derivation."""
    scheme = element(SEQUENCE, AES256, element(0x04, bytes(16)))
    return element(SEQUENCE, element(SEQUENCE, PBES2, element(SEQUENCE, derivation, scheme)), LOCKED)


@pytest.mark.parametrize(
    "key",
    [
        locked(element(SEQUENCE, PBKDF2, element(SEQUENCE, SALT, number(FOR_EVER)))),
        locked(element(SEQUENCE, SCRYPT, element(SEQUENCE, SALT, number(2**30), number(8), number(1)))),
        locked(element(SEQUENCE, SCRYPT, element(SEQUENCE, SALT, number(2**14), number(8), number(2**20)))),
        element(SEQUENCE, element(SEQUENCE, PBE_SHA1_3DES, element(SEQUENCE, SALT, number(FOR_EVER))), LOCKED),
    ],
    ids=["pbkdf2", "scrypt-memory", "scrypt-time", "pkcs12"],
)
def test_a_key_that_takes_hours_to_open_is_not_opened(source: Path, key: bytes) -> None:
    write(source, {"key": key, "key.pem": encode_block(key, "ENCRYPTED PRIVATE KEY")})
    began = time.monotonic()
    opened = unlock(read(source), GIVEN)
    assert time.monotonic() - began < 1
    assert not opened.keys
    assert not opened.locked
    assert [(entry.files, entry.message) for entry in opened.left_out] == [
        (("key", "key.pem"), "an encrypted private key that would take very long to open")
    ]


@pytest.mark.parametrize(
    "derivation",
    [
        element(SEQUENCE, SCRYPT, element(SEQUENCE, SALT, number(12345), number(8), number(1))),
        element(SEQUENCE, PBKDF2, element(SEQUENCE, SALT, number(-1))),
        element(SEQUENCE, PBKDF2),
        element(SEQUENCE),
        b"",
    ],
)
def test_a_key_with_senseless_parameters_stays_locked(source: Path, derivation: bytes) -> None:
    write(source, {"key": locked(derivation)})
    opened = unlock(read(source), GIVEN)
    assert opened.keys == ()
    assert [key.places[0].path for key in opened.locked] == ["key"]


def test_a_folder_that_is_too_deep_or_too_full_ends_somewhere(
    source: Path, authority: Issued, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = source.joinpath(*["d"] * (MAX_DEPTH + 3))
    deep.mkdir(parents=True)
    (deep / "ca.pem").write_bytes(authority.pem)
    found = read(source)
    assert [entry.message for entry in found.left_out] == [f"it lies more than {MAX_DEPTH} folders deep"]
    monkeypatch.setattr(source_files, "MAX_FILES", 10)
    from edgecerts.errors import StorageError

    with pytest.raises(StorageError, match="holds more than 10 files"):
        read(source)


@pytest.mark.parametrize("name", ["nothing", "file", "loop"])
def test_a_source_that_is_no_folder_is_a_clear_error(project: Project, source: Path, name: str) -> None:
    (source / "file").write_text("x")
    (source / "loop").symlink_to("loop")
    result = project.run("import", str(source / name))
    assert result.code == 1
    assert str(source / name) in result.err
    assert list(project.folder.iterdir()) == []


def test_a_certificate_of_a_strange_kind_is_listed(source: Path, seeds: list[bytes]) -> None:
    """Version 4, an unknown curve, a name of no known type: the library refuses each in its own way."""
    der = bytearray(seeds[6])
    version = der.index(b"\xa0\x03\x02\x01\x02") + 4
    der[version] = 7
    write(source, {"version.der": bytes(der)})
    found = read(source)
    assert [entry.code for entry in found.left_out] == [LeftOutCode.DAMAGED]
    assert "a certificate that cannot be read" in found.left_out[0].message


def test_the_seeds_are_what_they_seem(seeds: list[bytes]) -> None:
    assert x509.load_der_x509_certificate(seeds[6])
    assert load_der_private_key(seeds[7], None)


def test_what_the_library_warns_of_is_not_printed(project: Project, source: Path) -> None:
    """A serial number of zero and a country of one letter: each warning would name a line of our code."""
    openssl(source, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.pem",
            "-subj", "/CN=Plant CA", "-set_serial", "0", "-days", "3650")  # fmt: skip
    project.now = datetime.fromtimestamp((source / "ca.pem").stat().st_mtime, UTC) + timedelta(hours=1)
    take_over(project, source)
    for command in ("plan", "apply", "status", "plan"):
        result = project.run(command)
        assert "arning" not in result.out + result.err
    assert "Nothing to do" in result.out
