"""The compiled seam: whether a plain request's whole turn is served in C.

The C extension `engine.native.lane` serves what is plainly right, from recv(2) to send(2), and says `NOT_PLAIN` of
anything else before anything of it has begun: its twin is `RequestServer.serve_request`, which serves everything, also
where there is no extension (`engine.native.choice`).
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping
from io import BytesIO
from typing import TYPE_CHECKING, Any, NamedTuple

from hotswap.engine.connections.connection import Connection
from hotswap.engine.connections.poller import READ
from hotswap.engine.http1 import response_head
from hotswap.engine.native.choice import why_python
from hotswap.engine.wsgi.blocking_routes import BLOCKED, RULE, SLOW, PathStats
from hotswap.engine.wsgi.lead import LeadToken
from hotswap.engine.wsgi.response import FileWrapper
from hotswap.engine.wsgi.wsgi_request import WsgiRequest

if TYPE_CHECKING:
    from hotswap.engine.connections.answer_writer import AnswerWriter
    from hotswap.engine.connections.state import EngineState
    from hotswap.engine.limits import Limits
    from hotswap.engine.wsgi.environ_reader import EnvironReader
    from hotswap.engine.wsgi.loop import EventLoop, MakeLane, ServeEvents
    from hotswap.engine.wsgi.serve import RequestServer
    from hotswap.settings.options import EngineOptions


class FastLane(NamedTuple):
    """`kind`: the class in C, None where everything is served in Python, and `why_python` says why."""

    kind: Callable[..., Any] | None
    why_python: str = ""

    @property
    def name(self) -> str:
        """What runs, in a few words."""
        return "C" if self.kind is not None else f"Python, because {self.why_python}"


def choose(environ: Mapping[str, str]) -> FastLane:
    """The lane for the engines of a process with this environment."""
    why = why_python(environ)
    if why:
        return FastLane(None, why)
    from hotswap.engine.native import lane

    return FastLane(lane.Lane)


CHOSEN = choose(os.environ)


def lane_of(
    chosen: FastLane,
    state: EngineState,
    options: EngineOptions,
    limits: Limits,
    writer: AnswerWriter,
    heads: EnvironReader,
) -> MakeLane | None:
    """What makes the lane of an engine; None where Python serves everything."""
    unusual = options.tls or options.proxy_protocol != "off" or heads.must_be_strict(options)
    if chosen.kind is None or unusual or options.pre_request is not None or options.post_request is not None:
        return None
    kind = chosen.kind

    def make(server: RequestServer, loop: EventLoop) -> ServeEvents:
        call, pool, table = server.call, server.keepers.pool, server.table
        lane = kind(
            min(limits.line, 1 << 20), limits.fields, limits.field_size, limits.body_buffer, pool.limit, READ,
            limits.keepalive, SLOW, BLOCKED, RULE,
            state=state, counters=state.counters, pool=pool, idle=pool.idle, jobs=pool.jobs,
            routes=server.keepers.routes, monitor=server.keepers.monitor, owned=table.owned, parked=table.parked,
            go_on=loop.go_on, other_event=loop.answer_other, fault=loop.end_after_fault,
            call=call, done=call.done, writer=writer, keep=writer.keep,
            learn=server.learn, look_closely=server.look_closely, give_lead_away=server.give_lead_away,
            connection_kind=Connection, request_kind=WsgiRequest, token_kind=LeadToken, stats_kind=PathStats,
            socket_kind=socket.socket, file_kind=FileWrapper, bytes_io=BytesIO,
            health_path=options.health_path or "",
            names=response_head.names, statuses=response_head.statuses,
            stamp_lines=response_head.ResponseHead.server_and_date,
            **heads.plain_knowledge,
        )  # fmt: skip
        serve: ServeEvents = lane.serve_events
        return serve

    return make
