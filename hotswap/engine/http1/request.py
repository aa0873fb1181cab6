"""What a request's head says, as a value, and what its readers have to know of the connection that it came over."""

from __future__ import annotations

from typing import Protocol

from hotswap.engine.values import Environ, Peer

CHUNKED = -1  #: `Request.length` of a body whose end only the chunks tell
Fields = list[tuple[bytes, bytes]]  #: header fields in the order in which they came, their names in lower case


class Sender(Protocol):
    """A connection as the readers of heads see it.

    `base` is what no request changes: a part of the WSGI environ, or of the ASGI scope. `proxy` is what a proxy said in
    front of the first request, {} if there was no such header, None while it may still come.
    """

    base: Environ
    peer: Peer
    proxy: Environ | None


class Request:
    """One request's head, whatever the application's interface. `length` is its body's: 0, a number of bytes, or
    CHUNKED.

    What the application gets of it stands in the engines' own kinds, `WsgiRequest` and `AsgiRequest`. They repeat these
    assignments: `super().__init__` would cost a tenth of a head.
    """

    __slots__ = (
        "connection", "consumed", "expect", "host", "http11", "keep_alive", "length", "method", "path",
        "scheme", "started", "upgrade", "uri",
    )  # fmt: skip

    host: str | bytes | None  # the fields Host and Connection, which the reader of a plain head looks at
    connection: str | bytes | None

    def __init__(self, method: str, uri: str, path: str) -> None:
        self.method = method
        self.uri = uri  # the target as it was sent
        self.path = path  # the target's path, decoded as the application's interface has it
        self.http11 = True
        self.keep_alive = True
        self.length = 0
        self.expect = False  # the client waits for "100 Continue" before it sends the body
        self.upgrade = False  # the client asks for another protocol, such as websocket
        self.scheme = ""  # "http" or "https" if a trusted proxy said so, "" if the connection itself tells
        self.consumed = 0  # bytes of the head, and of a PROXY header in front of it
        self.started = 0.0  # `time.monotonic()`, seconds
