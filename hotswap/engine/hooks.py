"""gunicorn's request hooks, `pre_request` and `post_request`, for those who give them; nobody else pays for them."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hotswap.engine.connection import Connection
    from hotswap.engine.core import Core
    from hotswap.engine.head import Request
    from hotswap.engine.response import Response

Before = Callable[["Connection", "Request"], None]
Done = Callable[["Response", "Request"], None]


class WorkerView:
    """What hooks get where gunicorn gives its Worker."""

    def __init__(self, cfg: Any, core: Core) -> None:
        self._core = core
        self.cfg = cfg
        self.log = core.log
        self.pid = os.getpid()
        self.ppid = os.getppid()
        self.age = 1
        self.alive = True

    @property
    def nr(self) -> int:
        """How many requests were answered."""
        return self._core.counters.requests


class RequestView:
    """What hooks get as `req`: gunicorn's names. Both hooks of a request get the same, and may keep things on it."""

    def __init__(self, request: Request, conn: Connection) -> None:
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
    """Stands around what is done before and after the application's call; either hook may be None."""

    def __init__(self, pre: Any, post: Any, worker: object, core: Core, before: Before, done: Done | None) -> None:
        self._pre = pre
        self._post = post
        self._worker = worker
        self._core = core
        self._before = before
        self._done = done

    def before(self, conn: Connection, request: Request) -> None:
        """What pre_request raises is the request's failure, as what the application raises."""
        self._before(conn, request)
        request.view = RequestView(request, conn)
        if self._pre is not None:
            self._pre(self._worker, request.view)

    def done(self, response: Response, request: Request) -> None:
        """What post_request raises comes too late to change anything."""
        if self._done is not None:
            self._done(response, request)
        view = getattr(request, "view", None)
        if self._post is None or view is None:  # None: refused before it was shown to anybody
            return
        try:
            self._post(self._worker, view, request.environ, response)
        except BaseException:  # the user's code, SystemExit too, and the client has its answer
            self._core.log.exception("Exception in post_request hook")


def given(cfg: Any, name: str) -> Any:
    """The hook of that name, None if it is gunicorn's default."""
    setting = cfg.settings[name]
    hook = setting.get()
    return None if hook is setting.default else hook
