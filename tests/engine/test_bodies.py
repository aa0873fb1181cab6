"""Request bodies: collected by the loop, read by threads, left unread."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from hotswap.engine.http1.body import ChunkScan
from tests.engine.apps import Environ, Gate, Start, echo, hello
from tests.engine.engine_server import Serve, request
from tests.eventually import eventually


def post(body: bytes, *headers: str) -> bytes:
    return request("/", f"Content-Length: {len(body)}", *headers, method="POST", body=body)


def chunked(*chunks: bytes, trailer: bytes = b"") -> bytes:
    coded = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
    return request("/", "Transfer-Encoding: chunked", method="POST", body=coded + b"0\r\n" + trailer + b"\r\n")


@pytest.mark.parametrize("size", [0, 1, 100, 70_000, (1 << 20) - 1, (1 << 20) + 1, 3 << 20])
def test_content_length(serve: Serve, size: int) -> None:
    """Bodies below and above what the loop collects arrive whole, and the connection goes on."""
    client = serve(echo).connect()
    body = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    for _ in range(2):
        client.send(post(body))
        assert client.read().body == body


@pytest.mark.parametrize("size", [1, 100, 70_000, (1 << 20) + 1])
def test_chunked(serve: Serve, size: int) -> None:
    """Chunked bodies of any size are decoded, with trailers and extensions ignored."""
    client = serve(echo).connect()
    client.send(chunked(b"y" * size, b"z", trailer=b"X-Check: 1\r\n") + chunked(b"next"))
    assert client.read().body == b"y" * size + b"z"
    assert client.read().body == b"next"


def test_a_body_may_come_in_pieces_with_a_request_behind_it(serve: Serve) -> None:
    """Byte by byte, with a pipelined request glued to its end."""
    client = serve(echo).connect()
    data = chunked(b"abc", b"defg") + post(b"1234")
    for at in range(len(data)):
        client.send(data[at : at + 1])
    assert client.read().body == b"abcdefg"
    assert client.read().body == b"1234"


def test_a_slow_upload_holds_no_thread(serve: Serve) -> None:
    """Ten half-sent bodies with one thread: other clients are answered."""
    server = serve(echo, settings={"threads": 1})
    slow = [server.connect() for _ in range(10)]
    for client in slow:
        client.send(post(b"0123456789")[:-5])
    assert server.get("/").status == 200
    for client in slow:
        client.send(b"56789")
        assert client.read().body == b"0123456789"


@pytest.mark.parametrize("size", [65_535, 65_536, 200_000])
def test_what_comes_behind_a_body_is_the_next_request(serve: Serve, size: int) -> None:
    """However the two are cut."""
    client = serve(echo).connect()
    body = bytes(range(256)) * (size // 256) + bytes(size % 256)
    data = post(body) + post(b"next")
    for cut in (len(data) - size - 40, len(data) // 2, len(data) - 45, len(data) - 4):
        client.send(data[:cut])
        client.send(data[cut:])
        assert client.read().body == body
        assert client.read().body == b"next"


def test_bodies_that_were_used_hold_no_memory(serve: Serve) -> None:
    """However many came before: only what waits for the rest of its body counts, and the loop goes on collecting."""

    def app(environ: Environ, start_response: Start) -> Iterable[bytes]:
        where = type(environ["wsgi.input"]).__name__.encode()
        start_response("200 OK", [("Content-Length", str(len(where)))])
        return [where]

    server = serve(app, bodies=1 << 18)
    client = server.connect()
    for _ in range(30):
        client.send(post(b"x" * (1 << 17)))
        assert client.read().body == b"BytesIO"
    assert server.engine.counters.given_away == 0


def test_at_most_half_of_the_threads_wait_for_uploads(serve: Serve) -> None:
    """With all upload threads waiting for slow clients, a blocking request still gets a thread, and uploads
    end well.
    """
    gate = Gate()
    server = serve(
        lambda e, s: gate(e, s) if e["PATH_INFO"] == "/wait" else echo(e, s), settings={"threads": 4}, body_buffer=10
    )
    slow = [server.connect() for _ in range(8)]
    for client in slow:
        client.send(post(b"0123456789ab")[:-5])
    blocked = server.connect()
    blocked.send(request("/wait"))
    gate.wait_entered()
    gate.open()
    assert blocked.read().body == b"/wait"
    for client in slow:
        client.send(b"789ab")
        assert client.read().body == b"0123456789ab"


def test_continue_is_sent_when_the_application_reads(serve: Serve) -> None:
    """`Expect: 100-continue` is answered with 100 at the first read, then the body is read."""
    client = serve(echo).connect()
    data = post(b"hello", "Expect: 100-continue")
    client.send(data[:-5])
    assert client.head().status == 100
    client.send(data[-5:])
    assert client.read().body == b"hello"
    assert client.get("/").status == 200


def test_continue_is_not_sent_when_the_application_does_not_read(serve: Serve) -> None:
    """The final answer comes instead of 100, and the connection closes: the client may or may not send the
    body now.
    """
    client = serve(hello).connect()
    client.send(post(b"hello", "Expect: 100-continue")[:-5])
    answer = client.read()
    assert (answer.status, answer.headers["connection"]) == (200, "close")
    assert client.closed()


def test_an_unknown_expectation_is_417(serve: Serve) -> None:
    """Anything but 100-continue cannot be met."""
    assert serve(hello).get("/", "Expect: a-miracle").status == 417


def test_an_unread_small_body_does_not_cost_the_connection(serve: Serve) -> None:
    """A body the application ignores is thrown away, whether the loop collected it or a thread would have."""
    client = serve(hello, body_buffer=10).connect()
    for size in (5, 50):
        client.send(post(b"x" * size))
        assert "connection" not in client.read().headers
    assert client.get("/after").body == b"/after"


def test_an_unread_large_body_closes_the_connection(serve: Serve) -> None:
    """More than is thrown away: the answer says close and arrives whole although the client still sends."""
    client = serve(hello, body_buffer=1000).connect()
    client.send(request("/", "Content-Length: 10000000", method="POST", body=b"x" * 100_000))
    answer = client.read()
    assert (answer.status, answer.headers["connection"]) == (200, "close")
    assert client.closed()


@pytest.mark.parametrize("sent", [b"", b"5\r\nab"])
@pytest.mark.parametrize("body_buffer", [10, 1000])
def test_a_client_that_leaves_in_the_middle_of_its_body(serve: Serve, sent: bytes, body_buffer: int) -> None:
    """It ends that connection and nothing else, collected or streamed."""
    server = serve(echo, body_buffer=body_buffer)
    client = server.connect()
    headers = ("Transfer-Encoding: chunked",) if sent else ("Content-Length: 100",)
    client.send(request("/", *headers, method="POST", body=sent or b"x" * 20))
    client.reset()
    server.wait_idle()
    assert server.get("/").status == 200


@pytest.mark.parametrize("body_buffer", [1, 1000])
@pytest.mark.parametrize(
    "body",
    [
        b"x\r\n", b"-1\r\n", b"5\r\nhello!!0\r\n\r\n", b"5 \r\nhello\r\n0\r\n\r\n", b"0x5\r\nhello\r\n0\r\n\r\n",
        b"5;a\rb\r\nhello\r\n0\r\n\r\n", b"5\nhello\n0\n\n", b"\r\n", b"+5\r\nhello\r\n0\r\n\r\n",
        b"5_0\r\n" + b"x" * 80,
        b"5\r\nhello\r\n0\r\nHost: a\r\n\r\n", b"5\r\nhello\r\n0\r\nbad trailer\r\n\r\n", b"fffffffffffffffff" * 1200,
    ],
)  # fmt: skip
def test_malformed_chunks_are_refused(serve: Serve, body: bytes, body_buffer: int) -> None:
    """Every trick with chunk sizes, extensions, line ends and trailers gets 400 and a close."""
    client = serve(echo, body_buffer=body_buffer).connect()
    client.send(request("/", "Transfer-Encoding: chunked", method="POST", body=body))
    answer = client.read()
    assert (answer.status, answer.headers["connection"]) == (400, "close")
    assert client.closed()


def test_a_body_that_stops_coming_is_408(serve: Serve) -> None:
    """After the body deadline the client is told so, collected or streamed."""
    for body_buffer in (10, 1000):
        client = serve(echo, body_timeout=0.1, body_buffer=body_buffer).connect()
        client.send(post(b"x" * 100)[:-50])
        assert client.read().status == 408
        assert client.closed()


def test_wsgi_input_is_a_file(serve: Serve) -> None:
    """read, readline, readlines and iteration work on collected and on streamed bodies."""

    def app(environ: Environ, start_response: Start) -> Iterable[bytes]:
        file = environ["wsgi.input"]
        parts = [file.read(2), file.readline(), file.readline(3), next(iter(file)), *file.readlines(), file.read()]
        start_response("200 OK", [])
        return [b"|".join(parts)]

    for body_buffer in (5, 1000):
        client = serve(app, body_buffer=body_buffer).connect()
        client.send(post(b"ab1\nlonger\nx\ny\nz"))
        assert client.read().body == b"ab|1\n|lon|ger\n|x\n|y\n|z|"


@pytest.mark.parametrize("size", [1, 2, 3, 5, 1000])
def test_chunk_scan_finds_the_end_however_it_is_cut(size: int) -> None:
    """The scanner says where the body ends at exactly the byte, for every way to cut it."""
    body = b"3\r\nabc\r\n1;x=y\r\nd\r\n0\r\nA: b\r\n\r\n"
    data = body + b"GET"
    scan, end = ChunkScan(), -1
    for start in range(0, len(data), size):
        end = scan.feed(data[start : start + size])
        if end >= 0:
            end += start
            break
    assert end == len(body)


@pytest.mark.parametrize("size", [30_000, 90_000])
def test_collected_bodies_are_bounded_in_total(serve: Serve, size: int) -> None:
    """Many clients that each stay below body_buffer: beyond the total the loop reads no more, and all are answered.

    For a longer body all of its memory is taken, and counted, at once.
    """
    server = serve(echo, bodies=100_000)
    clients = [server.connect() for _ in range(20)]
    half = b"x" * (size // 2)
    for client in clients:
        client.send(request("/", f"Content-Length: {size}", method="POST", body=half[:5000]))
    eventually(lambda: len(server.engine.in_flight()) == 20)
    for client in clients:
        client.send(half[5000:])
    eventually(lambda: any(conn.upload for conn in server.connections))
    assert sum(conn.collected for conn in server.connections) <= 100_000 + size
    for client in clients:
        client.send(half)
    assert [client.read().body for client in clients] == [half + half] * 20
    # What is used up is not counted for ever.
    client = clients[0]
    for _ in range(30):
        client.send(request("/", f"Content-Length: {len(half)}", method="POST", body=half[:100]))
        client.send(half[100:])
        assert client.read().body == half
