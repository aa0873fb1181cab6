"""Serves twice in one process, and tells what that has changed there."""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
from typing import Any

import hotswap
from tests.apps.plain import app


def _is_scoreboard(descriptor: str) -> bool:
    """That of the last serve() stays open: this process is seen there until it ends."""
    try:
        return ".board" in os.readlink(f"/proc/self/fd/{descriptor}")
    except FileNotFoundError:  # the one that listdir itself had open
        return False


def state() -> list[Any]:
    """What serve() changes and has to give back."""
    handlers = {number: signal.getsignal(number) for number in signal.valid_signals() if number not in (9, 19)}
    descriptors = sorted(name for name in os.listdir("/proc/self/fd") if not _is_scoreboard(name))
    return [handlers, dict(os.environ), sys.excepthook, sys.getswitchinterval(), descriptors]


if __name__ == "__main__":
    signal.signal(signal.SIGUSR1, lambda *_: None)
    before = state()
    for _ in range(2):
        hotswap.on("ready")(lambda server: threading.Thread(target=server.stop).start())
        print(hotswap.serve(app, "127.0.0.1:0"), flush=True)
    # A thread of the engine that ends late may still wake it, and keeps its descriptor so long.
    for thread in threading.enumerate():
        if thread.name.startswith("hotswap-"):
            thread.join(20)
    gc.collect()
    after = state()
    print("same" if before == after else (before, after))
    print("wakeup", signal.set_wakeup_fd(-1))
    print("engine threads", [thread.name for thread in threading.enumerate() if not thread.daemon])
