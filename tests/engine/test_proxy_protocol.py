"""The PROXY protocol: which client the application sees, and which peer may name it."""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Callable
from typing import Any

import pytest
from gunicorn.config import Config
from gunicorn.http import errors
from gunicorn.http.message import Request as GunicornRequest
from gunicorn.http.unreader import IterUnreader
from hypothesis import given, settings
from hypothesis import strategies as st

from hotswap.engine import Moved
from hotswap.engine.http1.error_page import Refusal
from hotswap.engine.http1.proxy_protocol import ProxiedReader
from hotswap.engine.limits import Limits
from hotswap.engine.wsgi.environ import base_environ
from hotswap.engine.wsgi.environ_reader import EnvironReader
from hotswap.settings.options import EngineOptions
from tests.engine.apps import Gate, Seen, hello
from tests.engine.engine_server import EngineServer, Serve, request
from tests.engine.some_sender import SomeSender
from tests.eventually import eventually

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
V1 = b"PROXY TCP4 203.0.113.7 198.51.100.1 4711 443\r\n"
V1_IPV6 = b"PROXY TCP6 2001:db8::7 2001:db8::1 4711 443\r\n"
CLIENT = {
    "PROXY_PROTOCOL": "TCP4", "REMOTE_ADDR": "203.0.113.7", "REMOTE_PORT": "4711",
    "PROXY_ADDR": "198.51.100.1", "PROXY_PORT": "443",
}  # fmt: skip
CLIENT_IPV6 = {**CLIENT, "PROXY_PROTOCOL": "TCP6", "REMOTE_ADDR": "2001:db8::7", "PROXY_ADDR": "2001:db8::1"}


def version2(command: int = 0x21, family: int = 0x11, body: bytes = b"") -> bytes:
    return SIGNATURE + struct.pack(">BBH", command, family, len(body)) + body


def pair(family: int, client: str, proxy: str) -> bytes:
    return socket.inet_pton(family, client) + socket.inet_pton(family, proxy) + struct.pack(">HH", 4711, 443)


IPV4 = pair(socket.AF_INET, "203.0.113.7", "198.51.100.1")
V2 = version2(body=IPV4)
V2_EXTENSIONS = version2(body=IPV4 + b"\x04\x00\x05hello")
V2_IPV6 = version2(family=0x21, body=pair(socket.AF_INET6, "2001:db8::7", "2001:db8::1"))
LOCAL = version2(command=0x20, family=0x00)
LOCAL_WITH_MORE = version2(command=0x20, family=0x11, body=IPV4)
UNSPEC = version2(family=0x01, body=b"\x04\x00\x01x")


def proxied(serve: Serve, mode: str = "auto", app: Any = None, **options: Any) -> tuple[EngineServer, Seen]:
    seen = Seen()
    return serve(app or seen, settings={"proxy_protocol": mode, **options}), seen


def told(environ: dict[str, Any]) -> dict[str, Any]:
    return {name: environ[name] for name in CLIENT if name in environ}


def into(moved: list[Moved]) -> Callable[[list[Moved]], list[Moved]]:
    """For leave(): everything goes into this list."""

    def give(offers: list[Moved]) -> list[Moved]:
        moved.extend(offers)
        return []

    return give


def to(server: EngineServer) -> Callable[[list[Moved]], list[Moved]]:
    """For leave(): everything goes to this engine."""

    def give(offers: list[Moved]) -> list[Moved]:
        server.engine.adopt(offers)
        return []

    return give


@pytest.mark.parametrize(
    ("mode", "header", "expected"),
    [
        ("v1", V1, CLIENT),
        ("v1", V1_IPV6, CLIENT_IPV6),
        ("v2", V2, CLIENT),
        ("v2", V2_IPV6, CLIENT_IPV6),
        ("v2", V2_EXTENSIONS, CLIENT),
        ("auto", V1, CLIENT),
        ("auto", V2, CLIENT),
    ],
)
def test_the_client_that_the_proxy_names(serve: Serve, mode: str, header: bytes, expected: dict[str, str]) -> None:
    """REMOTE_ADDR and its companions, in every request of the connection, whatever is behind the addresses."""
    server, seen = proxied(serve, mode)
    client = server.connect()
    client.send(header + request("/1"))
    assert client.read().body == b"/1"
    client.get("/2")
    assert [told(environ) for environ in seen.environs] == [expected, expected]


