"""The raw socket of an upgrade request: once the application uses it, the connection is the application's."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterable

import pytest
from flask import Flask
from flask_sock import Sock
from simple_websocket import Server

from tests.certificates import NEEDS_OPENSSL, Certificate
from tests.engine.apps import Environ, Start, hello
from tests.engine.engine_server import DEADLINE, Client, EngineServer, Serve, request
from tests.engine.tls_clients import connect as tls_client

SWITCHING = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n"
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
MESSAGES = 500
UPGRADE = ("Connection: Upgrade", "Upgrade: websocket")


def upgraded(server: EngineServer, path: str = "/") -> Client:
    """A client whose handshake was answered."""
    client = server.connect()
    client.send(request(path, *UPGRADE))
    assert client.head().status == 101
    return client


def returns(environ: Environ, start_response: Start) -> Iterable[bytes]:
    return hello(environ, start_response)


def generates(environ: Environ, start_response: Start) -> Iterable[bytes]:
    start_response("200 OK", [])
    yield b"generated"


def writes(environ: Environ, start_response: Start) -> Iterable[bytes]:
    start_response("200 OK", [])(b"written")
    return []


def stops(environ: Environ, start_response: Start) -> Iterable[bytes]:
    raise StopIteration


def fails(environ: Environ, start_response: Start) -> Iterable[bytes]:
    raise RuntimeError("asked to fail")


@pytest.mark.parametrize("ending", [returns, generates, writes, stops, fails])
@pytest.mark.parametrize("closes", [False, True])
def test_nothing_follows_a_conversation(serve: Serve, ending: Callable[..., Iterable[bytes]], closes: bool) -> None:
    """Whatever the call ends with, and whether or not the library has closed its socket: the connection ends."""

    def app(environ: Environ, start_response: Start) -> Iterable[bytes]:
        sock = environ["werkzeug.socket"]
        sock.sendall(SWITCHING)
        sock.sendall(sock.recv(100))
        if closes:
            sock.close()
        return ending(environ, start_response)

    server = serve(app, settings={"threads": 2})
    for _ in range(5):  # more than there are threads
        client = upgraded(server)
        client.send(b"frame")
        assert client.rest() == b"frame"
        client.close()
    server.wait_idle()
    server.expected_exceptions = 5 if ending is fails else 0


def test_an_upgrade_that_is_not_taken(serve: Serve) -> None:
    """An ordinary answer, on a connection that goes on."""
    client = serve(hello).connect()
    for _ in range(2):
        assert client.get("/plain", *UPGRADE).body == b"/plain"


@pytest.mark.parametrize("end", ["client", "engine"])
def test_a_thread_of_the_library_hears_of_the_end(serve: Serve, end: str) -> None:
    """It reads in a thread of its own, as simple-websocket does, also after the call: it always comes to an end."""
    threads: list[threading.Thread] = []
    reading = threading.Semaphore(0)

    def read(sock: socket.socket) -> None:
        reading.release()
        try:
            while sock.recv(100):
                pass
        except OSError:
            pass
        sock.close()

    def app(environ: Environ, start_response: Start) -> Iterable[bytes]:
        sock = environ["gunicorn.socket"]
        threads.append(threading.Thread(target=read, args=[sock], daemon=True))
        threads[0].start()
        sock.sendall(SWITCHING)
        assert reading.acquire(timeout=DEADLINE)
        if end == "client":
            threads[0].join(DEADLINE)
        raise StopIteration

    server = serve(app, fin_timeout=0.1)
    client = upgraded(server)
    if end == "client":
        client.close()
    threads[0].join(DEADLINE)
    assert not threads[0].is_alive()
    server.wait_idle()


@NEEDS_OPENSSL
def test_flask_sock_over_tls(serve_tls: Serve, certificate: Certificate) -> None:
    """wss, where the library reads and sends in two threads at once: no record is broken, and each ends well."""
    app = Flask(__name__)

    @Sock(app).route("/")  # type: ignore[untyped-decorator]
    def many(ws: Server) -> None:
        for _ in range(MESSAGES):
            ws.send(ws.receive())

    server = serve_tls(app, settings={"threads": 2})
    for _ in range(3):
        client = tls_client(server, certificate)
        client.send(request("/", *UPGRADE, "Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {KEY}"))
        assert client.head().status == 101
        for number in range(MESSAGES):
            client.send(b"\x81\x84\0\0\0\0%04d" % number)  # masked with zeros
        expected = b"".join(b"\x81\x04%04d" % number for number in range(MESSAGES))
        assert client.rest() == expected + b"\x88\x02\x03\xe8"
        client.close()
    server.wait_idle()


def test_other_clients_keep_their_descriptors(serve: Serve) -> None:
    """A library that closes its socket twice, late, or from another thread closes no other one."""
    kept: list[socket.socket] = []

    def app(environ: Environ, start_response: Start) -> Iterable[bytes]:
        if environ["PATH_INFO"] != "/ws":
            return hello(environ, start_response)
        sock = environ["gunicorn.socket"]
        sock.sendall(SWITCHING)
        kept.append(sock)
        raise StopIteration

    server = serve(app)
    first = upgraded(server, "/ws")
    assert first.closed()
    first.close()
    server.wait_idle()
    others = [server.connect() for _ in range(5)]
    for other in others:
        assert other.get("/a").body == b"/a"
    kept[0].close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        kept[0].recv(1)
    with pytest.raises(OSError, match="Bad file descriptor"):
        kept[0].sendall(b"x")
    for other in others:
        assert other.get("/b").body == b"/b"


@pytest.mark.parametrize("body", [b"", b"12345"])
def test_a_conversation_holds_no_leader(serve: Serve, body: bytes) -> None:
    """It may last for hours: another thread has it, also where the request has a body, which the loop collects."""
    threads: list[int] = []

    def app(environ: Environ, start_response: Start) -> Iterable[bytes]:
        threads.extend((threading.get_ident(), server.engine.debug_view().leader))
        assert environ["wsgi.input"].read() == body
        return hello(environ, start_response)

    server = serve(app)
    client = server.connect()
    client.send(request("/", *UPGRADE, f"Content-Length: {len(body)}", method="POST") + body)
    assert client.head().status == 200
    here, leader = threads
    assert here != leader
