"""What applications receive: bodies, `http.disconnect` when uvicorn gives it, "100 Continue", and with backpressure."""

from __future__ import annotations

import asyncio
import contextlib
import socket

from tests.engine.asgi.asgi_apps import (
    AsyncGate,
    Receive,
    Scope,
    Seen,
    Send,
    body,
    echo,
    hello,
    over_http,
    read_body,
    start,
)
from tests.engine.engine_server import Serve, request
from tests.eventually import eventually

_LARGE = 3_000_000


def test_bodies_of_all_kinds(serve: Serve) -> None:
    """None, one that comes with its head, in pieces, chunked, and large."""
    server = serve(echo)
    client = server.connect()
    assert client.get().body == b""
    client.send(request("/", "Content-Length: 5", method="POST", body=b"hello"))
    assert client.read().body == b"hello"
    client.send(request("/", "Content-Length: 10", method="POST", body=b"hel"))
    eventually(server.engine.in_flight)
    client.send(b"lo")
    client.send(b"world")
    assert client.read().body == b"helloworld"
    client.send(request("/", "Transfer-Encoding: chunked", method="POST", body=b"3\r\nabc\r\n2"))
    client.send(b"\r\nde\r\n0\r\n\r\n" + request("/next", method="POST"))
    assert client.read().body == b"abcde"
    assert client.read().body == b""
    data = bytes(range(256)) * (_LARGE // 256)
    client.send(request("/", f"Content-Length: {len(data)}", method="POST", body=data))
    assert client.read().body == data


def test_messages(serve: Serve) -> None:
    """One of a request without a body; then http.disconnect when the answer is complete, and not before."""
    seen = Seen()

    @over_http
    async def app(_scope: Scope, receive: Receive, send: Send) -> None:
        seen.add(await receive())
        waiting = asyncio.ensure_future(receive())
        await send(start())
        await asyncio.sleep(0.01)
        seen.add(waiting.done())
        await send(body(b"x"))
        seen.add(await waiting)
        seen.add(await receive())

    assert serve(app).get().body == b"x"
    gone = {"type": "http.disconnect"}
    seen.wait_for({"type": "http.request", "body": b"", "more_body": False}, False, gone, gone)


def test_a_client_that_goes(serve: Serve) -> None:
    """It is told to all who wait, nothing is cancelled, and what is sent then goes nowhere."""
    seen = Seen()

    @over_http
    async def app(_scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        both = await asyncio.gather(receive(), receive())
        seen.add([message["type"] for message in both])
        await asyncio.sleep(0.01)
        await send(start())
        for _ in range(20):  # the first ones are answered with a reset
            await send(body(bytes(100_000), more=True))
        seen.add("went on")

    server = serve(app)
    client = server.connect()
    client.send(request())
    eventually(server.engine.in_flight)
    client.close()
    seen.wait_for(["http.disconnect"] * 2, "went on")
    server.wait_idle()
    assert server.engine.counters.unanswered == 1


def test_an_endless_answer_to_a_client_that_has_gone_does_not_block_the_loop(serve: Serve) -> None:
    """It goes on, as with uvicorn; so do all others."""
    stop = asyncio.Event()

    @over_http
    async def app(scope: Scope, _receive: Receive, send: Send) -> None:
        await send(start())
        if scope["path"] == "/stop":
            stop.set()
        while scope["path"] == "/endless" and not stop.is_set():
            await send(body(bytes(10_000), more=True))
        await send(body())

    server = serve(app)
    client = server.connect()
    client.send(request("/endless"))
    client.head()
    client.reset()
    for _ in range(20):
        assert server.get("/").status == 200
    assert "/endless" in [one.path for one in server.engine.in_flight()]
    server.get("/stop")
    eventually(lambda: not server.engine.in_flight())


def test_a_half_close_behind_the_request(serve: Serve) -> None:
    """The whole body is received, then http.disconnect; the answer is sent all the same."""
    seen, gate = Seen(), AsyncGate()

    @over_http
    async def app(_scope: Scope, receive: Receive, send: Send) -> None:
        await gate.wait()
        seen.add((await receive())["body"])
        seen.add((await receive())["type"])
        await send(start())
        await send(body(b"answer"))

    server = serve(app)
    client = server.connect()
    client.send(request("/", "Content-Length: 4", method="POST", body=b"body"))
    client.half_close()
    eventually(server.engine.in_flight)
    gate.open()
    assert client.read().body == b"answer"
    assert client.closed()
    seen.wait_for(b"body", "http.disconnect")


def test_a_body_that_ends_too_soon(serve: Serve) -> None:
    """The application is told; nothing is answered."""
    seen = Seen()

    @over_http
    async def app(_scope: Scope, receive: Receive, _send: Send) -> None:
        with contextlib.suppress(ConnectionError):
            await read_body(receive)
        seen.add("gone")

    server = serve(app)
    client = server.connect()
    client.send(request("/", "Content-Length: 4", method="POST", body=b"bo"))
    client.half_close()
    assert client.closed()
    seen.wait_for("gone")
    assert not server.log.said("error")


def test_continue_comes_when_the_application_receives(serve: Serve) -> None:
    """Once, and not if it answers without: then the connection closes, since nobody knows whether a body comes."""
    gate = AsyncGate()

    @over_http
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        data = b""
        if scope["path"] == "/read":
            await gate.wait()
            data = await read_body(receive)
        await send(start())
        await send(body(data))

    server = serve(app)
    client = server.connect()
    client.send(request("/read", "Content-Length: 4", "Expect: 100-continue", method="POST"))
    eventually(server.engine.in_flight)
    assert server.get("/").status == 200
    client.sock.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        assert not client.sock.recv(1)
    client.sock.setblocking(True)
    gate.open()
    assert client.head().status == 100
    client.send(b"body")
    assert client.read().body == b"body"
    client.send(request("/", "Content-Length: 4", "Expect: 100-continue", method="POST"))
    answer = client.read()
    assert (answer.status, answer.headers["connection"]) == (200, "close")
    assert client.closed()


def test_reading_pauses_while_the_application_does_not_receive(serve: Serve) -> None:
    """A client can send no more than the kernel and 64 KiB and a bit hold; and all of it arrives in the end."""
    gate = AsyncGate()

    @over_http
    async def app(_scope: Scope, receive: Receive, send: Send) -> None:
        await gate.wait()
        size, more, largest = 0, True, 0
        while more:
            message = await receive()
            more = message["more_body"]
            size, largest = size + len(message["body"]), max(largest, len(message["body"]))
        await send(start())
        await send(body(b"%d %d" % (size, largest)))

    server = serve(app)
    client = server.connect()
    client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 16)
    size = 40_000_000
    client.send(request("/", f"Content-Length: {size}", method="POST"))
    client.sock.settimeout(0.3)
    sent = 0
    with contextlib.suppress(TimeoutError):
        while sent < size:
            sent += client.sock.send(bytes(min(1 << 16, size - sent)))
    assert sent < size / 2
    client.sock.settimeout(10)
    gate.open()
    client.send(bytes(size - sent))
    got, largest = map(int, client.read().body.split())
    assert got == size
    assert largest <= (1 << 16) + (1 << 18)


def test_unread_bodies(serve: Serve) -> None:
    """What is left is read and thrown away if it is little; else the connection closes."""
    server = serve(hello)
    client = server.connect()
    client.send(request("/1", "Content-Length: 60000", method="POST"))
    assert "connection" not in client.read().headers
    client.send(bytes(60_000) + request("/2"))
    assert client.read().body == b"/2"
    client.send(request("/3", "Transfer-Encoding: chunked", method="POST", body=b"3\r\nabc\r\n0\r\n\r\n"))
    assert "connection" not in client.read().headers
    client.send(request("/4", "Content-Length: 600000", method="POST"))
    assert client.read().headers["connection"] == "close"
    assert client.closed()
    client = server.connect()
    client.send(request("/5", "Transfer-Encoding: chunked", method="POST", body=b"3\r\nab"))
    assert client.read().headers["connection"] == "close"


def test_a_faulty_body(serve: Serve) -> None:
    """With its head it is refused before the application is called; later the application is told that the client has
    gone, and the client is told why, if the answer has not begun."""
    seen = Seen()

    @over_http
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/begun":
            await send(start())
        seen.add("called")
        await receive()
        seen.add((await receive())["type"])
        await send(start())

    server = serve(app)
    client = server.connect()
    client.send(request("/", "Transfer-Encoding: chunked", method="POST", body=b"zz\r\n"))
    assert client.read().status == 400
    assert client.closed()
    client = server.connect()
    client.send(request("/", "Transfer-Encoding: chunked", method="POST", body=b"3\r\nabc\r\n"))
    seen.wait_for("called")
    client.send(b"zz\r\n")
    answer = client.read()
    assert (answer.status, b"not the size of a chunk" in answer.body) == (400, True)
    assert client.closed()
    seen.wait_for("called", "http.disconnect")
    client = server.connect()
    client.send(request("/begun", "Transfer-Encoding: chunked", method="POST", body=b"3\r\nabc\r\n"))
    client.head()
    client.send(b"zz\r\n")
    assert client.closed()
    eventually(lambda: not server.engine.in_flight())
    assert server.engine.counters.refused == 3


def test_deadlines_of_bodies(serve: Serve) -> None:
    """408 if the application waits too long for more of one; not while it does not ask."""
    seen = Seen()

    @over_http
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/later":
            await asyncio.sleep(0.3)
        else:
            with contextlib.suppress(ConnectionError):
                await read_body(receive)
            seen.add("gone")
        await send(start())
        await send(body(b"done"))

    server = serve(app, body_timeout=0.1)
    for path, status in (("/later", 200), ("/", 408)):
        client = server.connect()
        client.send(request(path, "Content-Length: 4", method="POST", body=b"bo"))
        assert client.read().status == status
    seen.wait_for("gone")
