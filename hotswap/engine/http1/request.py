"""A request's head as a value, and what its readers have to know of the connection that it came over."""

from __future__ import annotations

from typing import Protocol

from hotswap.engine.values import Environ, Peer

CHUNKED = -1  #: `Request.length` of a body whose end only the chunks tell


class Sender(Protocol):
    """A connection as the readers of heads see it.

    `base` is the part of the environ that no request changes. `proxy` is what a proxy said in front of the first
    request, {} if there was no such header, None while it may still come.
    """

    base: Environ
    peer: Peer
    proxy: Environ | None


class Request:
    """One request's head. `length` is its body's: 0, a number of bytes, or CHUNKED."""

    __slots__ = (
        "consumed", "environ", "expect", "http11", "keep_alive", "length", "method", "path", "started", "upgrade",
        "upload", "uri", "view",
    )  # fmt: skip

    def __init__(self, method: str, uri: str, path: str, environ: Environ) -> None:
        self.method = method
        self.uri = uri
        self.path = path
        self.environ = environ
        self.http11 = True
        self.keep_alive = True
        self.length = 0
        self.expect = False  # the client waits for "100 Continue" before it sends the body
        self.upgrade = False  # the client asks for another protocol, such as websocket
        self.upload = False  # the application's thread reads the body
        self.consumed = 0  # bytes of the head, and of a PROXY header in front of it
        self.started = 0.0  # `time.monotonic()`, seconds
        self.view: object = None  # what request hooks get of it, where there are hooks

    @property
    def headers(self) -> list[tuple[str, str]]:
        """(name, value) pairs as gunicorn's access log wants them: upper case, dashes."""
        return [(key[5:].replace("_", "-"), value) for key, value in self.environ.items() if key[:5] == "HTTP_"] + [
            (key.replace("_", "-"), self.environ[key])
            for key in ("CONTENT_TYPE", "CONTENT_LENGTH")
            if key in self.environ
        ]
