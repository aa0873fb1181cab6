"""What one connection looks like from inside, for tests and for a developer at a prompt."""

from __future__ import annotations

from typing import NamedTuple

from hotswap.engine.connections.connection import Connection
from hotswap.engine.connections.table import ConnectionTable
from hotswap.engine.http1.body import Collector


class ConnectionView(NamedTuple):
    """One live connection. `owned`: by the loop; `parked`: a thread has it, and it is polled all the same.

    `upload`: the application reads the body by itself.
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
            getattr(request, "upload", False),
            len(conn.data),
            work.size if isinstance(work, Collector) else 0,
        )
