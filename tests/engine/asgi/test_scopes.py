"""Scopes: what an application is told of a request, and of its client behind proxies."""

from __future__ import annotations

from typing import Any

import pytest

from hotswap.engine.asgi.forwarded_client import host_and_port
from hotswap.engine.http1.head_parser import choose
from hotswap.engine.http1.request import CHUNKED
from tests.engine.asgi.scopes import CLIENT, SERVER, Scopes
from tests.engine.test_proxy_protocol import V1

PARSERS = [choose({}), choose({"HOTSWAP_PURE": "1"})]
STRANGER = ("203.0.113.7", 1)
WEBSOCKET = b"Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\nSec-WebSocket-Protocol: chat , soap\r\n"


@pytest.fixture(params=PARSERS, ids=lambda parser: parser.name)
def scopes(request: pytest.FixtureRequest) -> Scopes:
    """On each of the parsers, and nothing learnt yet."""
    return Scopes(request.param)


def get(lines: bytes = b"", target: bytes = b"/", version: bytes = b"1.1") -> bytes:
    """A GET with these lines behind its Host."""
    return b"GET %b HTTP/%b\r\nHost: a\r\n%b\r\n" % (target, version, lines)


# A value with two blanks in front is not plain: the strict reader reads such a head.
@pytest.mark.parametrize("blank", [b" ", b"  "])
def test_a_plain_request(scopes: Scopes, blank: bytes) -> None:
    """Every key, twice: the second time, much of it is remembered."""
    head = b"GET /a%%20b/%%C3%%A9?c=d%%20e HTTP/1.1\r\nHost:%ba\r\nX-One: 1\r\nx-ONE: \xe9\r\n\r\n" % blank
    for _ in range(2):
        request = scopes.read(head + b"more")
        assert request is not None
        assert request.scope == {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "server": SERVER,
            "client": CLIENT,
            "scheme": "http",
            "method": "GET",
            "root_path": "",
            "path": "/a b/\xe9",
            "raw_path": b"/a%20b/%C3%A9",
            "query_string": b"c=d%20e",
            "headers": [(b"host", b"a"), (b"x-one", b"1"), (b"x-one", b"\xe9")],
            "state": {},
            "extensions": {},
        }
        assert (request.uri, request.path) == ("/a%20b/%C3%A9?c=d%20e", "/a b/\xe9")
        assert (request.method, request.consumed, request.keep_alive) == ("GET", len(head), True)


@pytest.mark.parametrize("blank", [b" ", b"  "])
def test_a_body_that_is_waited_for(scopes: Scopes, blank: bytes) -> None:
    """Its length, and what else the engine has to know."""
    head = b"POST / HTTP/1.1\r\nHost:%ba\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n" % blank
    request = scopes.read(head)
    assert request is not None
    assert (request.length, request.expect, request.http11, request.upgrade) == (5, True, True, False)
    request = scopes.read(b"POST / HTTP/1.1\r\nHost:%ba\r\nTransfer-Encoding: chunked\r\n\r\n" % blank)
    assert request is not None
    assert request.length == CHUNKED


@pytest.mark.parametrize("blank", [b" ", b"  "])
def test_http10(scopes: Scopes, blank: bytes) -> None:
    """Says so, and closes."""
    request = scopes.read(b"GET / HTTP/1.0\r\nX:%by\r\n\r\n" % blank)
    assert request is not None
    assert (request.scope["http_version"], request.http11, request.keep_alive) == ("1.0", False, False)


def test_root_path(scopes: Scopes) -> None:
    """In front of path and raw_path, as uvicorn has it; not of what the engine compares."""
    scopes = Scopes(root_path="/api")
    for data in (get(target=b"/%41?x"), get(b"X:  y\r\n", b"/%41?x")):
        request = scopes.read(data)
        assert request is not None
        scope = request.scope
        assert (scope["root_path"], scope["path"], scope["raw_path"]) == ("/api", "/api/A", b"/api/%41")
        assert request.path == "/A"


@pytest.mark.parametrize(
    ("target", "path", "raw_path", "query"),
    [
        (b"/?", "/", b"/", b""),
        (b"/a?b?c", "/a", b"/a", b"b?c"),
        (b"//x/y", "//x/y", b"//x/y", b""),
        (b"/%zz%4", "/%zz%4", b"/%zz%4", b""),
        (b"/%ff", "/\ufffd", b"/%ff", b""),
        (b"http://other/b?c#d", "/b", b"/b", b"c"),
        (b"http://other", "/", b"/", b""),
        (b"/a#b", "/a", b"/a", b""),
    ],
)
def test_targets(scopes: Scopes, target: bytes, path: str, raw_path: bytes, query: bytes) -> None:
    """Decoded as UTF-8, and as they were sent."""
    for _ in range(2):
        scope = scopes.scope(get(target=target))
        assert (scope["path"], scope["raw_path"], scope["query_string"]) == (path, raw_path, query)


