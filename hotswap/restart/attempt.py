"""One attempt at a successor, from its start to the moment it is ready or has failed."""

from __future__ import annotations

import signal
from typing import Protocol

from hotswap.lifecycle.states import Event
from hotswap.restart.successor import Successor
from hotswap.restart.takeover import Takeover
from hotswap.system.main_loop import MainLoop, Timer

#: How long a successor that is ready may take to send its SIGTERM (seconds).
OVERDUE = 5.0
#: How long a successor that reported an error may take to exit: threads of the program can hold it up (seconds).
EXIT_AFTER_ERROR = 2.0


class AttemptObserver(Protocol):
    """What is told of an attempt, on the main thread."""

    def on_news(self, event: Event) -> None:
        """READY, OVERDUE, FAILED or TERMINATED; each once."""

    def stage(self, name: str) -> None:
        """How far the successor's boot is."""


class RestartAttempt:
    """Watches a successor and tells what becomes of it: READY, then OVERDUE if its SIGTERM does not come; or FAILED, or
    TERMINATED.

    `observer` is called on the main thread: with each event once, and for every stage that the successor reports.
    The constructor takes the successor over: if it raises OSError, because it cannot be watched, it is killed.
    """

    def __init__(
        self,
        successor: Successor,
        generation: int,
        loop: MainLoop,
        boot_timeout_s: float,
        observer: AttemptObserver,
    ) -> None:
        self.successor = successor
        self.generation = generation
        self._loop = loop
        self._boot_timeout = boot_timeout_s
        self._observer = observer
        self._seen_stage = ""
        self._ready = False
        self._over = False
        self._retires = False
        self._reason = ""
        self._timer: Timer | None = None
        #: until it is ended because it has reported an error
        self._grace: Timer | None = None
        self._owes_sigterm = False
        try:
            self._watch()
        except BaseException:
            self.close()
            raise

    def _watch(self) -> None:
        self._loop.watch(self.successor.ready_fd, self.poll)
        self._loop.watch(self.successor.stderr_fd, self._copy_stderr)
        self._loop.watch(self.successor.pidfd, self._on_exit)
        if self._boot_timeout > 0:
            self._timer = self._loop.later(self._boot_timeout, self._hangs)

    @property
    def takeover(self) -> Takeover:
        """What the ready message says that the successor takes over."""
        return Takeover.from_facts(self.successor.news.ready or {})

    def sigterm_came(self) -> bool:
        """Whether a SIGTERM that has come may be the successor's, which was waited for in vain; true once."""
        owed, self._owes_sigterm = self._owes_sigterm, False
        return owed

    def poll(self) -> None:
        """Read the ready pipe now: before a SIGTERM is acted on, it must be known whether it may be the successor's."""
        fd = self.successor.ready_fd
        if fd < 0:
            return
        news = self.successor.read_ready()
        if self.successor.ready_fd < 0:
            self._loop.unwatch(fd)
        if news.stage != self._seen_stage:
            self._seen_stage = news.stage
            self._observer.stage(news.stage)
        if news.ready is not None:
            self._is_ready()
        elif news.error:
            self._said_error()
        elif self._grace is not None:
            # Its program has caught the error and tries again.
            self._grace.cancel()
            self._grace = None

    def _is_ready(self) -> None:
        if self._ready or self._over:
            return
        self._ready = True
        self.settled()
        self._leave_stderr()
        self._timer = self._loop.later(OVERDUE, self._is_overdue)
        self._observer.on_news(Event.READY)

    def _is_overdue(self) -> None:
        if not self.successor.exited():
            self._owes_sigterm = True
            self._observer.on_news(Event.OVERDUE)

    def _said_error(self) -> None:
        if self._grace is None:
            self._grace = self._loop.later(EXIT_AFTER_ERROR, lambda: self.successor.signal(signal.SIGKILL))

    def _hangs(self) -> None:
        self._reason = f"the successor was not ready within boot_timeout ({self._boot_timeout:g} s) and was killed"
        self.poll()
        if not self._ready:
            self.successor.signal(signal.SIGKILL)

    def _copy_stderr(self) -> None:
        fd = self.successor.stderr_fd
        self.successor.copy_stderr()
        if self.successor.stderr_fd < 0:
            self._loop.unwatch(fd)

    def _leave_stderr(self) -> None:
        """It has its own again, and passes on what others print that have the pipe still."""
        if self.successor.stderr_fd >= 0:
            self._copy_stderr()
        self._loop.unwatch(self.successor.stderr_fd)
        self.successor.leave_stderr()

    def _on_exit(self) -> None:
        """The pidfd is readable: the process is gone, whichever others may still hold its pipes."""
        self._loop.unwatch(self.successor.pidfd)
        self.successor.exited()
        self.poll()
        if self.successor.stderr_fd >= 0:
            self._copy_stderr()
        if not self._over:
            self._over = True
            terminated = not self._ready and self.successor.returncode == -signal.SIGTERM
            self._observer.on_news(Event.TERMINATED if terminated else Event.FAILED)
        elif self._retires:
            self.close()

    def refused_flag(self) -> str:
        """What it said of --graceful before it exited, if that may be why it never became ready; else ""."""
        return "" if self._ready else self.successor.refused_flag()

    def why(self, *, printed_above: bool = False) -> str:
        """Why it failed, for `hotswap status`; for a log in which stands what it has printed, without that."""
        if self._ready:
            return f"{self.successor.how_it_ended()} after it had said that it is ready"
        why = self.successor.why(printed_above=printed_above)
        return "\n".join(part for part in (self._reason, why) if part)

    @property
    def was_ready(self) -> bool:
        """Whether the successor has said that it is ready."""
        return self._ready

    def settled(self) -> None:
        """The successor has taken over: no timer is needed any more. Its exit is still told, as FAILED."""
        for timer in (self._timer, self._grace):
            if timer is not None:
                timer.cancel()

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal; what it does then is told as always."""
        self.settled()
        self.successor.signal(number)

    def let_retire(self) -> None:
        """It was taken back, and leaves: its end is no news any more, but is waited for, as it is our child."""
        self.settled()
        self._over = self._retires = True

    def close(self) -> None:
        """Forget it. One that never became ready is killed, or it would keep the listeners open."""
        self.settled()
        self._over = True
        if not self._ready and not self.successor.exited():
            self.successor.signal(signal.SIGKILL)
            self.successor.process.wait()
        for fd in (self.successor.ready_fd, self.successor.stderr_fd, self.successor.pidfd):
            if fd >= 0:
                self._loop.unwatch(fd)
        self.successor.close()
