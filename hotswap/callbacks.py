"""The program's callbacks for each step of a generation's life, and the event that its long loops watch."""

from __future__ import annotations

import functools
import signal
import threading
from collections.abc import Callable
from typing import Any, Literal, NamedTuple, TypeVar, overload

from hotswap.errors import UsageError

Callback = TypeVar("Callback", bound=Callable[..., Any])
When = Literal["before", "after"]
How = Literal["stopped", "retired"]

# What a callback may look like, by what it is offered: it takes as many arguments as it wants to have. A server is Any
# here, because `hotswap.Server` is a part of the package that these callbacks are a part of.
_WithServer = TypeVar("_WithServer", bound=Callable[[Any], object] | Callable[[], object])
_WithText = TypeVar("_WithText", bound=Callable[[Any, str], object] | Callable[[Any], object] | Callable[[], object])
_WithHow = TypeVar("_WithHow", bound=Callable[[Any, How], object] | Callable[[Any], object] | Callable[[], object])
_WithRequests = TypeVar(
    "_WithRequests", bound=Callable[[Any, list[Any]], object] | Callable[[Any], object] | Callable[[], object]
)
_WithAddress = TypeVar("_WithAddress", bound=Callable[[str], object] | Callable[[], object])
_WithNumber = TypeVar("_WithNumber", bound=Callable[[signal.Signals], object] | Callable[[], object])


class Step(NamedTuple):
    """A step of a generation's life: the arguments that its callbacks are offered, and when they are called."""

    arguments: tuple[str, ...]
    when: str


#: The order is that of a life.
STEPS: dict[str, Step] = {
    "starting": Step(("server",), "before anything is bound"),
    "begin": Step(("address",), "bound and about to accept (endless's BeforeBegin)"),
    "ready": Step(("server",), "this generation accepts and answers"),
    "restarting": Step(("server",), "a successor is about to be started"),
    "restart_failed": Step(("server", "text"), "the successor failed, this generation serves on"),
    "retiring": Step(("server",), "a successor serves, this generation leaves"),
    "lame_duck": Step(("server",), "this server serves on, and load balancers are told that it does not"),
    "draining": Step(("server",), "this server stops"),
    "resumed": Step(("server",), "the successor was lost or rolled back, this generation serves again"),
    "hammer": Step(("server", "requests"), "what still runs is about to be cut"),
    "stopped": Step(
        ("server", "how"), "this generation has left, and serve() is about to return how: 'stopped' or 'retired'"
    ),
}
_ServerSteps = Literal["starting", "ready", "restarting", "retiring", "lame_duck", "draining", "resumed"]

#: Set as soon as this process leaves, for whatever reason; cleared if it serves again. Long loops, background workers
#: and websocket handlers look at it, or wait for it instead of sleeping. From any thread.
draining = threading.Event()


class Call(NamedTuple):
    """A callback with the arguments that it takes of those that it is offered."""

    callback: Callable[..., Any]
    arguments: tuple[object, ...]

    def __call__(self) -> object:
        return self.callback(*self.arguments)


class _Registered(NamedTuple):
    callback: Callable[..., Any]
    takes: int

    def bound(self, offered: tuple[object, ...]) -> Call:
        return Call(self.callback, offered[: self.takes])


