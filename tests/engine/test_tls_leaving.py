"""TLS connections when the engine leaves: they cannot move, so they are kept, answered once more, and closed well."""

from __future__ import annotations

import select
import socket
from collections.abc import Iterable
from time import monotonic

from hotswap.engine import Moved
from tests.certificates import NEEDS_OPENSSL, Certificate
from tests.engine.apps import Environ, Gate, Start, echo, hello
from tests.engine.engine_server import DEADLINE, Client, Serve, request
from tests.engine.tls_clients import connect
from tests.eventually import eventually

pytestmark = NEEDS_OPENSSL


def never(offers: list[Moved]) -> list[Moved]:
    """For leave(): nothing with TLS may be offered."""
    raise AssertionError(offers)


def test_retiring_keeps_idle_connections_for_their_keepalive(serve_tls: Serve, certificate: Certificate) -> None:
    """They are answered once more, with close, long after others would have been closed; none is handed over."""
    server = serve_tls(hello, drain_linger=0.05, keepalive=2)
    asking, idle = (connect(server, certificate, ragged=False) for _ in range(2))
    for client in (asking, idle):
        client.get()
    begin = monotonic()
    server.engine.leave(never)
    assert not select.select([asking.sock, idle.sock], [], [], 0.3)[0]
    answer = asking.get("/last")
    assert (answer.body, answer.headers["connection"]) == (b"/last", "close")
    assert asking.closed()
    assert idle.closed()
    assert 0.3 < monotonic() - begin < DEADLINE
    asking.close()
    idle.close()
    server.wait_idle()


def test_retiring_in_the_middle(serve_tls: Serve, certificate: Certificate) -> None:
    """A request that runs, a body that comes, a handshake under way: all are answered, with close."""
    gate = Gate()

    def app(environ: Environ, start_response: Start) -> Iterable[bytes]:
        return (echo if environ["REQUEST_METHOD"] == "POST" else gate)(environ, start_response)

    server = serve_tls(app)
    busy, upload = connect(server, certificate), connect(server, certificate)
    late = socket.create_connection(server.address, DEADLINE)
    busy.send(request("/wait"))
    gate.wait_entered()
    upload.send(request("/", "Content-Length: 6", method="POST", body=b"abc"))
    eventually(lambda: len(server.engine.in_flight()) == 2)
    server.engine.leave(never)
    gate.open()
    upload.send(b"def")
    with certificate.client().wrap_socket(late, server_hostname="localhost") as sock:
        answers = [busy.read(), upload.read(), Client(sock).get("/late")]
    assert [answer.body for answer in answers] == [b"/wait", b"abcdef", b"/late"]
    assert "close" in answers[2].headers["connection"]
    for client in (busy, upload):
        assert client.get("/next").headers.get("connection") == "close"
        client.close()
    server.wait_idle()


def test_draining_is_quick(serve_tls: Serve, certificate: Certificate) -> None:
    """leave(None): they linger as plain ones do, one that has not even said hello as well."""
    server = serve_tls(hello, drain_linger=1)
    asking, idle, silent = connect(server, certificate), connect(server, certificate), server.connect()
    asking.get()
    idle.get()
    server.engine.leave(None)
    assert asking.get("/last").headers["connection"] == "close"
    assert asking.closed()
    assert idle.closed()
    assert silent.closed()
    for client in (asking, idle, silent):
        client.close()
    server.wait_idle()


def test_a_retirement_that_becomes_a_stop_and_one_that_is_taken_back(
    serve_tls: Serve, certificate: Certificate
) -> None:
    """leave(give), leave(None), resume(): each applies to those that are left."""
    server = serve_tls(hello)
    client = connect(server, certificate)
    client.get()
    server.engine.leave(never)
    server.engine.leave(None)
    server.engine.resume()
    for _ in range(2):
        assert "connection" not in client.get().headers
    assert connect(server, certificate).get().status == 200


def test_hammer(serve_tls: Serve, certificate: Certificate) -> None:
    """Cuts what runs, what idles, what shakes hands, and what sends, from another thread."""
    gate = Gate()

    def app(environ: Environ, start_response: Start) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/endless":
            start_response("200 OK", [])
            while True:
                yield bytes(100_000)
        yield from gate(environ, start_response)

    server = serve_tls(app)
    idle, busy, sending = (connect(server, certificate) for _ in range(3))
    idle.get()
    server.connect()
    busy.send(request("/wait"))
    sending.send(request("/endless"))
    gate.wait_entered()
    sending.head()
    server.engine.leave(None)
    assert sorted(one.path for one in server.engine.hammer()) == ["/endless", "/wait"]
    gate.open()
    server.wait_idle()


def test_what_moves_is_plain(serve_tls: Serve) -> None:
    """A connection that comes from another process never had TLS, whatever this one's new connections have."""
    client = serve_tls(hello).adopted(request("/x"))
    assert client.read().body == b"/x"
    assert client.get("/y").body == b"/y"


def test_what_others_accepted_begins_with_its_handshake(serve_tls: Serve, certificate: Certificate) -> None:
    """adopt() with `fresh`."""
    server = serve_tls(hello)
    ours, theirs = socket.socketpair()
    server.engine.adopt([Moved(theirs, "main", "", fresh=True)])
    ours.settimeout(DEADLINE)
    with certificate.client().wrap_socket(ours, server_hostname="localhost") as sock:
        assert Client(sock).get("/x").body == b"/x"
