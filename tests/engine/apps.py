"""WSGI applications for the engine's tests."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any

from tests.engine.engine_server import DEADLINE

Environ = dict[str, Any]
Start = Callable[..., Callable[[bytes], None]]


def hello(environ: Environ, start_response: Start) -> Iterable[bytes]:
    """Says which path was asked for."""
    body = environ["PATH_INFO"].encode("latin-1")
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]


def echo(environ: Environ, start_response: Start) -> Iterable[bytes]:
    """Sends the request's body back."""
    body = environ["wsgi.input"].read()
    start_response("200 OK", [("Content-Type", "application/octet-stream")])
    return [body]


class Seen:
    """Answers with what `answer` returns, and keeps every environ."""

    def __init__(self) -> None:
        self.environs: list[Environ] = []

    def __call__(self, environ: Environ, start_response: Start) -> Iterable[bytes]:
        self.environs.append(environ)
        return hello(environ, start_response)


class Gate:
    """Calls of `/wait` stay in the application until `open` is called; everything else is answered at once."""

    def __init__(self) -> None:
        self._open = threading.Event()
        self.entered = threading.Semaphore(0)

    def open(self) -> None:
        self._open.set()

    def wait_entered(self, count: int = 1) -> None:
        for _ in range(count):
            assert self.entered.acquire(timeout=DEADLINE), "the request did not reach the application"

    def __call__(self, environ: Environ, start_response: Start) -> Iterable[bytes]:
        if environ["PATH_INFO"].startswith("/wait"):
            self.entered.release()
            assert self._open.wait(DEADLINE)
        return hello(environ, start_response)


def streaming(*blocks: bytes, headers: Iterable[tuple[str, str]] = ()) -> Callable[[Environ, Start], Iterable[bytes]]:
    """An application that yields these blocks."""

    def app(environ: Environ, start_response: Start) -> Iterable[bytes]:
        start_response("200 OK", list(headers))
        yield from blocks

    return app
