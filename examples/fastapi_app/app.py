"""A FastAPI application: `hotswap run app:app` sees that it is ASGI, and restarts it without losing a request.

What it opens when it starts up, here a SQLite connection, each process opens for itself before it accepts; it closes it
when it has finished what it was asked. `/live` is a page with two streams that live through restarts: server-sent
events, which end politely and come back, and a websocket, which the server closes and the page opens again.
"""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, WebSocket
from fastapi.responses import FileResponse, StreamingResponse

import hotswap

VERSION = "1"


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
    """Open before the first request, close after the last one. An exception here fails the restart, not the site."""
    with closing(sqlite3.connect("hits.db")) as database:
        database.execute("CREATE TABLE IF NOT EXISTS hits (generation INTEGER, path TEXT)")
        print(f"opened by {os.getpid()}", flush=True)
        yield {"database": database}
    print(f"closed by {os.getpid()}", flush=True)


app = FastAPI(lifespan=lifespan)


def who() -> dict[str, Any]:
    """Which version, generation and process answers."""
    return {"version": VERSION, "generation": hotswap.generation, "pid": os.getpid()}


@app.get("/")
async def home() -> dict[str, Any]:
    """Which version, generation and process answers."""
    return who()


@app.get("/hello/{name}")
async def hello(name: str, request: Request) -> dict[str, Any]:
    """Greets, and keeps that in the database."""
    database: sqlite3.Connection = request.state.database
    with database:
        database.execute("INSERT INTO hits VALUES (?, ?)", (hotswap.generation, request.url.path))
    return {"hello": name, **who()}


@app.get("/slow")
async def slow(seconds: float = 1.0) -> dict[str, Any]:
    """Takes its time; a restart meanwhile does not shorten it."""
    await asyncio.sleep(min(seconds, 60.0))
    return {"waited": seconds, **who()}


@app.get("/live")
async def live() -> FileResponse:
    """A page that shows which version it hears of, by both streams."""
    return FileResponse(Path(__file__).with_name("live.html"))


@app.get("/events")
async def events(request: Request) -> StreamingResponse:
    """Which version answers, every second, until this process is to leave: then the answer ends as every answer does,
    its connection goes on to the next version, and so does the browser's EventSource."""
    leaves: asyncio.Event = request.state.draining  # hotswap's, in every request's state

    async def stream() -> AsyncIterator[str]:
        yield "retry: 200\n\n"
        while not leaves.is_set():
            yield f"data: {json.dumps(who())}\n\n"
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(leaves.wait(), timeout=1.0)

    return StreamingResponse(stream(), media_type="text/event-stream", headers={"Cache-Control": "no-store"})


@app.websocket("/chat")
async def chat(websocket: WebSocket) -> None:
    """Says which version it is, and then what it hears. At a restart the server closes it with 1012 (service restart),
    by and by so that clients do not come back all at once; the page opens it again."""
    await websocket.accept()
    await websocket.send_json(who())
    async for text in websocket.iter_text():
        await websocket.send_json({"heard": text, **who()})
