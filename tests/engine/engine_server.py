"""An engine on a loopback listener, with clients that see exactly what is on the wire."""

from __future__ import annotations

import socket
import struct
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import Any

from gunicorn.config import Config

from hotswap.engine import EngineHost, Limits, Moved, Service, WsgiEngine
from hotswap.engine.connections.connection_view import ConnectionView
from hotswap.gunicorn_compat.views import ApplicationView, WorkerView
from hotswap.settings.options import EngineOptions
from tests import live
from tests.engine.hooked_epoll import HookedEpoll
from tests.eventually import eventually

DEADLINE = 10.0  # seconds for anything that is to happen
App = Callable[..., Any]


class Log:
    """Remembers every record."""

    def __init__(self) -> None:
        self.records: list[tuple[str, str]] = []
        self.accesses: list[tuple[Any, Any, Any, Any]] = []
        self.access_log_enabled = False

    def _add(self, level: str, msg: str, args: tuple[Any, ...]) -> None:
        self.records.append((level, msg % args if args else msg))

    def debug(self, msg: str, *args: Any) -> None:
        self._add("debug", msg, args)

    def info(self, msg: str, *args: Any) -> None:
        self._add("info", msg, args)

    def warning(self, msg: str, *args: Any) -> None:
        self._add("warning", msg, args)

    def error(self, msg: str, *args: Any) -> None:
        self._add("error", msg, args)

    def exception(self, msg: str, *args: Any) -> None:
        self._add("exception", (msg % args if args else msg) + "\n" + traceback.format_exc(), ())

    def access(self, resp: Any, req: Any, environ: Any, request_time: Any) -> None:
        self.accesses.append((resp, req, environ, request_time))

    def said(self, level: str) -> list[str]:
        return [text for at, text in self.records if at == level]


@dataclass
class Answer:
    """One response as it was on the wire."""

    status: int
    reason: str
    headers: dict[str, str]
    body: bytes


class Client:
    """A blocking client socket with a deadline, and a buffer for what was read too much."""

    def __init__(self, sock: socket.socket) -> None:
        sock.settimeout(DEADLINE)
        self.sock = sock
        self.buffer = bytearray()

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def get(self, path: str = "/", *headers: str, method: str = "GET") -> Answer:
        self.send(request(path, *headers, method=method))
        return self.read(method=method)

    def _more(self) -> None:
        data = self.sock.recv(65536)
        if not data:
            raise EOFError
        self.buffer += data

    def _until(self, mark: bytes) -> bytes:
        while mark not in self.buffer:
            self._more()
        return self.exactly(self.buffer.index(mark) + len(mark))[: -len(mark)]

    def exactly(self, count: int) -> bytes:
        while len(self.buffer) < count:
            self._more()
        found = bytes(self.buffer[:count])
        del self.buffer[:count]
        return found

    def head(self) -> Answer:
        lines = self._until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        version, code, reason = lines[0].split(" ", 2)
        assert version == "HTTP/1.1"
        headers = {}
        for line in lines[1:]:
            name, value = line.split(": ", 1)
            assert name.lower() not in headers
            headers[name.lower()] = value
        return Answer(int(code), reason, headers, b"")

    def chunk(self) -> bytes:
        size = int(self._until(b"\r\n"), 16)
        data = self.exactly(size)
        assert self.exactly(2) == b"\r\n"
        return data

    def read(self, method: str = "GET") -> Answer:
        """One whole response."""
        answer = self.head()
        if method == "HEAD" or answer.status in (204, 304) or answer.status < 200:
            return answer
        if "content-length" in answer.headers:
            answer.body = self.exactly(int(answer.headers["content-length"]))
        elif answer.headers.get("transfer-encoding") == "chunked":
            while data := self.chunk():
                answer.body += data
        else:
            answer.body = self.rest()
        return answer

    def rest(self) -> bytes:
        """Everything up to the server's FIN."""
        while True:
            try:
                self._more()
            except EOFError:
                return self.exactly(len(self.buffer))

    def closed(self) -> bool:
        """True if the server closes now without another byte."""
        return self.rest() == b""

    def half_close(self) -> None:
        self.sock.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Close with a reset instead of a FIN."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def close(self) -> None:
        self.sock.close()


