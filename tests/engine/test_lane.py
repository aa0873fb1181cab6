"""Which lane this run of the engine's tests is on, and how that is chosen."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable
from typing import Any

import pytest

from hotswap.engine.native import choice
from hotswap.engine.wsgi import plain_turn
from tests.engine.apps import hello
from tests.engine.engine_server import Serve
from tests.engine.needed_lane import needs_c

MODULES = ["hotswap.engine.native.heads", "hotswap.engine.native.lane"]
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
