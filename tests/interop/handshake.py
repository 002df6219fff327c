"""A TLS handshake in memory between two contexts of Python's `ssl`, as paho-mqtt uses it."""

import ssl
from pathlib import Path

from tests.interop.plants import Pair


def client_context(
    trust: Path, *, strict: bool, pair: Pair | None = None, password: str | None = None
) -> ssl.SSLContext:
    """What a client makes of its folder. Strict is the default from Python 3.13 on."""
    context = ssl.create_default_context(cafile=trust)
    if strict:
        context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_STRICT
    else:
        context.verify_flags &= ~ssl.VerifyFlags.VERIFY_X509_STRICT
    if pair is not None:
        context.load_cert_chain(pair.certificate, pair.private_key, password=password)
    return context


def server_context(pair: Pair, *, strict: bool, mutual: bool = False) -> ssl.SSLContext:
    """What a broker makes of its folder."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=pair.trust if mutual else None)
    if strict:
        context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_STRICT
    context.load_cert_chain(pair.certificate, pair.private_key)
    if mutual:
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def shake_hands(server: ssl.SSLContext, client: ssl.SSLContext, host: str) -> ssl.SSLObject:
    """Connects the two and sends a word each way: with TLS 1.3 only that proves that both sides agreed.

    Args:
        host: the name or address that the client dials.

    Returns:
        the server's end.

    Raises:
        ssl.SSLError: one of them refused.
    """
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    server_end = server.wrap_bio(to_server, to_client, server_side=True)
    client_end = client.wrap_bio(to_client, to_server, server_hostname=host)
    waiting = [client_end, server_end]
    while waiting:
        before = (to_server.pending, to_client.pending, len(waiting))
        for end in tuple(waiting):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
            waiting.remove(end)
        assert (to_server.pending, to_client.pending, len(waiting)) != before, "the handshake does not move on"
    client_end.write(b"ping")
    assert server_end.read() == b"ping"
    server_end.write(b"pong")
    assert client_end.read() == b"pong"
    return server_end
