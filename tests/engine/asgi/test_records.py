"""The access log, request hooks, and what applications are told of TLS and of proxies."""

from __future__ import annotations

import ssl
from typing import Any

import pytest

from hotswap.engine.asgi.tls_extension import tls_extension
from tests.certificates import Certificate
from tests.engine.asgi.asgi_apps import AsyncGate, Receive, Scope, Seen, Send, body, hello, over_http, start
from tests.engine.engine_server import Client, EngineServer, Serve, request
from tests.eventually import eventually


def test_the_access_log(serve: Serve) -> None:
    """One line for each request when its answer is complete; with gunicorn's formats."""
    gate = AsyncGate()

    @over_http
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await hello(scope, receive, send)
        await gate.wait()

    server = serve(app, settings={"accesslog": "-"})
    client = server.connect()
    client.get("/log%20ged?a=b", "Referer: http://x/", "User-Agent: test")
    eventually(lambda: server.log.accesses)
    [(response, req, environ, took)] = server.log.accesses
    assert (response.status, response.sent, response.headers) == (200, 8, [])
    assert environ["REQUEST_METHOD"] == req.method == "GET"
    assert environ["RAW_URI"] == "/log%20ged?a=b"
    assert environ["PATH_INFO"] == "/log ged"
    assert environ["QUERY_STRING"] == "a=b"
    assert environ["SERVER_PROTOCOL"] == "HTTP/1.1"
    assert environ["REMOTE_ADDR"] == "127.0.0.1"
    assert environ["HTTP_REFERER"] == "http://x/"
    assert environ["HTTP_USER_AGENT"] == "test"
    assert 0 <= took.total_seconds() < 10
    gate.open()
    eventually(lambda: not server.engine.in_flight())
    assert len(server.log.accesses) == 1


def test_requests_without_an_answer_are_logged_too(serve: Serve) -> None:
    """With the status that they got, if any."""

    @over_http
    async def app(scope: Scope, _receive: Receive, send: Send) -> None:
        if scope["path"] == "/begun":
            await send(start(201, (b"x", b"y")))
            await send(body(b"abc", more=True))
        raise RuntimeError

    server = serve(app, settings={"accesslog": "-"})
    server.expected_exceptions = 2
    server.get("/")
    client = server.connect()
    client.send(request("/begun"))
    client.head()
    eventually(lambda: len(server.log.accesses) == 2)
    assert [(one[0].status, one[0].sent) for one in server.log.accesses] == [(500, 0), (201, 3)]


def test_an_access_log_that_fails_costs_nothing(serve: Serve) -> None:
    """The client has its answer, and goes on."""
    server = serve(hello, settings={"accesslog": "-"})

    def fails(*_: Any) -> None:
        raise RuntimeError

    server.log.access = fails  # type: ignore[method-assign, assignment]
    client = server.connect()
    for _ in range(2):
        assert client.get("/x").body == b"/x"
    server.expected_exceptions = 2


def test_hooks(serve: Serve) -> None:
    """pre_request before the call, post_request behind it, with one object for both."""
    seen = Seen()

    def pre(worker: Any, req: Any) -> None:
        req.kept = "kept"
        seen.add(("pre", req.method, req.path, req.query, req.version, req.scheme, req.uri))

    def post(worker: Any, req: Any, environ: Any, resp: Any) -> None:
        seen.add(("post", req.kept, environ["PATH_INFO"], resp.status, resp.sent, resp.headers))

    @over_http
    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        seen.add("call")
        await send(start(200, (b"name", b"value")))
        await send(body(b"xy"))

    server = serve(app, settings={"pre_request": pre, "post_request": post})
    server.get("/path?query")
    seen.wait_for(
        ("pre", "GET", "/path", "query", (1, 1), "http", "/path?query"),
        "call",
        ("post", "kept", "/path", 200, 2, [("name", "value")]),
    )


@pytest.mark.parametrize("which", ["pre_request", "post_request"])
def test_hooks_that_fail(serve: Serve, which: str) -> None:
    """The first is a failed request; of the second only the log tells."""

    def pre(worker: Any, req: Any) -> None:
        raise SystemExit(1)

    def post(worker: Any, req: Any, environ: Any, resp: Any) -> None:
        raise SystemExit(1)

    server = serve(hello, settings={which: pre if which == "pre_request" else post})
    server.expected_exceptions = 1
    client = server.connect()
    assert client.get("/x").status == (500 if which == "pre_request" else 200)
    eventually(lambda: server.log.said("exception"))


