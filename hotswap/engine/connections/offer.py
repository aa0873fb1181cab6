"""Offering connections to another process: the one place where an engine gives up what it owns."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, cast

from hotswap.engine.http1.proxy_protocol import to_text
from hotswap.engine.values import Give, Moved

if TYPE_CHECKING:
    from hotswap.engine.connections.connection import Connection
    from hotswap.engine.connections.table import ConnectionTable


class Offers:
    """Offers connections, `limits.turn` at a time, to one `give` at a time. Any thread may call."""

    def __init__(self, table: ConnectionTable) -> None:
        self._table = table
        self._one_at_a_time = threading.RLock()  # so that `give` need not be thread-safe

    def offer(self, conns: Sequence[Connection], give: Give | None, keep: Callable[[Connection], None]) -> None:
        """Offer movable connections that the caller owns. `keep` is called with each that is not taken, and owns it.

        With None for `give` none is taken; a `give` that raises takes none, and that is logged.
        """
        turn = self._table.state.limits.turn
        for start in range(0, len(conns), turn):
            batch = conns[start : start + turn]
            for conn in batch if give is None else self._offer(batch, give):
                with self._table.owning(conn):
                    keep(conn)

    def _offer(self, conns: Sequence[Connection], give: Give) -> list[Connection]:
        """Returns those that the caller owns still."""
        table = self._table
        offers = []
        for conn in conns:
            table.disarm(conn)
            sock = cast(socket.socket, conn.sock)  # no TlsSocket: those are not movable
            offers.append(Moved(sock, conn.site.key, conn.peer, conn.data, to_text(conn.proxy)))
        try:
            with self._one_at_a_time:
                refused = {id(moved) for moved in give(offers)}
        except Exception:
            table.state.log.exception("handing connections over failed: they stay")
            return list(conns)
        left = []
        for conn, moved in zip(conns, offers, strict=True):
            if id(moved) in refused:
                left.append(conn)
                continue
            table.state.counters.handed_over += 1
            with table.owning(conn):
                table.forget(conn)
        return left
