"""Signals as a queue: a handler appends a number, the wake-up descriptor ends the wait, the loop decides.

Why not signalfd: it would need the signals blocked in every thread, and blocked signals are inherited by every
process the application starts.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections import deque
from collections.abc import Iterable, Iterator
from types import FrameType, TracebackType
from typing import Any

#: What a successor keeps for later while it boots (see birth.py), and what is blocked while one is started.
REMEMBERED = (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGTTIN, signal.SIGTTOU)
#: What a serving generation handles.
HANDLED = (*REMEMBERED, signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGTSTP)


class _Received:
    """The signals that came, in the order they came, and the process they were meant for."""

    def __init__(self) -> None:
        self.numbers: deque[int] = deque()
        self.pid = os.getpid()

    def handler(self, number: int, frame: FrameType | None) -> None:
        """One append, because a handler runs between any two lines; a forked child's signals are not ours."""
        if os.getpid() == self.pid:
            self.numbers.append(number)


class SignalQueue:
    """A context manager: installs the handlers on entry, gives everything back on exit.

    Only the main thread may enter it (signal(7), Python's `signal` module). `fileno()` becomes readable when a signal
    came; `take()` returns them.
    """

    _current: SignalQueue | None = None

    def __init__(self, early: deque[int] | None = None, handled: Iterable[signal.Signals] = HANDLED) -> None:
        """`early` is where somebody else's handlers have put what came before; it is emptied on entry."""
        self._handled = handled
        self._early = early if early is not None else deque()
        self._received = _Received()
        self._before: dict[signal.Signals, Any] = {}
        self._wakeup_before = -1
        self._read_fd = self._write_fd = -1

    def __enter__(self) -> SignalQueue:
        self._read_fd, self._write_fd = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        # The wake-up descriptor first: a handler without it could append while the loop already sleeps.
        self._wakeup_before = signal.set_wakeup_fd(self._write_fd, warn_on_full_buffer=False)
        for number in self._handled:
            self._before[number] = signal.signal(number, self._received.handler)
            signal.siginterrupt(number, False)
        # Only now: until here the other handlers could still add to it.
        while self._early:
            self._received.numbers.appendleft(self._early.pop())
        SignalQueue._current = self
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        SignalQueue._current = None
        self._give_back()
        signal.set_wakeup_fd(self._wakeup_before)
        os.close(self._read_fd)
        os.close(self._write_fd)

    def _give_back(self) -> None:
        for number, handler in self._before.items():
            # None: the handler was not installed from Python, and Python cannot put it back.
            if handler is not None:
                signal.signal(number, handler)
        self._before.clear()

    def fileno(self) -> int:
        return self._read_fd

    def take(self) -> Iterator[signal.Signals]:
        """Yield what came, oldest first. The pipe is emptied first: a signal that comes in between wakes us again."""
        with contextlib.suppress(BlockingIOError):
            while os.read(self._read_fd, 4096):
                pass
        while self._received.numbers:
            yield signal.Signals(self._received.numbers.popleft())

    def __contains__(self, number: signal.Signals) -> bool:
        """Whether `number` has come and was not taken yet."""
        return number in self._received.numbers

    def push(self, number: int) -> None:
        """Queue a signal as if it had come; for `Server.stop()` and `Server.restart()`, from any thread.

        In a forked worker it is sent to the process that made this queue, if that still is the parent.
        """
        if os.getpid() != self._received.pid:
            if os.getppid() == self._received.pid:
                os.kill(self._received.pid, number)
            return
        self._received.numbers.append(number)
        with contextlib.suppress(BlockingIOError, OSError):
            os.write(self._write_fd, b"\0")

    def ignore_from_now_on(self, number: signal.Signals) -> None:
        """Ignore `number` until the process is gone, also after this queue has given its handlers back."""
        self._before.pop(number, None)
        signal.signal(number, signal.SIG_IGN)

    def suspend(self) -> None:
        """Stop this process for real, as SIGTSTP would have (signal(7)); returns after SIGCONT.

        By SIGSTOP: the kernel does not stop an orphaned process group for SIGTSTP, and every successor is in one.
        """
        os.kill(os.getpid(), signal.SIGSTOP)

    def abandon(self) -> None:
        """In a forked child: close what the parent waits with. The handlers were reset by the fork itself."""
        for fd in {self._read_fd, self._write_fd} - {-1}:
            os.close(fd)
        self._read_fd = self._write_fd = -1

    def _leave_child(self) -> None:
        """In a forked child: default handlers, or its SIGTERM would end up in the parent's pipe."""
        SignalQueue._current = None
        signal.set_wakeup_fd(-1)
        for number, handler in self._before.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)


def _after_fork_in_child() -> None:
    if SignalQueue._current is not None:
        SignalQueue._current._leave_child()


# Cannot be taken back, so it is done once and looks for the queue that is in use.
os.register_at_fork(after_in_child=_after_fork_in_child)


def name_of(number: int) -> str:
    """The name of any signal that can end a process; `signal.Signals` knows only two of the real-time ones."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


@contextlib.contextmanager
def blocked(numbers: Iterable[signal.Signals]) -> Iterator[None]:
    """Block `numbers` in this thread: what is started meanwhile inherits the mask (sigprocmask(2))."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
