"""What a program says of itself: for BELOW in plain.py."""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
from functools import partial

import hotswap


def pid() -> None:
    """Which process printed this, as soon as Python writes what it has printed."""
    print("printed by", os.getpid())


def patched_by_gevent() -> None:
    """Whether gevent has patched before this is imported."""
    from gevent import monkey

    print("patched", monkey.is_module_patched("socket"), flush=True)


def imported() -> None:
    """Which modules there are when it serves."""
    hotswap.on("ready")(lambda _server: print("imported:", *sys.modules, ".", flush=True))


def arguments() -> None:
    """What the program sees of its arguments."""
    print("arguments", sys.argv[1:], flush=True)


def sigterm_and_wait() -> None:
    """When serve() has returned: what SIGTERM does now, and the end of the program, two seconds later."""
    print("after", signal.getsignal(signal.SIGTERM), flush=True)
    select.select([], [], [], 2)
    print("the end", flush=True)


def signals() -> None:
    """SIGUSR1, before the server acts on it, where a callback fails, and after."""

    @hotswap.on_signal(signal.SIGUSR1, "before")
    def before(number: int) -> None:
        print("before", int(number), threading.current_thread() is threading.main_thread(), flush=True)
        raise ValueError("hook")

    @hotswap.on_signal(signal.SIGUSR1, "after")
    def after(number: int) -> None:
        print("after", int(number), flush=True)


def steps() -> None:
    """Each step of a generation's life."""
    for step in ("starting", "begin", "ready", "restarting", "retiring", "draining", "stopped"):
        hotswap.on(step)(partial(_say_step, step))


def _say_step(step: str, *_arguments: object) -> None:
    print(f"step {hotswap.generation} {step}", flush=True)


def while_imported() -> None:
    """A line that is printed at import."""
    print("printed while imported", flush=True)


def where() -> None:
    """Where it serves, when SIGUSR1 was acted on, and that a restart has failed."""

    @hotswap.on("begin")
    def begin(address: object) -> None:
        print(f"generation {hotswap.generation} at {address}.", flush=True)

    @hotswap.on_signal(signal.SIGUSR1, "after")
    def after(_number: int) -> None:
        print("SIGUSR1 acted on", flush=True)

    @hotswap.on("restart_failed")
    def failed(_server: object, why: str) -> None:
        print("the restart has failed:", why.splitlines()[0], flush=True)


def nowhere(kind: str) -> None:
    """From here on what is printed goes nowhere, as in a daemon, or where a terminal was closed."""
    if kind == "None":
        sys.stdout = None
    else:
        sys.stdout = os.fdopen(os.open("/dev/full", os.O_WRONLY), "w")
        print("not written yet")


def thread_fails() -> None:
    """An exception in a thread that nobody waits for, when hotswap has opened its log."""

    @hotswap.on("begin")
    def begin(_address: object) -> None:
        thread = threading.Thread(target=fails, args=("in a thread",), name="fails")
        thread.start()
        thread.join()


def fails(where: str = "at the end") -> None:
    """An exception."""
    raise ValueError(where)


def ways_back() -> None:
    """What a generation hears that serves again, and whether it is told to leave at that moment."""

    @hotswap.on("retiring")
    def retiring(_server: object) -> None:
        print(f"{hotswap.generation} told to leave: {hotswap.draining.is_set()}", flush=True)

    @hotswap.on("resumed")
    def resumed(_server: object) -> None:
        print(f"{hotswap.generation} resumed, told to leave: {hotswap.draining.is_set()}", flush=True)

    @hotswap.on("restart_failed")
    def restart_failed(_server: object, text: str) -> None:
        print(f"{hotswap.generation} heard: {text}", flush=True)
