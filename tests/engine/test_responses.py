"""What the client gets: framing, headers, streaming, files, errors."""

from __future__ import annotations

import io
import socket
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.engine.apps import Environ, Start, hello, streaming
from tests.engine.engine_server import Serve, request


def fixed(status: str, headers: list[tuple[str, str]], body: list[bytes]) -> Callable[[Environ, Start], list[bytes]]:
    def app(environ: Environ, start_response: Start) -> list[bytes]:
        start_response(status, headers)
        return body

    return app


def test_a_list_gets_its_content_length(serve: Serve) -> None:
    """A body that is complete needs no chunks."""
    answer = serve(fixed("200 OK", [], [b"ab", b"", b"c"])).get()
    assert (answer.headers["content-length"], answer.body) == ("3", b"abc")


def test_a_generator_is_chunked_and_its_end_is_told(serve: Serve) -> None:
    """Without Content-Length HTTP/1.1 gets chunks, HTTP/1.0 a close; empty blocks are not an end."""
    server = serve(streaming(b"one", b"", b"two"))
    client = server.connect()
    for _ in range(2):
        answer = client.get()
        assert (answer.headers["transfer-encoding"], answer.body) == ("chunked", b"onetwo")
    client = server.connect()
    client.send(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
    answer = client.read()
    assert (answer.headers["connection"], answer.body) == ("close", b"onetwo")
    assert "transfer-encoding" not in answer.headers


def test_each_block_is_sent_at_once(serve: Serve) -> None:
    """No block waits for the next one (PEP 3333): server-sent events depend on it."""
    turns: list[Any] = []

    def app(environ: Environ, start_response: Start) -> Iterator[bytes]:
        start_response("200 OK", [])
        for turn in turns:
            yield b"event"
            assert turn.acquire(timeout=10)

    import threading

    turns.extend(threading.Semaphore(0) for _ in range(3))
    client = serve(app).connect()
    client.send(request())
    client.head()
    for turn in turns:
        assert client.chunk() == b"event"
        turn.release()
    assert client.chunk() == b""


def test_write_and_the_iterable_follow_each_other(serve: Serve) -> None:
    """PEP 3333's `write` sends before what the application returns."""

    def app(environ: Environ, start_response: Start) -> list[bytes]:
        write = start_response("200 OK", [("Content-Length", "6")])
        write(b"abc")
        write(b"de")
        return [b"f"]

    client = serve(app).connect()
    assert client.get().body == b"abcdef"
    assert client.get().body == b"abcdef"


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
@pytest.mark.parametrize("body", [[], [b"must not be sent"]])
def test_statuses_without_a_body(serve: Serve, status: str, body: list[bytes]) -> None:
    """204 and 304 have no body whatever the application returns, and the connection stays usable."""
    client = serve(fixed(status, [("ETag", '"x"')], body)).connect()
    for _ in range(2):
        answer = client.get()
        assert answer.headers["etag"] == '"x"'
        assert "transfer-encoding" not in answer.headers
    assert not client.buffer


def test_head_gets_the_head_only(serve: Serve) -> None:
    """HEAD has the Content-Length of GET and no body, from lists, generators and errors alike."""
    client = serve(hello).connect()
    assert client.get("/12345", method="HEAD").headers["content-length"] == "6"
    assert client.get("/after").body == b"/after"
    client = serve(streaming(b"abc")).connect()
    assert "transfer-encoding" not in client.get(method="HEAD").headers
    assert client.get().body == b"abc"


def test_large_bodies_reach_slow_clients(serve: Serve) -> None:
    """20 MB as one block, as a generator and with a length: a client that begins to read late gets every byte."""
    size = 20_000_000
    block = bytes(1000) * 1000
    for app in (
        fixed("200 OK", [], [block * 20]),
        streaming(*[block] * 20),
        streaming(*[block] * 20, headers=[("Content-Length", str(size))]),
    ):
        server = serve(app)
        client = server.connect()
        client.send(request("/one"))
        other = server.connect()
        other.send(request("/other"))
        assert len(other.read().body) == size
        assert len(client.read().body) == size


def test_a_client_that_reads_nothing_is_given_up(serve: Serve) -> None:
    """After the write deadline the connection ends, for answers in memory and for streams."""
    for app in (fixed("200 OK", [], [bytes(20_000_000)]), streaming(*[bytes(1_000_000)] * 20)):
        server = serve(app, write_timeout=0.1)
        client = server.connect()
        client.send(request())
        server.wait_idle()


def test_content_length_is_not_exceeded(serve: Serve) -> None:
    """What is over the announced length is not sent: it would be read as the next answer."""
    for app in (
        fixed("200 OK", [("Content-Length", "3")], [b"abcdef"]),
        streaming(b"ab", b"cd", b"e", headers=[("Content-Length", "3")]),
    ):
        client = serve(app).connect()
        for _ in range(2):
            assert len(client.get().body) == 3
        assert not client.buffer


def test_a_body_shorter_than_announced_closes(serve: Serve) -> None:
    """The client must not wait for bytes that will not come; the log says what is wrong."""
    for app in (
        fixed("200 OK", [("Content-Length", "9")], [b"abc"]),
        streaming(b"abc", headers=[("Content-Length", "9")]),
    ):
        server = serve(app)
        client = server.connect()
        client.send(request())
        client.head()
        assert client.rest() == b"abc"
        assert "announced 9 bytes and sent 3" in server.log.said("error")[0]


@pytest.mark.parametrize(
    "headers",
    [
        [("X-A", "a\r\nSet-Cookie: x")], [("X-A", "a\nb")], [("X-A", "a\0")], [("X-A\r\n", "a")], [("X A", "a")],
        [("", "a")],
        [("X-A", b"bytes")], [(b"X-A", "bytes")], [("X-A", "\u20ac")], [("Content-Length", "1 2")],
        [("Content-Length", "-1")],
        [("X-A", 5)], None,
    ],
)  # fmt: skip
def test_bad_response_headers_are_an_error_of_the_application(serve: Serve, headers: Any) -> None:
    """Nothing of them is sent; the client gets 500 and the log the traceback."""
    server = serve(fixed("200 OK", headers, [b"x"]))
    server.expected_exceptions = 1
    answer = server.get()
    assert answer.status == 500
    assert "x-a" not in answer.headers
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    ("status", "header", "names"),
    [
        ("200 OK", ("X-Name", "\u4e2d"), "'X-Name'"),
        ("200 OK", ("X-Name", "caf\xe9 \u20ac"), "'X-Name'"),
        ("200 OK", ("X-\u4e2d", "a"), "'X-\u4e2d'"),
        ("200 \u4e2d", ("X-Name", "a"), "'200 \u4e2d'"),
        ("200 OK", ("Upgrade", "websoc\u212aet"), "'Upgrade'"),  # the Kelvin sign, whose lower case is k
    ],
)
def test_what_latin_1_cannot_hold_is_refused_in_start_response(
    serve: Serve, status: str, header: tuple[str, str], names: str
) -> None:
    """There the application can catch it, and answer something else; the error says which header it is."""

    def app(environ: Environ, start_response: Start) -> list[bytes]:
        try:
            start_response(status, [header])
        except ValueError as error:
            start_response("422 Unprocessable Content", [("Content-Type", "text/plain; charset=utf-8")])
            return [str(error).encode()]
        return []

    answer = serve(app).get()
    assert answer.status == 422
    assert names in answer.body.decode()


