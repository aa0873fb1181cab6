"""Giving idle connections away while serving on: how a crowded process levels with others that have fewer."""

from __future__ import annotations

import socket
from time import monotonic
from typing import cast

from hotswap.engine.connection import IDLE, Connection
from hotswap.engine.core import Core
from hotswap.engine.leaving import Give
from hotswap.engine.model import Moved
from hotswap.engine.proxied import to_text


def shed(core: Core, count: int, give: Give) -> None:
    """Offer up to `count` idle connections to `give`, `limits.turn` at a time; it returns those it does not take."""
    chosen = _idle(core, count)
    for start in range(0, len(chosen), core.limits.turn):
        _offer(core, chosen[start : start + core.limits.turn], give)


def _idle(core: Core, count: int) -> list[Connection]:
    """Take so many connections that wait for a request and have nothing of it yet."""
    found: list[Connection] = []
    for fd, conn in list(core.owned.items()):
        if len(found) >= count:
            break
        if conn.phase != IDLE or conn.data or conn.closing or not conn.movable(core.limits.movable):
            continue
        taken = core.take(fd)
        if taken is conn and conn.phase == IDLE and not conn.data:
            found.append(conn)
        elif taken is not None:  # it has begun a request meanwhile, or another connection has got its number
            core.wait_for_request(taken, taken.polled)
    return found


def _offer(core: Core, conns: list[Connection], give: Give) -> None:
    offers = []
    for conn in conns:
        core.disarm(conn)
        sock = cast(socket.socket, conn.sock)  # no TlsSocket: those are not movable
        offers.append(Moved(sock, conn.service.key, conn.peer, conn.data, to_text(conn.proxy)))
    refused = {id(moved) for moved in give(offers)}
    for conn, moved in zip(conns, offers, strict=True):
        if id(moved) in refused:
            core.idle(conn, monotonic())
        else:
            core.counters.handed_over += 1
            core.forget(conn)
