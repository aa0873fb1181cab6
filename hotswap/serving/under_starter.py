"""A generation and its starter: orders, the starter's end, and signals that reach both."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from hotswap.lifecycle.states import Event
from hotswap.restart.starter_link import StarterLink
from hotswap.scoreboard import Scoreboard
from hotswap.serving.echoes import KNOWN, Echoes, Hup
from hotswap.system.main_loop import MainLoop


class UnderStarter:
    """Used on the main thread. Without a starter no signal is an echo, and all else does nothing."""

    def __init__(self, link: StarterLink, dispatch: Callable[[Event], None]) -> None:
        self._link = link
        self._dispatch = dispatch
        self._echoes = Echoes()
        #: what each process has passed on, as seen last: by its pid and when it was started
        self._passed_on: dict[tuple[int, float], int] = {}

    def latest_hup(self, generation: int) -> int:
        """The one that is about to be passed on to `generation`, as that reads it on the scoreboard."""
        return self._echoes.latest.to_word(generation)

    def look(self, board: Scoreboard, generation: int) -> None:
        """Before this `generation` says that it is ready: what was passed on by now was not for it."""
        self._board = board
        self._generation = generation
        self._news()

    def watch(self, loop: MainLoop) -> None:
        """From now on, when this generation serves, obey the starter and notice its end."""
        if self._link.exists:
            self._loop = loop
            loop.watch(self._link.fileno(), self._on_end)
            loop.watch(self._link.inbox_fd, lambda: self._link.orders(self._on_order))
            self._link.watched()

    def give_again(self, give: Callable[[], object]) -> None:
        """This generation serves again: have the starter keep what it has, and not what its successor had."""
        if self._link.exists:
            self._link.orders(self._on_order)
            self._loop.unwatch(self._link.inbox_fd)
            give()
            self._loop.watch(self._link.inbox_fd, lambda: self._link.orders(self._on_order))

    def has_acted_on_hup(self) -> bool:
        """Whether the SIGHUP that has come came on another way before, as the starter's order or by a generation that
        has passed it on: `pkill -f` and dumb-init send it to all of them."""
        if not self._link.exists:
            # Generation 1: if any pid stays, it is this process's. Other generations do not signal it.
            self._echoes.latest = Hup(time.monotonic(), KNOWN)
            return False
        self._echoes.expect(self._news())
        return self._echoes.is_signal_echo(f"pid {os.getpid()}")

    def _news(self) -> list[Hup]:
        """What generations have passed on to this one since the last look."""
        views = [view for view in self._board.slots() if view.role == "server"]
        before, self._passed_on = self._passed_on, {(view.pid, view.started): view.passed_on for view in views}
        new = [(word, who[0]) for who, word in self._passed_on.items() if word != before.get(who, 0)]
        hups = (Hup.from_word(word, pid, self._generation) for word, pid in new)
        return [hup for hup in hups if hup is not None]

    def _on_order(self, when: float) -> None:
        """The starter has a SIGHUP for the server."""
        if not self._echoes.is_echo(Hup(when, KNOWN)):
            self._dispatch(Event.HUP)

    def _on_end(self) -> None:
        """Nothing is written to this descriptor: that it is readable is its end of file."""
        self._loop.unwatch(self._link.fileno())
        self._loop.unwatch(self._link.inbox_fd)
        self._dispatch(Event.STARTER_GONE)