@pytest.mark.parametrize("header", [V1, V2, V2_EXTENSIONS, LOCAL], ids=["v1", "v2", "v2 extensions", "local"])
def test_split_at_every_byte(serve: Serve, header: bytes) -> None:
    """However the header and the request behind it arrive, it is the same request."""
    server, seen = proxied(serve)
    whole = header + request("/x")
    for cut in range(1, len(whole)):
        client = server.adopted(whole[:cut])
        client.send(whole[cut:])
        assert client.read().body == b"/x"
        client.close()
    assert len({tuple(told(environ).items()) for environ in seen.environs}) == 1


@pytest.mark.parametrize("header", [LOCAL, LOCAL_WITH_MORE, UNSPEC], ids=["LOCAL", "LOCAL with more", "UNSPEC"])
def test_a_header_that_names_no_client(serve: Serve, header: bytes) -> None:
    """A proxy's own health check: REMOTE_ADDR is the peer's."""
    server, seen = proxied(serve)
    client = server.connect()
    client.send(header + request())
    assert client.read().status == 200
    environ = seen.environs[0]
    assert environ["REMOTE_ADDR"] == "127.0.0.1"
    assert environ["PROXY_PROTOCOL"] == ("UNSPEC" if header is UNSPEC else "LOCAL")
    assert "PROXY_ADDR" not in environ


def test_requests_without_a_header(serve: Serve) -> None:
    """As gunicorn: both can be used together."""
    server, seen = proxied(serve)
    client = server.connect()
    assert [client.get().status for _ in range(2)] == [200, 200]
    assert told(seen.environs[0])["REMOTE_ADDR"] == "127.0.0.1"
    assert "PROXY_PROTOCOL" not in seen.environs[0]


@pytest.mark.parametrize(
    ("mode", "header"),
    [
        ("off", V1),
        ("off", V2),
        ("v1", V2),
        ("v2", V1),
        ("auto", b"PROXY UNKNOWN\r\n"),
        ("auto", b"PROXY TCP4 203.0.113.7 198.51.100.1 4711\r\n"),
        ("auto", b"PROXY TCP4 203.0.113.999 198.51.100.1 4711 443\r\n"),
        ("auto", b"PROXY TCP4 2001:db8::7 2001:db8::1 4711 443\r\n"),
        ("auto", b"PROXY TCP4 203.0.113.7 198.51.100.1 65536 443\r\n"),
        ("auto", b"PROXY UDP4 203.0.113.7 198.51.100.1 4711 443\r\n"),
        ("auto", b"PROXY TCP4 " + b"1" * 200),
        ("auto", b"PROXY TCP4 203.0.113.7 198.51.100.1 4711 " + b"0" * 100 + b"443\r\n"),
        ("auto", version2(command=0x11, body=IPV4)),
        ("auto", version2(command=0x22, body=IPV4)),
        ("auto", version2(family=0x12, body=IPV4)),
        ("auto", version2(family=0x11, body=IPV4[:-1])),
        ("auto", version2(family=0x21, body=IPV4)),
        ("auto", version2(family=0x31, body=bytes(216))),
    ],
)  # fmt: skip
def test_what_is_no_header_is_400(serve: Serve, mode: str, header: bytes) -> None:
    """And nothing behind it is looked at."""
    server, seen = proxied(serve, mode)
    client = server.connect()
    client.send(header + request("/smuggled"))
    answer = client.read()
    assert (answer.status, answer.headers["connection"]) == (400, "close")
    assert client.closed()
    assert not seen.environs


def test_only_at_the_beginning(serve: Serve) -> None:
    """In front of a second request it is a client that plays the proxy."""
    for first in (b"", V1):
        server, seen = proxied(serve)
        client = server.connect()
        client.send(first + request("/1") + V2 + request("/2"))
        assert client.read().status == 200
        assert client.read().status == 400
        assert len(seen.environs) == 1


