"""The least that an ASGI application can do, for servers that have no other kind."""

from __future__ import annotations

import itertools
import os
from collections.abc import Awaitable, Callable
from typing import Any

from benchmarks.apps.answers import HELLO
from benchmarks.apps.counted import CALLS
from benchmarks.apps.tally import TALLY, Tally

Send = Callable[[dict[str, Any]], Awaitable[None]]

_tally = Tally(os.environ[TALLY]) if TALLY in os.environ else None
_calls = itertools.count(1)


async def application(scope: dict[str, Any], receive: Callable[[], Awaitable[Any]], send: Send) -> None:
    """`/hello`, and `/calls` as `Counted` has it."""
    assert scope["type"] == "http"
    calls = next(_calls)
    if _tally is not None:
        _tally.count()
    if scope["path"] == CALLS:
        await _answer(send, b"%d" % (calls if _tally is None else _tally.total()))
    else:
        await _answer(send, HELLO)


async def _answer(send: Send, body: bytes) -> None:
    headers = [(b"content-type", b"text/plain"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
