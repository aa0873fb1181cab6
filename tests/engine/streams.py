"""What a stream of bytes means: to the engine on a socket pair, to gunicorn's Python parser, and to llhttp.

All three in the same words, a `Verdict`, so that they can be compared.
"""

from __future__ import annotations

import html
import re
import socket
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import httptools
from gunicorn.config import Config
from gunicorn.http import errors
from gunicorn.http.body import LengthReader
from gunicorn.http.message import Request as GunicornRequest
from gunicorn.http.unreader import IterUnreader

from hotswap.engine import Moved
from tests.engine.apps import Environ, Start
from tests.engine.engine_server import DEADLINE, EngineServer

SILENCE = "silence"  #: nothing more is answered: the bytes are over, or end in the middle of a request
REFUSED = "refused"

_READ = 8192
PIECE = 4096  #: the largest piece that the engine reads in one go whatever it waits for
_GOOD = re.compile(rb"HTTP/1\.1 200 OK\r\n(?:[^\r\n]+\r\n)*?Content-Length: 0\r\n(?:[^\r\n]+\r\n)*\r\n", re.IGNORECASE)
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_BAD = re.compile(rb"HTTP/1\.1 (\d{3}) [^\r\n]+\r\n(?:[^\r\n]+\r\n)*\r\n.*?(?:<p>(.*)</p>\n)?", re.DOTALL)


@dataclass(frozen=True)
class Seen:
    """One request as the application is told of it."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes


@dataclass(frozen=True)
class Verdict:
    """The requests that are served, in this order, and how it ends; `code` and `reason` only of a refusal."""

    requests: tuple[Seen, ...]
    end: str
    code: int = 0
    reason: str = ""

    def outcome(self) -> str:
        """In the words of the corpus."""
        last = [str(self.code)] if self.end == REFUSED else []
        return " ".join(["200"] * len(self.requests) + last) or SILENCE

    def bare(self) -> Verdict:
        """Without the headers, codes and reasons that only some parsers tell."""
        return Verdict(tuple(replace(one, headers=()) for one in self.requests), self.end)


class Listening:
    """An application that keeps what it is told, and answers with nothing."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self.reads_bodies = True

    def __call__(self, environ: Environ, start_response: Start) -> Iterable[bytes]:
        body = environ["wsgi.input"].read() if self.reads_bodies else b""
        headers = sorted(item for item in environ.items() if item[0].startswith(("HTTP_", "CONTENT_")))
        self.seen.append(Seen(environ["REQUEST_METHOD"], environ["RAW_URI"], tuple(headers), body))
        start_response("200 OK", [("Content-Length", "0")])
        return [b""]


class EngineParser:
    """The engine's verdict, through its real loop. One stream at a time."""

    def __init__(self, **limits: Any) -> None:
        self.app = Listening()
        self.server = EngineServer(self.app, **limits)
        self.server.start()

    def close(self) -> None:
        self.server.end()

    def verdict(self, pieces: Sequence[bytes], *, first: bytes = b"") -> Verdict:
        """What it makes of `first`, which came with the connection, and of pieces that it reads one by one."""
        self.app.seen = []
        # Of packets each is read by itself, however many are there: so the pieces stay as they were cut.
        kind = socket.SOCK_SEQPACKET if all(len(piece) <= PIECE for piece in pieces) else socket.SOCK_STREAM
        ours, theirs = socket.socketpair(socket.AF_UNIX, kind)
        with ours:
            ours.settimeout(DEADLINE)
            self.server.engine.adopt([Moved(theirs, "main", "", first)])
            _send(ours, pieces)
            return self._read(_receive(ours))

    def _read(self, wire: bytes) -> Verdict:
        seen = tuple(self.app.seen)
        answers, rest = _split(wire.replace(_CONTINUE, b""))
        assert len(seen) == answers, f"{answers} answers to {len(seen)} requests: {wire!r}"
        if not rest:
            return Verdict(seen, SILENCE)
        found = _BAD.fullmatch(rest)
        assert found is not None, wire
        assert b"Connection: close" in rest, wire
        return Verdict(seen, REFUSED, int(found[1]), html.unescape((found[2] or b"").decode("latin-1")))