def test_a_peer_that_may_not_say_so_is_403(serve: Serve) -> None:
    """proxy_allow_ips; and its requests without a header are served."""
    server, seen = proxied(serve, proxy_allow_ips="10.0.0.0/8")
    for header in (V1, V2):
        client = server.connect()
        client.send(header + request())
        assert client.read().status == 403
        assert client.closed()
    assert not seen.environs
    assert server.get().status == 200
    server, seen = proxied(serve, proxy_allow_ips="127.0.0.0/8")
    client = server.connect()
    client.send(V1 + request())
    assert client.read().status == 200


def test_a_peer_without_an_address_may(serve: Serve) -> None:
    """A unix socket's."""
    server, seen = proxied(serve, proxy_allow_ips="10.0.0.1")
    assert server.adopted(V2 + request()).read().status == 200
    assert told(seen.environs[0]) == CLIENT


def test_a_header_that_does_not_end_is_408(serve: Serve) -> None:
    """It counts to the head's time."""
    server = serve(hello, settings={"proxy_protocol": "auto"}, head_timeout=0.2)
    client = server.connect()
    client.send(V1[:20])
    assert client.read().status == 408


def test_half_a_signature_is_not_waited_for_once_it_is_none(serve: Serve) -> None:
    """One empty line before a request is allowed, and is how the signature begins as well."""
    server, _ = proxied(serve)
    client = server.connect()
    client.send(b"\r\n" + request("/x"))
    assert client.read().body == b"/x"


def test_forwarded_headers_are_trusted_by_the_peers_address(serve: Serve) -> None:
    """As gunicorn: it is the proxy that speaks, whomever it names."""
    server, seen = proxied(serve)
    client = server.connect()
    client.send(V1 + request("/", "X-Forwarded-Proto: https"))
    assert client.read().status == 200
    assert seen.environs[0]["wsgi.url_scheme"] == "https"


def test_the_information_moves_with_the_connection(serve: Serve) -> None:
    """As JSON; behind it the next engine expects no second header."""
    old, _ = proxied(serve)
    new, seen = proxied(serve)
    client = old.connect()
    client.send(V1 + request())
    client.read()
    moved: list[Moved] = []
    old.engine.leave(into(moved))
    eventually(lambda: moved)
    assert json.loads(moved[0].proxy) == CLIENT
    new.engine.adopt(moved)
    client.get()
    assert told(seen.environs[0]) == CLIENT
    client.send(V1 + request())
    assert client.read().status == 400


def test_that_there_was_none_moves_too(serve: Serve) -> None:
    """A client that has sent a request without a header cannot send one to the next engine."""
    old, _ = proxied(serve)
    new, seen = proxied(serve)
    client = old.connect()
    client.get()
    old.engine.leave(to(new))
    client.send(V1 + request())
    assert client.read().status == 400
    assert not seen.environs


@pytest.mark.parametrize("cut", [0, 3, 20, len(V1), len(V1) + 10])
def test_half_a_header_moves(serve: Serve, cut: int) -> None:
    """The engine that gets the connection reads the header from its beginning."""
    old, _ = proxied(serve)
    new, seen = proxied(serve)
    whole = V1 + request("/x")
    client = old.connect()
    eventually(lambda: old.engine.counters.accepted == 1)
    if cut:
        client.send(whole[:cut])
        eventually(lambda: any(conn.unserved for conn in old.connections))
    moved: list[Moved] = []
    old.engine.leave(into(moved))
    eventually(lambda: moved)
    assert (moved[0].proxy, moved[0].data) == ("", whole[:cut])
    new.engine.adopt(moved)
    client.send(whole[cut:])
    assert client.read().body == b"/x"
    assert told(seen.environs[0]) == CLIENT


def test_a_busy_connection_takes_it_along(serve: Serve) -> None:
    """Handed over by the thread that finished its request."""
    gate = Gate()
    old, _ = proxied(serve, app=gate)
    new, seen = proxied(serve)
    client = old.connect()
    client.send(V2 + request("/wait"))
    gate.wait_entered()
    old.engine.leave(to(new))
    gate.open()
    assert client.read().body == b"/wait"
    client.get()
    assert told(seen.environs[0]) == CLIENT


