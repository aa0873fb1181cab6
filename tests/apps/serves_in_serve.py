"""Tries to serve while it serves."""

from __future__ import annotations

import hotswap
from tests.apps.plain import app


def again(server: hotswap.Server) -> None:
    """Prints the error, and stops."""
    try:
        hotswap.serve(app, "127.0.0.1:0")
    except hotswap.UsageError as error:
        print(error)
    server.stop()


if __name__ == "__main__":
    hotswap.on("ready")(again)
    hotswap.serve(app, "127.0.0.1:0")