def test_what_a_request_changes_is_seen_by_no_other(scopes: Scopes) -> None:
    """State is the lifespan's, and copied."""
    scopes.state["shared"] = []
    sender = scopes.sender(extensions={"http.response.pathsend": {}})
    first = scopes.scope(get(), sender)
    first["state"]["shared"].append(1)
    first["state"]["own"] = first["asgi"]["own"] = first["extensions"]["own"] = first["own"] = True
    first["headers"].clear()
    second = scopes.scope(get(), sender)
    assert second["state"] == {"shared": [1]}
    assert second["extensions"] == {"http.response.pathsend": {}}
    assert "own" not in second
    assert "own" not in second["asgi"]
    assert second["headers"] == [(b"host", b"a")]


def test_a_unix_socket(scopes: Scopes) -> None:
    """Its client has no address."""
    scope = scopes.scope(get(), scopes.sender("", "/run/a.sock"))
    assert (scope["client"], scope["server"]) == (None, ("/run/a.sock", None))


def test_ipv6_and_tls(scopes: Scopes) -> None:
    """Addresses without flow and scope."""
    scope = scopes.scope(get(), scopes.sender(("::1", 5, 0, 0), ("::1", 8000, 0, 0), tls=True))
    assert (scope["client"], scope["server"], scope["scheme"]) == (("::1", 5), ("::1", 8000), "https")


@pytest.mark.parametrize(
    ("lines", "peer", "scheme", "client"),
    [
        (b"X-Forwarded-Proto: https\r\nX-Forwarded-For: 1.2.3.4\r\n", CLIENT, "https", ("1.2.3.4", 0)),
        (b"X-Forwarded-Proto: https\r\nX-Forwarded-For: 1.2.3.4\r\n", "", "https", ("1.2.3.4", 0)),
        (b"X-Forwarded-Proto: https\r\nX-Forwarded-For: 1.2.3.4\r\n", STRANGER, "http", STRANGER),
        (b"X-Forwarded-For: 9.9.9.9, 1.2.3.4:567, 127.0.0.1\r\n", CLIENT, "http", ("1.2.3.4", 567)),
        (b"X-Forwarded-For: 9.9.9.9\r\nX-Forwarded-For: 1.2.3.4\r\n", CLIENT, "http", ("1.2.3.4", 0)),
        (b"X-Forwarded-For: ::1, 127.0.0.1\r\n", CLIENT, "http", ("::1", 0)),
        (b"X-Forwarded-For: unknown\r\n", CLIENT, "http", ("unknown", 0)),
        (b"X-Forwarded-For: \r\n", CLIENT, "http", CLIENT),
        (b"X-Forwarded-Ssl: on\r\n", CLIENT, "https", CLIENT),
        (b"X-Forwarded-Proto:  https\r\nX-Forwarded-For: 1.2.3.4\r\n", CLIENT, "https", ("1.2.3.4", 0)),
    ],
)
def test_behind_a_proxy(scopes: Scopes, lines: bytes, peer: Any, scheme: str, client: Any) -> None:
    """What trusted peers say of scheme and client; twice, because trust is remembered."""
    for _ in range(2):
        scope = scopes.scope(get(lines), scopes.sender(peer))
        assert (scope["scheme"], scope["client"]) == (scheme, client)


def test_who_trusts_all_trusts_the_first() -> None:
    """As uvicorn."""
    scopes = Scopes(forwarded_allow_ips="*")
    scope = scopes.scope(get(b"X-Forwarded-For: 9.9.9.9, 1.2.3.4\r\n"), scopes.sender(STRANGER))
    assert scope["client"] == ("9.9.9.9", 0)


def test_behind_the_proxy_protocol() -> None:
    """The client is whom the proxy names, on the first request and later, and it is not trusted on its own word."""
    scopes = Scopes(proxy_protocol="v1", proxy_allow_ips="*")
    sender = scopes.sender()
    forged = get(b"X-Forwarded-For: 1.2.3.4\r\n")
    assert scopes.read(V1 + forged[:-1], sender) is None
    assert sender.proxy is None
    for data in (V1 + forged, get()):
        assert scopes.scope(data, sender)["client"] == ("203.0.113.7", 4711)