@pytest.mark.parametrize("header", ["caf\xe9", "\xe9\ttab", "\xa0", "\xff"])
def test_what_latin_1_holds_is_sent(serve: Serve, header: str) -> None:
    """Byte for byte, in headers and in the reason."""
    answer = serve(fixed("200 d\xe9j\xe0 vu", [("X-Name", header)], [])).get()
    assert (answer.reason, answer.headers["x-name"]) == ("d\xe9j\xe0 vu", header)


@pytest.mark.parametrize("status", ["200", "200 OK\r\nX: y", "OK", "20 OK", "2000 OK", 200, "099 X", "200OK"])
def test_bad_statuses(serve: Serve, status: Any) -> None:
    """A bare number is allowed as gunicorn allows it, everything else is an error."""
    server = serve(fixed(status, [], []))
    server.expected_exceptions = 0 if status == "200" else 1
    assert server.get().status == (200 if status == "200" else 500)


def test_hop_by_hop_headers_are_the_servers(serve: Serve) -> None:
    """The application's are not sent; its `Connection: close` is taken as a wish."""
    headers = [
        ("Transfer-Encoding", "chunked"),
        ("Keep-Alive", "5"),
        ("Server", "x"),
        ("Date", "y"),
        ("Connection", "close"),
    ]
    client = serve(fixed("200 OK", headers, [b"abc"])).connect()
    answer = client.get()
    assert answer.body == b"abc"
    assert answer.headers["server"] == "hotswap"
    assert answer.headers["date"].endswith("GMT")
    assert "keep-alive" not in answer.headers
    assert answer.headers["connection"] == "close"
    assert client.closed()


