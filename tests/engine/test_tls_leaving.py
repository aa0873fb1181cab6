"""TLS connections when the engine leaves: they cannot move, so they are kept, answered once more, and closed well."""

from __future__ import annotations

import select
import socket
from collections.abc import Callable, Iterable
from time import monotonic

from hotswap.engine import Moved
from tests.certificates import NEEDS_OPENSSL, Certificate
from tests.engine.apps import Environ, Gate, Start, echo, hello
from tests.engine.rig import DEADLINE, Client, Rig, request
from tests.engine.secure import connect
from tests.eventually import eventually

MakeRig = Callable[..., Rig]
pytestmark = NEEDS_OPENSSL


def never(offers: list[Moved]) -> list[Moved]:
    """For leave(): nothing with TLS may be offered."""
    raise AssertionError(offers)


def test_retiring_keeps_idle_connections_for_their_keepalive(secure: MakeRig, certificate: Certificate) -> None:
    """They are answered once more, with close, long after others would have been closed; none is handed over."""
    make = secure(hello, drain_linger=0.05, keepalive=0.6)
    asking, idle = (connect(make, certificate, ragged=False) for _ in range(2))
    for client in (asking, idle):
        client.get()
    begin = monotonic()
    make.engine.leave(never)
    assert not select.select([asking.sock, idle.sock], [], [], 0.3)[0]
    answer = asking.get("/last")
    assert (answer.body, answer.headers["connection"]) == (b"/last", "close")
    assert asking.closed()
    assert idle.closed()
    assert 0.3 < monotonic() - begin < DEADLINE
    asking.close()
    idle.close()
    make.wait_idle()


def test_retiring_in_the_middle(secure: MakeRig, certificate: Certificate) -> None:
    """A request that runs, a body that comes, a handshake under way: all are answered, with close."""
    gate = Gate()

    def app(environ: Environ, start_response: Start) -> Iterable[bytes]:
        return (echo if environ["REQUEST_METHOD"] == "POST" else gate)(environ, start_response)

    make = secure(app)
    busy, upload = connect(make, certificate), connect(make, certificate)
    late = socket.create_connection(make.address, DEADLINE)
    busy.send(request("/wait"))
    gate.wait_entered()
    upload.send(request("/", "Content-Length: 6", method="POST", body=b"abc"))
    eventually(lambda: len(make.engine.in_flight()) == 2)
    make.engine.leave(never)
    gate.open()
    upload.send(b"def")
    with certificate.client().wrap_socket(late, server_hostname="localhost") as sock:
        answers = [busy.read(), upload.read(), Client(sock).get("/late")]
    assert [answer.body for answer in answers] == [b"/wait", b"abcdef", b"/late"]
    assert "close" in answers[2].headers["connection"]
    for client in (busy, upload):
        assert client.get("/next").headers.get("connection") == "close"
        client.close()
    make.wait_idle()


def test_draining_is_quick(secure: MakeRig, certificate: Certificate) -> None:
    """leave(None): they linger as plain ones do, one that has not even said hello as well."""
    make = secure(hello, drain_linger=0.1)
    asking, idle, silent = connect(make, certificate), connect(make, certificate), make.connect()
    asking.get()
    idle.get()
    make.engine.leave(None)
    assert asking.get("/last").headers["connection"] == "close"
    assert asking.closed()
    assert idle.closed()
    assert silent.closed()
    for client in (asking, idle, silent):
        client.close()
    make.wait_idle()


def test_a_retirement_that_becomes_a_stop_and_one_that_is_taken_back(
    secure: MakeRig, certificate: Certificate
) -> None:
    """leave(give), leave(None), resume(): each applies to those that are left."""
    make = secure(hello)
    client = connect(make, certificate)
    client.get()
    make.engine.leave(never)
    make.engine.leave(None)
    make.engine.resume()
    for _ in range(2):
        assert "connection" not in client.get().headers
    assert connect(make, certificate).get().status == 200


def test_hammer(secure: MakeRig, certificate: Certificate) -> None:
    """Cuts what runs, what idles, what shakes hands, and what sends, from another thread."""
    gate = Gate()

    def app(environ: Environ, start_response: Start) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/endless":
            start_response("200 OK", [])
            while True:
                yield bytes(100_000)
        yield from gate(environ, start_response)

    make = secure(app)
    idle, busy, sending = (connect(make, certificate) for _ in range(3))
    idle.get()
    make.connect()
    busy.send(request("/wait"))
    sending.send(request("/endless"))
    gate.wait_entered()
    sending.head()
    make.engine.leave(None)
    assert sorted(one.path for one in make.engine.hammer()) == ["/endless", "/wait"]
    gate.open()
    make.wait_idle()


def test_what_moves_is_plain(secure: MakeRig) -> None:
    """A connection that comes from another process never had TLS, whatever this one's new connections have."""
    client = secure(hello).adopted(request("/x"))
    assert client.read().body == b"/x"
    assert client.get("/y").body == b"/y"


def test_what_others_accepted_begins_with_its_handshake(secure: MakeRig, certificate: Certificate) -> None:
    """adopt() with `fresh`."""
    make = secure(hello)
    ours, theirs = socket.socketpair()
    make.engine.adopt([Moved(theirs, "main", "", fresh=True)])
    ours.settimeout(DEADLINE)
    with certificate.client().wrap_socket(ours, server_hostname="localhost") as sock:
        assert Client(sock).get("/x").body == b"/x"
