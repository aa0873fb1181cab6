"""What a daemon does while it boots: for BELOW in plain.py."""

from __future__ import annotations

import os
import signal
import sys

import hotswap


def explains_and_exits(status: int) -> None:
    """As a program does that misses a setting."""
    print("DATABASE_URL is missing", file=sys.stderr)
    sys.exit(status)


def is_killed() -> None:
    """As by the kernel when memory is short."""
    os.kill(os.getpid(), signal.SIGKILL)


def prints_when_ready() -> None:
    """On both streams, before and after the command has ended."""
    print("booting out", flush=True)
    print("booting err", file=sys.stderr, flush=True)

    @hotswap.on("ready")
    def ready(_server: object) -> None:
        print("serving out", flush=True)
        print("serving err", file=sys.stderr, flush=True)


def swallows_sigterm() -> None:
    """A handler that does nothing, above serve()."""
    signal.signal(signal.SIGTERM, lambda _number, _frame: print("swallowed", flush=True))
