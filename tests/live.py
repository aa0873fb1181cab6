"""Tests that start servers are told from those that do not, and the others are held to it.

A test is live if it has the fixture `live`. What starts a program, another process or an engine has it: the fixtures
`program`, `programs`, `process_tree`, `serve` and those made from them. `pytest -m "not live"`, which `make quick`
runs, leaves the live tests out; in all others the start of a process or an engine raises NotLive.
"""

from __future__ import annotations

import os

import pytest

STARTS = frozenset({"os.fork", "os.forkpty", "os.posix_spawn", "os.exec", "os.system", "subprocess.Popen"})
"""The audit events (sys.addaudithook) of a new process; multiprocessing and ctypes come by here too."""

starts_processes = pytest.mark.usefixtures("process_tree")
"""Marks a test that starts processes by itself; what it leaves behind is killed."""

_held: tuple[int, str] | None = None


class NotLive(AssertionError):
    """A test that does not have the fixture `live` was about to start a server."""


def hold(item: pytest.Item | None) -> None:
    """From now on that test runs in this process, or none. Called by pytest's hooks, on the main thread."""
    global _held
    _held = None if item is None or is_live(item) else (os.getpid(), item.nodeid)


def is_live(item: pytest.Item) -> bool:
    """Whether the test, or a fixture of it, has the fixture `live`."""
    return "live" in getattr(item, "fixturenames", ())


def audit(event: str, arguments: tuple[object, ...]) -> None:
    """The audit hook. Raises NotLive before the process is made."""
    if _held is not None and event in STARTS:
        refuse(f"a process ({event})")


def refuse(what: str) -> None:
    """Called before `what` starts, on any thread; raises NotLive if the test that runs is not live."""
    if _held is not None and _held[0] == os.getpid():
        remedy = "mark it @starts_processes, or have its fixture ask for process_tree (see tests/live.py)"
        raise NotLive(f"{_held[1]} starts {what} and is not live: {remedy}")
