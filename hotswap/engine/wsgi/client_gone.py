"""Whether the client has gone whose request waits for a thread: then no client would read the answer."""

from __future__ import annotations

import select
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hotswap.engine.connections.connection import Connection

_BROKEN = select.POLLHUP | select.POLLERR


def client_has_gone(conn: Connection) -> bool:
    """Whether the client has closed its connection; one system call. The caller owns `conn`.

    poll(2), because what the client has sent behind the request, before it went, would hide the end from recv(2). Over
    TCP the FIN of a client that only sends no more (shutdown(2)) looks the same. Then this says that it has gone, as
    nginx does (499) and HAProxy (abortonclose): nearly always that is true, and a server whose requests wait has better
    things to do. On a unix socket the two look different.
    """
    fd = conn.sock.fileno()
    if fd < 0:  # the application, which had the socket from an earlier request, has closed or detached it
        return True
    poll = select.poll()
    poll.register(fd, select.POLLRDHUP)
    over_tcp = conn.peer.__class__ is tuple
    return any(mask & _BROKEN or over_tcp for _, mask in poll.poll(0))
