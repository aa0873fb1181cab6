"""An application that tells whether the garbage collector looks at what it has loaded."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

import hotswap

ADDRESS: Any = "127.0.0.1:0"
SETTINGS: dict[str, Any] = {}

LOADED: list[Any] = [[]]


def is_looked_at(one: object) -> bool:
    """Whether it is in a generation of the collector's."""
    return any(each is one for each in gc.get_objects())


def app(environ: dict[str, Any], start_response: Callable[..., object]) -> list[bytes]:
    """Of what was loaded, and of what the request has made."""
    made: list[Any] = [[]]
    start_response("200 OK", [])
    return [f"{is_looked_at(LOADED)} {is_looked_at(made)}".encode()]


if __name__ == "__main__":
    hotswap.serve(app, ADDRESS, **SETTINGS)
    print(f"behind it: {is_looked_at(LOADED)}", flush=True)
