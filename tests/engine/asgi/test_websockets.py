"""Websockets of the engine for ASGI, with the clients of the library websockets, and with frames made by hand."""

from __future__ import annotations

import asyncio
import contextlib
import select
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.engine.asgi.websocket_apps import Websocket, WebsocketApp, echo, endless
from tests.engine.engine_server import DEADLINE, Client, EngineServer, Serve, request
from tests.eventually import eventually

_KEY = "dGhlIHNhbXBsZSBub25jZQ=="  # RFC 6455, section 1.3
ASKS = ("Upgrade: websocket", "Connection: Upgrade", f"Sec-WebSocket-Key: {_KEY}", "Sec-WebSocket-Version: 13")


@contextlib.contextmanager
def client(server: EngineServer, path: str = "/", **options: Any) -> Iterator[ClientConnection]:
    """A client of the library."""
    host, port = server.listener.getsockname()
    with connect(f"ws://{host}:{port}{path}", open_timeout=DEADLINE, proxy=None, **options) as made:
        yield made


def opened(server: EngineServer) -> Client:
    """A client whose frames are made by hand."""
    made = server.connect()
    made.send(request("/", *ASKS))
    assert made.head().status == 101
    return made


def frame(opcode: int, data: bytes = b"", *, fin: bool = True, mask: bool = True) -> bytes:
    """One frame, masked by zeros (RFC 6455, section 5.2)."""
    masked = 0x80 if mask else 0
    length = bytes([masked | len(data)]) if len(data) < 126 else bytes([masked | 126]) + len(data).to_bytes(2, "big")
    return bytes([opcode | fin << 7]) + length + (bytes(4) if mask else b"") + data


def closing(sent: Client) -> tuple[int, bytes]:
    """The code and the reason of the close frame that comes next; nothing may come behind it."""
    first, length = sent.exactly(2)
    assert first == 0x88
    data = sent.exactly(length)
    with contextlib.suppress(OSError):  # the server waits for it only if it has begun
        sent.send(frame(8, data))
    assert sent.rest() == b""
    return int.from_bytes(data[:2], "big"), data[2:]


def codes(error: ConnectionClosed) -> tuple[int, int]:
    """The codes of the close frames that the client has received and sent."""
    received, sent = error.rcvd, error.sent
    return received.code if received else 0, sent.code if sent else 0


def test_messages_go_both_ways(serve: Serve) -> None:
    """Text and bytes, short and long, compressed or not."""
    app = WebsocketApp(echo)
    server = serve(app)
    for compression in ("deflate", None):
        with client(server, "/some/where?a=b", compression=compression) as websocket:
            for message in ("", "short ä", b"", b"\0\1", "long" * 50_000, bytes(range(256)) * 1000):
                websocket.send(message)
                assert websocket.recv(DEADLINE) == message
    scope = app.scopes[-1]
    assert (scope["path"], scope["query_string"], scope["scheme"]) == ("/some/where", b"a=b", "ws")
    eventually(lambda: app.said[-1] == {"type": "websocket.disconnect", "code": 1000, "reason": ""})
    server.wait_idle()
    assert not app.failed


def test_compression_can_be_off(serve: Serve) -> None:
    """The client's offer is not taken."""
    server = serve(WebsocketApp(echo), asgi={"ws_per_message_deflate": False})
    with client(server) as websocket:
        assert "sec-websocket-extensions" not in websocket.response.headers  # type: ignore[union-attr]
    with client(serve(WebsocketApp(echo))) as websocket:
        assert "permessage-deflate" in websocket.response.headers["sec-websocket-extensions"]  # type: ignore[union-attr]


def test_the_application_says_how_it_accepts(serve: Serve) -> None:
    """A subprotocol, and headers."""

    async def accepts(websocket: Websocket) -> None:
        assert websocket.scope["subprotocols"] == ["a", "b"]
        await websocket.accept(subprotocol="b", headers=[(b"x-one", b"1"), (b"Set-Cookie", b"a=b")])

    with client(serve(WebsocketApp(accepts)), subprotocols=["a", "b"]) as websocket:
        assert websocket.subprotocol == "b"
        assert websocket.response is not None
        assert (websocket.response.headers["x-one"], websocket.response.headers["set-cookie"]) == ("1", "a=b")
        assert {"server", "date"} <= {name.lower() for name in websocket.response.headers}


