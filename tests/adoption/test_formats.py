"""Every form in which people keep keys and certificates is read, and nothing is lost in silence."""

from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, pkcs7, pkcs12

from edgecerts.adoption.material import LeftOutCode, Material, OpenedBy
from edgecerts.adoption.read_material import read_material
from edgecerts.adoption.source_files import read_source
from edgecerts.adoption.unlock import unlock
from edgecerts.apply.secrets import Secret
from edgecerts.manifest.model import PasswordSource
from edgecerts.pki.private_keys import PrivateKey, spki_sha256
from tests.adoption.sources import Issued, Profile, issue, openssl, write

PASSWORD = "correct horse battery"
PKCS8, TRADITIONAL = PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL

GIVEN = (
    OpenedBy(source=PasswordSource(env="WRONG"), password=Secret(b"wrong horse battery")),
    OpenedBy(source=PasswordSource(env="RIGHT"), password=Secret(PASSWORD.encode())),
)


def read(folder: Path) -> Material:
    return read_material(read_source(folder))


def new_key(kind: str) -> PrivateKey:
    if kind == "rsa":
        return rsa.generate_private_key(65537, 2048)
    return ec.generate_private_key(ec.SECP384R1()) if kind == "ec" else ed25519.Ed25519PrivateKey.generate()


@pytest.mark.parametrize("kind", ["rsa", "ec", "ed25519"])
@pytest.mark.parametrize("der", [False, True], ids=["pem", "der"])
@pytest.mark.parametrize("password", [None, PASSWORD], ids=["plain", "encrypted"])
@pytest.mark.parametrize("form", [PKCS8, TRADITIONAL], ids=["pkcs8", "traditional"])
def test_a_private_key_is_read_in_every_form(
    tmp_path: Path, kind: str, der: bool, password: str | None, form: PrivateFormat
) -> None:
    if form is TRADITIONAL and (kind == "ed25519" or (der and password)):
        return  # There is no such form.
    owner = Issued(certificate=issue("x", Profile()).certificate, key=new_key(kind))
    write(tmp_path, {"some file": owner.key_pem(form, password=password, der=der)})
    found = read(tmp_path)
    assert (len(found.locked), len(found.keys)) == ((1, 0) if password else (0, 1))
    assert unlock(found, GIVEN[:1]).keys == found.keys, "the wrong password opens nothing"
    (key,) = unlock(found, GIVEN).keys
    assert key.facts.spki_sha256 == spki_sha256(owner.key.public_key())
    assert (key.opened_by.source.env if key.opened_by else None) == ("RIGHT" if password else None)
    assert found.left_out == ()


@pytest.mark.parametrize(
    "scheme",
    [
        ["-v1", "PBE-SHA1-3DES"],
        ["-v2", "des3"],
        ["-v2", "aes-128-cbc", "-v2prf", "hmacWithSHA1", "-iter", "100000"],
        ["-scrypt"],
    ],
    ids=" ".join,
)
def test_the_encryptions_of_openssl_pkcs8_are_opened(tmp_path: Path, scheme: list[str]) -> None:
    openssl(tmp_path, "ecparam", "-genkey", "-name", "prime256v1", "-out", "plain.pem")
    openssl(
        tmp_path, "pkcs8", "-topk8", "-in", "plain.pem", "-out", "locked.pem", "-passout", f"pass:{PASSWORD}", *scheme
    )
    found = unlock(read(tmp_path), GIVEN)
    assert [sorted(place.path for place in key.places) for key in found.keys] == [["locked.pem", "plain.pem"]]
    assert found.keys[0].opened_by == GIVEN[1], "a key that was encrypted somewhere stays encrypted"
    assert found.left_out == ()


def test_a_certificate_is_read_in_every_form(tmp_path: Path, authority: Issued) -> None:
    leaf = issue("unit", Profile(), by=authority)
    text = b"Certificate:\n    Data:\n        Version: 3 (0x2)\nsome words -- and more -----\n"
    files = {
        "der.cer": leaf.certificate.public_bytes(Encoding.DER),
        "text.pem": text + leaf.pem,
        "windows.crt": leaf.pem.replace(b"\n", b"\r\n"),
        "mark.pem": b"\xef\xbb\xbf" + leaf.pem,
        "indented.txt": b"".join(b"    " + line + b"\n" for line in leaf.pem.splitlines()),
        "old name.pem": leaf.pem.replace(b" CERTIFICATE", b" X509 CERTIFICATE"),
        "all of it/with key.pem": leaf.key_pem() + leaf.pem + authority.pem,
        "no newline": leaf.pem.rstrip(),
    }
    found = read(write(tmp_path, files))
    places = {entry.facts.subject[0][1]: [place.path for place in entry.places] for entry in found.certificates}
    assert places == {"unit": sorted(files), "Plant CA": ["all of it/with key.pem"]}
    assert found.files == len(files)
    assert [key.facts.spki_sha256 for key in found.keys] == [spki_sha256(leaf.key.public_key())]
    assert found.left_out == ()


def test_requests_are_read_and_those_with_a_broken_signature_are_not(tmp_path: Path) -> None:
    leaf = issue("unit", Profile())
    request = x509.load_pem_x509_csr(leaf.request())
    der = bytearray(request.public_bytes(Encoding.DER))
    der[-1] ^= 1
    found = read(
        write(tmp_path, {"a.csr": leaf.request(), "b.der": request.public_bytes(Encoding.DER), "c": bytes(der)})
    )
    assert [[place.path for place in entry.places] for entry in found.requests] == [["a.csr", "b.der"]]
    assert [(entry.files, entry.code) for entry in found.left_out] == [(("c",), LeftOutCode.DAMAGED)]


