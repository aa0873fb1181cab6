"""Clients that speak TLS."""

from __future__ import annotations

import socket
import ssl

import pytest

from tests.certificates import Certificate
from tests.engine.engine_server import DEADLINE, Client, EngineServer


def connect(
    server: EngineServer, certificate: Certificate, context: ssl.SSLContext | None = None, *, ragged: bool = True
) -> Client:
    """A client behind a handshake; with `ragged` false an end without close_notify is an ssl.SSLEOFError."""
    plain = socket.create_connection(server.address, DEADLINE)
    try:
        client = shake_hands(plain, certificate, context, ragged=ragged)
    except BaseException:
        plain.close()
        raise
    server._clients.append(client)
    return client


def shake_hands(
    plain: socket.socket, certificate: Certificate, context: ssl.SSLContext | None = None, *, ragged: bool = True
) -> Client:
    """The client that takes over the connected socket `plain`, behind a handshake."""
    context = context or certificate.client()
    return Client(context.wrap_socket(plain, server_hostname="localhost", suppress_ragged_eofs=ragged))


def tls_of(client: Client) -> ssl.SSLSocket:
    """Its socket."""
    assert isinstance(client.sock, ssl.SSLSocket)
    return client.sock


def hello_of(certificate: Certificate) -> bytes:
    """The first bytes of a client."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = certificate.client().wrap_bio(incoming, outgoing, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()
