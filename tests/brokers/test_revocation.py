"""Mosquitto with the lists as they come: who is locked out, who stays in, and that renewing a list locks nobody out."""

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from tests.brokers.mosquitto import DEADLINE, Broker, mosquitto
from tests.brokers.paho import exchange_message
from tests.crash.sites import Site
from tests.interop.plants import Plant

# Connections are judged by the machine's clock.
NOW = datetime.now(UTC).replace(microsecond=0)

HEAD = """\
version: 1
ca: {common_name: Test CA}
brokers:
  here: {common_name: 127.0.0.1}
clients:
"""
URL = "http://pki.example/ca.crl"
RELOADED = "Reloading config."

BOTH_TLS_VERSIONS = pytest.mark.parametrize(
    "tls_version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=lambda version: version.name
)


class Field:
    """A plant, and one broker that reads its list."""

    def __init__(self, folder: Path, tls_version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> None:
        self.site = Site(folder / "site")
        self.folder = folder
        self.tls_version = tls_version

    @property
    def plant(self) -> Plant:
        return Plant(output=self.site.output)

    def apply(self, clients: str, revoked: str = "", *, more: str = "crl:\n", now: datetime = NOW) -> None:
        lines = "".join(f"  {name}:\n" for name in clients.split())
        self.site.write(HEAD + lines + more + (f"revoked: [{revoked}]\n" if revoked else ""))
        report = self.site.apply(now)
        assert report.exit_code == 0, report.outcomes
        assert self.site.plan(now).pending == ()

    @contextmanager
    def broker(self, crl: str = "brokers/here/crl.pem") -> Iterator[Broker]:
        files = self.plant.broker("here")
        with mosquitto(self.folder / "broker", files, mutual=True, crl=self.site.output / crl) as broker:
            yield broker

    def gets_in(self, broker: Broker, name: str) -> bool:
        """Whether a client connects, and gets its own message back."""
        pair = self.plant.client(name)
        try:
            session = exchange_message(
                name, "127.0.0.1", broker.port, trust=pair.trust, pair=pair, tls_version=self.tls_version
            )
        except (ssl.SSLError, ConnectionResetError):
            return False
        assert session.accepted is bool(session.received), broker.log()
        return session.accepted

    def who_gets_in(self, broker: Broker, *names: str) -> str:
        return " ".join(name for name in names if self.gets_in(broker, name))


def reload(broker: Broker) -> None:
    """Sends SIGHUP, and waits until the broker has come to it. It does one thing after the other."""
    before = broker.log().count(RELOADED)
    broker.reload()
    end = threading.Event()
    for _ in range(int(DEADLINE / 0.01)):
        if broker.log().count(RELOADED) > before:
            return
        end.wait(0.01)
    raise AssertionError(f"it does not reload:\n{broker.log()}")


def gone(name: str) -> str:
    return f"{{name: client/{name}, reason: key-compromise}}"


@BOTH_TLS_VERSIONS
def test_who_is_revoked_is_locked_out_and_the_others_go_on(tmp_path: Path, tls_version: ssl.TLSVersion) -> None:
    field, names = Field(tmp_path, tls_version), ("gw-1", "gw-2", "gw-3")
    field.apply("gw-1 gw-2 gw-3")
    with field.broker() as broker:
        assert field.who_gets_in(broker, *names) == "gw-1 gw-2 gw-3"
        field.apply("gw-2 gw-3", gone("gw-1"))
        # Until it is told, the broker goes by the list that it has read.
        assert field.who_gets_in(broker, "gw-1") == "gw-1"
        reload(broker)
        assert field.who_gets_in(broker, *names) == "gw-2 gw-3"
        field.apply("gw-3", f"{gone('gw-1')}, {gone('gw-2')}")
        reload(broker)
        assert field.who_gets_in(broker, *names) == "gw-3"
        assert broker.is_running


def test_a_device_with_a_new_key_gets_in_with_that_alone(tmp_path: Path) -> None:
    field = Field(tmp_path)
    field.apply("gw-1 gw-2", now=NOW - timedelta(days=30))
    stolen = field.site.copy(tmp_path / "stolen")
    since = f"{NOW - timedelta(days=1):%Y-%m-%d}"
    with field.broker() as broker:
        field.apply("gw-1 gw-2", f"{{name: client/gw-1, reason: key-compromise, since: {since}}}")
        reload(broker)
        assert field.who_gets_in(broker, "gw-1", "gw-2") == "gw-1 gw-2"
        thief = Field(tmp_path)
        thief.site = stolen
        assert thief.who_gets_in(broker, "gw-1", "gw-2") == "gw-2"


def test_a_list_that_is_renewed_in_its_window_locks_nobody_out(tmp_path: Path) -> None:
    field, names = Field(tmp_path), ("gw-1", "gw-2")
    field.apply("gw-1 gw-2", now=NOW - timedelta(days=70))
    field.apply("gw-2", gone("gw-1"), now=NOW - timedelta(days=69))
    with field.broker() as broker:
        assert field.who_gets_in(broker, *names) == "gw-2"
        pending = [str(change.address) for change in field.site.plan(NOW).pending]
        assert pending == ["ca/crl", "broker/here/crl"]
        field.apply("gw-2", gone("gw-1"))
        assert field.who_gets_in(broker, *names) == "gw-2"
        reload(broker)
        assert field.who_gets_in(broker, *names) == "gw-2"


def test_a_list_that_has_ended_locks_everybody_out_until_the_next_apply(tmp_path: Path) -> None:
    """What must never happen, and why a list is planned as a certificate is."""
    field = Field(tmp_path)
    field.apply("gw-1 gw-2", now=NOW - timedelta(days=100))
    with field.broker() as broker:
        assert field.who_gets_in(broker, "gw-1", "gw-2") == ""
        field.apply("gw-1 gw-2")
        reload(broker)
        assert field.who_gets_in(broker, "gw-1", "gw-2") == "gw-1 gw-2"


def end_of_list(field: Field) -> datetime:
    end = x509.load_pem_x509_crl((field.site.output / "brokers/here/crl.pem").read_bytes()).next_update_utc
    assert end is not None
    return end


def test_without_the_authoritys_key_the_plant_runs_until_the_day_that_the_plan_names(tmp_path: Path) -> None:
    """Once an hour before the end of the list that the broker has, and once a minute after it."""
    for ends, names in ((NOW + timedelta(hours=1), "gw-2"), (NOW - timedelta(minutes=1), "")):
        field, signed = Field(tmp_path / names), ends - timedelta(days=90, hours=-1)
        field.apply("gw-1 gw-2", now=signed)
        field.apply("gw-2", gone("gw-1"), now=signed)
        assert end_of_list(field) == ends
        key, kept = field.site.output / "ca/ca.key", tmp_path / f"kept-{names}.key"
        with field.broker() as broker:
            key.rename(kept)
            (blocked,) = field.site.plan(NOW).blocked
            assert (blocked.address, blocked.code) == ("ca/crl", "issuer-key-not-here")
            told = "refuse every client from" if names else "the list ended on"
            assert f"{told} {ends:%Y-%m-%d at %H:%M} UTC" in blocked.message
            for _ in range(2):
                assert field.site.apply(NOW).exit_code == 1
                assert end_of_list(field) == ends
                assert field.who_gets_in(broker, "gw-1", "gw-2") == names
                reload(broker)
            kept.rename(key)
            field.apply("gw-2", gone("gw-1"))
            reload(broker)
            assert field.who_gets_in(broker, "gw-1", "gw-2") == "gw-2"


def test_clients_of_the_older_authority_stay_in_with_its_list(tmp_path: Path) -> None:
    old, field = Field(tmp_path / "old"), Field(tmp_path)
    old.apply("old-1 old-2")
    old.apply("old-1", gone("old-2"))
    ca, crl = old.plant.ca, old.site.output / "ca/ca.crl.pem"
    head = HEAD.replace("{common_name: Test CA}", f"{{common_name: New CA, also_trust: [{{ca: {ca}, crl: {crl}}}]}}")
    field.site.write(f"{head}  gw-1:\ncrl:\n")
    assert field.site.apply(NOW).exit_code == 0
    old_clients = Field(tmp_path)
    old_clients.site = old.site
    trust = field.plant.client("gw-1").trust
    for name in ("old-1", "old-2"):
        (old.site.output / f"clients/{name}/ca.pem").write_bytes(trust.read_bytes())
    with field.broker() as broker:
        assert field.who_gets_in(broker, "gw-1") == "gw-1"
        assert old_clients.who_gets_in(broker, "old-1", "old-2") == "old-1"
    # Without the older authority's list Mosquitto refuses all of its clients.
    with field.broker("ca/ca.crl.pem") as broker:
        assert field.who_gets_in(broker, "gw-1") == "gw-1"
        assert old_clients.who_gets_in(broker, "old-1", "old-2") == ""


def test_an_address_in_certificates_changes_nothing_for_mosquitto_with_its_own_list(tmp_path: Path) -> None:
    """Some certificates name it, others do not yet. With the published list, the latter would be out."""
    field, names = Field(tmp_path), ("gw-1", "gw-2", "gw-3")
    field.apply("gw-1 gw-2 gw-3")
    before = field.site.copy(tmp_path / "before")
    more = f"crl: {{url: '{URL}'}}\n"
    field.apply("gw-2 gw-3", gone("gw-1"), more=more)
    (before.output / "clients/gw-2/client.pem").replace(field.site.output / "clients/gw-2/client.pem")
    with field.broker() as broker:
        assert field.who_gets_in(broker, *names) == "gw-2 gw-3"
    with field.broker("ca/published.crl.pem") as broker:
        assert field.who_gets_in(broker, *names) == "gw-3"
