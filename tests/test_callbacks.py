"""Which arguments a callback gets: those that it takes, of those that its step offers."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from functools import partial
from typing import Any, get_args

import pytest

import hotswap
from hotswap import callbacks
from hotswap.callbacks import STEPS, Callbacks
from hotswap.errors import UsageError


class Taking:
    """A method, and an object that is called."""

    def one(self, server: Any) -> list[Any]:
        """One argument."""
        return [server]

    def __call__(self) -> list[Any]:
        return []


TAKING: dict[str, tuple[Callable[..., Any], object]] = {
    "none": (lambda: "none", "none"),
    "one": (lambda server: [server], ["S"]),
    "both": (lambda server, text: [server, text], ["S", "why"]),
    "one and a default": (lambda server, text="-": [server, text], ["S", "why"]),
    "any": (lambda *arguments: list(arguments), ["S", "why"]),
    "by keyword only": (lambda *, text="-": [text], ["-"]),
    "a method": (Taking().one, ["S"]),
    "an object": (Taking(), []),
    "a partial": (partial(lambda first, server: [first, server], 1), [1, "S"]),
}


@pytest.mark.parametrize("case", TAKING)
def test_it_gets_what_it_takes(case: str) -> None:
    """From the first argument on."""
    callback, expected = TAKING[case]
    registered = Callbacks()
    assert registered.add("restart_failed", callback) is callback
    (call,) = registered.at("restart_failed", "S", "why")
    assert call.callback is callback
    assert call() == expected


def test_event_loops_are_told_first() -> None:
    """Before the program's own callbacks, and before the signal is acted on; until they are taken away."""
    registered, calls = Callbacks(), list[str]()
    registered.add_signal(signal.SIGUSR1, "before", lambda: calls.append("program"))
    registered.add_for_loop(signal.SIGUSR1, first := lambda: calls.append("first loop"))
    registered.add_for_loop(signal.SIGUSR1, lambda: calls.append("second loop"))
    for call in (*registered.at_signal(signal.SIGUSR1, "before"), *registered.at_signal(signal.SIGUSR1, "after")):
        call()
    assert calls == ["first loop", "second loop", "program"]
    registered.remove_for_loop(signal.SIGUSR1, first)
    registered.remove_for_loop(signal.SIGUSR2, first)
    assert len(registered.for_loops(signal.SIGUSR1)) == 1


def test_one_that_takes_nothing_and_is_written_in_c() -> None:
    """threading.Event.set has a signature all the same; where there is none, all arguments are given."""
    registered, event = Callbacks(), threading.Event()
    registered.add("ready", event.set)
    registered.add_signal(signal.SIGUSR1, "after", event.clear)
    registered.at("ready", "S")[0]()
    assert event.is_set()
    registered.at_signal(signal.SIGUSR1, "after")[0]()
    assert not event.is_set()
    registered.add("stopped", print)
    assert registered.at("stopped", "S", "how")[0].arguments == ("S", "how")


@pytest.mark.parametrize(
    ("step", "callback", "sentence"),
    [
        ("ready", lambda server, text: None, "cannot be called at step 'ready', which offers: server"),
        ("begin", lambda *, server: None, "cannot be called at step 'begin', which offers: address"),
        ("stopped", 4, "a callback must be callable, and 4 is not"),
        ("redy", print, "there is no step 'redy' to call back at (did you mean 'ready'?): it is one of starting, "),
    ],
)
def test_one_that_cannot_be_called(step: str, callback: Any, sentence: str) -> None:
    """It is refused when it is registered, not when its step comes."""
    with pytest.raises(UsageError) as caught:
        Callbacks().add(step, callback)
    assert sentence in str(caught.value)


def test_type_checkers_know_the_steps() -> None:
    """The overloads of `hotswap.on` name each of them, beside those that offer more than the server."""
    others = {"begin", "restart_failed", "hammer", "stopped"}
    assert {*get_args(callbacks._ServerSteps), *others} == STEPS.keys()
    assert {name for name, step in STEPS.items() if step.arguments == ("server",)} == STEPS.keys() - others


def test_the_package_shows_its_public_names() -> None:
    """To dir(), which completion in a shell asks, and to help()."""
    import pydoc

    names = [name for name in dir(hotswap) if not name.startswith("__")]
    assert names == sorted(hotswap.__all__)
    text = pydoc.plain(pydoc.render_doc(hotswap))
    for shown in ("class Server(", "serve(app: 'Any'", "on_signal(number: 'int'", "draining = "):
        assert shown in text
