"""What takes several descriptors, and gets only some of them, keeps none."""

from __future__ import annotations

import contextlib
import gc
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from hotswap.errors import HotswapError
from hotswap.handover.exchange import Exchange
from hotswap.restart.successor import Pipes
from hotswap.scoreboard import Scoreboard
from hotswap.system import listeners
from hotswap.system.addresses import parse
from hotswap.system.descriptors import reserved as reserve_numbers
from hotswap.system.main_loop import MainLoop
from hotswap.system.signals import SignalQueue
from hotswap.workers.channel import Channel
from tests.few_descriptors import leave_free
from tests.processes import descriptors

Acquire = Callable[[Path, contextlib.ExitStack], object]


def pipes(folder: Path, stack: contextlib.ExitStack) -> None:
    made = Pipes()
    stack.callback(made.close_reading_ends)
    stack.callback(made.close_writing_ends)


def exchange(folder: Path, stack: contextlib.ExitStack) -> None:
    stack.callback(Exchange.create().close)


def channel(folder: Path, stack: contextlib.ExitStack) -> None:
    for end in Channel.pair():
        stack.callback(end.close)


def scoreboard(folder: Path, stack: contextlib.ExitStack) -> None:
    stack.callback(Scoreboard.create(str(folder), "name").close)


def listener(folder: Path, stack: contextlib.ExitStack) -> None:
    made = listeners.bind(parse(f"unix:{folder}/socket"), "key", backlog=1)
    stack.callback(made.close)
    stack.callback(made.remove_path)


def reserved(folder: Path, stack: contextlib.ExitStack) -> None:
    stack.enter_context(reserve_numbers(3, 40))


def loop(folder: Path, stack: contextlib.ExitStack) -> None:
    stack.callback(MainLoop().close)


def signals(folder: Path, stack: contextlib.ExitStack) -> None:
    stack.enter_context(SignalQueue())


@pytest.mark.parametrize("free", range(8))
@pytest.mark.parametrize("acquire", [pipes, exchange, channel, scoreboard, listener, reserved, loop, signals])
def test_nothing_stays_open(acquire: Acquire, free: int, tmp_path: Path) -> None:
    """Nor is a scoreboard left, which would be one of a server."""
    gc.collect()  # what other tests have left in circles must not go meanwhile
    before = descriptors(os.getpid())
    with contextlib.ExitStack() as stack, leave_free(free):
        try:
            acquire(tmp_path, stack)
        except (OSError, HotswapError):
            failed = True
        else:
            failed = False
    gc.collect()  # a selector refers to itself
    assert descriptors(os.getpid()) == before
    assert not failed or not list(tmp_path.glob("*.board"))
