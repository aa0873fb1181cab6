"""`hotswap.metrics`: a WSGI and ASGI application that answers with the figures of the server that it is served by."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from hotswap.compat import restarts_hot
from hotswap.monitoring.text_format import CONTENT_TYPE, Family, render

#: Status, headers, body.
Answer = tuple[int, list[tuple[str, str]], bytes]
_REASONS = {200: "OK", 405: "Method Not Allowed", 503: "Service Unavailable"}


class Metrics:
    """Answers GET and HEAD, at whatever path it is mounted, in Prometheus' text format 0.0.4.

    503 in a process that hotswap does not serve from: `flask run`, a test client. From any thread, and any worker: the
    figures are those of the whole server.
    """

    def __call__(self, *arguments: Any) -> Any:
        """A WSGI application's (environ, start_response) or an ASGI application's (scope, receive, send)."""
        return self._asgi(*arguments) if len(arguments) == 3 else self._wsgi(*arguments)

    def _wsgi(self, environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
        code, headers, body = _answer(environ["REQUEST_METHOD"])
        start_response(f"{code} {_REASONS[code]}", headers)
        return [body]

    async def _asgi(
        self,
        scope: dict[str, Any],
        receive: Callable[[], Awaitable[dict[str, Any]]],
        send: Callable[[dict[str, Any]], Awaitable[None]],
    ) -> None:
        if scope["type"] != "http":
            # Of the lifespan protocol a server understands that as "not supported".
            raise RuntimeError(f"hotswap.metrics answers HTTP requests only, not {scope['type']}")
        code, headers, body = _answer(scope["method"])
        raw = [(name.lower().encode(), value.encode()) for name, value in headers]
        await send({"type": "http.response.start", "status": code, "headers": raw})
        await send({"type": "http.response.body", "body": body})


def _answer(method: str) -> Answer:
    if method not in ("GET", "HEAD"):
        return _of(405, "only GET and HEAD are answered here\n", Allow="GET, HEAD")
    families = _families()
    if not families:
        return _of(503, "hotswap does not serve this process\n")
    code, headers, body = _of(200, render(families), CONTENT_TYPE)
    return code, headers, b"" if method == "HEAD" else body


def _families() -> list[Family]:
    """What there is to say; nothing where hotswap does not serve."""
    if not restarts_hot():
        return []
    # Here, because the scoreboard cannot be imported on every platform.
    from hotswap.monitoring.families import families_of
    from hotswap.scoreboard import Scoreboard

    board = Scoreboard.of_this_process()
    return families_of(board) if board is not None else []


def _of(code: int, text: str, content_type: str = "text/plain", **more: str) -> Answer:
    body = text.encode()
    headers = {"Content-Type": content_type, "Content-Length": str(len(body)), **more}
    return code, list(headers.items()), body


metrics = Metrics()
