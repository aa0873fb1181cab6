"""What each signal means that comes to the starter; what is to be done then, the starter itself does."""

from __future__ import annotations

import signal
from typing import Protocol

from hotswap.starter.generations import Generations
from hotswap.starter.standard_error import log
from hotswap.starter.suspension import Suspension
from hotswap.system.hang_up import HangUp, Meaning
from hotswap.system.main_loop import MainLoop
from hotswap.system.signals import CTRL_C, HANDLED, SignalQueue

#: Asks the starter to execute itself anew; by default it is ignored (signal(7)), should another process get it.
ANEW = signal.SIGURG
#: What the starter's queue takes.
TAKEN = (*HANDLED, signal.SIGCHLD, ANEW)


class ObeysSignals(Protocol):
    """The starter, as signals see it."""

    def listen(self) -> None:
        """Take what the generations have said."""

    def reap(self) -> None:
        """Children have ended."""

    def restart(self) -> None:
        """A deploy's SIGHUP has come."""

    def stop(self, number: signal.Signals) -> None:
        """Stop the server, by sending this signal to its generations."""

    @property
    def stops(self) -> bool:
        """Whether the server stops already."""

    def execute_anew(self) -> None:
        """Become the starter of the release that serves."""


class StarterSignals:
    """`queue` was made of TAKEN. On the main thread."""

    def __init__(
        self, queue: SignalQueue, loop: MainLoop, generations: Generations, hang_up: HangUp, starter: ObeysSignals
    ) -> None:
        self._queue = queue
        self._loop = loop
        self._generations = generations
        self._hang_up = hang_up
        self._starter = starter
        self._suspension = Suspension(loop, queue, lambda: generations)
        self._interrupted = False
        self._told: set[signal.Signals] = set()

    def watch(self) -> None:
        """Obey from now on, also those that are in the queue already. The queue is entered."""
        self._loop.watch(self._queue.fileno(), self._take)
        self._hang_up.watch(self._loop, self._on_hang_up)
        self._loop.call(self._take)

    def _take(self) -> None:
        # First: generations that this process does not know yet are meant, too.
        self._starter.listen()
        for number in self._queue.take():
            self._obey(number)

    def _obey(self, number: signal.Signals) -> None:
        if number is signal.SIGCHLD:
            self._starter.reap()
        elif number is signal.SIGHUP:
            self._on_hup()
        elif number is signal.SIGUSR2:
            log("SIGUSR2 is ignored, for the pid stays: send SIGHUP for a restart, and no SIGTERM after it")
        elif number is signal.SIGTSTP:
            self._suspension.begin()
        elif number is ANEW:
            self._starter.execute_anew()
        elif number is signal.SIGINT and not self._interrupted:
            self._interrupted = True
            self._loop.later(CTRL_C, self._stop_those_that_serve_on)
        elif number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
            self._stop(number)
        else:
            self._generations.signal(number)

    def _on_hup(self) -> None:
        meaning = self._hang_up.meaning()
        if meaning is Meaning.RESTART:
            self._starter.restart()
        elif meaning is Meaning.STOP:
            self._on_hang_up()

    def _on_hang_up(self) -> None:
        """The generations see it, too, and a SIGTERM from here changes nothing for one that stops by itself."""
        log("the terminal was closed: the server stops")
        self._starter.stop(signal.SIGTERM)

    def _stop(self, number: signal.Signals) -> None:
        # Once: timeout(1) sends its signal to the process, and then to the process group.
        if number not in self._told:
            log(f"received {number.name}: the server stops")
            self._told.add(number)
        self._starter.stop(number)

    def _stop_those_that_serve_on(self) -> None:
        """The SIGINT was for this process alone, as an editor sends it to the process that it has started."""
        if not self._starter.stops:
            self._stop(signal.SIGTERM)
