"""An ASGI 2 application: called twice."""

from __future__ import annotations

from typing import Any

import hotswap

ADDRESS: Any = "127.0.0.1:0"
SETTINGS: dict[str, Any] = {}


class Asgi2:
    """Made for each connection, and then awaited."""

    def __init__(self, scope: Any) -> None:
        self.scope = scope

    async def __call__(self, receive: Any, send: Any) -> None:
        """Answers."""
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"two calls"})


if __name__ == "__main__":
    hotswap.serve(Asgi2, ADDRESS, **SETTINGS)
