"""What an engine looks like from inside, for tests and for a developer at a prompt: values, copied at one moment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from hotswap.engine.connections.connection import Connection
from hotswap.engine.connections.table import ConnectionTable
from hotswap.engine.http1.body import Collector
from hotswap.engine.http1.head_reader import KnownHeads
from hotswap.engine.wsgi.blocking_routes import PathStats


class ConnectionView(NamedTuple):
    """One live connection. `owned`: by the loop; `parked`: a thread has it, and it is polled all the same.

    `unserved` is how many bytes were read and not served, `collected` how many of a body the loop has in memory.
    """

    fd: int
    phase: int
    owned: bool
    parked: bool
    closing: bool
    upload: bool
    unserved: int
    collected: int

    @classmethod
    def of(cls, conn: Connection, table: ConnectionTable) -> ConnectionView:
        request, work = conn.request, conn.work
        return cls(
            conn.fd,
            conn.phase,
            table.owned.get(conn.fd) is conn,
            table.parked.get(conn.fd) is conn,
            conn.closing,
            request is not None and request.upload,
            len(conn.data),
            work.size if isinstance(work, Collector) else 0,
        )


class PathView(NamedTuple):
    """What is known of a path that was slow: how often it blocks (0.0 to 1.0), and when it is measured again."""

    blocks: float
    rests_until_turn: int

    @classmethod
    def of(cls, stats: PathStats) -> PathView:
        return cls(stats.average, stats.rest)


class DebugView(NamedTuple):
    """`leader` is the leading thread's identity, `turns` how many requests leaders ran themselves; `paused` are those
    descriptors that are left alone for a moment because their callbacks have failed.
    """

    leader: int
    threads: int
    turns: int
    monitor_sleeps: bool
    connections: tuple[ConnectionView, ...]
    paths: Mapping[str, PathView]
    heads: KnownHeads
    paused: frozenset[int]