async def refuses(websocket: Websocket) -> None:
    """Before it accepts."""
    await websocket.receive()
    await websocket.send({"type": "websocket.close"})
    assert (await websocket.receive())["type"] == "websocket.disconnect"


async def denies(websocket: Websocket) -> None:
    """With an answer of HTTP's."""
    assert websocket.scope["extensions"] == {"websocket.http.response": {}}
    await websocket.receive()
    await websocket.send({"type": "websocket.http.response.start", "status": 401, "headers": [(b"x-why", b"no")]})
    await websocket.send({"type": "websocket.http.response.body", "body": b"not ", "more_body": True})
    await websocket.send({"type": "websocket.http.response.body", "body": b"you"})


async def fails(_websocket: Websocket) -> None:
    """At once."""
    raise ValueError("of the application")


async def returns(_websocket: Websocket) -> None:
    """Without a word."""


async def injects(websocket: Websocket) -> None:
    """A header that would be two."""
    await websocket.accept(headers=[(b"x-one", b"1\r\nx-two: 2")])


@pytest.mark.parametrize(
    ("handler", "status", "body"),
    [
        (refuses, 403, b""),
        (denies, 401, b"not you"),
        (fails, 500, b"Internal Server Error"),
        (returns, 500, b"Internal Server Error"),
        (injects, 500, b"Internal Server Error"),
    ],
)
def test_it_is_not_accepted(serve: Serve, handler: Any, status: int, body: bytes) -> None:
    """The client gets an answer of HTTP's."""
    server = serve(WebsocketApp(handler))
    with pytest.raises(InvalidStatus) as refused, client(server):
        pass
    assert (refused.value.response.status_code, refused.value.response.body) == (status, body)
    if handler is denies:
        assert refused.value.response.headers["x-why"] == "no"
    server.wait_idle()
    server.expected_exceptions = int(handler in (fails, injects))
    assert len(server.log.said("error")) == (handler is returns)


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ((*ASKS[:2], "Sec-WebSocket-Version: 13"), 400),
        ((*ASKS[:2], "Sec-WebSocket-Key: short", "Sec-WebSocket-Version: 13"), 400),
        ((*ASKS[:3], "Sec-WebSocket-Version: 8"), 426),
    ],
)
def test_it_is_no_handshake(serve: Serve, fields: tuple[str, ...], status: int) -> None:
    """The application is not asked."""
    app = WebsocketApp(echo)
    answer = serve(app).get("/", *fields)
    assert (answer.status, answer.headers["connection"]) == (status, "close")
    assert not app.scopes
    if status == 426:
        assert answer.headers["sec-websocket-version"] == "13"


async def accepts_and_fails(websocket: Websocket) -> None:
    """With what it has sent before."""
    await websocket.accept()
    await websocket.text("last")
    raise ValueError("of the application")


async def accepts_and_returns(websocket: Websocket) -> None:
    """The same."""
    await websocket.accept()
    await websocket.text("last")


async def closes(websocket: Websocket) -> None:
    """By itself, and hears of it."""
    await accepts_and_returns(websocket)
    await websocket.send({"type": "websocket.close", "code": 4001, "reason": "enough"})
    assert await websocket.receive() == {"type": "websocket.disconnect", "code": 4001, "reason": "enough"}
    with pytest.raises(RuntimeError, match=r"after sending 'websocket\.close'"):
        await websocket.text("too late")


