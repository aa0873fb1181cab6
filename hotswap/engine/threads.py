"""The threads: one leads, the others sleep until they are given the lead or a request.

At most `limit` threads run the application, and one more leads: so the last free thread never does
(somebody must go on polling, accepting and handing over). A thread that finishes takes a waiting request
before it sleeps.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from time import monotonic

from hotswap.engine.connection import Connection
from hotswap.engine.core import RECV, Core

_SAY_AGAIN = 60.0  # seconds between two equal complaints about too few threads


class Seat:
    """Where one thread sleeps. Whoever pops it from `Threads.idle` sets `job` and rings."""

    __slots__ = ("bell", "job")

    def __init__(self) -> None:
        self.bell = threading.Lock()
        self.bell.acquire()
        self.job: Connection | None = None  # None: lead


class Threads:
    """Starts threads when they are needed, hands out the lead, queues requests when all threads are busy."""

    def __init__(
        self, core: Core, lead: Callable[[list[Connection]], None], serve: Callable[[Connection], None]
    ) -> None:
        self._core = core
        self._lead = lead
        self._serve = serve
        self.limit = core.limits.threads + 1
        self.count = 0
        self.idle: list[Seat] = []
        self.jobs: deque[Connection] = deque()
        self.slot: list[Connection] = []  # what the leader runs inline: whoever pops it has the lead
        self._starting = threading.Lock()
        self._said = self._could_not = -_SAY_AGAIN

    def start(self) -> None:
        """Start the first thread and give it the lead. Raises RuntimeError if the system gives no thread."""
        self._ring(self._new_seat(), None)

    def stop(self) -> None:
        """Let every sleeping thread end; busy ones end when they are done."""
        while True:
            try:
                seat = self.idle.pop()
            except IndexError:  # asked before, another one might take the last in between
                return
            self._ring(seat, None)

    def can_spare(self) -> bool:
        """True if the leader may run a request inline: another thread can take the lead from it."""
        return (bool(self.idle) or self.count < self.limit) and not self.jobs

    # the lead

    def give_up(self, conn: Connection) -> bool:
        """Take the lead away from the thread that runs `conn` inline, and give it to another.

        Called by that thread itself when it is about to wait, and by the monitor when it is stuck. True if
        that was done: False if somebody else did, the request is over, or there is no other thread.
        """
        slot = self.slot
        try:
            if slot[0] is not conn:
                return False
        except IndexError:
            return False
        seat = self._free_seat()
        if seat is None:
            return False
        with self._core.lock:
            try:
                # Perhaps not `conn` any more but the request after it: that one is as good, the lead is what we want.
                self._core.lend(slot.pop())
                self.slot = []  # nobody's, until the next leader has begun
            except IndexError:
                self._sit(seat)
                return False
        self._ring(seat, None)
        return True

    def pass_on(self) -> bool:
        """The leader gives the lead away between two requests. False: there is no other thread."""
        seat = self._free_seat()
        if seat is None:
            return False
        self.slot = []
        self._ring(seat, None)
        return True

    def leads(self, slot: list[Connection]) -> bool:
        """Whether the thread with this slot still leads, after something went wrong in the middle of a request."""
        slot.clear()
        with self._core.lock:
            return self.slot is slot

    def regained(self, slot: list[Connection]) -> bool:
        """The leader after a request: True if it still leads."""
        try:
            slot.pop()
        except IndexError:
            # Whoever took the lead may still be lending us our connection: only then may we put it back.
            with self._core.lock:
                return False
        return True

    # requests for others

    def hand(self, conn: Connection) -> None:
        """Give a request, whose connection is lent or out of epoll, to a free thread, or queue it; for the leader."""
        self.jobs.append(conn)
        seat = self._free_seat()
        if seat is None:
            self._core.counters.queued += 1
            self._complain()
        else:
            self._sit(seat)

    def _complain(self) -> None:
        now = monotonic()
        if now - self._said >= _SAY_AGAIN:
            self._said = now
            self._core.log.warning(
                "all %d threads are busy and requests wait: the application blocks; raise `threads`",
                self.limit - 1,
            )

    # seats

    def _free_seat(self) -> Seat | None:
        try:
            return self.idle.pop()
        except IndexError:
            pass
        with self._starting:
            if self.count >= self.limit:
                return None
            try:
                return self._new_seat()
            except (RuntimeError, ImportError, OSError) as error:
                self._cannot(error)
                return None

    def _cannot(self, error: Exception) -> None:
        # The monitor tries again at every look.
        now = monotonic()
        if now - self._could_not >= _SAY_AGAIN:
            self._could_not = now
            number = self.count + 1
            self._core.log.error("cannot start thread %d (%s): requests wait for others", number, error)

    def _new_seat(self) -> Seat:
        seat = Seat()
        name = f"hotswap-{self.count + 1}"
        if self.count == 1:
            # Here, and not at import: many a server never has a second thread.
            from hotswap.engine.unyielding import Unyielding

            self._core.unyielding = Unyielding(RECV)
        threading.Thread(target=self._run, args=(seat,), name=name, daemon=True).start()
        self.count += 1
        return seat

    def _ring(self, seat: Seat, job: Connection | None) -> None:
        seat.job = job
        seat.bell.release()

    def _sit(self, seat: Seat) -> None:
        """Free again; a request that was queued while it was not is taken at once."""
        while True:
            self.idle.append(seat)
            if self._core.stopped:
                self.stop()
                return
            if not self.jobs:
                return
            try:
                self.idle.remove(seat)
            except ValueError:  # rung for already
                return
            try:
                job = self.jobs.popleft()
            except IndexError:  # another thread was quicker: sit down again, and look again
                continue
            self._ring(seat, job)
            return

    def _run(self, seat: Seat) -> None:
        while True:
            seat.bell.acquire()
            if self._core.stopped:
                return
            job, seat.job = seat.job, None
            if job is None:
                slot: list[Connection] = []
                self.slot = slot
                self._lead(slot)
            else:
                self._serve(job)
            self._drain_jobs()
            self._sit(seat)

    def _drain_jobs(self) -> None:
        while not self._core.stopped:
            try:
                job = self.jobs.popleft()
            except IndexError:
                return
            self._serve(job)
