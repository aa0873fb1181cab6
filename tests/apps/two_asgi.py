"""Two ASGI applications at three addresses."""

from __future__ import annotations

from typing import Any

import hotswap

SETTINGS: dict[str, Any] = {}


class App:
    """It has a name, which its requests find in their state."""

    def __init__(self, name: str) -> None:
        self.name = name

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Its lifespan, or a request."""
        if scope["type"] == "lifespan":
            await receive()
            scope["state"]["name"] = self.name
            print(self.name, "starts", flush=True)
            await send({"type": "lifespan.startup.complete"})
            await receive()
            print(self.name, "ends", flush=True)
            await send({"type": "lifespan.shutdown.complete"})
            return
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": scope["state"]["name"].encode()})


if __name__ == "__main__":
    one, two = App("one"), App("two")
    hotswap.serve({"127.0.0.1:0": one, "localhost:0": two, "127.0.0.1:00": one}, **SETTINGS)
