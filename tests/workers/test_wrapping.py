"""What stands in front of gunicorn's worker classes."""

from __future__ import annotations

import socket
import struct

from hotswap.workers.foreign.wrapping import SharedSocket


def queue_length(sock: socket.socket) -> int:
    """How many connections may wait to be accepted (struct tcp_info, tcpi_sacked of a listening socket)."""
    return int(struct.unpack("8B24I", sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104))[13])


def test_the_queue_stays_as_long_as_it_is() -> None:
    """asyncio listens again, with a queue of its own length, on a socket that other processes have too."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=321)
    with SharedSocket(fileno=listener.detach()) as shared:
        shared.listen(100)
        assert queue_length(shared) == 321
        socket.socket.listen(shared, 100)
        assert queue_length(shared) == 100
