"""What belongs to the whole process while a server runs in it, and is given back when serve() returns."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Iterator, Mapping
from types import TracebackType

from hotswap.errors import UsageError
from hotswap.log import Log
from hotswap.settings import Config
from hotswap.settings.environment import enter

_claimed = threading.Lock()


@contextlib.contextmanager
def claimed() -> Iterator[None]:
    """One server at a time, on the main thread, because signals arrive there. Raises UsageError."""
    if threading.current_thread() is not threading.main_thread():
        raise UsageError(
            f"serve() was called on the thread {threading.current_thread().name!r}: call it on the main thread, "
            "which is the one that Python gives signals to"
        )
    if not _claimed.acquire(blocking=False):
        raise UsageError("this process serves already: give serve() a mapping of address to application instead")
    try:
        yield
    finally:
        _claimed.release()


class OwnStack(contextlib.ExitStack):
    """Gives back only in the process that made it.

    A callback may fork a child that exits by SystemExit, through the frames of serve(): what stands here is its
    parent's, which serves on with the files, the successor and the locks.
    """

    def __init__(self) -> None:
        super().__init__()
        self._pid = os.getpid()

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if os.getpid() != self._pid:
            self.pop_all()
        return bool(super().__exit__(kind, value, trace))


@contextlib.contextmanager
def switch_interval(seconds: float) -> Iterator[None]:
    """Let waiting threads have the GIL after `seconds` (sys.setswitchinterval); 0 leaves it as it is."""
    before = sys.getswitchinterval()
    if seconds > 0:
        sys.setswitchinterval(seconds)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


@contextlib.contextmanager
def surroundings(cfg: Config, environ: Mapping[str, str]) -> Iterator[None]:
    """Directory, search path and variables as the settings say; these variables get their old values at the end."""
    before = dict(os.environ)
    enter(cfg, environ)
    # Only these: what the application sets while it serves is its own.
    changed = [name for name, value in os.environ.items() if before.get(name) != value]
    try:
        yield
    finally:
        for name in changed:
            os.environ.pop(name, None)
            if name in before:
                os.environ[name] = before[name]


def name_threads_that_stay(log: Log) -> None:
    """Say which threads keep the process alive after serve() has returned: the exit waits for them."""
    stay = [
        thread.name for thread in threading.enumerate() if not thread.daemon and thread is not threading.main_thread()
    ]
    if stay:
        log.warning("these threads keep the process alive: %s (end them, or make them daemons)", ", ".join(stay))
