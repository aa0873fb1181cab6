"""The threads: one leads, the others sleep until they are given the lead or a request.

At most `limit` threads run the application, and one more leads: so the last free thread never runs it (one has to go on
polling, accepting and handing over). A thread that finishes takes a waiting request before it sleeps.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from time import monotonic
from typing import TYPE_CHECKING

from hotswap.engine.connections.poller import RECV
from hotswap.engine.wsgi.client_gone import client_has_gone
from hotswap.engine.wsgi.lead import LeadToken
from hotswap.engine.wsgi.upload_limits import UploadGate

if TYPE_CHECKING:
    from hotswap.engine.connections.connection import Connection
    from hotswap.engine.connections.table import ConnectionTable
    from hotswap.engine.transport.gil_held_io import GilHeldIo

_SAY_AGAIN = 60.0  # seconds between two equal complaints about too few threads


class ParkedThread:
    """Where one thread sleeps. The thread that pops it from `ThreadPool.idle` sets `job` and rings the bell."""

    __slots__ = ("bell", "job")

    def __init__(self) -> None:
        self.bell = threading.Lock()
        self.bell.acquire()
        self.job: Connection | None = None  # None: lead


class ThreadPool:
    """Starts threads when they are needed, hands out the lead, queues requests when all threads are busy.

    `lead(token)` is what the leading thread runs, `serve(conn)` what a thread runs that got a request.
    """

    __slots__ = (
        "_could_not", "_lead", "_no_leader", "_said", "_serve", "_starting", "_state", "_table", "_uploads",
        "count", "gil_held_io", "idle", "jobs", "limit", "token",
    )  # fmt: skip

    def __init__(
        self,
        table: ConnectionTable,
        lead: Callable[[LeadToken], None],
        serve: Callable[[Connection], None],
    ) -> None:
        self._table = table
        self._state = table.state
        self._lead = lead
        self._serve = serve
        self._uploads = UploadGate(self._state.limits.uploads)
        self.limit = self._state.limits.threads + 1
        self.count = 0
        self.idle: list[ParkedThread] = []
        self._no_leader = LeadToken(self._state.lock)  # until the next leader has begun
        self.token = self._no_leader
        #: How to talk to clients while several threads run; made before there is a second one.
        self.gil_held_io: GilHeldIo | None = None
        self.jobs: deque[Connection] = deque()  # requests that wait for a thread
        self._starting = threading.Lock()
        self._said = self._could_not = -_SAY_AGAIN

    def start(self) -> None:
        """Start the first thread and give it the lead. Raises RuntimeError if the system gives no thread."""
        self._ring(self._new_thread(), None)

    def stop(self) -> None:
        """Let every sleeping thread end; busy ones end when they are done. The engine is stopped already."""
        while True:
            try:
                parked = self.idle.pop()
            except IndexError:  # asked before, another one might take the last in between
                return
            self._ring(parked, None)

    # the lead

    def can_spare(self) -> bool:
        """True if the leader may run a request itself: another thread can take the lead from it."""
        return (bool(self.idle) or self.count < self.limit) and not self.jobs

    def give_up(self, conn: Connection) -> bool:
        """Take the lead away from the thread that runs the request of `conn`, and give it to another.

        That thread itself calls it when it is about to wait for its client, and the monitor when the thread is stuck.
        False if another thread was quicker, the request is over, or there is no other thread.
        """
        token = self.token
        if token.running() is not conn:
            return False
        parked = self._free_thread()
        if parked is None:
            return False
        with self._state.lock:
            try:
                # Perhaps the request after that of `conn` by now: that one is as good, it is the lead that matters.
                self._table.park(token.take())
                self.token = self._no_leader
            except IndexError:
                self._sit(parked)
                return False
        self._ring(parked, None)
        return True

    def pass_on(self) -> bool:
        """The leader gives the lead away between two requests. False: there is no other thread."""
        parked = self._free_thread()
        if parked is None:
            return False
        self.token.give()
        self.token = self._no_leader
        self._ring(parked, None)
        return True

    # requests for other threads; called by the leader

    def hand(self, conn: Connection) -> None:
        """Give a request to a free thread, or queue it. It stays in epoll: parked."""
        self._table.park(conn)
        self._hand(conn)

    def hand_long(self, conn: Connection) -> None:
        """The same for a request whose thread will talk with the client for a long time."""
        self._table.disarm(conn)
        self._hand(conn)

    def hand_upload(self, conn: Connection) -> None:
        """The same for a request whose thread reads the body; while too many do, it waits until one is done."""
        self._table.disarm(conn)
        if self._uploads.enter(conn):
            self._hand(conn)

    def upload_done(self) -> None:
        """A thread has served a request whose body it read."""
        waiting = self._uploads.leave()
        if waiting is not None:
            # This thread takes it next. Not another one: the leader may count on the last that is free.
            self.jobs.append(waiting)

    def take_queued(self) -> Iterator[Connection]:
        """Every request that waits for a thread; the caller owns each from then on."""
        for queue in (self.jobs, self._uploads.waiting):
            while queue:
                try:
                    yield queue.popleft()
                except IndexError:  # a thread took it
                    break

    def serve_alone(self) -> None:
        """Where the system gives no second thread, serve what waits for one: nothing else would."""
        if self.count == 1:
            self._drain_jobs()
            self._state.now = monotonic()

    def _hand(self, conn: Connection) -> None:
        self.jobs.append(conn)
        parked = self._free_thread()
        if parked is None:
            self._state.counters.queued += 1
            self._complain()
        else:
            self._sit(parked)

    def _complain(self) -> None:
        now = monotonic()
        if now - self._said >= _SAY_AGAIN:
            self._said = now
            self._state.log.warning(
                "all %d threads are busy and requests wait: the application blocks; raise `threads`",
                self.limit - 1,
            )

    # threads

    def _free_thread(self) -> ParkedThread | None:
        try:
            return self.idle.pop()
        except IndexError:
            pass
        with self._starting:
            if self.count >= self.limit:
                return None
            try:
                return self._new_thread()
            except (RuntimeError, ImportError, OSError, MemoryError) as error:
                self._cannot(error)
                return None

    def _cannot(self, error: Exception) -> None:
        # The monitor tries again at every look.
        now = monotonic()
        if now - self._could_not >= _SAY_AGAIN:
            self._could_not = now
            number = self.count + 1
            self._state.log.error("cannot start thread %d (%s): requests wait for others", number, error)

    def _new_thread(self) -> ParkedThread:
        parked = ParkedThread()
        name = f"hotswap-{self.count + 1}"
        if self.count == 1:
            # Here, and not at import: many a server never has a second thread.
            from hotswap.engine.transport.gil_held_io import GilHeldIo

            self.gil_held_io = GilHeldIo(RECV)
        threading.Thread(target=self._run, args=(parked,), name=name, daemon=True).start()
        self.count += 1
        return parked

    def _ring(self, parked: ParkedThread, job: Connection | None) -> None:
        parked.job = job
        parked.bell.release()

    def _sit(self, parked: ParkedThread) -> None:
        """A thread is free again; a request that was queued while it was not is taken at once."""
        while True:
            self.idle.append(parked)
            if self._state.stopped:
                self.stop()
                return
            if not self.jobs:
                return
            try:
                self.idle.remove(parked)
            except ValueError:  # rung for already
                return
            try:
                job = self.jobs.popleft()
            except IndexError:  # another thread was quicker: sit down again, and look again
                continue
            self._ring(parked, job)
            return

    def _run(self, parked: ParkedThread) -> None:
        while True:
            parked.bell.acquire()
            if self._state.stopped:
                return
            job, parked.job = parked.job, None
            if job is None:
                self.token = token = LeadToken(self._state.lock)
                self._lead(token)
            else:
                self._serve(job)
            self._drain_jobs()
            self._sit(parked)

    def _drain_jobs(self) -> None:
        while not self._state.stopped:
            try:
                job = self.jobs.popleft()
            except IndexError:
                return
            # Only here: of those that no thread was free for.
            with self._table.owning(job):
                if client_has_gone(job):
                    self._abandon(job)
                else:
                    self._serve(job)

    def _abandon(self, conn: Connection) -> None:
        """A request that is not carried out."""
        request = conn.request
        self._state.counters.abandoned += 1
        if request is not None:
            self._state.log.debug("%s %s: not carried out, its client has gone", request.method, request.uri)
        self._table.close(conn)
        if request is not None and request.upload:
            self.upload_done()
