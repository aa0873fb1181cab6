"""What reads requests from connections."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from hotswap.engine.connections.connection import Connection
    from hotswap.engine.http1.request import Request


class Reader(Protocol):
    """Reads requests; see `engine.wsgi.request_reader.RequestReader`."""

    def read(self, conn: Connection) -> Request | None: ...
