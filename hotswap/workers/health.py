"""Which workers are stuck, and their end: they give no heartbeat, or they hang while they load."""

from __future__ import annotations

import signal
import time
from collections.abc import Collection

from hotswap.lifecycle.worker_states import Phase, Stage
from hotswap.log import Log
from hotswap.settings.options import ClusterOptions
from hotswap.workers.handle import WorkerHandle

#: How often heartbeats are looked at (seconds), as gunicorn's arbiter does.
LOOK_EVERY = 1.0
#: By which part of workers_lifetime the last slot's worker outlives the first's: not all are due at once.
AGE_SPREAD = 0.1


class HealthCheck:
    """Looks at all workers of a server process; called on its main thread, every LOOK_EVERY seconds."""

    def __init__(self, options: ClusterOptions, log: Log) -> None:
        self._options = options
        self._log = log
        self._looked = time.monotonic()
        #: heartbeats before this moment are not missed: no worker could give them
        self._heartbeat_grace = 0.0

    def look(self, handles: Collection[WorkerHandle], phase: Phase) -> None:
        """End the workers that are stuck: SIGABRT first, a look later SIGKILL.

        As gunicorn.arbiter.Arbiter.murder_workers. A worker that loads has given no heartbeat yet: it has
        `boot_timeout`, unless the whole generation boots or leaves, which have deadlines of their own.
        """
        now = time.monotonic()
        if now - self._looked > 3 * LOOK_EVERY:
            # We were stopped, and the workers perhaps with us: they get the time that we had not.
            self._heartbeat_grace = now
        self._looked = now
        for handle in handles:
            if why := self._why_stuck(handle, phase, now):
                self._end(handle, why)

    def _why_stuck(self, handle: WorkerHandle, phase: Phase, now: float) -> str:
        timeout, boot_timeout = self._options.heartbeat_timeout_s, self._options.boot_timeout_s
        if handle.stage is Stage.LOADING:
            hangs = phase is Phase.SERVING and handle.lived > boot_timeout
            return f"has not loaded within boot_timeout = {boot_timeout:g} s" if hangs else ""
        if timeout and handle.must_beat and now - max(handle.last_heartbeat(), self._heartbeat_grace) > timeout:
            return f"gave no heartbeat for timeout = {timeout:g} s"
        return ""

    def _end(self, handle: WorkerHandle, why: str) -> None:
        first, handle.worker.aborted = not handle.worker.aborted, True
        if first:
            self._log.error("%s %s: ending it", handle, why)
        handle.signal(signal.SIGABRT if first else signal.SIGKILL)


def is_too_old(number: int, lived: float, slots: int, lifetime: float) -> bool:
    """Whether the worker in slot `number` of so many has lived (seconds) as long as workers_lifetime lets it."""
    return bool(lifetime) and lived >= lifetime * (1 + AGE_SPREAD * number / slots)
