"""What people use instead, each as a loop over clients: the OpenSSL commands of vendors' pages, and where they are
installed easy-rsa, mkcert and cfssl. Every loop makes a new authority first, and is measured without that.
"""

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

_SUBJECT = "/C=US/O=Bench/CN="


def _run(folder: Path, *command: str, **environment: str) -> bytes:
    done = subprocess.run(command, check=True, cwd=folder, capture_output=True, env={**os.environ, **environment})
    return done.stdout


def openssl(folder: Path, count: int) -> float:
    """Three commands for each client: key, request, certificate."""
    key = ("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out")
    _run(folder, "openssl", *key, "ca.key")
    _run(folder, "openssl", "req", "-x509", "-new", "-key", "ca.key", "-days", "3650", "-subj", _SUBJECT + "CA",
         "-out", "ca.pem")  # fmt: skip
    began = time.perf_counter()
    for number in range(count):
        name = f"dev-{number:06}"
        _run(folder, "openssl", *key, f"{name}.key")
        _run(folder, "openssl", "req", "-new", "-key", f"{name}.key", "-subj", _SUBJECT + name, "-out", f"{name}.csr")
        _run(folder, "openssl", "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
             "-CAcreateserial", "-days", "825", "-sha256", "-out", f"{name}.pem")  # fmt: skip
    return (time.perf_counter() - began) / count


def easyrsa(folder: Path, count: int) -> float:
    """`build-client-full` for each client."""
    program = _find("easyrsa", "/usr/share/easy-rsa/easyrsa") or ""
    settings = {"EASYRSA_BATCH": "1", "EASYRSA_ALGO": "ec", "EASYRSA_CURVE": "prime256v1"}
    settings["EASYRSA_PKI"] = str(folder / "pki")
    _run(folder, program, "init-pki", **settings)
    _run(folder, program, "build-ca", "nopass", EASYRSA_REQ_CN="CA", **settings)
    began = time.perf_counter()
    for number in range(count):
        _run(folder, program, "build-client-full", f"dev-{number:06}", "nopass", **settings)
    return (time.perf_counter() - began) / count


def mkcert(folder: Path, count: int) -> float:
    """One call for each client; the root is made by the first, which is not counted."""
    _run(folder, "mkcert", "-ecdsa", "-client", "first.example", CAROOT=str(folder))
    began = time.perf_counter()
    for number in range(count):
        _run(folder, "mkcert", "-ecdsa", "-client", f"dev-{number:06}.example", CAROOT=str(folder))
    return (time.perf_counter() - began) / count


def cfssl(folder: Path, count: int) -> float:
    """`gencert` for each client, and its answer split into files as `cfssljson` would."""
    request = '{"CN": "%s", "key": {"algo": "ecdsa", "size": 256}, "names": [{"C": "US", "O": "Bench"}]}'
    (folder / "ca.json").write_text(request % "CA", encoding="utf-8")
    (folder / "ca.out").write_bytes(_run(folder, "cfssl", "gencert", "-initca", "ca.json"))
    _run(folder, "sh", "-c", "cfssljson -bare ca <ca.out")
    began = time.perf_counter()
    for number in range(count):
        name = f"dev-{number:06}"
        (folder / f"{name}.json").write_text(request % name, encoding="utf-8")
        _run(folder, "sh", "-c", f"cfssl gencert -ca ca.pem -ca-key ca-key.pem {name}.json | cfssljson -bare {name}")
    return (time.perf_counter() - began) / count


def _find(*places: str) -> str | None:
    return next((found for place in places if (found := shutil.which(place))), None)


Loop = Callable[[Path, int], float]
"""Takes an empty folder and how many clients; returns the seconds for each."""


def installed() -> dict[str, Loop]:
    """The rivals that are here, by name."""
    programs: dict[str, tuple[Loop, tuple[str, ...]]] = {
        "openssl": (openssl, ("openssl",)),
        "easy-rsa": (easyrsa, ("easyrsa", "/usr/share/easy-rsa/easyrsa")),
        "mkcert": (mkcert, ("mkcert",)),
        "cfssl": (cfssl, ("cfssl",)),
    }
    return {name: loop for name, (loop, places) in programs.items() if _find(*places)}
