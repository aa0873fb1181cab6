"""What the application is told about a request."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterable
from wsgiref.validate import validator

import pytest

from tests.engine.apps import Environ, Seen, Start, hello
from tests.engine.engine_server import Serve, request
from tests.eventually import eventually


def test_answers_a_request_and_keeps_the_connection(serve: Serve) -> None:
    """Two requests on one connection are answered without a Connection header on either."""
    client = serve(hello).connect()
    for path in ("/one", "/two"):
        answer = client.get(path)
        assert (answer.status, answer.body) == (200, path.encode())
        assert "connection" not in answer.headers


def test_environ_is_what_gunicorn_gives(serve: Serve) -> None:
    """CGI, wsgi.* and gunicorn's own variables of a request with a query, quoting and repeated headers."""
    seen = Seen()
    client = serve(seen).connect()
    client.get("/a%20b%C3%A9/c?x=1&y=%20", "X-One: 1", "X-One: 2", "Content-Type: text/x", "User-Agent: me\xe9")
    environ = seen.environs[0]
    expected = {
        "REQUEST_METHOD": "GET", "RAW_URI": "/a%20b%C3%A9/c?x=1&y=%20", "PATH_INFO": "/a b\xc3\xa9/c",
        "SCRIPT_NAME": "",
        "QUERY_STRING": "x=1&y=%20", "SERVER_PROTOCOL": "HTTP/1.1", "SERVER_NAME": "127.0.0.1", "HTTP_HOST": "test",
        "HTTP_X_ONE": "1,2", "CONTENT_TYPE": "text/x", "HTTP_USER_AGENT": "me\xe9", "REMOTE_ADDR": "127.0.0.1",
        "wsgi.version": (1, 0), "wsgi.url_scheme": "http", "wsgi.multithread": True, "wsgi.multiprocess": False,
        "wsgi.run_once": False, "wsgi.input_terminated": True,
    }  # fmt: skip
    assert {key: environ[key] for key in expected} == expected
    assert environ["REMOTE_PORT"] == str(client.sock.getsockname()[1])
    assert environ["SERVER_PORT"] == str(client.sock.getpeername()[1])
    assert isinstance(environ["gunicorn.socket"], socket.socket)
    assert environ["werkzeug.socket"] is environ["gunicorn.socket"]
    assert callable(environ["wsgi.file_wrapper"])
    assert environ["wsgi.input"].read() == b""
    assert "HTTP_CONTENT_TYPE" not in environ


def test_is_clean_for_the_validator(serve: Serve) -> None:
    """wsgiref's validator finds nothing to complain about, with and without a body."""

    def app(environ: Environ, start_response: Start) -> Iterable[bytes]:
        environ["wsgi.input"].read(100)
        environ["wsgi.errors"].flush()
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "2")])
        return [b"ok"]

    client = serve(validator(app)).connect()  # type: ignore[arg-type]  # as exact as PEP 3333 is
    assert client.get("/x?y").body == b"ok"
    client.send(request("/", "Content-Length: 3", method="POST", body=b"abc"))
    assert client.read().body == b"ok"


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_a_head_may_come_in_pieces(serve: Serve, size: int) -> None:
    """However the bytes of two requests are cut, both are answered."""
    client = serve(hello).connect()
    client.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    data = request("/first", "X-Header: value") + request("/second")
    for start in range(0, len(data), size):
        client.send(data[start : start + size])
    assert client.read().body == b"/first"
    assert client.read().body == b"/second"


def test_pipelined_requests_are_answered_in_order(serve: Serve) -> None:
    """A hundred requests sent at once get a hundred answers in their order."""
    client = serve(hello).connect()
    client.send(b"".join(request(f"/{n}") for n in range(100)))
    assert [client.read().body for _ in range(100)] == [b"/%d" % n for n in range(100)]


def test_a_pipelining_client_does_not_fill_the_memory(serve: Serve) -> None:
    """Requests that wait for their turn stay in the kernel, which makes the client wait when there are too many."""
    held: list[int] = []

    def app(environ: Environ, start_response: Start) -> Iterable[bytes]:
        held.append(max(conn.unserved for conn in server.connections))
        return hello(environ, start_response)

    server = serve(app)
    count = 5000
    client = server.connect()
    sender = threading.Thread(target=client.send, args=[request("/x" * 50) * count])
    sender.start()
    for _ in range(count):
        assert client.read().status == 200
    sender.join()
    assert max(held) < 2 * 16384  # the engine reads so much at once


def test_http10_is_closed_unless_it_asks_to_be_kept(serve: Serve) -> None:
    """HTTP/1.0 is answered and closed; with `Connection: keep-alive` it stays and is told so."""
    server = serve(hello)
    client = server.connect()
    client.send(b"GET /old HTTP/1.0\r\n\r\n")
    answer = client.read()
    assert answer.body == b"/old"
    assert answer.headers["connection"] == "close"
    assert client.closed()
    client = server.connect()
    for _ in range(2):
        client.send(b"GET /old HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n")
        assert client.read().headers["connection"] == "keep-alive"