@pytest.mark.parametrize(("handler", "code"), [(accepts_and_fails, 1011), (accepts_and_returns, 1000), (closes, 4001)])
def test_the_server_closes(serve: Serve, handler: Any, code: int) -> None:
    """The client gets what was sent before, and why."""
    app = WebsocketApp(handler)
    server = serve(app)
    with client(server) as websocket:
        assert websocket.recv(DEADLINE) == "last"
        with pytest.raises(ConnectionClosed) as closed:
            websocket.recv(DEADLINE)
    assert codes(closed.value) == (code, code)
    server.wait_idle()
    assert len(app.failed) == (handler is accepts_and_fails)
    server.expected_exceptions = len(app.failed)


def test_the_client_goes_without_a_word(serve: Serve) -> None:
    """receive says so, and what is sent raises an OSError, as with uvicorn."""
    app = WebsocketApp(endless)
    server = serve(app)
    raw = opened(server)
    raw.reset()
    eventually(lambda: app.failed)
    assert isinstance(app.failed[0], OSError)
    server.wait_idle()
    assert server.log.said("exception") == []

    app = WebsocketApp(echo)
    opened(serve(app)).close()
    eventually(lambda: app.said[-1:] == [{"type": "websocket.disconnect", "code": 1006, "reason": ""}])


def test_a_client_that_does_not_read_is_waited_for(serve: Serve) -> None:
    """The application's send waits, so the memory does not fill."""
    sent: list[int] = []

    async def floods(websocket: Websocket) -> None:
        await websocket.accept()
        for number in range(400):
            await websocket.send({"type": "websocket.send", "bytes": bytes(50_000)})
            sent.append(number)

    server = serve(WebsocketApp(floods))
    raw = opened(server)
    eventually(lambda: sent)
    halted = eventually(lambda: _same_for_a_while(lambda: len(sent)))
    assert halted < 400, "20 MB were taken from the application"
    for _ in range(400):
        assert raw.exactly(4) == b"\x82\x7e" + (50_000).to_bytes(2, "big")
        raw.exactly(50_000)
    assert closing(raw) == (1000, b"")


def _same_for_a_while(value: Callable[[], int]) -> int | None:
    before = value()
    threading.Event().wait(0.3)
    return before if value() == before else None


def test_an_application_that_does_not_receive_stops_the_client(serve: Serve) -> None:
    """What it sends stays in the kernel."""
    go_on = threading.Event()

    async def receives_late(websocket: Websocket) -> None:
        await websocket.accept()
        await asyncio.get_running_loop().run_in_executor(None, go_on.wait)
        for _ in range(200):
            message = await websocket.receive()
            assert len(message["bytes"]) == 60_000
        await websocket.text("all")

    raw = opened(serve(WebsocketApp(receives_late)))
    raw.sock.setblocking(False)
    left = frame(2, bytes(60_000)) * 200
    taken = 0
    while taken < len(left) and select.select([], [raw.sock], [], 0.3)[1]:
        taken += raw.sock.send(left[taken : taken + 60_000])
    assert taken < len(left), "12 MB were read before the application received"
    left = left[taken:]
    go_on.set()
    raw.sock.settimeout(DEADLINE)
    raw.sock.sendall(left)
    assert raw.exactly(5) == b"\x81\x03all"
    raw.close()


def test_pings_are_answered_and_sent(serve: Serve) -> None:
    """A client that does not answer in time is closed with 1011; one that does stays."""
    app = WebsocketApp(echo)
    server = serve(app, asgi={"ws_ping_interval_s": 0.1, "ws_ping_timeout_s": 0.2})
    raw = opened(server)
    raw.send(frame(9, b"are you there"))
    answered = b""
    while b"are you there" not in answered:  # among the server's own
        answered += raw.exactly(1)
    with client(server) as websocket:
        eventually(
            lambda: app.said[-1] == {"type": "websocket.disconnect", "code": 1011, "reason": "keepalive ping timeout"}
        )
        websocket.send("still there")
        assert websocket.recv(DEADLINE) == "still there"


