"""Executes its arguments as systemd does with socket activation: a listening socket at descriptor 3, for this pid."""

from __future__ import annotations

import os
import socket
import sys

if __name__ == "__main__":
    listener = socket.create_server(("127.0.0.1", 0))
    os.dup2(listener.fileno(), 3)
    os.set_inheritable(3, True)
    print(f"socket at port {listener.getsockname()[1]}.", flush=True)
    os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1")
    os.execv(sys.argv[1], sys.argv[1:])
