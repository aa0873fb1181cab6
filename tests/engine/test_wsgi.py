"""PEP 3333 from both sides: wsgiref's validator over everything an application may do, and what it must not do."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any
from wsgiref.validate import validator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine.apps import Environ, Start
from tests.engine.engine_server import EngineServer, Serve, request

PLAIN = [("Content-Type", "text/plain")]
BODY = b"one\ntwo\n\nthree"
HOP_BY_HOP = (
    "Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "TE", "Trailers", "Transfer-Encoding",
    "Upgrade",
)  # fmt: skip


# What it may do.


class Closing:
    """An iterable that remembers that it was closed."""

    def __init__(self, *blocks: bytes) -> None:
        self.blocks = iter(blocks)
        self.closed = False

    def __iter__(self) -> Iterator[bytes]:
        return self.blocks

    def close(self) -> None:
        self.closed = True


def read(environ: Environ, start_response: Start) -> Iterable[bytes]:
    """In each of the four ways, as far as the body goes."""
    body = environ["wsgi.input"]
    found = [body.read(2), body.readline(), *body.readlines(1), *body, body.read(1)]
    start_response("200 OK", PLAIN)
    return [b"".join(found)]


def write(environ: Environ, start_response: Start) -> Iterable[bytes]:
    write = start_response("200 OK", PLAIN)
    write(b"written, ")
    return [b"returned"]


def generate(environ: Environ, start_response: Start) -> Iterator[bytes]:
    start_response("200 OK", [*PLAIN, ("Content-Length", "4")])
    yield b"ab"
    yield b""
    yield b"cd"


def nothing(environ: Environ, start_response: Start) -> Iterable[bytes]:
    start_response("204 No Content", [("X-Why", "nothing to say")])
    return []


def replace(environ: Environ, start_response: Start) -> Iterable[bytes]:
    import sys

    start_response("200 OK", PLAIN)
    try:
        raise LookupError("too late")
    except LookupError:
        start_response("404 Not Found", PLAIN, sys.exc_info())
    return [b"replaced"]


def complain(environ: Environ, start_response: Start) -> Iterable[bytes]:
    environ["wsgi.errors"].write("one line\n")
    environ["wsgi.errors"].writelines(["and\n", "more\n"])
    environ["wsgi.errors"].flush()
    start_response("200 OK", PLAIN)
    return [b"complained"]


ROUTES = {
    "/read": read, "/write": write, "/generate": generate, "/nothing": nothing, "/replace": replace,
    "/complain": complain,
}  # fmt: skip


def everything(environ: Environ, start_response: Start) -> Iterable[bytes]:
    return ROUTES[environ["PATH_INFO"]](environ, start_response)


def chunked(body: bytes) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (body[:5], body[5:])) + b"0\r\n\r\n"


@pytest.mark.parametrize("body_buffer", [1 << 20, 3], ids=["collected", "streamed"])
def test_the_validator_finds_nothing(serve: Serve, body_buffer: int) -> None:
    """All of it on one connection, whether or not the body is read; a complaint would be a 500 and a traceback."""
    client = serve(validator(everything), body_buffer=body_buffer).connect()  # type: ignore[arg-type]
    for path, answer in {
        "/write?a=b": b"written, returned", "/generate": b"abcd", "/nothing": b"", "/replace": b"replaced",
        "/complain": b"complained",
    }.items():  # fmt: skip
        assert client.get(path).body == answer
        assert client.get(path, method="HEAD").body == b""
    client.send(request("/read", f"Content-Length: {len(BODY)}", "Content-Type: text/plain", method="PUT", body=BODY))
    assert client.read().body == BODY
    client.send(request("/read", "Transfer-Encoding: chunked", method="POST", body=chunked(BODY)))
    assert client.read().body == BODY
    client.send(request("/read", f"Content-Length: {len(BODY)}", "Expect: 100-continue", method="POST"))
    assert client.head().status == 100
    client.send(BODY)
    assert client.read().body == BODY


def test_its_iterable_is_closed_once_and_after_the_last_block(serve: Serve) -> None:
    """The validator would say so in __del__, whose exceptions are lost."""
    made: list[Closing] = []

    def app(environ: Environ, start_response: Start) -> Closing:
        start_response("200 OK", PLAIN)
        made.append(Closing(b"a", b"b"))
        return made[-1]

    client = serve(app).connect()
    assert client.get("/", "Connection: close").body == b"ab"
    assert client.closed()
    assert [one.closed for one in made] == [True]


# What it must not do.


@pytest.fixture(scope="module")
def says(live: None) -> Iterator[Saying]:
    """An engine whose application says what the test wants."""
    saying = Saying()
    yield saying
    saying.server.expected_exceptions = len(saying.server.log.said("exception"))
    saying.server.end()


class Saying:
    """`answer` is the next status, headers and blocks."""

    def __init__(self) -> None:
        self.answer: tuple[str, list[tuple[str, str]], list[bytes]] = ("200 OK", [], [])
        self.listed = True
        self.server = EngineServer(self).start()

    def __call__(self, environ: Environ, start_response: Start) -> Iterable[bytes]:
        status, headers, blocks = self.answer
        start_response(status, headers)
        return blocks if self.listed else iter(blocks)

    def wire(self, status: str, headers: list[tuple[str, str]], blocks: list[bytes], *, listed: bool = True) -> bytes:
        """All that two requests on one connection are answered with; the second asks for the end of it."""
        self.answer, self.listed = (status, headers, blocks), listed
        client = self.server.adopted(request("/1") + request("/2", "Connection: close"))
        wire = client.rest()
        client.close()
        return wire


NASTY = st.text(st.sampled_from("\r\n\0\t :;,aZ0-_\x7f\x80\xe9\u0100\u2028"), max_size=8)
few = settings(max_examples=400, derandomize=True)


@few
@given(name=st.one_of(NASTY, st.just("X-A")), value=NASTY, reason=st.one_of(NASTY, st.just("OK")))
def test_nothing_can_be_injected(says: Saying, name: str, value: str, reason: str) -> None:
    """Whatever stands in a header or a reason: it is sent as one line that says just that, or the answer is 500."""
    wire = says.wire(f"200 {reason}", [(name, value)], [b"body"])
    if wire.startswith(b"HTTP/1.1 500 "):
        assert re.findall(rb"(?m)^\S+: ", wire[: wire.index(b"\r\n\r\n")]) == [b"Content-Type: ", b"Content-Length: "]
        return
    for head in re.split(rb"\r\n\r\n(?:body)?", wire)[:-1]:
        lines = head.decode("latin-1").split("\r\n")
        assert not re.search("[\r\n\0]", "".join(lines))
        assert lines[0] == f"HTTP/1.1 200 {reason}"
        own = [line for line in lines[1:] if not re.match("(Server|Date|Content-Length|Connection): ", line)]
        assert own == [f"{name}: {value}"]


@few
@given(
    announced=st.integers(0, 12),
    blocks=st.lists(st.sampled_from([b"", b"a", b"bcd", b"HTTP/1.1 "]), max_size=4),
    listed=st.booleans(),
)
def test_content_length_is_kept_to(says: Saying, announced: int, blocks: list[bytes], listed: bool) -> None:
    """Too long is cut, and the next answer is in its place; too short ends the connection, and the log says so."""
    mark = len(says.server.log.records)
    wire = says.wire("200 OK", [("Content-Length", str(announced))], blocks, listed=listed)
    body = b"".join(blocks)
    _, first, *others = re.split(rb"HTTP/1\.1 200 OK\r\n(?:[^\r\n]+\r\n)+\r\n", wire)
    assert first == body[:announced]
    assert [*others] == ([body[:announced]] if len(body) >= announced else [])
    logged = [text for level, text in says.server.log.records[mark:] if level == "error"]
    assert len(logged) == (len(body) < announced)


@pytest.mark.parametrize("name", [*HOP_BY_HOP, *(name.lower() for name in HOP_BY_HOP)])
def test_hop_by_hop_headers_are_not_the_applications(serve: Serve, name: str) -> None:
    """None of them is sent as it says, and none changes how the body is framed."""

    def app(environ: Environ, start_response: Start) -> list[bytes]:
        start_response("200 OK", [(name, "chunked")])
        return [b"body"]

    client = serve(app).connect()
    for _ in range(2):
        answer = client.get()
        assert (answer.headers["content-length"], answer.body) == ("4", b"body")
        assert name.lower() not in answer.headers


@pytest.mark.parametrize("value", ["a\r\nX: y", "a\n", "\0", "\u0100", b"a\r\nX: y"])
def test_nothing_can_be_injected_into_early_hints(serve: Serve, value: Any) -> None:
    """The application's call fails, and nothing of it is sent."""

    def app(environ: Environ, start_response: Start) -> list[bytes]:
        environ["wsgi.early_hints"]([("Link", value)])
        start_response("200 OK", PLAIN)
        return []

    server = serve(app)
    server.expected_exceptions = 1
    assert server.get().status == 500
