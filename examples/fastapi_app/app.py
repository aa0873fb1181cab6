"""A FastAPI application: `hotswap run app:app` sees that it is ASGI, and restarts it without losing a request.

What it opens when it starts up, here a SQLite connection, each worker opens for itself before it accepts; it closes it
when it has finished what it was asked.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from typing import Any

from fastapi import FastAPI, Request

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
