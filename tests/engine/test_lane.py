"""Which lane this run of the engine's tests is on, and how that is chosen."""

from __future__ import annotations

import importlib
import os
import re
import select
import socket
import sys
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from hotswap.engine.connections.connection import Connection
from hotswap.engine.native import choice
from hotswap.engine.wsgi import plain_turn
from tests.engine.apps import Environ, Start, hello
from tests.engine.engine_server import Serve
from tests.engine.lane_pair import LaneServer
from tests.engine.needed_lane import needs_c

MODULES = [f"hotswap.engine.native.{name}" for name in ("access_log", "heads", "lane")]
#: The tests of the engine run twice in CI: on C, and with HOTSWAP_PURE=1 on Python.
WANTED = "Python" if os.environ.get("HOTSWAP_PURE") else "C"


def test_this_run_is_on_the_lane_that_was_asked_for(serve: Serve) -> None:
    """An engine says so itself."""
    if WANTED == "C":
        needs_c()
    assert serve(hello).engine.debug_view().lane == WANTED
    assert choice.NAME.partition(",")[0] == plain_turn.CHOSEN.name.partition(",")[0] == WANTED


def test_c_is_chosen_where_it_is_built() -> None:
    """And nothing is wrong then."""
    needs_c()
    assert choice.why_python({}) == ""
    assert plain_turn.choose({}).name == "C"


def test_with_python_asked_for() -> None:
    """By HOTSWAP_PURE, which is for tests and for who doubts the extension."""
    assert plain_turn.choose({"HOTSWAP_PURE": "1"}).name == "Python, because HOTSWAP_PURE is set"


def test_without_the_gil(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may come with a module that was imported, so the interpreter is asked, and not how it was built."""
    monkeypatch.setattr(sys, "_is_gil_enabled", lambda: False, raising=False)
    assert choice.why_python({}) == "this Python runs without the GIL, on which the extension in C relies"


def missing(name: str) -> Exception:
    """As the import system says that there is no such module."""
    return ModuleNotFoundError(f"No module named {name!r}", name=name)


def broken(name: str) -> Exception:
    """As the dynamic linker says that a module is for another machine."""
    return ImportError(f"{name}.so: wrong ELF class")


@pytest.mark.parametrize("module", MODULES)
@pytest.mark.parametrize(
    ("fail", "why"),
    [
        (missing, "the extension in C is not built: install gcc and Python's headers, and hotswap again"),
        (broken, "the extension in C cannot be imported ({}.so: wrong ELF class): install gcc and Python's"),
    ],
)
def test_an_extension_that_is_not_whole(
    monkeypatch: pytest.MonkeyPatch, module: str, fail: Callable[[str], Exception], why: str
) -> None:
    """None of it is used, and the reason is told with the remedy."""

    def import_module(name: str) -> Any:
        if name == module:
            raise fail(name)
        return sys

    monkeypatch.setattr(importlib, "import_module", import_module)
    assert choice.why_python({}).startswith(why.format(module))
    assert plain_turn.choose({}).kind is None


def test_an_engine_that_has_no_use_for_it(serve: Serve) -> None:
    """Hooks are Python, and are called around each request: such an engine says that it is on Python."""
    server = serve(hello, settings={"pre_request": lambda worker, request: None})
    assert server.engine.debug_view().lane == "Python"


class Borrowing:
    """Has the place of a socket in another class's objects."""

    sock = vars(Connection)["sock"]


@pytest.mark.parametrize(
    ("part", "value", "why"),
    [
        ("token_kind", object, "object needs a slot _running"),
        ("connection_kind", socket.socket, "socket needs a slot sock"),
        ("connection_kind", Borrowing, "Borrowing needs a slot sock"),
        ("owned", [], "a lane needs two dicts of connections, a list of idle threads, and classes"),
    ],
)
def test_an_engine_that_has_changed(live: None, part: str, value: object, why: str) -> None:
    """C reads the engine's objects at their slots' places: where one is missing, no lane is made."""
    needs_c()

    def kind(*bounds: Any, **parts: Any) -> Any:
        lane = plain_turn.choose({})
        assert lane.kind is not None
        return lane.kind(*bounds, **{**parts, part: value})

    with pytest.raises(TypeError, match=re.escape(why)):
        LaneServer(hello, plain_turn.FastLane(kind))


def test_calls_that_block_are_served_in_c(live: None) -> None:
    """Measured ones, those that lose the lead to the monitor, and, once their path is known, those without the lead."""
    needs_c()

    def app(environ: Environ, start_response: Start) -> Iterable[bytes]:
        select.select([], [], [], 0.002)
        return hello(environ, start_response)

    server = LaneServer(app, plain_turn.choose({}))
    server.start()
    client = server.connect()
    for _ in range(40):
        assert client.get("/blocks").body == b"/blocks"
    (lane,) = server.lanes
    assert server.engine.counters.given_away > 5
    assert lane.turns == 39  # all but the first, whose host was not known
    server.end()
