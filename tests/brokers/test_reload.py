"""Mosquitto that is told to reload while its key is replaced: what it reads, what it serves, and what it never does."""

import errno
import os
import shutil
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509

from edgecerts.apply import run_apply
from edgecerts.apply.file_system import FileSystem
from edgecerts.errors import ExitCode
from tests.brokers.mosquitto import DEADLINE, Broker, mosquitto
from tests.conftest import COUNTED
from tests.crash.sites import Site, UnsyncedFileSystem
from tests.interop.plants import Pair, Plant

MANIFEST = """\
version: 1
ca: {common_name: Test CA}
brokers:
  here: {common_name: 127.0.0.1}
"""

# Connections are judged by the machine's clock.
NOW = datetime.now(UTC).replace(microsecond=0)

BETWEEN_RELOADS = 0.003
# MQTT 3.1.1: a new session of the client "old", without a limit of time.
CONNECT = bytes((0x10, 15, 0, 4)) + b"MQTT" + bytes((4, 2, 0, 0, 0, 3)) + b"old"
CONNACK = bytes((0x20, 2, 0, 0))
PINGREQ = bytes((0xC0, 0))
PINGRESP = bytes((0xD0, 0))

HALF_READ = "Error when reloading certificate"


class FallbackFileSystem(UnsyncedFileSystem):
    """A system that cannot exchange two folders."""

    def exchange(self, name: str, folder: int, other_name: str, other_folder: int) -> None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))


@dataclass
class Watch:
    """What a client saw that connected again and again.

    Attributes:
        served: the serial numbers of the certificates that the broker showed, and whose keys it had.
        refused: why there was no connection.
    """

    served: list[int] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)

    def add(self, result: int | str) -> None:
        with self.changed:
            if isinstance(result, int):
                self.served.append(result)
            else:
                self.refused.append(result)
            self.changed.notify()

    def wait_for(self, serial: int) -> None:
        """Waits until the broker serves this certificate."""
        with self.changed:
            assert self.changed.wait_for(lambda: self.served[-1:] == [serial], DEADLINE), self.refused[-3:]


def connect(broker: Broker, trust: Path) -> int | str:
    """Makes a connection, which proves that the broker has its certificate's key, and that `trust` issued it.

    Returns:
        the certificate's serial number, or why there is no connection.
    """
    context = ssl.create_default_context(cafile=str(trust))
    try:
        with (
            socket.create_connection(("127.0.0.1", broker.port), timeout=DEADLINE) as plain,
            context.wrap_socket(plain, server_hostname="127.0.0.1") as secure,
        ):
            shown = secure.getpeercert(binary_form=True)
            assert shown is not None
            return x509.load_der_x509_certificate(shown).serial_number
    except OSError as error:
        return str(error)


@contextmanager
def again_and_again(action: Callable[[], object], pause: float = 0) -> Iterator[None]:
    """Does something in a thread of its own until the block ends."""
    stop = threading.Event()

    def loop() -> None:
        while not stop.wait(pause):
            action()

    thread = threading.Thread(target=loop)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@pytest.fixture
def site(tmp_path: Path) -> Site:
    made = Site(tmp_path / "site")
    made.write(MANIFEST)
    assert made.apply(NOW).exit_code is ExitCode.DONE
    return made


@pytest.mark.parametrize(
    ("system", "rekeys"), [(UnsyncedFileSystem(), 200), (FallbackFileSystem(), 50)], ids=["exchange", "fallback"]
)
def test_a_broker_that_reloads_all_the_time_serves_whole_pairs_and_never_stops(
    site: Site, tmp_path: Path, system: FileSystem, rekeys: int, record_property: Callable[[str, object], None]
) -> None:
    pair, ca = Plant(output=site.output).broker("here"), site.output / "ca/ca.pem"
    issued = [pair.load().serial_number]
    with mosquitto(tmp_path / "broker", pair) as broker:
        watch = Watch()
        with (
            again_and_again(broker.reload, BETWEEN_RELOADS),
            again_and_again(lambda: watch.add(connect(broker, ca))),
        ):
            for _ in range(rekeys):
                run = replace(site.run(NOW, "broker/here"), system=system)
                assert run_apply(run).exit_code is ExitCode.DONE
                issued.append(pair.load().serial_number)
                # A rekey that begins before the broker has read the last one may cost connections: see below.
                watch.wait_for(issued[-1])
        assert broker.is_running
        assert watch.refused == []
        assert connect(broker, ca) == issued[-1]
        reloads, half = broker.log().count("Reloading config"), broker.log().count(HALF_READ)
    assert len(set(issued)) == 1 + rekeys
    order = [issued.index(serial) for serial in watch.served]
    assert order == sorted(order)
    assert reloads > rekeys
    connections = f"{len(watch.served)} connections, none refused"
    record_property(COUNTED, f"{rekeys} rekeys, {reloads} reloads, {half} of half a pair, {connections}")


