"""An application that answers with what its Server says of where it listens."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import hotswap

VERSION = "1"
ADDRESS: Any = "127.0.0.1:0"
SETTINGS: dict[str, Any] = {}


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    """The URLs, one a line."""
    start_response("200 OK", [("X-Generation", str(hotswap.generation)), ("X-Pid", str(os.getpid()))])
    return ["\n".join(server.listening).encode()]


server = hotswap.Server(app, ADDRESS, **SETTINGS)
if __name__ == "__main__":
    print("serve() returned", server.run(), flush=True)
