"""ASGI's lifespan protocol between an application and a worker's server: the startup is a part of loading.

The server accepts when the application says that its startup is complete. So that is held back at the gate, in the
application's own loop, and a startup that fails is a boot that fails.
"""

from __future__ import annotations

import traceback
from collections.abc import Awaitable, Callable
from typing import Any

from hotswap.workers.foreign.start_gate import StartGate

Message = dict[str, Any]
Send = Callable[[Message], Awaitable[None]]
Receive = Callable[[], Awaitable[Message]]


class GatedLifespan:
    """An application as its server sees it. `strict`: the server ends the worker if there is no such protocol.

    `patience`: how long to hold back (seconds), None for as long as it takes.
    """

    def __init__(
        self, app: Callable[..., Any], gate: StartGate, *, strict: bool, patience: float | None = None
    ) -> None:
        self._app = app
        self._gate = gate
        self._strict = strict
        self._patience = patience
        self._failed = False

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            await self._app(scope, receive, send)
            return
        try:
            await self._app(scope, receive, self._held_back(send))
        except SystemExit as error:
            if not self._gate.is_open and not self._failed:
                # uvicorn would take it for an application without startup, and serve (uvicorn/lifespan/on.py, `main`).
                await self._held_back(send)({"type": "lifespan.startup.failed", "message": f"sys.exit({error})"})
            raise
        except Exception:
            if self._strict and not self._gate.is_open and not self._failed:
                self._fails(traceback.format_exc())
            await self._pass()  # it has no startup: then its server accepts now
            raise
        await self._pass()

    def _held_back(self, send: Send) -> Send:
        async def held_back(message: Message) -> None:
            if message["type"] == "lifespan.startup.complete":
                await self._pass()
            elif message["type"] == "lifespan.startup.failed":
                self._fails(str(message.get("message", "")))
            await send(message)

        return held_back

    def _fails(self, text: str) -> None:
        self._failed = True
        self._gate.failed(f"the startup of the application failed (ASGI lifespan):\n{text}")

    async def _pass(self) -> None:
        if not self._failed and not self._gate.is_open:
            await self._gate.pass_through(self._patience)


def without_lifespan(app: Callable[..., Any]) -> Callable[..., Any]:
    """The application, with the protocol kept from it."""

    async def kept_from_it(scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            await app(scope, receive, send)
            return
        for what in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{what}.complete"})

    return kept_from_it
