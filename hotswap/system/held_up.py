"""The end of the interpreter: a call when the main thread has ended, and what the interpreter then still waits for.

It waits for the threads that are no daemons, an executor's among them, then it calls the atexit handlers, one of which
waits for multiprocessing's children (Py_FinalizeEx, `wait_for_thread_shutdown` and `_PyAtExit_Call`).
"""

from __future__ import annotations

import atexit
import ctypes
import os
import sys
import threading
from collections.abc import Callable, Iterator
from types import CodeType
from typing import NamedTuple

_LIBC = ctypes.CDLL(None)


class _Watch(NamedTuple):
    pid: int
    begins: Callable[[], object]
    is_over: Callable[[], object]


_watches: list[_Watch] = []
#: the code that calls the atexit handlers here
_caller: CodeType | None = None


def watch_the_end(begins: Callable[[], object], is_over: Callable[[], object]) -> Callable[[], object]:
    """Have both called on the main thread: when that has run the program to its end, before anything is waited for, and
    when nothing is left to wait for. Not in forked children. They must not raise. Returns the function that takes it
    back.

    Not by threading._register_atexit: concurrent.futures, imported later, would come first there, and wait.
    """
    watch = _Watch(os.getpid(), begins, is_over)
    if _caller is None:
        _stand_before_the_joining_of_threads()
    _watches.append(watch)
    return lambda: _watches.remove(watch)


def _stand_before_the_joining_of_threads() -> None:
    global _caller
    # Py_FinalizeEx calls it by this name, and so do multiprocessing's children and our workers at their end.
    joins = threading._shutdown  # type: ignore[attr-defined]

    def shutdown() -> None:
        watches = [watch for watch in _watches if watch.pid == os.getpid()]
        for watch in watches:
            watch.begins()
        joins()
        if watches:
            # Here, where the interpreter would call them next: so their end is seen, too.
            atexit._run_exitfuncs()
        for watch in watches:
            watch.is_over()

    _caller = shutdown.__code__
    threading._shutdown = shutdown  # type: ignore[attr-defined]


def let_it_end_us(number: int) -> None:
    """Give a signal its default, from any thread: Python's `signal.signal` is for the main thread, which may hang."""
    _LIBC.signal(number, None)


def what_is_waited_for() -> str:
    """Return in words what the interpreter waits for, at its end; from any thread."""
    parts = [*_listed("thread", _threads()), *_listed("child process", _children(), plural="child processes")]
    return " and ".join(parts) or _atexit_handler()


def _listed(kind: str, names: Iterator[str], plural: str = "") -> list[str]:
    found = sorted(names)
    if not found:
        return []
    return [f"the {kind if len(found) == 1 else plural or f'{kind}s'} {', '.join(found)}"]


def _threads() -> Iterator[str]:
    for thread in threading.enumerate():
        if not thread.daemon and thread is not threading.main_thread() and thread is not threading.current_thread():
            yield thread.name


def _children() -> Iterator[str]:
    multiprocessing = sys.modules.get("multiprocessing")
    if multiprocessing is not None:
        # At the end of the interpreter no other code reads their status but what waits for all of them.
        for child in multiprocessing.active_children():
            if not child.daemon:
                yield f"{child.name} (pid {child.pid})"


def _atexit_handler() -> str:
    """The function that the main thread has been called in last, by the interpreter's end."""
    frame = sys._current_frames().get(threading.main_thread().ident or 0)
    while frame is not None and frame.f_back is not None and frame.f_back.f_code is not _caller:
        frame = frame.f_back
    if frame is None or frame.f_code is _caller or frame.f_globals.get("__name__") == "threading":
        return "atexit handlers"
    if any(frame.f_code is getattr(watch.begins, "__code__", None) for watch in _watches):
        # None has been called yet: it is asked from there.
        return "atexit handlers"
    code = frame.f_code
    name = getattr(code, "co_qualname", code.co_name)  # since Python 3.11
    return f"the atexit handler {name} ({code.co_filename}:{code.co_firstlineno})"
