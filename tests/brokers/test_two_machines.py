"""Two machines that exchange nothing but public files: a broker's host with its key, and the authority."""

import re
import shutil
import socket
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from tests.brokers.mosquitto import DEADLINE, Broker, mosquitto
from tests.conftest import Project, Result
from tests.hosts import key_digest, replaced_keys, request_digest
from tests.interop.plants import Pair
from tests.readers import key_and_certificate_match, read_certificate, spki

MANIFEST = """\
version: 1
ca: {common_name: Test CA}
defaults: {key_held: csr}
brokers:
  plant-a: {common_name: 127.0.0.1}
clients:
  unit:
"""
FOLDER = "pki/brokers/plant-a"
REQUEST = "requests/plant-a.csr"

# Connections are judged by the machine's clock.
NOW = datetime.now(UTC).replace(microsecond=0)
BEGUN = NOW - timedelta(days=600)
"""A certificate of that day has not ended by now, and is due for renewal."""


@dataclass
class Machines:
    """The broker's host and the authority's machine.

    Attributes:
        carried: every file that was carried from one to the other.
    """

    host: Project
    authority: Project
    _clock: Project
    carried: list[tuple[str, bytes]] = field(default_factory=list)

    def at(self, now: datetime) -> None:
        self._clock.now = now

    def send(self, *paths: str) -> None:
        """Carries files from the host to the authority."""
        self._carry(self.host, self.authority, paths)

    def receive(self, *paths: str) -> None:
        """Carries files from the authority to the host."""
        self._carry(self.authority, self.host, paths)

    def _carry(self, source: Project, target: Project, paths: tuple[str, ...]) -> None:
        for path in paths:
            content = (source.folder / path).read_bytes()
            self.carried.append((path, content))
            (target.folder / path).parent.mkdir(parents=True, exist_ok=True)
            (target.folder / path).write_bytes(content)

    def request(self, *options: str) -> Result:
        key = str(self.host.folder / "certs/server.key")
        result = self.host.run("request", "broker/plant-a", "--key", key, *options)
        assert result.code == 0, result.out + result.err
        return result

    def install(self) -> None:
        """Copies what arrived to where the broker reads it."""
        for name in ("server.pem", "ca.pem"):
            shutil.copy(self.host.folder / FOLDER / name, self.host.folder / "certs" / name)

    def serial(self) -> int:
        """Of the certificate that the authority's machine has for the broker."""
        return read_certificate(self.authority.folder / FOLDER / "server.pem").serial_number

    def settled(self) -> None:
        plan = self.authority.run("plan")
        assert "Nothing to do" in plan.out, plan.out


@pytest.fixture
def machines(project: Project) -> Iterator[Machines]:
    host, authority = (replace(project, folder=project.folder / name) for name in ("host", "authority"))
    for machine in (host, authority):
        machine.folder.mkdir()
        machine.write(MANIFEST)
    made = Machines(host=host, authority=authority, _clock=project)
    yield made
    assert made.carried
    secrets = {secret for machine in (host, authority) for secret in secrets_of(machine.folder)}
    assert secrets
    for path, content in made.carried:
        assert b"PRIVATE KEY" not in content, path
        assert not any(secret in content for secret in secrets), path
    # Nor did a key come in another way.
    assert not secrets_of(host.folder) & secrets_of(authority.folder)


def secrets_of(folder: Path) -> set[bytes]:
    """What nobody else may have: the lines of each private key file, and the number that is the key."""
    found: set[bytes] = set()
    for path in folder.rglob("*.key"):
        key = load_pem_private_key(path.read_bytes(), None)
        assert isinstance(key, EllipticCurvePrivateKey)
        found |= {line for line in path.read_bytes().splitlines() if b"-----" not in line and len(line) > 20}
        found.add(key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()))
        found.add(key.private_numbers().private_value.to_bytes(32, "big"))
    return found


def served(broker: Broker, trust: Path) -> x509.Certificate:
    """The certificate that the broker shows, and whose key it has."""
    context = ssl.create_default_context(cafile=str(trust))
    with (
        socket.create_connection(("127.0.0.1", broker.port), timeout=DEADLINE) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as secure,
    ):
        shown = secure.getpeercert(binary_form=True)
        assert shown is not None
        return x509.load_der_x509_certificate(shown)


def wait_until_served(broker: Broker, trust: Path, serial: int) -> None:
    """A reload is done when the broker comes to it."""
    end = time.monotonic() + DEADLINE
    while served(broker, trust).serial_number != serial:
        assert time.monotonic() < end, broker.log()
        time.sleep(0.01)


def wait_for_reloads(broker: Broker, count: int) -> None:
    end = time.monotonic() + DEADLINE
    while len(re.findall("Reloading config", broker.log())) < count:
        assert time.monotonic() < end, broker.log()
        time.sleep(0.01)


def first_round(machines: Machines) -> None:
    machines.at(BEGUN)
    machines.request()
    machines.send(REQUEST)
    machines.authority.apply()
    machines.receive(f"{FOLDER}/server.pem", f"{FOLDER}/ca.pem")
    machines.install()


def test_a_key_never_leaves_its_host_through_all_that_can_happen(machines: Machines) -> None:
    first_round(machines)
    certs = machines.host.folder / "certs"
    trust = certs / "ca.pem"
    pair = Pair(certificate=certs / "server.pem", private_key=certs / "server.key", trust=trust)
    assert key_and_certificate_match(pair.private_key, pair.certificate)
    with mosquitto(machines.host.folder / "broker", pair) as broker:
        assert served(broker, trust).serial_number == machines.serial()
        _renew(machines, broker, trust)
        _declare_another_name(machines, broker, trust)
        _make_another_key(machines, broker, trust)
        _lose_the_request(machines)
        _lose_the_certificate(machines, broker, trust)
        assert broker.is_running