def _send(sock: socket.socket, pieces: Sequence[bytes]) -> None:
    try:
        for piece in pieces:
            sock.sendall(piece)
        sock.shutdown(socket.SHUT_WR)
    except (BrokenPipeError, ConnectionResetError):  # it has heard enough
        pass


def _receive(sock: socket.socket) -> bytes:
    wire = b""
    while True:
        try:
            data = sock.recv(65536)
        except ConnectionResetError:  # told once, for what it did not read; its last words come after that
            continue
        if not data:
            return wire
        wire += data


def _split(wire: bytes) -> tuple[int, bytes]:
    """The number of good answers at the beginning, and what follows them."""
    count = 0
    while found := _GOOD.match(wire):
        count, wire = count + 1, wire[found.end() :]
    return count, wire


# gunicorn


def _python_config() -> Config:
    cfg = Config()
    cfg.set("http_parser", "python")
    return cfg


_PYTHON = _python_config()


def gunicorn_verdict(pieces: Iterable[bytes], *, reads_bodies: bool = True) -> Verdict:
    """gunicorn's, with its parser in Python; connections are kept as its `should_close` says."""
    source = IterUnreader(part for piece in pieces for part in _parts(piece))
    seen: list[Seen] = []
    while True:
        try:
            message = GunicornRequest(_PYTHON, source, "", 2)
            reader = message.body.reader
            length = reader.length if isinstance(reader, LengthReader) else 0
            body = message.body.read()
            if len(body) < length:
                return Verdict(tuple(seen), SILENCE)
        except StopIteration:
            return Verdict(tuple(seen), SILENCE)
        except errors.NoMoreData:
            return Verdict(tuple(seen), SILENCE)
        except errors.ParseException as error:
            return Verdict(tuple(seen), REFUSED, reason=str(error))
        seen.append(Seen(message.method, message.uri, _variables(message.headers), body if reads_bodies else b""))
        if message.should_close():
            return Verdict(tuple(seen), SILENCE)


def _parts(piece: bytes) -> Iterator[bytes]:
    """As large as gunicorn reads them: some of its limits are looked at after each read only."""
    return (piece[at : at + _READ] for at in range(0, len(piece), _READ))


def _variables(headers: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Headers as WSGI names them."""
    found: dict[str, str] = {}
    for name, value in headers:
        key = name.replace("-", "_")
        key = key if name in ("CONTENT-TYPE", "CONTENT-LENGTH") else "HTTP_" + key
        found[key] = f"{found[key]},{value}" if key in found else value
    return tuple(sorted(found.items()))


# llhttp


class _Listener:
    """The callbacks that httptools wants."""

    def __init__(self) -> None:
        self.parser = httptools.HttpRequestParser(self)
        self.seen: list[Seen] = []
        self.closed = False
        self._target = self._body = b""

    def on_message_begin(self) -> None:
        self._target = self._body = b""

    def on_url(self, url: bytes) -> None:
        self._target += url

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        if not self.closed:
            method = self.parser.get_method().decode()
            self.seen.append(Seen(method, self._target.decode("latin-1"), (), self._body))
            self.closed = method == "CONNECT" or not self.parser.should_keep_alive()


def llhttp_verdict(pieces: Iterable[bytes]) -> Verdict:
    """llhttp's, as Node.js and uvicorn use it: with its lenient flags off."""
    listener = _Listener()
    try:
        for piece in pieces:
            listener.parser.feed_data(piece)
    except httptools.HttpParserUpgrade:
        return Verdict(tuple(listener.seen), SILENCE)
    except httptools.HttpParserError as error:
        if not listener.closed:
            return Verdict(tuple(listener.seen), REFUSED, reason=str(error))
    return Verdict(tuple(listener.seen), SILENCE)
