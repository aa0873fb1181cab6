"""A running engine for ASGI applications, and what is needed to look at it."""

from __future__ import annotations

import asyncio
import inspect
import io
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from hotswap.engine import EngineHost, Limits, Service
from hotswap.engine.asgi.asgi_engine import AsgiEngine
from tests.engine.engine_server import App, EngineServer


class AsgiServer(EngineServer):
    """As EngineServer. A WSGI application is served too, in threads: many of its tests are about any engine."""

    def __init__(self, app: App, *, loop: str, settings: dict[str, Any] | None = None, **options: Any) -> None:
        self._threads = ThreadPoolExecutor(64)
        super().__init__(app, settings={"asgi_loop": loop, **(settings or {})}, **options)

    def application(self, app: App) -> App:
        """The application itself, or what calls it."""
        return app if any(map(inspect.iscoroutinefunction, (app, type(app).__call__))) else as_asgi(app, self._threads)

    def make(self, service: Service, host: EngineHost, limits: Limits) -> Any:
        """The engine."""
        return AsgiEngine([service], self.options, host, limits)

    def end(self) -> None:
        """As there; and none of its threads is left to another test, for which nothing may be forked beside them."""
        try:
            super().end()
        finally:
            self._threads.shutdown(wait=False, cancel_futures=True)


def as_asgi(app: App, threads: ThreadPoolExecutor) -> App:
    """An ASGI application that calls one of WSGI in one of the threads, with the whole body."""

    async def call(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            assert (await receive())["type"] == "lifespan.startup"
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
            return
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body, more = body + message["body"], message["more_body"]
        status, headers, content = await asyncio.get_running_loop().run_in_executor(
            threads, _run, app, environ_of(scope, body)
        )
        raw = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]
        await send({"type": "http.response.start", "status": int(status[:3]), "headers": raw})
        await send({"type": "http.response.body", "body": content})

    return call


def _run(app: App, environ: dict[str, Any]) -> tuple[str, list[tuple[str, str]], bytes]:
    said: list[Any] = []
    result = app(environ, lambda status, headers, _=None: said.append((status, headers)))
    content = b"".join(result)
    if hasattr(result, "close"):
        result.close()
    status, headers = said[-1]
    return status, headers, content


def environ_of(scope: Any, body: bytes) -> dict[str, Any]:
    """As much of an environ as the tests look at."""
    client = scope["client"]
    environ = {
        "REQUEST_METHOD": scope["method"],
        "PATH_INFO": scope["path"].encode().decode("latin-1"),
        "RAW_URI": scope["raw_path"].decode() + ("?" + scope["query_string"].decode() if scope["query_string"] else ""),
        "QUERY_STRING": scope["query_string"].decode(),
        "SERVER_PROTOCOL": "HTTP/" + scope["http_version"],
        "SERVER_PORT": str(scope["server"][1]),
        "wsgi.url_scheme": scope["scheme"],
        "wsgi.input": io.BytesIO(body),
        "REMOTE_ADDR": client[0] if client else "",
        "REMOTE_PORT": str(client[1]) if client else "",
    }
    for name, value in scope["headers"]:
        key = name.decode().upper().replace("-", "_")
        key = key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else "HTTP_" + key
        text = value.decode("latin-1")
        environ[key] = f"{environ[key]},{text}" if key in environ else text
    return environ
