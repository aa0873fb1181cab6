"""Tells the SIGHUP of a terminal that was closed from the SIGHUP that asks for a restart.

The kernel sends SIGHUP to the leader of a terminal's session, the shell; the shell sends it on to its jobs; and when
the shell has ended, the kernel sends it to the job in the foreground. So one hang-up is often two signals. A descriptor
of the terminal tells: its poll says POLLHUP from the hang-up on, which is before the kernel's first signal. But an
emulator that sends signals of its own may do that before.
"""

from __future__ import annotations

import contextlib
import enum
import os
import select
import time
from collections.abc import Callable

from hotswap.system.fork_guard import no_fork, withhold
from hotswap.system.main_loop import MainLoop

#: A SIGHUP within this time of the terminal's end is part of it (seconds).
TOGETHER = 2.0


class Meaning(enum.Enum):
    """What a SIGHUP means."""

    RESTART = "restart"
    STOP = "stop"  # the terminal was closed, and this is the first that is heard of it
    NOTHING = "nothing"  # the terminal was closed, and that is known already, or is to be ignored


class HangUp:
    """The controlling terminal's end, as this process sees it; without a terminal every SIGHUP is a restart's.

    `ignored`: SIGHUP was ignored when the server was started, as under nohup(1): the terminal's end means nothing.
    `alone_suffices`: it means "stop" also if no SIGHUP comes, as to a job in the background of some shells.
    `terminal` is opened to be watched, `clock` returns seconds and never goes back. On the main thread.
    """

    def __init__(
        self,
        *,
        ignored: bool,
        alone_suffices: bool = False,
        terminal: str = "/dev/tty",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ignored = ignored
        self._alone_suffices = alone_suffices
        self._clock = clock
        self._loop: MainLoop | None = None
        self._tell: Callable[[], object] = lambda: None
        self._terminal: int = -1
        self._epoll: select.epoll | None = None
        #: when a SIGHUP came that was taken for a restart's, and when the terminal's end was seen
        self._signalled: float | None = None
        self._ended: float | None = None
        self._said = False
        self._seen_in_front = False
        with no_fork():
            # After a logout there is none, although the process still is in its session (tty(4): ENXIO).
            with contextlib.suppress(OSError):
                self._open(terminal)
            self._withhold_no_more = withhold(self._descriptors)
        self._is_in_front()

    def _open(self, terminal: str) -> None:
        self._terminal = os.open(terminal, os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
        self._epoll = select.epoll()
        # What is typed makes it readable, too, and is not for us: EPOLLET reports that once. A mask without EPOLLIN
        # would miss the end of a console (vhangup(2)), which wakes as something to be read.
        self._epoll.register(self._terminal, select.EPOLLIN | select.EPOLLET)

    def _descriptors(self) -> list[int]:
        return [self._terminal, -1 if self._epoll is None else self._epoll.fileno()]

    def watch(self, loop: MainLoop, tell: Callable[[], object]) -> None:
        """From now on `tell` is called if the terminal's end alone means "stop", or makes an earlier SIGHUP mean it."""
        if self._epoll is not None:
            self._loop, self._tell = loop, tell
            loop.watch(self._epoll.fileno(), self._on_event)

    def meaning(self) -> Meaning:
        """Of the SIGHUP that has come."""
        if self._has_ended():
            self._note_end()
        now = self._clock()
        if self._ended is not None and now - self._ended < TOGETHER:
            return self._end()
        if self._is_in_front():
            self._signalled = now
        return Meaning.RESTART

    def _on_event(self) -> None:
        assert self._epoll is not None
        self._epoll.poll(0)
        if not self._has_ended():
            return
        self._note_end()
        came = self._signalled is not None and self._clock() - self._signalled < TOGETHER
        if (came or self._alone_suffices) and self._end() is Meaning.STOP:
            self._tell()

    def _end(self) -> Meaning:
        if self._ignored or self._said:
            return Meaning.NOTHING
        self._said = True
        return Meaning.STOP

    def _has_ended(self) -> bool:
        if self._terminal < 0:
            return False
        poll = select.poll()
        poll.register(self._terminal, 0)  # POLLHUP is told unasked
        return any(happened & select.POLLHUP for _, happened in poll.poll(0))

    def _note_end(self) -> None:
        """While it is open, the terminal's number is not free."""
        self._ended = self._clock()
        self._close()

    def _is_in_front(self) -> bool:
        """Whether a terminal's end that follows at once explains a SIGHUP. In the background it does not: there it was
        "kill -HUP %1; exit", and the server is to stay."""
        if self._terminal >= 0:
            # What was seen counts: a shell that was signalled takes the terminal back, and when it has ended there is
            # no telling any more (ENOTTY, tty_ioctl(4)); both may be before this process comes to its signal.
            with contextlib.suppress(OSError):
                self._seen_in_front |= os.tcgetpgrp(self._terminal) == os.getpgrp()
        return self._seen_in_front

    def close(self) -> None:
        """Watch it no more."""
        self._close()
        self._withhold_no_more()

    def _close(self) -> None:
        with no_fork():
            if self._epoll is not None:
                if self._loop is not None:
                    self._loop.unwatch(self._epoll.fileno())
                self._epoll.close()
                self._epoll = None
            if self._terminal >= 0:
                os.close(self._terminal)
                self._terminal = -1