def test_a_client_that_takes_nothing_is_given_up_once(serve: Serve) -> None:
    """Also while what was sent to it waits still, and with it the close frame."""
    server = serve(WebsocketApp(endless), asgi={"ws_ping_interval_s": 0.1, "ws_ping_timeout_s": 0.2})

    def given_up(client: Client) -> int:
        return server.log.said("debug").count(f"{client.sock.getsockname()}: keepalive ping timeout")

    first = opened(server)
    eventually(lambda: given_up(first))
    second = opened(server)
    eventually(lambda: given_up(second))
    assert given_up(first) == 1


def test_a_message_that_is_too_large(serve: Serve) -> None:
    """Is refused by its head."""
    with client(serve(WebsocketApp(echo), asgi={"ws_max_size": 1000})) as websocket:
        websocket.send("x" * 1000)
        assert len(websocket.recv(DEADLINE)) == 1000
        websocket.send("x" * 1001)
        with pytest.raises(ConnectionClosed) as closed:
            websocket.recv(DEADLINE)
    assert codes(closed.value)[0] == 1009


CASES: list[tuple[str, list[bytes], int]] = [
    ("a reserved bit", [frame(1 | 0x40, b"x")], 1002),
    ("a reserved opcode", [frame(3, b"x")], 1002),
    ("a reserved control opcode", [frame(11, b"x")], 1002),
    ("no mask", [frame(1, b"x", mask=False)], 1002),
    ("a ping in pieces", [frame(9, b"x", fin=False)], 1002),
    ("a ping that is too long", [frame(9, bytes(126))], 1002),
    ("the rest of nothing", [frame(0, b"x")], 1002),
    ("a message within a message", [frame(1, b"x", fin=False), frame(1, b"y")], 1002),
    ("a close frame of one byte", [frame(8, b"\x03")], 1002),
    ("a close code that may not be sent", [frame(8, (1005).to_bytes(2, "big"))], 1002),
    ("a close reason that is no UTF-8", [frame(8, b"\x03\xe8\xff")], 1007),
    ("invalid UTF-8", [frame(1, b"\xff")], 1007),
    ("invalid UTF-8, and its message goes on", [frame(1, b"\xce\xba\xff", fin=False)], 1007),
    ("UTF-8 that ends in the middle", [frame(1, b"\xe2\x82")], 1007),
    ("a good close", [frame(8, b"\x03\xe8bye")], 1000),
    ("a close without a code", [frame(8)], 0),
]