class Callbacks:
    """The program's callbacks, by step and by signal. They run on the main thread, in the order in which they were
    added.

    The program may add them on any thread, at any time.
    """

    def __init__(self) -> None:
        self._steps: dict[str, list[_Registered]] = {name: [] for name in STEPS}
        self._signals: dict[tuple[int, str], list[_Registered]] = {}
        #: for event loops that the application runs in: by signal
        self._for_loops: dict[int, list[Callable[[], object]]] = {}

    def add(self, step: str, callback: Callback) -> Callback:
        _must_be_step(step)
        takes = _takes(callback, STEPS[step].arguments, f"step {step!r}")
        self._steps[step].append(_Registered(callback, takes))
        return callback

    def add_signal(self, number: int, when: When, callback: Callback) -> Callback:
        if when not in ("before", "after"):
            raise _mistake(f"a signal's callback runs 'before' or 'after' it is acted on, not {when!r}")
        takes = _takes(callback, ("number",), "signal")
        self._signals.setdefault((signal.Signals(number), when), []).append(_Registered(callback, takes))
        return callback

    def add_for_loop(self, number: int, tell: Callable[[], object]) -> None:
        """`tell()` is called before the process acts on the signal: it passes it on to an event loop in this process.
        In a forked worker too, where the program's own callbacks are not called."""
        self._for_loops.setdefault(signal.Signals(number), []).append(tell)

    def remove_for_loop(self, number: int, tell: Callable[[], object]) -> None:
        """The event loop is told no more."""
        self._for_loops[number] = [each for each in self._for_loops.get(number, ()) if each is not tell]

    def for_loops(self, number: int) -> tuple[Call, ...]:
        """What is to be called at a signal for event loops alone."""
        return tuple(Call(tell, ()) for tell in self._for_loops.get(number, ()))

    def at(self, step: str, *arguments: object) -> tuple[Call, ...]:
        """What is to be called at this step, in order."""
        return tuple(each.bound(arguments) for each in self._steps[step])

    def at_signal(self, number: int, when: When) -> tuple[Call, ...]:
        """The same for a signal."""
        calls = tuple(each.bound((number,)) for each in self._signals.get((number, when), ()))
        return (*self.for_loops(number), *calls) if when == "before" else calls


def _mistake(sentence: str) -> UsageError:
    """Return what to raise; if the program does not catch it, it is shown without our frames."""
    from hotswap.own_frames import leave_out_if_uncaught  # only here: it is for failures

    error = UsageError(sentence)
    leave_out_if_uncaught(error)
    return error


def _must_be_step(step: str) -> None:
    if step not in STEPS:
        from difflib import get_close_matches

        meant = "".join(f" (did you mean {near!r}?)" for near in get_close_matches(step, STEPS, n=1))
        raise _mistake(f"there is no step {step!r} to call back at{meant}: it is one of {', '.join(STEPS)}")


def _takes(callback: Callable[..., Any], offered: tuple[str, ...], where: str) -> int:
    """Return how many of the offered arguments the callback takes: those that have room, from the first on.

    Raises UsageError if it is no callback, or cannot be called with what is offered.
    """
    if not callable(callback):
        raise _mistake(f"a callback must be callable, and {callback!r} is not")
    import inspect  # only here: `hotswap start` should not wait for it

    try:
        signature = inspect.signature(callback)
    except (TypeError, ValueError):  # a callable written in C may have no signature
        return len(offered)
    for number in range(len(offered), -1, -1):
        try:
            signature.bind(*offered[:number])
        except TypeError:
            continue
        return number
    name = getattr(callback, "__qualname__", callback)
    raise _mistake(f"the callback {name}{signature} cannot be called at {where}, which offers: {', '.join(offered)}")


CALLBACKS = Callbacks()


@overload
def on(step: _ServerSteps) -> Callable[[_WithServer], _WithServer]: ...
@overload
def on(step: Literal["begin"]) -> Callable[[_WithAddress], _WithAddress]: ...
@overload
def on(step: Literal["restart_failed"]) -> Callable[[_WithText], _WithText]: ...
@overload
def on(step: Literal["hammer"]) -> Callable[[_WithRequests], _WithRequests]: ...
@overload
def on(step: Literal["stopped"]) -> Callable[[_WithHow], _WithHow]: ...
def on(step: str) -> Callable[[Any], Any]:
    """Decorator: call the function at a step of this generation's life.

    The steps are the keys of `hotswap.callbacks.STEPS`, which has the arguments that each offers: a function that takes
    fewer gets the first ones. Callbacks run on the main thread. Until this generation serves, an exception in one fails
    the boot; later it is logged. Raises UsageError for an unknown step, and for a function that wants more arguments.
    """
    _must_be_step(step)
    return functools.partial(CALLBACKS.add, step)


def on_signal(number: int, when: When = "after") -> Callable[[_WithNumber], _WithNumber]:
    """Decorator: call the function, with the signal's number if it takes one, before or after the server acts on it.

    As endless's RegisterSignalHook(PRE_SIGNAL | POST_SIGNAL, …), for the signals that the server handles. The callback
    runs on the main thread, not in the signal handler, so it may do anything that does not take long. An exception in
    it is logged. Raises UsageError for another `when`, ValueError for a number that is no signal's.
    """
    return functools.partial(CALLBACKS.add_signal, number, when)