@pytest.mark.parametrize("value", ["close", "Close", "keep-alive, close", "close, keep-alive"])
def test_connection_close_is_honoured(serve: Serve, value: str) -> None:
    """A client that says close, alone or in a list, is answered with close and closed."""
    client = serve(hello).connect()
    assert client.get("/", f"Connection: {value}").headers["connection"] == "close"
    assert client.closed()


def test_a_half_closed_client_gets_its_answers(serve: Serve) -> None:
    """Requests followed by the client's FIN are answered, then the connection ends."""
    client = serve(hello).connect()
    client.send(request("/a") + request("/b"))
    client.half_close()
    assert client.read().body == b"/a"
    assert client.read().body == b"/b"
    assert client.closed()


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        ("http://test/abs?q", "/abs", "q"),
        ("//double/x", "//double/x", ""),
        ("/a#frag", "/a", ""),
        ("/?", "/", ""),
        ("/%2e%2E/", "/../", ""),
    ],
)
def test_targets(serve: Serve, target: str, path: str, query: str) -> None:
    """Absolute form, doubled slashes and fragments are taken apart as gunicorn does."""
    seen = Seen()
    server = serve(seen)
    for _ in range(2):
        assert server.get(target).status == 200
    for environ in seen.environs:
        assert (environ["PATH_INFO"], environ["QUERY_STRING"], environ["RAW_URI"]) == (path, query, target)


def test_a_client_that_invents_targets_does_not_fill_the_memory(serve: Serve) -> None:
    """Targets are remembered, taken apart: so many, so long, and each is still answered as itself."""
    server = serve(hello)
    client = server.connect()
    long = "/" + "x" * 1000
    for number in range(2500):
        assert client.get(f"/{number}").body == b"/%d" % number
    assert client.get(long).body == long.encode()
    known = server.engine.debug_view().heads.targets
    assert b"/2499" in known
    assert len(known) <= 1024
    assert max(map(len, known)) <= 256


def test_asterisk_is_for_options_only(serve: Serve) -> None:
    """`OPTIONS *` reaches the application, `GET *` does not."""
    server = serve(hello)
    client = server.connect()
    client.send(request("*", method="OPTIONS"))
    assert client.read().status == 200
    assert server.get("*").status == 400


def test_a_proxy_may_say_that_its_client_spoke_https(serve: Serve) -> None:
    """`X-Forwarded-Proto` counts from an address in `forwarded_allow_ips` and is a plain header otherwise."""
    for allowed, scheme in (("127.0.0.1", "https"), ("10.0.0.1", "http")):
        seen = Seen()
        serve(seen, settings={"forwarded_allow_ips": allowed}).get("/", "X-Forwarded-Proto: https")
        assert seen.environs[0]["wsgi.url_scheme"] == scheme
        assert seen.environs[0]["HTTP_X_FORWARDED_PROTO"] == "https"


def test_contradicting_scheme_headers_are_refused(serve: Serve) -> None:
    """A trusted proxy that says both http and https gets 400; one that says the same twice is believed."""
    server = serve(hello)
    assert server.get("/", "X-Forwarded-Proto: https", "X-Forwarded-Ssl: off").status == 400
    assert server.get("/", "X-Forwarded-Proto: https", "X-Forwarded-Ssl: on").status == 200


@pytest.mark.parametrize(("header_map", "status"), [("drop", 200), ("refuse", 400), ("dangerous", 200)])
def test_names_with_underscores(serve: Serve, header_map: str, status: int) -> None:
    """A name that the environ cannot tell from another is dropped, refused or passed on as `header_map` says."""
    seen = Seen()
    answer = serve(seen, settings={"header_map": header_map}).get("/", "X_Under: 1", "X-Plain: 2")
    assert answer.status == status
    if status == 200:
        assert seen.environs[0].get("HTTP_X_UNDER") == ("1" if header_map == "dangerous" else None)
        assert seen.environs[0]["HTTP_X_PLAIN"] == "2"


def test_script_name_from_a_trusted_proxy(serve: Serve) -> None:
    """SCRIPT_NAME from a forwarder splits the path; a path elsewhere is an error."""
    seen = Seen()
    server = serve(seen)
    assert server.get("/app/x", "SCRIPT_NAME: /app").status == 200
    assert (seen.environs[0]["SCRIPT_NAME"], seen.environs[0]["PATH_INFO"]) == ("/app", "/x")
    assert server.get("/other", "SCRIPT_NAME: /app").status == 500


def test_access_log_gets_every_request(serve: Serve) -> None:
    """With an access log each answered request is logged with its status, length and duration."""
    server = serve(hello, settings={"accesslog": "-"})
    server.get("/logged", "X-Y: z")
    eventually(lambda: server.log.accesses, "the access log is written after the answer")
    resp, req, environ, took = server.log.accesses[0]
    assert (resp.status, resp.sent, environ["RAW_URI"]) == ("200 OK", 7, "/logged")
    assert ("X-Y", "z") in req.headers
    assert took.total_seconds() >= 0
