"""Two engines for one application, one with the lane in C and one in Python alone, and what each makes of a stream."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from hotswap.engine import EngineHost, Limits, Moved, Service, WsgiEngine
from hotswap.engine.http1.request import Request
from hotswap.engine.wsgi.plain_turn import FastLane, choose
from hotswap.engine.wsgi.wsgi_request import WsgiRequest
from tests.engine.apps import Environ
from tests.engine.engine_server import DEADLINE, App, EngineServer

_DATE = re.compile(rb"\r\nDate: [^\r\n]{29}\r\n")
#: A frame of a traceback that is the engine's: the two get to the application by ways of their own.
_OWN_FRAME = re.compile(r'  File "[^"\n]*/hotswap/engine/[^\n]*\n(?:    [^\n]*\n)*')
_ADDRESS = re.compile(r"0x[0-9a-f]+")


class _CountedLane:
    """A lane, and how many turns it has served from end to end."""

    def __init__(self, kind: Callable[..., Any], *bounds: Any, go_on: Any, other_event: Any, **parts: Any) -> None:
        go_on, other_event = self._left(go_on), self._left(other_event)
        self._serve = kind(*bounds, go_on=go_on, other_event=other_event, **parts).serve_events
        self._events = self._left_to_python = 0

    @property
    def turns(self) -> int:
        return self._events - self._left_to_python

    def _left(self, serve: Callable[..., bool]) -> Callable[..., bool]:
        def left(*event: Any) -> bool:
            self._left_to_python += 1
            return serve(*event)

        return left

    def serve_events(self, events: list[tuple[int, int]], token: Any) -> bool:
        for event in events:
            self._events += 1
            if not self._serve([event], token):
                return False
        return True


class LaneServer(EngineServer):
    """One whose lane is chosen by the test."""

    def __init__(self, app: App, lane: FastLane, **options: Any) -> None:
        self._lane = lane
        self.lanes: list[_CountedLane] = []
        super().__init__(app, **options)

    def make(self, service: Service, host: EngineHost, limits: Limits) -> Any:
        kind = None if self._lane.kind is None else self._counted
        return WsgiEngine([service], self.options, host, limits, self.epoll, self._lane._replace(kind=kind))

    def _counted(self, *arguments: Any, **parts: Any) -> _CountedLane:
        assert self._lane.kind is not None
        self.lanes.append(_CountedLane(self._lane.kind, *arguments, **parts))
        return self.lanes[-1]


class Told(NamedTuple):
    """All that comes of a stream: on the wire, to the application, to the log, to the access log and the counters."""

    wire: bytes
    environs: list[list[tuple[str, object]]]
    records: list[tuple[str, str]]
    accesses: list[tuple[Any, ...]]
    counts: tuple[int, ...]


class _Recorder:
    """The application, with a copy of each environ that it got: of objects their type, which is what can be equal."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.environs: list[list[tuple[str, object]]] = []

    def __call__(self, environ: Environ, start_response: Any) -> Any:
        self.environs.append([(key, _plain(value)) for key, value in environ.items() if not key.endswith("_PORT")])
        return self.app(environ, start_response)


def _plain(value: object) -> object:
    if isinstance(value, (str, int, bool, tuple)):
        return value
    return "something to call" if callable(value) and not isinstance(value, type) else type(value).__name__


class LanePair:
    """Both engines. A stream is shown to both, so what they learn is the same."""

    def __init__(self, app: App, **options: Any) -> None:
        lanes = (choose({}), choose({"HOTSWAP_PURE": "1"}))
        self.apps = [_Recorder(app) for _ in lanes]
        self.servers = [LaneServer(one, lane, **options) for one, lane in zip(self.apps, lanes, strict=True)]
        for server in self.servers:
            server.start()

    def close(self) -> None:
        for server in self.servers:
            server.expected_exceptions = len(server.log.said("exception"))
            server.end()

    @property
    def turns_in_c(self) -> int:
        """How many requests the lane in C has served from end to end."""
        (lane,) = self.servers[0].lanes
        assert self.servers[1].lanes == []
        return lane.turns

    def told(self, pieces: Sequence[bytes], *, before: Callable[[], object] = lambda: None) -> Told:
        """What both make of these pieces, which is the same. `before` each: what the application is to be then."""
        c, python = (self._one(number, pieces, before) for number in range(2))
        assert c == python, (pieces, [(ours, theirs) for ours, theirs in zip(c, python, strict=True) if ours != theirs])
        return c

    def _one(self, number: int, pieces: Sequence[bytes], before: Callable[[], object]) -> Told:
        app, server = self.apps[number], self.servers[number]
        app.environs, server.log.records, server.log.accesses = [], [], []
        earlier = _counts(server)
        before()
        wire = _talk(server, pieces)  # to its end, before which the server has counted and logged
        return Told(
            _DATE.sub(b"\r\nDate: now\r\n", wire),
            app.environs,
            [(level, _ADDRESS.sub("", _OWN_FRAME.sub("", text))) for level, text in server.log.records],
            [(resp.status, resp.sent, resp.headers, _attributes(req)) for resp, req, _, _ in server.log.accesses],
            tuple(now - then for now, then in zip(_counts(server), earlier, strict=True)),
        )


def _attributes(request: WsgiRequest) -> dict[str, object]:
    """All that it has but for its environ, which is compared by itself, and the time. A reader may leave some out."""
    names = {*Request.__slots__, *WsgiRequest.__slots__} - {"environ", "started"}
    return {name: getattr(request, name, None) for name in names}


def _counts(server: EngineServer) -> tuple[int, ...]:
    counters = server.engine.counters
    return (
        counters.requests, counters.succeeded, counters.redirected, counters.client_errors, counters.server_errors,
        counters.unavailable, counters.unanswered,
    )  # fmt: skip


def _talk(server: EngineServer, pieces: Sequence[bytes]) -> bytes:
    """What comes back on a connection on which each piece is read by itself; it ends once all was said."""
    # Of packets each is read by itself, however many are there.
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET if len(pieces) > 1 else socket.SOCK_STREAM)
    with ours:
        ours.settimeout(DEADLINE)
        server.engine.adopt([Moved(theirs, "main", "")])
        try:
            for piece in pieces:
                ours.sendall(piece)
            ours.shutdown(socket.SHUT_WR)
        except (BrokenPipeError, ConnectionResetError):  # it has heard enough
            pass
        wire = b""
        while data := _receive(ours):
            wire += data
        return wire


def _receive(sock: socket.socket) -> bytes:
    while True:
        try:
            return sock.recv(1 << 20)
        except ConnectionResetError:  # told once, for what was not read; the last words come after that
            continue
