"""Certificate requests that nobody should sign, made by openssl and by hand: each is refused or defused."""

import base64
import json
import os
import re
import shutil
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from edgecerts.pki.certificate_requests import MAX_REQUEST_BYTES
from tests.conftest import Project, Result
from tests.interop.programs import run_program
from tests.readers import read_certificate, spki

MANIFEST = """\
version: 1
ca: {common_name: Test CA}
brokers:
  plant-a: {common_name: 10.3.0.11}
clients:
  unit: {key_held: csr}
"""
ADDRESS = "client/unit/certificate"
PEM_BLOCK = re.compile(rb"-----BEGIN [A-Z ]+-----\r?\n(.*?)-----END [A-Z ]+-----", re.DOTALL)

EC = ("ec", "-pkeyopt", "ec_paramgen_curve:P-256")


class Desk:
    """Where requests arrive: a project, and openssl to make them."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.place = project.folder / "requests/unit.csr"
        self.place.parent.mkdir()
        self._count = 0

    def openssl(self, *options: str, newkey: tuple[str, ...] = EC) -> bytes:
        """A request with a new key, by `openssl req`. Its key lies beside as the last one."""
        self._count += 1
        out = self.project.folder / f"made-{self._count}.csr"
        done = run_program(
            *("openssl", "req", "-new", "-newkey", *newkey, "-nodes", "-subj", "/CN=unit"),
            *("-keyout", str(self.key), "-out", str(out), *options),
        )
        assert done.returncode == 0, done.stderr
        return out.read_bytes()

    @property
    def key(self) -> Path:
        return self.project.folder / "made.key"

    def request_for(self, key: Path) -> bytes:
        """A request for a key that exists."""
        out = self.project.folder / "existing.csr"
        done = run_program("openssl", "req", "-new", "-key", key, "-subj", "/CN=unit", "-out", out)
        assert done.returncode == 0, done.stderr
        return out.read_bytes()

    def receive(self, content: bytes) -> None:
        self.place.write_bytes(content)


def der_of(pem: bytes) -> bytes:
    found = PEM_BLOCK.search(pem)
    assert found is not None
    return base64.b64decode(found[1])


def pem_of(der: bytes, label: str = "CERTIFICATE REQUEST") -> bytes:
    body = base64.encodebytes(der).decode("ascii")
    return f"-----BEGIN {label}-----\n{body}-----END {label}-----\n".encode("ascii")


def broken_signature(desk: Desk) -> None:
    der = bytearray(der_of(desk.openssl()))
    der[-1] ^= 1
    desk.receive(pem_of(bytes(der)))


def changed_name(desk: Desk) -> None:
    desk.receive(pem_of(der_of(desk.openssl()).replace(b"unit", b"root")))


def with_extension(text: str) -> Callable[[Desk], None]:
    return lambda desk: desk.receive(desk.openssl("-addext", text))


def with_key(*newkey: str) -> Callable[[Desk], None]:
    return lambda desk: desk.receive(desk.openssl(newkey=newkey))


def with_content(content: bytes) -> Callable[[Desk], None]:
    return lambda desk: desk.receive(content)


def key_in_the_folder(desk: Desk) -> None:
    desk.receive(desk.request_for(desk.project.output / "brokers/plant-a/server.key"))


def key_in_the_log(desk: Desk) -> None:
    """plant-a had this key, and left with all its files."""
    desk.receive(desk.request_for(desk.project.output / "brokers/plant-a/server.key"))
    shutil.rmtree(desk.project.output / "brokers")
    desk.project.write(MANIFEST.replace("plant-a:", "plant-b:"))
    desk.project.run("apply")


def dsa(desk: Desk) -> None:
    parameters = desk.project.folder / "dsa.pem"
    assert run_program("openssl", "dsaparam", "-out", parameters, "2048").returncode == 0
    desk.receive(desk.openssl(newkey=(f"dsa:{parameters}",)))


def wrong_label(desk: Desk) -> None:
    desk.receive(pem_of(der_of(desk.openssl()), "CERTIFICATE"))


def unequal_labels(desk: Desk) -> None:
    desk.receive(desk.openssl().replace(b"END CERTIFICATE REQUEST", b"END CERTIFICATE"))


def several_blocks(desk: Desk) -> None:
    desk.receive(desk.openssl() + desk.openssl())


def trailing_garbage(desk: Desk) -> None:
    desk.receive(desk.openssl() + b"and what is this?\n")


def garbage_in_the_block(desk: Desk) -> None:
    desk.receive(pem_of(der_of(desk.openssl()) + b"\0" * 20))


def cut_off(desk: Desk) -> None:
    desk.receive(desk.openssl()[:200])


def der_alone(desk: Desk) -> None:
    desk.receive(der_of(desk.openssl()))


def private_key(desk: Desk) -> None:
    desk.openssl()
    desk.receive(desk.key.read_bytes())


def private_key_behind_the_request(desk: Desk) -> None:
    desk.receive(desk.openssl() + desk.key.read_bytes())


def encrypted_private_key(desk: Desk) -> None:
    desk.openssl()
    done = run_program("openssl", "pkcs8", "-topk8", "-in", desk.key, "-passout", "pass:secret", "-out", desk.place)
    assert done.returncode == 0


def hundred_megabytes(desk: Desk) -> None:
    desk.receive(desk.openssl())
    os.truncate(desk.place, 100 * 1024 * 1024)


def a_little_long(desk: Desk) -> None:
    desk.receive(b"#" * (MAX_REQUEST_BYTES - 100) + b"\n" + desk.openssl())


def link_out_of_the_folder(desk: Desk) -> None:
    elsewhere = desk.project.folder / "elsewhere.csr"
    elsewhere.write_bytes(desk.openssl())
    desk.place.symlink_to(elsewhere)


def linked_folder(desk: Desk) -> None:
    desk.receive(desk.openssl())
    desk.place.parent.rename(desk.project.folder / "elsewhere")
    desk.place.parent.symlink_to(desk.project.folder / "elsewhere")


def pipe(desk: Desk) -> None:
    os.mkfifo(desk.place)


def folder(desk: Desk) -> None:
    desk.place.mkdir()


REFUSED: dict[str, tuple[Callable[[Desk], None], str]] = {
    "a broken signature": (broken_signature, "its signature is not that of its key"),
    "a name that was changed": (changed_name, "its signature is not that of its key"),
    "a CA": (with_extension("basicConstraints=critical,CA:TRUE"), "it asks to be a certificate authority"),
    "a signer": (with_extension("keyUsage=keyCertSign"), "it asks to be a certificate authority"),
    "the key of another broker": (key_in_the_folder, "its key belongs to broker/plant-a"),
    "the key of a broker that is gone": (key_in_the_log, "its key belongs to broker/plant-a"),
    "RSA-1024": (with_key("rsa:1024"), "its key is rsa-1024, for which no certificate is made"),
    "a small exponent": (
        with_key("rsa:2048", "-pkeyopt", "rsa_keygen_pubexp:3"), "the public exponent of its RSA key is under 65537"),
    "secp256k1": (
        with_key("ec", "-pkeyopt", "ec_paramgen_curve:secp256k1"),
        "its key is ec-secp256k1, for which no certificate is made"),
    "Ed448": (with_key("ed448"), "it is for a key of a kind that is not used here: ed448"),
    "DSA": (dsa, "it is for a key of a kind that is not used here: dsa"),
    "another label": (wrong_label, "it holds a PEM block of another kind: CERTIFICATE, and no request"),
    "an end of another label": (unequal_labels, "it is no request in PEM: a PEM block has no beginning"),
    "two blocks": (several_blocks, "it holds 2 PEM blocks; a request is one"),
    "something behind it": (trailing_garbage, "something follows after the request"),
    "something in it": (garbage_in_the_block, "it is damaged, or uses what is not supported here"),
    "half of it": (cut_off, "it is no request in PEM: the last PEM block is cut off"),
    "DER": (der_alone, "it is no request in PEM: it holds no PEM block"),
    "prose": (with_content(b"please sign me\n"), "it is no request in PEM: it holds no PEM block"),
    "no base64": (
        with_content(b"-----BEGIN CERTIFICATE REQUEST-----\n%%%%\n-----END CERTIFICATE REQUEST-----\n"),
        "it is damaged, or uses what is not supported here"),
    "a private key": (private_key, "it holds a private key, which must stay on its host"),
    "a private key behind it": (private_key_behind_the_request, "it holds a private key, which must stay on its host"),
    "an encrypted private key": (encrypted_private_key, "it holds a private key, which must stay on its host"),
    "100 MB": (hundred_megabytes, f"it has more than {MAX_REQUEST_BYTES} bytes"),
    "64 KiB and a little": (a_little_long, f"it has more than {MAX_REQUEST_BYTES} bytes"),
    "nothing": (with_content(b""), "it is empty"),
    "blanks": (with_content(b" \r\n\n"), "it is empty"),
    "a link out of the folder": (link_out_of_the_folder, "it is a symbolic link"),
    "a linked folder": (linked_folder, "the folder requests is a symbolic link or not a folder"),
    "a named pipe": (pipe, "it is not a plain file"),
    "a folder": (folder, "it is not a plain file"),
}  # fmt: skip


@pytest.fixture
def desk(project: Project) -> Desk:
    project.write(MANIFEST)
    made = Desk(project)
    project.apply()
    return made


def blocked(result: Result) -> dict[str, tuple[str, str]]:
    document = json.loads(result.out)
    return {remark["address"]: (remark["code"], remark["message"]) for remark in document["blocked"]}


@pytest.mark.parametrize(("send", "words"), REFUSED.values(), ids=REFUSED.keys())
def test_a_hostile_request_is_refused_in_words_and_the_rest_goes_on(
    desk: Desk, send: Callable[[Desk], None], words: str
) -> None:
    project = desk.project
    send(desk)
    project.write(project.manifest.read_text() + "  other:\n")
    planned, applied = project.run("plan", "--format", "json"), project.run("apply", "--format", "json")
    for result in (planned, applied):
        assert set(blocked(result)) == {ADDRESS}
        code, message = blocked(result)[ADDRESS]
        assert code == "request-refused"
        assert message.startswith(f"requests/unit.csr: {words}")
        assert "Traceback" not in result.err
    assert (planned.code, applied.code) == (0, 1)
    assert all(remark["hint"] for remark in json.loads(planned.out)["blocked"])
    assert not (project.output / "clients/unit/client.pem").exists()
    assert (project.output / "clients/other/client.pem").exists()
    for form in ("text", "markdown"):
        shown = project.run("plan", "--format", form)
        assert shown.code == 0
        assert words.partition(":")[0].split()[-1] in shown.out


@pytest.mark.parametrize("send", [private_key, private_key_behind_the_request, encrypted_private_key])
def test_a_private_key_that_was_sent_is_never_repeated(desk: Desk, send: Callable[[Desk], None]) -> None:
    send(desk)
    lines = [line for line in desk.place.read_text().splitlines() if len(line) > 20 and "-----" not in line]
    assert lines
    results = [desk.project.run("plan", "--format", form) for form in ("text", "json", "markdown")]
    results += [desk.project.run("apply"), desk.project.run("status"), desk.project.run("--debug", "plan")]
    for result in results:
        assert not any(line in result.out + result.err for line in lines)
    log = (desk.project.output / "issued/2026.jsonl").read_text()
    assert not any(line in log for line in lines)
    assert "make a new key on the host" in results[0].out


def test_a_huge_file_is_not_read_whole(desk: Desk) -> None:
    hundred_megabytes(desk)
    tracemalloc.start()
    try:
        desk.project.run("plan")
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 50 * 1024 * 1024


def test_a_pipe_does_not_keep_anybody_waiting(desk: Desk) -> None:
    """Opening it for reading would wait for a writer, who never comes."""
    pipe(desk)
    assert desk.project.run("status").code == 3


EXTENSIONS = (
    "subjectAltName=DNS:admin.example,IP:10.0.0.1,URI:urn:admin,email:root@admin.example,otherName:1.2.3.4;UTF8:admin",
    "extendedKeyUsage=serverAuth,codeSigning,anyExtendedKeyUsage",
    "keyUsage=digitalSignature,keyAgreement",
    "nameConstraints=permitted;DNS:admin.example",
    "certificatePolicies=1.2.3.4",
    "1.2.3.4.5=ASN1:UTF8String:admin",
)


@pytest.mark.parametrize("extension", EXTENSIONS, ids=lambda text: text.partition("=")[0])
def test_what_a_request_asks_for_is_never_in_the_certificate(desk: Desk, extension: str) -> None:
    desk.receive(desk.openssl("-addext", extension, "-subj", "/O=Admin/CN=admin"))
    desk.project.apply()
    certificate = read_certificate(desk.project.output / "clients/unit/client.pem")
    assert certificate.subject.rfc4514_string() == "CN=unit"
    usages = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usages) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    assert b"dmin" not in certificate.public_bytes(Encoding.DER)
    with pytest.raises(x509.ExtensionNotFound):
        certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert spki(certificate.public_key()) == spki(x509.load_pem_x509_csr(desk.place.read_bytes()).public_key())


def test_names_that_are_not_declared_are_reported_and_refused_where_that_is_declared(desk: Desk) -> None:
    desk.receive(desk.openssl("-addext", "subjectAltName=DNS:a.example,DNS:b.example", "-subj", "/O=Admin/CN=unit"))
    plan = json.loads(desk.project.run("plan", "--format", "json").out)
    asked = "asks for the alternative names a.example, b.example and the subject field organization=Admin"
    (notice,) = [notice for notice in plan["notices"] if notice["code"] == "request-differs"]
    assert notice["address"] == "client/unit"
    assert notice["message"] == f"requests/unit.csr {asked}; it gets what the manifest declares"
    desk.project.write(MANIFEST.replace("key_held: csr", "key_held: csr, csr_must_match: true"))
    assert blocked(desk.project.run("plan", "--format", "json")) == {
        ADDRESS: ("request-refused", f"requests/unit.csr: it {asked}")
    }
    assert desk.project.run("apply").code == 1


def test_a_thousand_names_are_not_poured_out(desk: Desk) -> None:
    names = ",".join(f"DNS:{'x' * 40}{number}.example" for number in range(500))
    desk.receive(desk.openssl("-addext", f"subjectAltName={names}", "-subj", f"/CN=unit/OU={'y' * 64}"))
    result = desk.project.run("plan")
    assert "and 495 more" in result.out
    assert len(result.out) < 4000


def test_control_characters_of_a_request_do_not_reach_the_terminal(desk: Desk) -> None:
    desk.receive(desk.openssl("-subj", "/CN=\x1b[31munit\u202e/O=a\r\nb", "-utf8"))
    for form, hidden in (("text", "\x1b\r\u202e"), ("markdown", "\x1b\r\u202e"), ("json", "\x1b\r")):
        out = desk.project.run("plan", "--format", form).out
        assert "request-differs" in out or "asks for the subject fields" in out
        assert not set(hidden) & set(out)


def test_a_request_with_text_before_it_and_other_line_ends_is_fine(desk: Desk) -> None:
    """`openssl req -text` writes the request in words first."""
    desk.receive(desk.openssl("-text").replace(b"\n", b"\r\n"))
    desk.project.apply()
    assert (desk.project.output / "clients/unit/client.pem").exists()
