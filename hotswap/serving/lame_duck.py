"""A server that serves on while load balancers are told that it does not: before it stops, or as an operator has asked.

A client that a load balancer sends here in the meantime is served; one that it would send here a moment after a stop,
because it has not noticed yet, is refused. So a stop can wait until it has.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from hotswap.lifecycle.states import Event, State
from hotswap.scoreboard import queries
from hotswap.serving.resources import Resources
from hotswap.system.main_loop import Timer

#: A second SIGTERM within that time is the same one: the starter's and a process group's come both (seconds).
_ECHO = 1.0
#: Where SIGTERM, with nothing to come before it, would stop the server.
_STOPS = (State.SERVING, State.RESTARTING, State.LAME_DUCK, State.STOPPING)


class LameDuck:
    """Begins and ends it; `over()` is called when load balancers have had their time. On the main thread."""

    def __init__(self, resources: Resources, server: object, over: Callable[[], object]) -> None:
        options = resources.plan.options
        self._resources = resources
        self._server = server
        self._over = over
        self._health = options.health_path
        self._seconds = options.lame_duck_s
        self._graceful_s = options.leave.graceful_timeout_s
        #: when health began to say 503, and when SIGTERM came (time.monotonic); None: not yet
        self._since: float | None = None
        self._told: float | None = None
        self._timer: Timer | None = None

    @property
    def began(self) -> bool:
        """Whether health says 503: in this generation that does not end."""
        return self._since is not None

    def meaning_of_term(self, state: State) -> Event | None:
        """What a SIGTERM means in `state`, None for nothing."""
        if not self._seconds or state not in _STOPS:
            return Event.TERM
        if state is State.STOPPING and self._told is not None and time.monotonic() - self._told < _ECHO:
            return None
        return Event.TERM_SOFTLY

    def begin(self) -> None:
        """Until a restart, whose generation is none, or a stop."""
        if self._since is None:
            self._tell_all("until this server is restarted or stopped")

    def bow_out(self) -> None:
        """For as long as the setting says, counted from when it began."""
        now = self._told = time.monotonic()
        left_s = max(0.0, (self._since or now) + self._seconds - now)
        # First: whatever goes wrong below, the server stops.
        self._timer = self._resources.loop.later(left_s, self._over)
        self._resources.announcer.systemd.lame_duck(left_s + self._graceful_s)
        if self._since is None:
            self._tell_all(f"for {left_s:g} s, then draining")

    def _tell_all(self, how_long: str) -> None:
        resources = self._resources
        self._since = time.monotonic()
        where = f"{self._health} says 503" if self._health else "there is no health path that would say so"
        resources.log.info("lame duck %s: still accepting, %s", how_long, where, event="lame_duck")
        resources.announcer.lame_duck(tells_health=bool(self._health))
        resources.runner.be_lame_duck()
        resources.callbacks.at("lame_duck", self._server)

    def ask_for_time(self) -> None:
        """Tell systemd that it goes on. Called every second of a lame duck that is to stop."""
        if self._timer is not None:
            left_s = max(0.0, self._timer.due - time.monotonic())
            left = queries.left_to_do(self._resources.board)
            self._resources.announcer.systemd.still_draining(left, left_s + self._graceful_s)

    def end(self) -> None:
        """It is over, in whatever way."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
