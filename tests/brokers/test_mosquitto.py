"""Mosquitto with the files as they come: who gets in, under which name, and who does not."""

import ssl
from collections.abc import Iterator
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from edgecerts.pki.key_types import KeyType
from tests.brokers.mosquitto import Broker, can_listen_on, mosquitto
from tests.brokers.paho import exchange_message
from tests.interop.plants import ALL_TYPES, Pair, Plant, make_plant
from tests.interop.programs import run_program

PASSWORD = "correct horse battery"

BOTH_TLS_VERSIONS = pytest.mark.parametrize(
    "tls_version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=lambda version: version.name
)


def _manifest(ca_type: KeyType = KeyType.EC_P256, broker_type: KeyType = KeyType.EC_P256) -> str:
    return f"""\
version: 1
ca: {{common_name: Plant CA, key_type: {ca_type}}}
brokers:
  here: {{common_name: 127.0.0.1, alt_names: [localhost, "::1"], key_type: {broker_type}}}
  elsewhere: {{common_name: 10.3.0.11, alt_names: [broker.plant-a.example]}}
clients:
  line-4-gateway: {{common_name: Linie 4 Süd}}
  locked: {{password: {{env: KEY}}}}
  rsa: {{key_type: rsa-2048}}
  ed25519: {{key_type: ed25519}}
"""


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Plant:
    """The plant to which the brokers and most clients belong."""
    return make_plant(tmp_path_factory.mktemp("plant"), _manifest(), KEY=PASSWORD)


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    """A client of another plant, whose authority has the same name."""
    other = make_plant(tmp_path_factory.mktemp("other"), _manifest(), KEY=PASSWORD)
    return other.client("line-4-gateway")


