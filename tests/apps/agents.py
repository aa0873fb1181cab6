"""A module that has started a thread and opened a connection when it is imported. As sitecustomize.py, it is an agent;
imported by a program, it is that program's own."""

from __future__ import annotations

import socket
import threading

_listener = socket.create_server(("127.0.0.1", 0))
_connection = socket.create_connection(_listener.getsockname())
threading.Thread(target=threading.Event().wait, name="exporter", daemon=True).start()
