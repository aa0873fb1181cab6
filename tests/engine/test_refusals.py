"""Requests that are not shown to the application: their codes, and that the connection ends with them."""

from __future__ import annotations

import html

import pytest

from tests.engine.apps import Seen, hello
from tests.engine.engine_server import Serve, request
from tests.engine.entries import entries
from tests.eventually import eventually

SMUGGLING = {entry.name: entry.data for entry in entries("heads", "framing") if entry.outcome == "400"}


@pytest.mark.parametrize("data", SMUGGLING.values(), ids=SMUGGLING.keys())
def test_ambiguous_requests_are_400(serve: Serve, data: bytes) -> None:
    """Whatever two parsers could read in two ways is refused, and nothing behind it is looked at."""
    seen = Seen()
    server = serve(seen)
    client = server.connect()
    client.send(data + request("/smuggled"))
    answer = client.read()
    assert (answer.status, answer.headers["connection"]) == (400, "close")
    assert client.closed()
    assert not seen.environs


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
        (b"GET / HTTP/3.0\r\nHost: a\r\n\r\n", 505),
        (b"GET / HTTP/0.9\r\nHost: a\r\n\r\n", 505),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: br, chunked\r\n\r\n", 501),
        (b"GET /" + b"x" * 5000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414),
        (b"GET /" + b"x" * 9000, 414),
        (b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 101 + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 9000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 900_000, 431),
        (b"GET / HTTP/1.1\r\nHost: a\r\nExpect: x\r\n\r\n", 417),
    ],
)  # fmt: skip
def test_other_codes(serve: Serve, data: bytes, status: int) -> None:
    """Too long, too many, too new, unknown: each has its code."""
    client = serve(hello).connect()
    client.send(data)
    assert client.read().status == status
    assert client.closed()


@pytest.mark.parametrize(
    "data",
    [
        b"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost:a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: \t a \t \r\n\r\n",
        b"GET / HTTP/1.1\r\nHost:\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX:\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: \xe9\xff\r\n\r\n",
        b"GET / HTTP/1.2\r\nHost: a\r\n\r\n",
        b"PROPFIND / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 00\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: CHUNKED\r\n\r\n0\r\n\r\n",
    ],
)
def test_unusual_but_right(serve: Serve, data: bytes) -> None:
    """Strict is not narrow: these are allowed."""
    client = serve(hello).connect()
    client.send(data)
    assert client.read().status == 200


def test_more_headers_than_the_c_parser_holds(serve: Serve) -> None:
    """limit_request_fields above 256 works."""
    seen = Seen()
    headers = [f"X-{n}: {n}" for n in range(400)]
    assert serve(seen, settings={"limit_request_fields": 500}).get("/", *headers).status == 200
    assert seen.environs[0]["HTTP_X_399"] == "399"


def test_loosened_rules(serve: Serve) -> None:
    """gunicorn's compatibility settings are honoured."""
    client = serve(hello, settings={"permit_obsolete_folding": True, "strip_header_spaces": True}).connect()
    client.send(b"GET / HTTP/1.1\r\nHost : a\r\nX: a\r\n b\r\n\r\n")
    assert client.read().status == 200


def test_a_refusal_is_logged_and_does_not_hurt_others(serve: Serve) -> None:
    """The log names the peer and the cause; other connections go on."""
    server = serve(hello)
    other = server.connect()
    other.get()
    server.get("nonsense")
    assert "Invalid request from ip=127.0.0.1" in server.log.said("warning")[0]
    assert other.get().status == 200


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"zz\r\nabc\r\n0\r\n\r\n", "Invalid chunk size: b'zz'"),
        (b"f" * 17 + b"\r\n", "the body is not chunked as its head says"),
    ],
)
def test_a_refused_body_says_why(serve: Serve, body: bytes, reason: str) -> None:
    """To the client and in the log, and it is counted, as with a head; the access log names the client."""
    server = serve(hello, settings={"accesslog": "-"})
    client = server.connect()
    client.send(request("/", "Transfer-Encoding: chunked", method="POST", body=body))
    answer = client.read()
    assert (answer.status, html.unescape(answer.body.decode()).count(reason)) == (400, 1)
    assert server.log.said("warning") == [f"Invalid request from ip=127.0.0.1: {reason}"]
    assert server.engine.counters.refused == 1
    (_, _, environ, _) = eventually(lambda: server.log.accesses)[0]
    assert environ["REMOTE_ADDR"] == "127.0.0.1"


def test_the_error_page_escapes(serve: Serve) -> None:
    """What the client sent is not markup in the answer."""
    client = serve(hello).connect()
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\nX<script>: a\r\n\r\n")
    assert b"<script>" not in client.read().body


def test_names_hosts_and_methods_that_clients_invent_do_not_pile_up(serve: Serve) -> None:
    """Thousands of new header names and hosts are served without being remembered."""
    server = serve(hello)
    client = server.connect()
    for n in range(2000):
        assert client.get(f"/{n}", f"X-Invented-{n}: x", method=f"M{chr(65 + n % 26)}{chr(65 + n % 25)}").status == 200
    known = server.engine.debug_view().heads
    assert known.names <= 512
    assert known.hosts <= 512
