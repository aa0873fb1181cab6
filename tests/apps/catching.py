"""A program that goes on when serve() fails."""

from __future__ import annotations

import os
from typing import Any

import hotswap
from tests.apps import plain

ADDRESS: Any = "127.0.0.1:0"
SETTINGS: dict[str, Any] = {}
BELOW: Any = []
LAST: Any = []

plain.take(BELOW)


def sockets() -> list[str]:
    """Those that this process has open."""
    paths = [f"/proc/self/fd/{name}" for name in os.listdir("/proc/self/fd")]
    links = [os.readlink(path) for path in paths if os.path.exists(path)]
    return [link for link in links if link.startswith("socket:")]


if __name__ == "__main__":
    try:
        hotswap.serve(plain.app, ADDRESS, **SETTINGS)
    except OSError as error:
        print("caught", error, "with the sockets", sockets(), flush=True)
    plain.take(LAST)