@pytest.mark.parametrize(("frames", "code"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_how_it_ends(serve: Serve, frames: list[bytes], code: int) -> None:
    """By the client's frames."""
    app = WebsocketApp(echo)
    server = serve(app)
    raw = opened(server)
    raw.send(b"".join(frames))
    assert closing(raw)[0] == code
    raw.close()
    server.wait_idle()
    assert app.said[-1]["type"] == "websocket.disconnect"
    assert app.said[-1]["code"] == (code or 1005)


def test_messages_in_pieces(serve: Serve) -> None:
    """Also within a letter, and with a ping in between."""
    raw = opened(serve(WebsocketApp(echo)))
    pieces = [frame(1, b"a\xc3", fin=False), frame(9, b"p"), frame(0, b"", fin=False), frame(0, b"\xa4b")]
    for piece in b"".join(pieces):
        raw.send(bytes([piece]))
    assert raw.exactly(3 + 6) == b"\x8a\x01p" + b"\x81\x04a\xc3\xa4b"
    raw.close()


def test_frames_right_behind_the_handshake(serve: Serve) -> None:
    """They are not lost, though no client should send them before it has the answer."""
    raw = serve(WebsocketApp(echo)).connect()
    raw.send(request("/", *ASKS) + frame(1, b"early"))
    assert raw.head().status == 101
    assert raw.exactly(7) == b"\x81\x05early"
    raw.close()


def test_a_close_frame_that_is_not_answered(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection ends all the same."""
    monkeypatch.setattr("hotswap.engine.asgi.websocket_call.CLOSE_TIMEOUT", 0.1)
    server = serve(WebsocketApp(accepts_and_returns))
    raw = opened(server)
    assert raw.exactly(6) == b"\x81\x04last"
    assert raw.rest() == b"\x88\x02\x03\xe8"
    raw.close()
    server.wait_idle()


# leaving


def test_at_a_restart_they_are_closed_one_after_the_other(serve: Serve) -> None:
    """With 1012, spread over the time for it; a message that was sent before comes before."""
    server = serve(WebsocketApp(echo), asgi={"websocket_drain_s": 0.6})
    ended: list[tuple[float, int | None]] = []
    with client(server) as one, client(server) as two, client(server) as three:
        sockets = [one, two, three]
        for websocket in sockets:
            websocket.send("x")
            assert websocket.recv(DEADLINE) == "x"
        began = time.monotonic()
        server.engine.leave(list)
        for websocket in sockets:
            with pytest.raises(ConnectionClosed) as closed:
                websocket.recv(DEADLINE)
            ended.append((time.monotonic() - began, codes(closed.value)[0]))
    assert [code for _, code in ended] == [1012] * 3
    times = [time for time, _ in ended]
    assert all(time >= least for time, least in zip(times, (0.2, 0.4, 0.6), strict=True)), times
    server.wait_idle()


def test_at_a_stop_they_are_closed_at_once(serve: Serve) -> None:
    """With 1001, also those that were to be closed later."""
    server = serve(WebsocketApp(echo), asgi={"websocket_drain_s": 600.0})
    with client(server) as websocket:
        server.engine.leave(list)
        websocket.send("x")
        assert websocket.recv(DEADLINE) == "x"
        server.engine.leave(None)
        with pytest.raises(ConnectionClosed) as closed:
            websocket.recv(DEADLINE)
    assert codes(closed.value)[0] == 1001
    server.wait_idle()


def test_taken_back_they_stay(serve: Serve) -> None:
    """Those that have not been told yet."""
    server = serve(WebsocketApp(echo), asgi={"websocket_drain_s": 0.4})
    with client(server) as one, client(server) as two:
        server.engine.leave(list)
        with pytest.raises(ConnectionClosed):
            one.recv(DEADLINE)
        server.engine.resume()
        two.send("x")
        assert two.recv(DEADLINE) == "x"
        with pytest.raises(TimeoutError):
            two.recv(0.5)


def test_one_that_opens_meanwhile(serve: Serve) -> None:
    """Is closed with the last."""
    server = serve(WebsocketApp(echo), asgi={"websocket_drain_s": 0.3})
    raw = server.connect()
    raw.send(request("/", *ASKS)[:-2])
    server.engine.leave(lambda moved: moved)
    raw.send(b"\r\n")
    assert raw.head().status == 101
    raw.send(frame(1, b"x"))
    assert raw.exactly(3) == b"\x81\x01x"
    assert closing(raw) == (1012, b"")
    raw.close()
    server.wait_idle()


def test_cut_by_force(serve: Serve) -> None:
    """What is cut is named."""
    server = serve(WebsocketApp(echo))
    with client(server, "/named") as websocket:
        websocket.send("x")
        assert websocket.recv(DEADLINE) == "x"
        cut = server.engine.hammer()
        assert [(one.method, one.path) for one in cut] == [("GET", "/named")]
        with pytest.raises(ConnectionClosed):
            websocket.recv(DEADLINE)
    server.wait_idle()


def test_what_is_counted_and_logged(serve: Serve) -> None:
    """One request, answered with 101; the access log has it when it has ended."""
    server = serve(WebsocketApp(echo))
    with client(server, "/counted"):
        assert server.engine.counters.in_flight == 1
    server.wait_idle()
    counters = server.engine.counters
    assert (counters.requests, counters.succeeded, counters.unanswered) == (1, 1, 0)


def test_an_ordinary_upgrade_is_a_plain_request(serve: Serve) -> None:
    """HTTP/2, for one."""
    server = serve(WebsocketApp(echo))
    assert server.get("/", "Upgrade: h2c", "Connection: Upgrade").body == b"plain"
