"""One worker as the server process sees it: it gets orders, tells news, and is reaped."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator

from hotswap.engine import InFlight
from hotswap.lifecycle.worker_decisions import WorkerEnd
from hotswap.lifecycle.worker_states import Stage
from hotswap.system.crash_dumps import DumpFile
from hotswap.system.signals import name_of
from hotswap.workers.channel import Channel, ControlMessage, Order
from hotswap.workers.gunicorn_worker import GunicornWorker


class WorkerHandle:
    """A handle on a forked worker. Descriptors to watch: `pidfd`, and the channel's.

    `worker` is gunicorn's object, as forked: hooks get it, and its heartbeat file is read.
    """

    #: whether it takes connections that it has not accepted, and serves again if it was told to leave
    comes_back = True

    def __init__(self, number: int, worker: GunicornWorker, pid: int, channel: Channel, dump: DumpFile) -> None:
        self.number = number
        self.worker = worker
        self.pid = pid
        # It is our child and not reaped, so the pid cannot be another's yet.
        self.pidfd = os.pidfd_open(pid)
        self.channel = channel
        self._dump = dump
        self.stage = Stage.LOADING
        self.began = time.monotonic()
        self.status: int | None = None
        self._killed = False
        #: what it said of its end
        self.error = ""
        #: why it asked to be replaced
        self.reason = ""
        self.connections = 0
        #: how many connections it has not been able to send yet; None: it has not said so
        self.waiting: int | None = None
        self.cut: list[InFlight] = []

    def __str__(self) -> str:
        return f"worker {self.number} (pid {self.pid})"

    @property
    def idle(self) -> bool:
        """Whether it has never been told to accept: no client misses it."""
        return self.stage in (Stage.LOADING, Stage.LOADED)

    @property
    def must_beat(self) -> bool:
        """Whether a heartbeat is missed. A worker that loads has given none yet."""
        return self.stage is not Stage.LOADING

    @property
    def ended_well(self) -> bool:
        """Whether it ended as a worker does that was told to leave."""
        return self.status == 0

    @property
    def end(self) -> WorkerEnd:
        """What is known of its end, once it has been reaped."""
        return WorkerEnd(self.stage, said_why=bool(self.reason), ended_well=self.ended_well)

    @property
    def lived(self) -> float:
        """Seconds since it was forked."""
        return time.monotonic() - self.began

    def last_heartbeat(self) -> float:
        """When it gave its last one, as time.monotonic() (gunicorn.workers.workertmp)."""
        try:
            return float(self.worker.tmp.last_update())
        except (OSError, ValueError):
            return time.monotonic()

    def order(self, order: Order, *fds: int, **facts: object) -> None:
        """Tell it something; a worker that is gone hears nothing, and its exit says so."""
        self.channel.send(order, fds, **facts)

    def news(self) -> Iterator[ControlMessage]:
        """What it has said since the last time."""
        return self.channel.receive()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to this very process; to none if it has ended."""
        self._killed = self._killed or number == signal.SIGKILL
        with contextlib.suppress(ProcessLookupError, OSError):
            signal.pidfd_send_signal(self.pidfd, number)

    def reap(self, *, wait: bool = False) -> bool:
        """Read the exit status if it has ended; whether it has. `wait` until it does."""
        if self.status is not None:
            return True
        try:
            pid, status = os.waitpid(self.pid, 0 if wait else os.WNOHANG)
        except ChildProcessError:
            # The application has waited for any child at all: that it has ended is all we know.
            pid, status = self.pid, 0
        if pid:
            self.status = os.waitstatus_to_exitcode(status)
            self.error = self.error or self._dump.read()
        return self.status is not None

    def how_it_ended(self) -> str:
        """As a sentence, without a full stop."""
        if self.status is None:
            return f"{self} runs"
        if self.status < 0:
            perhaps = " (out of memory, perhaps)" if self.status == -signal.SIGKILL and not self._killed else ""
            return f"{self} was killed by {name_of(-self.status)}{perhaps}"
        return f"{self} exited with status {self.status}"

    def close(self) -> None:
        """Close what we hold of it, the heartbeat file too; safe to call twice. The process is not touched."""
        self.channel.close()
        self._dump.close()
        if self.pidfd >= 0:
            os.close(self.pidfd)
            self.pidfd = -1
        self.worker.tmp.close()