def test_what_is_not_taken_over_is_listed(tmp_path: Path, authority: Issued) -> None:
    leaf = issue("unit", Profile(), by=authority)
    crl = x509.CertificateRevocationListBuilder().issuer_name(authority.certificate.subject)
    crl = crl.last_update(leaf.certificate.not_valid_before_utc).next_update(leaf.certificate.not_valid_after_utc)
    signed = crl.sign(authority.key, SHA256())
    bundle = pkcs7.serialize_certificates([leaf.certificate], Encoding.DER)
    store = pkcs12.serialize_key_and_certificates(b"x", leaf.key, leaf.certificate, None, NoEncryption())
    openssl(tmp_path, "dsaparam", "-genkey", "-out", "dsa.pem", "1024")
    openssl(
        tmp_path, "x509", "-in", str(write(tmp_path, {"leaf": leaf.pem}) / "leaf"), "-trustout", "-out", "trusted.pem"
    )
    found = read(
        write(
            tmp_path,
            {
                "crl.der": signed.public_bytes(Encoding.DER),
                "crl.pem": signed.public_bytes(Encoding.PEM),
                "p7.der": bundle,
                "p7.pem": pkcs7.serialize_certificates([leaf.certificate], Encoding.PEM),
                "store.p12": store,
                "cut.crl": signed.public_bytes(Encoding.PEM)[:200],
                "cut.pem": leaf.pem[:200],
                "half.pem": leaf.pem[100:],
                "not base64.pem": leaf.pem.replace(b"M", b"!"),
                "not a certificate.pem": leaf.pem.replace(b"MII", b"MIJ"),
                "damaged.key": leaf.key_pem().replace(b"MIG", b"MIH"),
            },
        )
    )
    assert {entry.files[0]: entry.code.value for entry in found.left_out} == {
        "cut.crl": "revocation-list",
        "cut.pem": "damaged",
        "damaged.key": "other-key",
        "dsa.pem": "other-key",
        "half.pem": "damaged",
        "not a certificate.pem": "damaged",
        "not base64.pem": "damaged",
        "p7.der": "pkcs7",
        "p7.pem": "pkcs7",
        "store.p12": "pkcs12",
        "trusted.pem": "damaged",
    }
    assert [place.path for revoked in found.lists for place in revoked.places] == ["crl.der", "crl.pem"]


def test_other_files_are_passed_over(tmp_path: Path) -> None:
    files = {
        "README.md": b"# -----BEGIN something else-----\n",
        "ca.srl": b"5D0C61BEF2A4\n",
        "empty": b"",
        "dh.pem": b"-----BEGIN DH PARAMETERS-----\nMAYCAQECAQE=\n-----END DH PARAMETERS-----\n",
        "sequence": b"\x30\x03\x02\x01\x05",
        "long.bin": b"\x30\x84\xff\xff\xff\xff",
    }
    found = read(write(tmp_path, files))
    assert found == Material(files=len(files))


def test_a_key_that_others_may_read_is_said_to_be_so(tmp_path: Path) -> None:
    leaf = issue("unit", Profile())
    write(tmp_path, {"closed.key": leaf.key_pem()})
    write(tmp_path, {"open.key": leaf.key_pem(), "open but locked.key": leaf.key_pem(password=PASSWORD)}, mode=0o644)
    (key,) = unlock(read(tmp_path), GIVEN).keys
    assert key.exposed == ("open.key",)
    assert [place.path for place in key.places] == ["closed.key", "open but locked.key", "open.key"]


@pytest.mark.parametrize("codec", ["utf-16", "utf-16-le", "utf-16-be"])
def test_text_in_utf_16_is_read(tmp_path: Path, authority: Issued, codec: str) -> None:
    """PowerShell writes what it redirects in this way."""
    mark = "\ufeff" if codec != "utf-16" else ""
    text = f"{mark}{authority.pem.decode()}{authority.key_pem().decode()}".replace("\n", "\r\n")
    found = read(write(tmp_path, {"ca.pem": text.encode(codec)}))
    assert [certificate.facts.certificate for certificate in found.certificates] == [authority.certificate]
    assert len(found.keys) == 1
    assert found.left_out == ()


@pytest.mark.parametrize("magic", ["feedfeed", "cececece"])
def test_a_java_keystore_is_named(tmp_path: Path, magic: str) -> None:
    found = read(write(tmp_path, {"broker": bytes.fromhex(magic) + b"\x00\x00\x00\x02" + b"x" * 200}))
    assert [(entry.code.value, entry.files) for entry in found.left_out] == [("java-keystore", ("broker",))]
    assert "keytool -importkeystore" in found.left_out[0].message


@pytest.mark.parametrize("name", ["x.pem", "x.KEY", "x.jks", "x.p12", "x.crl"])
def test_a_file_that_should_hold_something_and_does_not_is_listed(tmp_path: Path, name: str) -> None:
    found = read(write(tmp_path, {name: b"MIIBtDCCAVqgAwIBAgIU", "notes.txt": b"x", f"empty {name}": b""}))
    assert [(entry.code.value, entry.files) for entry in found.left_out] == [("unrecognised", (name,))]