@pytest.mark.parametrize("more", [b"", b"X:  y\r\n"])
@pytest.mark.parametrize("tls", [False, True])
def test_a_websocket(scopes: Scopes, more: bytes, tls: bool) -> None:
    """Its own type, without a method."""
    scopes = Scopes(certfile="/a.pem" if tls else None)
    sender = scopes.sender(tls=tls, extensions={"http.response.pathsend": {}, "tls": {"server_cert": None}})
    request = scopes.read(get(WEBSOCKET + more, b"/chat?x"), sender)
    assert request is not None
    assert (request.upgrade, request.method) == (True, "GET")
    scope = request.scope
    assert (scope["type"], scope["asgi"]["spec_version"]) == ("websocket", "2.4")
    assert scope["scheme"] == ("wss" if tls else "ws")
    assert (scope["path"], scope["query_string"], scope["subprotocols"]) == ("/chat", b"x", ["chat", "soap"])
    assert scope["extensions"] == {"websocket.http.response": {}, "tls": {"server_cert": None}}
    assert "method" not in scope
    assert sender.base["asgi"]["spec_version"] == "2.3"


@pytest.mark.parametrize(("said", "scheme"), [(b"https", "wss"), (b"wss", "wss"), (b"http", "ws"), (b"ws", "ws")])
def test_a_websocket_behind_a_proxy(scopes: Scopes, said: bytes, scheme: str) -> None:
    """Some say wss, some say https."""
    for blank in (b" ", b"  "):
        lines = WEBSOCKET + b"X-Forwarded-Proto:%b%b\r\n" % (blank, said)
        assert scopes.scope(get(lines))["scheme"] == scheme
        assert scopes.scope(get(lines), scopes.sender(STRANGER))["scheme"] == "ws"


@pytest.mark.parametrize(
    "data",
    [
        get(b"Upgrade: websocket\r\n"),
        get(b"Connection: upgrade\r\nUpgrade: h2c\r\n"),
        get(WEBSOCKET, version=b"1.0"),
        get(WEBSOCKET + b"Content-Length: 5\r\n"),
        get(WEBSOCKET).replace(b"GET", b"POST"),
    ],
)
def test_what_is_no_websocket(scopes: Scopes, data: bytes) -> None:
    """A request like any other."""
    assert scopes.scope(data)["type"] == "http"
    assert Scopes(websockets=False).scope(get(WEBSOCKET))["type"] == "http"


def test_what_clients_invent_does_not_fill_the_memory(scopes: Scopes) -> None:
    """Targets, names, hosts and hops without end: each is read rightly, and some are remembered."""
    for number in range(1100):
        data = b"MOVE /%d HTTP/1.1\r\nHost: h%d\r\nX-%d: y\r\nX-Forwarded-For: h%d\r\n\r\n" % ((number,) * 4)
        scope = scopes.scope(data)
        assert (scope["path"], scope["client"], scope["method"]) == (f"/{number}", (f"h{number}", 0), "MOVE")
        assert (b"x-%d" % number, b"y") in scope["headers"]
    known = scopes.reader.known
    assert max(len(known.targets), known.names, known.hosts) <= 1024
    long = scopes.scope(get(b"X-Forwarded-For: %b, 1.2.3.4\r\n" % (b"9.9.9.9, " * 50), b"/" + b"x" * 300))
    assert (long["client"], long["path"]) == (("1.2.3.4", 0), "/" + "x" * 300)


@pytest.mark.parametrize("name", ["HOST", "CONNECTION"])
def test_a_scheme_header_that_means_more(name: str) -> None:
    """Strange, but possible: every head is read by the strict reader then."""
    scopes = Scopes(secure_scheme_headers={name: "a"})
    assert scopes.scope(get(b"Connection: a\r\n"))["scheme"] == "https"
    assert scopes.reader.known.targets == frozenset()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("1.2.3.4:567", ("1.2.3.4", 567)),
        ("[::1]:567", ("::1", 567)),
        ("[::1]", ("::1", 0)),
        ("[::1]x", ("[::1]x", 0)),
        ("[::1", ("[::1", 0)),
        ("[::1]:x", ("::1", 0)),
        ("::1", ("::1", 0)),
        ("a:b", ("a:b", 0)),
        ("a:", ("a:", 0)),
    ],
)
def test_hosts_and_ports(text: str, found: tuple[str, int]) -> None:
    """What is not plainly a port belongs to the host, which is then trusted by nobody."""
    assert host_and_port(text) == found
