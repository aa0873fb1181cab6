"""The engine as its users see it: HTTP/1.1 on sockets given to it.

It knows nothing of restarts. It can start, accept, stop accepting, hand connections out, adopt connections,
finish, report. Any of its methods may be called from any thread, but `open`, `leave`, `resume` and `stop`
not by two at once.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

from hotswap.engine.acceptor import Acceptor
from hotswap.engine.call import Caller
from hotswap.engine.core import READ, WRITABLE, Core
from hotswap.engine.deadlines import Deadlines
from hotswap.engine.environ import base_environ
from hotswap.engine.handshake import Handshakes
from hotswap.engine.head import HeadReader
from hotswap.engine.leaving import Give, Leaving
from hotswap.engine.limits import Limits, from_settings
from hotswap.engine.model import Counters, InFlight, Log, Moved, Service
from hotswap.engine.monitor import Monitor
from hotswap.engine.proxied import ProxiedReader
from hotswap.engine.shedding import shed
from hotswap.engine.threads import Threads
from hotswap.engine.tls import context_of
from hotswap.engine.turns import Turns


class Engine:
    """Serves `services` with threads of this process.

    `cfg` is a gunicorn `Config` or answers like one. `changed` is called from any engine thread, so it must
    be quick and thread-safe: when the last connection has ended, and whenever a request or connection ended
    while leaving. `worker` is what gunicorn's request hooks get, if not a stand-in. Raises BootError if TLS is asked
    for and its files cannot be used.
    """

    def __init__(
        self,
        services: Sequence[Service],
        cfg: Any,
        log: Log,
        *,
        changed: Callable[[], None],
        multiprocess: bool = False,
        limits: Limits | None = None,
        worker: object = None,
    ) -> None:
        limits = limits or from_settings(cfg)
        context = context_of(cfg)
        for service in services:
            service.base = base_environ(service, cfg, multithread=limits.threads > 1, multiprocess=multiprocess)
        self._core = Core(services, limits, log, changed, sendfile=cfg.sendfile is not False and context is None)
        deadlines = Deadlines(self._core)
        reader = HeadReader(cfg, limits) if cfg.proxy_protocol == "off" else ProxiedReader(cfg, limits)
        self._turns = Turns(self._core, reader, deadlines)
        self._threads = Threads(self._core, self._turns.lead, self._turns.serve)
        self._turns.threads = self._threads
        self._turns.caller = Caller(self._core, cfg, self._threads.give_up, worker)
        self._acceptor = Acceptor(self._core, self._turns)
        if context is not None:
            shakes = self._acceptor.handshakes = Handshakes(self._core, context, ragged=cfg.suppress_ragged_eofs)
            shakes.flush, self._turns.shake = self._turns.flush, shakes.step
        self._leaving = Leaving(self._core, self._acceptor, self._threads, self._turns.uploads)
        self._monitor = Monitor(self._core, self._turns, self._threads, self._turns.pace)
        deadlines.expire = self._turns.expire
        deadlines.also.append(self._acceptor.ask)

    def start(self) -> None:
        """Start the first thread: sources and adopted connections are served, listeners are not polled yet."""
        self._core.pid = os.getpid()
        self._threads.start()
        self._monitor.start()

    def open(self) -> None:
        """Poll the listeners."""
        self._acceptor.start()

    def pause(self) -> None:
        """Do not poll the listeners, until open(): somebody else accepts meanwhile."""
        self._acceptor.stop()

    def shed(self, count: int, give: Give) -> None:
        """Give up to `count` idle connections away, as leave() does with all of them, and serve on."""
        shed(self._core, count, give)

    def leave(self, give: Give | None) -> None:
        """Stop accepting; every connection goes as soon as it is idle.

        `give` gets at most 64 connections at a time, which are then its own, and returns those it does not
        take: they drain. It is called here and, later, in engine threads, one call at a time. None drains
        all: answers carry `Connection: close`, idle connections are closed after a moment. May be called
        again, for all that is left.
        """
        self._leaving.leave(give)

    def resume(self) -> None:
        """Take leave() back: accept again, and keep the connections that are left."""
        self._leaving.resume()

    def adopt(self, arrivals: Sequence[Moved]) -> None:
        """Take over live connections; whole requests among their bytes are served at once. TLS never moves, so they are
        plain, unless `fresh`."""
        self._leaving.adopt(arrivals)

    def hammer(self) -> list[InFlight]:
        """End every connection by force; returns the requests that were cut."""
        return self._leaving.hammer()

    def in_flight(self) -> list[InFlight]:
        """The requests that were read and are not answered to the last byte."""
        return self._leaving.in_flight()

    @property
    def counters(self) -> Counters:
        """What was done since the start, and what there is now."""
        counters, core = self._core.counters, self._core
        counters.connections = len(core.live)
        counters.in_flight = max(0, counters.connections - len(core.owned))
        return counters

    @property
    def idle(self) -> bool:
        """True if no connection is left, nor about to arrive from a listener or a source."""
        # In this order: what arrives is in `live` before nobody is busy with it.
        return not self._turns.sources.busy and not self._core.live

    def add_source(self, fd: int, callback: Callable[[int], object], *, writable: bool = False) -> None:
        """Poll `fd` too: `callback(fd)` runs on the leading thread as long as it is readable (or `writable`)."""
        self._turns.sources[fd] = callback
        self._core.epoll.register(fd, WRITABLE if writable else READ)

    def remove_source(self, fd: int) -> None:
        """Do not poll it any more; a callback that runs right now finishes."""
        if self._turns.sources.pop(fd, None) is not None:
            self._core.epoll.unregister(fd)

    def stop(self) -> None:
        """Let all threads end and close what is left. Does not wait for application code."""
        core = self._core
        core.stopped = True
        core.waker.wake()
        self._threads.stop()
        self._monitor.wake()
        self._leaving.hammer()
        with core.lock:  # nobody who has seen that we run is still about to register something
            core.epoll.close()
