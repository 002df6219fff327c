"""One connection of paho-mqtt, driven step by step, so that its end is certain: CONNACK or none."""

import ssl
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from tests.brokers.mosquitto import DEADLINE
from tests.interop.plants import Pair


class _TidySocket(ssl.SSLSocket):
    """paho-mqtt leaves its socket open where the handshake fails."""

    def do_handshake(self, block: bool = False) -> None:
        try:
            super().do_handshake(block)
        except OSError:
            self.close()
            raise


@dataclass
class Session:
    """What happened on a connection.

    Attributes:
        accepted: the broker sent a CONNACK that says yes. A TLS handshake alone means nothing: with TLS 1.3 the
            client's is over before the broker has looked at the client's certificate.
        received: the messages that arrived.
    """

    accepted: bool = False
    received: list[bytes] = field(default_factory=list)


def exchange_message(
    client_id: str,
    host: str,
    port: int,
    *,
    trust: Path,
    pair: Pair | None = None,
    password: str | None = None,
    tls_version: ssl.TLSVersion | None = None,
) -> Session:
    """Connects, subscribes, publishes a message and waits until it comes back, or until the broker hangs up.

    Raises:
        ssl.SSLError: one of the two refused the other during the handshake.
    """
    session = Session()
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=client_id, reconnect_on_failure=False)
    topic = f"test/{client_id}"

    def on_connect(_client: mqtt.Client, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        session.accepted = not reason.is_failure
        client.subscribe(topic, qos=1)

    def on_subscribe(*_: Any) -> None:
        client.publish(topic, b"hello", qos=1)

    def on_message(_client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        session.received.append(bytes(message.payload))

    client.on_connect = on_connect
    client.on_subscribe = on_subscribe
    client.on_message = on_message
    client.tls_set(
        ca_certs=str(trust),
        certfile=str(pair.certificate) if pair else None,
        keyfile=str(pair.private_key) if pair else None,
        keyfile_password=password,
    )
    context = client._ssl_context
    assert context is not None
    context.sslsocket_class = _TidySocket
    if tls_version is not None:
        context.minimum_version = context.maximum_version = tls_version
    end = time.monotonic() + DEADLINE
    try:
        client.connect(host, port)
        while not session.received:
            if client.loop(timeout=0.1) != mqtt.MQTT_ERR_SUCCESS:
                break
            assert time.monotonic() < end, "neither a message nor an end"
    finally:
        client.disconnect()
        client.loop(timeout=0.1)
    return session
