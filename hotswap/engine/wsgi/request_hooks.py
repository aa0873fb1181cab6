"""gunicorn's request hooks, `pre_request` and `post_request`; a server without them pays nothing for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hotswap.engine.connections.connection import Connection
    from hotswap.engine.connections.state import EngineState
    from hotswap.engine.wsgi.response import Response
    from hotswap.engine.wsgi.wsgi_request import WsgiRequest
    from hotswap.settings.options import EngineOptions, Hook

Before = Callable[["Connection", "WsgiRequest"], None]
Done = Callable[["Response", "WsgiRequest"], None]


class RequestView:
    """What hooks get as `req`: gunicorn's names. Both hooks of a request get the same, and may keep things on it."""

    def __init__(self, request: WsgiRequest, conn: Connection) -> None:
        environ = request.environ
        self.method = request.method
        self.uri = request.uri
        self.path = request.uri.partition("?")[0]
        self.query = environ["QUERY_STRING"]
        self.version = (1, 1) if request.http11 else (1, 0)
        self.scheme = environ["wsgi.url_scheme"]
        self.headers = request.headers
        self.body = environ["wsgi.input"]
        self.peer_addr = self.remote_addr = conn.peer
        self.proxy_protocol_info = conn.proxy or None


class RequestHooks:
    """Stands around what is done before and after the application's call, in the thread that makes the call."""

    def __init__(self, options: EngineOptions, state: EngineState, done: Done | None) -> None:
        self._pre: Hook | None = options.pre_request
        self._post: Hook | None = options.post_request
        self._worker = state.host.hook_worker
        self._log = state.log
        self._done = done

    def before(self, conn: Connection, request: WsgiRequest) -> None:
        """Call pre_request. What it raises is the request's failure, as what the application raises."""
        request.view = view = RequestView(request, conn)
        if self._pre is not None:
            self._pre(self._worker, view)

    def done(self, response: Response, request: WsgiRequest) -> None:
        """Call post_request. What it raises is logged: it comes too late to change anything."""
        if self._done is not None:
            self._done(response, request)
        if self._post is None or request.view is None:  # None: refused before a hook has seen it
            return
        try:
            self._post(self._worker, request.view, request.environ, response)
        except BaseException:  # noqa: BLE001  the user's code, SystemExit too, and the client has its answer
            self._log.exception("Exception in post_request hook")
