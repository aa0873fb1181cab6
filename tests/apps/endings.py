"""What runs when a process ends: BELOW, and post_worker_init="tests.apps.endings.in_worker"."""

from __future__ import annotations

import atexit
import os
import threading
from typing import Any

import hotswap


def say(*words: object) -> None:
    """In one piece: several processes write."""
    os.write(1, " ".join([*map(str, words), "\n"]).encode())


def of_program() -> None:
    """What the program registers."""
    atexit.register(lambda: say("atexit of", hotswap.generation, os.getpid()))


def with_status(status: int) -> None:
    """The process of a server that was told to stop ends with this status, whichever program has called serve()."""

    @hotswap.on("stopped")
    def stopped(_server: object, how: str) -> None:
        if how == "stopped":
            atexit.register(os._exit, status)


def of_thread() -> None:
    """A thread that finishes its job when its process leaves."""

    def work() -> None:
        hotswap.draining.wait()
        say("job done in", os.getpid(), "of generation", hotswap.generation)

    threading.Thread(target=work).start()


def in_worker(_worker: Any) -> None:
    """What a worker registers, and its thread."""
    of_thread()
    atexit.register(lambda: say("atexit in worker", os.getpid()))
