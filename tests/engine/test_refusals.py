"""Requests that are not shown to the application: their codes, and that the connection ends with them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.engine.apps import Seen, hello
from tests.engine.rig import Rig, request

MakeRig = Callable[..., Rig]

SMUGGLING = {
    "bare LF": b"GET / HTTP/1.1\nHost: a\n\n",
    "bare LF in the middle": b"GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n",
    "bare LF at the end": b"GET / HTTP/1.1\r\nHost: a\r\n\n",
    "bare LF first": b"\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "bare CR in a value": b"GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n",
    "folded line": b"GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n",
    "folded with tab": b"GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n\tb\r\n\r\n",
    "folded first line": b"GET / HTTP/1.1\r\n Host: a\r\n\r\n",
    "space before colon": b"GET / HTTP/1.1\r\nHost: a\r\nX : a\r\n\r\n",
    "no colon": b"GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n",
    "empty name": b"GET / HTTP/1.1\r\nHost: a\r\n: a\r\n\r\n",
    "NUL in a value": b"GET / HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n",
    "control in a value": b"GET / HTTP/1.1\r\nHost: a\r\nX: \x1f\r\n\r\n",
    "DEL in a value": b"GET / HTTP/1.1\r\nHost: a\r\nX: \x7f\r\n\r\n",
    "non-ASCII name": b"GET / HTTP/1.1\r\nHost: a\r\nX\xe9: a\r\n\r\n",
    "two lengths": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "the same length twice": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na",
    "a list of lengths": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\na",
    "negative length": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
    "signed length": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\na",
    "hex length": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x1\r\n\r\na",
    "empty length": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \r\n\r\n",
    "superscript length": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \xb2\r\n\r\nab",
    "overflowing length": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551617\r\n\r\na",
    "length of 23 digits": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551616000\r\n\r\na",
    "length and chunked": (
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    ),
    "chunked and length": (
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n0\r\n\r\n"
    ),
    "chunked twice": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "chunked in two lines": (
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    ),
    "not chunked last": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    "chunked, identity": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "only gzip": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n",
    "chunked in HTTP/1.0": b"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "no Host": b"GET / HTTP/1.1\r\n\r\n",
    "two Hosts": b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
    "a list of Hosts": b"GET / HTTP/1.1\r\nHost: a, b\r\n\r\n",
    "path in Host": b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
    "user in Host": b"GET / HTTP/1.1\r\nHost: u@a\r\n\r\n",
    "two types": b"GET / HTTP/1.1\r\nHost: a\r\nContent-Type: a/b\r\nContent-Type: c/d\r\n\r\n",
    "non-ASCII target": b"GET /\xe9 HTTP/1.1\r\nHost: a\r\n\r\n",
    "control in the target": b"GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n",
    "NUL in the target": b"GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n",
    "two spaces": b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
    "two spaces before the version": b"GET /  HTTP/1.1\r\nHost: a\r\n\r\n",
    "tab instead of space": b"GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n",
    "space in the target": b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n",
    "space before the method": b" GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "authority form": b"GET a:80 HTTP/1.1\r\nHost: a\r\n\r\n",
    "relative target": b"GET a HTTP/1.1\r\nHost: a\r\n\r\n",
    "asterisk": b"GET * HTTP/1.1\r\nHost: a\r\n\r\n",
    "no target": b"GET HTTP/1.1\r\nHost: a\r\n\r\n",
    "no version": b"GET /\r\nHost: a\r\n\r\n",
    "version of one digit": b"GET / HTTP/1\r\nHost: a\r\n\r\n",
    "version of three digits": b"GET / HTTP/1.10\r\nHost: a\r\n\r\n",
    "another protocol": b"GET / FTP/1.1\r\nHost: a\r\n\r\n",
    "lower-case method": b"get / HTTP/1.1\r\nHost: a\r\n\r\n",
    "bad method": b"G(T / HTTP/1.1\r\nHost: a\r\n\r\n",
    "a TLS hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 32,
}


@pytest.mark.parametrize("data", SMUGGLING.values(), ids=SMUGGLING.keys())
def test_ambiguous_requests_are_400(rig: MakeRig, data: bytes) -> None:
    """Whatever two parsers could read in two ways is refused, and nothing behind it is looked at."""
    seen = Seen()
    make = rig(seen)
    client = make.connect()
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
def test_other_codes(rig: MakeRig, data: bytes, status: int) -> None:
    """Too long, too many, too new, unknown: each has its code."""
    client = rig(hello).connect()
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
def test_unusual_but_right(rig: MakeRig, data: bytes) -> None:
    """Strict is not narrow: these are allowed."""
    client = rig(hello).connect()
    client.send(data)
    assert client.read().status == 200


def test_more_headers_than_the_c_parser_holds(rig: MakeRig) -> None:
    """limit_request_fields above 256 works."""
    seen = Seen()
    headers = [f"X-{n}: {n}" for n in range(400)]
    assert rig(seen, settings={"limit_request_fields": 500}).get("/", *headers).status == 200
    assert seen.environs[0]["HTTP_X_399"] == "399"


def test_loosened_rules(rig: MakeRig) -> None:
    """gunicorn's compatibility settings are honoured."""
    client = rig(hello, settings={"permit_obsolete_folding": True, "strip_header_spaces": True}).connect()
    client.send(b"GET / HTTP/1.1\r\nHost : a\r\nX: a\r\n b\r\n\r\n")
    assert client.read().status == 200


def test_a_refusal_is_logged_and_does_not_hurt_others(rig: MakeRig) -> None:
    """The log names the peer and the cause; other connections go on."""
    make = rig(hello)
    other = make.connect()
    other.get()
    make.get("nonsense")
    assert "Invalid request from ip=127.0.0.1" in make.log.said("warning")[0]
    assert other.get().status == 200


def test_the_error_page_escapes(rig: MakeRig) -> None:
    """What the client sent is not markup in the answer."""
    client = rig(hello).connect()
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\nX<script>: a\r\n\r\n")
    assert b"<script>" not in client.read().body


def test_names_hosts_and_methods_that_clients_invent_do_not_pile_up(rig: MakeRig) -> None:
    """Thousands of new header names and hosts are served without being remembered."""
    make = rig(hello)
    client = make.connect()
    for n in range(2000):
        assert client.get(f"/{n}", f"X-Invented-{n}: x", method=f"M{chr(65 + n % 26)}{chr(65 + n % 25)}").status == 200
    reader = make.engine._turns._reader
    assert len(reader._keys) <= 512
    assert len(reader._hosts) <= 512
