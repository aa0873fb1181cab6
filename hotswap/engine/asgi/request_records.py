"""What is said of requests: the access log, and gunicorn's request hooks, in the shapes of gunicorn's asgi worker."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from functools import cached_property, lru_cache
from time import monotonic
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hotswap.engine.asgi.http_call import HttpCall
    from hotswap.engine.asgi.loop_state import LoopState
    from hotswap.engine.http1.request import Fields
    from hotswap.settings.options import EngineOptions, Hook


class HookedRequest:
    """What hooks and the access log get as `req`: gunicorn's names. Both hooks of a request get the same."""

    def __init__(self, call: HttpCall) -> None:
        request, scope = call.request, call.request.scope
        self._fields = scope["headers"]
        self.method = request.method
        self.uri = request.uri
        self.path: str = scope["path"]
        self.raw_path: bytes = scope["raw_path"]
        self.query = str(scope["query_string"], "latin-1")
        self.version = (1, 1) if request.http11 else (1, 0)
        self.scheme: str = scope["scheme"]
        self.body: object = None  # the application receives it
        self.peer_addr = self.remote_addr = call.conn.peer
        self.proxy_protocol_info = call.conn.proxy or None

    @cached_property
    def headers(self) -> list[tuple[str, str]]:
        """Made only where somebody looks: the usual line of the log does not."""
        return [(str(name, "latin-1").upper(), str(value, "latin-1")) for name, value in self._fields]

    def environ(self, client: Any) -> RequestEnviron:
        """As much of a WSGI environ as the access log's formats ask for; `client` is the scope's."""
        plain = {
            "REQUEST_METHOD": self.method,
            "RAW_URI": self.uri,
            "PATH_INFO": self.path,
            "QUERY_STRING": self.query,
            "SERVER_PROTOCOL": "HTTP/1.1" if self.version == (1, 1) else "HTTP/1.0",
            "REMOTE_ADDR": client[0] if client else "-",
        }
        return RequestEnviron(plain, self._fields)


class RequestEnviron(Mapping[str, Any]):
    """A WSGI environ of which the headers' names and values are made when they are asked for."""

    __slots__ = ("_fields", "_plain")

    def __init__(self, plain: dict[str, Any], fields: Fields) -> None:
        self._plain = plain
        self._fields = dict(fields)
        if b"_" in b"".join(self._fields):  # header_map lets such names in; in an environ they are the same
            self._fields = {name.replace(b"_", b"-"): value for name, value in fields}

    def get(self, key: str, default: Any = None) -> Any:
        """See `dict.get`."""
        if key in self._plain:
            return self._plain[key]
        value = self._fields.get(_field_name(key))
        return default if value is None else str(value, "latin-1")

    def __getitem__(self, key: str) -> Any:
        value = self.get(key)
        if value is None:
            raise KeyError(key)
        return value

    def __iter__(self) -> Iterator[str]:
        yield from self._plain
        for name in self._fields:
            yield "HTTP_" + str(name, "latin-1").upper().replace("-", "_")

    def __len__(self) -> int:
        return len(self._plain) + len(self._fields)


@lru_cache(64)  # formats name few
def _field_name(key: str) -> bytes:
    return key[5:].replace("_", "-").lower().encode("latin-1", "replace") if key.startswith("HTTP_") else b""


class HookedResponse:
    """What they get as `resp`. `status` is a number, `sent` how many bytes of the body were sent."""

    def __init__(self, call: HttpCall) -> None:
        self.status = self.status_code = call.head.code
        self.sent = call.sent
        self._fields = call.fields

    @cached_property
    def headers(self) -> list[tuple[str, str]]:
        """As above."""
        return [(str(name, "latin-1"), str(value, "latin-1")) for name, value in self._fields]


class RequestRecords:
    """On the loop's thread. Each of the three is None where nothing is to be done: most servers have none."""

    def __init__(self, options: EngineOptions, state: LoopState) -> None:
        self._pre: Hook | None = options.pre_request
        self._post: Hook | None = options.post_request
        self._worker = state.host.hook_worker
        self._log = state.log
        has_hooks = self._pre is not None or self._post is not None
        self.before = self._before if has_hooks else None
        self.answered = self._answered if state.log.access_log_enabled else None
        self.after = self._after if has_hooks else None

    def _before(self, call: HttpCall) -> None:
        """Call pre_request. What it raises is the request's failure, as what the application raises."""
        call.view = HookedRequest(call)
        if self._pre is not None:
            self._pre(self._worker, call.view)

    def _answered(self, call: HttpCall) -> None:
        """The answer is complete, or will never be."""
        view = call.view or HookedRequest(call)
        took = timedelta(0, monotonic() - call.request.started)
        self._log.access(HookedResponse(call), view, view.environ(call.request.scope["client"]), took)

    def _after(self, call: HttpCall) -> None:
        """Call post_request, when the application has returned. What it raises is logged: it comes too late."""
        if self._post is None or call.view is None:
            return
        try:
            environ = dict(call.view.environ(call.request.scope["client"]))
            self._post(self._worker, call.view, environ, HookedResponse(call))
        except BaseException:  # noqa: BLE001  the user's code, SystemExit too, and the client has its answer
            self._log.exception("Exception in post_request hook")
