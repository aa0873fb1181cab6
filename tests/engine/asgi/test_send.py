"""What applications send: on the wire, with backpressure, and what is made of answers that end too early."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import pathlib
import socket
import threading
from typing import Any

import pytest

from hotswap.engine import Give, Moved
from hotswap.engine.asgi.http_call import HttpCall
from tests.engine.asgi.asgi_apps import AsgiApp, AsyncGate, Receive, Scope, Seen, Send, body, hello, over_http, start
from tests.engine.engine_server import EngineServer, Serve, request
from tests.eventually import eventually


def packets(server: EngineServer) -> socket.socket:
    """A client that sees which bytes the engine sends together."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.settimeout(10)
    server.engine.adopt([Moved(theirs, "main", "")])
    return ours


def takes_into(taken: list[Moved]) -> Give:
    """Takes all connections, and keeps them there."""

    def give(offers: list[Moved]) -> list[Moved]:
        taken.extend(offers)
        return []

    return give


def sends(*messages: Any) -> AsgiApp:
    """An application that sends these, whatever is asked."""

    @over_http
    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        for message in messages:
            await send(message)

    return app


def test_head_and_body_go_together(serve: Serve) -> None:
    """In one packet, with a length where the body is known."""
    with packets(serve(sends(start(), body(b"whole")))) as client:
        client.send(request())
        head, _, rest = client.recv(65536).partition(b"\r\n\r\n")
    assert rest == b"whole"
    assert b"\r\ncontent-length: 5" in head


@pytest.mark.parametrize("length", [True, False])
def test_pieces_of_one_round_go_together(serve: Serve, length: bool) -> None:
    """The first at once; and those of later rounds by themselves."""
    go_on = AsyncGate()

    @over_http
    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send(start(200, (b"content-length", b"9")) if length else start())
        for piece in (b"1", b"2", b"3"):
            await send(body(piece, more=True))
        await go_on.wait()
        for piece in (b"4", b"5", b"6"):
            await send(body(piece, more=True))
        await asyncio.sleep(0)
        for piece in (b"7", b"8"):
            await send(body(piece, more=True))
        await send(body(b"9"))

    framed = (lambda data: data) if length else (lambda data: b"".join(b"1\r\n%c\r\n" % one for one in data))
    with packets(serve(app)) as client:
        client.send(request())
        assert client.recv(65536).endswith(b"\r\n\r\n" + framed(b"1"))
        assert client.recv(65536) == framed(b"23")
        go_on.open()
        taken = [client.recv(65536) for _ in range(4)]
    assert taken == [framed(b"4"), framed(b"56"), framed(b"7"), framed(b"89") + (b"" if length else b"0\r\n\r\n")]


def test_many_pieces_of_one_round_are_not_held(serve: Serve) -> None:
    """More than 64 KiB of them go, and the application waits for a client that does not take them."""

    @over_http
    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send(start())
        for _ in range(3000):
            await send(body(b"x" * 1000, more=True))
        await send(body(b"x" * 100_000, more=True))
        await send(body())

    client = serve(app).connect()
    assert client.get().body == b"x" * 3_100_000


def test_what_was_sent_before_a_failure_arrives(serve: Serve) -> None:
    @over_http
    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send(start())
        for piece in (b"1", b"2", b"3"):
            await send(body(piece, more=True))
        raise ValueError("of the application")

    server = serve(app)
    server.expected_exceptions = 1
    client = server.connect()
    client.send(request())
    client.head()
    assert client.rest() == b"1\r\n1\r\n1\r\n2\r\n1\r\n3\r\n"


def test_a_head_alone_is_sent_at_once(serve: Serve) -> None:
    """Where the application waits before the body: a browser opens its event stream by it."""
    gate = AsyncGate()

    @over_http
    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send(start())
        await gate.wait()
        await send(body(b"first", more=True))
        await send(body(b"last"))

    with packets(serve(app)) as client:
        client.send(request())
        head = client.recv(65536)
        assert head.endswith(b"\r\n\r\n")
        assert b"transfer-encoding: chunked" in head
        gate.open()
        assert client.recv(65536) == b"5\r\nfirst\r\n"
        assert client.recv(65536) == b"4\r\nlast\r\n0\r\n\r\n"


