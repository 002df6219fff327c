"""Plants with revocation lists; and reading these as others read them, with the library alone and nothing of ours."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

from cryptography import x509

from tests.conftest import Project

HEAD = """\
version: 1
ca: {common_name: Test CA}
brokers:
  plant-a: {common_name: 10.3.0.11}
clients:
"""


def declare(project: Project, clients: str, revoked: str = "", *, more: str = "crl:\n") -> None:
    """A manifest with some clients, and what is revoked in a file beside it."""
    lines = "".join(f"  {name}:\n" for name in clients.split())
    project.write(HEAD + lines + more + "revoked_from: revoked.yaml\n")
    (project.folder / "revoked.yaml").write_text(revoked)


def plan(project: Project, *arguments: str) -> dict[str, Any]:
    """The plan as JSON."""
    result = project.run("plan", "--format", "json", *arguments)
    assert result.code == 0, result.err
    document: dict[str, Any] = json.loads(result.out)
    return document


def read_list(path: Path) -> x509.CertificateRevocationList:
    """The first list of a file."""
    return x509.load_pem_x509_crl(path.read_bytes())


def own_list(project: Project) -> x509.CertificateRevocationList:
    return read_list(project.output / "ca/ca.crl.pem")


def entries(project: Project) -> dict[int, str | None]:
    """The reason of each entry, by serial number."""
    found: dict[int, str | None] = {}
    for entry in own_list(project):
        assert entry.serial_number not in found
        reasons = [extension.value for extension in entry.extensions if isinstance(extension.value, x509.CRLReason)]
        found[entry.serial_number] = reasons[0].reason.value if reasons else None
    return found


def number(project: Project) -> int:
    return own_list(project).extensions.get_extension_for_class(x509.CRLNumber).value.crl_number


def ends(project: Project) -> datetime:
    end = own_list(project).next_update_utc
    assert end is not None
    return end


def serial(project: Project, path: str) -> int:
    return x509.load_pem_x509_certificate((project.output / path).read_bytes()).serial_number


def lists_in(path: Path) -> int:
    return path.read_bytes().count(b"BEGIN X509 CRL")
