"""Two applications, each behind an address of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import hotswap
from tests.apps import plain

ADDRESS: Any = "127.0.0.1:0"
SETTINGS: dict[str, Any] = {}


def admin(environ: plain.Environ, start_response: Callable[..., Any]) -> list[bytes]:
    """The other one."""
    start_response("200 OK", [("Content-Length", "5")])
    return [b"admin"]


if __name__ == "__main__":
    hotswap.serve({ADDRESS: plain.app, "unix:other.sock": admin}, **SETTINGS)