def test_information_that_cannot_be_read_closes_the_connection(serve: Serve) -> None:
    """Better than to take the proxy for the client."""
    server, _ = proxied(serve)
    for text in ("{", "[]", '{"REMOTE_ADDR": 1}'):
        ours, theirs = socket.socketpair()
        server.engine.adopt([Moved(theirs, "main", "", b"", text)])
        ours.settimeout(10)
        assert ours.recv(1) == b""
        ours.close()
    assert len(server.log.said("warning")) == 3


def test_it_is_in_the_access_log(serve: Serve) -> None:
    """The log tells the client, not the proxy."""
    server, _ = proxied(serve, accesslog="-")
    client = server.connect()
    client.send(V1 + request())
    client.read()
    eventually(lambda: server.log.accesses)
    assert server.log.accesses[0][2]["REMOTE_ADDR"] == "203.0.113.7"


# The same verdict as gunicorn's on everything that is offered.

CFG = Config()
CFG.set("proxy_protocol", "auto")
CFG.set("http_parser", "python")
OPTIONS = EngineOptions.from_config(CFG)
READER = ProxiedReader(OPTIONS, EnvironReader(OPTIONS, Limits.from_options(OPTIONS)))


def ours(data: bytes) -> tuple[str, Any]:
    sender = SomeSender(base_environ(("localhost", "80"), OPTIONS, multiprocess=False))
    try:
        found = READER.read(data, sender)
    except Refusal as refusal:
        return "refused", refusal.code
    return ("more", None) if found is None else ("ok", (sender.proxy, found.uri, found.consumed))


def theirs(data: bytes) -> tuple[str, Any]:
    source = IterUnreader([data])
    try:
        message = GunicornRequest(CFG, source, ("127.0.0.1", 1), 1)
    except (errors.NoMoreData, StopIteration):
        return "more", None
    except errors.ParseException:
        return "refused", 400
    info = message.proxy_protocol_info or {}
    variables = {"PROXY_PROTOCOL": info["proxy_protocol"]} if info else {}
    if info.get("client_addr"):
        variables.update(
            REMOTE_ADDR=info["client_addr"], REMOTE_PORT=str(info["client_port"]),
            PROXY_ADDR=info["proxy_addr"], PROXY_PORT=str(info["proxy_port"]),
        )  # fmt: skip
    return "ok", (variables, message.uri, len(data) - len(source.take_buffered()))


WORDS = st.sampled_from(
    [b"TCP4", b"TCP6", b"UNKNOWN", b"1.2.3.4", b"::1", b"1.2.3", b"", b"0", b"443", b"65536", b"-1", b"08", b"x"]
)
LINES = st.lists(WORDS, min_size=3, max_size=6).map(lambda words: b"PROXY " + b" ".join(words) + b"\r\n")
BINARY = st.builds(
    version2,
    st.sampled_from([0x20, 0x21, 0x22, 0x11, 0x31]),
    st.sampled_from([0x00, 0x01, 0x11, 0x12, 0x21, 0x31, 0x41]),
    st.one_of(st.sampled_from([IPV4, IPV4[:11], V2_IPV6[16:], b""]), st.binary(max_size=60)),
)
MIXED = st.one_of(LINES, BINARY, st.binary(max_size=20), st.sampled_from([V1, V2, V1_IPV6, b"PROXY", SIGNATURE[:5]]))


@settings(max_examples=1000, derandomize=True)
@given(MIXED, st.integers(0, 200))
def test_the_verdict_is_gunicorns(header: bytes, cut: int) -> None:
    """Wherever it is cut off; what gunicorn still waits for may be refused already."""
    data = (header + b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n")[:cut] if cut < 150 else header + request("/x")
    here, there = ours(data), theirs(data)
    if there[0] == "more" and here[0] != "more":
        assert here[0] == "refused"
    elif here[0] == "more" and there[0] == "refused":
        assert b"\r\n\r\n" not in data.removeprefix(SIGNATURE)
    else:
        assert here == there
