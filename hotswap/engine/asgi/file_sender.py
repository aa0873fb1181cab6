"""`http.response.pathsend`: a file as the body of an answer, with sendfile(2) where that is possible."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hotswap.engine.asgi.client_wire import ClientWire

_PIECE = 1 << 16  # bytes read at once
_BURST = 1 << 20  # bytes sent before other tasks have their turn


async def send_file(wire: ClientWire, fd: int, size: int, *, sendfile: bool) -> int:
    """Send `size` bytes of a file, or as many as it still has; returns how many. Stops when the client goes.

    Nothing may be buffered in `wire`, unless `sendfile` is false.
    """
    offset = 0
    while offset < size and not wire.gone:
        if sendfile:
            offset += _copy(wire, fd, offset, min(_BURST, size - offset))
        data = os.pread(fd, min(_PIECE, size - offset), offset)
        if not data:
            break  # all is sent; or the file has become shorter
        wire.write(data)
        offset += len(data)
        await wire.until_drained(0 if sendfile else _PIECE)
        await asyncio.sleep(0)
    return offset


def _copy(wire: ClientWire, fd: int, offset: int, count: int) -> int:
    """sendfile(2); 0 if the client takes nothing now, or has gone, which the next write will find."""
    wire.end_child()
    try:
        return os.sendfile(wire.conn.sock.fileno(), fd, offset, count)
    except OSError:
        return 0