class Places:
    """A broker's files that are put there one by one, from three pairs of one broker."""

    def __init__(self, site: Site, folder: Path) -> None:
        made = Plant(output=site.output).broker("here")
        folder.mkdir()
        self.pair = Pair(certificate=folder / "server.pem", private_key=folder / "server.key", trust=folder / "ca.pem")
        shutil.copy(made.trust, self.pair.trust)
        self._contents = []
        self.serials = []
        for _ in range(3):
            self._contents.append((made.certificate.read_bytes(), made.private_key.read_bytes()))
            self.serials.append(made.load().serial_number)
            assert site.apply(NOW, "broker/here").exit_code is ExitCode.DONE

    def put(self, certificate: int | None, private_key: int | None) -> None:
        """Puts the certificate and the key of these pairs there; None is none at all."""
        for path, which, part in ((self.pair.certificate, certificate, 0), (self.pair.private_key, private_key, 1)):
            if which is None:
                path.unlink()
            else:
                path.write_bytes(self._contents[which][part])


@pytest.fixture
def places(site: Site, tmp_path: Path) -> Places:
    made = Places(site, tmp_path / "etc")
    made.put(0, 0)
    return made


@pytest.mark.parametrize(
    ("certificate", "private_key", "goes_on"),
    [(0, 1, True), (0, None, True), (None, 1, True), (1, 0, False), (1, 2, False), (1, None, False)],
)
def test_a_reload_of_half_a_pair_costs_connections_only_where_the_certificate_is_a_new_one(
    places: Places, tmp_path: Path, certificate: int | None, private_key: int | None, goes_on: bool
) -> None:
    """The broker reads the certificate, then the key. It has pair 0 in memory; the next whole pair mends all."""
    trust = places.pair.trust
    with mosquitto(tmp_path / "broker", places.pair) as broker:
        watch = Watch()
        with again_and_again(lambda: watch.add(connect(broker, trust))):
            watch.wait_for(places.serials[0])
            with _connected(broker, trust) as old:
                places.put(certificate, private_key)
                broker.reload()
                _wait_until(lambda: HALF_READ in broker.log())
                found = connect(broker, trust)
                old.sendall(PINGREQ)
                assert old.recv(2) == PINGRESP
            places.put(2, 2)
            broker.reload()
            watch.wait_for(places.serials[2])
        assert broker.is_running
    assert (found == places.serials[0]) is goes_on
    assert goes_on or "handshake failure" in str(found)


@pytest.mark.parametrize(("certificate", "private_key"), [(1, 0), (0, 1), (None, 0), (0, None)])
def test_a_broker_does_not_start_with_half_a_pair(
    places: Places, tmp_path: Path, certificate: int | None, private_key: int | None
) -> None:
    places.put(certificate, private_key)
    with pytest.raises(AssertionError, match="mosquitto ended"), mosquitto(tmp_path / "broker", places.pair):
        pass


def test_who_holds_a_folder_open_keeps_what_it_replaced(site: Site) -> None:
    """As a container does that has this one folder mounted: it is the folder that was there when it was started."""
    pair = Plant(output=site.output).broker("here")
    first = pair.load()
    with _held_open(pair.certificate.parent) as mounted:
        site.apply(NOW, "broker/here/certificate")
        renewed = pair.load()
        assert _certificate_in(mounted) == renewed != first
        site.apply(NOW, "broker/here")
        assert _certificate_in(mounted) == renewed != pair.load()
        assert sorted(path.name for path in mounted.iterdir()) == ["server.key", "server.pem"]
    with _held_open(pair.certificate.parent) as mounted:
        site.apply(NOW, "ca/certificate", "broker/here/certificate")
        assert list(mounted.iterdir()) == []


@contextmanager
def _held_open(folder: Path) -> Iterator[Path]:
    """The folder itself, under a name that stays with it whatever becomes of its own."""
    held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield Path(f"/proc/self/fd/{held}")
    finally:
        os.close(held)


def _certificate_in(folder: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate((folder / "server.pem").read_bytes())


@contextmanager
def _connected(broker: Broker, trust: Path) -> Iterator[ssl.SSLSocket]:
    """A connection on which the broker has accepted a client."""
    context = ssl.create_default_context(cafile=str(trust))
    with (
        socket.create_connection(("127.0.0.1", broker.port), timeout=DEADLINE) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as secure,
    ):
        secure.sendall(CONNECT)
        assert secure.recv(4) == CONNACK
        yield secure


def _wait_until(happened: Callable[[], bool]) -> None:
    end = threading.Event()
    for _ in range(int(DEADLINE / 0.01)):
        if happened():
            return
        end.wait(0.01)
    raise AssertionError("it does not happen")
