"""gunicorn's pre_request and post_request: called around every request, in its own thread."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable
from typing import Any

from tests.engine.apps import Environ, Start, echo, hello
from tests.engine.engine_server import Serve, request
from tests.eventually import eventually


class Hooks:
    """Remembers each call."""

    def __init__(self) -> None:
        self.before: list[tuple[Any, Any, int]] = []
        self.after: list[tuple[Any, ...]] = []

    def pre_request(self, worker: Any, req: Any) -> None:
        req.begun = len(self.before)
        self.before.append((worker, req, threading.get_ident()))

    def post_request(self, worker: Any, req: Any, environ: Environ, resp: Any) -> None:
        self.after.append((worker, req, environ, resp))

    def settings(self) -> dict[str, Any]:
        return {
            "pre_request": self.pre_request,
            "post_request": self.post_request,
        }


def test_what_they_get(serve: Serve) -> None:
    """The worker, the request, the environ and the response, by gunicorn's names; and what the first put on it."""
    hooks = Hooks()
    threads: list[int] = []

    def app(environ: Environ, start_response: Start) -> Iterable[bytes]:
        threads.append(threading.get_ident())
        return echo(environ, start_response)

    server = serve(app, settings=hooks.settings())
    client = server.connect()
    client.send(request("/a%20b?c=d", "X-Header: y", "Content-Length: 3", method="POST", body=b"abc"))
    assert client.read().body == b"abc"
    eventually(lambda: hooks.after)
    (worker, req, thread), (same_worker, same, environ, resp) = hooks.before[0], hooks.after[0]
    assert (thread, worker, req) == (threads[0], same_worker, same)
    assert (req.method, req.uri, req.path, req.query, req.version) == ("POST", "/a%20b?c=d", "/a%20b", "c=d", (1, 1))
    assert ("X-HEADER", "y") in req.headers
    assert (req.scheme, req.remote_addr[0], req.begun) == ("http", "127.0.0.1", 0)
    assert (worker, worker.pid, worker.log, worker.age) == (server.worker, os.getpid(), server.log, 1)
    assert worker.nr == 1
    assert environ["PATH_INFO"] == "/a b"
    assert (resp.status, resp.status_code, resp.sent, resp.headers_sent) == ("200 OK", 200, 3, True)
    assert resp.response_length == 3


def test_each_by_itself(serve: Serve) -> None:
    """Either may be given alone; post_request may take two or three arguments, as gunicorn's."""
    calls: list[str] = []
    for name in ("pre_request", "post_request"):
        calls.clear()
        client = serve(hello, settings={name: lambda worker, req: calls.append(req.path)}).connect()
        for path in ("/1", "/2"):
            client.get(path)
        eventually(lambda: calls == ["/1", "/2"])


def test_without_them_nothing_is_called(serve: Serve) -> None:
    """gunicorn's defaults are not hooks: pre_request's would write a debug line for each request."""
    server = serve(hello)
    server.get()
    assert (server.options.pre_request, server.options.post_request) == (None, None)
    assert not server.log.records


def test_a_failing_pre_request_is_500(serve: Serve) -> None:
    """The application is not called, the connection stays, post_request is called."""
    hooks = Hooks()
    called: list[Environ] = []

    def app(environ: Environ, start_response: Start) -> Iterable[bytes]:
        called.append(environ)
        return hello(environ, start_response)

    def fail(worker: Any, req: Any) -> None:
        if req.path == "/fail":
            raise RuntimeError("no")

    server = serve(app, settings={**hooks.settings(), "pre_request": fail})
    server.expected_exceptions = 1
    client = server.connect()
    assert client.get("/fail").status == 500
    assert client.get("/fine").body == b"/fine"
    assert len(called) == 1
    eventually(lambda: len(hooks.after) == 2)
    assert hooks.after[0][3].status_code == 500


def test_a_failing_post_request_is_logged(serve: Serve) -> None:
    """The client has its answer."""

    def fail(worker: Any, req: Any, environ: Environ, resp: Any) -> None:
        raise RuntimeError("no")

    server = serve(hello, settings={"post_request": fail})
    server.expected_exceptions = 2
    client = server.connect()
    assert client.get("/1").body == b"/1"
    assert client.get("/2").body == b"/2"
    eventually(lambda: len(server.log.said("exception")) == 2)


def test_a_failing_application(serve: Serve) -> None:
    """post_request is called after the 500, and after the access log."""
    hooks = Hooks()

    def app(environ: Environ, start_response: Start) -> Iterable[bytes]:
        raise RuntimeError("no")

    server = serve(app, settings={**hooks.settings(), "accesslog": "-"})
    server.expected_exceptions = 1
    assert server.get().status == 500
    eventually(lambda: hooks.after)
    assert server.log.accesses
    assert hooks.after[0][3].status == "500 Internal Server Error"


def test_what_is_no_request_reaches_no_hook(serve: Serve) -> None:
    """Refused heads and refused bodies."""
    hooks = Hooks()
    server = serve(hello, settings=hooks.settings())
    for data in (b"nonsense\r\n\r\n", request("/", "Transfer-Encoding: chunked", method="POST", body=b"x\r\n\r\n")):
        client = server.connect()
        client.send(data)
        assert client.read().status == 400
    assert not hooks.before
    assert not hooks.after
