"""HTTPS: the same engine, and clients that are slow, rude, or no TLS clients at all."""

from __future__ import annotations

import gc
import hashlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from tests.certificates import NEEDS_OPENSSL, Certificate
from tests.engine.apps import Environ, Gate, Seen, Start, echo, hello, streaming
from tests.engine.engine_server import DEADLINE, Serve, request
from tests.engine.test_rough_applications import Last, close_number, next_to_be_used
from tests.engine.tls_clients import connect, hello_of, shake_hands, tls_of
from tests.eventually import eventually

pytestmark = NEEDS_OPENSSL


def test_requests_are_answered(serve_tls: Serve, certificate: Certificate) -> None:
    """Several on a connection, and the application is told that it is https."""
    seen = Seen()
    server = serve_tls(seen)
    client = connect(server, certificate)
    for path in ("/1", "/2", "/3"):
        assert client.get(path).body == path.encode()
    environ = seen.environs[0]
    assert (environ["wsgi.url_scheme"], environ["REMOTE_ADDR"]) == ("https", "127.0.0.1")
    # As gunicorn: the socket itself, with which an application learns the rest.
    assert isinstance(environ["gunicorn.socket"], ssl.SSLSocket)
    assert environ["gunicorn.socket"].version() == tls_of(client).version()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_versions(serve_tls: Serve, certificate: Certificate, version: ssl.TLSVersion) -> None:
    """TLS 1.2 and 1.3, uploads and answers of some size included."""
    context = certificate.client()
    context.minimum_version = context.maximum_version = version
    client = connect(serve_tls(echo), certificate, context)
    body = bytes(range(256)) * 4000
    for size in (0, 1, 16384, 16385, len(body)):
        client.send(request("/", f"Content-Length: {size}", method="POST", body=body[:size]))
        assert client.read().body == body[:size]


def test_a_rest_of_a_record_raises_no_event(serve_tls: Serve, certificate: Certificate) -> None:
    """Requests and bodies that come in one record are all answered, however little is asked of the socket."""
    server = serve_tls(echo)
    client = connect(server, certificate)
    batch = b"".join(
        request("/", f"Content-Length: {size}", method="POST", body=b"x" * size) for size in (10, 3000, 1, 9000, 100)
    )
    client.send(batch[:16384])
    assert [len(client.read().body) for _ in range(5)] == [10, 3000, 1, 9000, 100]
    expected = request("/", "Expect: 100-continue", "Content-Length: 5000", method="POST", body=b"y" * 5000)
    client.send(expected + request("/next"))
    assert client.read().body == b"y" * 5000
    assert client.read().body == b""


@pytest.mark.parametrize("body_buffer", [1000, 1 << 23])
def test_large_uploads(serve_tls: Serve, certificate: Certificate, body_buffer: int) -> None:
    """Collected by the loop or read by the application's thread, with a length and in chunks."""

    def app(environ: Environ, start_response: Start) -> Iterable[bytes]:
        digest = hashlib.sha256()
        while piece := environ["wsgi.input"].read(50_000):
            digest.update(piece)
        start_response("200 OK", [])
        return [digest.hexdigest().encode()]

    body = bytes(range(251)) * 20_000
    expected = hashlib.sha256(body).hexdigest().encode()
    client = connect(serve_tls(app, body_buffer=body_buffer), certificate)
    client.send(request("/", f"Content-Length: {len(body)}", method="POST", body=body))
    assert client.read().body == expected
    client.send(request("/", "Transfer-Encoding: chunked", method="POST"))
    for at in range(0, len(body), 70_001):
        piece = body[at : at + 70_001]
        client.send(b"%x\r\n%b\r\n" % (len(piece), piece))
    client.send(b"0\r\n\r\n")
    assert client.read().body == expected


@pytest.mark.parametrize("size", [1, 16384, 65536, 65537, 5_000_000])
def test_large_answers_to_slow_clients(serve_tls: Serve, certificate: Certificate, size: int) -> None:
    """The loop writes what the client did not take, and others are answered meanwhile."""

    def app(environ: Environ, start_response: Start) -> Iterable[bytes]:
        start_response("200 OK", [])
        return [bytes(size) if environ["PATH_INFO"] == "/large" else b"small"]

    server = serve_tls(app)
    client, other = connect(server, certificate), connect(server, certificate)
    client.send(request("/large"))
    assert other.get().body == b"small"
    assert client.read().body == bytes(size)
    assert client.get().body == b"small"


