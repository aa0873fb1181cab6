"""Processes that a program forks: for BELOW in plain.py."""

from __future__ import annotations

import multiprocessing
import os
import select
import signal
import subprocess
import sys
import threading
from multiprocessing.connection import Connection

import hotswap
from hotswap.callbacks import CALLBACKS


def child(where: str) -> int:
    """Forks a child that stays until it is killed, and says so."""
    pid = os.fork()
    if pid == 0:
        try:
            signal.pause()
        finally:
            os._exit(0)
    print(f"forked {pid} {where}.", flush=True)
    return pid


def at(step: str) -> None:
    """Such a child, forked at a step of the boot: "import", or one that `hotswap.on` knows."""
    if step == "import":
        child("here")
    else:
        CALLBACKS.add(step, lambda _argument: child("here"))


def exits_and_is_waited_for() -> None:
    """A child that goes through the frames it was forked in."""
    pid = os.fork()
    if pid == 0:
        sys.exit(0)
    os.waitpid(pid, 0)


def exits_when_ready() -> None:
    """The same, in those of serve()."""

    @hotswap.on("ready")
    def ready(_server: object) -> None:
        exits_and_is_waited_for()
        print("the child is gone", flush=True)


def _says_its_pid(connection: Connection) -> None:
    connection.send(os.getpid())
    threading.Event().wait()


def exit_code_of_a_child_that_is_told_to_end() -> int:
    """By SIGTERM; it is one of multiprocessing's."""
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(target=_says_its_pid, args=(there,))
    process.start()
    os.kill(here.recv(), signal.SIGTERM)
    process.join()
    assert process.exitcode is not None
    return process.exitcode


def until_go() -> None:
    """A child that ends when there is a file "go"."""
    if os.fork() == 0:
        while not os.path.exists("go"):
            select.select([], [], [], 0.01)
        os._exit(0)


def leaves_an_orphan() -> None:
    """A process whose parent ends before it does."""
    subprocess.run(["sh", "-c", 'sleep 0.1 & echo "an orphan: $!"'], check=True)
