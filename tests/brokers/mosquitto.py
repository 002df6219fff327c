"""A Mosquitto broker on a free port of this machine, for as long as a `with` block lasts."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.interop.plants import Pair
from tests.interop.programs import find_program

DEADLINE = 20.0
"""Seconds after which something that takes milliseconds will not happen any more."""

_CONNECTED = re.compile(r"New client connected from \S+ as (\S+) \((.*)\)\.")


@dataclass(frozen=True)
class Broker:
    """A broker that accepts connections."""

    port: int
    log_file: Path
    process: subprocess.Popen[bytes]

    def reload(self) -> None:
        """Asks it to read its files again. It does so when it comes to it."""
        self.process.send_signal(signal.SIGHUP)

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self.process.poll() is None

    def log(self) -> str:
        """What it has written so far."""
        return self.log_file.read_text(encoding="utf-8", errors="replace")

    def user_of(self, client_id: str) -> str | None:
        """The user name under which a client connected; empty where it has none.

        Returns:
            None where the broker accepted no connection of this client.
        """
        for name, details in _CONNECTED.findall(self.log()):
            if name == client_id:
                user = re.search(r"u'(.*)'", details)
                return user[1] if user else ""
        return None


class _PortTakenError(Exception):
    pass


@contextlib.contextmanager
def mosquitto(
    folder: Path, files: Pair, *, address: str = "127.0.0.1", mutual: bool = False, crl: Path | None = None
) -> Iterator[Broker]:
    """Starts a broker with a folder that edgecerts made, waits until it listens, and ends it afterwards.

    Args:
        folder: a new folder for its configuration and log.
        files: the broker's certificate, key and trust.
        address: where it listens.
        mutual: it demands a client certificate and takes the common name as the user name.
        crl: its file of revocation lists, or None.
    """
    program = find_program("mosquitto")
    # Between choosing a free port and listening on it somebody else may take it.
    for attempt in range(5):
        port = _free_port(address)
        configuration = folder / f"mosquitto-{attempt}.conf"
        configuration.parent.mkdir(parents=True, exist_ok=True)
        configuration.write_text(_configuration(files, address, port, mutual=mutual, crl=crl), encoding="utf-8")
        log_file = folder / f"mosquitto-{attempt}.log"
        with log_file.open("wb") as log:
            process = subprocess.Popen(
                [program, "-c", str(configuration)], stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
            )
        broker = Broker(port=port, log_file=log_file, process=process)
        try:
            _wait_until_it_listens(process, broker, address)
        except _PortTakenError:
            continue
        except BaseException:
            _end(process)
            raise
        try:
            yield broker
        finally:
            _end(process)
        return
    raise AssertionError("no port stays free for long enough")


def can_listen_on(address: str) -> bool:
    """Whether this machine has the address."""
    try:
        _free_port(address)
    except OSError:
        return False
    return True


def _configuration(files: Pair, address: str, port: int, *, mutual: bool, crl: Path | None) -> str:
    lines = [
        # Started as root it would become another user, who may not read the key.
        *(["user root"] if os.geteuid() == 0 else []),
        "log_dest stderr",
        "log_type all",
        f"listener {port} {address}",
        f"cafile {files.trust}",
        f"certfile {files.certificate}",
        f"keyfile {files.private_key}",
    ]
    lines += [f"crlfile {crl}"] if crl is not None else []
    if mutual:
        return "\n".join([*lines, "require_certificate true", "use_identity_as_username true", ""])
    return "\n".join([*lines, "allow_anonymous true", ""])


def _family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def _free_port(address: str) -> int:
    with socket.socket(_family(address)) as probe:
        probe.bind((address, 0))
        return int(probe.getsockname()[1])


def _wait_until_it_listens(process: subprocess.Popen[bytes], broker: Broker, address: str) -> None:
    end = time.monotonic() + DEADLINE
    while time.monotonic() < end:
        if process.poll() is not None:
            if "Address already in use" in broker.log():
                raise _PortTakenError
            raise AssertionError(f"mosquitto ended with {process.returncode}:\n{broker.log()}")
        # Only its own word counts: on a port that was just taken somebody else would answer.
        if re.search(r"mosquitto version \S+ running", broker.log()):
            with socket.socket(_family(address)) as probe:
                probe.settimeout(DEADLINE)
                probe.connect((address, broker.port))
            return
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=0.01)
    raise AssertionError(f"mosquitto does not listen after {DEADLINE:.0f} seconds:\n{broker.log()}")


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(timeout=DEADLINE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
