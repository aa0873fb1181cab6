"""`on_event=CMD`: a command that is run at each step of a generation's life, with the facts in its environment."""

from __future__ import annotations

import os
import signal
import time
from collections import deque
from collections.abc import Callable, Mapping

from hotswap.callbacks import STEPS
from hotswap.log import Log
from hotswap.system.command import BackgroundCommand
from hotswap.system.main_loop import MainLoop, Timer

#: How long one command may take (seconds), and how long after its SIGTERM it is killed.
LIMIT = 30.0
GRACE = 2.0
#: How long a generation that leaves waits for what still runs, and for those that are still to be run (seconds).
AT_THE_END = 5.0


class EventCommands:
    """Runs the command for one step after the other, in the order of the steps: a record of deploys is in that order.

    On the main thread, which never waits for it but in `close`. A failure is logged, and nothing follows from it.
    """

    def __init__(self, command: str, loop: MainLoop, log: Log, facts: Callable[[], Mapping[str, str]]) -> None:
        """facts: what is to be known of this generation beside the step, by the names of variables."""
        self._command = command
        self._loop = loop
        self._log = log
        self._facts = facts
        self._waiting: deque[Mapping[str, str]] = deque()
        self._running: tuple[BackgroundCommand, str] | None = None
        self._timer: Timer | None = None

    def at(self, step: str, arguments: tuple[object, ...]) -> None:
        """A step of the server's life has come."""
        # Now, and not when its turn comes: what is told is what was true at the step.
        self._waiting.append(environ_of(step, arguments, self._facts()))
        self._next()

    def _next(self) -> None:
        while self._waiting and self._running is None:
            environ = self._waiting.popleft()
            step = environ["HOTSWAP_EVENT"]
            try:
                command = BackgroundCommand(self._command, {**os.environ, **environ})
            except (OSError, ValueError) as error:
                self._log.error("on_event at %r cannot be started (%s): %s", step, error, self._command)
                continue
            self._running = (command, step)
            if command.pidfd < 0:
                self._ended()
                continue
            self._loop.watch(command.pidfd, self._on_end)
            self._timer = self._loop.later(LIMIT, self._too_long)

    def _on_end(self) -> None:
        self._ended()
        self._next()

    def _ended(self) -> None:
        assert self._running is not None
        (command, step), self._running = self._running, None
        if self._timer is not None:
            self._timer.cancel()
        self._loop.unwatch(command.pidfd)
        if wrong := command.reap():
            self._log.warning("on_event at %r %s: %s", step, wrong, self._command)

    def _too_long(self) -> None:
        if self._running is not None:
            self._log.warning("on_event at %r took longer than %g s and is ended", self._running[1], LIMIT)
            self._running[0].end(signal.SIGTERM)
            self._timer = self._loop.later(GRACE, self._kill)

    def _kill(self) -> None:
        if self._running is not None:
            self._running[0].end(signal.SIGKILL)

    def close(self) -> None:
        """This generation leaves: wait for what was begun or is still to be run, but not longer than AT_THE_END."""
        until = time.monotonic() + AT_THE_END
        self._next()
        while self._running is not None:
            command, step = self._running
            if not command.wait(max(0.0, until - time.monotonic())):
                self._log.warning("on_event at %r is ended, because this generation leaves", step)
                self._waiting.clear()
                command.end(signal.SIGKILL)
                command.wait(GRACE)
            self._on_end()


def environ_of(step: str, arguments: tuple[object, ...], facts: Mapping[str, str]) -> Mapping[str, str]:
    """Return the variables of one step: the event, the facts, and the reason, where its callbacks are told one."""
    told = dict(zip(STEPS[step].arguments, arguments, strict=False))
    reason = str(told.get("text", told.get("how", "")))
    if "requests" in told:
        reason = ", ".join(f"{request.method} {request.path}" for request in told["requests"])  # type: ignore[attr-defined]
    found = {"HOTSWAP_EVENT": step, **facts, "HOTSWAP_REASON": reason}
    return {name: value.replace("\0", "") for name, value in found.items()}