def test_application_errors_are_500_with_a_traceback(serve: Serve) -> None:
    """Raised before the head was sent: a 500, logged, and the connection stays."""

    def app(environ: Environ, start_response: Start) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/early":
            raise RuntimeError("early")
        if environ["PATH_INFO"] == "/late":
            start_response("200 OK", [("X-Lost", "1")])
            raise SystemExit("late")
        if environ["PATH_INFO"] == "/none":
            return []
        return hello(environ, start_response)

    server = serve(app)
    server.expected_exceptions = 3
    client = server.connect()
    for path in ("/early", "/late", "/none"):
        answer = client.get(path)
        assert answer.status == 500
        assert "x-lost" not in answer.headers
        assert "connection" not in answer.headers
    assert client.get("/fine").body == b"/fine"
    assert "RuntimeError: early" in server.log.said("exception")[0]


def test_an_error_after_the_head_ends_the_connection(serve: Serve) -> None:
    """An answer that broke off must not look whole: no last chunk, and a close."""

    def app(environ: Environ, start_response: Start) -> Iterator[bytes]:
        start_response("200 OK", [])
        yield b"begin"
        raise RuntimeError("in the middle")

    server = serve(app)
    server.expected_exceptions = 1
    client = server.connect()
    client.send(request())
    client.head()
    assert client.chunk() == b"begin"
    assert client.closed()


def test_exc_info_replaces_an_answer_that_was_not_sent(serve: Serve) -> None:
    """start_response again with exc_info: the second counts; without it, it is an error."""

    def app(environ: Environ, start_response: Start) -> Iterable[bytes]:
        start_response("200 OK", [("X-First", "1"), ("Content-Length", "99")])
        try:
            raise ValueError
        except ValueError:
            exc_info = sys.exc_info() if environ["PATH_INFO"] == "/with" else None
            start_response("503 Sorry", [("X-Second", "2")], exc_info)
        return [b"sorry"]

    server = serve(app)
    server.expected_exceptions = 1
    answer = server.get("/with")
    assert (answer.status, answer.headers["x-second"], answer.body) == (503, "2", b"sorry")
    assert "x-first" not in answer.headers
    assert server.get("/without").status == 500


def test_the_iterable_is_closed(serve: Serve) -> None:
    """close() is called once: after the end, after an error, and when the client went away."""
    import threading

    closes = threading.Semaphore(0)

    class Body:
        def __init__(self, fails: bool) -> None:
            self.fails = fails

        def __iter__(self) -> Iterator[bytes]:
            yield b"x"
            if self.fails:
                raise RuntimeError
            for _ in range(30):
                yield bytes(1_000_000)

        def close(self) -> None:
            closes.release()

    def app(environ: Environ, start_response: Start) -> Iterable[bytes]:
        start_response("200 OK", [])
        return Body(environ["PATH_INFO"] == "/fails")

    server = serve(app)
    server.expected_exceptions = 1
    server.get("/whole")
    assert closes.acquire(timeout=10)
    client = server.connect()
    client.send(request("/fails"))
    client.rest()
    assert closes.acquire(timeout=10)
    client = server.connect()
    client.send(request("/gone"))
    client.head()
    client.reset()
    assert closes.acquire(timeout=10)


