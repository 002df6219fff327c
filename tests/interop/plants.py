"""Output folders made by the program itself, as a user would make them, for other programs to judge."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509

from edgecerts.pki.key_types import KeyType

ALL_TYPES = tuple(KeyType)

NAMES = ("broker.plant-a.example", "line-4.lines.plant-a.example")
"""Host names of every broker of `Plants`: one as it stands in the certificate, one that its wildcard covers."""

ADDRESSES = ("10.3.0.11", "2001:db8::11")
"""IP addresses of every broker of `Plants`."""

BRIDGE_NAMES = ("xn--brcke-lva.plant-a.example", "10.3.0.12", "2001:db8::12")
"""What the broker `bridge` of `Plants` is called: brücke.plant-a.example, and two addresses."""

LONGEST = {
    "common_name": "x" * 64,
    "organization": "ü" * 64,
    "state": "ß" * 128,
    "email": f"{'e' * 64}@{'d' * 60}.example",
}
"""The subject of the client `long` of `Plants`, which uses all the room that there is."""

OTHER_NAMES = ("other.plant-a.example", "a.b.lines.plant-a.example", "lines.plant-a.example")
"""Host names that no broker has: a stranger's, and two that a wildcard must not cover."""

OTHER_ADDRESS = "10.3.0.99"


@dataclass(frozen=True)
class Pair:
    """The folder of one broker or client: its certificate, its private key and whom it trusts."""

    certificate: Path
    private_key: Path
    trust: Path

    def load(self) -> x509.Certificate:
        """The certificate, parsed."""
        return x509.load_pem_x509_certificate(self.certificate.read_bytes())


@dataclass(frozen=True)
class Plant:
    """An output folder."""

    output: Path

    @property
    def ca(self) -> Path:
        return self.output / "ca" / "ca.pem"

    def load_ca(self) -> x509.Certificate:
        """The authority's certificate, parsed."""
        return x509.load_pem_x509_certificate(self.ca.read_bytes())

    def broker(self, name: str) -> Pair:
        """The files of a broker."""
        return _pair(self.output / "brokers" / name, "server")

    def client(self, name: str) -> Pair:
        """The files of a client."""
        return _pair(self.output / "clients" / name, "client")

    def leaves(self) -> Iterator[Path]:
        """The certificate of every broker and client."""
        yield from sorted(self.output.glob("brokers/*/server.pem"))
        yield from sorted(self.output.glob("clients/*/client.pem"))


def make_plant(folder: Path, manifest: str, **environ: str) -> Plant:
    """Writes a manifest into the folder and runs `edgecerts apply` on it, with today's clock."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "pki.yaml"
    path.write_text(manifest, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "edgecerts", "apply", "-f", str(path)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, **environ},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return Plant(output=folder / "pki")


class Plants:
    """One plant for each key type of the authority, with a broker and a client of every key type.

    All authorities have the same subject, so that only their keys tell them apart.

    In each plant the broker and the client named as a key type have a key of that type; the broker has all of NAMES
    and ADDRESSES, the client no alternative name. Besides there are, with EC P-256 keys:

    - the broker `bridge` with BRIDGE_NAMES, which is also a client and has its addresses as dNSNames too;
    - the broker `localhost`, a name without a dot, and the broker `container`, whose name has an underscore;
    - the client `mail` with an e-mail address, the client `device` with a URI, and the client `long`.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._made: dict[KeyType, Plant] = {}
        self._slow_keys: dict[str, bytes] = {}

    def __getitem__(self, ca_type: KeyType) -> Plant:
        """The plant whose authority has a key of this type; made when it is first asked for."""
        if ca_type not in self._made:
            self._made[ca_type] = self._make(ca_type)
        return self._made[ca_type]

    def other_than(self, ca_type: KeyType) -> Plant:
        """A plant whose authority has the same subject and another key."""
        return self[ALL_TYPES[ALL_TYPES.index(ca_type) - 1]]

    def _make(self, ca_type: KeyType) -> Plant:
        folder = self._folder / ca_type.value
        # An RSA key takes long to make. One that is there already is kept, and only gets another certificate.
        for path, pem in self._slow_keys.items():
            key = folder / "pki" / path
            key.parent.mkdir(parents=True, mode=0o700)
            key.write_bytes(pem)
            key.chmod(0o600)
        plant = make_plant(folder, _manifest(ca_type))
        slow = (
            pair.private_key
            for key_type in ALL_TYPES
            if key_type.value.startswith("rsa")
            for pair in _pairs(plant, key_type)
        )
        self._slow_keys = {path.relative_to(plant.output).as_posix(): path.read_bytes() for path in slow}
        return plant


def _pair(folder: Path, stem: str) -> Pair:
    return Pair(certificate=folder / f"{stem}.pem", private_key=folder / f"{stem}.key", trust=folder / "ca.pem")


def _pairs(plant: Plant, key_type: KeyType) -> tuple[Pair, Pair]:
    return plant.broker(key_type.value), plant.client(key_type.value)


def _manifest(ca_type: KeyType) -> str:
    names = f'common_name: {NAMES[0]}, alt_names: [{ADDRESSES[0]}, "{ADDRESSES[1]}", "*.lines.plant-a.example"]'
    brokers = "\n".join(f"  {key_type}: {{{names}, key_type: {key_type}}}" for key_type in ALL_TYPES)
    clients = "\n".join(f'  {key_type}: {{subject: {{email: ""}}, key_type: {key_type}}}' for key_type in ALL_TYPES)
    common_name = LONGEST["common_name"]
    subject = "{" + ", ".join(f"{key}: {value}" for key, value in LONGEST.items() if key != "common_name") + "}"
    return f"""\
version: 1
defaults:
  subject: {{country: DE, state: Bayern, organization: Kläranlage Süd GmbH, email: pki@plant-a.example}}
ca: {{common_name: Plant CA, key_type: {ca_type}}}
brokers:
{brokers}
  bridge:
    common_name: 10.3.0.12
    alt_names: [brücke.plant-a.example, "2001:db8::12"]
    usages: [server, client]
    ip_as_dns: true
  localhost: {{common_name: localhost, alt_names: [127.0.0.1, "::1"]}}
  container: {{common_name: mqtt_broker}}
clients:
{clients}
  mail:
  device: {{alt_names: ["uri:urn:dev:mac:0024befffe804ff1"], subject: {{email: ""}}}}
  long: {{common_name: {common_name}, subject: {subject}}}
"""