def _renew(machines: Machines, broker: Broker, trust: Path) -> None:
    """The authority needs nothing from the host."""
    machines.at(NOW)
    before = served(broker, trust)
    machines.authority.apply()
    machines.receive(f"{FOLDER}/server.pem")
    machines.install()
    broker.reload()
    wait_until_served(broker, trust, machines.serial())
    assert served(broker, trust).serial_number != before.serial_number
    assert spki(served(broker, trust).public_key()) == spki(before.public_key())
    assert "Nothing to do" in machines.request().out


def _declare_another_name(machines: Machines, broker: Broker, trust: Path) -> None:
    """The manifest changes where the authority is, and is carried to the host like everything public."""
    machines.authority.write(MANIFEST.replace("127.0.0.1}", "127.0.0.1, alt_names: [new.example]}"))
    machines.authority.apply()
    machines.receive("pki.yaml", f"{FOLDER}/server.pem")
    machines.install()
    broker.reload()
    wait_until_served(broker, trust, machines.serial())
    names = served(broker, trust).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert "new.example" in [str(name.value) for name in names]
    # The host asks for what is declared by now; that changes nothing any more.
    assert "Wrote the request" in machines.request().out
    machines.send(REQUEST)
    machines.settled()


def _make_another_key(machines: Machines, broker: Broker, trust: Path) -> None:
    """The broker goes on with the old pair until the new one is in place, whatever it is told in between."""
    certs = machines.host.folder / "certs"
    before = served(broker, trust)
    old_key = (certs / "server.key").read_bytes()
    reloads = len(re.findall("Reloading config", broker.log()))

    def still_the_old_one(count: int) -> None:
        broker.reload()
        wait_for_reloads(broker, reloads + count)
        assert served(broker, trust).serial_number == before.serial_number

    machines.request("--rekey")
    assert key_and_certificate_match(certs / "server.key", certs / "server.pem")
    still_the_old_one(1)
    machines.send(REQUEST)
    machines.authority.apply()
    machines.receive(f"{FOLDER}/server.pem")
    assert key_and_certificate_match(certs / "server.key", certs / "server.pem")
    still_the_old_one(2)
    result = machines.request()
    assert "Put the new private key in its place" in result.out
    # A new key beside the certificate that the broker has: it says so, and keeps its pair.
    still_the_old_one(3)
    assert "Error when reloading certificate" in broker.log()
    machines.install()
    assert key_and_certificate_match(certs / "server.key", certs / "server.pem")
    broker.reload()
    wait_until_served(broker, trust, machines.serial())
    assert spki(served(broker, trust).public_key()) != spki(before.public_key())
    (kept,) = replaced_keys(certs)
    assert kept.read_bytes() == old_key
    machines.settled()


def _lose_the_request(machines: Machines) -> None:
    """Where the authority is, nothing depends on it; the host writes another for the same key."""
    (machines.authority.folder / REQUEST).unlink()
    machines.settled()
    (machines.host.folder / REQUEST).unlink()
    machines.request()
    assert request_digest(machines.host.folder / REQUEST) == key_digest(machines.host.folder / "certs/server.key")
    machines.send(REQUEST)
    machines.settled()


def _lose_the_certificate(machines: Machines, broker: Broker, trust: Path) -> None:
    """It is made again for the key in the request."""
    before = served(broker, trust)
    (machines.authority.folder / FOLDER / "server.pem").unlink()
    machines.authority.apply()
    assert machines.serial() != before.serial_number
    machines.receive(f"{FOLDER}/server.pem")
    machines.install()
    broker.reload()
    wait_until_served(broker, trust, machines.serial())
    assert spki(served(broker, trust).public_key()) == spki(before.public_key())


def test_both_lost_is_waited_for_and_comes_back_with_the_same_key(machines: Machines) -> None:
    first_round(machines)
    before = read_certificate(machines.authority.folder / FOLDER / "server.pem")
    (machines.authority.folder / FOLDER / "server.pem").unlink()
    (machines.authority.folder / REQUEST).unlink()
    result = machines.authority.run("apply")
    assert result.code == 0
    assert "broker/plant-a/certificate: waits for the request of its host" in result.out
    machines.send(REQUEST)
    machines.authority.apply()
    after = read_certificate(machines.authority.folder / FOLDER / "server.pem")
    assert spki(after.public_key()) == spki(before.public_key())


def test_a_broker_that_is_started_anew_between_all_steps_of_a_rekey_but_one_starts(machines: Machines) -> None:
    """Only between the key's and the certificate's place there are two halves; install follows at once."""
    first_round(machines)
    machines.at(NOW)
    certs = machines.host.folder / "certs"
    pair = Pair(certificate=certs / "server.pem", private_key=certs / "server.key", trust=certs / "ca.pem")

    def starts(name: str) -> bool:
        with mosquitto(machines.host.folder / name, pair) as broker:
            return served(broker, certs / "ca.pem").serial_number == read_certificate(pair.certificate).serial_number

    machines.request("--rekey")
    assert starts("asked")
    machines.send(REQUEST)
    machines.authority.apply()
    assert starts("certified")
    machines.receive(f"{FOLDER}/server.pem", f"{FOLDER}/ca.pem")
    assert starts("arrived")
    machines.request()
    machines.install()
    assert starts("installed")
