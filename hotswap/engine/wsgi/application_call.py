"""The application's call: its environ, its answer on the way to the client, and what its failures mean."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta
from io import BytesIO
from itertools import chain
from time import monotonic
from typing import TYPE_CHECKING, Any

from gunicorn.http.errors import NoMoreData, ParseException

from hotswap.engine.connections.answer_writer import CLOSE, DROP, FLUSH, KEEP, PendingAnswer, error_answer
from hotswap.engine.http1.body import Collector, decode_chunked
from hotswap.engine.http1.error_page import Refusal, page
from hotswap.engine.http1.request import CHUNKED
from hotswap.engine.http1.strict_reader import Trailers
from hotswap.engine.transport.blocking_io import BodyTimeout, Disconnected, Source, Stream
from hotswap.engine.transport.client_socket import client_socket
from hotswap.engine.transport.tls import TlsSocket
from hotswap.engine.wsgi.request_hooks import RequestHooks
from hotswap.engine.wsgi.response import Response

if TYPE_CHECKING:
    from hotswap.engine.connections.connection import Connection
    from hotswap.engine.connections.state import EngineState
    from hotswap.engine.wsgi.blocking_routes import Measure
    from hotswap.engine.wsgi.request_hooks import Before, Done
    from hotswap.engine.wsgi.wsgi_request import WsgiRequest
    from hotswap.settings.options import EngineOptions


def _introduce(conn: Connection, request: WsgiRequest) -> None:
    """Tell the application which client this is, and how to talk to it directly (websocket libraries do)."""
    environ, peer = request.environ, conn.peer
    if peer.__class__ is tuple:
        environ["REMOTE_ADDR"] = peer[0]
        environ["REMOTE_PORT"] = str(peer[1])
    else:
        environ["REMOTE_ADDR"] = peer
    environ["gunicorn.socket"] = environ["werkzeug.socket"] = conn.client_socket or conn.sock


def _introduce_behind(conn: Connection, request: WsgiRequest) -> None:
    """The same where a proxy may have named its client, or TLS stands between."""
    _introduce(conn, request)
    environ = request.environ
    if conn.proxy:
        environ.update(conn.proxy)
    if isinstance(conn.sock, TlsSocket):
        environ["gunicorn.socket"] = environ["werkzeug.socket"] = conn.client_socket or conn.sock.ssl_socket


def _reason(error: BaseException) -> str:
    """What a body reader has against a body; of one that ends too soon, gunicorn says nothing that would help."""
    return "the body is not chunked as its head says" if isinstance(error, NoMoreData) else str(error)


class ApplicationCall:
    """Runs requests, in the thread that asks.

    What the application, its client, a hook or a logger does ends as one of the outcomes KEEP, CLOSE, FLUSH and DROP,
    and raises nothing. `waiting(conn)` is called before the thread waits for a client.
    """

    def __init__(self, state: EngineState, options: EngineOptions, waiting: Callable[[Connection], object]) -> None:
        self._state = state
        self._counters = state.counters
        self._options = options
        self._waiting = waiting
        plain = not options.tls and options.proxy_protocol == "off"
        self._introduce: Before = _introduce if plain else _introduce_behind
        self._before: Before | None = None
        self._done: Done | None = self._log_access if state.log.access_log_enabled else None
        if options.pre_request is not None or options.post_request is not None:
            hooks = RequestHooks(options, state, self._done)
            self._before, self._done = hooks.before, hooks.done

    @property
    def done(self) -> Done | None:
        """Called with each answer and its request."""
        return self._done

    def run(self, conn: Connection, request: WsgiRequest, measure: Measure | None = None) -> int:
        """Call the application and send its answer as far as the client takes it."""
        response = Response(self._state, conn, request, self._waiting)
        environ = request.environ
        try:
            self._introduce(conn, request)  # first: the access log has the client also if the body is refused
            if request.length or request.expect:
                self._body(conn, request, response)
            else:
                environ["wsgi.input"] = BytesIO()
            if self._before is not None:
                self._before(conn, request)
            environ["wsgi.early_hints"] = response.early_hints
            app = conn.site.app
            if measure is not None:
                app = measure.around(app)
            result = app(environ, response.start_response)
            try:
                response.send(result)
            finally:
                if hasattr(result, "close"):
                    result.close()
        except BaseException as error:  # noqa: BLE001  the application's: SystemExit too must end one request only
            return self.fail(conn, request, response, error)
        return self._succeed(conn, request, response)

    def response_to(self, conn: Connection, request: WsgiRequest) -> Response:
        """The answer of a request whose application was called elsewhere: `engine.wsgi.plain_turn`."""
        return Response(self._state, conn, request, self._waiting)

    def finish(
        self,
        conn: Connection,
        request: WsgiRequest,
        response: Response,
        result: Any,
        rest: bytes | None,
        firsts: tuple[bytes, ...],
        blocks: Iterable[bytes],
    ) -> int:
        """Go on with an answer that is not plain any more. `rest`: bytes that are made, and not sent. `firsts`,
        one or none, and `blocks`: what the application's `result` has still to say."""
        try:
            try:
                if rest is not None:
                    response.push_rest(rest)
                response.send(chain(firsts, blocks) if firsts else blocks, begun=rest is not None)
            finally:
                if hasattr(result, "close"):
                    result.close()
        except BaseException as error:  # noqa: BLE001  as in run()
            return self.fail(conn, request, response, error)
        return self._succeed(conn, request, response)

    def _succeed(self, conn: Connection, request: WsgiRequest, response: Response) -> int:
        if self._state.draining:
            self._state.end_child()
        usual = response.answer is None and response.stream is None
        outcome = (KEEP if response.keep else CLOSE) if usual else self._after(conn, response)
        if response.code < 300:
            self._counters.succeeded += 1  # here, and not by a call: most answers are
        else:
            self._counters.answered(response.code)
        return self._over(request, response, outcome)

    def fail(self, conn: Connection, request: WsgiRequest, response: Response, error: BaseException) -> int:
        """What an exception means that ended the application's call, or the sending of its answer."""
        try:
            raise error
        except Disconnected as gone:
            outcome = self._count(self._client_gone(conn, request, response, gone), response)
        except Refusal as refusal:
            outcome = self._count(self._refused(conn, response, refusal), response)
        except BaseException as failure:  # noqa: BLE001  as in run()
            outcome = self._count(self._failed(conn, request, response, failure), response)
        finally:
            del error  # a circle of exception, traceback and this frame would keep all of the request
        return self._over(request, response, outcome)

    def _over(self, request: WsgiRequest, response: Response, outcome: int) -> int:
        if self._done is not None:
            self._done(response, request)
        response.release()
        return outcome

    def converse(self, conn: Connection, request: WsgiRequest) -> int:
        """A request whose application may talk with its client by itself, as websocket libraries do."""
        tls = conn.sock.ssl_socket if isinstance(conn.sock, TlsSocket) else None
        conn.client_socket = shown = client_socket(conn.sock, tls)
        outcome = self.run(conn, request)
        shown.close()
        if shown.fileno() < 0:  # it was detached
            return DROP
        conn.sock.setblocking(False)
        if shown.taken:
            # What the application returned is no answer then, and what the client may still send is no request.
            return CLOSE
        conn.client_socket = None
        return outcome

    def _log_access(self, response: Response, request: WsgiRequest) -> None:
        took = timedelta(0, monotonic() - request.started)
        self._state.log.access(response, request, request.environ, took)

    def _count(self, outcome: int, response: Response) -> int:
        """Count a request that did not end as usual; returns its `outcome`."""
        if outcome == DROP:
            self._counters.unanswered += 1
        else:
            self._counters.answered(response.code)
        return outcome

    def _after(self, conn: Connection, response: Response) -> int:
        """The outcome of a whole answer, of which the client may not have taken all."""
        if response.stream is not None:
            conn.data = response.stream.rest() + conn.data
        if response.answer is not None:
            conn.work = response.answer
            return FLUSH
        return KEEP if response.keep else CLOSE

    # bodies

    def _body(self, conn: Connection, request: WsgiRequest, response: Response) -> None:
        """Make `wsgi.input` of what the loop collected, or of the connection itself."""
        collected: Collector | None = conn.work
        conn.work = None
        if collected is None or collected.streams:
            self._stream(conn, request, response, collected)
        elif request.length == CHUNKED:
            try:
                content = decode_chunked(collected.raw(), Trailers(self._options, self._state.limits))
            except (ParseException, NoMoreData) as error:
                raise Refusal(400, _reason(error)) from error
            request.environ["wsgi.input"] = BytesIO(content)
        else:
            request.environ["wsgi.input"] = collected.file()

    def _stream(self, conn: Connection, request: WsgiRequest, response: Response, collected: Collector | None) -> None:
        limits = self._state.limits
        received = collected.raw() if collected is not None else b""
        received, conn.data = received + conn.data, b""
        source = Source(conn.sock, received, limits.body_timeout, expect=request.expect)
        response.stream = Stream(source, request.length, Trailers(self._options, limits))
        request.environ["wsgi.input"] = response.stream.file

    # failures

    def _client_gone(self, conn: Connection, request: WsgiRequest, response: Response, error: Disconnected) -> int:
        self._state.log.debug("%s %s: %s", request.method, request.uri, error)
        if isinstance(error, BodyTimeout) and not response.headers_sent:
            return self._refused(conn, response, Refusal(408, str(error)))
        return DROP

    def _refused(self, conn: Connection, response: Response, refusal: Refusal) -> int:
        self._state.note_refusal(conn, refusal)
        response.status, response.code, response.keep = str(refusal.code), refusal.code, False
        conn.work = error_answer(refusal.code, str(refusal))
        return FLUSH

    def _failed(self, conn: Connection, request: WsgiRequest, response: Response, error: BaseException) -> int:
        """The application raised. gunicorn's websocket contract: StopIteration (or a lost client) just ends it."""
        self._state.end_child(error)
        if request.upgrade and isinstance(error, (StopIteration, ConnectionError)):
            return DROP if not response.headers_sent else CLOSE
        client_error = isinstance(error, (ParseException, NoMoreData))
        if client_error and not response.headers_sent:
            # A body reader's verdict on the request, which the application let through.
            return self._refused(conn, response, Refusal(400, _reason(error)))
        self._state.log.exception("Error handling request %s %s", request.method, request.uri)
        if response.done:
            return self._after(conn, response)  # it was the iterable's close(): the client has its whole answer
        if response.headers_sent:
            # Nothing but the early end of it can tell the client that this answer is not whole.
            return CLOSE
        return self._server_error(conn, request, response)

    def _server_error(self, conn: Connection, request: WsgiRequest, response: Response) -> int:
        keep = request.keep_alive and not (conn.closing or self._state.draining)
        if response.stream is not None:
            keep = response.stream.settle(self._state.limits.unread_body) and keep
            conn.data = response.stream.rest() + conn.data
        response.status, response.code, response.sent = "500 Internal Server Error", 500, 0
        body = page(500, close=not keep, omit_body=request.method == "HEAD")
        conn.work = PendingAnswer(keep, memoryview(body))
        return FLUSH
