"""One request on a connection of its own, in the calling thread: what most tests want to ask a server."""

from __future__ import annotations

import socket

from tests.traffic.answers import Answer, AnswerReader
from tests.traffic.connection import Target


def connect(address: str, *, timeout: float = 10.0) -> socket.socket:
    """A connection to `127.0.0.1:80`, `[::1]:80`, `unix:/path` or `unix:@name`; each call has the timeout."""
    target = Target.parse(address)
    sock = socket.socket(target.family)
    sock.settimeout(timeout)
    try:
        sock.connect(target.address)
    except OSError:
        sock.close()
        raise
    return sock


def request(path: str, *fields: str, method: str = "GET", body: bytes = b"", host: str = "localhost") -> bytes:
    """A request as bytes, with a Content-Length if there is a body."""
    length = [f"Content-Length: {len(body)}"] if body else []
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", *length, *fields, "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


def read_answer(sock: socket.socket) -> Answer:
    """The next answer on a connection; EOFError if it is closed first, TimeoutError by the socket's timeout.

    For one request at a time: bytes beyond the answer are an AssertionError.
    """
    reader = AnswerReader()
    while (answer := reader.next()) is None:
        data = sock.recv(65536)
        if data:
            reader.feed(data)
        elif (answer := reader.end()) is not None:
            return answer
        else:
            raise EOFError("closed in the middle of an answer" if reader.began else "closed without an answer")
    if reader.began:
        raise AssertionError("bytes after the answer")
    return answer


def get(address: str, path: str, *fields: str, timeout: float = 10.0) -> Answer:
    """Asks for a path on a new connection, which is closed afterwards."""
    with connect(address, timeout=timeout) as sock:
        sock.sendall(request(path, *fields, "Connection: close"))
        return read_answer(sock)
