"""What all threads of one engine share beside its connections: flags, figures, bounds, and the leader's clock."""

from __future__ import annotations

import os
import threading
import weakref
from threading import get_ident
from time import monotonic, pthread_getcpuclockid
from typing import TYPE_CHECKING

from hotswap.engine.forked_child import end_forked_child, end_returned_child
from hotswap.engine.guarded_log import GuardedLog
from hotswap.repeated_errors import RepeatedErrors

if TYPE_CHECKING:
    from hotswap.engine.base import EngineHost
    from hotswap.engine.connections.connection import Connection
    from hotswap.engine.http1.error_page import Refusal
    from hotswap.engine.limits import Limits
    from hotswap.engine.transport.gil_held_io import GilHeldIo
    from hotswap.engine.values import Give
    from hotswap.settings.options import EngineOptions


#: How long a loop waits when a round of it has failed (seconds): what is wrong may be wrong all the time.
BREATH = 0.05


class Waker:
    """Wakes the leading thread out of its poll; from any thread, also after the engine has stopped."""

    def __init__(self) -> None:
        self.fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)

    def wake(self) -> None:
        try:
            os.eventfd_write(self.fd, 1)
        except BlockingIOError:  # the counter is full: the thread is awake
            pass

    def rest(self, _fd: int = -1) -> None:
        """The leading thread is awake: forget why. Called as the waker's callback among the pollables."""
        try:
            os.eventfd_read(self.fd)
        except BlockingIOError:
            pass

    def __del__(self) -> None:
        # Not at stop(): a thread that finishes late would write into a file that has got the number by then.
        os.close(self.fd)


class EngineState:
    """The shared state of one engine. Each group of fields says which threads write it; all threads may read.

    Slots, because the lane in C reads some of them at their places.
    """

    __slots__ = (
        "__weakref__", "adopted", "changed", "counters", "draining", "errors", "gil_held_io", "give", "has_opened",
        "host", "keepalive", "lame_duck", "leader", "leader_clock", "leaving", "limits", "live", "lock", "log",
        "next_tick", "now", "pid", "sendfile", "stopped", "turns", "waker",
    )  # fmt: skip

    def __init__(self, options: EngineOptions, limits: Limits, host: EngineHost) -> None:
        self.limits = limits
        self.host = host
        self.log = GuardedLog(host.log)
        self.errors = RepeatedErrors(self.log)  # for what fails in a loop, and may fail again at once
        self.changed = host.changed
        self.keepalive = limits.keepalive > 0
        self.sendfile = options.sendfile and not options.tls
        #: Any thread.
        self.counters = host.counters
        self.live: set[Connection] = set()  # all connections, also those that a thread owns
        self.waker = Waker()
        #: Orders taking the lead away against finishing a request; never held over anything slow.
        self.lock = threading.Lock()
        self.adopted = 0  # live connections that came from another process; with the lock
        self.next_tick = 0.0  # when the leader looks at deadlines next; with the lock
        #: The threads that call the engine's methods.
        self.pid = 0  # the process that serves
        self.leaving = False
        self.draining = False
        self.lame_duck = False
        self.has_opened = False  # clients may be here; before, only what checks whether it may open
        self.stopped = False
        self.give: Give | None = None  # takes the connections that leave
        #: The leading thread.
        self.leader = 0  # its identity
        self.leader_clock = 0  # its CPU clock, for clock_gettime(2)
        self.now = monotonic()  # when it last looked at the clock
        self.turns = 0  # how many requests it ran itself: the monitor sees by it whether anything moves
        self.gil_held_io: GilHeldIo | None = None  # how to talk to clients while other threads run too

    def begin(self) -> None:
        """This process serves from now on."""
        self.pid = os.getpid()
        _serving.add(self)

    def end_child(self, error: BaseException | None = None) -> None:
        """Does not return in a process that the application has forked, and that has come back: by `error`, if any.

        Where `draining` is not set it is no such process: asked only then, it costs the others nothing.
        """
        if os.getpid() == self.pid:
            return
        if error is None:
            end_returned_child(self.log)
        end_forked_child(error, self.log)

    def lead_here(self) -> None:
        """The calling thread leads from now on."""
        self.leader = me = get_ident()
        self.leader_clock = pthread_getcpuclockid(me)

    def begin_leaving(self, give: Give | None) -> None:
        """Connections go as soon as they are idle: to `give`, or, with None, by draining."""
        self.give = give
        self.draining = give is None
        # Before `leaving` stands: what another `give` refused this one may take, but it is offered to each once.
        for conn in list(self.live):
            conn.closing = False
        self.leaving = True

    def end_leaving(self) -> None:
        """Idle connections stay."""
        self.give = None
        self.leaving = self.draining = False
        for conn in list(self.live):
            conn.closing = False

    def stop(self) -> None:
        """All threads end when they are done."""
        self.stopped = True
        self.waker.wake()

    def tick_at(self, when: float) -> None:
        """Let the leader look at deadlines no later than `when`."""
        with self.lock:
            self.next_tick = min(self.next_tick, when)
        self.wake_leader()

    def wake_leader(self) -> None:
        """Let the leading thread look again at what is ready and at the next deadline; any thread may call.

        The leading thread itself needs no waking. Neither does a thread that has just lost the lead and does not know
        it: its successor sets `leader` first, and looks then.
        """
        if get_ident() != self.leader:
            self.waker.wake()

    def note_refusal(self, conn: Connection, refusal: Refusal) -> None:
        """A request is answered with an error of the engine's, and the connection closed. In gunicorn's words."""
        self.counters.refused += 1
        address = conn.peer[0] if conn.peer.__class__ is tuple else conn.peer
        self.log.warning("Invalid request from ip=%s: %s", address, refusal)


#: Those of this process.
_serving: weakref.WeakSet[EngineState] = weakref.WeakSet()


def _after_fork_in_child() -> None:
    # A child that comes back from the application's call makes an answer as its parent does. Who makes one for an
    # engine that drains looks closer: for the others it costs nothing.
    for state in list(_serving):
        state.draining = True


os.register_at_fork(after_in_child=_after_fork_in_child)