def request(path: str = "/", *headers: str, method: str = "GET", body: bytes = b"") -> bytes:
    """The bytes of an HTTP/1.1 request."""
    lines = [f"{method} {path} HTTP/1.1", "Host: test", *headers]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


class EngineServer:
    """A running engine and what is needed to look at it."""

    def __init__(
        self,
        app: App,
        *,
        settings: dict[str, Any] | None = None,
        health: str = "",
        asgi: dict[str, Any] | None = None,
        **limits: Any,
    ) -> None:
        live.refuse("an engine")
        cfg = Config()
        for name, value in {"threads": 8, "keepalive": 60, **(settings or {})}.items():
            cfg.set(name, value)
        self.log = Log()
        self.log.access_log_enabled = bool(cfg.accesslog)
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
        self.listener.setblocking(False)
        self.address = self.listener.getsockname()
        service = Service("main", self.listener, self.application(app), ("127.0.0.1", str(self.address[1])))
        self._news = threading.Condition()
        self.on_change: Callable[[], object] = lambda: None
        self.worker = WorkerView(cfg, self.log, ApplicationView(cfg, lambda: {"main": app}))
        self.epoll = HookedEpoll()
        options = EngineOptions.from_config(cfg)
        self.options = options._replace(health_path=health, asgi=options.asgi._replace(**(asgi or {})))
        host = EngineHost(self.log, self._changed, hook_worker=self.worker, counters=self.worker.counters)
        self.engine: WsgiEngine = self.make(service, host, Limits.from_options(self.options)._replace(**limits))
        self._clients: list[Client] = []
        self.expected_exceptions = 0

    def application(self, app: App) -> App:
        """What the engine calls for it."""
        return app

    def make(self, service: Service, host: EngineHost, limits: Limits) -> Any:
        """The engine; tests of another one have another."""
        return WsgiEngine([service], self.options, host, limits, self.epoll)

    def start(self) -> EngineServer:
        self.engine.start()
        self.engine.open()
        return self

    def _changed(self) -> None:
        with self._news:
            self._news.notify_all()
        self.on_change()

    def wait_for(self, condition: Callable[[], bool]) -> None:
        """Wait until the engine says `changed` and `condition` holds."""
        with self._news:
            assert self._news.wait_for(condition, DEADLINE), "it did not become so in time"

    def wait_idle(self) -> None:
        # It says so when it leaves. Else the last connection may end while a callback runs, and nothing is said later.
        eventually(lambda: self.engine.idle, "it is not idle")

    def connect(self) -> Client:
        client = Client(socket.create_connection(self.address, DEADLINE))
        self._clients.append(client)
        return client

    def adopted(self, data: bytes = b"") -> Client:
        """A client whose connection is given to the engine by adopt()."""
        ours, theirs = socket.socketpair()
        self.engine.adopt([Moved(theirs, "main", "", data)])
        client = Client(ours)
        self._clients.append(client)
        return client

    def get(self, path: str = "/", *headers: str) -> Answer:
        return self.connect().get(path, *headers)

    @property
    def connections(self) -> tuple[ConnectionView, ...]:
        """Those that are live now."""
        views: tuple[ConnectionView, ...] = self.engine.debug_view().connections
        return views

    def end(self) -> None:
        for client in self._clients:
            client.close()
        self.engine.stop()
        self.listener.close()
        # What is said after an answer may come after its client has gone on.
        eventually(lambda: len(self.log.said("exception")) >= self.expected_exceptions, "an exception is not logged")
        assert len(self.log.said("exception")) == self.expected_exceptions, self.log.records


#: What the fixtures `serve` and `serve_tls` are: `server = serve(app, settings={...}, limit=value)`.
Serve = Callable[..., EngineServer]


def within(seconds: float, since: float) -> bool:
    return monotonic() - since < seconds
