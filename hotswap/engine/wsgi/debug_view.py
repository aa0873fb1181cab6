"""What an engine looks like from inside, for tests and for a developer at a prompt: values, copied at one moment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from hotswap.engine.connections.connection_view import ConnectionView
from hotswap.engine.http1.head_reader import KnownHeads
from hotswap.engine.wsgi.blocking_routes import PathStats


class PathView(NamedTuple):
    """What is known of a path that was slow: how often it blocks (0.0 to 1.0), and when it is measured again."""

    blocks: float
    rests_until_turn: int

    @classmethod
    def of(cls, stats: PathStats) -> PathView:
        return cls(stats.average, stats.rest)


class DebugView(NamedTuple):
    """`leader` is the leading thread's identity, `turns` how many requests leaders ran themselves; `paused` are those
    descriptors that are left alone for a moment because their callbacks have failed. `lane` is what serves plain
    requests: "C" or "Python".
    """

    leader: int
    threads: int
    turns: int
    monitor_sleeps: bool
    connections: tuple[ConnectionView, ...]
    paths: Mapping[str, PathView]
    heads: KnownHeads
    paused: frozenset[int]
    lane: str
