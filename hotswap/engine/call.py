"""One request from its head to the last byte the client takes: the application's call and what its failures mean."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import timedelta
from io import BytesIO
from time import monotonic
from typing import TYPE_CHECKING, Any, NoReturn

from gunicorn.http.errors import NoMoreData, ParseException

from hotswap.engine.body import Collector, Source, Stream, decode_chunked
from hotswap.engine.head import CHUNKED
from hotswap.engine.hooks import RequestHooks, WorkerView, given
from hotswap.engine.raw import raw_socket
from hotswap.engine.refusal import BodyTimeout, Disconnected, Refusal, page
from hotswap.engine.response import Outbox, Response
from hotswap.engine.strict import Trailers
from hotswap.engine.tls import TlsSocket

if TYPE_CHECKING:
    from hotswap.engine.connection import Connection
    from hotswap.engine.core import Core
    from hotswap.engine.head import Request
    from hotswap.engine.hooks import Before, Done
    from hotswap.engine.pace import Measure

KEEP, CLOSE, FLUSH, DROP = range(4)  #: what is to be done with the connection after a call


def _introduce(conn: Connection, request: Request) -> None:
    """Who is at the other end, and how to talk to it directly (websocket libraries do)."""
    environ, peer = request.environ, conn.peer
    if peer.__class__ is tuple:
        environ["REMOTE_ADDR"] = peer[0]
        environ["REMOTE_PORT"] = str(peer[1])
    else:
        environ["REMOTE_ADDR"] = peer
    environ["gunicorn.socket"] = environ["werkzeug.socket"] = conn.raw or conn.sock


def _introduce_behind(conn: Connection, request: Request) -> None:
    """The same where a proxy may have named its client, or TLS stands between."""
    _introduce(conn, request)
    environ = request.environ
    if conn.proxy:
        environ.update(conn.proxy)
    if isinstance(conn.sock, TlsSocket):
        environ["gunicorn.socket"] = environ["werkzeug.socket"] = conn.raw or conn.sock.raw


def _reason(error: BaseException) -> str:
    """What a body reader has against a body; of one that ends too soon, gunicorn says nothing that would help."""
    return "the body is not chunked as its head says" if isinstance(error, NoMoreData) else str(error)


class Caller:
    """Runs requests in whichever thread asks. Never raises: whatever happens ends as one of the four outcomes."""

    def __init__(self, core: Core, cfg: Any, waiting: Callable[[Connection], object], worker: object) -> None:
        self._core = core
        self._cfg = cfg
        self._waiting = waiting  # called before the thread waits for a client
        self._before: Before = _introduce_behind if cfg.is_ssl or cfg.proxy_protocol != "off" else _introduce
        self._done: Done | None = self._log_access if core.log.access_log_enabled else None
        pre, post = given(cfg, "pre_request"), given(cfg, "post_request")
        if pre is not None or post is not None:
            hooks = RequestHooks(pre, post, worker or WorkerView(cfg, core), core, self._before, self._done)
            self._before, self._done = hooks.before, hooks.done

    def run(self, conn: Connection, request: Request, measure: Measure | None = None) -> int:
        """Call the application and send its answer as far as the client takes it."""
        response = Response(self._core, conn, request, self._waiting)
        environ = request.environ
        try:
            if request.length or request.expect:
                self._body(conn, request, response)
            else:
                environ["wsgi.input"] = BytesIO()
            self._before(conn, request)
            environ["wsgi.early_hints"] = response.early_hints
            app = conn.service.app
            if measure is not None:
                app = measure.around(app)
            result = app(environ, response.start_response)
            try:
                response.send(result)
            finally:
                if hasattr(result, "close"):
                    result.close()
        except Disconnected as error:
            outcome = self._client_gone(conn, request, response, error)
        except Refusal as refusal:
            outcome = self._refused(conn, response, refusal)
        except BaseException as error:  # noqa: BLE001  the application's: SystemExit too must end one request only
            outcome = self._failed(conn, request, response, error)
        else:
            outcome = KEEP
        if self._done is not None:
            self._done(response, request)
        response.release()
        if outcome != KEEP:
            return outcome
        return self._after(conn, response)

    def converse(self, conn: Connection, request: Request) -> int:
        """A request whose application may talk with its client by itself, as websocket libraries do."""
        conn.raw = raw = raw_socket(conn.sock, conn.sock.raw if isinstance(conn.sock, TlsSocket) else None)
        outcome = self.run(conn, request)
        raw.close()
        if raw.fileno() < 0:  # it was detached
            return DROP
        conn.sock.setblocking(False)
        if raw.taken:
            # Whatever else it returned is no answer, and what the client may still send is no request.
            return CLOSE
        conn.raw = None
        return outcome

    def _log_access(self, response: Response, request: Request) -> None:
        took = timedelta(seconds=monotonic() - request.started)
        self._core.log.access(response, request, request.environ, took)

    def _after(self, conn: Connection, response: Response) -> int:
        if response.stream is not None:
            conn.data = response.stream.rest() + conn.data
        if response.outbox is not None:
            conn.work = response.outbox
            return FLUSH
        return KEEP if response.keep else CLOSE

    # bodies

    def _body(self, conn: Connection, request: Request, response: Response) -> None:
        """Make `wsgi.input` of what the loop collected, or of the connection itself."""
        collected: Collector | None = conn.work
        conn.work = None
        if collected is None or collected.streams:
            self._stream(conn, request, response, collected)
        elif request.length == CHUNKED:
            try:
                content = decode_chunked(collected.raw(), Trailers(self._cfg, self._core.limits))
            except (ParseException, NoMoreData) as error:
                raise Refusal(400, _reason(error)) from error
            request.environ["wsgi.input"] = BytesIO(content)
        else:
            request.environ["wsgi.input"] = BytesIO(collected.raw())

    def _stream(self, conn: Connection, request: Request, response: Response, collected: Collector | None) -> None:
        limits = self._core.limits
        received = collected.raw() if collected is not None else b""
        received, conn.data = received + conn.data, b""
        source = Source(conn.sock, received, limits.body_timeout, expect=request.expect)
        response.stream = Stream(source, request.length, Trailers(self._cfg, limits))
        request.environ["wsgi.input"] = response.stream.file

    # failures

    def _client_gone(self, conn: Connection, request: Request, response: Response, error: Disconnected) -> int:
        self._core.log.debug("%s %s: %s", request.method, request.uri, error)
        if isinstance(error, BodyTimeout) and not response.headers_sent:
            return self._refused(conn, response, Refusal(408, str(error)))
        return DROP

    def _refused(self, conn: Connection, response: Response, refusal: Refusal) -> int:
        self._core.note_refusal(conn, refusal)
        response.status, response.code, response.keep = str(refusal.code), refusal.code, False
        conn.work = Outbox(False, (memoryview(page(refusal.code, str(refusal))),))
        return FLUSH

    def _failed(self, conn: Connection, request: Request, response: Response, error: BaseException) -> int:
        """The application raised. gunicorn's websocket contract: StopIteration (or a lost client) just ends it."""
        if os.getpid() != self._core.pid:
            self._end_child(error)
        if request.upgrade and isinstance(error, (StopIteration, ConnectionError)):
            return DROP if not response.headers_sent else CLOSE
        client_error = isinstance(error, (ParseException, NoMoreData))
        if client_error and not response.headers_sent:
            # A body reader's verdict on the request, which the application let through.
            return self._refused(conn, response, Refusal(400, _reason(error)))
        self._core.log.exception("Error handling request %s %s", request.method, request.uri)
        if response.done:
            return self._after(conn, response)  # it was the iterable's close(): the client has its whole answer
        if response.headers_sent:
            # Nothing but the early end of it can tell the client that this answer is not whole.
            return CLOSE
        return self._server_error(conn, request, response)

    def _end_child(self, error: BaseException) -> NoReturn:
        """A child that the application has forked ends: it has our sockets and our epoll, and must not serve on."""
        if not isinstance(error, SystemExit):
            self._core.log.exception("a process that the application has forked failed")
            os._exit(1)
        os._exit(error.code if isinstance(error.code, int) else error.code is not None)

    def _server_error(self, conn: Connection, request: Request, response: Response) -> int:
        keep = request.keep_alive and not (conn.closing or self._core.draining)
        if response.stream is not None:
            keep = response.stream.settle(self._core.limits.unread_body) and keep
            conn.data = response.stream.rest() + conn.data
        response.status, response.code, response.sent = "500 Internal Server Error", 500, 0
        body = page(500, close=not keep, omit_body=request.method == "HEAD")
        conn.work = Outbox(keep, (memoryview(body),))
        return FLUSH
