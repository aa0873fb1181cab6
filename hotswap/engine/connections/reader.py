"""What reads requests from connections."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from hotswap.engine.connections.connection import Connection


class Reader(Protocol):
    """Reads requests; see `engine.connections.request_reader.RequestReader`."""

    def read(self, conn: Connection) -> Any: ...  # None, or the Request of the engine's kind