def test_streams(serve_tls: Serve, certificate: Certificate) -> None:
    """In chunks, each when it is made; and more than a client takes at once."""
    gate = Gate()

    def app(environ: Environ, start_response: Start) -> Iterable[bytes]:
        start_response("200 OK", [])
        yield b"first"
        gate(environ, lambda *arguments: lambda data: None)
        yield bytes(3_000_000)

    client = connect(serve_tls(app), certificate)
    client.send(request("/wait"))
    client.head()
    assert client.chunk() == b"first"
    gate.open()
    assert client.chunk() == bytes(3_000_000)
    assert client.chunk() == b""


def test_files_are_not_sent_by_sendfile(serve_tls: Serve, certificate: Certificate, tmp_path: Path) -> None:
    """That would send them unencrypted."""
    path = tmp_path / "file"
    path.write_bytes(b"secret" * 50_000)

    def app(environ: Environ, start_response: Start) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Length", "300000")])
        return environ["wsgi.file_wrapper"](path.open("rb"))  # type: ignore[no-any-return]

    client = connect(serve_tls(app), certificate)
    assert client.get().body == b"secret" * 50_000
    assert client.get().body == b"secret" * 50_000


def test_a_handshake_that_does_not_end(serve_tls: Serve, certificate: Certificate) -> None:
    """Fifty of them, at each stage, hold up no other client, and are closed when the head's time is over."""
    server = serve_tls(hello, head_timeout=0.5)
    begun = hello_of(certificate)
    stuck = [server.connect() for _ in range(50)]
    for number, client in enumerate(stuck):
        client.send(begun[: number * 10])
    for _ in range(5):
        assert connect(server, certificate).get().status == 200
    for client in stuck:
        client.rest()  # nothing, or as much of the server's side as there is


def test_a_handshake_byte_by_byte(serve_tls: Serve, certificate: Certificate) -> None:
    """Whatever the network does with it, and the first request in the same bytes as its end."""
    server = serve_tls(hello)
    plain = server.connect()
    plain.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = certificate.client().wrap_bio(incoming, outgoing, server_hostname="localhost")

    def pump(step: Callable[[], Any]) -> Any:
        while True:
            try:
                return step()
            except ssl.SSLWantReadError:
                for byte in outgoing.read():
                    plain.send(bytes([byte]))
                incoming.write(plain.sock.recv(65536))

    pump(client.do_handshake)
    client.write(request("/x"))
    plain.send(outgoing.read())
    assert pump(lambda: client.read(1000)).endswith(b"\r\n\r\n/x")


@pytest.mark.parametrize("method", ["GET", "POST", "CONNECT"])
def test_plain_http_is_told_so(serve_tls: Serve, method: str) -> None:
    """A 400 in plain text, and not a word above debug in the log."""
    server = serve_tls(hello)
    client = server.connect()
    client.send(request("/", method=method))
    answer = client.read()
    assert (answer.status, b"HTTPS" in answer.body) == (400, True)
    assert client.closed()
    assert not server.log.said("warning")


def test_noise_is_closed(serve_tls: Serve, certificate: Certificate) -> None:
    """Other bytes, and clients that go away in the middle: nothing in the log, and other clients are served."""
    server = serve_tls(hello)
    for data in (b"\0" * 100, b"SSH-2.0-x\r\n", hello_of(certificate)[:40] + b"x" * 400):
        client = server.connect()
        client.send(data)
        client.half_close()
        client.rest()
        client.close()
    for reset in (True, False):
        client = server.connect()
        client.send(hello_of(certificate))
        client.reset() if reset else client.close()
    assert connect(server, certificate).get().status == 200
    assert not server.log.said("warning")
    assert not server.log.said("error")


def test_an_idle_connection_ends_with_close_notify(serve_tls: Serve, certificate: Certificate) -> None:
    """After keepalive; an end without one could be any attacker's."""
    client = connect(serve_tls(hello, keepalive=0.1), certificate, ragged=False)
    client.get()
    assert client.closed()


