"""An error that hotswap raises on purpose is its sentence, and where the program has called: frames of ours say nothing
to the program's author. Imported only when something fails.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import traceback
import weakref
from collections.abc import Iterator
from types import FrameType, TracebackType

import gunicorn

from hotswap.errors import HotswapError

#: The innermost frames that are shown: a million of them, of an endless recursion, take longer than boot_timeout.
_FRAMES = 2000
_OURS = os.path.dirname(os.path.abspath(__file__)) + os.sep
#: What is called by ours, and calls the program's hooks and callbacks.
_BETWEEN = (_OURS, os.path.dirname(gunicorn.__file__) + os.sep, contextlib.__file__)
_STANDARD_LIBRARY = os.path.dirname(os.__file__) + os.sep


def text_of(error: BaseException) -> str:
    """The text of an exception that the caller handles, as Python prints it; of a HotswapError without our frames.

    The frames from which our code was called are in it, too, though the exception has not come through them yet.
    """
    if not isinstance(error, HotswapError):
        return "".join(traceback.format_exception(type(error), error, error.__traceback__, limit=-_FRAMES))
    shown = _program_frames(error.__traceback__)
    made = traceback.TracebackException(type(error), error, shown)
    if not _is_the_programs(error.__cause__ or error.__context__):
        made.__cause__ = made.__context__ = None
    return "".join(made.format() if shown else made.format_exception_only())


def leave_out_if_uncaught(error: HotswapError) -> None:
    """Should this very error come to sys.excepthook, which the interpreter calls, or a tool's such as Sentry's: our
    frames are not in it there. So with threading.excepthook. A program that catches it finds everything in it."""
    before, in_thread = sys.excepthook, threading.excepthook
    # Weak: a program that has caught it may serve on, and is not to keep what hangs on its frames.
    awaited = weakref.ref(error)

    def cut(value: BaseException | None, trace: TracebackType | None) -> TracebackType | None:
        known = awaited()
        if known is None or known is not value:
            return trace
        known.__traceback__ = _program_frames(trace)
        if not _is_the_programs(known.__cause__ or known.__context__):
            known.__cause__, known.__suppress_context__ = None, True
        return known.__traceback__

    def show(kind: type[BaseException], value: BaseException, trace: TracebackType | None) -> None:
        before(kind, value, cut(value, trace))

    def show_in_thread(args: threading.ExceptHookArgs) -> None:
        trace = cut(args.exc_value, args.exc_traceback)
        in_thread(threading.ExceptHookArgs((args.exc_type, args.exc_value, trace, args.thread)))

    sys.excepthook, threading.excepthook = show, show_in_thread


def _program_frames(trace: TracebackType | None) -> TracebackType | None:
    """The traceback without our frames, and with those that it begins below."""
    following: TracebackType | None = None
    for frame, last, line in reversed(list(_frames(trace))):
        if not frame.f_code.co_filename.startswith(_BETWEEN):
            following = TracebackType(following, frame, last, line)
    return following


def _frames(trace: TracebackType | None) -> Iterator[tuple[FrameType, int, int]]:
    """Each frame with its instruction and its line at that time, the outermost first."""
    if trace is None:
        return
    outer = list(traceback.walk_stack(trace.tb_frame.f_back)) if trace.tb_frame.f_back else []
    yield from ((frame, frame.f_lasti, line) for frame, line in reversed(outer))
    following: TracebackType | None = trace
    while following is not None:
        yield following.tb_frame, following.tb_lasti, following.tb_lineno
        following = following.tb_next


def _is_the_programs(cause: BaseException | None) -> bool:
    """Whether an exception has come through code that is neither ours nor the standard library's: then it says more
    than our sentence."""
    frames = (frame for each in _chain(cause) for frame, _ in traceback.walk_tb(each.__traceback__))
    return any(_is_outside(frame.f_code.co_filename) for frame in frames)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _is_outside(path: str) -> bool:
    standard = path.startswith(_STANDARD_LIBRARY) and "-packages" + os.sep not in path
    return not (standard or path.startswith((*_BETWEEN, "<frozen ")))
