"""How an ASGI application starts up: for BELOW in asgi.py, as ("startups.choose", "fails")."""

from __future__ import annotations

import asyncio
import os
import select
import signal
from collections.abc import Awaitable, Callable

from tests.apps import last_words


async def succeeds() -> None:
    """At once."""


async def fails() -> None:
    """With an error."""
    raise RuntimeError("no database")


async def waits_for_go() -> None:
    """If there is a file "slow", until there is a file "go"."""
    if os.path.exists("slow"):
        os.write(1, f"waiting in {os.getpid()}\n".encode())
        while not os.path.exists("go"):
            await asyncio.sleep(0.01)


async def first_hangs_later() -> None:
    """One worker has started up, and then its event loop hangs; the others wait for that, and start up."""
    try:
        os.mkdir("first")
    except FileExistsError:
        while not os.path.exists("hangs"):
            await asyncio.sleep(0.01)
    else:
        asyncio.get_running_loop().call_soon(_hang)


def _hang() -> None:
    os.write(1, f"hangs in {os.getpid()}\n".encode())
    os.mkdir("hangs")
    select.select([], [], [])


async def is_unknown() -> None:
    """The application knows no lifespan, as Django's, and says so by any exception."""
    raise NotImplementedError("only http")


async def exits() -> None:
    """With words."""
    last_words.exits()


async def leaves_at_once() -> None:
    """With words, and past all that Python does at its end."""
    last_words.leaves_at_once()


async def hangs() -> None:
    """For ever."""
    await asyncio.Event().wait()


async def sets_a_handler() -> None:
    """Of Python's own, which it refuses beside the main thread."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


async def adds_a_handler() -> None:
    """Of the loop's, which says what it hears."""
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, _hears)


def _hears() -> None:
    os.write(1, f"{os.getpid()} hears SIGTERM in its loop: {asyncio.get_running_loop().is_running()}\n".encode())


class Chosen:
    """What asgi.py awaits."""

    startup: Callable[[], Awaitable[None]] = succeeds
    shutdown: Callable[[], Awaitable[None]] = succeeds


def choose(name: str) -> None:
    """From now on it is that one."""
    Chosen.startup = staticmethod(globals()[name])


def choose_shutdown(name: str) -> None:
    """The same for the shutdown."""
    Chosen.shutdown = staticmethod(globals()[name])