def scope_of(serve: Serve, *headers: str, first: bytes = b"", **settings: Any) -> Scope:
    """The scope of a request with these headers behind those first bytes."""
    scopes: list[Scope] = []

    @over_http
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scopes.append(scope)
        await hello(scope, receive, send)

    client = serve(app, settings=settings).connect()
    client.send(first + request("/", *headers))
    client.read()
    return scopes[0]


def test_behind_a_trusted_proxy(serve: Serve) -> None:
    """Client and scheme are those that it says; from another peer nothing is taken."""
    said = ("X-Forwarded-For: 1.2.3.4", "X-Forwarded-Proto: https")
    scope = scope_of(serve, *said)
    assert (scope["client"], scope["scheme"]) == (("1.2.3.4", 0), "https")
    scope = scope_of(serve, *said, forwarded_allow_ips="10.0.0.1")
    assert (scope["client"][0], scope["scheme"]) == ("127.0.0.1", "http")


def test_the_proxy_protocol(serve: Serve) -> None:
    """The client is the one that the header names."""
    line = b"PROXY TCP4 203.0.113.7 198.51.100.1 4711 443\r\n"
    assert scope_of(serve, first=line, proxy_protocol="v1")["client"] == ("203.0.113.7", 4711)


def test_a_scope(serve: Serve) -> None:
    """What stands in it beside the request: the server, the extensions, a state of its own."""
    scopes: list[Scope] = []

    @over_http
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scope["state"]["mine"] = scope["path"]
        scopes.append(scope)
        await hello(scope, receive, send)

    server = serve(app, asgi={"root_path": "/root"})
    client = server.connect()
    for path in ("/1", "/2"):
        client.get(path)
    first, second = scopes
    assert first["server"] == server.address
    assert first["client"] == client.sock.getsockname()
    assert set(first["extensions"]) == {
        "http.response.early_hint", "http.response.pathsend", "http.response.trailers",
    }  # fmt: skip
    assert (first["root_path"], first["path"]) == ("/root", "/root/1")
    assert (first["state"]["mine"], second["state"]["mine"]) == ("/root/1", "/root/2")
    assert first["state"]["draining"] is second["state"]["draining"]


def test_tls(serve_tls: Serve, certificate: Certificate) -> None:
    """What the extension says is what the client's socket says; without a client's certificate there is no name."""
    scopes: list[Scope] = []

    @over_http
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scopes.append(scope)
        await hello(scope, receive, send)

    server = serve_tls(app)
    sock = certificate.client().wrap_socket(server.connect().sock, server_hostname="localhost")
    Client(sock).get()
    said = scopes[0]["extensions"]["tls"]
    cipher = sock.cipher()
    assert cipher is not None
    ids = {one["name"]: one["id"] & 0xFFFF for one in ssl.create_default_context().get_ciphers()}
    assert said == {
        "server_cert": None, "client_cert_chain": [], "client_cert_name": None, "client_cert_error": None,
        "tls_version": {"TLSv1.2": 0x303, "TLSv1.3": 0x304}[sock.version() or ""], "cipher_suite": ids[cipher[0]],
    }  # fmt: skip
    assert scopes[0]["scheme"] == "https"
    sock.close()


class _Certified:
    """As much of an SSLSocket as the extension asks of one whose client has shown a certificate."""

    context = ssl.create_default_context()

    def getpeercert(self, binary_form: bool = False) -> Any:
        subject = ((("countryName", "DE"),), (("commonName", ' a,"b" '), ("userId", "#1")))
        return b"der" if binary_form else {"subject": subject}

    def cipher(self) -> None:
        return None

    def version(self) -> None:
        return None


def test_a_clients_name() -> None:
    """As RFC 4514 writes it: the last part first, characters that mean something escaped."""
    said = tls_extension(_Certified())  # type: ignore[arg-type]
    assert said["client_cert_name"] == 'CN=\\ a\\,\\"b\\"\\ +UID=\\#1,C=DE'
    assert said["client_cert_chain"] == [ssl.DER_cert_to_PEM_cert(b"der")]
    assert (said["tls_version"], said["cipher_suite"]) == (None, None)


def test_a_fault_of_ours_costs_one_connection(serve: Serve) -> None:
    """Whatever it is, as here a log that cannot be written: the others are served."""
    server = serve(hello)
    assert isinstance(server, EngineServer)
    client, other = server.connect(), server.connect()
    other.get()
    eventually(lambda: not server.engine.in_flight())
    counters = server.engine._state.counters
    server.engine._state.counters = None  # type: ignore[assignment]
    client.send(request("/x"))
    try:
        assert client.closed()
    finally:
        server.engine._state.counters = counters
    assert other.get("/y").body == b"/y"
    server.expected_exceptions = 1