def test_connection_close_ends_with_close_notify(serve_tls: Serve, certificate: Certificate) -> None:
    """And what the client still sends does not turn it into a reset."""
    server = serve_tls(streaming(b"x" * 200_000))
    client = connect(server, certificate, ragged=False)
    client.send(request("/", "Connection: close"))
    client.send(b"more" * 5000)
    answer = client.read()
    assert (answer.headers["connection"], len(answer.body)) == ("close", 200_000)
    assert client.closed()
    client.close()
    server.wait_idle()


def test_a_client_that_closes_its_side_is_answered(serve_tls: Serve, certificate: Certificate) -> None:
    """close_notify right behind the request."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = certificate.client().wrap_bio(incoming, outgoing, server_hostname="localhost")
    server = serve_tls(hello)
    plain = server.connect()
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    plain.send(outgoing.read())
    while True:
        incoming.write(plain.sock.recv(65536))
        try:
            tls.do_handshake()
            break
        except ssl.SSLWantReadError:
            pass
    tls.write(request("/last"))
    with pytest.raises(ssl.SSLWantReadError):
        tls.unwrap()
    plain.send(outgoing.read())
    incoming.write(plain.rest())
    assert tls.read(1000).endswith(b"/last")


def test_timeouts_are_those_of_plain_connections(serve_tls: Serve, certificate: Certificate) -> None:
    """408 for half a head and for half a body."""
    server = serve_tls(echo, head_timeout=0.3, body_timeout=0.2)
    half_head = connect(server, certificate)
    half_head.send(request()[:10])
    half_body = connect(server, certificate)
    half_body.send(request("/", "Content-Length: 10", method="POST", body=b"12345"))
    assert half_head.read().status == 408
    assert half_body.read().status == 408


def test_a_raw_socket_for_websockets(serve_tls: Serve, certificate: Certificate) -> None:
    """An application that upgrades gets a blocking SSLSocket."""

    def app(environ: Environ, start_response: Start) -> Iterable[bytes]:
        sock = environ["gunicorn.socket"]
        sock.send(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n")
        while data := sock.recv(100):
            sock.send(data.upper())
        raise StopIteration

    server = serve_tls(app)
    client = connect(server, certificate)
    client.send(request("/", "Connection: Upgrade", "Upgrade: websocket"))
    assert client.head().status == 101
    for word in (b"one", b"two"):
        client.send(word)
        assert client.exactly(3) == word.upper()
    client.half_close()


def test_under_load(serve_tls: Serve, certificate: Certificate) -> None:
    """Eight clients on kept and on new connections at once: every answer is the right one."""
    server = serve_tls(echo)
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for turn in range(5):
                client = connect(server, certificate)
                for size in (1, 20_000 * turn, 7):
                    body = bytes([number]) * size
                    client.send(request("/", f"Content-Length: {size}", method="POST", body=body))
                    assert client.read().body == body
        except BaseException as error:  # noqa: BLE001  shown by the test's own thread
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE * 2)
    assert not failures


@pytest.mark.parametrize("when", ["behind its answer", "later"])
def test_a_number_that_an_application_has_closed(serve_tls: Serve, certificate: Certificate, when: str) -> None:
    """The client that gets it next is served: nothing is written there, nor is it closed, for the one before."""
    kept: list[socket.socket] = []

    def act(sock: socket.socket) -> None:
        if when == "behind its answer":
            close_number(sock)
        kept.append(sock)

    def app(environ: Environ, start_response: Start) -> Iterable[bytes]:
        if environ["PATH_INFO"] != "/last":
            return hello(environ, start_response)
        start_response("200 OK", [("Content-Length", "1")])
        return Last(environ, act)

    server = serve_tls(app)
    first = connect(server, certificate)
    first.get("/first")
    (fd,) = eventually(lambda: [conn.fd for conn in server.connections if conn.owned])
    server.engine.pause()
    second = server.connect()
    first.send(request("/last"))
    assert first.read().body == b"x"
    eventually(lambda: kept and server.connections[0].owned)
    if when == "later":
        close_number(kept[0])
    kept.clear()
    context = certificate.client()  # here: it opens files
    with next_to_be_used(fd):
        server.engine.open()
        second = shake_hands(second.sock, certificate, context)
        assert second.get("/second").body == b"/second"
    eventually(lambda: len(server.connections) == 1)
    gc.collect()
    assert second.get("/again").body == b"/again"
