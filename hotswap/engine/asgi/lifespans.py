"""The lifespans of all applications of an engine, as the main thread begins and ends them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from hotswap.engine.asgi.lifespan import AsgiApplication, Lifespan, failure
from hotswap.engine.asgi.loop_thread import LoopBusy, LoopThread
from hotswap.engine.asgi.task_stack import where_it_runs, where_it_waits
from hotswap.errors import BootError

if TYPE_CHECKING:
    from hotswap.engine.base import Logger
    from hotswap.settings.options import AsgiOptions

#: The part of boot_timeout that startups may take: less than all, so that the reason is told before a predecessor, or
#: the server process, gives up (its own report of a hang comes at 0.8).
STARTUP_SHARE = 0.75
#: How long a shutdown may take that begins at the very end, when requests have been cut (seconds): the server process
#: kills a worker a second after its deadline (LeavePolicy).
LAST_S = 0.7


class Lifespans:
    """One for each application, however many listeners it has. Made and used on the main thread.

    Args: `apps` are the applications by their listeners' keys. `changed` is called in the loop when `finish` is to be
    asked again.
    """

    def __init__(
        self,
        apps: Mapping[str, AsgiApplication],
        options: AsgiOptions,
        log: Logger,
        thread: LoopThread,
        changed: Callable[[], object],
    ) -> None:
        self._options = options
        self._log = log
        self._thread = thread
        self._changed = changed
        #: set in the loop while this process leaves; each application has it as `state["draining"]`
        self.draining = asyncio.Event()
        unlike = {id(app): app for app in apps.values()}
        self._words = {
            one: "the application" if len(unlike) == 1 else f"the application at {key}"
            for key, one in reversed([(key, id(app)) for key, app in apps.items()])
        }
        states: dict[int, dict[str, Any]] = {one: {"draining": self.draining} for one in unlike}
        #: what each request gets a copy of, by listeners' keys
        self.states: dict[str, dict[str, Any]] = {key: states[id(app)] for key, app in apps.items()}
        self._apps = [(app, states[one], self._words[one]) for one, app in unlike.items()]
        self._begun: list[Lifespan] = []
        self._finishing_since: float | None = None
        self._has_finished = False

    def startup(self) -> None:
        """Start the applications up, one after the other, and see that the loop turns.

        Raises BootError if one of them fails, or if that takes longer than a part of boot_timeout: then it says where
        it waits.
        """
        until = time.monotonic() + STARTUP_SHARE * self._options.boot_timeout_s
        for app, state, words in self._apps if self._options.lifespan != "off" else ():
            lifespan = Lifespan(app, self._options.lifespan, state, self._log, words)
            self._begun.append(lifespan)
            try:
                self._thread.run(lifespan.startup, max(0.0, until - time.monotonic()))
            except LoopBusy:
                raise BootError(failure(words, self._hangs(lifespan))) from None

        # One that has said that it is complete may have left behind what blocks it.
        try:
            self._thread.call_within(max(0.1, until - time.monotonic()), lambda: None)
        except LoopBusy:
            where = where_it_runs(self._thread.ident)
            raise BootError(f"the event loop has been blocked since the startup; it is here:\n{where}") from None

    def _hangs(self, lifespan: Lifespan) -> str:
        limit_s = STARTUP_SHARE * self._options.boot_timeout_s
        where = self._where(lifespan)
        return f"it is not complete after {limit_s:g} s, {STARTUP_SHARE:.0%} of boot_timeout; it is here:\n{where}"

    def _where(self, lifespan: Lifespan) -> str:
        def waits() -> str:
            return where_it_waits(lifespan.task) if lifespan.task is not None else ""

        try:
            return self._thread.call(waits)
        except LoopBusy:
            return where_it_runs(self._thread.ident)

    def finish(self) -> bool:
        """Nothing is left to serve, for good: have the applications shut down. Returns whether they have, or have had
        graceful_timeout for it, and is to be asked again until then."""
        if self._finishing_since is None:
            self._finishing_since = time.monotonic()
            self._thread.call_soon(self._begin_to_finish)
        if not self._has_finished and time.monotonic() - self._finishing_since >= self._options.shutdown_timeout_s:
            self._give_up()
        return self._has_finished

    def end(self) -> None:
        """The process ends now: what is up shuts down in LAST_S, if that has not begun before."""
        if self._finishing_since is None and self._begun:
            try:
                self._thread.run(self._shut_all_down, LAST_S)
            except (LoopBusy, RuntimeError):
                self._give_up()
        elif self._finishing_since is not None and not self._has_finished:
            self._give_up()

    def _give_up(self) -> None:
        self._has_finished = True
        for lifespan in self._begun:
            if lifespan.is_up:
                self._log.warning(
                    "a shutdown has taken too long, and is cut (ASGI lifespan):\n%s", self._where(lifespan)
                )

    # in the loop

    def _begin_to_finish(self) -> None:
        self._thread.keep(self._shut_all_down(), name="shutdown")

    async def _shut_all_down(self) -> None:
        for lifespan in reversed(self._begun):
            await lifespan.shutdown()
        self._has_finished = True
        self._changed()
