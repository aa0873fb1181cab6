"""An application that keeps its clients' sockets, and closes one long after it has answered."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from typing import Any

import hotswap

VERSION = "1"
ADDRESS: Any = "127.0.0.1:0"
SETTINGS: dict[str, Any] = {}

kept: list[socket.socket] = []


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    """`/keep` keeps the socket it is asked on, `/close` closes the one that was kept last."""
    if environ["PATH_INFO"] == "/keep":
        kept.append(environ["gunicorn.socket"])
    elif environ["PATH_INFO"] == "/close":
        kept.pop().close()
    start_response("200 OK", [("X-Generation", str(hotswap.generation)), ("X-Pid", str(os.getpid()))])
    return [VERSION.encode()]


if __name__ == "__main__":
    print("serve() returned", hotswap.serve(app, ADDRESS, **SETTINGS), flush=True)
