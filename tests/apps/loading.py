"""What an application makes while it is loaded, before workers are forked: for BELOW in plain.py."""

from __future__ import annotations

import asyncio
import os
import socket
import threading

#: Kept as an application keeps it.
KEPT: list[object] = []


def thread() -> None:
    """One that polls something."""
    threading.Thread(target=threading.Event().wait, name="poller", daemon=True).start()


def connection() -> None:
    """To a database, for instance."""
    listener = socket.create_server(("127.0.0.1", 0))
    KEPT.extend([listener, socket.create_connection(listener.getsockname())])


def unix_connection() -> None:
    """The same by a path."""
    listener, database = socket.socket(socket.AF_UNIX), socket.socket(socket.AF_UNIX)
    listener.bind("db.sock")
    listener.listen()
    database.connect("db.sock")
    os.unlink("db.sock")
    KEPT.extend([listener, database])


def harmless_sockets() -> None:
    """An event loop's pair, and a datagram socket."""
    udp = socket.socket(type=socket.SOCK_DGRAM)
    udp.connect(("127.0.0.1", 9))
    KEPT.extend([asyncio.new_event_loop(), udp])