@pytest.fixture(scope="module")
def open_broker(plant: Plant, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """It shows its certificate and asks for none."""
    with mosquitto(tmp_path_factory.mktemp("open"), plant.broker("here")) as broker:
        yield broker


@pytest.fixture(scope="module")
def strict_broker(plant: Plant, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """It demands a client certificate and takes its common name as the user name."""
    with mosquitto(tmp_path_factory.mktemp("strict"), plant.broker("here"), mutual=True) as broker:
        yield broker


def options(client_id: str, host: str, broker: Broker, trust: Path, pair: Pair | None) -> list[str | Path]:
    """What mosquitto_pub and mosquitto_sub take."""
    shown: list[str | Path] = ["--cert", pair.certificate, "--key", pair.private_key] if pair else []
    topic = f"retained/{client_id}"
    return ["-i", client_id, "-h", host, "-p", str(broker.port), "--cafile", trust, *shown, "-t", topic, "-q", "1"]


def publish(
    client_id: str, host: str, broker: Broker, *, trust: Path, pair: Pair | None = None, version: str = "tlsv1.3"
) -> CompletedProcess[str]:
    """Leaves a message at the broker; ends well only where the broker confirmed it."""
    arguments = options(client_id, host, broker, trust, pair)
    return run_program("mosquitto_pub", *arguments, "--tls-version", version, "-m", f"from {client_id}", "-r")


def fetch(client_id: str, host: str, broker: Broker, *, trust: Path, pair: Pair | None = None) -> str:
    """The message that was left there by the same client."""
    return run_program("mosquitto_sub", *options(client_id, host, broker, trust, pair), "-C", "1", "-W", "20").stdout


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_message_arrives_by_address_and_by_name(open_broker: Broker, plant: Plant, host: str) -> None:
    trust, name = plant.client("rsa").trust, f"open-{host}"
    sent = publish(name, host, open_broker, trust=trust)
    assert sent.returncode == 0, sent.stderr + open_broker.log()
    assert fetch(name, host, open_broker, trust=trust) == f"from {name}\n"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_message_arrives_with_paho_by_address_and_by_name(open_broker: Broker, plant: Plant, host: str) -> None:
    session = exchange_message(f"paho-open-{host}", host, open_broker.port, trust=plant.client("rsa").trust)
    assert session.received == [b"hello"], open_broker.log()
    assert open_broker.user_of(f"paho-open-{host}") == ""


def test_a_message_arrives_over_ipv6(plant: Plant, tmp_path: Path) -> None:
    if not can_listen_on("::1"):
        pytest.skip("this machine has no IPv6 loopback address")
    with mosquitto(tmp_path, plant.broker("here"), address="::1", mutual=True) as broker:
        pair = plant.client("line-4-gateway")
        session = exchange_message("paho-ipv6", "::1", broker.port, trust=pair.trust, pair=pair)
        assert session.received == [b"hello"], broker.log()
        sent = publish("ipv6", "::1", broker, trust=pair.trust, pair=pair)
        assert sent.returncode == 0, sent.stderr + broker.log()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_client_certificate_gives_the_user_name(strict_broker: Broker, plant: Plant, host: str) -> None:
    pair, name = plant.client("line-4-gateway"), f"mutual-{host}"
    sent = publish(name, host, strict_broker, trust=pair.trust, pair=pair)
    assert sent.returncode == 0, sent.stderr + strict_broker.log()
    assert fetch(name, host, strict_broker, trust=pair.trust, pair=pair) == f"from {name}\n"
    assert strict_broker.user_of(name) == "Linie 4 Süd"


@BOTH_TLS_VERSIONS
@pytest.mark.parametrize(
    ("client", "user"), [("line-4-gateway", "Linie 4 Süd"), ("rsa", "rsa"), ("ed25519", "ed25519")]
)
def test_a_client_certificate_gives_the_user_name_with_paho(
    strict_broker: Broker, plant: Plant, client: str, user: str, tls_version: ssl.TLSVersion
) -> None:
    pair, name = plant.client(client), f"paho-{client}-{tls_version.name}"
    session = exchange_message(
        name, "127.0.0.1", strict_broker.port, trust=pair.trust, pair=pair, tls_version=tls_version
    )
    assert session.accepted
    assert session.received == [b"hello"]
    assert strict_broker.user_of(name) == user


def test_paho_opens_an_encrypted_client_key(strict_broker: Broker, plant: Plant) -> None:
    pair = plant.client("locked")
    session = exchange_message(
        "paho-locked", "127.0.0.1", strict_broker.port, trust=pair.trust, pair=pair, password=PASSWORD
    )
    assert session.received == [b"hello"]
    assert strict_broker.user_of("paho-locked") == "locked"


@BOTH_TLS_VERSIONS
@pytest.mark.parametrize("who", ["nobody", "a stranger", "a broker"])
def test_who_shows_no_client_certificate_of_this_plant_gets_no_connack(
    strict_broker: Broker, plant: Plant, stranger: Pair, who: str, tls_version: ssl.TLSVersion
) -> None:
    shown = {"nobody": None, "a stranger": stranger, "a broker": plant.broker("elsewhere")}[who]
    name = f"refused-{who.replace(' ', '-')}-{tls_version.name}"
    try:
        session = exchange_message(
            name, "127.0.0.1", strict_broker.port, trust=plant.ca, pair=shown, tls_version=tls_version
        )
    except (ssl.SSLError, ConnectionError) as refusal:
        # The client's own judgement of the broker must not be what ended it.
        assert not isinstance(refusal, ssl.SSLCertVerificationError)
    else:
        assert not session.accepted
        assert session.received == []
    assert strict_broker.user_of(name) is None


@pytest.mark.parametrize("version", ["tlsv1.2", "tlsv1.3"])
@pytest.mark.parametrize("who", ["nobody", "a stranger", "a broker"])
def test_mosquitto_pub_fails_without_a_client_certificate_of_this_plant(
    strict_broker: Broker, plant: Plant, stranger: Pair, who: str, version: str
) -> None:
    shown = {"nobody": None, "a stranger": stranger, "a broker": plant.broker("elsewhere")}[who]
    name = f"refused-pub-{who.replace(' ', '-')}-{version}"
    sent = publish(name, "127.0.0.1", strict_broker, trust=plant.ca, pair=shown, version=version)
    assert sent.returncode != 0
    assert strict_broker.user_of(name) is None


def test_a_broker_under_a_name_that_it_does_not_have_is_refused(plant: Plant, tmp_path: Path) -> None:
    trust = plant.client("rsa").trust
    with mosquitto(tmp_path, plant.broker("elsewhere")) as broker:
        for host, why in (("127.0.0.1", "IP address mismatch"), ("localhost", "Hostname mismatch")):
            with pytest.raises(ssl.SSLCertVerificationError, match=why):
                exchange_message("paho-wrong-name", host, broker.port, trust=trust)
            sent = publish("wrong-name", host, broker, trust=trust)
            assert sent.returncode != 0
        assert broker.user_of("paho-wrong-name") is broker.user_of("wrong-name") is None


def test_a_broker_of_another_authority_of_the_same_name_is_refused(open_broker: Broker, stranger: Pair) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match=r"self-signed certificate|local issuer"):
        exchange_message("paho-wrong-authority", "127.0.0.1", open_broker.port, trust=stranger.trust)
    assert publish("wrong-authority", "127.0.0.1", open_broker, trust=stranger.trust).returncode != 0
    assert open_broker.user_of("wrong-authority") is None


@pytest.mark.parametrize("key_type", ALL_TYPES)
def test_a_broker_runs_with_keys_of_every_type(tmp_path: Path, key_type: KeyType) -> None:
    plant = make_plant(tmp_path, _manifest(ca_type=key_type, broker_type=key_type), KEY=PASSWORD)
    with mosquitto(tmp_path / "broker", plant.broker("here"), mutual=True) as broker:
        pair = plant.client("rsa" if key_type.value.startswith("rsa") else "line-4-gateway")
        session = exchange_message("paho", "localhost", broker.port, trust=pair.trust, pair=pair)
        assert session.received == [b"hello"], broker.log()
        sent = publish("mosquitto", "127.0.0.1", broker, trust=pair.trust, pair=pair)
        assert sent.returncode == 0, sent.stderr + broker.log()
