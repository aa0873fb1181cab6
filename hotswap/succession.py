"""One attempt at a successor, from its start to the moment it is ready or has failed."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping
from typing import Any

from hotswap.lifecycle.states import Event
from hotswap.system.successor import Successor
from hotswap.system.waiter import Timer, Waiter

#: How long a successor that is ready may take to send its SIGTERM (seconds).
OVERDUE = 5.0
#: How long a successor that reported an error may take to exit: threads of the program can hold it up (seconds).
EXIT_AFTER_ERROR = 2.0


class Succession:
    """Watches a successor and tells what becomes of it: READY, then OVERDUE if its SIGTERM does not come; or FAILED.

    `tell(event)` is called on the main thread, each event once. `stage(text)` is called for every stage it reports.
    """

    def __init__(
        self,
        successor: Successor,
        generation: int,
        waiter: Waiter,
        boot_timeout: float,
        tell: Callable[[Event], object],
        stage: Callable[[str], object],
    ) -> None:
        self.successor = successor
        self.generation = generation
        self._waiter = waiter
        self._boot_timeout = boot_timeout
        self._tell = tell
        self._stage = stage
        self._seen_stage = ""
        self._ready = False
        self._over = False
        self._reason = ""
        self._timer: Timer | None = None
        waiter.watch(successor.ready_fd, self.poll)
        waiter.watch(successor.stderr_fd, self._copy_stderr)
        waiter.watch(successor.pidfd, self._on_exit)
        if boot_timeout > 0:
            self._timer = waiter.later(boot_timeout, self._hangs)

    @property
    def takes(self) -> Mapping[str, Any]:
        """What the ready message says the successor takes over the exchange."""
        return self.successor.news.ready or {}

    def poll(self) -> None:
        """Read the ready pipe now: before a SIGTERM is acted on, it must be known whether it may be the successor's."""
        fd = self.successor.ready_fd
        if fd < 0:
            return
        news = self.successor.read_ready()
        if self.successor.ready_fd < 0:
            self._waiter.unwatch(fd)
        if news.stage != self._seen_stage:
            self._seen_stage = news.stage
            self._stage(news.stage)
        if news.ready is not None:
            self._is_ready()
        elif news.error:
            self._said_error()

    def _is_ready(self) -> None:
        if self._ready or self._over:
            return
        self._ready = True
        self._restart_timer(OVERDUE, self._is_overdue)
        self._tell(Event.READY)

    def _is_overdue(self) -> None:
        if not self.successor.exited():
            self._tell(Event.OVERDUE)

    def _said_error(self) -> None:
        self._restart_timer(EXIT_AFTER_ERROR, lambda: self.successor.signal(signal.SIGKILL))

    def _hangs(self) -> None:
        self._reason = f"the successor was not ready within boot_timeout ({self._boot_timeout:g} s) and was killed"
        self.poll()
        if not self._ready:
            self.successor.signal(signal.SIGKILL)

    def _restart_timer(self, seconds: float, callback: Callable[[], object]) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._waiter.later(seconds, callback)

    def _copy_stderr(self) -> None:
        fd = self.successor.stderr_fd
        self.successor.copy_stderr()
        if self.successor.stderr_fd < 0:
            self._waiter.unwatch(fd)

    def _on_exit(self) -> None:
        """The pidfd is readable: the process is gone, whoever may still hold its pipes."""
        self._waiter.unwatch(self.successor.pidfd)
        self.successor.exited()
        self.poll()
        if self.successor.stderr_fd >= 0:
            self._copy_stderr()
        if not self._over:
            self._over = True
            self._tell(Event.FAILED)

    def why(self) -> str:
        """Why it failed, for the log and for `hotswap status`."""
        if self._ready:
            return f"{self.successor.how_it_ended()} after it had said that it is ready"
        return "\n".join(part for part in (self._reason, self.successor.why()) if part)

    def settled(self) -> None:
        """The successor has taken over: no timer is needed any more. Its exit is still told, as FAILED."""
        if self._timer is not None:
            self._timer.cancel()

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal; what it does then is told as always."""
        self.settled()
        self.successor.signal(number)

    def close(self) -> None:
        """Forget it. One that never became ready is killed, or it would keep the listeners open."""
        self.settled()
        self._over = True
        if not self._ready and not self.successor.exited():
            self.successor.signal(signal.SIGKILL)
            self.successor.process.wait()
        for fd in (self.successor.ready_fd, self.successor.stderr_fd, self.successor.pidfd):
            if fd >= 0:
                self._waiter.unwatch(fd)
        self.successor.close()