def test_streams(serve: Serve) -> None:
    """Chunked for HTTP/1.1, to the end of the connection for HTTP/1.0, and pieces of any kind and size."""
    large = bytes(200_000)
    server = serve(
        sends(start(), body(b"", more=True), body(bytearray(b"one"), more=True), body(large, more=True), body(b""))  # type: ignore[arg-type]
    )
    client = server.connect()
    assert client.get().body == b"one" + large
    client.send(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
    answer = client.read()
    assert (answer.headers["connection"], answer.body) == ("close", b"one" + large)


def test_http10_is_kept_where_the_length_is_known(serve: Serve) -> None:
    """If the client asks for that."""
    client = serve(hello).connect()
    for _ in range(2):
        client.send(b"GET /x HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        answer = client.read()
        assert (answer.headers["connection"], answer.body) == ("keep-alive", b"/x")
    client.send(b"GET /x HTTP/1.0\r\n\r\n")
    assert client.read().headers["connection"] == "close"
    assert client.closed()


@pytest.mark.parametrize("status", [200, 204, 304])
def test_no_body_where_there_is_none(serve: Serve, status: int) -> None:
    """Of HEAD, 204 and 304, however much the application sends."""
    client = serve(sends(start(status, (b"content-length", b"100")), body(b"x" * 10, more=True), body(b"y"))).connect()
    method = "HEAD" if status == 200 else "GET"
    for _ in range(2):
        answer = client.get(method=method)
        assert answer.status == status
        assert answer.headers.get("content-length") == (None if status == 204 else "100")


def test_the_application_closes(serve: Serve) -> None:
    """By its Connection header."""
    client = serve(sends(start(200, (b"Connection", b"close")), body(b"x"))).connect()
    assert client.get().headers["connection"] == "close"
    assert client.closed()


def test_pipelined_requests_are_answered_in_order(serve: Serve) -> None:
    """One by one: the next one's task is begun when an answer is complete, without the variables of the one before."""
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")

    @over_http
    async def app(scope: Scope, _receive: Receive, send: Send) -> None:
        before = variable.get()
        variable.set("set")
        await asyncio.sleep(0.001)
        await send(start())
        await send(body(f"{scope['path']} {before}".encode()))

    client = serve(app).connect()
    client.send(b"".join(request(f"/{number}") for number in range(50)))
    assert [client.read().body for _ in range(50)] == [f"/{number} unset".encode() for number in range(50)]


def test_backpressure(serve: Serve) -> None:
    """An application can be no more than the kernel's buffers and 64 KiB ahead of its client."""
    seen = Seen()
    piece, count = bytes(1 << 16), 400

    @over_http
    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send(start())
        for number in range(count):
            await send(body(piece, more=True))
            seen.messages.append(number)
        await send(body())

    server = serve(app)
    client = server.connect()
    client.send(request())
    client.head()
    eventually(lambda: len(seen.messages) > 10)
    assert server.engine.in_flight()
    assert len(seen.messages) < count
    size = 0
    while data := client.chunk():
        size += len(data)
    assert size == len(piece) * count


def test_a_client_that_takes_nothing(serve: Serve) -> None:
    """It is cut at the write deadline, while the application sends, and when it has sent all."""
    seen = Seen()

    @over_http
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(start())
        if scope["path"] == "/whole":
            await send(body(bytes(20_000_000)))
            return
        for _ in range(1000):
            await send(body(bytes(100_000), more=True))
        await receive()
        seen.add((await receive())["type"])

    server = serve(app, write_timeout=0.2)
    for path in ("/pieces", "/whole"):
        client = server.connect()
        client.send(request(path))
        client.head()
        server.wait_idle()
    seen.wait_for("http.disconnect")


# failures

_GOOD = (start(), body(b"x"))


@pytest.mark.parametrize(
    ("messages", "said"),
    [
        ((), "ASGI callable returned without starting response."),
        ((start(),), "ASGI callable returned without completing response."),
        ((body(b"x"),), "Expected ASGI message 'http.response.start', but got 'http.response.body'."),
        ((start(), start()), "Expected ASGI message 'http.response.body', but got 'http.response.start'."),
        ((start(200, (b"content-length", b"1")), body(b"xy")), "Response content longer than Content-Length"),
        ((start(200, (b"content-length", b"3")), body(b"xy")), "Response content shorter than Content-Length"),
        ((start(99),), "99"),
        ((start(200, (b"x y", b"z")),), "x y"),
        ((start(200, (b"name", b"a\r\nb: c")),), "name"),
        ((start(), body(3)), "3"),  # type: ignore[arg-type]
        ((start(), body("text")), "text"),  # type: ignore[arg-type]
        ((start(), body([1, 2])), "[1, 2]"),  # type: ignore[arg-type]
        (({"type": "nonsense"},), "nonsense"),
        (({},), "type"),
    ],
)
def test_answers_that_cannot_be_sent(serve: Serve, messages: tuple[Any, ...], said: str) -> None:
    """A 500, and the log says why; the connection goes on."""
    server = serve(sends(*messages))
    client = server.connect()
    for _ in range(2):
        answer = client.get()
        assert answer.status == 500
        assert b"Internal Server Error" in answer.body
    logged = server.log.said("error") + server.log.said("exception")
    server.expected_exceptions = len(server.log.said("exception"))
    assert len(logged) == 2
    assert said in logged[0]
    eventually(lambda: server.engine.counters.server_errors == 2)


def test_what_comes_behind_a_complete_answer(serve: Serve) -> None:
    """Is an error of the application's, and the client's next request is served."""
    server = serve(sends(*_GOOD, body(b"more")))
    client = server.connect()
    for _ in range(2):
        assert client.get().body == b"x"
    server.expected_exceptions = 2
    eventually(lambda: len(server.log.said("exception")) == 2)
    assert "after response already completed" in server.log.said("exception")[0]


@pytest.mark.parametrize("error", [ValueError, SystemExit, KeyboardInterrupt, asyncio.CancelledError])
def test_exceptions(serve: Serve, error: type[BaseException]) -> None:
    """Before the answer has begun it is a 500; afterwards the connection is cut; behind it, it changes nothing."""

    @over_http
    async def app(scope: Scope, _receive: Receive, send: Send) -> None:
        if scope["path"] != "/before":
            await send(start())
        if scope["path"] == "/during":
            await send(body(b"x", more=True))
        if scope["path"] == "/behind":
            await send(body(b"y"))
        raise error

    server = serve(app)
    server.expected_exceptions = 3
    client = server.connect()
    assert client.get("/before").status == 500
    assert client.get("/behind").body == b"y"
    client.send(request("/during"))
    client.head()
    assert client.chunk() == b"x"
    assert client.closed()
    client.close()
    server.wait_idle()
    assert (server.engine.counters.server_errors, server.engine.counters.unanswered) == (1, 1)


def test_a_result(serve: Serve) -> None:
    """An ASGI application returns None."""

    @over_http
    async def app(_scope: Scope, _receive: Receive, _send: Send) -> Any:
        return [b"WSGI?"]

    server = serve(app)
    assert server.get().status == 500
    assert server.log.said("error") == ["ASGI callable should return None, but returned '[b'WSGI?']'. (GET /)"]


def test_work_behind_the_answer(serve: Serve) -> None:
    """The connection serves the next request meanwhile, and the engine is not idle before the work is done."""
    gate = AsyncGate()

    @over_http
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await hello(scope, receive, send)
        if scope["path"] == "/work":
            await gate.wait()

    server = serve(app)
    client = server.connect()
    assert client.get("/work").body == b"/work"
    assert client.get("/next").body == b"/next"
    eventually(lambda: len(server.engine.in_flight()) == 1)
    moved: list[Moved] = []
    server.engine.leave(takes_into(moved))
    server.wait_for(lambda: not server.engine.counters.connections)
    assert len(moved) == 1
    moved[0].sock.close()
    assert not server.engine.idle
    gate.open()
    server.wait_idle()


def test_the_hammer_cancels(serve: Serve) -> None:
    """And says what; nothing more of it is logged."""
    seen = Seen()

    @over_http
    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send(start())
        await send(body(b"x", more=True))
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            seen.add("cancelled")
            raise

    server = serve(app)
    client = server.connect()
    client.send(request("/slow"))
    client.head()
    assert [(one.method, one.path) for one in server.engine.hammer()] == [("GET", "/slow")]
    seen.wait_for("cancelled")
    server.wait_idle()
    assert server.engine.counters.cut == 1


# extensions


def test_early_hints(serve: Serve) -> None:
    """103 in front of the answer; nothing for HTTP/1.0."""
    hints = {"type": "http.response.early_hint", "links": [b"</a.css>; rel=preload", b"</b.js>"]}
    client = serve(sends(hints, *_GOOD)).connect()
    client.send(request())
    first = client._until(b"\r\n\r\n")
    assert first == b"HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\nlink: </b.js>"
    assert client.read().body == b"x"
    client.send(b"GET / HTTP/1.0\r\n\r\n")
    assert client.read().status == 200


def test_trailers(serve: Serve) -> None:
    """Behind a chunked body; where there is a length, there is no place for them."""
    trailers = {"type": "http.response.trailers", "headers": [(b"x-sum", b"1")], "more_trailers": True}
    more = {"type": "http.response.trailers", "headers": [(b"x-end", b"2")]}
    client = serve(sends(start(trailers=True), body(b"abc"), trailers, more)).connect()
    for _ in range(2):
        client.send(request())
        assert client.head().headers["transfer-encoding"] == "chunked"
        assert client.chunk() == b"abc"
        assert client._until(b"\r\n\r\n") == b"0\r\nx-sum: 1\r\nx-end: 2"


def test_trailers_without_a_place(serve: Serve) -> None:
    """Where the body is not chunked they are dropped: the application need not know of that."""
    trailers = {"type": "http.response.trailers", "headers": [(b"x-sum", b"1")]}
    server = serve(sends(start(trailers=True), body(b"abc"), {**trailers, "more_trailers": True}, trailers))
    client = server.connect()
    assert client.get("/", method="HEAD").status == 200
    client.send(b"GET / HTTP/1.0\r\n\r\n")
    assert client.read().body == b"abc"
    server.wait_idle()
    assert server.log.said("exception") == []


@pytest.mark.parametrize("sendfile", [True, False])
@pytest.mark.parametrize("size", [0, 100, 5_000_000])
def test_files(serve: Serve, tmp_path: pathlib.Path, size: int, sendfile: bool) -> None:
    """By their path; a slow client gets all of one."""
    file = tmp_path / "file"
    content = bytes(range(256)) * (size // 256) + bytes(size % 256)
    file.write_bytes(content)
    server = serve(
        sends(start(), {"type": "http.response.pathsend", "path": str(file)}), settings={"sendfile": sendfile}
    )
    client = server.connect()
    for method in ("GET", "HEAD", "GET"):
        answer = client.get(method=method)
        assert answer.headers["content-length"] == str(size)
        assert answer.body == (content if method == "GET" else b"")


def test_a_file_that_is_not_there(serve: Serve) -> None:
    """Is an exception in the application's call, and a 500."""
    server = serve(sends(start(), {"type": "http.response.pathsend", "path": "/nonexistent"}))
    server.expected_exceptions = 1
    assert server.get().status == 500


def test_too_many_at_once(serve: Serve) -> None:
    """Beyond limit_concurrency: 503."""
    gate = AsyncGate()

    @over_http
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await gate.wait()
        await hello(scope, receive, send)

    server = serve(app, asgi={"limit_concurrency": 3})
    first, second = server.connect(), server.connect()
    first.send(request())
    second.send(request())
    eventually(lambda: len(server.engine.in_flight()) == 2)
    answer = server.get()
    assert (answer.status, answer.headers["connection"]) == (503, "close")
    assert server.log.said("warning") == ["Exceeded concurrency limit."]
    gate.open()
    assert [client.read().status for client in (first, second)] == [200, 200]


def test_nothing_is_left_for_the_collector(serve: Serve) -> None:
    """A request that is over is freed at once: no circle of its task, its call and its connection."""
    server = serve(hello)
    client = server.connect()
    client.get()
    gc.collect()
    gc.disable()
    try:
        for _ in range(5):
            client.get()
        eventually(lambda: not [one for one in gc.get_objects() if type(one) is HttpCall])
    finally:
        gc.enable()


def test_a_blocked_loop_keeps_nobody_from_leaving(serve: Serve) -> None:
    """An `async def` that blocks: idle connections move at once, and can be taken back; the hammer says what runs."""
    gate, entered = threading.Event(), threading.Event()

    @over_http
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/block":
            entered.set()
            gate.wait(10)
        await hello(scope, receive, send)

    old, new = serve(app), serve(hello)
    idle, stuck = old.connect(), old.connect()
    idle.get("/idle")
    eventually(lambda: not old.engine.in_flight())
    stuck.send(request("/block"))
    assert entered.wait(10)
    taken: list[Moved] = []
    old.engine.leave(takes_into(taken))
    assert len(taken) == 1
    old.engine.resume()
    new.engine.adopt(taken)
    assert idle.get("/new").body == b"/new"
    assert [one.path for one in old.engine.in_flight()] == ["/block"]
    gate.set()
    assert stuck.read().body == b"/block"
