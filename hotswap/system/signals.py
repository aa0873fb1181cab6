"""Signals as a queue: a handler appends a number, the wake-up descriptor ends the wait, the main loop decides.

Why not signalfd: it needs the signals to be blocked in every thread, and every process that the application starts
would inherit the blocked signals.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections import deque
from collections.abc import Iterable, Iterator
from types import FrameType, TracebackType
from typing import Any

from hotswap.system.wake_pipe import WakePipe

#: A successor remembers these for later while it boots (restart/bootstrap.py); they are blocked while one is started.
REMEMBERED = (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGTTIN, signal.SIGTTOU)
#: A serving generation handles these.
#: SIGURG because it does nothing to a process that does not handle it: to one that boots, or is of an older release.
HANDLED = (*REMEMBERED, signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGTSTP, signal.SIGURG)
#: Ctrl-C reaches the server too, which is in the same process group: a process in front of it waits that long for it
#: (seconds). A SIGTERM from there at the same moment could overtake the SIGINT, which would then find the server
#: draining, and cut it.
CTRL_C = 0.5


class _Received:
    """The signals that came, in the order in which they came, and the process that they were meant for."""

    def __init__(self) -> None:
        self.numbers: deque[int] = deque()
        self.pid = os.getpid()

    def handler(self, number: int, frame: FrameType | None) -> None:
        """Append the number and do nothing else: a handler runs between any two lines. A forked child that has this
        handler still must not append: its signals are not the parent's."""
        if os.getpid() == self.pid:
            self.numbers.append(number)


class SignalQueue:
    """A context manager: installs the handlers on entry, gives everything back on exit.

    `fileno()` becomes readable when a signal has come; `take()` yields what has come.
    Thread: the main thread only (Python's `signal` module), except `push`, which any thread may call at any time.
    Args: `early` is a queue into which earlier handlers have put signals; it is emptied on entry. `handled` are the
    signals to be queued. Raises: OSError on entry if no pipe can be made, ValueError on another thread.
    """

    _current: SignalQueue | None = None

    def __init__(self, early: deque[int] | None = None, handled: Iterable[signal.Signals] = HANDLED) -> None:
        self._handled = handled
        self._early = early if early is not None else deque()
        self._received = _Received()
        self._before: dict[signal.Signals, Any] = {}
        self._wakeup_before = -1
        #: those that were taken
        self._taken: set[signal.Signals] = set()
        #: whether a SIGCONT has come since the last SIGTSTP
        self._continued = False
        #: None until entered; it stays open as long as this object is there, because `push` may be called late
        self._pipe: WakePipe | None = None

    def __enter__(self) -> SignalQueue:
        self._pipe = WakePipe()
        # The wake-up descriptor first: a handler without it could append while the loop already sleeps.
        self._wakeup_before = signal.set_wakeup_fd(self._pipe.write_fd, warn_on_full_buffer=False)
        for number in self._handled:
            self._before[number] = signal.signal(number, self._received.handler)
            signal.siginterrupt(number, False)
        if signal.SIGTSTP in self._handled and signal.getsignal(signal.SIGCONT) is signal.SIG_DFL:
            self._before[signal.SIGCONT] = signal.signal(signal.SIGCONT, self._received.handler)
            signal.siginterrupt(signal.SIGCONT, False)
        # Only now: the earlier handlers could add to it until they were replaced above.
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

    def _give_back(self) -> None:
        for number, handler in self._before.items():
            # None: the handler was not installed from Python, and Python cannot put it back.
            if handler is not None:
                signal.signal(number, handler)
        self._before.clear()

    def fileno(self) -> int:
        return -1 if self._pipe is None else self._pipe.fd

    def take(self) -> Iterator[signal.Signals]:
        """Yield the signals that came, oldest first. The pipe is emptied first: a signal that comes in between makes it
        readable again."""
        if self._pipe is not None:
            self._pipe.rest()
        while self._received.numbers:
            number = signal.Signals(self._received.numbers.popleft())
            if number in (signal.SIGTSTP, signal.SIGCONT):
                self._continued = number is signal.SIGCONT
            if number is not signal.SIGCONT:
                self._taken.add(number)
                yield number

    def __contains__(self, number: signal.Signals) -> bool:
        """Whether `number` has come and has not been taken yet."""
        return number in self._received.numbers

    def take_again(self) -> None:
        """Stand in the place of handlers that the program has installed since the entry."""
        for number in self._handled:
            now = signal.getsignal(number)
            if now != self._received.handler:
                self._before[number] = now
                signal.signal(number, self._received.handler)
                signal.siginterrupt(number, False)

    def came(self) -> set[signal.Signals]:
        """The signals that have come since the entry, taken or not."""
        return self._taken | {signal.Signals(number) for number in self._received.numbers}

    def replaced(self, *numbers: signal.Signals) -> dict[signal.Signals, Any]:
        """The handlers in whose place this queue stands, as `signal.getsignal` gave them."""
        return {number: self._before[number] for number in numbers if number in self._before}

    def push(self, number: int) -> None:
        """Queue a signal as if it had come: for `Server.stop()` and `Server.restart()`, from any thread, at any time.
        Before this queue is entered, the signal waits; after it was left, nothing happens.

        In a forked worker, the signal is sent to the process that made this queue, if that is still the parent.
        """
        if os.getpid() != self._received.pid:
            if os.getppid() == self._received.pid:
                os.kill(self._received.pid, number)
            return
        self._received.numbers.append(number)
        if self._pipe is not None:
            self._pipe.wake()

    def ignore_afterwards(self, number: signal.Signals) -> None:
        """Have `number` ignored from this queue's exit until the process ends; before the exit it is queued as ever."""
        self._before[number] = signal.SIG_IGN

    def suspend(self) -> None:
        """Stop this process, as SIGTSTP does by default (signal(7)); returns after SIGCONT.

        With SIGSTOP: the kernel does not stop an orphaned process group for SIGTSTP, and every successor is in one. As
        the kernel does it with a SIGTSTP that is pending, SIGCONT discards those that came before it: a shell that has
        seen another process of the job stop may have sent the whole job SIGCONT since, and will send no second one.
        """
        if self._continued or signal.SIGCONT in self:
            return
        os.kill(os.getpid(), signal.SIGSTOP)
        if signal.SIGCONT in self:
            numbers, kept = self._received.numbers, []
            while (number := numbers.popleft()) != signal.SIGCONT:
                kept += [number] if number != signal.SIGTSTP else []
            numbers.extendleft(reversed(kept))

    def abandon(self) -> None:
        """Called in a forked child: close the pipe with which the parent waits. The fork itself reset the handlers."""
        if self._pipe is not None:
            self._pipe.abandon()

    def _leave_child(self) -> None:
        """Called in a forked child: give the former handlers back, or the child's SIGTERM would end in the parent's
        pipe."""
        SignalQueue._current = None
        signal.set_wakeup_fd(-1)
        for number, handler in self._before.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)


def _after_fork_in_child() -> None:
    if SignalQueue._current is not None:
        SignalQueue._current._leave_child()


# A registration cannot be undone: so there is one, which looks for the queue that is in use.
os.register_at_fork(after_in_child=_after_fork_in_child)


def name_of(number: int) -> str:
    """Return the name of any signal that can end a process; `signal.Signals` knows only two of the real-time ones."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


@contextlib.contextmanager
def blocked(numbers: Iterable[signal.Signals]) -> Iterator[None]:
    """Block `numbers` in the calling thread; a process that is started meanwhile inherits the mask (sigprocmask(2))."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
