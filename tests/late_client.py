"""A client that connects when a listener is about to be closed."""

from __future__ import annotations

import errno
import socket

from tests.eventually import eventually
from tests.traffic.connection import Target


def begin_to_connect(address: str) -> socket.socket:
    """On the loopback device it is connected when this returns, if the kernel lets it in."""
    target = Target.parse(address)
    client = socket.socket(target.family)
    client.setblocking(False)
    assert client.connect_ex(target.address) in (0, errno.EINPROGRESS)
    return client


def error_of(client: socket.socket) -> int:
    """Closes it when there is an error, and gives that: ECONNREFUSED if it was never connected, else ECONNRESET."""
    with client:
        return eventually(lambda: client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR), "it has no error")