def file_app(
    path: Path, headers: list[tuple[str, str]] | None = None, seek: int = 0
) -> Callable[[Environ, Start], Any]:
    def app(environ: Environ, start_response: Start) -> Any:
        file = path.open("rb")
        file.seek(seek)
        start_response("200 OK", headers or [])
        return environ["wsgi.file_wrapper"](file, 100_000)

    return app


@pytest.mark.parametrize("size", [0, 1, 100_000, 20_000_000])
@pytest.mark.parametrize("sendfile", [None, False])
def test_files(serve: Serve, tmp_path: Path, size: int, sendfile: bool | None) -> None:
    """wsgi.file_wrapper sends a whole file, by sendfile or by reading, to a client that is slow to read."""
    path = tmp_path / "file"
    path.write_bytes(bytes(range(250)) * (size // 250) + b"x" * (size % 250))
    server = serve(file_app(path), settings={"sendfile": sendfile})
    slow, quick = server.connect(), server.connect()
    slow.send(request())
    assert quick.get().body == path.read_bytes()
    assert slow.read().body == path.read_bytes()
    answer = slow.get()
    assert (answer.body, answer.headers.get("content-length")) == (
        path.read_bytes(),
        None if sendfile is False and size else str(size),
    )


def test_a_part_of_a_file(serve: Serve, tmp_path: Path) -> None:
    """From where the file stands, at most Content-Length bytes; HEAD gets none."""
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    client = serve(file_app(path, [("Content-Length", "3")], seek=4)).connect()
    assert client.get().body == b"456"
    assert client.get(method="HEAD").headers["content-length"] == "3"
    assert client.get().body == b"456"


def test_a_file_like_object_without_a_descriptor(serve: Serve) -> None:
    """It is read block by block."""

    def app(environ: Environ, start_response: Start) -> Any:
        start_response("200 OK", [("Content-Length", "3000")])
        return environ["wsgi.file_wrapper"](io.BytesIO(b"abc" * 1000), 7)

    assert serve(app).get().body == b"abc" * 1000


def test_early_hints(serve: Serve) -> None:
    """wsgi.early_hints sends a 103 before the answer to HTTP/1.1, and nothing to HTTP/1.0."""

    def app(environ: Environ, start_response: Start) -> Iterable[bytes]:
        environ["wsgi.early_hints"]([("Link", "</s.css>; rel=preload")])
        return hello(environ, start_response)

    server = serve(app)
    client = server.connect()
    client.send(request())
    hint = client.head()
    assert (hint.status, hint.headers["link"]) == (103, "</s.css>; rel=preload")
    assert client.read().status == 200
    client = server.connect()
    client.send(b"GET / HTTP/1.0\r\n\r\n")
    assert client.read().status == 200


def test_head_and_small_body_are_one_segment(serve: Serve) -> None:
    """One read gets a whole small answer."""
    client = serve(hello).connect()
    client.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    client.send(request("/whole"))
    assert client.sock.recv(65536).endswith(b"\r\n\r\n/whole")


def test_websocket_handshakes_get_a_blocking_socket(serve: Serve) -> None:
    """An upgrade request owns a thread and a blocking socket, as websocket libraries expect; then the
    connection ends.
    """

    def app(environ: Environ, start_response: Start) -> Iterable[bytes]:
        sock = environ["werkzeug.socket"]
        assert sock.getblocking()
        sock.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n")
        sock.sendall(sock.recv(100))
        raise StopIteration

    client = serve(app).connect()
    client.send(request("/", "Connection: Upgrade", "Upgrade: websocket"))
    assert client.head().status == 101
    client.send(b"frame")
    assert client.rest() == b"frame"
